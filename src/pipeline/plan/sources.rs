//! Several sources of one pipeline.

use super::{DoceboSource, Plan, Source};

/// A source besides the main one, whose rows a join reads, or another artifact is made of.
#[derive(Clone)]
pub struct NamedSource {
    pub name: String,
    pub source: Source,
    /// The largest number of rows, if the pipeline names one.
    pub rows_max: Option<u64>,
}

/// The main one of several sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MainSource {
    /// Its name, if the pipeline names its sources.
    pub name: Option<String>,
    /// The largest number of rows, if the pipeline names one.
    pub rows_max: Option<u64>,
}

impl Plan {
    /// Returns all sources, the main one first.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.source).chain(self.others.iter().map(|other| &other.source))
    }

    /// Returns the sources in tenants, the main one first.
    pub fn docebo_sources(&self) -> impl Iterator<Item = &DoceboSource> {
        self.sources().filter_map(|source| match source {
            Source::Docebo(docebo) => Some(docebo),
            Source::File(_) => None,
        })
    }

    /// Returns the tenants that it asks, each once, in the order of their names.
    pub fn tenants(&self) -> Vec<&str> {
        tenants_of(self.sources())
    }
}

/// Returns the tenants of sources, each once, in the order of their names.
pub fn tenants_of<'a>(sources: impl Iterator<Item = &'a Source>) -> Vec<&'a str> {
    let tenants = sources.filter_map(|source| match source {
        Source::Docebo(docebo) => Some(docebo.tenant.name.as_str()),
        Source::File(_) => None,
    });
    let tenants: std::collections::BTreeSet<&str> = tenants.collect();
    tenants.into_iter().collect()
}

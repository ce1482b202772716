//! Several artifacts of one run: files that are published together, or the entries of one ZIP.

use std::sync::Arc;

use super::{ArtifactPlan, Encryption, Format, Plan};
use crate::name::{NameError, NameTemplate, PendingName};
use crate::schedule::slot::Slot;
use crate::yaml::problem::Place;

/// The artifacts of one run, in the order in which they are made and published.
pub struct Artifacts {
    /// At least one, and at most [`Artifacts::MAX`].
    pub parts: Vec<ArtifactPart>,
    /// They are the entries of one ZIP; otherwise each is a file.
    pub in_archive: bool,
}

/// One of several artifacts.
pub struct ArtifactPart {
    /// Its key in the pipeline file.
    pub key: String,
    pub content: PartContent,
}

pub enum PartContent {
    /// The rows of one source: a plan of one artifact, which has no schedule, deliveries or tests of its own.
    Rows(Arc<Plan>),
    Constant(Constant),
}

/// A file that is the same in every run.
pub struct Constant {
    /// The place of its name.
    pub at: Place,
    pub name: NameTemplate,
    pub bytes: Arc<[u8]>,
}

impl Artifacts {
    pub const MAX: usize = 99;

    /// Returns the artifacts that have rows, each with its plan.
    pub fn of_rows(&self) -> impl Iterator<Item = (&str, &Arc<Plan>)> {
        self.parts.iter().filter_map(|part| match &part.content {
            PartContent::Rows(plan) => Some((part.key.as_str(), plan)),
            PartContent::Constant(_) => None,
        })
    }

    /// Returns the names of all files for a slot.
    ///
    /// # Errors
    /// A template gives no usable name, or two give the same.
    pub fn names(&self, slot: &Slot) -> Result<Vec<PendingName>, NameError> {
        let mut names: Vec<PendingName> = Vec::new();
        for part in &self.parts {
            let template = part.name();
            let name = template.render(&slot.name_fields())?;
            if names.contains(&name) {
                let what = "another artifact of the run has this name".to_owned();
                return Err(NameError { template: template.to_string(), name: name.to_string(), what });
            }
            names.push(name);
        }
        Ok(names)
    }
}

impl ArtifactPart {
    pub fn name(&self) -> &NameTemplate {
        match &self.content {
            PartContent::Rows(plan) => &plan.artifact.name,
            PartContent::Constant(constant) => &constant.name,
        }
    }

    /// Returns the place of its name.
    pub fn at(&self) -> &Place {
        match &self.content {
            PartContent::Rows(plan) => &plan.artifact.at,
            PartContent::Constant(constant) => &constant.at,
        }
    }
}

impl Plan {
    /// Returns its artifacts, if the pipeline names several.
    pub fn several(&self) -> Option<&Artifacts> {
        match &self.artifact.format {
            Format::Several(artifacts) => Some(artifacts),
            _ => None,
        }
    }

    /// Returns the plans with steps, expectations and a format: the plan itself, or that of each artifact with its key.
    pub fn row_plans(&self) -> Vec<(Option<&str>, &Self)> {
        match self.several() {
            None => vec![(None, self)],
            Some(artifacts) => artifacts.of_rows().map(|(key, plan)| (Some(key), &**plan)).collect(),
        }
    }

    /// Returns the plan of the rows of one artifact. Without a key, it is the only one that has rows.
    ///
    /// # Errors
    /// The keys to choose from.
    pub fn rows_of(self: &Arc<Self>, key: Option<&str>) -> Result<Arc<Self>, Vec<String>> {
        let Some(artifacts) = self.several() else {
            return if key.is_none() { Ok(self.clone()) } else { Err(Vec::new()) };
        };
        let found: Vec<(&str, &Arc<Self>)> =
            artifacts.of_rows().filter(|(known, _)| key.is_none_or(|key| key == *known)).collect();
        match found.as_slice() {
            [(_, plan)] => Ok((*plan).clone()),
            _ => Err(artifacts.of_rows().map(|(key, _)| key.to_owned()).collect()),
        }
    }

    /// Returns all encryptions: of the artifact, or of each of several.
    pub fn encryptions(&self) -> impl Iterator<Item = &Arc<Encryption>> {
        let own = self.artifact.encrypt.as_ref();
        let parts = self.several().into_iter().flat_map(Artifacts::of_rows);
        own.into_iter().chain(parts.filter_map(|(_, plan)| plan.artifact.encrypt.as_ref()))
    }
}

impl ArtifactPlan {
    /// Returns true if several files are delivered.
    pub fn is_group(&self) -> bool {
        self.split.is_some() || matches!(&self.format, Format::Several(artifacts) if !artifacts.in_archive)
    }

    /// Returns the templates of the names of its files, with their places.
    pub fn file_names(&self) -> Vec<(&Place, &NameTemplate)> {
        match &self.format {
            Format::Several(artifacts) if !artifacts.in_archive => {
                artifacts.parts.iter().map(|part| (part.at(), part.name())).collect()
            }
            _ => vec![(&self.at, &self.name)],
        }
    }

    /// Returns true if two slots get files of different names.
    pub fn uses_slot(&self) -> bool {
        self.file_names().iter().all(|(_, name)| name.uses_slot())
    }

    /// Returns true if a file's name is complete only when the file is encoded.
    pub fn names_use_content(&self) -> bool {
        self.file_names().iter().any(|(_, name)| name.uses_content())
    }

    /// Returns the names of a slot's data files, of a split artifact the first one.
    ///
    /// # Errors
    /// As [`NameTemplate::render`]; two files with the same name.
    pub fn names(&self, slot: &Slot) -> Result<Vec<PendingName>, NameError> {
        match (&self.format, self.split) {
            (Format::Several(artifacts), _) if !artifacts.in_archive => artifacts.names(slot),
            (_, None) => Ok(vec![self.name.render(&slot.name_fields())?]),
            (_, Some(_)) => Ok(vec![self.name.render_file(&slot.name_fields(), 1)?]),
        }
    }
}

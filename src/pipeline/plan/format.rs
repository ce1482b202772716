//! The format of the artifact.

use super::{CsvDialect, RecordEnd};

/// The format of the artifact's rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    Csv(CsvDialect),
}

impl Format {
    /// Returns its key in pipeline files.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
        }
    }

    /// Returns the dialect in which rows can be read back from the artifact.
    pub fn readable(&self) -> Option<&CsvDialect> {
        match self {
            Self::Csv(dialect) => Some(dialect).filter(|dialect| !matches!(dialect.record_end, RecordEnd::Text(_))),
        }
    }
}

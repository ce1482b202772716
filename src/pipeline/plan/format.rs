//! The format of the artifact.

use super::{CsvDialect, JsonContent, RecordEnd, Xml};

/// The format of the artifact's rows.
pub enum Format {
    Csv(CsvDialect),
    /// One document.
    Json(JsonContent),
    /// A value on each line.
    Ndjson(JsonContent),
    Xml(Xml),
}

impl Format {
    /// Returns its key in pipeline files.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Json(_) => "json",
            Self::Ndjson(_) => "ndjson",
            Self::Xml(_) => "xml",
        }
    }

    /// Returns the dialect in which rows can be read back from the artifact.
    pub fn readable(&self) -> Option<&CsvDialect> {
        match self {
            Self::Csv(dialect) => Some(dialect).filter(|dialect| !matches!(dialect.record_end, RecordEnd::Text(_))),
            Self::Json(_) | Self::Ndjson(_) | Self::Xml(_) => None,
        }
    }
}

//! The format of the artifact.

use super::{CsvDialect, EncodedFormat, FixedFormat};

/// The format of the artifact's rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    Csv(CsvDialect),
    Fixed(FixedFormat),
    /// A text format in another charset than UTF-8.
    Encoded(Box<EncodedFormat>),
}

impl Format {
    /// Returns its key in pipeline files.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Fixed(_) => "fixed",
            Self::Encoded(encoded) => encoded.format.key(),
        }
    }

    /// Returns the dialect in which rows can be read back from the artifact.
    pub fn readable(&self) -> Option<&CsvDialect> {
        match self {
            Self::Csv(dialect) => Some(dialect).filter(|dialect| dialect.is_readable()),
            Self::Fixed(_) | Self::Encoded(_) => None,
        }
    }
}

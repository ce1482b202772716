//! The format of the artifact.

use super::{
    Artifacts, CsvDialect, EncodedFormat, FixedFormat, JsonContent, LayoutBase, LayoutFormat, LayoutHeader, Parquet,
    Xlsx, Xml,
};

/// The format of the artifact's rows.
pub enum Format {
    Csv(CsvDialect),
    /// One document.
    Json(JsonContent),
    /// A value on each line.
    Ndjson(JsonContent),
    Xml(Xml),
    Fixed(FixedFormat),
    /// A text format in another charset than UTF-8.
    Encoded(Box<EncodedFormat>),
    /// Several artifacts, each in a format of its own.
    Several(Artifacts),
    Parquet(Parquet),
    Xlsx(Xlsx),
    /// A CSV or fixed-width file of several record types.
    Layout(Box<LayoutFormat>),
}

impl Format {
    /// Returns its key in pipeline files.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::Json(_) => "json",
            Self::Ndjson(_) => "ndjson",
            Self::Xml(_) => "xml",
            Self::Fixed(_) => "fixed",
            Self::Encoded(encoded) => encoded.format.key(),
            Self::Several(_) => "artifacts",
            Self::Parquet(_) => "parquet",
            Self::Xlsx(_) => "xlsx",
            Self::Layout(layout) => match layout.base {
                LayoutBase::Csv(_) => "csv",
                LayoutBase::Fixed { .. } => "fixed",
            },
        }
    }

    /// Returns true if its files are lines of text.
    pub fn is_text(&self) -> bool {
        !matches!(self, Self::Parquet(_) | Self::Xlsx(_))
    }

    /// Returns true if records before the rows are known after the last row.
    pub fn has_late_header(&self) -> bool {
        match self {
            Self::Layout(layout) => matches!(layout.header, LayoutHeader::After(_)),
            Self::Encoded(encoded) => encoded.format.has_late_header(),
            Self::Csv(_) | Self::Json(_) | Self::Ndjson(_) | Self::Xml(_) | Self::Fixed(_) => false,
            Self::Several(_) | Self::Parquet(_) | Self::Xlsx(_) => false,
        }
    }

    /// Returns the dialect in which rows can be read back from the artifact.
    pub fn readable(&self) -> Option<&CsvDialect> {
        match self {
            Self::Csv(dialect) => Some(dialect).filter(|dialect| dialect.is_readable()),
            Self::Json(_) | Self::Ndjson(_) | Self::Xml(_) | Self::Fixed(_) | Self::Encoded(_) => None,
            Self::Several(_) | Self::Parquet(_) | Self::Xlsx(_) | Self::Layout(_) => None,
        }
    }
}

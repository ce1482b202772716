//! The formats `parquet` and `xlsx` in a pipeline file. Names and comments here are part of the editor's schema.

use super::plan::ParquetCompression;
use crate::yaml::read::{At, Named};
use crate::yaml::scalars::Whole;

crate::table! {
    pub struct ParquetFile {
        /// The compression of the values: `zstd`, `gzip` or `none`. Default: zstd.
        compression: Option<ParquetCompression>,
        /// The largest number of rows of a row group, which ends earlier if its values have 8 MiB. Default: 100000.
        row_group: Option<Whole<1, 1_000_000>>,
    }
}

crate::table! {
    pub struct XlsxFile {
        /// The name of the sheet. Default: Sheet1.
        sheet: Option<At<String>>,
        /// The style of the first row, which has the columns' names.
        header: Option<XlsxHeaderFile>,
        /// Column: its width in characters. Default: 8.43.
        widths: Option<Named<Whole<1, 255>>>,
    }
}

crate::table! {
    pub struct XlsxHeaderFile {
        /// Bold names. Default: false.
        bold: Option<bool>,
    }
}

crate::words!(ParquetCompression {
    "zstd" => ParquetCompression::Zstd, "gzip" => ParquetCompression::Gzip, "none" => ParquetCompression::None,
});

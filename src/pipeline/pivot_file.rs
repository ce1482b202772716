//! A `pivot` in a pipeline file.

use super::join_file::AddedFile;
use crate::yaml::read::{At, OneOrMore};

crate::table! {
    pub struct PivotFile {
        /// The columns whose values make a row.
        by: OneOrMore<At<String>>,
        /// The column whose values are the names of columns.
        names: At<String>,
        /// The column with their values.
        values: At<String>,
        /// The columns of the result: a list of names, or new name: the name in the rows.
        columns: At<AddedFile>,
        /// The policy for a second value of one row and column: keep the first one, or fail. Default: error.
        many: Option<ManyWord>,
        /// The policy for a name that is not among `columns`: drop the row, or fail. Default: error.
        other: Option<OtherWord>,
    }
}

/// The policies for a second value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManyWord {
    First,
    Error,
}

/// The policies for other names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherWord {
    Drop,
    Error,
}

crate::words!(ManyWord { "first" => ManyWord::First, "error" => ManyWord::Error });
crate::words!(OtherWord { "drop" => OtherWord::Drop, "error" => OtherWord::Error });

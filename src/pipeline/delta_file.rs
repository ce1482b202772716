//! `delta` in a pipeline file. Names and comments here are part of the editor's schema.

use super::plan::FirstDelivery;
use crate::yaml::read::{At, OneOrMore};

crate::table! {
    pub struct DeltaFile {
        /// The columns whose values together identify a row; none of them may be empty.
        by: At<OneOrMore<At<String>>>,
        /// The columns whose change makes a row changed; none with `[]`. Default: all but those of `by`.
        compare: Option<At<OneOrMore<At<String>>>>,
        /// The name of the new column, which is the last one. Default: change_type.
        op: Option<At<String>>,
        /// The words in the new column. Default: added, changed and removed.
        words: Option<ChangeWordsFile>,
        /// The policy for the first file, in which every row is added: deliver `all`, or `hold` it. Default: all.
        initial: Option<FirstDelivery>,
        /// The policy for a row that is no longer there: `send` it as removed, or `keep` it, as a reader that takes
        /// nothing back. Default: send.
        removed: Option<At<RemovedFile>>,
    }
}

crate::table! {
    pub struct ChangeWordsFile {
        /// The word for a row whose key is new.
        added: Option<At<String>>,
        /// The word for a row with another value in a compared column.
        changed: Option<At<String>>,
        /// The word for a row that is no longer there.
        removed: Option<At<String>>,
    }
}

#[derive(Clone, Copy)]
pub enum RemovedFile {
    Send,
    Keep,
}

crate::words!(RemovedFile { "send" => RemovedFile::Send, "keep" => RemovedFile::Keep });
crate::words!(FirstDelivery { "all" => FirstDelivery::All, "hold" => FirstDelivery::Hold });

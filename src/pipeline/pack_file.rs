//! Compression and encryption of the artifact in a pipeline file.

use schemars::json_schema;

use crate::name::NameTemplate;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, OneOrMore};
use crate::yaml::tree::{Node, NodeKind};

/// The compression: a word, or a ZIP with the name of its entry.
pub enum CompressFile {
    Word(CompressWord),
    Zip(ZipTable),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressWord {
    Gzip,
    Zstd,
    Zip,
}

crate::words!(CompressWord {
    "gzip" => CompressWord::Gzip, "zstd" => CompressWord::Zstd, "zip" => CompressWord::Zip,
});

crate::table! {
    pub struct ZipTable {
        zip: ZipEntryTable,
    }
}

crate::table! {
    pub struct ZipEntryTable {
        /// The name of the file in the archive. Default: the artifact's name without `.zip`.
        #[schemars(with = "Option<String>")]
        entry: Option<At<NameTemplate>>,
    }
}

crate::kinds! {
    pub enum EncryptFile {
        /// OpenPGP (GnuPG): a binary message for one or more recipients.
        OpenPgp = "openpgp": OpenPgpFile,
        /// age, for one or more recipients.
        Age = "age": AgeFile,
    }
}

crate::table! {
    pub struct OpenPgpFile {
        /// Files with the recipients' public keys, beside the pipeline file: `keys/hris.asc`.
        #[schemars(with = "OneOrMore<String>")]
        to: At<OneOrMore<At<String>>>,
        /// The key that signs, by its name in the settings' `openpgp_keys`. Default: unsigned.
        sign: Option<At<String>>,
    }
}

crate::table! {
    pub struct AgeFile {
        /// Recipients: `age1…`, or files of such lines beside the pipeline file.
        #[schemars(with = "OneOrMore<String>")]
        to: At<OneOrMore<At<String>>>,
    }
}

impl FromNode for CompressFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.kind {
            NodeKind::Table(_) => ZipTable::from_node(node, problems).map(Self::Zip),
            _ => CompressWord::from_node(node, problems).map(Self::Word),
        }
    }
}

crate::schema_as!(CompressFile, |generator| {
    let (word, table) = (generator.subschema_for::<CompressWord>(), generator.subschema_for::<ZipTable>());
    json_schema!({"anyOf": [word, table]})
});

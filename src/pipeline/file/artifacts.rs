//! Several artifacts of one run in a pipeline file.

use super::ArtifactFile;
use crate::name::NameTemplate;
use crate::pipeline::expect_file::ExpectFile;
use crate::pipeline::pack_file::EncryptFile;
use crate::pipeline::step_file::StepItem;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, entries, table};
use crate::yaml::tree::{Key, Node, NodeKind, Origin};

/// The artifacts by their keys, in the order in which they are made and published.
pub struct ArtifactsFile(pub Vec<(Key, Lenient<PartFile>)>);

/// One of several artifacts.
pub enum PartFile {
    Rows(Box<RowsPartFile>),
    Constant(Box<ConstantFile>),
}

/// An artifact of rows: the keys of [`RowKeys`], and those of an artifact.
pub struct RowsPartFile {
    pub rows: RowKeys,
    pub artifact: ArtifactFile,
    pub origin: Origin,
}

crate::table! {
    pub struct RowKeys {
        /// The source whose rows are transformed, by its name under `sources`. With one source it may be left out.
        from: Option<At<String>>,
        /// Steps that transform the rows, from top to bottom.
        transform: Option<Vec<Lenient<StepItem>>>,
        /// Conditions that the rows must meet before anything is delivered.
        expect: Option<Lenient<ExpectFile>>,
    }
}

crate::table! {
    pub struct ConstantFile {
        /// The file's name: `manifest.csv`.
        #[schemars(with = "String")]
        name: At<NameTemplate>,
        /// The content of a file that is the same in every run, as it is written.
        text: Option<At<String>>,
        /// A file beside the pipeline file with the content.
        file: Option<At<String>>,
    }
}

crate::table! {
    pub struct ArchiveFile {
        /// The name of the ZIP: `oneroster_{slot:%Y%m%d}.zip`.
        #[schemars(with = "String")]
        name: At<NameTemplate>,
        /// Encryption for recipients, as of an `artifact`. Default: none.
        encrypt: Option<At<EncryptFile>>,
    }
}

impl FromNode for ArtifactsFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let parts = entries(node, problems)?;
        if parts.is_empty() {
            let problem = node.error("no artifact is named here");
            problems.push(problem.hint("name each: `artifacts: {users: {from: users, name: users.csv, csv: {}}}`"));
        }
        let read = |(key, node): &(Key, Node)| Some((key.clone(), Lenient::from_node(node, problems)?));
        Some(Self(parts.iter().filter_map(read).collect()))
    }
}

impl FromNode for PartFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let found = entries(node, &mut Vec::new());
        let has = |key: &str| found.iter().flat_map(|found| found.iter()).any(|(found, _)| found.text == key);
        if has("text") || has("file") {
            return ConstantFile::from_node(node, problems).map(|constant| Self::Constant(Box::new(constant)));
        }
        let known = [RowKeys::KEYS, ArtifactFile::KEYS, &["text", "file"]].concat();
        let node = table(node, &known, &[], problems)?;
        let only = |keys: &[&str]| {
            let entries = entries(&node, &mut Vec::new()).map(|found| found.into_owned()).unwrap_or_default();
            let kept = entries.into_iter().filter(|(key, _)| keys.contains(&key.text.as_str())).collect();
            Node { kind: NodeKind::Table(kept), ..node.clone().into_owned() }
        };
        let rows = RowKeys::from_node(&only(RowKeys::KEYS), problems);
        let artifact = ArtifactFile::from_node(&only(ArtifactFile::KEYS), problems);
        let origin = node.head().clone();
        Some(Self::Rows(Box::new(RowsPartFile { rows: rows?, artifact: artifact?, origin })))
    }
}

crate::schema_as!(ArtifactsFile, |generator| {
    let part = generator.subschema_for::<PartFile>();
    schemars::json_schema!({"type": "object", "minProperties": 1, "additionalProperties": part})
});

crate::schema_as!(PartFile, |generator| {
    let constant = generator.subschema_for::<ConstantFile>();
    let mut rows = <ArtifactFile as schemars::JsonSchema>::json_schema(generator);
    let own = <RowKeys as schemars::JsonSchema>::json_schema(generator);
    let own = own.get("properties").and_then(|keys| keys.as_object().cloned()).unwrap_or_default();
    if let Some(keys) = rows.get_mut("properties").and_then(|keys| keys.as_object_mut()) {
        keys.extend(own);
    }
    schemars::json_schema!({"anyOf": [rows, constant]})
});

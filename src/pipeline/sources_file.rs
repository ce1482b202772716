//! The source in a pipeline file, or several, by name.

use super::docebo::DoceboFile;
use super::plan::CsvInput;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, entries};
use crate::yaml::scalars::Whole;
use crate::yaml::tree::{Key, Node, NodeKind};

crate::kinds! {
    pub enum SourceFile {
        /// A report or records of a Docebo tenant.
        Docebo = "docebo": DoceboFile,
        /// A CSV file on this machine.
        File = "file": CsvSourceFile,
    }
}

crate::table! {
    pub struct CsvSourceFile {
        /// The file; a relative path is resolved against the settings file's folder.
        path: At<String>,
        /// The format of the CSV, if it is not comma-separated UTF-8.
        csv: Option<CsvInput>,
        /// Copies the file before it is read, for a file that is changed or removed soon. Default: false; it is read in
        /// place.
        copy: Option<bool>,
    }
}

/// The sources of a pipeline: the first one has the rows that are transformed, joins read the others.
pub struct SourcesFile(pub Vec<(Key, Lenient<NamedSourceFile>)>);

/// One of several sources.
pub struct NamedSourceFile {
    pub source: SourceFile,
    pub rows: Option<At<SourceRowsFile>>,
}

crate::table! {
    pub struct SourceRowsFile {
        /// The largest number of rows; more fail the run. Default: the settings' `limits.rows`.
        max: Whole<1, { u64::MAX }>,
    }
}

impl FromNode for SourcesFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let sources = entries(node, problems)?;
        if sources.is_empty() {
            let problem = node.error("no source is named here");
            problems.push(problem.hint("name each: `sources: {completions: {docebo: …}, users: {docebo: …}}`"));
        }
        let kinds = ["docebo", "file"];
        if let Some((key, _)) = sources.iter().find(|(key, _)| kinds.contains(&key.text.as_str())) {
            let what = format!("`{}` is a kind of source, and a name is expected here", key.text);
            let hint = format!("name it: `completions: {{{}: …}}`; a single source is written as `source`", key.text);
            problems.push(key.origin.error(what).hint(hint));
            return None;
        }
        let read = |(key, node): &(Key, Node)| Some((key.clone(), Lenient::from_node(node, problems)?));
        Some(Self(sources.iter().filter_map(read).collect()))
    }
}

impl FromNode for NamedSourceFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let rows = <Option<At<SourceRowsFile>>>::from_key(node, "rows", problems);
        let kind = match &node.kind {
            NodeKind::Table(keys) => {
                let keys = keys.iter().filter(|(key, _)| key.text != "rows").cloned().collect();
                &Node { kind: NodeKind::Table(keys), ..node.clone() }
            }
            _ => node,
        };
        Some(Self { source: SourceFile::from_node(kind, problems)?, rows: rows? })
    }
}

crate::schema_as!(NamedSourceFile, |generator| {
    let (docebo, file) = (generator.subschema_for::<DoceboFile>(), generator.subschema_for::<CsvSourceFile>());
    let rows = generator.subschema_for::<SourceRowsFile>();
    schemars::json_schema!({
        "type": "object",
        "properties": {"docebo": docebo, "file": file, "rows": rows},
        "oneOf": [{"required": ["docebo"]}, {"required": ["file"]}],
        "additionalProperties": false
    })
});

crate::schema_as!(SourcesFile, |generator| {
    let source = generator.subschema_for::<NamedSourceFile>();
    schemars::json_schema!({"type": "object", "minProperties": 1, "additionalProperties": source})
});

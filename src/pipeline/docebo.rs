//! The source `docebo` of a pipeline file: a report, or records.

use schemars::JsonSchema;

use super::csv::CsvInput;
use super::plan::Via;
use super::records::{RecordsWord, UpdatedSinceWord};
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, OneOrMore, scalar};
use crate::yaml::scalars::{Length, Whole};
use crate::yaml::tree::{Node, NodeKind};

/// A report or records of a Docebo tenant.
#[derive(JsonSchema)]
#[schemars(untagged)]
pub enum DoceboFile {
    Report(ReportSourceFile),
    Records(Box<RecordsSourceFile>),
}

crate::table! {
    pub struct ReportSourceFile {
        /// The tenant's name in the settings.
        tenant: Lenient<At<String>>,
        /// The report's UUID, or `{name: …}`.
        report: Lenient<ReportFile>,
        /// The way the rows are fetched: one download, or pages of results. Default: download.
        via: Option<Lenient<Via>>,
        /// The format of the downloaded CSV, if it is not comma-separated UTF-8.
        csv: Option<At<CsvInput>>,
    }
}

crate::table! {
    pub struct RecordsSourceFile {
        /// The tenant's name in the settings.
        tenant: Lenient<At<String>>,
        /// The records that are read in place of a report: `users`, `courses` or `enrollments`.
        records: Lenient<RecordsWord>,
        /// Only records that have changed since: `last_delivered`, a moment in UTC (`2026-11-01`), or `never` for all
        /// records. Default: never.
        updated_since: Option<Lenient<At<UpdatedSinceWord>>>,
        /// How far `last_delivered` reads back before the moment up to which the last delivered run read. Default: 1h.
        overlap: Option<At<Length>>,
        /// Only some enrollments.
        filter: Option<At<RecordsFilterFile>>,
        /// The columns, in order. Default: the usual fields of these records.
        fields: Option<At<OneOrMore<At<String>>>>,
    }
}

crate::table! {
    pub struct RecordsFilterFile {
        /// Courses, by their numbers.
        courses: Option<OneOrMore<Whole<1, { u64::MAX }>>>,
        /// Users, by their numbers.
        users: Option<OneOrMore<Whole<1, { u64::MAX }>>>,
        /// Statuses, in the platform's words: `completed`.
        statuses: Option<OneOrMore<String>>,
    }
}

crate::table! {
    /// A report by its exact name.
    struct ReportName {
        /// The report's name, exactly as Docebo shows it.
        name: At<String>,
    }
}

/// Keys of a report, and why records have none of them.
const OF_REPORTS: [(&str, &str); 2] = [
    ("via", "records are always read page by page: remove it"),
    ("csv", "records come as JSON, not as a CSV: remove it"),
];

/// Keys of records.
const OF_RECORDS: [&str; 4] = ["updated_since", "overlap", "filter", "fields"];

impl FromNode for DoceboFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let has = |key: &str| node.get(key).is_some();
        let is_records =
            ["records", "record"].into_iter().any(has) || (!has("report") && OF_RECORDS.into_iter().any(has));
        if !is_records {
            let node = without(node, problems, |key| {
                OF_RECORDS.contains(&key).then(|| {
                    let what = format!("`{key}` belongs to records");
                    (what, "a report is always whole: remove it, or write `records` in place of `report`")
                })
            });
            return ReportSourceFile::from_node(&node, problems).map(Self::Report);
        }
        let node = without(node, problems, |key| {
            if key == "report" {
                let what = "`report` and `records` are mutually exclusive".to_owned();
                return Some((what, "keep one of them; `sources` names several"));
            }
            let (_, why) = OF_REPORTS.iter().find(|(name, _)| *name == key)?;
            Some((format!("`{key}` belongs to a report"), *why))
        });
        Box::from_node(&node, problems).map(Self::Records)
    }
}

/// Returns a table without the keys for which `problem` returns a problem and its hint, and reports these.
fn without(node: &Node, problems: &mut Vec<Problem>, problem: impl Fn(&str) -> Option<(String, &'static str)>) -> Node {
    let NodeKind::Table(entries) = &node.kind else { return node.clone() };
    let mut kept = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match problem(&key.text) {
            Some((what, hint)) => problems.push(key.origin.error(what).hint(hint)),
            None => kept.push((key.clone(), value.clone())),
        }
    }
    Node { kind: NodeKind::Table(kept), ..node.clone() }
}

crate::words!(Via { "download" => Via::Download, "results" => Via::Results });

/// A report's UUID or its name.
pub enum ReportFile {
    Id(String),
    Name(String),
}

impl FromNode for ReportFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        if matches!(node.kind, NodeKind::Table(_)) {
            let ReportName { name } = ReportName::from_node(node, problems)?;
            return Some(ReportFile::Name(name.value));
        }
        let (text, _) = scalar(node, "a report's UUID or `{name: …}`", problems)?;
        if is_uuid(text) {
            return Some(ReportFile::Id(text.to_ascii_lowercase()));
        }
        problems.push(
            node.error(format!("{text:?} is not a report's UUID"))
                .hint("write the UUID from the report's address, or its name as `{name: …}`"),
        );
        None
    }
}

/// Returns true for a UUID of RFC 9562: 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

crate::schema_as!(ReportFile, |generator| {
    let name = generator.subschema_for::<ReportName>();
    let uuid = schemars::json_schema!({
        "type": "string",
        "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
    });
    schemars::json_schema!({"anyOf": [uuid, name]})
});

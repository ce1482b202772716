//! A pipeline after checking: complete, immutable, without defaults left to fill in.

mod aggregate;
mod answers;
mod artifacts;
mod dedupe;
mod delivery;
mod delta;
mod encoding;
mod existing;
mod expect;
mod fill;
mod fixed;
mod format;
mod join;
mod json;
mod layout;
mod map;
mod mask;
mod on_error;
mod pack;
mod pivot;
mod request;
mod sort;
mod sources;
mod tables;
mod test_case;
mod tree;
mod unpivot;
mod xml;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use self::aggregate::{Aggregate, AggregateColumn};
pub use self::answers::{AckRows, AnswerMatch, RefusedRows, ResponseRows};
pub use self::artifacts::{ArtifactPart, Artifacts, Constant, PartContent};
pub use self::dedupe::{Dedupe, Keep};
pub use self::delivery::DeliveryPlan;
pub use self::delta::{ChangeWords, Delta, FirstDelivery, RemovedRows};
pub use self::encoding::{Charset, EncodedFormat, Unmappable};
pub use self::existing::{AfterNameWait, Existing, NameWait};
pub(crate) use self::expect::{CellCondition, CellRule, Fresh, FreshColumn, ValueSet};
pub use self::expect::{DroppedMax, Expect, HeaderRule, Reference, RowsChange, Rule, ScopeRule, Severity, WhenEmpty};
pub use self::fill::{Fill, FillWith, Number};
pub use self::fixed::{Align, FieldValue, FixedField, FixedFormat, Overflow, WidthUnit};
pub use self::format::Format;
pub use self::join::{Join, JoinKind, Lookup, Match, TableRef};
pub use self::json::{JsonColumns, JsonContent, TypedColumn};
pub use self::layout::{LayoutBase, LayoutFormat, LayoutGroup, LayoutHeader, LayoutKey, LayoutRecord, LayoutTotal};
pub use self::map::{Map, MapSource, MapTable, Otherwise};
pub(crate) use self::mask::quoted;
pub use self::mask::{Mask, MaskMethod, REDACTED};
pub use self::on_error::OnError;
pub use self::pack::{Compression, Encryption, OpenPgpRecipient, SignWith, UnusableKey, entry_name};
pub use self::pivot::{Pivot, PivotColumn};
pub use self::request::{AfterUnknown, Method, PathPart, Request, ResponseRules};
pub use self::sort::{Direction, NullsPosition, Sort, SortKey};
pub use self::sources::{MainSource, NamedSource, tenants_of};
pub use self::tables::{ColumnTypes, ColumnWidth, Parquet, ParquetCompression, Xlsx};
pub use self::test_case::{
    Expected, ExpectedBalance, ExpectedData, ExpectedOutput, TestCase, TestInput, TestPath, TestRows, test_secret,
};
pub use self::tree::{Around, Body, Document, Literal, NamedTree, Tree, TreeValue};
pub use self::unpivot::{Unpivot, UnpivotNulls};
pub use self::xml::{TEXT, Xml};
pub use super::csv::{CsvDialect, CsvInput, Encoding, Header, QuoteStyle, RecordEnd};
pub use super::csv_escape::{DecimalPoint, Escape, EscapedLineEnds};
pub use super::records::{EnrollmentFilter, RecordList, RecordsPull, UpdatedSince};
pub use super::table_file::TableFile;
use crate::expr::Expr;
use crate::name::{NameError, NameTemplate, PendingName};
use crate::readers::Reader;
use crate::schedule::Schedule;
use crate::schedule::slot::Slot;
use crate::secret::Secret;
use crate::settings::{AlertKind, Pickup, SecretError, SecretRef, Tenant, WebhookBody};
use crate::yaml::problem::Place;

/// The plan of one pipeline file.
pub struct Plan {
    /// The file's stem.
    pub name: String,
    pub file: Arc<PathBuf>,
    /// SHA-256 of the file's text and of its tables, lower-case hex: identifies the version of a pipeline.
    pub digest: String,
    /// The files that the pipeline file names.
    pub tables: Vec<TableFile>,
    pub description: Option<String>,
    /// The reader whose profile filled in the pipeline file.
    pub reader: Option<&'static Reader>,
    pub schedule: Option<Schedule>,
    /// The zone in which slots are shown and named: the schedule's, else UTC.
    pub zone: TimeZone,
    /// The source of the rows that are transformed.
    pub source: Source,
    pub main: MainSource,
    /// The sources that joins read.
    pub others: Vec<NamedSource>,
    pub steps: Vec<TransformStep>,
    pub expect: Expect,
    pub artifact: ArtifactPlan,
    /// At least one, but in the plan of one of several artifacts.
    pub deliveries: Vec<DeliveryPlan>,
    /// Its alerts, if they differ from the settings'.
    pub alerts: Option<AlertPlan>,
    pub secrets: BTreeMap<String, SecretRef>,
    pub tests: Vec<TestCase>,
    /// The values that names and expressions take from `vars`, by name.
    pub vars: BTreeMap<String, String>,
}

impl Plan {
    /// Reads the secrets that its expressions name. Blocks.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn read_secrets(&self) -> Result<BTreeMap<String, Secret>, NamedSecretError> {
        let read = |(name, secret): (&String, &SecretRef)| match secret.read() {
            Ok(secret) => Ok((name.clone(), secret)),
            Err(source) => Err(NamedSecretError { name: name.clone(), source }),
        };
        self.secrets.iter().map(read).collect()
    }

    /// Returns the time that a run has to make its artifact before an alert is sent: the shortest of its deliveries'.
    pub fn alert_after(&self) -> Option<Duration> {
        self.deliveries.iter().filter_map(|delivery| delivery.alert_after).min()
    }
}

/// A secret of an expression cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("secret {name:?}: {source}")]
pub struct NamedSecretError {
    name: String,
    source: SecretError,
}

/// The alerts of a pipeline, and the names of their channels in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPlan {
    pub on: Vec<AlertKind>,
    pub channels: Vec<String>,
}

#[derive(Clone)]
pub enum Source {
    Docebo(DoceboSource),
    File(FileSource),
}

#[derive(Clone)]
pub struct DoceboSource {
    pub tenant: Arc<Tenant>,
    pub pull: Pull,
}

/// The rows that are read from a Docebo tenant: those of a report, or records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pull {
    Report(ReportPull),
    Records(RecordsPull),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportPull {
    pub report: ReportRef,
    pub via: Via,
    /// The format of the download; pages of results are never CSV.
    pub csv: CsvInput,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportRef {
    /// The report's UUID.
    Id(String),
    /// The report's exact name, looked up among the reports that the account can see.
    Name(String),
}

/// The way the rows of an export are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// One download, a ZIP or a CSV.
    Download,
    /// JSON pages.
    Results,
}

#[derive(Clone)]
pub struct FileSource {
    /// Relative paths are resolved against the settings file's folder.
    pub path: PathBuf,
    pub csv: CsvInput,
    /// Copied into the spool before it is read; otherwise read in place.
    pub copy: bool,
}

impl FileSource {
    /// Returns the source of a file that is read where it is.
    pub fn in_place(path: PathBuf, csv: CsvInput) -> Self {
        Self { path, csv, copy: false }
    }
}

impl Source {
    /// Returns the format of the CSV that it yields.
    pub fn csv(&self) -> CsvInput {
        match self {
            Self::Docebo(DoceboSource { pull: Pull::Report(report), .. }) => report.csv,
            Self::Docebo(DoceboSource { pull: Pull::Records(_), .. }) => CsvInput::default(),
            Self::File(file) => file.csv,
        }
    }

    /// Returns the records that it reads, with their tenant.
    pub fn records(&self) -> Option<(&Tenant, &RecordsPull)> {
        match self {
            Self::Docebo(DoceboSource { tenant, pull: Pull::Records(records) }) => Some((tenant, records)),
            _ => None,
        }
    }
}

/// One transform step and its place in the file.
pub struct TransformStep {
    pub at: Place,
    pub kind: StepKind,
    /// The policy for a value for which an expression of the step has no result.
    pub on_error: OnError,
}

pub enum StepKind {
    /// All renames of one step happen at once.
    Rename(Vec<Rename>),
    /// Keeps these columns, in this order.
    Select(Vec<Column>),
    Drop(Vec<Column>),
    /// Keeps the rows for which the expression is true; false and null drop the row.
    Filter(Expression),
    /// Each assignment reads the values before the step.
    Set(Vec<Assign>),
    Sort(Sort),
    Dedupe(Dedupe),
    /// Keeps this many rows, the first ones.
    Limit(u64),
    Unpivot(Unpivot),
    /// Adds columns of another table, or keeps rows by it.
    Join(Join),
    /// One row for each group of rows.
    Aggregate(Aggregate),
    /// One row for each group of rows, with a column for each of some names.
    Pivot(Pivot),
    Map(Box<Map>),
    /// Each column is masked by its value before the step.
    Mask(Vec<Mask>),
    Fill(Fill),
    Number(Number),
    Delta(Delta),
}

pub struct Rename {
    pub to: Column,
    pub from: Column,
}

#[derive(Clone)]
pub struct Column {
    pub name: String,
    pub at: Place,
}

pub struct Assign {
    /// An existing column is replaced in place; a new one is added at the end.
    pub column: String,
    pub value: Expression,
    pub at: Place,
}

/// An expression and the places of its columns.
pub struct Expression {
    pub expr: Expr,
    /// In the order of [`Expr::columns`].
    pub columns: Vec<Column>,
}

impl Expression {
    /// Makes an expression; `place` returns the place of a column's name.
    pub fn new(expr: Expr, place: impl Fn(&str) -> Place) -> Self {
        let columns = expr.columns().map(|name| Column { name: name.to_owned(), at: place(name) }).collect();
        Self { expr, columns }
    }
}

pub struct ArtifactPlan {
    /// The place of its name.
    pub at: Place,
    pub name: NameTemplate,
    pub format: Format,
    /// Keeps the rows beside the artifact, as requests need them and it cannot be read back.
    pub keeps_rows: bool,
    /// A new file begins after this many rows, at least 1.
    pub split: Option<u64>,
    pub compress: Option<Compression>,
    pub encrypt: Option<Arc<Encryption>>,
}

impl Plan {
    /// Returns the paths whose whole content the slot's delivery replaces, as one text: a later slot with the same text makes
    /// an undelivered one superfluous. `None` if any required destination adds to what it has: a webhook, a name that
    /// depends on what is there or in the file, a reader that takes each file away. Rows from elsewhere than the source replace nothing.
    pub fn replaces(&self, slot_ms: i64) -> Option<String> {
        if !matches!(self.source, Source::Docebo(_)) || self.artifact.names_use_content() {
            return None;
        }
        let at = Timestamp::from_millisecond(slot_ms).ok()?;
        let names = self.artifact.names(&Slot::new(&self.name, at, self.zone.clone())).ok()?;
        let mut paths = Vec::new();
        for delivery in self.deliveries.iter().filter(|delivery| delivery.required) {
            match delivery.destination.webhook() {
                Some(webhook) if webhook.body == WebhookBody::Notice && delivery.request.is_none() => continue,
                Some(_) => return None,
                None => {}
            }
            if delivery.existing != Existing::Replace || delivery.destination.pickup != Pickup::None {
                return None;
            }
            let path = |name: &PendingName| format!("{}:{}/{name}", delivery.destination.name, delivery.directory);
            paths.extend(names.iter().map(path));
        }
        paths.sort();
        (!paths.is_empty()).then(|| paths.join("\n"))
    }
}

impl ArtifactPlan {
    /// Returns true if the rows can be read back from the artifact.
    pub fn is_readable(&self) -> bool {
        self.format.readable().is_some() && self.compress.is_none() && self.encrypt.is_none()
    }

    /// Returns the name of a slot's first data file: the artifact's, or that of the first file of the group.
    ///
    /// # Errors
    /// As [`NameTemplate::render`].
    pub fn first_name(&self, slot: &Slot) -> Result<PendingName, NameError> {
        Ok(self.names(slot)?.swap_remove(0))
    }
}

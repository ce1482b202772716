//! A pipeline after checking: complete, immutable, nothing left to default.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::problem::Place;
use crate::encode::content::ContentTemplate;
use crate::encode::name::NameTemplate;
use crate::schedule::cron::Cron;
use crate::settings::{AlertKind, Destination, SecretRef, Tenant};
use crate::transform::expr::Expr;

/// What one pipeline file says, decided to the last default.
pub struct Plan {
    /// The file's stem.
    pub name: String,
    pub file: Arc<PathBuf>,
    /// SHA-256 of the file's text, lower-case hex: tells two versions of a pipeline apart.
    pub digest: String,
    pub description: Option<String>,
    pub schedule: Option<Schedule>,
    /// The zone that slots are shown and named in: the schedule's, else UTC.
    pub zone: TimeZone,
    pub source: Source,
    pub steps: Vec<Step>,
    pub expect: Expect,
    pub artifact: ArtifactPlan,
    /// At least one.
    pub deliveries: Vec<DeliveryPlan>,
    /// What is told of it, where it says something else than the settings.
    pub alerts: Option<AlertPlan>,
    /// The named secrets that the expressions use.
    pub secrets: std::collections::BTreeMap<String, SecretRef>,
}

/// What is told of a pipeline, and by which channels of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertPlan {
    pub on: Vec<AlertKind>,
    pub channels: Vec<String>,
}

pub struct Schedule {
    /// Where the cron expression is written.
    pub at: Place,
    pub cron: Cron,
    pub missed: Missed,
    /// Slots that passed longer ago are skipped.
    pub missed_within: Duration,
    pub overlap: Overlap,
    pub jitter: Duration,
    /// The wall-clock time by which a slot is to be delivered.
    pub expected_by: Option<jiff::civil::Time>,
}

/// What becomes of slots that passed while nobody worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    Latest,
    All,
    Skip,
}

/// What becomes of a slot that is due while the one before is still running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    Skip,
    Queue,
}

pub enum Source {
    Docebo(DoceboSource),
    File(FileSource),
}

pub struct DoceboSource {
    pub tenant: Arc<Tenant>,
    pub report: ReportRef,
    pub via: Via,
    /// Of the download; pages of results are never CSV.
    pub csv: CsvInput,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportRef {
    /// The report's UUID.
    Id(String),
    /// Its exact name; looked up among the reports that the account sees.
    Name(String),
}

/// How the rows of an export are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// One download, a ZIP or a CSV.
    Download,
    /// JSON pages.
    Results,
}

pub struct FileSource {
    /// Relative paths stand beside the settings file.
    pub path: PathBuf,
    pub csv: CsvInput,
}

impl Source {
    /// How the CSV that it gives is written.
    pub fn csv(&self) -> CsvInput {
        match self {
            Self::Docebo(docebo) => docebo.csv,
            Self::File(file) => file.csv,
        }
    }
}

/// How a CSV that is read is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvInput {
    /// ASCII, and neither a quote nor a line end nor NUL.
    pub delimiter: u8,
    /// What RFC 4180 has no reading for is an error.
    pub strict: bool,
    pub encoding: Encoding,
}

impl Default for CsvInput {
    /// RFC 4180 in UTF-8.
    fn default() -> Self {
        Self { delimiter: b',', strict: true, encoding: Encoding::Utf8 }
    }
}

/// A character encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Windows1252,
    Iso8859_1,
    Iso8859_15,
    /// In the byte order that the byte order mark says, which must be there.
    Utf16,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    pub const ALL: [Self; 7] =
        [Self::Utf8, Self::Windows1252, Self::Iso8859_1, Self::Iso8859_15, Self::Utf16, Self::Utf16Le, Self::Utf16Be];

    /// As it is written in a pipeline file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Windows1252 => "windows-1252",
            Self::Iso8859_1 => "iso-8859-1",
            Self::Iso8859_15 => "iso-8859-15",
            Self::Utf16 => "utf-16",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
        }
    }
}

/// One transform step, and where it is written.
pub struct Step {
    pub at: Place,
    pub kind: StepKind,
}

pub enum StepKind {
    /// All renames of one step happen at once.
    Rename(Vec<Rename>),
    /// Keeps these, in this order.
    Select(Vec<Column>),
    Drop(Vec<Column>),
    /// Keeps the rows for which the expression is true; false and null drop the row.
    Filter(Expr),
    /// Each assignment sees the values before the step.
    Set(Vec<Assign>),
}

pub struct Rename {
    pub to: String,
    pub from: Column,
}

pub struct Column {
    pub name: String,
    pub at: Place,
}

pub struct Assign {
    /// An existing column is replaced where it stands; a new one is added at the end.
    pub column: String,
    pub expr: Expr,
    pub at: Place,
}

pub struct Expect {
    pub when_empty: WhenEmpty,
    /// Fewer delivered rows than this are held.
    pub rows_min: Option<u64>,
    /// More delivered rows than this are held.
    pub rows_max: Option<u64>,
}

/// What an artifact without rows means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenEmpty {
    Send,
    Skip,
    Hold,
}

pub struct ArtifactPlan {
    /// Where its name is written.
    pub at: Place,
    pub name: NameTemplate,
    pub csv: CsvDialect,
    /// A new file begins after so many rows, at least 1.
    pub split: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvDialect {
    pub delimiter: u8,
    pub quote: QuoteStyle,
    pub line_end: LineEnd,
    pub header: bool,
    /// A UTF-8 byte order mark at the start.
    pub bom: bool,
    /// Prefixes cells that a spreadsheet would run as a formula with an apostrophe.
    pub formula_guard: bool,
}

impl Default for CsvDialect {
    /// RFC 4180, with the line end of Unix.
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: QuoteStyle::Necessary,
            line_end: LineEnd::Lf,
            header: true,
            bom: false,
            formula_guard: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteStyle {
    /// Where the cell needs it.
    Necessary,
    Always,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineEnd {
    Lf,
    CrLf,
}

/// One destination of the artifact.
pub struct DeliveryPlan {
    pub destination: Arc<Destination>,
    /// Where the destination is named.
    pub at: Place,
    /// The directory below the destination's base; `/` separated, never leaves the base. Where an SFTP destination has no
    /// base, one that begins with `/` is absolute.
    pub directory: String,
    pub existing: Existing,
    /// `replace: with_gap`: where the server cannot rename over a file, remove it first.
    pub replace_with_gap: bool,
    /// The files of a split artifact are published together, with one file of each kind beside them.
    pub set: bool,
    /// In the names of the files beside the data, `{name}` is that of the data, or of the set as a whole.
    /// A file that `sha256sum -c` reads.
    pub checksum: Option<NameTemplate>,
    /// A JSON file that says what the data is.
    pub manifest: Option<NameTemplate>,
    pub done_file: Option<NameTemplate>,
    /// What the done file holds; nothing where it is not said.
    pub done_content: Option<ContentTemplate>,
    /// Whether the run waits for this delivery to call itself delivered.
    pub required: bool,
}

/// What to do when the final name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Fail,
    Replace,
    /// Leave what lies there; this delivery ends as skipped.
    Keep,
    /// Try `name-1.csv`, `name-2.csv`, … up to 999.
    Number,
}

//! The contents of a pipeline file. Names and comments here are part of the editor's schema.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::aggregate_file::AggregateFile;
use super::csv::Delimiter;
use super::delta_file::DeltaFile;
use super::docebo::DoceboFile;
use super::done::DoneFile;
use super::expect_file::ExpectFile;
use super::join_file::JoinFile;
use super::pivot_file::PivotFile;
use super::plan::{CsvInput, Existing, Header, QuoteStyle, RecordEnd};
use super::row_steps_file::{FillFile, MapFile, MaskFile, NumberFile};
use super::scalars::{CompanionName, Directory, Expression};
use super::sources_file::SourcesFile;
use super::step_file::StepItem;
use super::table_steps_file::{DedupeFile, SortFile, UnpivotFile};
use crate::name::NameTemplate;
use crate::schedule::cron::Cron;
use crate::schedule::{Missed, Overlap, WhileHeld};
use crate::settings::PipelineAlertsFile;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, Named, OneOrMore};
use crate::yaml::scalars::{Length, Whole};
use crate::yaml::tree::{Node, Origin};

crate::table! {
    /// A pipeline: the report that is pulled, the transformation of its rows, and the destinations of the artifact.
    pub struct PipelineFile {
        /// A description of the delivery and its recipient.
        description: Option<Lenient<String>>,
        /// The schedule. Without one, the pipeline runs on demand only.
        schedule: Option<Lenient<ScheduleFile>>,
        /// The system and the report that is pulled from it. Either this or `sources` is required.
        source: Option<Lenient<SourceFile>>,
        /// Several sources, by names of your own: the first one's rows are transformed, joins read the others.
        sources: Option<At<SourcesFile>>,
        /// Steps that transform the rows, from top to bottom.
        transform: Option<Vec<Lenient<StepItem>>>,
        /// Conditions that the rows must meet before they are delivered.
        expect: Option<Lenient<ExpectFile>>,
        /// The file that is delivered.
        artifact: Lenient<ArtifactFile>,
        /// Destinations, by their name in the settings.
        deliver: Lenient<Deliveries>,
        /// Alerts of this pipeline, which override the settings'.
        alerts: Option<Lenient<PipelineAlertsFile>>,
    }
}

crate::table! {
    pub struct ScheduleFile {
        /// Minute, hour, day of month, month, day of week, as in Debian's cron: `30 5 * * mon-fri`.
        #[schemars(with = "String")]
        cron: At<Cron>,
        /// The IANA time zone of the schedule: `America/New_York`.
        #[schemars(with = "String")]
        timezone: TimeZone,
        /// The policy for slots missed while no worker was running: run the latest one, all, or none. Default: latest.
        missed: Option<Missed>,
        /// Slots that passed longer ago than this are skipped, regardless of `missed`. Default: 24h.
        missed_max_age (was missed_within): Option<Length>,
        /// The policy for a slot that is due while the previous one is still running. Default: skip.
        overlap: Option<Overlap>,
        /// The policy for a slot that is due while the run of an earlier one is held: run it, or wait for the decision.
        /// Default: continue.
        while_held: Option<WhileHeld>,
        /// The local time by which a slot must be delivered; after it, an alert is sent. Default: never.
        #[schemars(with = "Option<String>")]
        expected_by: Option<Time>,
        /// The largest delay of a slot's start, so that not all start at once. Default: 0s.
        jitter: Option<At<Length>>,
    }
}

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

crate::kinds! {
    /// One step, with exactly one key.
    pub enum StepFile {
        /// New name: the column's old name.
        Rename = "rename": At<Named<At<String>>>,
        /// Keeps these columns, in this order.
        Select = "select": At<OneOrMore<At<String>>>,
        /// Removes these columns.
        Drop = "drop": At<OneOrMore<At<String>>>,
        /// Keeps the rows for which this expression is true.
        Filter = "filter": At<Expression>,
        /// Column: the expression for its value.
        Set = "set": At<Named<At<Expression>>>,
        /// Sorts the rows by these columns.
        Sort = "sort": At<SortFile>,
        /// Keeps one row of those that have the same cells in some columns.
        Dedupe = "dedupe": At<DedupeFile>,
        /// Keeps this many rows, the first ones.
        Limit = "limit": At<Whole<1, { u64::MAX }>>,
        /// Makes a row of each of some columns.
        Unpivot = "unpivot": At<UnpivotFile>,
        /// Adds columns of another table, or keeps the rows that have a match there.
        Join = "join": At<JoinFile>,
        /// Makes one row of each group of rows.
        Aggregate = "aggregate": At<AggregateFile>,
        /// Makes one row of each group of rows, and columns of the names in one of their columns.
        Pivot = "pivot": At<PivotFile>,
        /// Replaces a column's values by those of a table.
        Map = "map": At<Box<MapFile>>,
        /// Column: the way its values are hidden: `redact`, `sha256`, `{hmac_sha256: SECRET}`, `{keep_first: N}` or
        /// `{keep_last: N}`.
        Mask = "mask": At<Named<At<MaskFile>>>,
        /// Fills empty cells.
        Fill = "fill": At<Box<FillFile>>,
        /// Numbers the rows that arrive at the step.
        Number = "number": At<NumberFile>,
        /// Only the rows that were added, changed or removed since the last file that the destination received.
        Delta = "delta": At<Box<DeltaFile>>,
    }
}

crate::table! {
    pub struct ArtifactFile {
        /// The file's name: `completions_{slot:%Y%m%d}.csv`.
        #[schemars(with = "String")]
        name: At<NameTemplate>,
        /// The format of the CSV.
        csv: Option<CsvFile>,
        /// Several files, each with its header; their names need `{part}`.
        split: Option<At<SplitFile>>,
    }
}

crate::table! {
    pub struct SplitFile {
        /// The largest number of rows of one file. A run makes 999 files at most.
        rows: Whole<1, { u64::MAX }>,
    }
}

crate::table! {
    pub struct CsvFile {
        /// One ASCII character between the cells. Default: `,`.
        delimiter: Option<Delimiter>,
        /// Quotes where a cell needs them, or around every cell. Default: necessary.
        quote: Option<QuoteStyle>,
        /// The end of each record: `lf`, `crlf`, or a text such as `"~\r\n"`. Default: lf.
        record_end (was line_end): Option<RecordEnd>,
        /// The first record: the columns' `names`, these in `upper` case, `none`, or a list of names. Default: names.
        header: Option<At<Header>>,
        /// A UTF-8 byte order mark at the start. Default: false.
        bom: Option<bool>,
        /// An apostrophe before cells that a spreadsheet would run as a formula. Default: false.
        formula_guard: Option<bool>,
    }
}

crate::table! {
    pub struct DeliverFile {
        /// The directory below the destination's base. Default: the base itself.
        path: Option<Directory>,
        /// The policy for a final name that is taken. Default: fail.
        existing: Option<At<Existing>>,
        /// `with_gap` allows removing the old file first, on servers that cannot rename over one.
        replace: Option<At<ReplaceWord>>,
        /// A companion file for `sha256sum -c`: `true` (then `{name}.sha256`), or its name.
        checksum: Option<At<CompanionName>>,
        /// A JSON companion file with the data's rows, columns and digest: `true` (then `{name}.json`), or its name.
        manifest: Option<At<CompanionName>>,
        /// A file written last, for readers that wait for one: `{name}.done`, which is empty, or `{name: "{name}.done",
        /// content: "{name}"}` for readers and servers that need it to have content.
        done_file: Option<At<DoneFile>>,
        /// For a split artifact: publish all its files, and then one checksum, manifest and done file for all of them.
        /// Default: false; each file has its own.
        publish_together (was set): Option<At<bool>>,
        /// True if the run is delivered only with this delivery. Default: true.
        required: Option<bool>,
    }
}

/// Ways of replacing a file on a server without atomic replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceWord {
    WithGap,
}

crate::words!(Missed { "latest" => Missed::Latest, "all" => Missed::All, "skip" => Missed::Skip });
crate::words!(Overlap { "skip" => Overlap::Skip, "queue" => Overlap::Queue });
crate::words!(WhileHeld { "continue" => WhileHeld::Continue, "wait" => WhileHeld::Wait });
crate::words!(QuoteStyle { "necessary" => QuoteStyle::Necessary, "always" => QuoteStyle::Always });
crate::words!(Existing {
    "fail" => Existing::Fail, "replace" => Existing::Replace, "keep" => Existing::Keep, "number" => Existing::Number,
});
crate::words!(ReplaceWord { "with_gap" => ReplaceWord::WithGap });

/// One destination's entry; an empty one uses the defaults.
pub struct Delivery {
    pub file: Option<DeliverFile>,
    pub origin: Origin,
}

impl FromNode for Delivery {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        Some(Delivery { file: DeliverFile::from_node(node, problems), origin: node.head().clone() })
    }
}

/// At least one destination.
pub struct Deliveries(pub Named<Delivery>);

impl FromNode for Deliveries {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let deliveries = Named::from_node(node, problems)?;
        if deliveries.0.is_empty() {
            problems.push(
                node.error("no destination is written here")
                    .hint("name at least one: `deliver: {hris: {path: /inbound}}`"),
            );
        }
        Some(Deliveries(deliveries))
    }
}

crate::schema_as!(Deliveries, |generator| {
    let delivery = generator.subschema_for::<DeliverFile>();
    schemars::json_schema!({
        "type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [delivery, {"type": "null"}]}
    })
});

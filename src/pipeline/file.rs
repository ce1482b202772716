//! The contents of a pipeline file. Names and comments here are part of the editor's schema.

/// Several artifacts of one run.
pub mod artifacts;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use self::artifacts::{ArchiveFile, ArtifactsFile};
use super::answers_file::{AckRowsFile, RefusedRowsFile};
use super::column_type::ColumnType;
use super::csv::Delimiter;
use super::csv_escape::{DecimalPoint, Escape};
use super::done::DoneFile;
use super::encoding_file::EncodingFile;
use super::existing_file::ExistingFile;
use super::expect_file::ExpectFile;
use super::fixed_file::FixedFile;
use super::json_file::JsonFile;
use super::layout_file::LayoutFile;
use super::pack_file::{CompressFile, EncryptFile};
use super::plan::{Header, QuoteStyle, RecordEnd};
use super::request_file::RequestFile;
use super::scalars::{CompanionName, Directory};
use super::sources_file::{SourceFile, SourcesFile};
use super::step_file::StepItem;
use super::table_formats_file::{ParquetFile, XlsxFile};
use super::tests_file::TestFile;
use super::vars_file::VarText;
use super::xml_file::XmlFile;
use crate::name::NameTemplate;
use crate::schedule::cron::Cron;
use crate::schedule::{Missed, Overlap, WhileHeld};
use crate::settings::PipelineAlertsFile;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, Named};
use crate::yaml::scalars::{Length, Whole};
use crate::yaml::tree::{Node, Origin};

crate::table! {
    /// A pipeline: the report that is pulled, the transformation of its rows, and the destinations of the artifact.
    pub struct PipelineFile {
        /// A description of the delivery and its recipient.
        description: Option<Lenient<String>>,
        /// A known reader, whose profile fills in what its specification determines: `degreed-completions`.
        reader: Option<At<String>>,
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
        /// The file that is delivered. Either this or `artifacts` is required.
        artifact: Option<Lenient<ArtifactFile>>,
        /// Destinations, by their name in the settings.
        deliver: Lenient<Deliveries>,
        /// Alerts of this pipeline, which override the settings'.
        alerts: Option<Lenient<PipelineAlertsFile>>,
        /// Rows that go in and rows that must come out, for `reportferry test`.
        tests: Option<Vec<Lenient<TestFile>>>,
        /// Values for names (`{var:ukprn}`) and expressions (`var('ukprn')`), by names of your own: texts, numbers, booleans.
        vars: Option<Lenient<Named<At<VarText>>>>,
        /// Several files of one run, by keys of your own, which are published together.
        artifacts: Option<At<ArtifactsFile>>,
        /// A ZIP with the `artifacts` as its entries, in place of several files.
        archive: Option<At<ArchiveFile>>,
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

crate::table! {
    pub struct ArtifactFile {
        /// The file's name: `completions_{slot:%Y%m%d}.csv`, `LEARN_{slot:%Y%m%d}_{count:6}.csv`, `roster-{sha256:8}.csv`.
        #[schemars(with = "String")]
        name: At<NameTemplate>,
        /// The format of the CSV.
        csv: Option<At<CsvFile>>,
        /// Several files, each with its header; their names need `{part}`.
        split: Option<At<SplitFile>>,
        /// Column: the type of its values in `json`, `ndjson`, `parquet` and `xlsx`, in which other columns are text.
        types: Option<At<Named<At<ColumnType>>>>,
        /// One JSON document, in place of a CSV.
        json: Option<JsonFile>,
        /// A JSON value on each line, in place of a CSV.
        ndjson: Option<JsonFile>,
        /// An XML document, in place of a CSV.
        xml: Option<XmlFile>,
        /// Compression: `gzip`, `zstd`, `zip` or `{zip: {entry: NAME}}`. Default: none.
        compress: Option<CompressFile>,
        /// Encryption for recipients: `{openpgp: {to: [keys/hris.asc]}}` or `{age: {to: [age1…]}}`. Default: none.
        encrypt: Option<At<EncryptFile>>,
        /// Records of fixed length, in place of a CSV.
        fixed: Option<At<FixedFile>>,
        /// The character encoding of a `csv` or `fixed`: `windows-1252`, or `{charset: us-ascii, unmappable: transliterate}`.
        /// Default: utf-8.
        encoding: Option<At<EncodingFile>>,
        /// A Parquet file, in place of a CSV.
        parquet: Option<At<ParquetFile>>,
        /// An Excel workbook with one sheet, in place of a CSV.
        xlsx: Option<At<XlsxFile>>,
        /// Several record types in one `csv` or `fixed` file: header, groups, trailer and totals.
        layout: Option<At<Box<LayoutFile>>>,
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
        /// Quotes where a cell needs them, around every cell, never, or around texts but not around numbers. Default: necessary.
        quote: Option<QuoteStyle>,
        /// The end of each record: `lf`, `crlf`, or a text such as `"~\r\n"`. Default: lf.
        record_end (was line_end): Option<At<RecordEnd>>,
        /// The first record: the columns' `names`, these in `upper` case, `none`, or a list of names. Default: names.
        header: Option<At<Header>>,
        /// A UTF-8 byte order mark at the start. Default: false.
        bom: Option<bool>,
        /// An apostrophe before cells that a spreadsheet would run as a formula. Default: false.
        formula_guard: Option<bool>,
        /// A character before others that have a meaning: `"\\"`, or `{character: "\\", line_ends: kept}`. Default: none.
        escape: Option<At<Escape>>,
        /// The text of an empty cell. Default: nothing.
        null_text: Option<At<String>>,
        /// The decimal point of numbers, `"."` or `","`. Default: `.`.
        decimal: Option<At<DecimalPoint>>,
    }
}

crate::table! {
    pub struct DeliverFile {
        /// The directory below the destination's base. Default: the base itself.
        path: Option<Directory>,
        /// The policy for a final name that is taken: `fail`, `replace`, `keep`, `number`, or `wait` until its reader has taken
        /// the earlier file away. Default: fail.
        existing: Option<At<ExistingFile>>,
        /// `with_gap` allows removing the old file first, on servers that cannot rename over one.
        replace: Option<At<ReplaceWord>>,
        /// The name under which the data file is written before it gets its final one, for servers with a rule for it:
        /// `"{stem}.prg"`. Default: a hidden name.
        #[schemars(with = "Option<String>")]
        upload_as: Option<At<NameTemplate>>,
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
        /// The request that carries the rows to a receiver with an API of its own, in place of the destination's `body`.
        request: Option<At<Box<RequestFile>>>,
        /// The rows that the receiver may refuse. Default: none; then a refused row makes the delivery partial.
        refused_rows: Option<At<RefusedRowsFile>>,
        /// The answers for single rows in the acknowledgement file that the destination's reader writes (`pickup: {ack_file: …}`).
        ack_rows: Option<At<AckRowsFile>>,
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
crate::words!(QuoteStyle { "necessary" => QuoteStyle::Necessary, "always" => QuoteStyle::Always, "never" => QuoteStyle::Never, "text" => QuoteStyle::Text });
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

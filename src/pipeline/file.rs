//! What may be written in a pipeline file. Names and comments here are the editor's schema too.

use super::done::DoneFile;
use super::plan::{Encoding, Existing, LineEnd, Missed, Overlap, QuoteStyle, Via, WhenEmpty};
use super::read::{At, Named, Part};
use super::scalars::{Length, Whole};
use super::written::{Delimiter, Deliveries, Directory, Expression, Name, ReportFile, SideName, WallTime, Zone};
use crate::schedule::cron::Cron;
use crate::settings::file::alerts::PipelineAlertsFile;

crate::table! {
    /// A pipeline: which report is pulled, how its rows are shaped, and where the artifact goes.
    pub struct PipelineFile {
        /// What this delivers and for whom, in a person's words.
        description: Option<Part<String>>,
        /// When it is due. Without one, it runs only when a person says so.
        schedule: Option<Part<ScheduleFile>>,
        /// The system that is asked, and what it is asked for.
        source: Part<SourceFile>,
        /// Steps that shape the rows, from top to bottom.
        transform: Option<Vec<Part<StepFile>>>,
        /// What must be true of the rows before they go out.
        expect: Option<Part<ExpectFile>>,
        /// The file that is handed over.
        artifact: Part<ArtifactFile>,
        /// Destinations, by their name in the settings.
        deliver: Part<Deliveries>,
        /// Who is told of what, in the place of what the settings say.
        alerts: Option<Part<PipelineAlertsFile>>,
    }
}

crate::table! {
    pub struct ScheduleFile {
        /// Minute, hour, day of month, month, day of week, as Debian's cron reads them: `30 5 * * mon-fri`.
        #[schemars(with = "String")]
        cron: At<Cron>,
        /// The IANA time zone of the schedule: `America/New_York`.
        timezone: Zone,
        /// What becomes of slots that passed while nobody worked: the latest one is run, all are, or none. Default: latest.
        missed: Option<Missed>,
        /// Slots that passed longer ago than this are skipped, whatever `missed` says. Default: 24h.
        missed_within: Option<Length>,
        /// What becomes of a slot that is due while the one before is still running. Default: skip.
        overlap: Option<Overlap>,
        /// The wall-clock time by which a slot is to be delivered: later, it is late, and says so. Default: never.
        #[schemars(with = "Option<String>")]
        expected_by: Option<WallTime>,
        /// Each slot starts up to this much later, so that not all begin at once. Default: 0s.
        jitter: Option<At<Length>>,
    }
}

crate::kinds! {
    pub enum SourceFile {
        /// A report of a Docebo tenant.
        Docebo = "docebo": DoceboFile,
        /// A CSV file on this machine.
        File = "file": CsvSourceFile,
    }
}

crate::table! {
    pub struct DoceboFile {
        /// The tenant's name in the settings.
        tenant: Part<At<String>>,
        /// The report's UUID, or `{name: …}`.
        report: Part<ReportFile>,
        /// How the rows are fetched: one download, or pages of results. Default: download.
        via: Option<Part<Via>>,
        /// How the downloaded CSV is written, where it is not comma-separated UTF-8.
        csv: Option<At<CsvInputFile>>,
    }
}

crate::table! {
    /// A report by its exact name.
    pub struct ReportName {
        /// The report's name, exactly as Docebo shows it.
        name: At<String>,
    }
}

crate::table! {
    pub struct CsvSourceFile {
        /// The file; a relative path stands beside the settings file.
        path: At<String>,
        /// How the CSV is written, where it is not comma-separated UTF-8.
        csv: Option<At<CsvInputFile>>,
    }
}

crate::table! {
    pub struct CsvInputFile {
        /// One ASCII character between the cells; a tab is written `"\t"`. Default: `,`.
        delimiter: Option<Delimiter>,
        /// Refuses text after a closing quote, NUL bytes, and a header that another delimiter separates. Default: true.
        strict: Option<bool>,
        /// The file's character encoding; bytes that are not valid in it are refused. Default: utf-8.
        encoding: Option<Encoding>,
    }
}

crate::kinds! {
    /// One step, with exactly one key.
    pub enum StepFile {
        /// New name: the column's old name.
        Rename = "rename": At<Named<At<String>>>,
        /// Keeps these columns, in this order.
        Select = "select": At<Vec<At<String>>>,
        /// Leaves these columns out.
        Drop = "drop": At<Vec<At<String>>>,
        /// Keeps the rows for which this expression is true.
        Filter = "filter": At<Expression>,
        /// Column: the expression that gives its value.
        Set = "set": At<Named<At<Expression>>>,
    }
}

crate::table! {
    pub struct ExpectFile {
        /// How many rows are delivered.
        rows: Option<RowsFile>,
        /// An artifact without rows is sent, skipped, or held until a person decides. Default: hold.
        when_empty: Option<WhenEmpty>,
    }
}

crate::table! {
    pub struct RowsFile {
        /// Fewer rows than this are held.
        min: Option<At<Whole<0, { u64::MAX }>>>,
        /// More rows than this are held.
        max: Option<At<Whole<0, { u64::MAX }>>>,
    }
}

crate::table! {
    pub struct ArtifactFile {
        /// The file's name: `completions_{slot:%Y%m%d}.csv`.
        #[schemars(with = "String")]
        name: At<Name>,
        /// How the CSV is written.
        csv: Option<CsvFile>,
        /// Several files, each with its header; their names need `{part}`.
        split: Option<At<SplitFile>>,
    }
}

crate::table! {
    pub struct SplitFile {
        /// Rows of one file, at most. A run makes 999 files at most.
        rows: Whole<1, { u64::MAX }>,
    }
}

crate::table! {
    pub struct CsvFile {
        /// One ASCII character between the cells. Default: `,`.
        delimiter: Option<Delimiter>,
        /// Quotes where a cell needs them, or around every cell. Default: necessary.
        quote: Option<QuoteStyle>,
        /// Default: lf.
        line_end: Option<LineEnd>,
        /// The column names in the first line. Default: true.
        header: Option<bool>,
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
        /// What to do when the final name is taken. Default: fail.
        existing: Option<At<Existing>>,
        /// `with_gap` allows to remove the old file first, on servers that cannot rename over one.
        replace: Option<At<ReplaceWord>>,
        /// A file beside the data that `sha256sum -c` reads: `true` (then `{name}.sha256`), or its name.
        checksum: Option<At<SideName>>,
        /// A JSON file beside the data, with its rows, columns and digest: `true` (then `{name}.json`), or its name.
        manifest: Option<At<SideName>>,
        /// A file written last, for readers that wait for one: `{name}.done`, which is empty, or
        /// `{name: "{name}.done", content: "{name}"}` for readers and servers that want it to hold something.
        done_file: Option<At<DoneFile>>,
        /// With a split artifact: all its files are published, and then one checksum, manifest and done file for all of
        /// them. Default: false, and each file has its own.
        set: Option<At<bool>>,
        /// Whether the run waits for this delivery to call itself delivered. Default: true.
        required: Option<bool>,
    }
}

/// How a server without atomic replacement may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplaceWord {
    WithGap,
}

crate::words!(Missed { "latest" => Missed::Latest, "all" => Missed::All, "skip" => Missed::Skip });
crate::words!(Overlap { "skip" => Overlap::Skip, "queue" => Overlap::Queue });
crate::words!(Via { "download" => Via::Download, "results" => Via::Results });
crate::words!(WhenEmpty { "send" => WhenEmpty::Send, "skip" => WhenEmpty::Skip, "hold" => WhenEmpty::Hold });
crate::words!(QuoteStyle { "necessary" => QuoteStyle::Necessary, "always" => QuoteStyle::Always });
crate::words!(LineEnd { "lf" => LineEnd::Lf, "crlf" => LineEnd::CrLf });
crate::words!(Existing {
    "fail" => Existing::Fail, "replace" => Existing::Replace, "keep" => Existing::Keep, "number" => Existing::Number,
});
crate::words!(ReplaceWord { "with_gap" => ReplaceWord::WithGap });

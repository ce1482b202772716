//! transform → encode: one pass over the rows, from the extract to the artifact in the spool.

mod several;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::several::SeveralPasses;
use super::delta::OpenDelta;
use super::others::{OtherExtract, step_inputs};
use super::{RunError, RunExecution, Stop, blocking, failed};
use crate::disk;
use crate::encode::{Artifact, ArtifactFile, FileLayout, FileNames, GROUP_FILES_MAX, Packing, one_name};
use crate::expect::{Baseline, Checked, Checker, Draft, DroppedFacts, Ended, Opening, RecordChecker};
use crate::extract::{Extract, SourceFacts, Stored, Witness};
use crate::ledger::record::Run;
use crate::name::{NameError, NameTemplate, PendingName};
use crate::pipeline::plan::{ArtifactPlan, CsvInput, Plan, Source};
use crate::progress::{Meter, Progress};
use crate::schedule::slot::Slot;
use crate::secret::Secret;
use crate::settings::Limits;
use crate::transform::{
    Balance, DroppedRows, Input, Needs, Passed, Record, Row, Sink, StepInputs, Transform, TransformError,
};

/// The outcome of the pass.
pub(super) enum Transformed {
    Done {
        artifact: Box<Artifact>,
        balance: Balance,
        /// The balances of several artifacts, by their keys: their sum is the other one.
        parts: Vec<(String, Balance)>,
        checked: Box<Checked>,
        /// The SHA-256 of a file that was read in place.
        read: Option<String>,
    },
    /// The extract on disk differs from what was saved: it must be fetched again.
    Damaged { what: String },
    /// The file changed while it was read in place: what was read may be of no one version, and is void.
    Changed,
    /// The file is not the one that was to be read in place.
    Other,
}

pub(super) async fn transform_and_encode(
    execution: &RunExecution<'_>,
    run: &Run,
    (extract, others): (&Extract, Vec<OtherExtract>),
    expected_sha256: Option<String>,
    baseline: Baseline,
) -> Result<Transformed, Stop> {
    let plan = execution.plan;
    let at = jiff::Timestamp::from_millisecond(run.slot_ms).map_err(|error| failed(error.to_string()))?;
    let slot = Slot::new(&run.pipeline, at, plan.zone.clone());
    let name = name(&plan.artifact, &slot).map_err(|error| failed(format!("artifact.name: {error}")))?;
    let reading = plan.clone();
    let secrets = blocking(move || reading.read_secrets()).await?.map_err(|error| failed(error.to_string()))?;
    let mut baseline = baseline;
    if let Source::File(_) = execution.source {
        baseline.scope = None; // a file has no account
    }
    let delta = execution.open_delta(run).await?;
    let may_be_fetched_again = matches!(extract.stored, Stored::Spool { .. }) || !others.is_empty();
    let stop = CancellationToken::new();
    // If this future is dropped, the thread stops at its next block.
    let _stops = stop.clone().drop_guard();
    let pass = Pass {
        plan: plan.clone(),
        extract: extract.clone(),
        csv: plan.source.csv(),
        others,
        expected_sha256,
        path: execution.spool.artifact(),
        folder: execution.spool.path().to_owned(),
        dropped: execution.spool.dropped_rows(),
        slot,
        name,
        secrets,
        limits: execution.context.settings.limits,
        baseline,
        delta,
        packing: None,
        progress: execution.context.progress.clone(),
        stop,
    };
    let done = match plan.several() {
        Some(artifacts) => {
            let several = SeveralPasses::of(execution, artifacts, pass).await?;
            blocking(move || several.run()).await?
        }
        None => {
            let packing = execution.packing(&plan.artifact, &pass.slot, &pass.name).await?;
            blocking(move || Pass { packing, ..pass }.run_unchanged().map_err(PassError::of_all)).await?
        }
    };
    done.or_else(|error| error.outcome(may_be_fetched_again))
}

/// Returns the artifact's name. Of a split one, the longest possible name is checked before the rows are read.
fn name(artifact: &ArtifactPlan, slot: &Slot) -> Result<PendingName, NameError> {
    if artifact.split.is_some() {
        artifact.name.render_file(&slot.name_fields(), GROUP_FILES_MAX)?;
    }
    artifact.name.render(&slot.name_fields())
}

/// An error of the pass, and the artifact in whose pass it came, if there are several.
pub(super) struct PassError {
    pub artifact: Option<String>,
    pub error: TransformError,
}

impl PassError {
    fn of_all(error: TransformError) -> Self {
        Self { artifact: None, error }
    }

    /// Returns what follows for the run: an extract that is fetched again, or the run's end.
    fn outcome(self, may_be_fetched_again: bool) -> Result<Transformed, Stop> {
        let what = with_causes(&self.error);
        let what = match self.artifact {
            Some(key) => format!("{key}: {what}"),
            None => what,
        };
        match &self.error {
            TransformError::Read { .. } if may_be_fetched_again => Ok(Transformed::Damaged { what }),
            TransformError::Write { source }
            | TransformError::Spill { source }
            | TransformError::Baseline { source }
                if disk::is_full(source) =>
            {
                Err(Stop::Error(RunError::DiskFull(what)))
            }
            _ => Err(failed(what)),
        }
    }
}

/// The inputs of the pass, which runs on a thread of its own.
pub(super) struct Pass {
    pub plan: Arc<Plan>,
    pub extract: Extract,
    /// The format of the extract.
    pub csv: CsvInput,
    /// The extracts of the sources that joins read.
    pub others: Vec<OtherExtract>,
    /// The SHA-256 that a file read in place must have.
    pub expected_sha256: Option<String>,
    /// The artifact's path, and the folder for what does not fit into memory.
    pub path: PathBuf,
    pub folder: PathBuf,
    /// The path of the rows that steps drop for their values.
    pub dropped: PathBuf,
    pub slot: Slot,
    pub name: PendingName,
    pub secrets: BTreeMap<String, Secret>,
    pub limits: Limits,
    pub baseline: Baseline,
    /// The baseline that `delta` compares with; without it, every row is added, and none is written.
    pub delta: Option<OpenDelta>,
    /// The compression and encryption of the artifact; taken by the pass.
    pub packing: Option<Packing>,
    pub progress: Progress,
    pub stop: CancellationToken,
}

impl Pass {
    /// Runs, unless the file that is read in place changes meanwhile: then neither rows nor errors mean anything.
    fn run_unchanged(mut self) -> Result<Transformed, TransformError> {
        let extract = self.extract.clone();
        let is_changed = || matches!(extract.stored, Stored::InPlace(_)) && !extract.is_intact();
        match self.run() {
            Ok(Transformed::Done { .. }) | Err(_) if is_changed() => Ok(Transformed::Changed),
            outcome => outcome,
        }
    }

    pub(super) fn run(&mut self) -> Result<Transformed, TransformError> {
        if let Some(folder) = self.path.parent() {
            disk::create_private_folder(folder).map_err(|source| TransformError::Write { source })?;
        }
        let target = OneFile {
            path: self.path.clone(),
            name: self.name.clone(),
            template: self.plan.artifact.name.clone(),
            slot: self.slot.clone(),
            packing: self.packing.take(),
        };
        Ok(match self.run_into(target)? {
            Some(Made { written: artifact, balance, checked, read }) => {
                Transformed::Done { artifact: Box::new(artifact), balance, parts: Vec::new(), checked, read }
            }
            None => Transformed::Other,
        })
    }

    /// Runs, and writes the rows to the target. Returns `None` if the file that was read in place is another one.
    pub(super) fn run_into<T: Target>(&mut self, mut target: T) -> Result<Option<Made<T::Written>>, TransformError> {
        let writing = |source| TransformError::Write { source };
        let spilling = |source| TransformError::Spill { source };
        let baseline = std::mem::take(&mut self.baseline);
        let meter = &self.progress.transform;
        meter.set(0);
        let (transform, witness) = self.open(meter)?;
        let opening = Opening {
            expect: &self.plan.expect,
            baseline,
            slot: &self.slot,
            header: transform.header(),
            columns: transform.columns(),
            folder: &self.folder,
            memory: self.limits.memory,
        };
        let (checker, records) = Checker::open(opening).map_err(TransformError::Problems)?;
        let ArtifactPlan { format, keeps_rows, split, .. } = &self.plan.artifact;
        let layout = FileLayout { format, split: *split, keeps_rows: *keeps_rows };
        let file = target.begin(layout, transform.columns()).map_err(writing)?;
        let format = file.format();
        let mut checked = CheckedFile { checker, records, file };
        let Passed { balance, findings, dropped, delta } =
            transform.run_into(&|row, out| format.row(row, out), &mut checked)?;
        let CheckedFile { checker, records, file } = checked;
        let read = witness.map(Witness::finish).transpose().map_err(|source| TransformError::Read { source })?;
        if self.expected_sha256.is_some() && read.is_some() && read != self.expected_sha256 {
            return Ok(None);
        }
        let (written, bytes) = target.end(file).map_err(writing)?;
        meter.expect(meter.done());
        let SourceFacts { rows: stated_rows, scope, .. } = self.extract.source.clone();
        self.keep_dropped(&dropped)?;
        let dropped = DroppedFacts::of(&dropped, &self.plan.steps);
        let ended = Ended { extracted: balance.extracted, stated_rows, bytes, scope, steps: findings, dropped };
        let mut draft = checker.finish(records, ended).map_err(spilling)?;
        let delta = self.delta.as_mut().zip(delta).map(|(opened, result)| {
            opened.inputs.next = None; // it is written
            opened.facts(result)
        });
        if draft.wants_rows() {
            self.read_cells(&mut draft, read.as_deref())?;
        }
        let mut checked = Box::new(draft.finish());
        checked.facts.delta = delta;
        Ok(Some(Made { written, balance, checked, read }))
    }

    /// Reads the cells of the rows that findings show. A file that is read in place may have changed since.
    fn read_cells(&self, draft: &mut Draft, first: Option<&str>) -> Result<(), TransformError> {
        let meter = Meter::default();
        let mut pass = || {
            let (transform, witness) = self.open(&meter)?;
            let keep = |row: &Row<'_>| {
                draft.row(row);
                Ok(())
            };
            transform.run(keep)?;
            witness.map(Witness::finish).transpose().map_err(|source| TransformError::Read { source })
        };
        match pass() {
            Ok(read) if read.as_deref() == first => Ok(()),
            Err(error) if first.is_none() => Err(error),
            Ok(_) | Err(_) => {
                draft.drop_cells();
                Ok(())
            }
        }
    }

    /// Opens the extract and compiles the plan's steps against its header.
    pub(super) fn open<'a>(&'a self, meter: &'a Meter) -> Result<(Transform<'a>, Option<Witness>), TransformError> {
        let (input, witness) = self.input(meter)?;
        Ok((Transform::open(input, &self.plan.steps, &self.secrets)?, witness))
    }

    fn input<'a>(&'a self, meter: &'a Meter) -> Result<(Input<'a>, Option<Witness>), TransformError> {
        let Self { plan, extract, csv, folder, limits, stop, .. } = self;
        let (read, witness) = extract.open_witnessed(limits).map_err(|source| TransformError::Read { source })?;
        let delta = self.delta.as_ref().map(|delta| delta.inputs.clone());
        let step_inputs = StepInputs { delta, ..step_inputs(plan, &self.others, limits) };
        let limits = limits.with_rows_max(plan.main.rows_max);
        let input = Input { read, csv: *csv, limits, folder, meter, stop: stop.clone(), step_inputs };
        Ok((input, witness))
    }

    /// Writes the dropped rows beside the artifact; without any, removes those of an earlier pass.
    fn keep_dropped(&self, dropped: &DroppedRows) -> Result<(), TransformError> {
        let writing = |source| TransformError::Write { source };
        if dropped.total == 0 {
            return match std::fs::remove_file(&self.dropped) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(writing(error)),
                _ => Ok(()),
            };
        }
        let file = disk::private_file().create(true).truncate(true).write(true).open(&self.dropped).map_err(writing)?;
        dropped.write(self.input(&Meter::default())?.0, &self.plan.steps, io::BufWriter::new(&file))?;
        file.sync_all().map_err(writing)
    }
}

/// The result of a pass.
pub(super) struct Made<T> {
    pub written: T,
    pub balance: Balance,
    pub checked: Box<Checked>,
    /// The SHA-256 of a file that was read in place.
    pub read: Option<String>,
}

/// The destination of a pass's rows.
pub(super) trait Target {
    type Written;

    fn begin(&mut self, layout: FileLayout<'_>, columns: &[String]) -> io::Result<ArtifactFile>;

    /// Completes the rows. Returns their size in bytes too.
    fn end(self, file: ArtifactFile) -> io::Result<(Self::Written, u64)>;
}

/// A file of their own, or a file group.
struct OneFile {
    path: PathBuf,
    name: PendingName,
    template: NameTemplate,
    slot: Slot,
    packing: Option<Packing>,
}

impl Target for OneFile {
    type Written = Artifact;

    fn begin(&mut self, layout: FileLayout<'_>, columns: &[String]) -> io::Result<ArtifactFile> {
        let (template, slot) = (self.template.clone(), self.slot.clone());
        let file = move |number| {
            template.render_file(&slot.name_fields(), number).map(|name| name.to_string()).map_err(io::Error::other)
        };
        let names: FileNames = if layout.split.is_some() { Arc::new(file) } else { one_name(&self.name.to_string()) };
        ArtifactFile::create_packed(&self.path, self.name.clone(), layout, (self.packing.take(), names), columns)
    }

    fn end(self, file: ArtifactFile) -> io::Result<(Artifact, u64)> {
        let name = |number| self.template.render_file(&self.slot.name_fields(), number).map_err(io::Error::other);
        let artifact = file.finish(name)?;
        let bytes = artifact.bytes;
        Ok((artifact, bytes))
    }
}

/// The artifact, and the checks of what goes into it.
struct CheckedFile<'plan> {
    checker: Checker<'plan>,
    records: RecordChecker,
    file: ArtifactFile,
}

impl Sink for CheckedFile<'_> {
    fn needs(&self) -> Needs {
        let encoded = self.file.takes_encoded();
        Needs { records: self.records.looks_at_records(), rows: self.checker.looks_at_rows() || !encoded, encoded }
    }

    fn record(&mut self, record: &Record<'_>) {
        self.records.record(record);
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), TransformError> {
        self.checker.row(row).map_err(|source| TransformError::Spill { source })?;
        if !self.file.takes_encoded() {
            self.file.row(row)?;
        }
        Ok(())
    }

    fn encoded(&mut self, bytes: &mut Vec<u8>, rows: u64) -> Result<(), TransformError> {
        if !self.needs().rows {
            self.checker.count(rows);
        }
        self.file.append(bytes, rows).map_err(|source| TransformError::Write { source })
    }
}

/// Joins an error and its causes in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

//! The baselines of `delta`: opened for the transform, staged before the delivery, made current by the receipt.
//!
//! A run's own baseline is in its spool folder until its delivery begins. Then it is in the data folder too, under its digest,
//! beside the one that is current: the receipt names it in the same transaction, so that neither moves without the other.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{RunExecution, Stop, blocking, failed};
use crate::expect::{BaselineFile, ComparedWith, DeltaFacts};
use crate::fault;
use crate::ledger::record::Run;
use crate::ledger::{DeltaBaseline, DeltaStanding};
use crate::transform::{DeltaInputs, DeltaResult, EarlierBaseline};
use crate::{digest, disk};

/// The folder of all baselines, in the data folder.
pub(super) const FOLDER: &str = "baselines";

/// The inputs of a run's `delta`, and the baseline that they are of.
pub(super) struct OpenDelta {
    pub inputs: DeltaInputs,
    compared_with: Option<ComparedWith>,
}

impl OpenDelta {
    /// Returns the inputs of a `delta` in a test, which no delivery comes before.
    pub(super) fn of_test(inputs: DeltaInputs) -> Self {
        Self { inputs, compared_with: None }
    }

    /// Returns what the ledger keeps of the comparison.
    pub(super) fn facts(&self, result: DeltaResult) -> DeltaFacts {
        let rows = result.rows;
        DeltaFacts {
            compared_with: self.compared_with.clone(),
            baseline: result.baseline.map(|baseline| BaselineFile { sha256: baseline.sha256, keys: baseline.keys }),
            added: rows.added,
            changed: rows.changed,
            removed: rows.removed,
            unchanged: rows.unchanged,
            kept: rows.kept,
        }
    }
}

impl RunExecution<'_> {
    /// Returns the baseline of the destination, if the plan delivers changes.
    async fn current_baseline(&self) -> Result<Option<DeltaBaseline>, Stop> {
        match (self.plan.delta(), self.plan.deliveries.first()) {
            (Some(_), Some(delivery)) => {
                Ok(self.context.ledger.delta_baseline(&self.plan.name, &delivery.destination.name).await?)
            }
            _ => Ok(None),
        }
    }

    /// Fails a run of changes whose destination has received a later slot: its rows would undo what that one changed.
    pub(super) async fn refuse_late_delta(&self, run: &Run) -> Result<(), Stop> {
        if run.input.is_some() {
            return Ok(());
        }
        let (Some(current), Some(delivery)) = (self.current_baseline().await?, self.plan.deliveries.first()) else {
            return Ok(());
        };
        match current.is_later_than(run.slot_ms, &delivery.destination.name) {
            Some(reason) => Err(failed(reason)),
            None => Ok(()),
        }
    }

    /// Opens the baseline that the rows are compared with; `None` if the plan delivers no changes.
    pub(super) async fn open_delta(&self, run: &Run) -> Result<Option<OpenDelta>, Stop> {
        let (Some(_), Some(delivery)) = (self.plan.delta(), self.plan.deliveries.first()) else { return Ok(None) };
        let folder = folder(&self.context.settings.data, &run.pipeline, &delivery.destination.name);
        let mut current = self.current_baseline().await?;
        let earlier = loop {
            let Some(DeltaBaseline { run, slot, sha256, .. }) = &current else { break EarlierBaseline::None };
            if sha256.is_empty() {
                break EarlierBaseline::Lost(format!(
                    "the last file, of run {run} (slot {slot}), was not one of changes"
                ));
            }
            let (path, expected) = (folder.join(sha256), sha256.clone());
            let (opening, origin) = (path.clone(), format!("run {run} (slot {slot})"));
            let lost = match blocking(move || open(&opening, &expected)).await? {
                Ok(file) => break EarlierBaseline::File(Arc::new(file)),
                Err(error) => format!("the baseline, of {origin}, is lost: {}: {error}", path.display()),
            };
            // A delivery that ended meanwhile has removed the file that it replaced.
            let newest = self.current_baseline().await?;
            if newest == current {
                break EarlierBaseline::Lost(lost);
            }
            current = newest;
        };
        let next = run.input.is_none().then(|| self.spool.baseline());
        Ok(Some(OpenDelta {
            inputs: DeltaInputs { run: run.id.clone(), slot: run.slot.clone(), earlier, next },
            compared_with: current.map(|DeltaBaseline { run, slot, sha256, .. }| ComparedWith { run, slot, sha256 }),
        }))
    }

    /// Checks that the changes are those to what the destination has, and puts the run's baseline where its receipt will
    /// name it. The check is repeated where an attempt begins, in that transaction.
    pub(super) async fn stage_baseline(&self, run: &Run) -> Result<(), Stop> {
        let Some(baseline) = run.checked.facts.delta.as_ref().and_then(|delta| delta.baseline.clone()) else {
            return Ok(());
        };
        let deliveries = self.context.ledger.deliveries(&run.id).await?;
        for delivery in deliveries.into_iter().filter(|delivery| !delivery.state.is_settled()) {
            if let DeltaStanding::Void { reason } =
                self.context.ledger.delta_standing(run, &delivery.destination).await?
            {
                return Err(failed(reason));
            }
            let folder = folder(&self.context.settings.data, &run.pipeline, &delivery.destination);
            let (from, data, sha256) =
                (self.spool.baseline(), self.context.settings.data.clone(), baseline.sha256.clone());
            let now = moment(self.context.clock.now_ms());
            let stage = move || fault::step("baseline.stage", || stage(&from, &folder, &data, &sha256, now));
            match blocking(stage).await? {
                Ok(true) => {}
                Ok(false) => return Err(failed(NOT_SAVED)),
                Err(error) if disk::is_full(&error) => {
                    return Err(Stop::Error(super::RunError::DiskFull(format!("saving the baseline: {error}"))));
                }
                Err(error) => return Err(failed(format!("saving the baseline of `delta`: {error}"))),
            }
        }
        Ok(())
    }

    /// Removes the file of the baseline that the run's receipt replaced. A failure costs only disk space: prune repeats it.
    pub(super) async fn remove_replaced_baseline(&self, run: &Run) -> Result<(), Stop> {
        let Some(DeltaFacts { compared_with: Some(replaced), baseline: Some(baseline), .. }) = &run.checked.facts.delta
        else {
            return Ok(());
        };
        if replaced.sha256.is_empty() || replaced.sha256 == baseline.sha256 {
            return Ok(());
        }
        for delivery in self.context.ledger.deliveries(&run.id).await? {
            if self.context.ledger.delta_standing(run, &delivery.destination).await? == DeltaStanding::Delivered {
                let folder = folder(&self.context.settings.data, &run.pipeline, &delivery.destination);
                let path = folder.join(&replaced.sha256);
                let removed = blocking(move || fault::step("baseline.remove", || fs::remove_file(&path))).await?;
                if let Err(error) = removed.or_else(absent) {
                    tracing::warn!(run = run.id, reason = error.to_string(), "the old baseline was not removed");
                }
            }
        }
        Ok(())
    }

    /// Returns true if the run has changes that can never be delivered as they are, so that they must be computed anew.
    pub(super) async fn is_void_delta(&self, run: &Run) -> Result<bool, Stop> {
        let Some(baseline) = run.checked.facts.delta.as_ref().and_then(|delta| delta.baseline.clone()) else {
            return Ok(false);
        };
        for delivery in self.context.ledger.deliveries(&run.id).await? {
            match self.context.ledger.delta_standing(run, &delivery.destination).await? {
                DeltaStanding::Delivered => return Ok(false),
                DeltaStanding::Void { .. } => return Ok(true),
                DeltaStanding::Current | DeltaStanding::Busy { .. } => {}
            }
        }
        let path = self.spool.baseline();
        Ok(blocking(move || open(&path, &baseline.sha256)).await?.is_err())
    }
}

const NOT_SAVED: &str = "the spool no longer holds the baseline of the run's rows unchanged, and its changes cannot be delivered without it; \
     `retry` compares the rows anew";

/// Returns a moment in milliseconds since the epoch as a file's time.
pub(super) fn moment(at_ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at_ms).unwrap_or_default())
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Returns the folder of a destination's baselines.
fn folder(data: &Path, pipeline: &str, destination: &str) -> PathBuf {
    // Files are named by their digest, so two destinations may share a folder.
    let destination = if matches!(destination, "." | "..") { "_" } else { destination };
    data.join(FOLDER).join(pipeline).join(destination)
}

/// Opens a baseline, and checks its digest. Reads all of it.
fn open(path: &Path, sha256: &str) -> io::Result<File> {
    let file = disk::open_regular(path)?;
    match digest::of_open(file.try_clone()?)? == sha256 {
        true => Ok(file),
        false => Err(io::Error::new(ErrorKind::InvalidData, "it is damaged: its SHA-256 is another")),
    }
}

/// Puts the baseline of the spool into the folder, on the disk. Returns false if the spool does not hold it unchanged.
fn stage(from: &Path, folder: &Path, data: &Path, sha256: &str, now: SystemTime) -> io::Result<bool> {
    let to = folder.join(sha256);
    if open(&to, sha256).is_err() {
        if open(from, sha256).is_err() {
            return Ok(false);
        }
        let is_new = !folder.exists();
        disk::create_private_folder(folder)?;
        fs::remove_file(&to).or_else(absent)?;
        // A hard link if the file system supports it: nothing writes to the file any more.
        if fs::hard_link(from, &to).is_err() {
            copy(from, &to)?;
        }
        let made = folder.ancestors().take_while(|path| path.starts_with(data));
        for folder in made.take(if is_new { usize::MAX } else { 1 }) {
            File::open(folder)?.sync_all()?;
        }
    }
    // Prune takes old files that no receipt names for orphans.
    File::options().write(true).open(&to)?.set_modified(now)?;
    Ok(true)
}

/// Copies under a temporary name first, so that the name never holds a part.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let part = to.with_extension("part");
    let mut file = disk::private_file().write(true).create(true).truncate(true).open(&part)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    file.sync_all()?;
    fs::rename(part, to)
}

/// Returns the files of baselines that are older than `before`, and their sizes, but for those named by `current`.
pub(super) fn orphans(data: &Path, current: &[String], before: SystemTime) -> Vec<(PathBuf, u64)> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let pipelines = entries(&data.join(FOLDER)).collect::<Vec<_>>();
    let destinations = pipelines.iter().flat_map(|pipeline| entries(pipeline));
    let files = destinations.collect::<Vec<_>>();
    let files = files.iter().flat_map(|folder| entries(folder));
    files
        .filter_map(|path| {
            let facts = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
            let is_current = current.iter().any(|sha256| path.file_name().is_some_and(|name| *name == **sha256));
            (!is_current && facts.modified().ok()? < before).then_some((path, facts.len()))
        })
        .collect()
}

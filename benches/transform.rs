//! One transform with its checks, to be measured from outside: `transform_bench SETTINGS PIPELINE OUT`.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use reportferry::encode::{ArtifactFile, FileLayout};
use reportferry::expect::{Baseline, Checker, DroppedFacts, Ended, Opening, RecordChecker};
use reportferry::pipeline;
use reportferry::pipeline::plan::Source;
use reportferry::progress::Meter;
use reportferry::schedule::slot::Slot;
use reportferry::settings::Settings;
use reportferry::transform::{Input, Needs, Passed, Record, Row, Sink, StepInputs, Transform, TransformError};
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, settings, pipeline, output] = arguments.as_slice() else {
        anyhow::bail!("transform_bench SETTINGS PIPELINE OUT")
    };
    let (settings, _) = Settings::load(Some(Path::new(settings)), &[]).map_err(|found| anyhow::anyhow!("{found:?}"))?;
    let (plan, _) = pipeline::load(&settings, Path::new(pipeline)).map_err(|found| anyhow::anyhow!("{found:?}"))?;
    let Source::File(source) = &plan.source else { anyhow::bail!("the source is a file") };
    let meter = Meter::default();
    let (read, limits) = (Box::new(File::open(&source.path)?), settings.limits);
    let output = Path::new(output);
    let folder = output.parent().unwrap_or(Path::new("."));
    let (stop, step_inputs) = (CancellationToken::new(), StepInputs::of_files(&plan.steps));
    let input = Input { read, csv: source.csv, limits, folder, meter: &meter, stop, step_inputs };
    let transform = Transform::open(input, &plan.steps, &BTreeMap::new())?;
    let slot = Slot::new("bench", "2026-11-23T05:30:00Z".parse()?, plan.zone.clone());
    let opening = Opening {
        expect: &plan.expect,
        baseline: Baseline::default(),
        slot: &slot,
        header: transform.header(),
        columns: transform.columns(),
        folder,
        memory: limits.memory,
    };
    let (checker, records) = Checker::open(opening).map_err(TransformError::Problems)?;
    let layout = FileLayout { format: &plan.artifact.format, split: None, keeps_rows: false };
    let file = ArtifactFile::create(output, "out.csv", layout, transform.columns())?;
    let format = file.format();
    let mut checked = CheckedFile { checker, records, file };
    let Passed { balance, findings, dropped, delta: _ } =
        transform.run_into(&|row, out| format.row(row, out), &mut checked)?;
    let CheckedFile { checker, records, file } = checked;
    let artifact = file.finish(|_| Ok(String::new()))?;
    let ended = Ended {
        extracted: balance.extracted,
        stated_rows: None,
        bytes: artifact.bytes,
        scope: None,
        steps: findings,
        dropped: DroppedFacts::of(&dropped, &plan.steps),
    };
    let draft = checker.finish(records, ended)?;
    anyhow::ensure!(!draft.wants_rows(), "the data does not meet its expectations");
    Ok(())
}

struct CheckedFile<'plan> {
    checker: Checker<'plan>,
    records: RecordChecker,
    file: ArtifactFile,
}

impl Sink for CheckedFile<'_> {
    fn needs(&self) -> Needs {
        let (records, rows) = (self.records.looks_at_records(), self.checker.looks_at_rows());
        Needs { records, rows, encoded: true }
    }

    fn record(&mut self, record: &Record<'_>) {
        self.records.record(record);
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), TransformError> {
        self.checker.row(row).map_err(|source| TransformError::Spill { source })
    }

    fn encoded(&mut self, bytes: &mut Vec<u8>, rows: u64) -> Result<(), TransformError> {
        self.file.append(bytes, rows).map_err(|source| TransformError::Write { source })
    }
}

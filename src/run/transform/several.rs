//! Several artifacts of one run: a pass for each, in order, into one file of the spool.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Made, Pass, PassError, Target, Transformed};
use crate::disk;
use crate::encode::{ArtifactFile, ArtifactsFile, FileLayout, Packing};
use crate::expect::Checked;
use crate::pipeline::plan::{ArtifactPart, Artifacts, Constant, MainSource, PartContent, Plan};
use crate::run::others::OtherExtract;
use crate::run::{RunExecution, Stop, failed};
use crate::transform::{Balance, TransformError};

/// The passes of all artifacts.
pub(super) struct SeveralPasses {
    path: PathBuf,
    name: String,
    /// The packing of their archive, if they are its entries.
    archive: Option<Packing>,
    parts: Vec<PartPass>,
}

/// One artifact to be made.
struct PartPass {
    key: String,
    name: String,
    content: PassContent,
}

enum PassContent {
    Rows(Box<Pass>, Option<Packing>),
    Constant(Arc<[u8]>),
}

/// The extracts of a run, by the names of their sources.
struct Extracts {
    main: OtherExtract,
    others: Vec<OtherExtract>,
}

impl Extracts {
    fn named(&self, name: Option<&str>) -> Option<&OtherExtract> {
        match name {
            None => Some(&self.main),
            Some(name) => std::iter::once(&self.main).chain(&self.others).find(|other| other.name == name),
        }
    }
}

impl SeveralPasses {
    /// Prepares the passes. `all` is a pass of the whole plan, from which each takes what it needs.
    ///
    /// # Errors
    /// Names that cannot be used, or a key.
    pub(super) async fn of(execution: &RunExecution<'_>, artifacts: &Artifacts, all: Pass) -> Result<Self, Stop> {
        let names = artifacts.names(&all.slot).map_err(|error| failed(format!("artifacts: {error}")))?;
        // None of them waits for its content.
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let archive = match artifacts.in_archive {
            true => Some(execution.archive_packing(names.clone()).await?),
            false => None,
        };
        let extracts = Extracts {
            main: OtherExtract {
                name: all.plan.main.name.clone().unwrap_or_default(),
                extract: all.extract.clone(),
                csv: all.csv,
            },
            others: all.others.clone(),
        };
        let mut parts = Vec::new();
        for (ArtifactPart { key, content }, name) in artifacts.parts.iter().zip(names) {
            let content = match content {
                PartContent::Constant(Constant { bytes, .. }) => PassContent::Constant(bytes.clone()),
                PartContent::Rows(plan) => {
                    let packing = execution.packing(&plan.artifact, &all.slot, &name.as_str().into()).await?;
                    let dropped = execution.spool.dropped_rows_of(key);
                    let pass = all.of_part(plan, &extracts, (key, &name), dropped);
                    let pass = pass.ok_or_else(|| failed(format!("{key}: its source has no extract")))?;
                    PassContent::Rows(Box::new(pass), packing)
                }
            };
            parts.push(PartPass { key: key.clone(), name, content });
        }
        Ok(Self { path: all.path, name: all.name.to_string(), archive, parts })
    }

    /// Makes all artifacts. The first error ends it, and nothing of them is kept.
    pub(super) fn run(self) -> Result<Transformed, PassError> {
        let Self { path, name, archive, parts } = self;
        let writing = |source| PassError { artifact: None, error: TransformError::Write { source } };
        let mut file = create(&path, &name, archive).map_err(writing)?;
        let (mut total, mut balances) = (Balance { extracted: 0, steps: Vec::new(), written: 0 }, Vec::new());
        let mut checked = Checked::default();
        for PartPass { key, name, content } in parts {
            match content {
                PassContent::Constant(bytes) => file.constant(&name, &bytes).map_err(writing)?,
                PassContent::Rows(mut pass, packing) => {
                    let target = PartTarget { file: &mut file, name, packing };
                    let made = pass.run_into(target);
                    let made = made.map_err(|error| PassError { artifact: Some(key.clone()), error })?;
                    let Some(Made { balance, checked: found, .. }) = made else { return Ok(Transformed::Other) };
                    total.extracted += balance.extracted;
                    total.written += balance.written;
                    checked.add(&key, *found);
                    balances.push((key, balance));
                }
            }
        }
        let artifact = Box::new(file.finish().map_err(writing)?);
        Ok(Transformed::Done { artifact, balance: total, parts: balances, checked: Box::new(checked), read: None })
    }
}

fn create(path: &Path, name: &str, archive: Option<Packing>) -> io::Result<ArtifactsFile> {
    if let Some(folder) = path.parent() {
        disk::create_private_folder(folder)?;
    }
    ArtifactsFile::create(path, name, archive)
}

impl Pass {
    /// Returns the pass of one artifact; `None` if a source of it has no extract.
    fn of_part(
        &self,
        plan: &Arc<Plan>,
        extracts: &Extracts,
        (key, name): (&str, &str),
        dropped: PathBuf,
    ) -> Option<Self> {
        let MainSource { name: from, .. } = &plan.main;
        let OtherExtract { extract, csv, .. } = extracts.named(from.as_deref())?.clone();
        let others = plan.others.iter().map(|other| extracts.named(Some(&other.name)).cloned());
        Some(Self {
            plan: plan.clone(),
            extract,
            csv,
            others: others.collect::<Option<_>>()?,
            expected_sha256: None,
            path: self.path.clone(),
            folder: self.folder.clone(),
            dropped,
            slot: self.slot.clone(),
            name: name.into(),
            secrets: self.secrets.clone(),
            limits: self.limits,
            baseline: self.baseline.of_part(key),
            delta: None,
            packing: None,
            progress: self.progress.clone(),
            stop: self.stop.clone(),
        })
    }
}

/// The place of one artifact's rows among the others.
struct PartTarget<'a> {
    file: &'a mut ArtifactsFile,
    name: String,
    packing: Option<Packing>,
}

impl Target for PartTarget<'_> {
    type Written = ();

    fn begin(&mut self, layout: FileLayout<'_>, columns: &[String]) -> io::Result<ArtifactFile> {
        self.file.begin(&self.name, layout, self.packing.take(), columns)
    }

    fn end(self, file: ArtifactFile) -> io::Result<((), u64)> {
        Ok(((), self.file.end(&self.name, file)?.bytes))
    }
}

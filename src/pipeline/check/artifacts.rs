//! Several artifacts of a pipeline file → the plan's.

use std::collections::BTreeSet;

use super::sources::Sources;
use super::test_case::Facts;
use super::*;
use crate::name::NameTemplate;
use crate::pipeline::file::artifacts::{ArchiveFile, ArtifactsFile, ConstantFile, PartFile, RowKeys, RowsPartFile};

/// The longest key of an artifact, in bytes.
const KEY_BYTES_MAX: usize = 40;

/// The largest file that is the same in every run, in bytes.
const CONSTANT_BYTES_MAX: u64 = 1 << 20;

/// The artifacts of a pipeline, as far as they are valid.
#[derive(Default)]
pub(super) struct Several {
    /// `None` if a part is not valid.
    pub artifact: Option<ArtifactPlan>,
    pub secrets: BTreeMap<String, SecretRef>,
    /// The names of the sources that any of them reads.
    pub reads: BTreeSet<String>,
    /// False if some of what they read is not known.
    pub is_whole: bool,
    /// For the tests of each artifact with rows.
    pub facts: Vec<(Option<String>, Facts)>,
}

/// An artifact of rows, and what else is known about it.
struct CheckedRows {
    plan: Option<Plan>,
    secrets: BTreeMap<String, SecretRef>,
    facts: Facts,
    is_whole: bool,
}

impl Check<'_> {
    /// Checks `artifacts` and `archive`. `of` has the plan's own name, and the zone of its slots.
    pub(super) fn several(
        &mut self,
        At { value: ArtifactsFile(written), origin }: At<ArtifactsFile>,
        archive: Option<At<ArchiveFile>>,
        sources: &Sources,
        of: (&str, &TimeZone),
    ) -> Several {
        if written.len() > Artifacts::MAX {
            let problem = origin.error(format!("a run makes at most {} artifacts, and these are more", Artifacts::MAX));
            self.problems.push(problem.hint("make two pipelines of them"));
        }
        let mut several = Several { is_whole: true, ..Several::default() };
        let (count, mut parts) = (written.len(), Vec::new());
        for (key, part) in written {
            self.check_key(&key);
            let content = match part.0 {
                None => None,
                Some(PartFile::Constant(constant)) => self.constant(*constant).map(PartContent::Constant),
                Some(PartFile::Rows(rows)) => self.rows_part(*rows, sources, of).and_then(|found| {
                    several.secrets.extend(found.secrets);
                    several.is_whole &= found.is_whole;
                    several.facts.push((Some(key.text.clone()), found.facts));
                    found.plan.map(|plan| PartContent::Rows(Arc::new(plan)))
                }),
            };
            match content {
                Some(content) => parts.push(ArtifactPart { key: key.text, content }),
                None => several.is_whole = false,
            }
        }
        several.reads = reads(&parts, sources);
        self.check_rows(&several, sources, &origin);
        self.check_names(&parts);
        let in_archive = archive.is_some();
        if in_archive {
            self.refuse_packed(&parts);
        }
        let top = self.archive_or_group(archive, &origin);
        several.artifact = top.filter(|_| parts.len() == count).map(|(at, name, encrypt)| ArtifactPlan {
            at,
            name,
            format: Format::Several(Artifacts { parts, in_archive }),
            keeps_rows: false,
            split: None,
            compress: None,
            encrypt,
        });
        several
    }

    /// Reports top-level keys that belong to the artifacts, and deliveries that cannot have them.
    pub(super) fn check_around_artifacts(
        &mut self,
        node: &Node,
        PipelineFile { artifacts, archive, deliver, .. }: &PipelineFile,
    ) {
        let Some(artifacts) = artifacts else {
            if let Some(archive) = archive {
                let problem = archive.origin.error("`archive` is for several `artifacts`");
                self.problems.push(problem.hint("write `compress: zip` for the `artifact`"));
            }
            return;
        };
        if node.get("artifact").is_some() {
            let problem = artifacts.origin.error("`artifact` and `artifacts` are mutually exclusive");
            self.problems.push(problem.hint("keep `artifacts`, and name the other one there"));
        }
        for key in ["transform", "expect"] {
            if let Some(node) = node.get(key) {
                let problem = node.head().error(format!("with `artifacts`, each of them has its own `{key}`"));
                self.problems.push(problem.hint(format!("move it: `artifacts: {{users: {{{key}: …}}}}`")));
            }
        }
        let written = deliver.0.iter().flat_map(|deliveries| &deliveries.0.0);
        for together in written.filter_map(|(_, delivery)| delivery.file.as_ref()?.publish_together.as_ref()) {
            if !together.value && archive.is_none() {
                let problem = together.origin.error("several artifacts are always published together");
                self.problems.push(problem.hint("remove it"));
            }
        }
    }

    /// Reports artifacts that have no rows at all, and a first source that is requested in vain.
    fn check_rows(&mut self, several: &Several, sources: &Sources, origin: &Origin) {
        if several.facts.is_empty() && several.is_whole {
            let problem = origin.error("none of the artifacts has rows");
            self.problems.push(problem.hint("write one with `from` and a `name`, in place of a constant"));
        } else if let Some(main) = sources.names.first().filter(|main| !several.reads.contains(*main))
            && several.is_whole
        {
            let problem = origin.error(format!("no artifact reads the source `{main}`"));
            self.problems.push(problem.hint(format!("write `from: {main}` in one of them, or remove the source")));
        }
    }

    fn check_key(&mut self, key: &Key) {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if key.text.is_empty() || key.text.len() > KEY_BYTES_MAX || !key.text.chars().all(is_allowed) {
            let problem = key.origin.error(format!("{:?} cannot be an artifact's key", key.text));
            self.problems.push(problem.hint("a key has up to 40 letters, digits, `_` and `-`"));
        }
    }

    fn constant(&mut self, ConstantFile { name, text, file }: ConstantFile) -> Option<Constant> {
        let (at, name) = self.plain_name(name);
        let bytes = match (text, file) {
            (Some(_), Some(file)) => {
                let problem = file.origin.error("`text` and `file` are mutually exclusive");
                self.problems.push(problem.hint("keep one of them"));
                return None;
            }
            (Some(text), None) => text.value.into_bytes(),
            (None, Some(file)) => match self.table(&file)?.read(CONSTANT_BYTES_MAX) {
                Ok(bytes) => bytes,
                Err(error) => {
                    self.problems.push(file.origin.error(format!("cannot read {}: {error}", file.value)));
                    return None;
                }
            },
            (None, None) => return None,
        };
        Some(Constant { at, name, bytes: bytes.into() })
    }

    /// Returns a name that is not one of several, and its place.
    fn plain_name(&mut self, written: At<NameTemplate>) -> (Place, NameTemplate) {
        let At { value: name, origin } = self.name_with_vars(written);
        for (is_used, placeholder) in [(name.uses_number(), "part"), (name.uses_name(), "name")] {
            if is_used {
                let problem = origin.error(format!("`{{{placeholder}}}` has no meaning in this name"));
                self.problems.push(problem.hint("a name is made of `{slot:%Y%m%d}`, `{pipeline}`, `{run}` and text"));
            }
        }
        self.refuse_content(&name, &origin);
        (self.place(&origin), name)
    }

    /// Reports a name that waits for its file, as only that of a pipeline's only artifact can.
    fn refuse_content(&mut self, name: &NameTemplate, origin: &Origin) {
        if name.uses_content() {
            let problem = origin.error("`{count}` and `{sha256}` are for the name of a pipeline's only `artifact`");
            self.problems
                .push(problem.hint("write `{slot:%Y%m%d}`, or deliver this artifact by a pipeline of its own"));
        }
    }

    /// Returns the place and the name of all artifacts together, and the encryption of their archive.
    fn archive_or_group(
        &mut self,
        archive: Option<At<ArchiveFile>>,
        artifacts: &Origin,
    ) -> Option<(Place, NameTemplate, Option<Arc<Encryption>>)> {
        let Some(At { value: ArchiveFile { name, encrypt }, .. }) = archive else {
            return Some((self.place(artifacts), NameTemplate::parse("{pipeline}").ok()?, None));
        };
        let (at, name) = self.plain_name(name);
        let encrypt = match encrypt {
            Some(encrypt) => Some(Arc::new(self.encryption(encrypt)?)),
            None => None,
        };
        Some((at, name, encrypt))
    }

    fn rows_part(
        &mut self,
        RowsPartFile { rows, artifact, origin }: RowsPartFile,
        sources: &Sources,
        (name, zone): (&str, &TimeZone),
    ) -> Option<CheckedRows> {
        let RowKeys { from, transform, expect } = rows;
        let main = self.from(from, &origin, sources)?;
        let found = sources.named(main.as_deref());
        let (source, rows_max) = found.map_or((None, None), |found| (Some(found.source), found.rows_max));
        self.sources = sources.names.iter().filter(|known| main.as_ref() != Some(*known)).cloned().collect();
        let transform = transform.unwrap_or_default();
        let count = transform.len();
        let earlier_tables = std::mem::take(&mut self.tables);
        let columns = source.as_ref().map(Columns::of_source).unwrap_or_default();
        let (steps, secrets, mut columns) = self.steps(transform, columns);
        self.refuse_delta(&steps);
        let limit = row_steps::origin_of_limit(expect.as_ref());
        let mut expect = self.expect(expect.and_then(|part| part.0), &mut columns, source.as_ref());
        self.dropped_rows(&steps, limit, &mut expect);
        self.refuse_comparisons(&expect, &origin);
        let delivered = columns.names();
        if let Some(split) = &artifact.split {
            let problem = split.origin.error("one of several artifacts is one file");
            self.problems.push(problem.hint("remove `split`, or deliver this artifact by a pipeline of its own"));
        }
        self.refuse_content(&artifact.name.value, &artifact.name.origin);
        let artifact = self.artifact(artifact, &steps, &mut columns);
        self.problems.extend(columns.into_problems());
        let others = self.joined(&steps, sources);
        let facts = Facts::new(zone, source.as_ref(), &others, &secrets, delivered);
        let tables = std::mem::replace(&mut self.tables, earlier_tables);
        let new: Vec<_> = tables.iter().filter(|table| !self.tables.contains(table)).cloned().collect();
        self.tables.extend(new);
        let is_whole = steps.len() == count;
        let plan = source.zip(artifact).map(|(source, artifact)| Plan {
            name: name.to_owned(),
            file: self.file.clone(),
            digest: String::new(),
            tables,
            description: None,
            reader: None,
            schedule: None,
            zone: zone.clone(),
            source,
            main: MainSource { name: main, rows_max },
            others,
            steps,
            expect,
            artifact,
            deliveries: Vec::new(),
            alerts: None,
            secrets: secrets.clone(),
            tests: Vec::new(),
            vars: self.vars.clone(),
        });
        Some(CheckedRows { plan, secrets, facts, is_whole })
    }

    /// Returns the name of the source that an artifact is made of, which only one of several has. `None` if there is no
    /// such source.
    fn from(&mut self, from: Option<At<String>>, origin: &Origin, sources: &Sources) -> Option<Option<String>> {
        let known = || sources.names.iter().map(String::as_str);
        match (from, sources.names.as_slice()) {
            (None, []) => Some(None),
            (None, [only]) => Some(Some(only.clone())),
            (None, names) => {
                let problem = origin.error("`from` is missing: the pipeline has several sources");
                self.problems.push(problem.hint(format!("name one of {}", list(names))));
                None
            }
            (Some(from), names) if names.contains(&from.value) => Some(Some(from.value)),
            (Some(from), names) => {
                let problem = from.origin.error(format!("there is no source `{}` in this pipeline", from.value));
                let hint = did_you_mean(&from.value, known()).unwrap_or_else(|| match names {
                    [] => "name the source under `sources`, or remove `from`".to_owned(),
                    names => format!("its sources are {}", list(names)),
                });
                self.problems.push(problem.hint(hint));
                None
            }
        }
    }

    /// Returns the sources that the joins of an artifact read.
    fn joined(&mut self, steps: &[TransformStep], sources: &Sources) -> Vec<NamedSource> {
        let mut found: Vec<NamedSource> = Vec::new();
        for step in steps {
            let Some(TableRef::Source(name)) = step.kind.table() else { continue };
            let Some(named) = sources.named(Some(name)) else { continue };
            let records = named.source.records().map(|(_, records)| records.updated_since.is_incremental());
            if records == Some(true) {
                let what = format!("the source `{name}` reads only what has changed, so a join would find less");
                let problem = Problem::error(step.at.clone(), what);
                self.problems.push(problem.hint("write `updated_since: never` for the source"));
            }
            if !found.iter().any(|known| known.name == *name) {
                found.push(named);
            }
        }
        found
    }

    fn refuse_delta(&mut self, steps: &[TransformStep]) {
        for step in steps.iter().filter(|step| matches!(step.kind, StepKind::Delta(_))) {
            let problem = Problem::error(step.at.clone(), "`delta` is for a pipeline with one `artifact`");
            self.problems.push(problem.hint("deliver the changes by a pipeline of their own"));
        }
    }

    /// Reports expectations of what a person accepts, which pipelines with one artifact have.
    fn refuse_comparisons(&mut self, expect: &Expect, origin: &Origin) {
        let compares_header = expect.columns.as_ref().is_some_and(|rule| !matches!(rule.expected, HeaderRule::List(_)));
        for (is_written, key) in [(compares_header, "columns"), (matches!(expect.scope, ScopeRule::Same(_)), "scope")] {
            if is_written {
                let what =
                    format!("`{key}` compares with what was accepted, which is for a pipeline with one `artifact`");
                let problem = origin.error(what);
                self.problems.push(problem.hint("list the columns: `columns: [id, name]`, or remove it"));
            }
        }
    }

    /// Reports entries of an archive that would be compressed or encrypted by themselves.
    fn refuse_packed(&mut self, parts: &[ArtifactPart]) {
        for part in parts {
            let PartContent::Rows(plan) = &part.content else { continue };
            let ArtifactPlan { at, compress, encrypt, .. } = &plan.artifact;
            for (is_written, key) in [(compress.is_some(), "compress"), (encrypt.is_some(), "encrypt")] {
                if is_written {
                    let problem = Problem::error(at.clone(), format!("`{key}` is not for the entry of an `archive`"));
                    self.problems.push(problem.hint("the archive is a ZIP, and has its own `encrypt`: remove it here"));
                }
            }
        }
    }

    /// Reports two names that are the same in every run.
    fn check_names(&mut self, parts: &[ArtifactPart]) {
        for (index, part) in parts.iter().enumerate() {
            let name = part.name().to_string();
            if let Some(other) = parts[..index].iter().find(|other| other.name().to_string() == name) {
                let what = format!("`{}` and `{}` have the same name, {name:?}", other.key, part.key);
                let problem = Problem::error(part.at().clone(), what);
                self.problems.push(problem.hint("give each artifact a name of its own"));
            }
        }
    }
}

/// Returns the names of the sources that the artifacts read.
fn reads(parts: &[ArtifactPart], sources: &Sources) -> BTreeSet<String> {
    let plans = parts.iter().filter_map(|part| match &part.content {
        PartContent::Rows(plan) => Some(plan),
        PartContent::Constant(_) => None,
    });
    let named = plans.flat_map(|plan| {
        let others = plan.others.iter().map(|other| other.name.clone());
        plan.main.name.clone().into_iter().chain(others).collect::<Vec<_>>()
    });
    named.filter(|name| sources.names.contains(name)).collect()
}

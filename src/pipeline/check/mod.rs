//! A pipeline file and the settings → a [`Plan`] without defaults left to fill in, and every problem found.

/// Aggregates.
mod aggregate;
mod answers;
/// Artifacts.
mod artifact;
/// Several artifacts of one run.
mod artifacts;
/// The dialect of the artifact's CSV.
mod csv;
/// Deliveries and their names.
mod deliver;
/// Changes since the last delivered file.
mod delta;
/// Expectations.
mod expect;
/// Fixed-width records.
mod fixed;
/// Joins.
mod join;
/// JSON files.
mod json;
/// Several record types in one file.
mod layout;
/// Compression and encryption.
mod pack;
/// Pivots.
mod pivot;
/// Requests of a pipeline's own.
mod request;
/// The steps that change cells.
mod row_steps;
/// Schedules and alerts.
mod schedule;
/// Sources: reports, records, files.
mod source;
/// One source, or several.
mod sources;
/// Parquet and XLSX files.
mod table_formats;
/// Steps on whole tables.
mod table_steps;
/// Tests.
mod test_case;
/// Trees of values.
mod tree;
/// Values of a pipeline's own.
mod vars;
/// XML files.
mod xml;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::columns::Columns;
use super::file::{PipelineFile, ScheduleFile};
use super::plan::*;
use super::scalars::{CellExpression, Expression as Written};
use super::step_file::{StepFile, StepItem};
use super::table_file;
use crate::readers::Reader;
use crate::schedule::{Missed, Overlap, Schedule, WhileHeld};
use crate::settings::PipelineAlertsFile;
use crate::settings::{SecretRef, Settings};
use crate::yaml::problem::{Place, Problem, did_you_mean};
use crate::yaml::read::{At, FromNode, Lenient, Named, OneOrMore, list};
use crate::yaml::tree::{Key, Node, Origin};

/// Returns the plan, or `None` if a part could not be read. A plan may come with problems. Without settings there is no
/// plan, but all problems that do not depend on them are found. The paths of files that the file names, also of those that
/// cannot be read, are added to `named`.
pub(super) fn plan(
    settings: Option<&Settings>,
    file: &Arc<PathBuf>,
    text: &str,
    (name, reader): (&str, Option<&'static Reader>),
    node: &Node,
    problems: &mut Vec<Problem>,
    named: &mut Vec<PathBuf>,
) -> Option<Plan> {
    let mut written = PipelineFile::from_node(node, problems)?;
    let mut check = Check::new(settings, file, problems, named, written.vars.take());
    check.check_around_artifacts(node, &written);
    let (schedule, zone) = check.scheduled(written.schedule);
    let mut sources = check.all_sources(node, written.source, written.sources);
    let several = written.artifacts.map(|artifacts| {
        sources.copy_main();
        check.several(artifacts, written.archive, &sources, (name, &zone))
    });
    let source = sources.source.take();
    let columns = source.as_ref().map(Columns::of_source).unwrap_or_default();
    let count = written.transform.as_ref().map_or(0, Vec::len);
    let (steps, secrets, mut columns) = check.steps(written.transform.unwrap_or_default(), columns);
    let all_are_valid = steps.len() == count;
    let others = match &several {
        None => check.used_sources(&mut sources, |name| sources::is_read_by(&steps, name), all_are_valid),
        Some(several) => check.used_sources(&mut sources, |name| several.reads.contains(name), several.is_whole),
    };
    let limit = row_steps::origin_of_limit(written.expect.as_ref());
    let mut expect = check.expect(written.expect.and_then(|part| part.0), &mut columns, source.as_ref());
    check.dropped_rows(&steps, limit, &mut expect);
    let delivered = columns.names();
    check.reader_columns(reader.zip(written.reader), delivered.as_deref(), all_are_valid && several.is_none());
    let (mut artifact, of_several) = match several {
        Some(several) => (several.artifact, Some((several.secrets, several.facts))),
        None => {
            let artifact = check.one_artifact(node, written.artifact);
            (artifact.and_then(|artifact| check.artifact(artifact, &steps, &mut columns)), None)
        }
    };
    let mut deliveries = written.deliver.0.map(|deliveries| check.deliveries(deliveries, &steps, &mut columns));
    check.problems.extend(columns.into_problems());
    let alerts = check.alerts_of(written.alerts, deliveries.as_deref_mut());
    check.check_files(source.as_ref(), artifact.as_mut(), deliveries.as_deref_mut());
    check.check_delta(&steps, source.as_ref(), artifact.as_ref(), deliveries.as_deref());
    let mut facts = test_case::Facts::new(&zone, source.as_ref(), &others, &secrets, delivered);
    facts.has_delta = !all_are_valid || steps.iter().any(|step| matches!(step.kind, StepKind::Delta(_)));
    let (secrets, facts) = of_several.unwrap_or_else(|| (secrets, vec![(None, facts)]));
    let tests = check.tests(written.tests.unwrap_or_default(), &facts);
    Some(Plan {
        name: name.to_string(),
        file: file.clone(),
        digest: table_file::version(text, reader.map(|reader| reader.text), &check.tables),
        tables: check.tables,
        reader,
        description: written.description.and_then(|description| description.0),
        schedule: schedule?,
        zone,
        source: source?,
        main: sources.main,
        others,
        steps,
        expect,
        artifact: artifact?,
        deliveries: deliveries?,
        alerts,
        secrets,
        tests,
        vars: check.vars,
    })
}

struct Check<'a> {
    settings: Option<&'a Settings>,
    file: &'a Arc<PathBuf>,
    problems: &'a mut Vec<Problem>,
    /// The files that the pipeline file names, each once.
    tables: Vec<TableFile>,
    /// The names of the sources that steps may read.
    sources: Vec<String>,
    /// The paths of all files that the pipeline file names.
    named: &'a mut Vec<PathBuf>,
    /// The values that the pipeline file names.
    vars: BTreeMap<String, String>,
    /// The values could not be read: an unknown one was reported already.
    vars_unread: bool,
}

impl Check<'_> {
    /// Checks the delivered columns against those that the reader knows. They are not known while steps have problems.
    fn reader_columns(&mut self, reader: Option<(&Reader, At<String>)>, delivered: Option<&[String]>, is_whole: bool) {
        let Some((reader, written)) = reader.filter(|_| is_whole) else { return };
        let Some(columns) = &reader.columns else { return };
        match delivered {
            Some(delivered) => {
                let problems = columns.problems(reader.name, delivered).into_iter();
                self.problems.extend(problems.map(|(what, hint)| written.origin.error(what).hint(hint)));
            }
            None => {
                let what = format!("the columns for the reader {} are known only with the extract", reader.name);
                self.problems.push(written.origin.error(what).hint("end the steps with `select` and the columns"));
            }
        }
    }

    fn place(&self, origin: &Origin) -> Place {
        match origin {
            Origin::File(place) => place.clone(),
            Origin::Named(_) => crate::yaml::tree::place(self.file, "", 0..0, origin.key()),
        }
    }

    /// Checks the files of the deliveries.
    fn check_files(
        &mut self,
        source: Option<&Source>,
        artifact: Option<&mut ArtifactPlan>,
        deliveries: Option<&mut [DeliveryPlan]>,
    ) {
        let Some((artifact, deliveries)) = artifact.zip(deliveries) else { return };
        artifact.keeps_rows = !artifact.is_readable() && deliveries.iter().any(DeliveryPlan::sends_rows);
        self.check_file_groups(artifact, deliveries);
        if artifact.split.is_none() && artifact.is_group() {
            deliveries.iter_mut().for_each(|delivery| delivery.publish_together = true);
        }
        self.check_companion_names(artifact, deliveries);
        self.check_replaced_changes(source, artifact, deliveries);
    }

    /// Checks the steps, which begin with `columns`. Returns them, the secrets that they use, and the columns after them
    /// with the steps' problems.
    fn steps(
        &mut self,
        written: Vec<Lenient<StepItem>>,
        mut columns: Columns,
    ) -> (Vec<TransformStep>, BTreeMap<String, SecretRef>, Columns) {
        let mut secrets = BTreeMap::new();
        let mut steps = Vec::new();
        for part in written {
            let Some(StepItem { step, on_error }) = part.0 else {
                columns.forget(); // the step's effect on them is unknown
                continue;
            };
            let (step, on_error) = self.else_of_map(step, on_error);
            let Some(mut step) = self.step(step, &mut secrets) else {
                columns.forget();
                continue;
            };
            step.on_error = self.on_error(&step.kind, on_error);
            (step.kind.declaration().columns)(&mut columns);
            steps.push(step);
            self.warn_of_order(&steps);
        }
        (steps, secrets, columns)
    }

    /// Returns a step; `None` if its effect on the columns is unknown.
    fn step(&mut self, step: StepFile, secrets: &mut BTreeMap<String, SecretRef>) -> Option<TransformStep> {
        let (origin, kind) = match step {
            StepFile::Rename(renames) => (renames.origin, self.rename(renames.value)),
            StepFile::Select(names) => {
                if names.value.0.is_empty() {
                    self.problems.push(names.origin.error("no column is selected here"));
                }
                (names.origin, StepKind::Select(self.columns(names.value.0)))
            }
            StepFile::Drop(names) => (names.origin, StepKind::Drop(self.columns(names.value.0))),
            StepFile::Filter(filter) => {
                if let Some((what, hint)) = filter.value.expr.not_a_condition() {
                    self.problems.push(filter.origin.error(what).hint(hint));
                }
                (filter.origin, StepKind::Filter(self.expression(filter.value, secrets)))
            }
            StepFile::Set(assigns) => {
                let assign = |(key, written): (Key, At<CellExpression>)| Assign {
                    at: self.place(&written.origin),
                    column: key.text,
                    value: self.expression(written.value.0, secrets),
                };
                (assigns.origin, StepKind::Set(assigns.value.0.into_iter().map(assign).collect()))
            }
            StepFile::Sort(sort) => (sort.origin, self.sort(sort.value)),
            StepFile::Dedupe(dedupe) => (dedupe.origin, self.dedupe(dedupe.value)),
            StepFile::Limit(limit) => (limit.origin, StepKind::Limit(limit.value.0)),
            StepFile::Unpivot(unpivot) => (unpivot.origin, self.unpivot(unpivot.value)),
            StepFile::Join(join) => (join.origin.clone(), self.join(*join.value, &join.origin)?),
            StepFile::Pivot(written) => (written.origin, self.pivot(written.value)),
            StepFile::Aggregate(written) => (written.origin, self.aggregate(written.value, secrets)),
            StepFile::Map(map) => (map.origin, StepKind::Map(Box::new(self.map(*map.value)?))),
            StepFile::Mask(masks) => (masks.origin.clone(), StepKind::Mask(self.mask(masks, secrets)?)),
            StepFile::Fill(fill) => (fill.origin.clone(), StepKind::Fill(self.fill(*fill.value, &fill.origin)?)),
            StepFile::Number(number) => (number.origin, StepKind::Number(self.number(number.value))),
            StepFile::Delta(delta) => (delta.origin.clone(), self.delta(delta)),
        };
        Some(TransformStep { at: self.place(&origin), kind, on_error: OnError::Fail })
    }

    fn rename(&mut self, renames: Named<At<String>>) -> StepKind {
        let rename = |(to, from): (Key, At<String>)| Rename {
            to: Column { at: self.place(&to.origin), name: to.text },
            from: self.column(from),
        };
        StepKind::Rename(renames.0.into_iter().map(rename).collect())
    }

    fn columns(&self, names: Vec<At<String>>) -> Vec<Column> {
        names.into_iter().map(|name| self.column(name)).collect()
    }

    fn column(&self, name: At<String>) -> Column {
        Column { at: self.place(&name.origin), name: name.value }
    }

    /// Finds a file that the pipeline file names.
    fn table(&mut self, written: &At<String>) -> Option<TableFile> {
        self.named.extend(TableFile::path(self.file, &written.value));
        match TableFile::find(self.file, written) {
            Ok(table) => {
                if !self.tables.contains(&table) {
                    self.tables.push(table.clone());
                }
                Some(table)
            }
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn expression(&mut self, written: Written, secrets: &mut BTreeMap<String, SecretRef>) -> Expression {
        let written = self.with_vars(written);
        for secret in written.expr.secrets() {
            self.secret(secret, &written.origin_of(secret), secrets);
        }
        Expression::new(written.expr.clone(), |column| self.place(&written.origin_of(column)))
    }

    /// Finds a secret that an expression names.
    fn secret(&mut self, name: &str, origin: &Origin, secrets: &mut BTreeMap<String, SecretRef>) {
        let Some(known) = self.settings.map(|settings| &settings.secrets) else { return };
        match known.get(name) {
            Some(found) => drop(secrets.insert(name.to_owned(), found.clone())),
            None => self.problems.push(unknown_name("secret", name, origin, known.keys())),
        }
    }
}

fn unknown_name<'a>(what: &str, given: &str, origin: &Origin, known: impl Iterator<Item = &'a String>) -> Problem {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let hint = match known.as_slice() {
        [] => format!("the settings name no {what}: add it under `{what}s`"),
        known => {
            did_you_mean(given, known.iter().copied()).unwrap_or_else(|| format!("the settings name {}", list(known)))
        }
    };
    origin.error(format!("there is no {what} {given:?} in the settings")).hint(hint)
}

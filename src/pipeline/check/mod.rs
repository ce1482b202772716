//! A pipeline file and what the settings know → a [`Plan`] with nothing left to default, and every problem on the way.

/// What goes where, under which names.
mod deliver;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::columns::Columns;
use super::file::{CsvInputFile, DoceboFile, ExpectFile, PipelineFile};
use super::file::{ScheduleFile, SourceFile, StepFile};
use super::plan::*;
use super::problem::{Place, Problem, did_you_mean};
use super::read::{At, FromNode, Named, Part, list};
use super::tree::{Key, Node, Origin};
use super::written::{Expression, ReportFile};
use crate::settings::file::alerts::PipelineAlertsFile;
use crate::settings::{SecretRef, Settings};

/// `None` where a part could not be read; a plan may still stand beside problems. Without settings no plan comes about,
/// but all problems that do not hang on them are found.
pub fn plan(
    settings: Option<&Settings>,
    file: &Arc<PathBuf>,
    text: &str,
    name: &str,
    node: &Node,
    problems: &mut Vec<Problem>,
) -> Option<Plan> {
    let written = PipelineFile::from_node(node, problems)?;
    let mut check = Check { settings, file, problems };
    let scheduled = written.schedule.map(|part| part.0.map(|schedule| check.schedule(schedule)));
    let source = written.source.0.map(|source| check.source(source));
    let (steps, secrets) = check.steps(written.transform.unwrap_or_default());
    let expect = check.expect(written.expect.and_then(|part| part.0));
    let artifact = written.artifact.0.map(|artifact| check.artifact(artifact));
    let deliveries = written.deliver.0.map(|deliveries| check.deliveries(deliveries));
    let alerts = written.alerts.and_then(|part| part.0).map(|alerts| check.alerts(alerts));
    if let (Some(artifact), Some(deliveries)) = (&artifact, &deliveries) {
        check.sets(artifact, deliveries);
        check.companions_apart(artifact, deliveries);
    }
    let (schedule, zone) = match scheduled {
        None => (None, TimeZone::UTC),
        Some(scheduled) => scheduled.map(|(schedule, zone)| (Some(schedule), zone))?,
    };
    Some(Plan {
        name: name.to_string(),
        file: file.clone(),
        digest: Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
        description: written.description.and_then(|description| description.0),
        schedule,
        zone,
        source: source.flatten()?,
        steps,
        expect,
        artifact: artifact?,
        deliveries: deliveries?,
        alerts,
        secrets,
    })
}

struct Check<'a> {
    settings: Option<&'a Settings>,
    file: &'a Arc<PathBuf>,
    problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    fn place(&self, origin: &Origin) -> Place {
        match origin {
            Origin::File(place) => place.clone(),
            Origin::Named(_) => super::tree::place(self.file, "", 0..0, origin.key()),
        }
    }

    fn schedule(&mut self, written: ScheduleFile) -> (Schedule, TimeZone) {
        let jitter = written.jitter.map_or(Duration::ZERO, |jitter| {
            if jitter.value.0 > JITTER_MAX {
                self.problems.push(jitter.origin.error("a jitter is at most 24h"));
            }
            jitter.value.0
        });
        let cron = written.cron.value;
        if cron.days_are_disputed() {
            self.problems.push(
                written
                    .cron
                    .origin
                    .warning("a day field with `*/…` beside another restricted one: only days that match both are due")
                    .hint(
                        "this is how Debian's cron reads it, other programs take either; two pipelines make it plain",
                    ),
            );
        }
        let schedule = Schedule {
            at: self.place(&written.cron.origin),
            cron,
            missed: written.missed.unwrap_or(Missed::Latest),
            missed_within: written.missed_within.map_or(MISSED_WITHIN, |within| within.0),
            overlap: written.overlap.unwrap_or(Overlap::Skip),
            jitter,
            expected_by: written.expected_by.map(|time| time.0),
        };
        (schedule, written.timezone.0)
    }

    fn alerts(&mut self, written: PipelineAlertsFile) -> AlertPlan {
        let Some(Settings { alerts, .. }) = self.settings else {
            return AlertPlan { on: written.on.unwrap_or_default(), channels: Vec::new() };
        };
        let channels = match written.channels {
            None => alerts.channels.keys().cloned().collect(),
            Some(named) => {
                for channel in named.iter().filter(|channel| !alerts.channels.contains_key(&channel.value)) {
                    let problem = unknown_name("channel", &channel.value, &channel.origin, alerts.channels.keys());
                    self.problems.push(problem);
                }
                named.into_iter().map(|channel| channel.value).collect()
            }
        };
        AlertPlan { on: written.on.unwrap_or_else(|| alerts.on.clone()), channels }
    }

    fn source(&mut self, written: SourceFile) -> Option<Source> {
        match written {
            SourceFile::Docebo(docebo) => self.docebo(docebo),
            SourceFile::File(file) if file.path.value.is_empty() => {
                self.problems.push(file.path.origin.error("a path is expected here"));
                None
            }
            SourceFile::File(file) => {
                let csv = csv_input(file.csv.map(|csv| csv.value));
                Some(Source::File(FileSource { path: self.settings?.folder().join(file.path.value), csv }))
            }
        }
    }

    fn docebo(&mut self, written: DoceboFile) -> Option<Source> {
        let tenant = written.tenant.0.and_then(|tenant| {
            let tenants = &self.settings?.tenants;
            let found = tenants.get(&tenant.value).cloned();
            if found.is_none() {
                let known = tenants.keys();
                self.problems.push(unknown_name("tenant", &tenant.value, &tenant.origin, known));
            }
            found
        });
        let via = written.via.and_then(|via| via.0).unwrap_or(Via::Download);
        if let (Via::Results, Some(csv)) = (via, &written.csv)
            && (csv.value.delimiter.is_some() || csv.value.encoding.is_some())
        {
            let what = "`delimiter` and `encoding` say how a download is written, and `via: results` brings JSON";
            self.problems.push(csv.origin.error(what).hint("remove them, or write `via: download`"));
        }
        Some(Source::Docebo(DoceboSource {
            tenant: tenant?,
            report: match written.report.0? {
                ReportFile::Id(id) => ReportRef::Id(id),
                ReportFile::Name(name) => ReportRef::Name(name),
            },
            via,
            csv: csv_input(written.csv.map(|csv| csv.value)),
        }))
    }

    fn steps(&mut self, written: Vec<Part<StepFile>>) -> (Vec<Step>, BTreeMap<String, SecretRef>) {
        let mut columns = Columns::default();
        let mut secrets = BTreeMap::new();
        let mut steps = Vec::new();
        for part in written {
            match part.0 {
                Some(step) => steps.push(self.step(step, &mut columns, &mut secrets)),
                // What the step would have done to the columns is not known, so nothing is known from here on.
                None => columns = Columns::default(),
            }
        }
        (steps, secrets)
    }

    fn step(&mut self, step: StepFile, columns: &mut Columns, secrets: &mut BTreeMap<String, SecretRef>) -> Step {
        let (origin, kind) = match step {
            StepFile::Rename(renames) => (renames.origin, self.rename(renames.value, columns)),
            StepFile::Select(names) => {
                if names.value.is_empty() {
                    self.problems.push(names.origin.error("no column is selected here"));
                }
                columns.select(&named(&names.value), self.problems);
                (names.origin, StepKind::Select(self.columns(names.value)))
            }
            StepFile::Drop(names) => {
                columns.drop(&named(&names.value), self.problems);
                (names.origin, StepKind::Drop(self.columns(names.value)))
            }
            StepFile::Filter(filter) => {
                self.expression(&filter.value, columns, secrets);
                if let Some((what, hint)) = filter.value.expr.not_a_condition() {
                    self.problems.push(filter.origin.error(what).hint(hint));
                }
                (filter.origin, StepKind::Filter(filter.value.expr))
            }
            StepFile::Set(assigns) => {
                for (_, assign) in &assigns.value.0 {
                    self.expression(&assign.value, columns, secrets);
                }
                assigns.value.0.iter().for_each(|(key, _)| columns.make(&key.text));
                let assigns_at = assigns.origin;
                let assign = |(key, written): (Key, At<Expression>)| Assign {
                    at: self.place(&written.origin),
                    column: key.text,
                    expr: written.value.expr,
                };
                (assigns_at, StepKind::Set(assigns.value.0.into_iter().map(assign).collect()))
            }
        };
        Step { at: self.place(&origin), kind }
    }

    fn rename(&mut self, renames: Named<At<String>>, columns: &mut Columns) -> StepKind {
        let pairs: Vec<_> = renames
            .0
            .iter()
            .map(|(to, from)| (to.text.as_str(), &to.origin, from.value.as_str(), &from.origin))
            .collect();
        columns.rename(&pairs, self.problems);
        let rename = |(to, from): (Key, At<String>)| Rename {
            to: to.text,
            from: Column { at: self.place(&from.origin), name: from.value },
        };
        StepKind::Rename(renames.0.into_iter().map(rename).collect())
    }

    fn columns(&self, names: Vec<At<String>>) -> Vec<Column> {
        names.into_iter().map(|name| Column { at: self.place(&name.origin), name: name.value }).collect()
    }

    fn expression(&mut self, written: &Expression, columns: &Columns, secrets: &mut BTreeMap<String, SecretRef>) {
        for column in written.expr.columns() {
            let before = self.problems.len();
            columns.expect(column, &written.origin_of(column), self.problems);
            // A column that was there before is not a text in the wrong quotes.
            let unknown = self.problems.get_mut(before).filter(|problem| !problem.what.ends_with("any more"));
            if let (Some(problem), Some(meant)) = (unknown, written.expr.hint_for_missing(column)) {
                problem.hint = Some(problem.hint.take().map_or(meant.clone(), |hint| format!("{hint}; {meant}")));
            }
        }
        let Some(settings) = self.settings else { return };
        for secret in written.expr.secrets() {
            match settings.secrets.get(secret) {
                Some(found) => {
                    secrets.insert(secret.to_string(), found.clone());
                }
                None => self.problems.push(unknown_name(
                    "secret",
                    secret,
                    &written.origin_of(secret),
                    settings.secrets.keys(),
                )),
            }
        }
    }

    fn expect(&mut self, written: Option<ExpectFile>) -> Expect {
        let ExpectFile { rows, when_empty } = written.unwrap_or(ExpectFile { rows: None, when_empty: None });
        let (min, max) = rows.map_or((None, None), |rows| (rows.min, rows.max));
        if let (Some(min), Some(max)) = (&min, &max)
            && min.value.0 > max.value.0
        {
            let what = format!("`min` is {} and `max` is {}: no number of rows is both", min.value.0, max.value.0);
            self.problems.push(max.origin.error(what));
        }
        if let (Some(WhenEmpty::Send), Some(min)) = (when_empty, &min)
            && min.value.0 > 0
        {
            self.problems.push(
                min.origin
                    .warning("an empty artifact is held for having too few rows, although `when_empty` says `send`")
                    .hint("remove one of the two"),
            );
        }
        Expect {
            when_empty: when_empty.unwrap_or(WhenEmpty::Hold),
            rows_min: min.map(|min| min.value.0),
            rows_max: max.map(|max| max.value.0),
        }
    }
}

fn csv_input(written: Option<CsvInputFile>) -> CsvInput {
    let plain = CsvInput::default();
    let Some(CsvInputFile { delimiter, strict, encoding }) = written else { return plain };
    CsvInput {
        delimiter: delimiter.map_or(plain.delimiter, |delimiter| delimiter.0),
        strict: strict.unwrap_or(plain.strict),
        encoding: encoding.unwrap_or(plain.encoding),
    }
}

/// Slots that passed longer ago are not made up for, where nothing is said.
const MISSED_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// The longest jitter.
const JITTER_MAX: Duration = Duration::from_secs(86_400);

fn named(names: &[At<String>]) -> Vec<(&str, &Origin)> {
    names.iter().map(|name| (name.value.as_str(), &name.origin)).collect()
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

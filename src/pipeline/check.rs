//! A pipeline file and what the settings know → a [`Plan`] with nothing left to default, and every problem on the way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::columns::Columns;
use super::file::{ArtifactFile, CsvFile, DeliverFile, DoceboFile, ExpectFile, PipelineFile};
use super::file::{ScheduleFile, SourceFile, StepFile};
use super::plan::*;
use super::problem::{Place, Problem, did_you_mean};
use super::read::{At, FromNode, Named, Part, list};
use super::tree::{Key, Node, Origin};
use super::written::{Deliveries, Delivery, Expression, Name, ReportFile};
use crate::encode::name::NameTemplate;
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
    if let (Some(artifact), Some(deliveries), Some(_)) = (&artifact, &deliveries, &scheduled) {
        check.names_of_slots(artifact, deliveries);
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
        };
        (schedule, written.timezone.0)
    }

    fn source(&mut self, written: SourceFile) -> Option<Source> {
        match written {
            SourceFile::Docebo(docebo) => self.docebo(docebo),
            SourceFile::File(file) if file.path.value.is_empty() => {
                self.problems.push(file.path.origin.error("a path is expected here"));
                None
            }
            SourceFile::File(file) => {
                Some(Source::File(FileSource { path: self.settings?.folder().join(file.path.value) }))
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
        Some(Source::Docebo(DoceboSource {
            tenant: tenant?,
            report: match written.report.0? {
                ReportFile::Id(id) => ReportRef::Id(id),
                ReportFile::Name(name) => ReportRef::Name(name),
            },
            via: written.via.and_then(|via| via.0).unwrap_or(Via::Download),
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
                if !filter.value.expr.is_condition() {
                    let what = format!("the filter yields {}, not a condition", filter.value.expr.yields());
                    let problem = filter.origin.error(what);
                    self.problems.push(problem.hint("compare it with something, or write `… is true`"));
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
            columns.expect(column, &written.origin_of(column), self.problems);
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

    fn deliveries(&mut self, written: Deliveries) -> Vec<DeliveryPlan> {
        let found =
            written.0.0.into_iter().filter_map(|(key, delivery)| self.delivery(&key, delivery)).collect::<Vec<_>>();
        if !found.is_empty() && found.iter().all(|delivery| !delivery.required) {
            let at = Origin::File(found_place(&found, self.file));
            self.problems.push(
                at.warning("no delivery is required: a run counts as delivered although nothing may have arrived")
                    .hint("leave `required` out of the one that matters"),
            );
        }
        found
    }

    fn artifact(&mut self, written: ArtifactFile) -> ArtifactPlan {
        let At { value: Name(name), origin } = written.name;
        if name.uses_name() {
            let problem = origin.error("`{name}` is the artifact's own name, which is being made here");
            self.problems.push(
                problem.hint("it stands in `done_file`; a name is made of `{slot:%Y%m%d}`, `{pipeline}` and `{run}`"),
            );
        }
        let csv = written.csv;
        let CsvFile { delimiter, quote, line_end, header, bom, formula_guard } = csv.unwrap_or(CsvFile {
            delimiter: None,
            quote: None,
            line_end: None,
            header: None,
            bom: None,
            formula_guard: None,
        });
        ArtifactPlan {
            name,
            csv: CsvDialect {
                delimiter: delimiter.map_or(b',', |delimiter| delimiter.0),
                quote: quote.unwrap_or(QuoteStyle::Necessary),
                line_end: line_end.unwrap_or(LineEnd::Lf),
                header: header.unwrap_or(true),
                bom: bom.unwrap_or(false),
                formula_guard: formula_guard.unwrap_or(false),
            },
        }
    }

    /// A scheduled pipeline whose slots share one name meets its own last file.
    fn names_of_slots(&mut self, artifact: &ArtifactPlan, deliveries: &[DeliveryPlan]) {
        if artifact.name.uses_slot() {
            return;
        }
        for delivery in
            deliveries.iter().filter(|delivery| matches!(delivery.existing, Existing::Fail | Existing::Keep))
        {
            let what = "every slot has the same name, and the file of the slot before is not replaced";
            let problem = Problem::warning(delivery.at.clone(), what);
            self.problems
                .push(problem.hint("put `{slot:%Y%m%d}` into the artifact's name, or write `existing: replace`"));
        }
    }

    fn done_file(&mut self, written: At<Name>) -> NameTemplate {
        let At { value: Name(template), origin } = written;
        if let Err(error) = template.render_done("artifact.csv") {
            let problem = origin.error(error.to_string());
            self.problems.push(problem.hint("`{name}` is the artifact's name: `{name}.done`"));
        }
        template
    }

    fn delivery(&mut self, key: &Key, delivery: Delivery) -> Option<DeliveryPlan> {
        let destinations = self.settings.map(|settings| &settings.destinations);
        let destination = destinations.and_then(|destinations| destinations.get(&key.text).cloned());
        if let (None, Some(destinations)) = (&destination, destinations) {
            self.problems.push(unknown_name("destination", &key.text, &key.origin, destinations.keys()));
        }
        let DeliverFile { path, existing, replace, done_file, required } = delivery.file?;
        if let (Some(replace), Some(existing)) = (&replace, &existing)
            && existing.value != Existing::Replace
        {
            self.problems.push(
                replace
                    .origin
                    .error("`replace: with_gap` says how to replace, and `existing` says not to")
                    .hint("write `existing: replace`, or remove this"),
            );
        }
        let replaces = if replace.is_some() { Existing::Replace } else { Existing::Fail };
        Some(DeliveryPlan {
            destination: destination?,
            at: self.place(&key.origin),
            directory: path.map_or(String::new(), |path| path.0),
            existing: existing.map_or(replaces, |existing| existing.value),
            replace_with_gap: replace.is_some(),
            done_file: done_file.map(|name| self.done_file(name)),
            required: required.unwrap_or(true),
        })
    }
}

/// The longest jitter.
/// Slots that passed longer ago are not made up for, where nothing is said.
const MISSED_WITHIN: Duration = Duration::from_secs(24 * 3600);

const JITTER_MAX: Duration = Duration::from_secs(86_400);

fn found_place(found: &[DeliveryPlan], file: &Arc<PathBuf>) -> Place {
    found.first().map_or_else(|| super::tree::place(file, "", 0..0, "deliver"), |delivery| delivery.at.clone())
}

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

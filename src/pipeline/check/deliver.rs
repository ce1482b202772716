//! Artifacts and deliveries as written → as planned.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Check, unknown_name};
use crate::encode::name::NameTemplate;
use crate::pipeline::file::{ArtifactFile, CsvFile, DeliverFile};
use crate::pipeline::plan::*;
use crate::pipeline::problem::{Place, Problem};
use crate::pipeline::read::At;
use crate::pipeline::tree::{self, Key, Origin};
use crate::pipeline::written::{Deliveries, Delivery, Name, SideName};
use crate::schedule::slot::Slot;
use crate::settings::{Destination, DestinationKind, Pickup, WebhookBody};

impl Check<'_> {
    pub(super) fn deliveries(&mut self, written: Deliveries) -> Vec<DeliveryPlan> {
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

    pub(super) fn artifact(&mut self, written: ArtifactFile) -> ArtifactPlan {
        let At { value: Name(name), origin } = written.name;
        let split = written.split;
        match (&split, name.uses_number()) {
            (Some(split), false) => {
                let problem =
                    split.origin.error("the files need different names, and the artifact's name has no `{part}`");
                self.problems.push(problem.hint("write `name: \"completions_{slot:%Y%m%d}_{part}.csv\"`"));
            }
            (None, true) => {
                let problem = origin.error("`{part}` numbers the files of a split artifact, and this one is one file");
                self.problems.push(problem.hint("write `split: {rows: 50000}` beside it, or leave `{part}` out"));
            }
            _ => {}
        }
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
            at: self.place(&origin),
            name,
            csv: CsvDialect {
                delimiter: delimiter.map_or(b',', |delimiter| delimiter.0),
                quote: quote.unwrap_or(QuoteStyle::Necessary),
                line_end: line_end.unwrap_or(LineEnd::Lf),
                header: header.unwrap_or(true),
                bom: bom.unwrap_or(false),
                formula_guard: formula_guard.unwrap_or(false),
            },
            split: split.map(|split| split.value.rows.0),
        }
    }

    /// No two files of a delivery may have one name: the later one would take the earlier one's place.
    pub(super) fn companions_apart(&mut self, artifact: &ArtifactPlan, deliveries: &[DeliveryPlan]) {
        let slot = Slot::new("pipeline", jiff::Timestamp::UNIX_EPOCH, jiff::tz::TimeZone::UTC);
        let data = match artifact.split {
            None => artifact.name.render(&slot),
            Some(_) => artifact.name.render_file(&slot, 1),
        };
        let data = data.unwrap_or_else(|_| "artifact.csv".to_owned());
        for delivery in deliveries {
            let of = match (artifact.split, delivery.set) {
                (Some(_), true) => artifact.name.render(&slot).unwrap_or_else(|_| data.clone()),
                _ => data.clone(),
            };
            let mut taken = vec![("data file", data.clone())];
            for (what, template) in delivery.companions() {
                let Ok(name) = template.render_done(&of) else { continue };
                if let Some((other, _)) = taken.iter().find(|(_, other)| *other == name) {
                    let words = format!(
                        "the {what} of `{}` is called {:?}, which is the {other}'s name too",
                        delivery.destination.name,
                        template.to_string()
                    );
                    let hint = format!("write a name of its own: `{}`", usual(what));
                    self.problems.push(Problem::error(delivery.at.clone(), words).hint(hint));
                }
                taken.push((what, name));
            }
        }
    }

    /// What an artifact of several files, or of one, means for its deliveries.
    pub(super) fn sets(&mut self, artifact: &ArtifactPlan, deliveries: &[DeliveryPlan]) {
        for delivery in deliveries {
            let takes_one_file = match &delivery.destination.kind {
                DestinationKind::Webhook(webhook) => webhook.body == WebhookBody::File,
                DestinationKind::Sftp(_) | DestinationKind::Local(_) => false,
            };
            if artifact.split.is_some() && takes_one_file {
                let what = "the webhook takes one file, and the artifact is split into several";
                let problem = Problem::error(delivery.at.clone(), what);
                self.problems.push(problem.hint("let its destination say `body: rows` or `body: notice`"));
            }
            if artifact.split.is_none() && delivery.set {
                let problem =
                    Problem::error(delivery.at.clone(), "`set: true` is for several files, and the artifact is one");
                self.problems.push(problem.hint("write `split: {rows: 50000}` for the artifact, or remove this"));
            }
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

    fn side(&mut self, At { value, origin }: At<SideName>, usual: &str) -> Option<NameTemplate> {
        match value {
            SideName::No => None,
            SideName::Usual => NameTemplate::parse(usual).ok(),
            SideName::Named(template) => Some(self.done_file(At { value: Name(template), origin })),
        }
    }

    /// A file that we write cannot be what the reader acknowledges with.
    fn ack_apart(&mut self, key: &Key, destination: &Destination, beside: [(&str, &Option<NameTemplate>); 3]) {
        let Pickup::AckFile { name, .. } = &destination.pickup else { return };
        let rendered = |template: &NameTemplate| template.render_done("artifact.csv").ok();
        for (what, template) in beside {
            if template.as_ref().and_then(rendered).is_some_and(|taken| rendered(name) == Some(taken)) {
                let what = format!("the {what} has the name that the reader of `{}` acknowledges with", key.text);
                let hint = format!("name it otherwise: `{name}` is the `ack_file` of the destination's `pickup`");
                self.problems.push(key.origin.error(what).hint(hint));
            }
        }
    }

    fn delivery(&mut self, key: &Key, delivery: Delivery) -> Option<DeliveryPlan> {
        let destinations = self.settings.map(|settings| &settings.destinations);
        let destination = destinations.and_then(|destinations| destinations.get(&key.text).cloned());
        if let (None, Some(destinations)) = (&destination, destinations) {
            self.problems.push(unknown_name("destination", &key.text, &key.origin, destinations.keys()));
        }
        let DeliverFile { path, existing, replace, checksum, manifest, done_file, set, required } = delivery.file?;
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
        let is_webhook = destination.as_ref().is_some_and(|to| matches!(to.kind, DestinationKind::Webhook(_)));
        let beside = checksum.is_some() || manifest.is_some() || done_file.is_some();
        let of_files = existing.is_some() || replace.is_some() || beside || path.is_some() || set.is_some();
        if is_webhook && of_files {
            let what = format!("`{}` is a webhook: it has no names, so what is said of files means nothing", key.text);
            self.problems.push(key.origin.error(what).hint(format!("write `{}: {{}}`", key.text)));
        }
        let checksum = checksum.and_then(|side| self.side(side, "{name}.sha256"));
        let manifest = manifest.and_then(|side| self.side(side, "{name}.json"));
        let (done_file, done_content) = match done_file.map(|done| done.value.0) {
            Some(done) => (Some(self.done_file(done.name)), done.content.map(|content| content.0)),
            None => (None, None),
        };
        if let Some(destination) = &destination {
            self.ack_apart(
                key,
                destination,
                [("checksum", &checksum), ("manifest", &manifest), ("done file", &done_file)],
            );
        }
        let replaces = if replace.is_some() { Existing::Replace } else { Existing::Fail };
        Some(DeliveryPlan {
            destination: destination?,
            at: self.place(&key.origin),
            directory: path.map_or(String::new(), |path| path.0),
            existing: existing.map_or(replaces, |existing| existing.value),
            replace_with_gap: replace.is_some(),
            set: set.is_some_and(|set| set.value),
            checksum,
            manifest,
            done_file,
            done_content,
            required: required.unwrap_or(true),
        })
    }
}

/// What a file beside the data is called usually.
fn usual(what: &str) -> &'static str {
    match what {
        "checksum" => "{name}.sha256",
        "manifest" => "{name}.json",
        _ => "{name}.done",
    }
}

fn found_place(found: &[DeliveryPlan], file: &Arc<PathBuf>) -> Place {
    found.first().map_or_else(|| tree::place(file, "", 0..0, "deliver"), |delivery| delivery.at.clone())
}

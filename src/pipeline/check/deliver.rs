//! Deliveries of a pipeline file → the plan's.

use std::path::PathBuf;
use std::sync::Arc;

use super::tree::TreeRows;
use super::{Check, unknown_name};
use crate::name::NameTemplate;
use crate::pipeline::columns::Columns;
use crate::pipeline::existing_file::ExistingFile;
use crate::pipeline::file::{DeliverFile, Deliveries, Delivery, ReplaceWord};
use crate::pipeline::masked::MaskedColumns;
use crate::pipeline::plan::*;
use crate::pipeline::request_file::RequestFile;
use crate::pipeline::scalars::CompanionName;
use crate::schedule::slot::Slot;
use crate::settings::{Destination, DestinationKind, Pickup, Publish, WebhookBody};
use crate::yaml::problem::{Place, Problem};
use crate::yaml::read::At;
use crate::yaml::tree;
use crate::yaml::tree::{Key, Origin};

impl Check<'_> {
    pub(super) fn deliveries(
        &mut self,
        written: Deliveries,
        steps: &[TransformStep],
        columns: &mut Columns,
    ) -> Vec<DeliveryPlan> {
        let masked = MaskedColumns::of(steps);
        let mut rows = TreeRows { columns, masked: masked.before(steps.len()), omit_null: false };
        let read = |(key, delivery): (Key, Delivery)| self.delivery(&key, delivery, &mut rows);
        let found: Vec<_> = written.0.0.into_iter().filter_map(read).collect();
        if !found.is_empty() && found.iter().all(|delivery| !delivery.required) {
            let at = Origin::File(found_place(&found, self.file));
            self.problems.push(
                at.warning("no delivery is required: a run counts as delivered although nothing may have arrived")
                    .hint("leave `required` out of the one that matters"),
            );
        }
        found
    }

    /// Checks that no two files of a delivery have the same name: the later one would replace the earlier one.
    pub(super) fn check_companion_names(&mut self, artifact: &ArtifactPlan, deliveries: &[DeliveryPlan]) {
        let slot = Slot::new("pipeline", jiff::Timestamp::UNIX_EPOCH, jiff::tz::TimeZone::UTC);
        let data = artifact.names(&slot).unwrap_or_else(|_| vec!["artifact.csv".into()]);
        let data: Vec<String> = data.iter().map(ToString::to_string).collect();
        for delivery in deliveries {
            let together = artifact.is_group() && delivery.publish_together;
            let group = if together { artifact.name.render(&slot.name_fields()).ok() } else { None };
            let of = group.map_or_else(|| data[0].clone(), |name| name.to_string());
            let mut taken: Vec<_> = data.iter().map(|name| ("data file", name.clone())).collect();
            for (kind, template) in delivery.companions() {
                let Ok(name) = template.render_done(&of) else { continue };
                if let Some((other, _)) = taken.iter().find(|(_, other)| *other == name) {
                    let what = format!(
                        "the {kind} of `{}` is called {:?}, which is the {other}'s name too",
                        delivery.destination.name,
                        template.to_string()
                    );
                    let hint = format!("write a name of its own: `{}`", usual(kind));
                    self.problems.push(Problem::error(delivery.at.clone(), what).hint(hint));
                }
                taken.push((kind, name));
            }
        }
    }

    /// Checks the deliveries of an artifact of one file or several.
    pub(super) fn check_file_groups(&mut self, artifact: &ArtifactPlan, deliveries: &[DeliveryPlan]) {
        for delivery in deliveries {
            let webhook = delivery.destination.webhook();
            let is_several = matches!(artifact.format, Format::Several(_));
            if is_several && delivery.sends_rows() {
                let what = "requests carry the rows of one artifact, and there are several";
                let problem = Problem::error(delivery.at.clone(), what);
                self.problems.push(
                    problem.hint("send them by a pipeline of its own, or let the destination say `body: notice`"),
                );
            } else if artifact.is_group() && webhook.is_some_and(|webhook| webhook.body == WebhookBody::File) {
                let (what, hint) = match is_several {
                    true => ("the webhook takes one file, and there are several artifacts", SEVERAL_HINT),
                    false => ("the webhook takes one file, and the artifact is split into several", SPLIT_HINT),
                };
                self.problems.push(Problem::error(delivery.at.clone(), what).hint(hint));
            }
            if !artifact.is_group() && delivery.publish_together {
                let problem = Problem::error(
                    delivery.at.clone(),
                    "`publish_together: true` is for several files, and the artifact is one",
                );
                self.problems.push(problem.hint("write `split: {rows: 50000}` for the artifact, or remove this"));
            }
        }
    }

    fn done_file(&mut self, written: At<NameTemplate>) -> NameTemplate {
        let At { value: template, origin } = self.name_with_vars(written);
        if let Err(error) = template.render_done("artifact.csv") {
            let problem = origin.error(error.to_string());
            self.problems.push(problem.hint("`{name}` is the artifact's name: `{name}.done`"));
        }
        template
    }

    /// Checks the name under which data is written: it must differ from the final one, which only a rename needs.
    fn upload_as(&mut self, written: At<NameTemplate>, to: Option<&Destination>) -> NameTemplate {
        let At { value: template, origin } = self.name_with_vars(written);
        match template.render_done("artifact.csv") {
            Ok(name) if name == "artifact.csv" => {
                let problem = origin.error("the data file would be written under its final name");
                self.problems.push(problem.hint("write another one: `\"{stem}.prg\"`"));
            }
            Ok(_) if !template.uses_name() => {
                let problem = origin.error("every data file would be written under the same name");
                self.problems
                    .push(problem.hint("`{stem}` is the artifact's name without its ending: `\"{stem}.prg\"`"));
            }
            Ok(_) => {}
            Err(error) => {
                let problem = origin.error(error.to_string());
                self.problems
                    .push(problem.hint("`{stem}` is the artifact's name without its ending: `\"{stem}.prg\"`"));
            }
        }
        let unused = match to.map(|to| &to.kind) {
            Some(DestinationKind::Sftp(sftp)) if sftp.publish == Publish::Direct => {
                Some("the destination has `publish: direct`: its files are written under their final names")
            }
            Some(DestinationKind::Sftp(_)) | None => None,
            Some(_) => Some("`upload_as` is for SFTP servers, which have rules for names"),
        };
        if let Some(what) = unused {
            self.problems.push(origin.error(what).hint("remove `upload_as`"));
        }
        template
    }

    fn companion(&mut self, At { value, origin }: At<CompanionName>, usual: &str) -> Option<NameTemplate> {
        match value {
            CompanionName::No => None,
            CompanionName::Usual => NameTemplate::parse(usual).ok(),
            CompanionName::Named(template) => Some(self.done_file(At { value: template, origin })),
        }
    }

    /// Checks that no file of the delivery has the name of the reader's acknowledgement.
    fn check_ack_name(&mut self, key: &Key, destination: &Destination, companions: [(&str, &Option<NameTemplate>); 3]) {
        let Pickup::AckFile { name, .. } = &destination.pickup else { return };
        let rendered = |template: &NameTemplate| template.render_done("artifact.csv").ok();
        for (what, template) in companions {
            if template.as_ref().and_then(rendered).is_some_and(|taken| rendered(name) == Some(taken)) {
                let what = format!("the {what} has the name that the reader of `{}` acknowledges with", key.text);
                let hint = format!("name it otherwise: `{name}` is the `ack_file` of the destination's `pickup`");
                self.problems.push(key.origin.error(what).hint(hint));
            }
        }
    }

    /// Checks that `replace` has something to replace.
    fn check_replace(&mut self, replace: Option<&At<ReplaceWord>>, existing: Option<&At<ExistingFile>>) {
        if let (Some(replace), Some(existing)) = (replace, existing)
            && existing.value.0 != Existing::Replace
        {
            let problem = replace.origin.error("`replace: with_gap` has no effect without `existing: replace`");
            self.problems.push(problem.hint("write `existing: replace`, or remove this"));
        }
    }

    fn delivery_request(
        &mut self,
        key: &Key,
        At { value, origin }: At<Box<RequestFile>>,
        destination: Option<&Destination>,
        rows: &mut TreeRows<'_>,
    ) -> Option<Request> {
        self.check_request_destination(key, &origin, destination);
        let request = self.request(*value, rows)?;
        self.check_request_headers(&request, &origin, destination);
        Some(request)
    }

    fn delivery(&mut self, key: &Key, delivery: Delivery, rows: &mut TreeRows<'_>) -> Option<DeliveryPlan> {
        let destinations = self.settings.map(|settings| &settings.destinations);
        let destination = destinations.and_then(|destinations| destinations.get(&key.text).cloned());
        if let (None, Some(destinations)) = (&destination, destinations) {
            self.problems.push(unknown_name("destination", &key.text, &key.origin, destinations.keys()));
        }
        let DeliverFile {
            path,
            existing,
            replace,
            upload_as,
            checksum,
            manifest,
            done_file,
            publish_together,
            required,
            request,
            refused_rows,
            ack_rows,
        } = delivery.file?;
        self.check_replace(replace.as_ref(), existing.as_ref());
        let is_webhook = destination.as_ref().is_some_and(|to| to.webhook().is_some());
        let has_companions = checksum.is_some() || manifest.is_some() || done_file.is_some();
        let of_files =
            existing.is_some() || replace.is_some() || has_companions || path.is_some() || publish_together.is_some();
        let upload_as = upload_as.map(|upload_as| self.upload_as(upload_as, destination.as_deref()));
        if is_webhook && of_files {
            let what = format!("`{}` is a webhook: it has no files, so options for files have no effect", key.text);
            self.problems.push(key.origin.error(what).hint(format!("write `{}: {{}}`", key.text)));
        }
        let checksum = checksum.and_then(|companion| self.companion(companion, "{name}.sha256"));
        let manifest = manifest.and_then(|companion| self.companion(companion, "{name}.json"));
        let (done_file, done_content) = match done_file.map(|done| done.value.0) {
            Some(done) => (Some(self.done_file(done.name)), done.content),
            None => (None, None),
        };
        let companions = [("checksum", &checksum), ("manifest", &manifest), ("done file", &done_file)];
        if let Some(destination) = &destination {
            self.check_ack_name(key, destination, companions);
        }
        let request = match request {
            Some(request) => Some(self.delivery_request(key, request, destination.as_deref(), rows)?),
            None => None,
        };
        let is_answered = ack_rows.is_some() || request.as_ref().is_some_and(|request| request.response_rows.is_some());
        let refused_rows = self.refused_rows(refused_rows, is_answered);
        let ack_rows = ack_rows.map(|ack| self.ack_rows(ack, rows.columns, destination.as_deref(), refused_rows));
        let replaces = if replace.is_some() { Existing::Replace } else { Existing::Fail };
        let destination = destination?;
        Some(DeliveryPlan {
            alert_after: destination.alert_after,
            destination,
            at: self.place(&key.origin),
            directory: path.map_or(String::new(), |path| path.0),
            existing: existing.map_or(replaces, |existing| existing.value.0),
            upload_as,
            replace_with_gap: replace.is_some(),
            publish_together: publish_together.is_some_and(|together| together.value),
            checksum,
            manifest,
            done_file,
            done_content,
            required: required.unwrap_or(true),
            request,
            refused_rows,
            ack_rows,
        })
    }
}

const SPLIT_HINT: &str = "let its destination say `body: rows` or `body: notice`";
const SEVERAL_HINT: &str = "put them into one ZIP by `archive`, or let its destination say `body: notice`";

/// Returns the usual name of a companion file.
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

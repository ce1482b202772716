//! `verify [RUN]`: compares the files at the destinations with the receipts.

mod superseded;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;

use super::moment::Moment;
use super::opened::Opened;
use super::{Common, exit, print_json, text};
use crate::deliver::{FinalName, Intent, PickupKind, PickupOutcome, Role, Session, Verdict};
use crate::ledger::RunFilter;
use crate::ledger::record::{Pickup, Run};
use crate::ledger::state::{PickupState, RunState};
use crate::run::document::utc;
use crate::settings::{self, Destination};

#[derive(clap::Args)]
pub(super) struct VerifyArgs {
    /// The run's ID, or a unique prefix of it [default: all runs since `--since`]
    run: Option<String>,
    /// Runs of slots from this time on: RFC 3339, a date (UTC), or how long ago
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = Moment::parse, conflicts_with = "run")]
    since: Moment,
    /// Read every file and compare its digest, not only its size
    #[arg(long)]
    checksum: bool,
}

/// One file of one delivery. The JSON names are an interface.
#[derive(Clone, Debug, Serialize)]
struct VerifiedFile {
    run: String,
    destination: String,
    path: String,
    /// `data`, `checksum`, `manifest` or `done`.
    role: Role,
    /// `present`, `picked_up`, `superseded`; `changed` or `lost`, which are wrong; `unknown` if it cannot be verified; always
    /// `acknowledged` for a webhook, whose content cannot be verified either.
    found: &'static str,
    /// The evidence, or why there is none.
    how: String,
}

impl VerifiedFile {
    /// Returns true if the file is not what the receipt says, and nobody is known to have changed that.
    fn is_wrong(&self) -> bool {
        matches!(self.found, "changed" | "lost")
    }
}

/// The maximum number of runs to verify at once.
const RUNS_MAX: u32 = 1_000;

pub(super) async fn run(args: VerifyArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let runs: Vec<Run> = match &args.run {
        Some(prefix) => vec![opened.run(prefix).await?],
        None => {
            let since_ms = args.since.since(&opened.clock, &TimeZone::UTC).as_millisecond();
            let states = vec![RunState::Delivered, RunState::Delivering];
            let filter = RunFilter { states, since_ms: Some(since_ms), limit: RUNS_MAX, ..RunFilter::default() };
            opened.ledger.runs(&filter).await?
        }
    };
    // One sign-in for all files of a destination.
    let mut by_destination: BTreeMap<String, Vec<Delivered>> = BTreeMap::new();
    let mut found = Vec::new();
    for run in &runs {
        for delivery in opened.ledger.deliveries(&run.id).await? {
            if webhook::is_webhook(&delivery) {
                found.extend(webhook::verify(&opened.ledger, &run.id, delivery).await?.files);
                continue;
            }
            if let (Some(stored), Some(intent)) = (delivery.receipt, delivery.intent) {
                let (address, pickup, ended_ms) = (stored.receipt.address, delivery.pickup, stored.ended_ms);
                let delivered =
                    Delivered { run: run.id.clone(), intent, address, pickup, ended_ms, superseded: Vec::new() };
                by_destination.entry(delivery.destination).or_default().push(delivered);
            }
        }
    }
    superseded::find(&opened.ledger, by_destination.values_mut().flatten()).await?;
    for (name, deliveries) in by_destination {
        let destination = opened.settings.destinations.get(&name).cloned();
        let verified = match destination {
            Some(destination) => {
                let checksum = args.checksum;
                tokio::task::spawn_blocking(move || verify(&destination, deliveries, checksum)).await?
            }
            None => unknown(&name, deliveries, "the destination is no longer in the settings"),
        };
        for VerifiedDelivery { run, files, pickup } in verified {
            if let Some((check, next_ms)) = pickup {
                opened.ledger.record_poll(&run, &name, &check, next_ms).await?;
            }
            found.extend(files);
        }
    }
    opened.ledger.close().await;
    let any_wrong = found.iter().any(VerifiedFile::is_wrong);
    if common.json {
        print_json(&json!({"files": found}))?;
    } else {
        print(&found, runs.len());
    }
    Ok(if any_wrong { exit::FAILED } else { exit::DONE })
}

/// One delivery with its receipt.
struct Delivered {
    run: String,
    intent: Intent,
    address: String,
    pickup: Option<Pickup>,
    ended_ms: i64,
    /// For each file of the intent, how a later run of ours replaced or removed it, if one did.
    superseded: Vec<Option<String>>,
}

/// The result for one delivery.
struct VerifiedDelivery {
    run: String,
    files: Vec<VerifiedFile>,
    /// For a pending pickup, its observed state and when the worker polls next.
    pickup: Option<(PickupOutcome, Option<i64>)>,
}

fn verify(destination: &Arc<Destination>, deliveries: Vec<Delivered>, checksum: bool) -> Vec<VerifiedDelivery> {
    let mut session = match Session::connect(destination) {
        Ok(session) => session,
        Err(verdict) => return unknown(&destination.name, deliveries, verdict.reason()),
    };
    let mut verified = Vec::new();
    for delivered in deliveries {
        verified.push(match verify_delivery(&mut session, destination, &delivered, checksum) {
            Ok(found) => found,
            Err(verdict) => unknown_delivery(&destination.name, delivered, verdict.reason()),
        });
    }
    session.close();
    verified
}

fn verify_delivery(
    session: &mut Session,
    destination: &Destination,
    delivered: &Delivered,
    checksum: bool,
) -> Result<VerifiedDelivery, Verdict> {
    let Delivered { run, intent, address, pickup, superseded, .. } = delivered;
    let seen = session.check(intent, checksum)?;
    // The setting at delivery counts; deliveries recorded without one use the current setting.
    let kind = pickup.as_ref().map(|pickup| pickup.kind).or(PickupKind::of(&destination.pickup));
    let outcome = match kind {
        Some(kind) => Some(session.check_pickup(kind, address, intent)?),
        None => None,
    };
    let files = intent.files.iter().zip(seen.files);
    let files: Vec<_> = files.map(|(file, seen)| (file, seen.final_name)).collect();
    let data_is_gone =
        files.iter().filter(|(file, _)| file.role == Role::Data).all(|(_, state)| *state == FinalName::Absent);
    let evidence = PickupEvidence {
        kind,
        immediate: destination.pickup == settings::Pickup::Immediate,
        outcome,
        pickup,
        data_is_gone,
    };
    let found = files.iter().zip(superseded).map(|((file, state), superseded)| {
        let (found, how) = match (evidence.classify(file.role, state), superseded) {
            // The size alone does not distinguish it from the later file.
            ((found, _), Some(how)) if found != "picked_up" && *state != FinalName::Ours => ("superseded", how.clone()),
            (classified, _) => classified,
        };
        let (run, destination) = (run.clone(), destination.name.clone());
        VerifiedFile { run, destination, path: file.final_path.clone(), role: file.role, found, how }
    });
    let files = found.collect();
    // The worker reads answers for single rows, and records them with the pickup.
    let has_rows = intent.acks.iter().any(|ack| ack.rows.is_some());
    let open = pickup.as_ref().filter(|known| !known.state.is_end() && !has_rows);
    let pickup = open.zip(evidence.outcome).map(|(known, outcome)| (outcome, known.next_poll_ms));
    Ok(VerifiedDelivery { run: run.clone(), files, pickup })
}

/// The evidence about a delivery's pickup.
struct PickupEvidence<'a> {
    kind: Option<PickupKind>,
    /// The server removes files at once.
    immediate: bool,
    /// The observed state.
    outcome: Option<PickupOutcome>,
    /// The recorded state.
    pickup: &'a Option<Pickup>,
    data_is_gone: bool,
}

impl PickupEvidence<'_> {
    /// Returns the evidence that it was picked up, now or earlier.
    fn picked_up(&self) -> Option<String> {
        if let Some(known) = self.pickup.as_ref().filter(|known| known.state == PickupState::PickedUp) {
            let how = known.reason.as_deref().unwrap_or("the reader picked it up");
            return Some(format!("{how}, seen at {}", known.at_ms.map(utc).unwrap_or_default()));
        }
        match &self.outcome {
            Some(PickupOutcome::PickedUp { how }) => Some(how.clone()),
            _ => None,
        }
    }

    fn classify(&self, role: Role, state: &FinalName) -> (&'static str, String) {
        let picked_up = self.picked_up();
        let of_data = role == Role::Data;
        match (state, &picked_up) {
            // A reader that removes the data may leave or remove the companion files.
            (FinalName::Absent, Some(how)) if self.data_is_gone => ("picked_up", how.clone()),
            (FinalName::Absent, None) if self.immediate && self.data_is_gone => {
                ("picked_up", "the server removes files".to_owned())
            }
            (FinalName::Absent, _) => self.absent(),
            (FinalName::Ours | FinalName::SameSize { .. }, Some(how)) if of_data => ("picked_up", how.clone()),
            (FinalName::Ours, _) => ("present", self.present("its digest matches the receipt", of_data)),
            (FinalName::SameSize { why }, _) => {
                ("present", self.present(&format!("its size matches the receipt; {why}"), of_data))
            }
            // By now another file may have the name.
            (FinalName::Other { .. }, Some(how)) if of_data && self.was_known() => ("picked_up", how.clone()),
            (FinalName::Other { bytes: Some(bytes) }, _) => {
                ("changed", format!("a different file of {bytes} bytes is there"))
            }
            (FinalName::Other { bytes: None }, _) => ("changed", "a different file is there".to_owned()),
            (FinalName::Hidden { why }, _) => ("unknown", format!("cannot be verified: {why}")),
        }
    }

    fn was_known(&self) -> bool {
        self.pickup.as_ref().is_some_and(|known| known.state == PickupState::PickedUp)
    }

    fn absent(&self) -> (&'static str, String) {
        match (&self.outcome, self.kind) {
            (Some(PickupOutcome::Unknown { why }), _) => ("unknown", format!("the file is missing; {why}")),
            (_, Some(PickupKind::AckFile)) => {
                ("lost", "the file is missing, and its reader has not acknowledged it".to_owned())
            }
            _ => ("lost", "the file is missing; set `pickup: moved` if its reader moves files away".to_owned()),
        }
    }

    fn present(&self, how: &str, of_data: bool) -> String {
        let due = self.pickup.as_ref().filter(|_| of_data).and_then(|known| Some((known.state, known.due_ms?)));
        match due {
            Some((PickupState::Overdue, due_ms)) => format!("{how}; not picked up by {}", utc(due_ms)),
            Some((PickupState::Pending, due_ms)) => format!("{how}; not picked up yet, pending until {}", utc(due_ms)),
            _ => how.to_owned(),
        }
    }
}

fn unknown(destination: &str, deliveries: Vec<Delivered>, why: &str) -> Vec<VerifiedDelivery> {
    deliveries.into_iter().map(|delivered| unknown_delivery(destination, delivered, why)).collect()
}

fn unknown_delivery(destination: &str, delivered: Delivered, why: &str) -> VerifiedDelivery {
    let Delivered { run, intent, .. } = delivered;
    let found = intent.files.into_iter().map(|file| VerifiedFile {
        run: run.clone(),
        destination: destination.to_owned(),
        path: file.final_path,
        role: file.role,
        found: "unknown",
        how: format!("cannot be verified: {why}"),
    });
    VerifiedDelivery { files: found.collect(), run, pickup: None }
}

fn print(found: &[VerifiedFile], runs: usize) {
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|found| {
            vec![
                found.run.clone(),
                found.destination.clone(),
                found.path.clone(),
                found.found.to_owned(),
                found.how.clone(),
            ]
        })
        .collect();
    print!("{}", text::table(&["RUN", "DESTINATION", "PATH", "FOUND", "HOW"], &rows));
    let (webhooks, files): (Vec<_>, Vec<_>) = found.iter().partition(|found| found.found == webhook::ACKNOWLEDGED);
    let count = |words: &[&str]| files.iter().filter(|found| words.contains(&found.found)).count();
    println!();
    if !files.is_empty() || webhooks.is_empty() {
        println!("{} of {} files match the receipts of {runs} runs", count(&["present", "picked_up"]), files.len());
        for (words, what) in [
            (&["changed", "lost"][..], "wrong"),
            (&["superseded"], "superseded by later runs"),
            (&["unknown"], "cannot be verified"),
        ] {
            let count = count(words);
            if count > 0 {
                println!("{count} {what}");
            }
        }
    }
    if !webhooks.is_empty() {
        println!("{} webhook deliveries were acknowledged; their content cannot be verified", webhooks.len());
    }
}

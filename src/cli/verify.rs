//! `verify [RUN]`: what lies at the destinations, beside the receipts.

/// Deliveries that nobody can look at.
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::moment::Moment;
use super::opened::Opened;
use super::{Common, exit, print_json, text};
use crate::deliver::{Collected, FinalName, Intent, Role, Session, Sign, Verdict};
use crate::ledger::RunFilter;
use crate::ledger::record::{Pickup, Run};
use crate::ledger::state::{PickupState, RunState};
use crate::run::document::utc;
use crate::settings::{self, Destination};

#[derive(clap::Args)]
pub struct VerifyArgs {
    /// The run's id, or the beginning of it; without it, all runs since `--since`
    run: Option<String>,
    /// Runs of slots from this moment on: RFC 3339, a date (UTC), or how long ago
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = Moment::parse, conflicts_with = "run")]
    since: Moment,
    /// Read every file back and compare its digest, not only its size
    #[arg(long)]
    read: bool,
}

/// One file of one delivery. Other tools rely on these names.
#[derive(Clone, Debug, Serialize)]
struct Found {
    run: String,
    destination: String,
    path: String,
    /// `data`, `checksum`, `manifest` or `done`.
    role: Role,
    /// `present`, `changed`, `picked_up`, `lost` or `unknown`; of a webhook always `acknowledged`.
    found: &'static str,
    /// How it is known, or why it is not.
    how: String,
}

impl Found {
    fn is_well(&self) -> bool {
        matches!(self.found, "present" | "picked_up" | webhook::ACKNOWLEDGED)
    }
}

/// Runs that are looked at in one go.
const RUNS_MAX: u32 = 1_000;

pub async fn run(args: VerifyArgs, common: &Common) -> anyhow::Result<u8> {
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
            if webhook::is_by_webhook(&delivery) {
                found.extend(webhook::look(&opened.ledger, &run.id, delivery).await?.files);
                continue;
            }
            if let (Some(stored), Some(intent)) = (delivery.receipt, delivery.intent) {
                let (address, pickup) = (stored.receipt.address, delivery.pickup);
                let delivered = Delivered { run: run.id.clone(), intent, address, pickup };
                by_destination.entry(delivery.destination).or_default().push(delivered);
            }
        }
    }
    for (name, deliveries) in by_destination {
        let destination = opened.settings.destinations.get(&name).cloned();
        let looked = match destination {
            Some(destination) => {
                let read = args.read;
                tokio::task::spawn_blocking(move || look(&destination, deliveries, read)).await?
            }
            None => unknown(&name, deliveries, "the settings have no such destination any more"),
        };
        for Looked { run, files, pickup } in looked {
            if let Some((collected, next_ms)) = pickup {
                opened.ledger.note_look(&run, &name, &collected, next_ms).await?;
            }
            found.extend(files);
        }
    }
    opened.ledger.close().await;
    let well = found.iter().all(Found::is_well);
    if common.json {
        print_json(&found)?;
    } else {
        print(&found, runs.len());
    }
    Ok(if well { exit::DONE } else { exit::FAILED })
}

/// One delivery with its receipt.
struct Delivered {
    run: String,
    intent: Intent,
    address: String,
    pickup: Option<Pickup>,
}

/// What was found of one delivery.
struct Looked {
    run: String,
    files: Vec<Found>,
    /// Where its reader is awaited, what was seen of that, and when the worker looks next.
    pickup: Option<(Collected, Option<i64>)>,
}

fn look(destination: &Arc<Destination>, deliveries: Vec<Delivered>, read: bool) -> Vec<Looked> {
    let mut session = match Session::connect(destination) {
        Ok(session) => session,
        Err(verdict) => return unknown(&destination.name, deliveries, &verdict.into_reason()),
    };
    let mut looked = Vec::new();
    for delivered in deliveries {
        looked.push(match look_at(&mut session, destination, &delivered, read) {
            Ok(found) => found,
            Err(verdict) => unknown_one(&destination.name, delivered, &verdict.into_reason()),
        });
    }
    session.close();
    looked
}

fn look_at(
    session: &mut Session,
    destination: &Destination,
    delivered: &Delivered,
    read: bool,
) -> Result<Looked, Verdict> {
    let Delivered { run, intent, address, pickup } = delivered;
    let seen = session.check(intent, read)?;
    // What was said when it was delivered counts; of what was delivered before that was kept, what is said now.
    let sign = pickup.as_ref().map(|pickup| pickup.sign).or(Sign::of(&destination.pickup));
    let collected = match sign {
        Some(sign) => Some(session.collected(sign, address, intent)?),
        None => None,
    };
    let files = intent.files.iter().zip(seen.files);
    let files: Vec<_> = files.map(|(file, seen)| (file, seen.final_name)).collect();
    let data_is_gone =
        files.iter().filter(|(file, _)| file.role == Role::Data).all(|(_, lies)| *lies == FinalName::Absent);
    let reader =
        Reader { sign, immediate: destination.pickup == settings::Pickup::Immediate, collected, pickup, data_is_gone };
    let found = files.iter().map(|(file, lies)| {
        let (found, how) = reader.judge(file.role, lies);
        let (run, destination) = (run.clone(), destination.name.clone());
        Found { run, destination, path: file.final_path.clone(), role: file.role, found, how }
    });
    let files = found.collect();
    let open = pickup.as_ref().filter(|known| !known.state.is_end());
    let pickup = open.zip(reader.collected).map(|(known, collected)| (collected, known.look_ms));
    Ok(Looked { run: run.clone(), files, pickup })
}

/// What is known of a delivery's reader.
struct Reader<'a> {
    sign: Option<Sign>,
    /// The server takes files away at once.
    immediate: bool,
    /// What was seen now.
    collected: Option<Collected>,
    /// What was known before.
    pickup: &'a Option<Pickup>,
    data_is_gone: bool,
}

impl Reader<'_> {
    /// How it is known that it was picked up, now or earlier.
    fn picked_up(&self) -> Option<String> {
        if let Some(known) = self.pickup.as_ref().filter(|known| known.state == PickupState::PickedUp) {
            let how = known.reason.as_deref().unwrap_or("its reader picked it up");
            return Some(format!("{how}, seen at {}", known.at_ms.map(utc).unwrap_or_default()));
        }
        match &self.collected {
            Some(Collected::PickedUp { how }) => Some(how.clone()),
            _ => None,
        }
    }

    fn judge(&self, role: Role, lies: &FinalName) -> (&'static str, String) {
        let picked_up = self.picked_up();
        let of_data = role == Role::Data;
        match (lies, &picked_up) {
            // A reader that takes the data away may leave what lies beside it, or take that too.
            (FinalName::Absent, Some(how)) if self.data_is_gone => ("picked_up", how.clone()),
            (FinalName::Absent, None) if self.immediate && self.data_is_gone => {
                ("picked_up", "the server takes files away".to_owned())
            }
            (FinalName::Absent, _) => self.absent(),
            (FinalName::Ours | FinalName::SameSize { .. }, Some(how)) if of_data => ("picked_up", how.clone()),
            (FinalName::Ours, _) => ("present", self.present("its digest is that of the receipt", of_data)),
            (FinalName::SameSize { why }, _) => {
                ("present", self.present(&format!("its size is that of the receipt; {why}"), of_data))
            }
            // The name may be another file's by now.
            (FinalName::Other { .. }, Some(how)) if of_data && self.was_known() => ("picked_up", how.clone()),
            (FinalName::Other { bytes: Some(bytes) }, _) => {
                ("changed", format!("{bytes} bytes lie there, and they are not ours"))
            }
            (FinalName::Other { bytes: None }, _) => ("changed", "something else lies there".to_owned()),
            (FinalName::Hidden { why }, _) => ("unknown", why.clone()),
        }
    }

    fn was_known(&self) -> bool {
        self.pickup.as_ref().is_some_and(|known| known.state == PickupState::PickedUp)
    }

    fn absent(&self) -> (&'static str, String) {
        match (&self.collected, self.sign) {
            (Some(Collected::Unseen { why }), _) => ("unknown", format!("nothing lies there; {why}")),
            (_, Some(Sign::AckFile)) => {
                ("lost", "nothing lies there, and its reader has not acknowledged it".to_owned())
            }
            _ => ("lost", "nothing lies there; `pickup: moved` says that readers take files away".to_owned()),
        }
    }

    fn present(&self, how: &str, of_data: bool) -> String {
        let due = self.pickup.as_ref().filter(|_| of_data).and_then(|known| Some((known.state, known.due_ms?)));
        match due {
            Some((PickupState::Overdue, due_ms)) => format!("{how}; not picked up by {}", utc(due_ms)),
            Some((PickupState::Awaited, due_ms)) => format!("{how}; not picked up yet, awaited until {}", utc(due_ms)),
            _ => how.to_owned(),
        }
    }
}

fn unknown(destination: &str, deliveries: Vec<Delivered>, why: &str) -> Vec<Looked> {
    deliveries.into_iter().map(|delivered| unknown_one(destination, delivered, why)).collect()
}

fn unknown_one(destination: &str, delivered: Delivered, why: &str) -> Looked {
    let Delivered { run, intent, .. } = delivered;
    let found = intent.files.into_iter().map(|file| Found {
        run: run.clone(),
        destination: destination.to_owned(),
        path: file.final_path,
        role: file.role,
        found: "unknown",
        how: why.to_owned(),
    });
    Looked { files: found.collect(), run, pickup: None }
}

fn print(found: &[Found], runs: usize) {
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
    println!();
    if !files.is_empty() || webhooks.is_empty() {
        let well = files.iter().filter(|found| found.is_well()).count();
        println!("{well} of {} files are as the receipts of {runs} runs say", files.len());
    }
    if !webhooks.is_empty() {
        println!("{} deliveries by webhook are acknowledged, which is all that can be known of them", webhooks.len());
    }
}

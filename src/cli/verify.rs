//! `verify [RUN]`: what lies at the destinations, beside the receipts.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::moment::Moment;
use super::opened::Opened;
use super::{Common, exit, print_json, text};
use crate::deliver::{FinalName, Intent, Role, Session, Verdict};
use crate::ledger::RunFilter;
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::settings::{Destination, Pickup};

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
    /// `present`, `changed`, `picked_up`, `lost` or `unknown`.
    found: &'static str,
    /// How it is known, or why it is not.
    how: String,
}

impl Found {
    fn is_well(&self) -> bool {
        matches!(self.found, "present" | "picked_up")
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
    let mut by_destination: BTreeMap<String, Vec<(String, Intent)>> = BTreeMap::new();
    for run in &runs {
        for delivery in opened.ledger.deliveries(&run.id).await? {
            if let (Some(_), Some(intent)) = (delivery.receipt, delivery.intent) {
                by_destination.entry(delivery.destination).or_default().push((run.id.clone(), intent));
            }
        }
    }
    let mut found = Vec::new();
    for (name, intents) in by_destination {
        let destination = opened.settings.destinations.get(&name).cloned();
        found.extend(match destination {
            Some(destination) => {
                let read = args.read;
                tokio::task::spawn_blocking(move || look(&destination, intents, read)).await?
            }
            None => unknown(&name, intents, "the settings have no such destination any more"),
        });
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

fn look(destination: &Arc<Destination>, intents: Vec<(String, Intent)>, read: bool) -> Vec<Found> {
    let mut session = match Session::connect(destination) {
        Ok(session) => session,
        Err(verdict) => return unknown(&destination.name, intents, &words(&verdict)),
    };
    let mut found = Vec::new();
    for (run, intent) in intents {
        match session.check(&intent, read) {
            Ok(seen) => {
                let data = seen.files.first().map(|file| file.final_name.clone());
                for (file, seen) in intent.files.iter().zip(seen.files) {
                    // A reader that takes the data away may leave what lies beside it, or take that too.
                    let gone = data == Some(FinalName::Absent);
                    let (what, how) = judge(&seen.final_name, destination.pickup, gone);
                    found.push(Found {
                        run: run.clone(),
                        destination: destination.name.clone(),
                        path: file.final_path.clone(),
                        role: file.role,
                        found: what,
                        how,
                    });
                }
            }
            Err(verdict) => found.extend(unknown(&destination.name, vec![(run, intent)], &words(&verdict))),
        }
    }
    session.close();
    found
}

fn judge(there: &FinalName, pickup: Pickup, data_is_gone: bool) -> (&'static str, String) {
    match there {
        FinalName::Ours => ("present", "its digest is that of the receipt".to_owned()),
        FinalName::SameSize { why } => ("present", format!("its size is that of the receipt; {why}")),
        FinalName::Other { bytes: Some(bytes) } => {
            ("changed", format!("{bytes} bytes lie there, and they are not ours"))
        }
        FinalName::Other { bytes: None } => ("changed", "something else lies there".to_owned()),
        FinalName::Absent if pickup != Pickup::None && data_is_gone => {
            ("picked_up", "its reader takes files away".to_owned())
        }
        FinalName::Absent => {
            ("lost", "nothing lies there; `pickup: moved` says that readers take files away".to_owned())
        }
        FinalName::Hidden { why } => ("unknown", why.clone()),
    }
}

fn unknown(destination: &str, intents: Vec<(String, Intent)>, why: &str) -> Vec<Found> {
    let files =
        intents.into_iter().flat_map(|(run, intent)| intent.files.into_iter().map(move |file| (run.clone(), file)));
    files
        .map(|(run, file)| Found {
            run,
            destination: destination.to_owned(),
            path: file.final_path,
            role: file.role,
            found: "unknown",
            how: why.to_owned(),
        })
        .collect()
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Rejected { reason, .. }
        | Verdict::Distrusted { reason, .. }
        | Verdict::Unreached { reason, .. }
        | Verdict::Unknown { reason }
        | Verdict::Gone { reason }
        | Verdict::Skipped { reason } => reason.clone(),
        Verdict::Delivered(_) => String::new(),
    }
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
    let well = found.iter().filter(|found| found.is_well()).count();
    println!("\n{well} of {} files are as the receipts of {runs} runs say", found.len());
}

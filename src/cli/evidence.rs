//! `evidence RUN`: writes one document that a reviewer can keep.

use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::opened::Opened;
use super::{Common, exit};
use crate::extract::requests_of;
use crate::ledger::record::Run;
use crate::run::document::{Document, utc};

#[derive(clap::Args)]
pub(super) struct EvidenceArgs {
    /// The run's ID, or a unique prefix of it
    run: String,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(args: EvidenceArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let run = opened.run(&args.run).await?;
    let document = Document::of(&opened.ledger, &run).await?;
    let events: Vec<Value> = opened
        .ledger
        .events(&run.id)
        .await?
        .into_iter()
        .map(|event| json!({"at": utc(event.at_ms), "what": event.event.name(), "detail": event.event.detail()}))
        .collect();
    let attempts: Vec<Value> = opened
        .ledger
        .attempts(&run.id)
        .await?
        .into_iter()
        .map(|attempt| {
            json!({"destination": attempt.destination, "number": attempt.number, "started": utc(attempt.started_ms),
                   "ended": attempt.ended_ms.map(utc), "verdict": attempt.verdict, "reason": attempt.reason})
        })
        .collect();
    let mut intents = Vec::new();
    for delivery in opened.ledger.deliveries(&run.id).await? {
        let receipt = delivery.receipt.map(|stored| stored.receipt);
        intents.push(json!({"destination": delivery.destination, "files": delivery.intent.map(|intent| intent.files),
                            "receipt": receipt, "rows": delivery.rows}));
    }
    let body = json!({
        "evidence_of": run.id,
        "made_by": concat!("reportferry ", env!("CARGO_PKG_VERSION")),
        "made_at": opened.clock.now().to_string(),
        "asked_for_by": run.origin.name(),
        "released_by": run.released_by, "rejected_by": run.rejected_by,
        "input_file": run.input,
        "plan": plan(&opened, &run),
        "run": document,
        "deliveries": intents,
        "attempts": attempts,
        "events": events,
    });
    // The digest covers the document as printed without this key.
    let digest = crate::digest::hex(&Sha256::digest(serde_json::to_string_pretty(&body)?.as_bytes()));
    let document =
        serde_json::to_string_pretty(&json!({"version": super::VERSION, "sha256": digest, "evidence": body}))?;
    opened.ledger.close().await;
    match args.out {
        Some(path) => {
            std::fs::write(&path, format!("{document}\n"))?;
            eprintln!("written to {}", path.display());
        }
        None => println!("{document}"),
    }
    Ok(exit::DONE)
}

/// Returns the plan's text, if the file is unchanged since the run.
fn plan(opened: &Opened, run: &Run) -> Value {
    let (pipeline, digest) = (&run.pipeline, &run.plan_digest);
    match opened.plan(pipeline) {
        Ok(plan) if plan.digest == *digest => {
            let text = std::fs::read_to_string(plan.file.as_path()).unwrap_or_default();
            let requests = match &run.input {
                None => plan.sources().flat_map(requests_of).collect(),
                Some(input) => {
                    let others = plan.others.iter().flat_map(|other| requests_of(&other.source));
                    std::iter::once(format!("none: {} was read in place of the source", input.path))
                        .chain(others)
                        .collect::<Vec<String>>()
                }
            };
            json!({"pipeline": pipeline, "sha256": digest, "text": text, "requests_it_may_send": requests})
        }
        _ => json!({"pipeline": pipeline, "sha256": digest, "text": null,
                    "note": "the pipeline file was changed or removed since"}),
    }
}

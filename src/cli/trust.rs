//! `trust`: a server's host keys, what is on file of them, and what a person accepts.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::opened::{Opened, argument, argument_hint};
use super::{Common, exit, print_json};
use crate::deliver::Verdict;
use crate::deliver::sftp::{OnFile, Place, Shown, ShownKey, accept, forget, show};
use crate::settings::{Destination, DestinationKind, Sftp};

#[derive(clap::Args)]
pub struct TrustArgs {
    /// The destination's name in the settings
    destination: String,
    /// Accept the key with this fingerprint; without one, all keys that the server shows
    #[arg(long, value_name = "FINGERPRINT", num_args = 0..=1, default_missing_value = "", conflicts_with = "forget")]
    accept: Option<String>,
    /// No longer accept the key with this fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    forget: Option<String>,
    /// The destination's jump host in place of the server itself
    #[arg(long)]
    jump: bool,
}

pub async fn run(args: TrustArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let destination = opened.destination(&args.destination)?;
    let sftp = server(&destination, args.jump)?;
    if let Some(fingerprint) = &args.forget {
        let fingerprint = read_fingerprint(fingerprint)?;
        return no_longer(sftp, &fingerprint, common);
    }
    let (asked, jump) = (destination.clone(), args.jump);
    let shown = tokio::task::spawn_blocking(move || server(&asked, jump).map(show)).await??;
    let shown = match shown {
        Ok(shown) => shown,
        Err(verdict) => return say_refusal(&verdict, sftp, common),
    };
    let accepted = match &args.accept {
        None => Vec::new(),
        Some(wanted) => take(&shown, wanted, sftp, &utc_day(&opened))?,
    };
    let held = opened.ledger.held_at(&destination.name).await?;
    opened.ledger.close().await;
    let known = shown.keys.iter().any(|key| is_known(key, &accepted)) && !shown.keys.iter().any(|key| key.revoked);
    if common.json {
        print_json(&document(&destination.name, &shown, &accepted, &held))?;
    } else {
        print!("{}", text(&shown, &accepted, &held, sftp));
    }
    Ok(if known { exit::DONE } else { exit::FAILED })
}

fn server(destination: &Destination, jump: bool) -> anyhow::Result<&Sftp> {
    let DestinationKind::Sftp(sftp) = &destination.kind else {
        return Err(argument(format!("{} is no SFTP server: it has no host keys", destination.name)));
    };
    match (jump, &sftp.jump) {
        (false, _) => Ok(sftp),
        (true, Some(jump)) => Ok(jump),
        (true, None) => Err(argument(format!("{} has no jump host", destination.name))),
    }
}

fn read_fingerprint(text: &str) -> anyhow::Result<String> {
    crate::settings::fingerprint(text).map_err(|(what, hint)| argument_hint(what, hint))
}

/// Today, for the line's comment.
fn utc_day(opened: &Opened) -> String {
    crate::run::document::utc(opened.clock.now_ms()).chars().take(10).collect()
}

fn is_known(key: &ShownKey, accepted: &[String]) -> bool {
    key.source.is_some() || accepted.contains(&key.key.fingerprint)
}

/// Puts keys on file; returns those that were not there before.
fn take(shown: &Shown, wanted: &str, sftp: &Sftp, day: &str) -> anyhow::Result<Vec<String>> {
    let wanted = if wanted.is_empty() { None } else { Some(read_fingerprint(wanted)?) };
    let fits = |key: &&ShownKey| wanted.as_ref().is_none_or(|wanted| *wanted == key.key.fingerprint);
    let keys: Vec<&ShownKey> = shown.keys.iter().filter(fits).collect();
    if let (true, Some(wanted)) = (keys.is_empty(), &wanted) {
        let has: Vec<&str> = shown.keys.iter().map(|key| key.key.fingerprint.as_str()).collect();
        let hint =
            format!("it shows {}: if none of them is the one that you were told, do not accept any", has.join(", "));
        return Err(argument_hint(format!("{} shows no key {wanted}", shown.address), hint));
    }
    if let Some(revoked) = keys.iter().find(|key| key.revoked) {
        let what = format!("{} is revoked in a known_hosts file", revoked.key.fingerprint);
        return Err(argument_hint(what, "the server must get a new key before anything is delivered to it"));
    }
    let new: Vec<&ShownKey> = keys.into_iter().filter(|key| key.source.is_none()).collect();
    let host_keys: Vec<_> = new.iter().map(|key| &key.key).collect();
    accept(sftp, &host_keys, &format!("accepted {day} for {}", sftp.name))?;
    Ok(new.iter().map(|key| key.key.fingerprint.clone()).collect())
}

fn no_longer(sftp: &Sftp, fingerprint: &str, common: &Common) -> anyhow::Result<u8> {
    let forgotten = forget(sftp, fingerprint)?;
    if !forgotten {
        let hint = "a key that stands in `host_keys` or in another known_hosts file is removed there";
        return Err(argument_hint(format!("{fingerprint} was not accepted for {}", sftp.host), hint));
    }
    match common.json {
        true => print_json(&json!({"destination": sftp.name, "forgotten": fingerprint}))?,
        false => println!("{fingerprint} is no longer accepted for {}", sftp.name),
    }
    Ok(exit::DONE)
}

fn say_refusal(verdict: &Verdict, sftp: &Sftp, common: &Common) -> anyhow::Result<u8> {
    let (reason, hint) = match verdict {
        Verdict::Distrusted { reason, .. } => {
            let hint = format!("`reportferry trust {} --jump` shows the jump host's keys", sftp.name);
            (reason, Some(hint))
        }
        Verdict::Rejected { reason, hint } | Verdict::Refused { reason, hint, .. } => (reason, hint.clone()),
        Verdict::Unreached { reason, .. }
        | Verdict::Unknown { reason }
        | Verdict::Skipped { reason }
        | Verdict::Gone { reason } => (reason, None),
        Verdict::Delivered(_) => return Ok(exit::UNEXPECTED),
    };
    if common.json {
        print_json(&json!({"destination": sftp.name, "error": reason, "hint": hint}))?;
    } else {
        eprintln!("error: {reason}");
        if let Some(hint) = hint {
            eprintln!("  {hint}");
        }
    }
    Ok(exit::FAILED)
}

fn document(name: &str, shown: &Shown, accepted: &[String], held: &[String]) -> Value {
    let keys: Vec<Value> = shown
        .keys
        .iter()
        .map(|shown| {
            let key = &shown.key;
            json!({
                "type": key.kind_name(),
                "bits": key.bits(),
                "fingerprint": key.fingerprint,
                "md5": key.md5(),
                "art": key.art(),
                "known": is_known(shown, accepted),
                "source": shown.source,
                "revoked": shown.revoked,
            })
        })
        .collect();
    let on_file: Vec<Value> = shown
        .on_file
        .iter()
        .map(|known| {
            json!({
                "fingerprint": known.fingerprint,
                "type": known.kind,
                "place": known.place.to_string(),
                "revoked": known.revoked,
                "shown": is_shown(shown, known),
            })
        })
        .collect();
    json!({"destination": name, "address": shown.address, "keys": keys, "on_file": on_file, "accepted": accepted, "held": held})
}

fn is_shown(shown: &Shown, known: &OnFile) -> bool {
    shown.keys.iter().any(|key| key.key.fingerprint == known.fingerprint)
}

fn text(shown: &Shown, accepted: &[String], held: &[String], sftp: &Sftp) -> String {
    let several = if shown.keys.len() == 1 { "key" } else { "keys" };
    let mut text = format!("{} shows {} host {several}\n", shown.address, shown.keys.len());
    for one in &shown.keys {
        let (key, fingerprint) = (&one.key, &one.key.fingerprint);
        let state = match (&one.source, one.revoked) {
            (_, true) => "REVOKED in a known_hosts file".to_owned(),
            (Some(source), _) => source.clone(),
            (None, _) if accepted.contains(fingerprint) => "accepted now".to_owned(),
            (None, _) => "not on file".to_owned(),
        };
        let _ = writeln!(text, "\n{} {}  {fingerprint}\n{}\n{state}", key.kind_name(), key.bits(), key.md5());
        text.push_str(&key.art());
    }
    let others: Vec<&OnFile> = shown.on_file.iter().filter(|known| !is_shown(shown, known)).collect();
    if !others.is_empty() {
        text.push_str("\non file, and not shown by the server:\n");
    }
    for known in others {
        let revoked = if known.revoked { " (revoked)" } else { "" };
        let _ = writeln!(text, "  {}{revoked}  in {}", known.fingerprint, known.place);
        if matches!(&known.place, Place::File(path) if Some(path) == sftp.accepted.as_ref()) {
            let _ = writeln!(text, "    `reportferry trust {} --forget {}` takes it off", sftp.name, known.fingerprint);
        }
    }
    for path in &shown.authorities {
        let _ = writeln!(
            text,
            "\n{}: its @cert-authority line is of no use, host certificates are not supported",
            path.display()
        );
    }
    text.push_str(&next(shown, accepted, held, sftp));
    text
}

/// What a person does now.
fn next(shown: &Shown, accepted: &[String], held: &[String], sftp: &Sftp) -> String {
    let mut text = String::new();
    if let (false, Some(path)) = (accepted.is_empty(), &sftp.accepted) {
        let _ = writeln!(text, "\nkept in {}", path.display());
    }
    if !shown.keys.iter().any(|key| is_known(key, accepted)) {
        let good = shown.keys.iter().find(|key| !key.revoked);
        let first = good.map_or("FINGERPRINT", |key| key.key.fingerprint.as_str());
        let _ = writeln!(
            text,
            "\nCompare a fingerprint with what the server's people say, by another way than this network. If it is right:\n  \
             reportferry trust {} --accept {first}",
            sftp.name
        );
    } else if !held.is_empty() {
        text.push_str("\nheld, and ready to go on:\n");
        for run in held {
            let _ = writeln!(text, "  reportferry retry {run}");
        }
    }
    text
}

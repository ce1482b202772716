//! `trust`: shows a server's host keys and which are accepted; accepts and forgets them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::opened::{Opened, argument, argument_hint};
use super::{Common, exit, print_json};
use crate::deliver::Verdict;
use crate::deliver::sftp::scan;
use crate::settings::{Destination, DestinationKind, Sftp};
use crate::ssh::{KnownKey, Scan, ScannedKey, accept, forget};

#[derive(clap::Args)]
pub(super) struct TrustArgs {
    /// The destination's name in the settings
    destination: String,
    /// Accept the key with this fingerprint; without one, all keys that the server offers
    #[arg(long, value_name = "FINGERPRINT", num_args = 0..=1, default_missing_value = "", conflicts_with = "forget")]
    accept: Option<String>,
    /// Stop accepting the key with this fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    forget: Option<String>,
    /// Use the destination's jump host instead of the server itself
    #[arg(long)]
    jump: bool,
}

pub(super) async fn run(args: TrustArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let destination = opened.destination(&args.destination)?;
    let sftp = server(&destination, args.jump)?;
    if let Some(fingerprint) = &args.forget {
        let fingerprint = read_fingerprint(fingerprint)?;
        return forget_key(sftp, &fingerprint, common);
    }
    let (asked, jump) = (destination.clone(), args.jump);
    let shown = tokio::task::spawn_blocking(move || server(&asked, jump).map(scan)).await??;
    let shown = match shown {
        Ok(shown) => shown,
        Err(verdict) => return report_refusal(&verdict, sftp, common),
    };
    let accepted = match &args.accept {
        None => Vec::new(),
        Some(wanted) => accept_keys(&shown, wanted, sftp, &utc_day(&opened))?,
    };
    let blocked = opened.ledger.blocked_at(&destination.name).await?;
    opened.ledger.close().await;
    let known = shown.keys.iter().any(|key| is_known(key, &accepted)) && !shown.keys.iter().any(|key| key.revoked);
    if common.json {
        print_json(&document(&destination.name, &shown, &accepted, &blocked))?;
    } else {
        print!("{}", text(&shown, &accepted, &blocked, sftp));
    }
    Ok(if known { exit::DONE } else { exit::FAILED })
}

fn server(destination: &Destination, jump: bool) -> anyhow::Result<&Sftp> {
    let DestinationKind::Sftp(sftp) = &destination.kind else {
        return Err(argument(format!("{} is not an SFTP server: it has no host keys", destination.name)));
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

/// Returns today's date for the comment in known_hosts.
fn utc_day(opened: &Opened) -> String {
    crate::run::document::utc(opened.clock.now_ms()).chars().take(10).collect()
}

fn is_known(key: &ScannedKey, accepted: &[String]) -> bool {
    key.source.is_some() || accepted.contains(&key.key.fingerprint)
}

/// Accepts the wanted keys. Returns the fingerprints of those that are new.
fn accept_keys(shown: &Scan, wanted: &str, sftp: &Sftp, day: &str) -> anyhow::Result<Vec<String>> {
    let wanted = if wanted.is_empty() { None } else { Some(read_fingerprint(wanted)?) };
    let fits = |key: &&ScannedKey| wanted.as_ref().is_none_or(|wanted| *wanted == key.key.fingerprint);
    let keys: Vec<&ScannedKey> = shown.keys.iter().filter(fits).collect();
    if let (true, Some(wanted)) = (keys.is_empty(), &wanted) {
        let has: Vec<&str> = shown.keys.iter().map(|key| key.key.fingerprint.as_str()).collect();
        let hint =
            format!("it offers {}: if none of them is the one you were given, do not accept any", has.join(", "));
        return Err(argument_hint(format!("{} offers no key {wanted}", shown.address), hint));
    }
    if let Some(revoked) = keys.iter().find(|key| key.revoked) {
        let what = format!("{} is revoked in a known_hosts file", revoked.key.fingerprint);
        return Err(argument_hint(what, "the server needs a new key before anything can be delivered"));
    }
    let new: Vec<&ScannedKey> = keys.into_iter().filter(|key| key.source.is_none()).collect();
    let host_keys: Vec<_> = new.iter().map(|key| &key.key).collect();
    accept(&sftp.host_keys(), &sftp.endpoint(), &host_keys, &format!("accepted {day} for {}", sftp.name))?;
    Ok(new.iter().map(|key| key.key.fingerprint.clone()).collect())
}

fn forget_key(sftp: &Sftp, fingerprint: &str, common: &Common) -> anyhow::Result<u8> {
    let forgotten = forget(&sftp.host_keys(), &sftp.endpoint(), fingerprint)?;
    if !forgotten {
        let hint = "a key in `host_keys` or in another known_hosts file must be removed there";
        return Err(argument_hint(format!("{fingerprint} was not accepted for {}", sftp.host), hint));
    }
    match common.json {
        true => print_json(&json!({"destination": sftp.name, "forgotten": fingerprint}))?,
        false => println!("{fingerprint} is no longer accepted for {}", sftp.name),
    }
    Ok(exit::DONE)
}

fn report_refusal(verdict: &Verdict, sftp: &Sftp, common: &Common) -> anyhow::Result<u8> {
    let (reason, hint) = match verdict {
        Verdict::HostKeyMismatch { reason, .. } => {
            let hint = format!("`reportferry trust {} --jump` shows the jump host's keys", sftp.name);
            (reason, Some(hint))
        }
        Verdict::Rejected { reason, hint } | Verdict::Refused { reason, hint, .. } => (reason, hint.clone()),
        Verdict::Retryable { reason, .. }
        | Verdict::Unknown { reason }
        | Verdict::Skipped { reason }
        | Verdict::Gone { reason }
        | Verdict::NameTaken { reason }
        | Verdict::Unconfirmed { reason }
        | Verdict::Partial { reason } => (reason, None),
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

fn document(name: &str, shown: &Scan, accepted: &[String], blocked: &[String]) -> Value {
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
                "art": key.randomart(),
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
                "place": place(known),
                "revoked": known.revoked,
                "shown": is_shown(shown, known),
            })
        })
        .collect();
    json!({"destination": name, "address": shown.address, "keys": keys, "on_file": on_file, "accepted": accepted, "blocked": blocked})
}

/// Returns where a key is on file: the key of the settings, or a path.
fn place(known: &KnownKey) -> String {
    known.file.as_ref().map_or("host_keys".to_owned(), |path| path.display().to_string())
}

fn is_shown(shown: &Scan, known: &KnownKey) -> bool {
    shown.keys.iter().any(|key| key.key.fingerprint == known.fingerprint)
}

fn text(shown: &Scan, accepted: &[String], blocked: &[String], sftp: &Sftp) -> String {
    let several = if shown.keys.len() == 1 { "key" } else { "keys" };
    let mut text = format!("{} offers {} host {several}\n", shown.address, shown.keys.len());
    for one in &shown.keys {
        let (key, fingerprint) = (&one.key, &one.key.fingerprint);
        let state = match (&one.source, one.revoked) {
            (_, true) => "REVOKED in a known_hosts file".to_owned(),
            (Some(source), _) => source.clone(),
            (None, _) if accepted.contains(fingerprint) => "accepted now".to_owned(),
            (None, _) => "not accepted yet".to_owned(),
        };
        let _ = writeln!(text, "\n{} {}  {fingerprint}\n{}\n{state}", key.kind_name(), key.bits(), key.md5());
        text.push_str(&key.randomart());
    }
    let others: Vec<&KnownKey> = shown.on_file.iter().filter(|known| !is_shown(shown, known)).collect();
    if !others.is_empty() {
        text.push_str("\naccepted before, but not offered by the server:\n");
    }
    for known in others {
        let revoked = if known.revoked { " (revoked)" } else { "" };
        let _ = writeln!(text, "  {}{revoked}  in {}", known.fingerprint, place(known));
        if known.file.is_some() && known.file == sftp.accepted {
            let _ = writeln!(text, "    `reportferry trust {} --forget {}` removes it", sftp.name, known.fingerprint);
        }
    }
    for path in &shown.authorities {
        let _ = writeln!(
            text,
            "\n{}: its @cert-authority line is ignored: host certificates are not supported",
            path.display()
        );
    }
    text.push_str(&next_steps(shown, accepted, blocked, sftp));
    text
}

/// Returns the commands to run next.
fn next_steps(shown: &Scan, accepted: &[String], blocked: &[String], sftp: &Sftp) -> String {
    let mut text = String::new();
    if let (false, Some(path)) = (accepted.is_empty(), &sftp.accepted) {
        let _ = writeln!(text, "\nsaved in {}", path.display());
    }
    if !shown.keys.iter().any(|key| is_known(key, accepted)) {
        let good = shown.keys.iter().find(|key| !key.revoked);
        let first = good.map_or("FINGERPRINT", |key| key.key.fingerprint.as_str());
        let _ = writeln!(
            text,
            "\nCompare a fingerprint with the one that the server's administrator gives you, not over this network. If it matches:\n  \
             reportferry trust {} --accept {first}",
            sftp.name
        );
    } else if !blocked.is_empty() {
        text.push_str("\nblocked, ready to retry:\n");
        for run in blocked {
            let _ = writeln!(text, "  reportferry retry {run}");
        }
    }
    text
}

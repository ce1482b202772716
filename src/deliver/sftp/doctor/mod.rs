//! An SFTP server → the truth about each step of a delivery to it: the connection's own steps, then a probe file's.

mod files;
mod plan;
mod prober;
mod renames;
mod requests;
#[cfg(test)]
mod tests;

use std::time::Instant;

use prober::{Findings, Made, Prober, Room};

use super::connect::connect;
use super::line::endpoint;
use super::watch::Watch;
use super::{SftpDrop, SshWire};
use crate::deliver::doctor::{Outcome, Probe, Report, Step, Visit};
use crate::deliver::names;
use crate::deliver::sftp::client::{Client, Wire};
use crate::settings::Sftp;

/// Connects as a delivery does, and tries with a probe file what a delivery would do.
pub fn probe(sftp: &Sftp, visit: &Visit, mut report: Report) -> Probe {
    let mut found = None;
    let mut left_behind = Vec::new();
    match connect(sftp, &mut Watch::on(&mut report)) {
        Ok(mut drop) => {
            let (findings, made) = try_files(&mut drop, sftp, visit, &mut report);
            found = Some(findings);
            left_behind = clean_up(drop, sftp, made, &mut report);
        }
        // Told as a step where it is one; a secret or a file that cannot be read is found before the first.
        Err(verdict) if !report.has_failed() => {
            report.tell(Step::failed("settings", std::time::Duration::ZERO, &verdict));
        }
        Err(_) => {}
    }
    let (plan, advice) = match &found {
        Some(findings) => plan::follow(findings, sftp),
        None => (vec!["Nothing is delivered there until the step that failed is mended.".to_owned()], Vec::new()),
    };
    Probe {
        destination: String::new(),
        kind: "sftp".to_owned(),
        address: endpoint(&sftp.host, sftp.port),
        ok: !report.has_failed() && !advice.iter().any(|advice| advice.must),
        steps: report.steps,
        plan,
        advice,
        left_behind,
    }
}

/// What was found, and what lies at the server because of it.
fn try_files<W: Wire>(drop: &mut SftpDrop<W>, sftp: &Sftp, visit: &Visit, report: &mut Report) -> (Findings, Made) {
    let directory = names::remote_directory(&sftp.base, &visit.path).unwrap_or_else(|_| sftp.base.clone());
    let staging = sftp.staging.as_ref().and_then(|staging| names::remote_directory(&sftp.base, staging).ok());
    let room = Room { staging: staging.unwrap_or_else(|| directory.clone()), directory, now: visit.now };
    let mut prober = Prober::new(&mut drop.client, sftp, report);
    prober.all(&room); // where it ended, and why, is among the steps
    prober.into_found()
}

/// Removes what the probe made; by another connection where the first one was lost. Returns what stays.
fn clean_up(mut drop: SftpDrop<SshWire>, sftp: &Sftp, made: Made, report: &mut Report) -> Vec<String> {
    let began = Instant::now();
    let mut left = remove_all(&mut drop.client, &made);
    if drop.client.is_over() {
        match connect(sftp, &mut Watch::none()) {
            Ok(mut again) => {
                left = remove_all(&mut again.client, &made);
                again.close();
            }
            Err(_) => left = made.paths().map(str::to_owned).collect(),
        }
    } else {
        drop.close();
    }
    if !left.is_empty() {
        report.tell(
            Step::new("clean up", Outcome::Refused, began.elapsed(), format!("{} stays", left.join(", ")))
                .hint("remove it at the server"),
        );
    }
    left
}

/// What is not there any more needs no removing; what the server does not let go of is told.
fn remove_all<W: Wire>(client: &mut Client<W>, made: &Made) -> Vec<String> {
    let mut left = Vec::new();
    for path in &made.files {
        let removed = client.remove(path);
        if removed.is_err() && !matches!(&removed, Err(failure) if super::trouble::is_absent(failure)) {
            // A drop box hides what it took: only what can be seen is known to stay.
            if client.lstat(path).is_ok() || client.is_over() {
                left.push(path.clone());
            }
        }
    }
    for path in made.directories.iter().rev() {
        if client.remove_directory(path).is_err() && (client.lstat(path).is_ok() || client.is_over()) {
            left.push(path.clone());
        }
    }
    left
}

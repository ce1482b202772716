//! Tests an SFTP server: the connection's steps, then those of a probe file.

mod files;
mod plan;
mod prober;
mod renames;
#[cfg(test)]
mod tests;

use std::time::Instant;

use prober::{Findings, Made, ProbePaths, Prober};

use super::SftpTarget;
use super::connect::connect;
use crate::deliver::names;
use crate::deliver::probe::{DoctorReport, DoctorStep, Probe, StepOutcome, Visit};
use crate::settings::Sftp;
use crate::sftp::{Client, Transport};
use crate::ssh::Channel;

/// Connects as a delivery does, and tests with a probe file what a delivery would do.
pub(crate) fn probe(sftp: &Sftp, visit: &Visit, mut report: DoctorReport) -> Probe {
    let mut found = None;
    let mut left_behind = Vec::new();
    match connect(sftp, Some(&mut report)) {
        Ok(mut target) => {
            let (findings, made) = try_files(&mut target, sftp, visit, &mut report);
            found = Some(findings);
            left_behind = clean_up(target, sftp, made, &mut report);
        }
        // An unreadable secret or file fails before the first step.
        Err(verdict) if !report.has_failed() => {
            report.record(DoctorStep::failed("settings", std::time::Duration::ZERO, &verdict));
        }
        Err(_) => {}
    }
    let (plan, advice) = match &found {
        Some(findings) => plan::derive(findings, sftp),
        None => (vec!["Nothing is delivered there until the failed step is fixed.".to_owned()], Vec::new()),
    };
    Probe {
        destination: String::new(),
        kind: "sftp".to_owned(),
        address: sftp.endpoint().to_string(),
        ok: !report.has_failed() && !advice.iter().any(|advice| advice.must),
        steps: report.steps,
        plan,
        advice,
        left_behind,
    }
}

/// Returns the findings, and what the test created on the server.
fn try_files<T: Transport>(
    target: &mut SftpTarget<T>,
    sftp: &Sftp,
    visit: &Visit,
    report: &mut DoctorReport,
) -> (Findings, Made) {
    let directory = names::remote_directory(&sftp.base, &visit.path).unwrap_or_else(|_| sftp.base.clone());
    let staging = sftp.staging.as_ref().and_then(|staging| names::remote_directory(&sftp.base, staging).ok());
    let paths = ProbePaths { staging: staging.unwrap_or_else(|| directory.clone()), directory, now: visit.now };
    let mut prober = Prober::new(&mut target.client, sftp, report);
    prober.all(&paths); // where it ended, and why, is among the steps
    prober.into_found()
}

/// Removes what the test created, over a new connection if the first one was lost. Returns what remains.
fn clean_up(mut target: SftpTarget<Channel>, sftp: &Sftp, made: Made, report: &mut DoctorReport) -> Vec<String> {
    let began = Instant::now();
    let mut left = remove_all(&mut target.client, &made);
    if target.client.is_closed() {
        match connect(sftp, None) {
            Ok(mut again) => {
                left = remove_all(&mut again.client, &made);
                again.close();
            }
            Err(_) => left = made.paths().map(str::to_owned).collect(),
        }
    } else {
        target.close();
    }
    if !left.is_empty() {
        report.record(
            DoctorStep::new("clean up", StepOutcome::Refused, began.elapsed(), format!("{} stays", left.join(", ")))
                .hint("remove it at the server"),
        );
    }
    left
}

/// Removes what the test created; returns what remains.
fn remove_all<T: Transport>(client: &mut Client<T>, made: &Made) -> Vec<String> {
    let mut left = Vec::new();
    for path in &made.files {
        let removed = client.remove(path);
        if removed.is_err() && !matches!(&removed, Err(error) if error.is_not_found()) {
            // A drop box hides files: only visible ones are known to remain.
            if client.lstat(path).is_ok() || client.is_closed() {
                left.push(path.clone());
            }
        }
    }
    for path in made.directories.iter().rev() {
        if client.rmdir(path).is_err() && (client.lstat(path).is_ok() || client.is_closed()) {
            left.push(path.clone());
        }
    }
    left
}

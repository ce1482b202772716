//! Derives from the findings how deliveries work, and the settings they require.

use super::files::LARGE_BYTES;
use super::prober::Findings;
use crate::deliver::probe::{Advice, Scope};
use crate::deliver::sftp::rules::{self, Measured};
use crate::settings::{Publish, Sftp, Verify};

/// Free space below which it is reported.
const SPACE_MIN_BYTES: u64 = 1 << 30;

/// Returns sentences, and recommended settings that differ from the present ones.
pub(super) fn derive(found: &Findings, sftp: &Sftp) -> (Vec<String>, Vec<Advice>) {
    let mut plan = Plan { sentences: Vec::new(), advice: Vec::new() };
    if !found.written {
        plan.add("Nothing is delivered there until the failed step is fixed.");
        return (plan.sentences, plan.advice);
    }
    publishing(&mut plan, found, sftp);
    checking(&mut plan, found, sftp);
    existing(&mut plan, found, sftp);
    details(&mut plan, found, sftp);
    (plan.sentences, plan.advice)
}

struct Plan {
    sentences: Vec<String>,
    advice: Vec<Advice>,
}

impl Plan {
    fn add(&mut self, sentence: impl Into<String>) {
        self.sentences.push(sentence.into());
    }

    fn advise(&mut self, scope: Scope, key: &str, value: &str, why: &str, must: bool) {
        let (key, value, why) = (key.to_owned(), value.to_owned(), why.to_owned());
        self.advice.push(Advice { scope, key, value, why, must });
    }
}

/// Returns true if a delivery can use a temporary name.
fn can_rename(found: &Findings) -> bool {
    found.renames == Some(true) && !found.taken_on_close
}

fn publishing(plan: &mut Plan, found: &Findings, sftp: &Sftp) {
    let direct = sftp.publish == Publish::Direct;
    if can_rename(found) {
        match direct {
            false => plan.add("A file is written under a temporary name, and gets its final name when it is complete."),
            true => {
                plan.add("A file is written directly to its final name (`publish: direct`); renaming would work.");
                let why = "readers would never see a partial file";
                plan.advise(Scope::Destination, "publish", "rename", why, false);
            }
        }
    } else if let Some(crossing) = &found.crosses {
        plan.add(format!("Nothing is delivered there: {crossing}."));
        let why = "the temporary file must be on the file system of the final name; unset, it is in the same directory";
        plan.advise(Scope::Destination, "staging", "\"\"", why, true);
    } else {
        let why = match found.taken_on_close {
            true => "the server takes a file away as soon as it is closed, whatever its name",
            false => "the server forbids renaming",
        };
        plan.add(format!("A file is written straight to its final name: {why}."));
        if !direct {
            plan.advise(Scope::Destination, "publish", "direct", why, true);
        }
        let why = "without a rename, only a file that is written last shows readers that the data is complete";
        plan.advise(Scope::Delivery, "done_file", "\"{name}.done\"", why, false);
    }
    if found.taken_on_close || found.taken_on_rename {
        plan.add("A file that is not there right after it was published was picked up: that is success there.");
        let why = "the server takes files away immediately";
        plan.advise(Scope::Destination, "pickup", "immediate", why, false);
    }
}

fn checking(plan: &mut Plan, found: &Findings, sftp: &Sftp) {
    let synced = match found.syncs {
        Some(true) => "synced to the server's disk and ",
        _ => "",
    };
    if found.syncs == Some(false) && sftp.fsync {
        plan.add("It offers fsync and refuses it: files are delivered anyway, and each receipt records it.");
        plan.advise(Scope::Destination, "fsync", "false", "the server refuses it; this saves the request", false);
    }
    match (found.measures, sftp.verify) {
        (_, Verify::None) => plan.add("Nothing is verified (`verify: none`) except each write's acknowledgement."),
        (_, Verify::ReadBack) if found.reads == Some(true) => {
            plan.add(format!("Before that it is {synced}read back and compared."));
        }
        (Measured::Whole, _) => plan.add(format!("Before that it is {synced}measured while it is open.")),
        (Measured::Other(_), _) if found.measures_closed == Measured::Whole => {
            plan.add(format!("Before that it is {synced}measured once it is closed: while it is open, the server reports another size."));
        }
        (Measured::Other(_), _) => {
            plan.add("The server reports other sizes than were written.");
        }
        _ => plan.add("The server does not report sizes: only each write's acknowledgement is verified."),
    }
    if sftp.verify == Verify::Size && !rules::passes_by_size(found.measures, found.measures_closed) {
        plan.advise(Scope::Destination, "verify", "none", "the server reports other sizes than were written", true);
    }
    if sftp.verify == Verify::ReadBack && found.reads != Some(true) {
        plan.advise(Scope::Destination, "verify", "size", "the server does not permit reading", true);
    }
    if found.sees == Some(false) && !found.taken_on_close {
        plan.add("It is a drop box that hides its files: after a lost response, the result cannot be checked.");
    } else if found.reads == Some(false) {
        plan.add("Nothing can be read back: after a lost response, a file is recognised by its size.");
    }
}

fn existing(plan: &mut Plan, found: &Findings, sftp: &Sftp) {
    let renaming = can_rename(found) && sftp.publish == Publish::Rename;
    let sees = found.sees == Some(true);
    if found.taken_on_rename {
        plan.add("`existing` may be anything: a name is free again as soon as its file is taken.");
        return;
    }
    let mut modes = Vec::new();
    if sees || if renaming { found.renames_over == Some(false) } else { found.is_exclusive == Some(true) } {
        modes.push("fail");
    }
    if sees {
        modes.extend(["keep", "number"]);
    }
    if !renaming {
        modes.push("replace (a reader may see a partial file)");
    } else if found.posix_renames == Some(true) {
        modes.push("replace (without a gap)");
    } else if found.removes == Some(true) {
        modes.push("replace, with `replace: with_gap`");
        let why = "needed for `existing: replace`: the server cannot rename over a file atomically";
        plan.advise(Scope::Delivery, "replace", "with_gap", why, false);
    }
    match modes.is_empty() {
        true => {
            plan.add("No rule for existing files can be kept there: every name must be new, so put the slot into it.")
        }
        false => plan.add(format!("`existing` may be {}.", modes.join(", "))),
    }
    if found.renames_over == Some(true) && found.posix_renames != Some(true) {
        plan.add("Its plain rename replaces silently, so the final name is checked before each one.");
    }
    if found.removes == Some(false) {
        plan.add(
            "It does not permit removing: temporary files of failed attempts stay until its administrator removes them.",
        );
    }
}

fn details(plan: &mut Plan, found: &Findings, sftp: &Sftp) {
    if found.drops_empty {
        plan.add("It drops empty files: a done file needs content.");
        let why = "needed where a pipeline writes a done file: the server drops files of 0 bytes";
        plan.advise(Scope::Delivery, "done_file", "{name: \"{name}.done\", content: \"{name}\"}", why, false);
    }
    if sftp.mode.is_some() && found.sets_mode == Some(false) {
        plan.add("It refuses to set permissions: `mode` has no effect.");
    }
    if sftp.mkdir && found.makes_directories == Some(false) {
        plan.add("It does not permit creating directories: `mkdir` has no effect, and a pipeline's `path` must exist.");
    }
    match (sftp.sessions, sftp.parallel) {
        (1, _) => plan.add("One connection at a time (`sessions: 1`): files are sent one after the other."),
        (sessions, None) => plan.add(format!("Several files go over {sessions} connections at once (`sessions`).")),
        (sessions, Some(from)) => plan.add(format!(
            "Several files go over {sessions} connections at once, and so does one file of {from} bytes or more (`split`); where the \
             server lets only one of them write, that one does it all."
        )),
    }
    match found.takes_large {
        Some(false) if sftp.write_bytes > 32_000 => {
            let why = "the server does not take larger write requests";
            plan.advise(Scope::Destination, "write_bytes", "32000", why, true);
        }
        Some(true) if (sftp.write_bytes as usize) < LARGE_BYTES => {
            plan.add("Larger write requests would be taken, up to `write_bytes: 255000`; few servers need them.");
        }
        _ => {}
    }
    if let Some(free) = found.free_bytes.filter(|free| *free < SPACE_MIN_BYTES) {
        plan.add(format!("The server has little free space: {} MiB.", free >> 20));
    }
}

//! What was found → how deliveries go there, and which settings have to say so.

use super::files::LARGE_BYTES;
use super::prober::Findings;
use crate::deliver::doctor::{Advice, Scope};
use crate::deliver::sftp::rules::{self, Measured};
use crate::settings::{Publish, Sftp, Verify};

/// Less than this at the server is told.
const SPACE_MIN_BYTES: u64 = 1 << 30;

/// Sentences, and settings that differ from what is set.
pub fn follow(found: &Findings, sftp: &Sftp) -> (Vec<String>, Vec<Advice>) {
    let mut plan = Plan { said: Vec::new(), advice: Vec::new() };
    if !found.written {
        plan.say("Nothing is delivered there until the step that failed is mended.");
        return (plan.said, plan.advice);
    }
    publishing(&mut plan, found, sftp);
    checking(&mut plan, found, sftp);
    existing(&mut plan, found, sftp);
    details(&mut plan, found, sftp);
    (plan.said, plan.advice)
}

struct Plan {
    said: Vec<String>,
    advice: Vec<Advice>,
}

impl Plan {
    fn say(&mut self, sentence: impl Into<String>) {
        self.said.push(sentence.into());
    }

    fn advise(&mut self, scope: Scope, key: &str, value: &str, why: &str, must: bool) {
        let (key, value, why) = (key.to_owned(), value.to_owned(), why.to_owned());
        self.advice.push(Advice { scope, key, value, why, must });
    }
}

/// Whether a delivery can go by a temporary name.
fn can_rename(found: &Findings) -> bool {
    found.renames == Some(true) && !found.taken_on_close
}

fn publishing(plan: &mut Plan, found: &Findings, sftp: &Sftp) {
    let direct = sftp.publish == Publish::Direct;
    if can_rename(found) {
        match direct {
            false => plan.say("A file is written under a temporary name, and takes its final name when it is whole."),
            true => {
                plan.say(
                    "A file is written straight to its final name, as `publish: direct` says; renaming would work.",
                );
                let why = "readers would never see half a file";
                plan.advise(Scope::Destination, "publish", "rename", why, false);
            }
        }
    } else if let Some(crossing) = &found.crosses {
        plan.say(format!("Nothing is delivered there: {crossing}."));
        let why = "the temporary file must be on the file system of the final name; unset, it is written beside it";
        plan.advise(Scope::Destination, "staging", "\"\"", why, true);
    } else {
        let why = match found.taken_on_close {
            true => "the server takes a file away as soon as it is closed, whatever its name",
            false => "the server forbids renaming",
        };
        plan.say(format!("A file is written straight to its final name: {why}."));
        if !direct {
            plan.advise(Scope::Destination, "publish", "direct", why, true);
        }
        let why = "with no rename, only a file that comes last tells a reader that the data is whole";
        plan.advise(Scope::Delivery, "done_file", "\"{name}.done\"", why, false);
    }
    if found.taken_on_close || found.taken_on_rename {
        plan.say("A file that is not there right after it was published was picked up: that is success there.");
        let why = "the server takes files away at once";
        plan.advise(Scope::Destination, "pickup", "immediate", why, false);
    }
}

fn checking(plan: &mut Plan, found: &Findings, sftp: &Sftp) {
    let synced = match found.syncs {
        Some(true) => "synced to the server's disk and ",
        _ => "",
    };
    if found.syncs == Some(false) && sftp.fsync {
        plan.say("It offers fsync and refuses it: files are delivered all the same, and each receipt says so.");
        plan.advise(Scope::Destination, "fsync", "false", "the server refuses it; this saves the request", false);
    }
    match (found.measures, sftp.verify) {
        (_, Verify::None) => {
            plan.say("Nothing is checked, as `verify: none` says: each write's acknowledgement is what there is.")
        }
        (_, Verify::ReadBack) if found.reads == Some(true) => {
            plan.say(format!("Before that it is {synced}read back and compared."));
        }
        (Measured::Whole, _) => plan.say(format!("Before that it is {synced}measured while it is open.")),
        (Measured::Other(_), _) if found.measures_closed == Measured::Whole => {
            plan.say(format!("Before that it is {synced}measured once it is closed: while it is open, the server reports another size."));
        }
        (Measured::Other(_), _) => {
            plan.say("The server reports other sizes than were written.");
        }
        _ => plan.say("The server does not tell sizes: each write's acknowledgement is what there is."),
    }
    if sftp.verify == Verify::Size && !rules::passes_by_size(found.measures, found.measures_closed) {
        plan.advise(Scope::Destination, "verify", "none", "the server reports other sizes than were written", true);
    }
    if sftp.verify == Verify::ReadBack && found.reads != Some(true) {
        plan.advise(Scope::Destination, "verify", "size", "the server lets nobody read", true);
    }
    if found.sees == Some(false) && !found.taken_on_close {
        plan.say("It is a drop box that shows nobody what lies in it: after a lost answer nobody can look.");
    } else if found.reads == Some(false) {
        plan.say("Nothing can be read back: after a lost answer, a file is recognised by its size.");
    }
}

fn existing(plan: &mut Plan, found: &Findings, sftp: &Sftp) {
    let renaming = can_rename(found) && sftp.publish == Publish::Rename;
    let sees = found.sees == Some(true);
    if found.taken_on_rename {
        plan.say("`existing` may be anything: a name is free as soon as it is taken.");
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
        modes.push("replace (a reader may see half a file)");
    } else if found.posix_renames == Some(true) {
        modes.push("replace (with no moment without a file)");
    } else if found.removes == Some(true) {
        modes.push("replace, with `replace: with_gap`");
        let why = "needed where a pipeline says `existing: replace`: the server cannot rename over a file at once";
        plan.advise(Scope::Delivery, "replace", "with_gap", why, false);
    }
    match modes.is_empty() {
        true => {
            plan.say("No rule for existing files can be kept there: every name must be new, so put the slot into it.")
        }
        false => plan.say(format!("`existing` may be {}.", modes.join(", "))),
    }
    if found.renames_over == Some(true) && found.posix_renames != Some(true) {
        plan.say("Its plain rename replaces silently, so the final name is looked at before each one.");
    }
    if found.removes == Some(false) {
        plan.say("It lets nobody remove: temporary files of attempts that failed stay until its people remove them.");
    }
}

fn details(plan: &mut Plan, found: &Findings, sftp: &Sftp) {
    if found.drops_empty {
        plan.say("It drops empty files: a done file needs content.");
        let why = "needed where a pipeline writes a done file: the server drops files of 0 bytes";
        plan.advise(Scope::Delivery, "done_file", "{name: \"{name}.done\", content: \"{name}\"}", why, false);
    }
    if sftp.mode.is_some() && found.sets_mode == Some(false) {
        plan.say("It refuses to set permissions: `mode` has no effect.");
    }
    if sftp.mkdir && found.makes_directories == Some(false) {
        plan.say("It lets nobody make directories: `mkdir` has no effect, and a pipeline's `path` must be there.");
    }
    match (sftp.sessions, sftp.split) {
        (1, _) => plan.say("One connection at a time, as `sessions: 1` says: files go one after the other."),
        (sessions, None) => plan.say(format!("Several files go over {sessions} connections at once (`sessions`).")),
        (sessions, Some(from)) => plan.say(format!(
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
            plan.say("Larger write requests would be taken, up to `write_bytes: 255000`; few servers need them.");
        }
        _ => {}
    }
    if let Some(free) = found.free_bytes.filter(|free| *free < SPACE_MIN_BYTES) {
        plan.say(format!("There is little room at the server: {} MiB.", free >> 20));
    }
}

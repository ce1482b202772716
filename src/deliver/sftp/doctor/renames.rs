//! What a probe file meets when it takes its final name: renames, to a free name and over a file.

use std::time::{Duration, Instant};

use super::prober::{Prober, Room, Tried};
use crate::attempt::{RenameRefusal, rename_again};
use crate::deliver::doctor::Outcome;
use crate::deliver::sftp::client::{Failure, Wire};
use crate::deliver::sftp::packet::open;
use crate::deliver::sftp::rules;
use crate::deliver::sftp::trouble::{Trouble, is_absent};

impl<W: Wire> Prober<'_, W> {
    /// To a free name, as a delivery publishes. Returns where the file lies now.
    pub(super) fn rename(&mut self, room: &Room, first: &str, second: &str) -> Tried<Option<String>> {
        self.made.files.insert(second.to_owned());
        let renamed = self.rename_as_a_delivery(room, first, second)?;
        self.found.renames = Some(renamed);
        if !renamed {
            return Ok(Some(first.to_owned()));
        }
        if self.found.sees == Some(true) && self.client.lstat(second).is_err_and(|failure| is_absent(&failure)) {
            self.found.taken_on_rename = true;
            self.tell("lstat", Outcome::Refused, Duration::ZERO, "the file is taken away when it has its final name");
            return Ok(None);
        }
        Ok(Some(second.to_owned()))
    }

    /// Repeated where it is refused, as a delivery does; where staging is the reason, that is found out.
    fn rename_as_a_delivery(&mut self, room: &Room, first: &str, second: &str) -> Tried<bool> {
        let (began, patience, mut refused) = (Instant::now(), self.sftp.timeouts.rename, 0);
        loop {
            let status = match self.client.with_patience(patience, |client| client.rename(first, second)) {
                Ok(()) => {
                    self.tell("rename", Outcome::Done, began.elapsed(), format!("to {second}"));
                    return Ok(true);
                }
                Err(Failure::Refused(status)) => status,
                Err(lost) => return self.over("rename", began, Trouble::new("rename to", second, lost)),
            };
            refused += 1;
            let failure = Failure::Refused(status.clone());
            let mut refusal = rules::refused_rename(&status);
            if room.staging != room.directory {
                match self.client.crossing(first, &room.staging, &room.directory, &failure) {
                    Ok(crossing) => self.found.crosses = crossing,
                    Err(lost) => return self.over("rename", began, Trouble::new("rename to", second, lost)),
                }
                if self.found.crosses.is_some() {
                    refusal = RenameRefusal::Final;
                }
            }
            match rename_again(refusal, refused, began.elapsed(), patience) {
                Some(wait) => std::thread::sleep(wait),
                None => {
                    let why = self.found.crosses.as_ref().map(|crossing| format!(": {crossing}")).unwrap_or_default();
                    self.tell("rename", Outcome::Refused, began.elapsed(), format!("{status}{why}"));
                    return Ok(false);
                }
            }
        }
    }

    /// A new file is asked for where one is: the right answer is no.
    pub(super) fn exclusive(&mut self, path: &str) -> Tried<()> {
        let began = Instant::now();
        match self.client.open(path, open::WRITE | open::CREATE | open::EXCLUSIVE) {
            Ok(handle) => {
                let _ = self.client.close(&handle);
                self.found.is_exclusive = Some(false);
                let said = "an existing file is opened where a new one is asked for";
                self.tell("open a taken name", Outcome::Refused, began.elapsed(), said);
            }
            Err(Failure::Refused(status)) => {
                self.found.is_exclusive = Some(true);
                let said = format!("refused, as it should be: {status}");
                self.tell("open a taken name", Outcome::Done, began.elapsed(), said);
            }
            Err(lost) => return self.over("open a taken name", began, Trouble::new("open", path, lost)),
        }
        Ok(())
    }

    /// Onto an existing file, plainly and as POSIX does.
    pub(super) fn rename_over(&mut self, first: &str, second: &str) -> Tried<()> {
        if !self.again(first)? {
            return Ok(());
        }
        let patience = self.sftp.timeouts.rename;
        let over = self.attempt(
            "rename over",
            |client| client.with_patience(patience, |client| client.rename(first, second)),
            |()| "a plain rename replaces an existing file".to_owned(),
        )?;
        self.found.renames_over = Some(over.is_some());
        if !self.client.extensions.posix_rename {
            let said = "no posix-rename@openssh.com: an existing file cannot be replaced without a gap";
            self.tell("posix-rename", Outcome::NotOffered, Duration::ZERO, said);
            return Ok(());
        }
        if over.is_some() && !self.again(first)? {
            return Ok(());
        }
        let replaced = self.attempt(
            "posix-rename",
            |client| client.with_patience(patience, |client| client.posix_rename(first, second)),
            |()| "replaces an existing file at once".to_owned(),
        )?;
        self.found.posix_renames = Some(replaced.is_some());
        Ok(())
    }

    /// Writes the probe file once more, untold; `false` where the server would not have it again.
    fn again(&mut self, path: &str) -> Tried<bool> {
        let began = Instant::now();
        let made = self.client.open(path, open::WRITE | open::CREATE | open::TRUNCATE).and_then(|handle| {
            self.client.write_once(&handle, 0, b"again")?;
            self.client.close(&handle)
        });
        match made {
            Ok(()) => Ok(true),
            Err(Failure::Refused(_)) => Ok(false),
            Err(lost) => self.over("write again", began, Trouble::new("write", path, lost)),
        }
    }
}

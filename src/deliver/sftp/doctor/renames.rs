//! The probe file's renames: to a free name, and over a file.

use std::time::{Duration, Instant};

use super::files::NEW_FILE;
use super::prober::{ProbePaths, ProbeResult, Prober};
use crate::attempt::{RenameRefusal, rename_again};
use crate::deliver::probe::StepOutcome;
use crate::deliver::sftp::rules;
use crate::sftp::{Client, Transport, open};

impl<T: Transport> Prober<'_, T> {
    /// Renames to a free name, as a delivery publishes. Returns where the file is now.
    pub(super) fn rename(&mut self, paths: &ProbePaths, first: &str, second: &str) -> ProbeResult<Option<String>> {
        self.made.files.insert(second.to_owned());
        let renamed = self.rename_as_a_delivery(paths, first, second)?;
        self.found.renames = Some(renamed);
        if !renamed {
            return Ok(Some(first.to_owned()));
        }
        if self.found.sees == Some(true) && self.client.lstat(second).is_err_and(|error| error.is_not_found()) {
            self.found.taken_on_rename = true;
            self.record(
                "lstat",
                StepOutcome::Refused,
                Duration::ZERO,
                "the file is taken away when it has its final name",
            );
            return Ok(None);
        }
        Ok(Some(second.to_owned()))
    }

    /// Repeats a refused rename as a delivery does, and tests whether `staging` is the reason.
    fn rename_as_a_delivery(&mut self, paths: &ProbePaths, first: &str, second: &str) -> ProbeResult<bool> {
        let (began, timeout, mut refused) = (Instant::now(), self.sftp.timeouts.rename, 0);
        loop {
            let rename = |client: &mut Client<T>| client.with_timeout(timeout, |client| client.rename(first, second));
            let Err(status) = self.ask("rename", "rename to", second, rename)? else {
                self.record("rename", StepOutcome::Done, began.elapsed(), format!("to {second}"));
                return Ok(true);
            };
            refused += 1;
            let mut refusal = rules::refused_rename(&status);
            if paths.staging != paths.directory {
                let crossing = |client: &mut Client<T>| {
                    client.cross_device_reason(first, &paths.staging, &paths.directory, &status)
                };
                self.found.crosses = self.ask("rename", "rename to", second, crossing)?.unwrap_or_default();
                if self.found.crosses.is_some() {
                    refusal = RenameRefusal::Final;
                }
            }
            match rename_again(refusal, refused, began.elapsed(), timeout) {
                Some(wait) => std::thread::sleep(wait),
                None => {
                    let why = self.found.crosses.as_ref().map(|crossing| format!(": {crossing}")).unwrap_or_default();
                    self.record("rename", StepOutcome::Refused, began.elapsed(), format!("{status}{why}"));
                    return Ok(false);
                }
            }
        }
    }

    /// Requests a new file where one exists, which the server should refuse.
    pub(super) fn exclusive(&mut self, path: &str) -> ProbeResult<()> {
        let began = Instant::now();
        let how = open::WRITE | open::CREATE | open::EXCLUSIVE;
        match self.ask("open a taken name", "open", path, |client| client.open(path, how))? {
            Ok(handle) => {
                let _ = self.client.close(&handle);
                self.found.is_exclusive = Some(false);
                let summary = "an exclusive open opens an existing file";
                self.record("open a taken name", StepOutcome::Refused, began.elapsed(), summary);
            }
            Err(status) => {
                self.found.is_exclusive = Some(true);
                let summary = format!("refused, as it should be: {status}");
                self.record("open a taken name", StepOutcome::Done, began.elapsed(), summary);
            }
        }
        Ok(())
    }

    /// Renames over an existing file, with both kinds of rename.
    pub(super) fn rename_over(&mut self, first: &str, second: &str) -> ProbeResult<()> {
        if !self.again(first)? {
            return Ok(());
        }
        let timeout = self.sftp.timeouts.rename;
        let over = self.attempt(
            "rename over",
            |client| client.with_timeout(timeout, |client| client.rename(first, second)),
            |()| "a plain rename replaces an existing file".to_owned(),
        )?;
        self.found.renames_over = Some(over.is_some());
        if !self.client.extensions.posix_rename {
            let summary = "no posix-rename@openssh.com: an existing file cannot be replaced without a gap";
            self.record("posix-rename", StepOutcome::NotOffered, Duration::ZERO, summary);
            return Ok(());
        }
        if over.is_some() && !self.again(first)? {
            return Ok(());
        }
        let replaced = self.attempt(
            "posix-rename",
            |client| client.with_timeout(timeout, |client| client.posix_rename(first, second)),
            |()| "replaces an existing file".to_owned(),
        )?;
        self.found.posix_renames = Some(replaced.is_some());
        Ok(())
    }

    /// Writes the probe file once more, without a step; returns whether the server accepted it.
    fn again(&mut self, path: &str) -> ProbeResult<bool> {
        let made = self.ask("write again", "write", path, |client| {
            let handle = client.open(path, NEW_FILE)?;
            client.write_at(&handle, 0, b"again")?;
            client.close(&handle)
        })?;
        Ok(made.is_ok())
    }
}

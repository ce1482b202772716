//! Trying one thing at a server: its answer becomes a step of the report, and what was found is kept.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::deliver::Verdict;
use crate::deliver::doctor::{Outcome, Report, Step};
use crate::deliver::sftp::client::{Client, Failure, Wire};
use crate::deliver::sftp::rules::Measured;
use crate::deliver::sftp::trouble::Trouble;
use crate::settings::Sftp;

/// Where the probe file is written, and where it is to go.
pub struct Room {
    /// Empty where sign-in leads.
    pub directory: String,
    pub staging: String,
    pub now: Timestamp,
}

/// What a server lets us do; `None` was not tried.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub written: bool,
    pub lists: Option<bool>,
    pub syncs: Option<bool>,
    /// What the size says that is reported while the file is open.
    pub measures: Measured,
    /// The same, once it is closed.
    pub measures_closed: Measured,
    /// Why a rename from `staging` cannot work.
    pub crosses: Option<String>,
    /// What is there can be seen by its name.
    pub sees: Option<bool>,
    /// It was gone when it was closed.
    pub taken_on_close: bool,
    pub taken_on_rename: bool,
    pub drops_empty: bool,
    pub reads: Option<bool>,
    pub sets_mode: Option<bool>,
    pub sets_times: Option<bool>,
    pub renames: Option<bool>,
    /// A plain rename takes the place of an existing file.
    pub renames_over: Option<bool>,
    pub posix_renames: Option<bool>,
    /// A file that is there is not opened where a new one is asked for.
    pub is_exclusive: Option<bool>,
    pub removes: Option<bool>,
    pub makes_directories: Option<bool>,
    pub takes_large: Option<bool>,
    pub free_bytes: Option<u64>,
}

/// What lies at the server because of us.
#[derive(Debug, Default)]
pub struct Made {
    pub files: BTreeSet<String>,
    pub directories: Vec<String>,
}

impl Made {
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().chain(&self.directories).map(String::as_str)
    }
}

/// Nothing more can be tried; why is among the steps.
pub struct Over;

pub struct Prober<'a, W> {
    pub client: &'a mut Client<W>,
    pub sftp: &'a Sftp,
    report: &'a mut Report,
    pub found: Findings,
    pub made: Made,
}

pub type Tried<T> = Result<T, Over>;

impl<'a, W: Wire> Prober<'a, W> {
    pub fn new(client: &'a mut Client<W>, sftp: &'a Sftp, report: &'a mut Report) -> Self {
        Prober { client, sftp, report, found: Findings::default(), made: Made::default() }
    }

    pub fn into_found(self) -> (Findings, Made) {
        (self.found, self.made)
    }

    /// Does `op` and tells how it went; `None` for what the server refuses.
    pub fn attempt<T>(
        &mut self,
        name: &str,
        op: impl FnOnce(&mut Client<W>) -> Result<T, Failure>,
        said: impl FnOnce(&T) -> String,
    ) -> Tried<Option<T>> {
        let began = Instant::now();
        match op(self.client) {
            Ok(done) => {
                self.report.tell(Step::done(name, began.elapsed(), said(&done)));
                Ok(Some(done))
            }
            Err(Failure::Refused(status)) => {
                self.report.tell(Step::new(name, Outcome::Refused, began.elapsed(), status.to_string()));
                Ok(None)
            }
            Err(lost) => self.over(name, began, Trouble::new("try", name, lost)),
        }
    }

    /// Does what a delivery cannot do without.
    pub fn must<T>(
        &mut self,
        name: &'static str,
        path: &str,
        op: impl FnOnce(&mut Client<W>) -> Result<T, Failure>,
        said: impl FnOnce(&T) -> String,
    ) -> Tried<T> {
        let began = Instant::now();
        match self.client.doing(name, path, op) {
            Ok(done) => {
                self.report.tell(Step::done(name, began.elapsed(), said(&done)));
                Ok(done)
            }
            Err(trouble) => self.over(name, began, trouble),
        }
    }

    pub fn over<T>(&mut self, name: &str, began: Instant, trouble: Trouble) -> Tried<T> {
        if let Failure::Lost(why) = &trouble.failure {
            self.client.sever(why);
        }
        self.failed(name, began, &trouble.before_publishing())
    }

    pub fn failed<T>(&mut self, name: &str, began: Instant, verdict: &Verdict) -> Tried<T> {
        self.report.tell(Step::failed(name, began.elapsed(), verdict));
        Err(Over)
    }

    pub fn tell(&mut self, name: &str, outcome: Outcome, took: Duration, said: impl Into<String>) {
        self.report.tell(Step::new(name, outcome, took, said));
    }
}

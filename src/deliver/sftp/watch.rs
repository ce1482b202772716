//! The steps of a connection as `doctor` shows them; a delivery takes the same steps unwatched.

use std::time::Instant;

use crate::deliver::Verdict;
use crate::deliver::doctor::{Report, Step};

/// Where steps are told, if anywhere.
pub struct Watch<'a>(Option<&'a mut Report>);

impl<'a> Watch<'a> {
    pub fn none() -> Self {
        Watch(None)
    }

    pub fn on(report: &'a mut Report) -> Self {
        Watch(Some(report))
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Does `op`; tells how long it took and what `said` makes of it, or why it failed.
    ///
    /// # Errors
    /// What `op` answers.
    pub fn step<T>(
        &mut self,
        name: &str,
        op: impl FnOnce() -> Result<T, Verdict>,
        said: impl FnOnce(&T) -> String,
    ) -> Result<T, Verdict> {
        self.step_with(name, op, |done| (said(done), Vec::new()))
    }

    /// [`Watch::step`] with details: what, and what it is.
    ///
    /// # Errors
    /// What `op` answers.
    pub fn step_with<T>(
        &mut self,
        name: &str,
        op: impl FnOnce() -> Result<T, Verdict>,
        said: impl FnOnce(&T) -> (String, Vec<(String, String)>),
    ) -> Result<T, Verdict> {
        let began = Instant::now();
        let outcome = op();
        if let Some(report) = &mut self.0 {
            let step = match &outcome {
                Ok(done) => {
                    let (said, details) = said(done);
                    details
                        .into_iter()
                        .fold(Step::done(name, began.elapsed(), said), |step, (what, is)| step.with(&what, is))
                }
                Err(verdict) => Step::failed(name, began.elapsed(), verdict),
            };
            report.tell(step);
        }
        outcome
    }
}

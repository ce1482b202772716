//! The steps of a test, as `doctor` and `check --connect` show them.

use std::fmt::Write as _;
use std::time::Instant;

use serde::Serialize;

use crate::deliver::doctor::{DoctorReport, DoctorStep, StepOutcome};
use crate::extract::ExtractError;

/// The steps of one test, printed as they are made unless one JSON document follows.
#[derive(Serialize)]
pub(super) struct Shown {
    pub tested: String,
    pub ok: bool,
    pub steps: Vec<DoctorStep>,
    #[serde(skip)]
    json: bool,
}

impl Shown {
    pub(super) fn begin(tested: &str, json: bool) -> Self {
        if !json {
            print!("{tested}\n");
        }
        Self { tested: tested.to_owned(), ok: true, steps: Vec::new(), json }
    }

    pub(super) fn step(&mut self, step: DoctorStep) {
        self.ok &= step.outcome != StepOutcome::Failed;
        if !self.json {
            print!("{}", render_step(&step));
        }
        self.steps.push(step);
    }

    /// Shows a step that failed. Returns `None`.
    pub(super) fn failed<T>(&mut self, name: &str, begun: Instant, error: &ExtractError) -> Option<T> {
        let step = DoctorStep::new(name, StepOutcome::Failed, begun.elapsed(), error.to_string());
        self.step(match error.hint() {
            Some(hint) => step.hint(hint),
            None => step,
        });
        None
    }

    /// Returns the listener of a destination's test.
    pub(super) fn listener(json: bool) -> DoctorReport {
        DoctorReport::new(move |step| {
            if !json {
                print!("{}", render_step(step));
            }
        })
    }
}

/// Renders a step on one line, with its details and its hint below.
pub(super) fn render_step(step: &DoctorStep) -> String {
    let sign = match step.outcome {
        StepOutcome::Done => "ok",
        StepOutcome::Refused => "no",
        StepOutcome::NotOffered => "--",
        StepOutcome::Failed => "FAILED",
    };
    let took = step.took_us as f64 / 1000.0;
    let line = format!("{sign:<6} {:<18} {took:>8.1} ms  {}", step.name, step.message);
    let mut text = format!("{}\n", line.trim_end());
    for detail in &step.details {
        let _ = writeln!(text, "{:>9}{:<28} {}", "", detail.what, detail.is);
    }
    if let Some(hint) = &step.hint {
        let _ = writeln!(text, "{:>9}{hint}", "");
    }
    text
}

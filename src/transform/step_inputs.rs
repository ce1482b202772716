//! The inputs of single steps, besides the rows.

/// Opened by the run, by the steps that read them.
#[derive(Default)]
pub struct StepInputs {}

//! The `baseline` of a test: the rows of the delivery before, through the same steps, as `delta` keeps them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::input;
use crate::pipeline::plan::TestInput;
use crate::progress::Meter;
use crate::run::delta::OpenDelta;
use crate::run::transform::{Pass, with_causes};
use crate::transform::{DeltaInputs, EarlierBaseline, TransformError};

/// Makes a pass compare with the baseline of these rows. Returns the reason if they have none.
///
/// # Errors
/// The temporary folder cannot be used.
pub(super) fn compare_with(pass: &mut Pass, rows: &TestInput, folder: &Path) -> io::Result<Result<(), String>> {
    let folder = tempfile::tempdir_in(folder)?;
    let (extract, csv) = match input(folder.path(), rows, pass.plan.source.csv())? {
        Ok(input) => input,
        Err(error) => return Ok(Err(error)),
    };
    let path = folder.path().join("baseline");
    let (run, slot) = ("`baseline` of the test".to_owned(), format!("before {}", pass.slot.rfc3339()));
    let inputs = DeltaInputs { run, slot, earlier: EarlierBaseline::None, next: Some(path.clone()) };
    let own = (std::mem::replace(&mut pass.extract, extract), std::mem::replace(&mut pass.csv, csv));
    pass.delta = Some(OpenDelta::of_test(inputs.clone()));
    let passed = write(pass);
    (pass.extract, pass.csv) = own;
    if let Err(error) = passed {
        return Ok(Err(with_causes(&error)));
    }
    // The open file outlives its name.
    let earlier = EarlierBaseline::File(Arc::new(File::open(path)?));
    pass.delta = Some(OpenDelta::of_test(DeltaInputs { earlier, next: None, ..inputs }));
    Ok(Ok(()))
}

/// Passes the rows through all steps: those before `delta` make its keys, and none may fail that did not fail then.
fn write(pass: &Pass) -> Result<(), TransformError> {
    pass.open(&Meter::default())?.0.run(|_| Ok(())).map(|_| ())
}

//! ④ Rows → rows: pure, streaming, in constant memory.
//!
//! [`Transform::open`] reads the header and compiles the steps against it; [`Transform::run`] passes on the rows. Three
//! threads share the work: one reads and inflates ahead, the caller's runs the row program, the encoder's hashes and
//! writes.

mod balance;
mod block;
mod chain;
pub(crate) mod decode;
mod delta_file;
mod dropped;
mod dropped_file;
mod error;
mod example_rows;
mod finding;
mod key;
mod key_hash;
mod output;
mod parallel;
mod program;
mod record;
mod row_log;
pub mod sort;
mod step_inputs;
mod stored;
mod table;

pub use balance::{Balance, StepRows};
pub use chain::{Input, Passed, PassedFirst, Transform};
pub use dropped::{DROPPED_KEPT_MAX, DroppedRow, DroppedRows};
pub use error::{CsvFault, RowError, TransformError};
pub use finding::{Example, Examples, StepFinding};
pub use output::{Encode, Needs, Sink};
pub use program::{Cell, Row};
pub use record::Record;
pub use step_inputs::{DeltaInputs, DeltaResult, DeltaRows, EarlierBaseline, NewBaseline, OpenTable, StepInputs};

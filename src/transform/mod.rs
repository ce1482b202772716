//! ④ Rows → rows: pure, streaming, in constant memory.
//!
//! [`Transform::open`] reads the header and compiles the steps against it; [`Transform::run_into`] passes on the
//! rows. Several threads share the work: one reads and inflates ahead, one finds the records, others run the first row
//! program and encode, the caller's takes the results in order, and the encoder's hashes and writes.

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
pub(crate) mod key_hash;
mod link;
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
pub use output::{Needs, Sink};
pub use program::{Cell, Encode, Row};
pub use record::Record;
pub use step_inputs::{DeltaInputs, DeltaResult, DeltaRows, EarlierBaseline, NewBaseline, OpenTable, StepInputs};
pub(crate) use table::{TotalColumn, Totals};

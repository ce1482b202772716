//! ④ Rows → rows: pure, streaming, in constant memory.
//!
//! [`Transform::open`] reads the header and compiles the steps against it; [`Transform::run`] passes on the rows. Three
//! threads share the work: one reads and inflates ahead, the caller's runs the row program, the encoder's hashes and
//! writes.

mod balance;
mod block;
mod chain;
pub(crate) mod decode;
mod error;
mod program;
mod record;
pub mod sort;

pub use balance::{Balance, StepRows};
pub use chain::{Input, Transform};
pub use error::{CsvFault, RowError, TransformError};
pub use program::{Cell, Program, Row};
pub use record::Record;

//! ④ Rows → rows: pure, streaming, in constant memory.
//!
//! [`Transform::open`] reads the header and compiles the steps against it; [`Transform::run`] hands over the rows.
//! Three threads share the work: one reads and inflates ahead, the caller's runs the row program, and the encoder's
//! hashes and writes.

mod block;
mod bound;
pub(crate) mod decode;
mod drive;
mod error;
pub mod expr;
mod record;
mod step;
pub(crate) mod time;

pub use drive::{Balance, Input, StepBalance, Transform};
pub use error::{CsvFault, RowError, SHOWN_CHARS_MAX, TransformError};
pub use record::Record;
pub use step::{Cell, Program, Row};

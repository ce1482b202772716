//! ④ Rows → rows: pure, streaming, in constant memory.

pub mod expr;

//! SQL scalar expressions, parsed once and compiled to a row program.

/// A parsed expression: its functions, arities, literals and formats are right; its columns are names still.
pub struct Expr;

//! `mask`: cells that are replaced by something that does not show them.

use super::{Column, Expression};

/// A masked column.
pub struct Mask {
    pub column: Column,
    pub method: MaskMethod,
    /// The masked value of the column's cell.
    pub value: Expression,
}

/// The replacement of a cell that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskMethod {
    /// [`REDACTED`].
    Redact,
    /// The SHA-256 of the cell, lower-case hex.
    Sha256,
    /// The HMAC-SHA-256 of the cell with this secret, lower-case hex.
    HmacSha256(String),
    /// This many first characters, then [`REDACTED`]; a cell with no more characters is only that.
    KeepFirst(u64),
    /// [`REDACTED`], then this many last characters; a cell with no more characters is only that.
    KeepLast(u64),
}

/// The text in place of hidden characters, whatever their number.
pub const REDACTED: &str = "***";

impl MaskMethod {
    /// Returns the expression that masks a column.
    pub(crate) fn expression(&self, column: &str) -> String {
        let cell = quoted(column, '"');
        let hidden = quoted(REDACTED, '\'');
        match self {
            Self::Redact => format!("case when {cell} is not null then {hidden} end"),
            Self::Sha256 => format!("sha256({cell})"),
            Self::HmacSha256(secret) => format!("hmac_sha256({cell}, {})", quoted(secret, '\'')),
            Self::KeepFirst(count) => {
                format!(
                    "case when length({cell}) > {count} then left({cell}, {count}) || {hidden} \
                     when {cell} is not null then {hidden} end"
                )
            }
            Self::KeepLast(count) => {
                format!(
                    "case when length({cell}) > {count} then {hidden} || right({cell}, {count}) \
                     when {cell} is not null then {hidden} end"
                )
            }
        }
    }
}

/// Quotes a name or a text for an expression.
pub(crate) fn quoted(text: &str, quote: char) -> String {
    let doubled: String = [quote, quote].iter().collect();
    format!("{quote}{}{quote}", text.replace(quote, &doubled))
}

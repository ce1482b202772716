//! The type of a column, inferred from its cells.

use serde::Serialize;

use crate::expr::decimal::{Number, read_number};
use crate::expr::time::{Moment, read_iso};

/// The type that all cells of a column have which are not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// All cells are empty.
    Empty,
    Boolean,
    Integer,
    Decimal,
    Date,
    Datetime,
    Text,
}

impl ColumnType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::Text => "text",
        }
    }

    fn of(cell: &[u8]) -> Self {
        if cell.eq_ignore_ascii_case(b"true") || cell.eq_ignore_ascii_case(b"false") {
            return Self::Boolean;
        }
        let digits = cell.strip_prefix(b"-").unwrap_or(cell);
        // Numbers do not begin with a zero that means something, as employee numbers do.
        let is_code = digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit();
        match read_number(cell) {
            Some(_) if is_code => Self::Text,
            Some(Number::Int(_)) => Self::Integer,
            Some(Number::Decimal(_)) => Self::Decimal,
            Some(Number::Double(_)) => Self::Text,
            None => match read_iso(cell) {
                Some(Moment::Date(_)) => Self::Date,
                Some(Moment::Instant(_)) => Self::Datetime,
                None => Self::Text,
            },
        }
    }

    /// Returns the type of cells of both types.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Empty, other) | (other, Self::Empty) => other,
            (Self::Integer, Self::Decimal) | (Self::Decimal, Self::Integer) => Self::Decimal,
            (Self::Date, Self::Datetime) | (Self::Datetime, Self::Date) => Self::Datetime,
            _ => Self::Text,
        }
    }
}

/// The type of the cells so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Inferred {
    kind: Option<ColumnType>,
    pub empty: u64,
}

impl Inferred {
    pub(super) fn see(&mut self, cell: &[u8]) {
        match (cell, self.kind) {
            ([], _) => self.empty += 1,
            (_, Some(ColumnType::Text)) => {}
            (cell, kind) => self.kind = Some(ColumnType::of(cell).and(kind.unwrap_or(ColumnType::Empty))),
        }
    }

    pub(super) fn kind(&self) -> ColumnType {
        self.kind.unwrap_or(ColumnType::Empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_inferred_from_all_cells() {
        for (cells, expected) in [
            (&["", ""][..], ColumnType::Empty),
            (&["true", "", "FALSE"], ColumnType::Boolean),
            (&["0", "-12", "7"], ColumnType::Integer),
            (&["1", "2.50"], ColumnType::Decimal),
            (&["007", "8"], ColumnType::Text),
            (&["2026-01-05"], ColumnType::Date),
            (&["2026-01-05", "2026-01-05 10:00:00"], ColumnType::Datetime),
            (&["2026-01-05", "5"], ColumnType::Text),
            (&["Yes"], ColumnType::Text),
        ] {
            let mut inferred = Inferred::default();
            cells.iter().for_each(|cell| inferred.see(cell.as_bytes()));
            assert_eq!(inferred.kind(), expected, "{cells:?}");
            assert_eq!(inferred.empty as usize, cells.iter().filter(|cell| cell.is_empty()).count());
        }
    }
}

//! Cells → values of their columns' types.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use crate::expr::decimal::{Decimal, Number, read_number};
use crate::expr::time::{DAY_SECONDS, Instant, Moment, TimeFormat, ZoneClock, read_iso};
use crate::expr::{read_boolean, shorten};
use crate::pipeline::column_type::{ColumnType, DecimalSize};
use crate::pipeline::columns::Columns;
use crate::pipeline::masked::MASKED;
use crate::pipeline::plan::TypedColumn;
use crate::pipeline::value_type::ValueType;
use crate::transform::RowError;
use crate::yaml::problem::Problem;

/// The value of a cell that is not empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TypedCell<'a> {
    Text(&'a [u8]),
    Integer(i64),
    Decimal(Decimal),
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i64),
    Datetime(Instant),
}

/// The cells of a column.
#[derive(Clone)]
pub(super) struct TypedCells {
    pub(super) name: String,
    reader: Reader,
    is_masked: bool,
    /// The key of the type in the pipeline file, or else of the format.
    key: String,
}

#[derive(Clone)]
enum Reader {
    Text,
    Integer,
    Decimal(Option<DecimalSize>),
    Boolean,
    Date(Option<Box<Formatted>>),
    Datetime(Option<Box<Formatted>>),
}

#[derive(Clone)]
struct Formatted {
    format: TimeFormat,
    clock: ZoneClock,
}

/// Returns the cells of all columns.
///
/// # Errors
/// Types of columns that do not exist, or exist twice.
pub(super) fn typed_cells(
    types: &[TypedColumn],
    masked: &BTreeSet<String>,
    format: &str,
    columns: &[String],
) -> Result<Vec<TypedCells>, Vec<Problem>> {
    let mut known = Columns::of_header(columns);
    types.iter().for_each(|typed| known.require(&typed.column));
    let problems = known.into_problems();
    if !problems.is_empty() {
        return Err(problems);
    }
    let cells = columns.iter().map(|name| {
        let typed = types.iter().find(|typed| typed.column.name == *name);
        let reader = typed.map_or(Reader::Text, |typed| Reader::of(&typed.column_type));
        let key = typed.map_or_else(|| format!("artifact.{format}"), |typed| typed.at.key.clone());
        TypedCells { name: name.clone(), reader, is_masked: masked.contains(name), key }
    });
    Ok(cells.collect())
}

impl TypedCells {
    /// Returns the value of a cell; `None` if it is empty.
    ///
    /// # Errors
    /// The cell is not of the type; the text follows the value in a message.
    pub(super) fn read<'a>(&mut self, cell: &'a [u8]) -> Result<Option<TypedCell<'a>>, String> {
        if cell.is_empty() { Ok(None) } else { self.reader.read(cell).map(Some) }
    }

    #[cold]
    pub(super) fn row_error(&self, (number, line): (u64, u64), cell: &[u8], what: String) -> RowError {
        let value = if self.is_masked { MASKED.to_owned() } else { shorten(&String::from_utf8_lossy(cell)) };
        RowError { number, line, column: self.name.clone(), value, what, step: self.key.clone() }
    }
}

impl Reader {
    fn of(column_type: &ColumnType) -> Self {
        let written = match column_type {
            ColumnType::Decimal(size) => return Self::Decimal(Some(*size)),
            ColumnType::Value(written) => written,
        };
        let formatted = || {
            let format = written.format()?.clone();
            Some(Box::new(Formatted { format, clock: ZoneClock::new(TimeZone::UTC) }))
        };
        match written {
            ValueType::Text => Self::Text,
            ValueType::Integer => Self::Integer,
            ValueType::Decimal => Self::Decimal(None),
            ValueType::Boolean => Self::Boolean,
            ValueType::Date(_) => Self::Date(formatted()),
            ValueType::Datetime(_) => Self::Datetime(formatted()),
        }
    }

    fn read<'a>(&mut self, cell: &'a [u8]) -> Result<TypedCell<'a>, String> {
        Ok(match self {
            Self::Text => TypedCell::Text(cell),
            Self::Integer => match read_number(cell) {
                Some(Number::Int(int)) => TypedCell::Integer(int),
                _ => return Err("is not a whole number".to_owned()),
            },
            Self::Decimal(size) => {
                let decimal = match read_number(cell) {
                    Some(Number::Int(int)) => Decimal::from_int(int),
                    Some(Number::Decimal(decimal)) => decimal,
                    _ => return Err("is not a decimal number".to_owned()),
                };
                TypedCell::Decimal(match size {
                    Some(size) => sized(decimal, *size)?,
                    None => decimal,
                })
            }
            Self::Boolean => match read_boolean(cell) {
                Some(truth) => TypedCell::Boolean(truth),
                None => return Err("is not true or false".to_owned()),
            },
            Self::Date(formatted) => match read_time(cell, formatted)? {
                Some(Moment::Date(days)) => TypedCell::Date(days),
                _ => return Err("is not a date (YYYY-MM-DD)".to_owned()),
            },
            Self::Datetime(formatted) => match read_time(cell, formatted)? {
                Some(Moment::Instant(instant)) => TypedCell::Datetime(instant),
                Some(Moment::Date(days)) => TypedCell::Datetime(Instant::utc(days * DAY_SECONDS, 0)),
                None => return Err("is not a date with a time (YYYY-MM-DD HH:MM:SS)".to_owned()),
            },
        })
    }
}

/// Returns the decimal with the digits of its size.
fn sized(decimal: Decimal, DecimalSize { precision, scale }: DecimalSize) -> Result<Decimal, String> {
    let before = || format!("has more than {} digits before the point", precision - scale);
    let rescaled = decimal.rescale(scale).ok_or_else(before)?;
    if scale < decimal.scale && rescaled.rescale(decimal.scale) != Some(decimal) {
        return Err(format!("has more than {scale} digits after the point"));
    }
    rescaled.within(precision).ok_or_else(before)
}

fn read_time(cell: &[u8], formatted: &mut Option<Box<Formatted>>) -> Result<Option<Moment>, String> {
    let Some(formatted) = formatted else { return Ok(read_iso(cell)) };
    let Formatted { format, clock } = formatted.as_mut();
    format.read(cell, clock).map(Some).map_err(|_| format!("does not have the format {}", format.text()))
}

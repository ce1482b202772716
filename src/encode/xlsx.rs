//! Typed rows → an Excel workbook with one sheet, in constant memory.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, XlsxError};

use super::spool::SpoolFile;
use super::table::{TableWriter, TypedValues};
use super::typed::{TypedCell, TypedCells, typed_cells};
use crate::expr::time::{DAY_SECONDS, Instant};
use crate::pipeline::column_type::{ColumnType, DecimalSize};
use crate::pipeline::plan::{ColumnTypes, ColumnWidth, Xlsx};
use crate::pipeline::value_type::ValueType;
use crate::yaml::problem::Problem;

/// Rows of a sheet, besides the header.
const ROWS_MAX: u32 = 1_048_575;
const COLUMNS_MAX: usize = 16_384;
/// UTF-16 units of a cell's text.
const TEXT_UNITS_MAX: usize = 32_767;
/// The largest number whose digits Excel keeps: 15 of them.
const NUMBER_MAX: u128 = 999_999_999_999_999;
/// 1900-01-01, the first date that Excel has, in days since 1970-01-01.
const FIRST_DAY: i64 = -25_567;
/// The serial number of 1970-01-01.
const EPOCH: i64 = 25_569;
/// The serial number of a day that never was, 1900-02-29: those before are one less.
const FALSE_LEAP_DAY: f64 = 60.0;

/// A workbook being written. The rows are in a temporary file without a name until the end.
pub(super) struct XlsxTable {
    workbook: Workbook,
    spool: SpoolFile,
    /// The number of rows written, the header among them.
    rows: u32,
    columns: u16,
}

/// Returns the cells of the columns.
pub(super) fn columns(plan: &Xlsx, columns: &[String]) -> Result<Vec<TypedCells>, Vec<Problem>> {
    let ColumnTypes { typed, masked } = &plan.types;
    typed_cells(typed, masked, "xlsx", columns)
}

/// Checks a value by the limits of Excel.
pub(super) fn fits(value: &TypedCell<'_>) -> Result<(), String> {
    let of_digits = |unscaled: u128| match unscaled > NUMBER_MAX {
        true => Err("has more than the 15 digits that Excel keeps: make it text".to_owned()),
        false => Ok(()),
    };
    let of_day = |day: i64| match day < FIRST_DAY {
        true => Err("is before 1900, where Excel's dates begin".to_owned()),
        false => Ok(()),
    };
    match value {
        TypedCell::Text(text) => text_fits(text),
        TypedCell::Integer(int) => of_digits(u128::from(int.unsigned_abs())),
        TypedCell::Decimal(decimal) => {
            let mut unscaled = decimal.unscaled.unsigned_abs();
            while unscaled > NUMBER_MAX && unscaled % 10 == 0 {
                unscaled /= 10;
            }
            of_digits(unscaled)
        }
        TypedCell::Boolean(_) => Ok(()),
        TypedCell::Date(day) => of_day(*day),
        TypedCell::Datetime(instant) if instant.nanoseconds % 1_000_000 != 0 => {
            Err("is finer than a millisecond, which Excel's times are in".to_owned())
        }
        TypedCell::Datetime(instant) => of_day(instant.utc_seconds().div_euclid(DAY_SECONDS)),
    }
}

fn text_fits(text: &[u8]) -> Result<(), String> {
    let Ok(text) = std::str::from_utf8(text) else { return Err("is not UTF-8".to_owned()) };
    if text.len() > TEXT_UNITS_MAX {
        let units = text.encode_utf16().count();
        if units > TEXT_UNITS_MAX {
            return Err(format!("has {units} characters, and a cell of Excel has {TEXT_UNITS_MAX} at most"));
        }
    }
    match text.chars().find(|char| matches!(char, '\u{FFFE}' | '\u{FFFF}')) {
        Some(char) => Err(format!("has the character U+{:04X}, which XML cannot have", u32::from(char))),
        None => Ok(()),
    }
}

impl XlsxTable {
    /// Begins a workbook, whose temporary file is in the folder.
    pub(super) fn create(plan: &Xlsx, columns: &[String], folder: &Path, spool: SpoolFile) -> io::Result<Self> {
        let Xlsx { sheet, bold_header, widths, types, feature: _ } = plan;
        if columns.len() > COLUMNS_MAX {
            let what = format!("{} columns: a sheet has {COLUMNS_MAX} at most", columns.len());
            return Err(io::Error::other(what));
        }
        let mut workbook = Workbook::new();
        begin(&mut workbook, folder, sheet).map_err(writing)?;
        let worksheet = workbook.worksheet_from_index(0).map_err(writing)?;
        for ColumnWidth { column, characters } in widths {
            let at = columns.iter().position(|name| *name == column.name);
            let at = at.ok_or_else(|| io::Error::other(format!("{}: there is no such column", column.at.key)))?;
            worksheet.set_column_width(at as u16, f64::from(*characters)).map_err(writing)?;
        }
        let header = if *bold_header { Format::new().set_bold() } else { Format::new() };
        for (at, name) in (0..).zip(columns) {
            let fitted = text_fits(name.as_bytes());
            fitted.map_err(|what| io::Error::other(format!("the column {name:?} {what}")))?;
            // A column's format is that of all its cells, without the cost of finding it for each.
            worksheet.set_column_format(at, &format_of(types, name)).map_err(writing)?;
            worksheet.write_string_with_format(0, at, name, &header).map_err(writing)?;
        }
        Ok(Self { workbook, spool, rows: 1, columns: columns.len() as u16 })
    }
}

/// Adds the sheet. The time of creation is always the same: equal rows give equal bytes.
fn begin(workbook: &mut Workbook, folder: &Path, sheet: &str) -> Result<(), XlsxError> {
    let created = ExcelDateTime::from_ymd(2000, 1, 1)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&created));
    workbook.set_tempdir(folder)?;
    workbook.add_worksheet_with_constant_memory()?.set_name(sheet)?;
    Ok(())
}

/// Returns the format of a column's cells. That of texts keeps leading zeros when a person edits them.
fn format_of(ColumnTypes { typed, masked: _ }: &ColumnTypes, name: &str) -> Format {
    let typed = typed.iter().find(|typed| typed.column.name == name).map(|typed| &typed.column_type);
    match typed {
        None | Some(ColumnType::Value(ValueType::Text)) => Format::new().set_num_format("@"),
        Some(ColumnType::Value(ValueType::Decimal | ValueType::Boolean)) => Format::new(),
        Some(ColumnType::Value(ValueType::Integer)) => Format::new().set_num_format("0"),
        Some(ColumnType::Value(ValueType::Date(_))) => Format::new().set_num_format("yyyy-mm-dd"),
        Some(ColumnType::Value(ValueType::Datetime(_))) => Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
        Some(ColumnType::Decimal(DecimalSize { scale: 0, .. })) => Format::new().set_num_format("0"),
        Some(ColumnType::Decimal(DecimalSize { scale, .. })) => {
            Format::new().set_num_format(format!("0.{}", "0".repeat(usize::from(*scale))))
        }
    }
}

impl TableWriter for XlsxTable {
    fn row(&mut self, values: &mut TypedValues<'_>) -> io::Result<()> {
        if self.rows > ROWS_MAX {
            let what =
                format!("more than {ROWS_MAX} rows, which a sheet of Excel has at most: filter them, or write a `csv`");
            return Err(io::Error::other(what));
        }
        caught(|| self.write_row(values))
    }

    fn end(mut self: Box<Self>) -> io::Result<SpoolFile> {
        caught(|| self.workbook.save_to_writer(&mut self.spool).map_err(writing))?;
        Ok(self.spool)
    }
}

impl XlsxTable {
    fn write_row(&mut self, values: &mut TypedValues<'_>) -> io::Result<()> {
        let worksheet = self.workbook.worksheet_from_index(0).map_err(writing)?;
        for at in 0..self.columns {
            let Some(value) = values.take()? else { continue };
            let written = match value {
                TypedCell::Text(text) => worksheet.write_string(self.rows, at, String::from_utf8_lossy(text)),
                TypedCell::Integer(int) => worksheet.write_number(self.rows, at, int as f64),
                TypedCell::Decimal(decimal) => worksheet.write_number(self.rows, at, decimal.to_f64()),
                TypedCell::Boolean(truth) => worksheet.write_boolean(self.rows, at, truth),
                TypedCell::Date(day) => worksheet.write_number(self.rows, at, serial(day, 0.0)),
                TypedCell::Datetime(instant) => worksheet.write_number(self.rows, at, serial_of(instant)),
            };
            written.map_err(writing)?;
        }
        self.rows += 1;
        Ok(())
    }
}

/// Calls the library, which panics where its temporary file cannot be written, and has the error in the panic's text alone.
fn caught<T>(call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("the workbook could not be written");
        let is_full = text.contains("StorageFull");
        let kind = if is_full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, format!("the temporary file of the workbook: {text}")))
    })
}

/// Returns Excel's number of a day and a part of it.
fn serial(day: i64, part: f64) -> f64 {
    let serial = (day + EPOCH) as f64 + part;
    if serial < FALSE_LEAP_DAY + 1.0 { serial - 1.0 } else { serial }
}

fn serial_of(instant: Instant) -> f64 {
    let seconds = instant.utc_seconds();
    let of_day = seconds.rem_euclid(DAY_SECONDS) as f64 + f64::from(instant.nanoseconds) / 1e9;
    serial(seconds.div_euclid(DAY_SECONDS), of_day / DAY_SECONDS as f64)
}

/// Converts an error of the workbook, which has those of files within.
fn writing(error: XlsxError) -> io::Error {
    match error {
        XlsxError::IoError(error) | XlsxError::TempFileError(_, error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(folder: &Path) -> XlsxTable {
        let types = ColumnTypes { typed: Vec::new(), masked: Default::default() };
        let feature = crate::feature::Xlsx::built().unwrap();
        let plan = Xlsx { feature, sheet: "Sheet1".to_owned(), bold_header: false, widths: Vec::new(), types };
        let spool = SpoolFile::create(&folder.join("a"), false, None).unwrap();
        XlsxTable::create(&plan, &["a".to_owned()], folder, spool).unwrap()
    }

    #[test]
    fn a_panic_over_a_full_disk_is_an_error_of_this_kind() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = caught::<()>(|| panic!("Couldn't write to xml file: {full:?}")).unwrap_err();
        assert!(crate::disk::is_full(&error), "{error}");
        assert!(!crate::disk::is_full(&caught::<()>(|| panic!("another")).unwrap_err()));
    }

    #[test]
    fn the_last_row_of_a_sheet_is_written_and_the_next_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut table = table(folder.path());
        table.rows = ROWS_MAX;
        let encoded = [0; 2];
        let mut values = TypedValues::of(&encoded);
        table.row(&mut values).unwrap();
        let error = table.row(&mut values).unwrap_err().to_string();
        assert!(error.contains("more than 1048575 rows"), "{error}");
    }
}

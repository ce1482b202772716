//! Files with typed columns in sentences.

use super::Fact;
use crate::pipeline::column_type::{ColumnType, DECIMAL_DEFAULT, DecimalSize};
use crate::pipeline::plan::{ColumnTypes, ColumnWidth, Parquet, ParquetCompression, TypedColumn, Xlsx};
use crate::pipeline::value_type::ValueType;

pub(super) fn parquet(Parquet { compression, row_group, types, feature: _ }: &Parquet) -> Vec<Fact> {
    let compression = match compression {
        ParquetCompression::Zstd => "compressed with Zstandard",
        ParquetCompression::Gzip => "compressed with gzip",
        ParquetCompression::None => "not compressed",
    };
    let groups = format!("Its values are {compression}, in row groups of {row_group} rows at most.");
    let kind = |column_type: &ColumnType| match column_type {
        ColumnType::Value(ValueType::Text) => "STRING".to_owned(),
        ColumnType::Value(ValueType::Integer) => "INT64".to_owned(),
        ColumnType::Value(ValueType::Decimal) => decimal("DECIMAL", DECIMAL_DEFAULT),
        ColumnType::Decimal(size) => decimal("DECIMAL", *size),
        ColumnType::Value(ValueType::Boolean) => "BOOLEAN".to_owned(),
        ColumnType::Value(ValueType::Date(_)) => "DATE".to_owned(),
        ColumnType::Value(ValueType::Datetime(_)) => "TIMESTAMP in microseconds, UTC".to_owned(),
    };
    vec![Fact::new(groups), typed("STRING", types, kind)]
}

pub(super) fn xlsx(Xlsx { sheet, bold_header, widths, types, feature: _ }: &Xlsx) -> Vec<Fact> {
    let style = if *bold_header { " in bold type" } else { "" };
    let mut facts =
        vec![Fact::new(format!("It has the sheet {sheet:?}, whose first row has the columns' names{style}."))];
    let kind = |column_type: &ColumnType| match column_type {
        ColumnType::Value(ValueType::Text) => "a text".to_owned(),
        ColumnType::Value(ValueType::Integer) => "a whole number".to_owned(),
        ColumnType::Value(ValueType::Decimal) => "a number".to_owned(),
        ColumnType::Decimal(size) => decimal("a number", *size),
        ColumnType::Value(ValueType::Boolean) => "TRUE or FALSE".to_owned(),
        ColumnType::Value(ValueType::Date(_)) => "a date".to_owned(),
        ColumnType::Value(ValueType::Datetime(_)) => "a date with a time, in UTC".to_owned(),
    };
    facts.push(typed("text", types, kind));
    if !widths.is_empty() {
        let width = |ColumnWidth { column, characters }: &ColumnWidth| format!("{:?}: {characters}", column.name);
        facts.push(Fact::list("The widths of columns, in characters:", widths.iter().map(width)));
    }
    facts
}

/// Returns a kind of decimals with its size.
pub(super) fn decimal(kind: &str, DecimalSize { precision, scale }: DecimalSize) -> String {
    format!("{kind} of {precision} digits, {scale} of them after the point")
}

fn typed(other: &str, ColumnTypes { typed, masked: _ }: &ColumnTypes, kind: impl Fn(&ColumnType) -> String) -> Fact {
    if typed.is_empty() {
        return Fact::new(format!("All columns are {other}; an empty cell is null."));
    }
    let of_column = |TypedColumn { column, column_type, at: _ }: &TypedColumn| {
        format!("{:?} is {}", column.name, kind(column_type))
    };
    Fact::list(format!("All columns are {other}, but for these; an empty cell is null."), typed.iter().map(of_column))
}

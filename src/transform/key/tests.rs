use std::cmp::Ordering;

use super::*;
use crate::expr::time::TimeFormat;
use crate::pipeline::value_type::TimeFormatText;

fn key(value_type: &ValueType, direction: Direction, nulls: NullsPosition, cell: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Encoder::new(value_type, direction, nulls).append(cell.as_bytes(), &mut out).unwrap_or_else(|what| {
        panic!("{cell:?} {what}");
    });
    out
}

/// Cells in strictly ascending order, by type.
fn ascending() -> Vec<(ValueType, Vec<&'static str>)> {
    let format = |text| Some(TimeFormatText(TimeFormat::compile(text).unwrap()));
    vec![
        (
            ValueType::Text,
            vec!["\0", "\0\0", "\0\u{1}", "\u{1}", "\u{1}\0", "\u{2}", " ", "A", "AB", "B", "a", "é", "\u{10FFFF}"],
        ),
        (
            ValueType::Integer,
            vec![
                "-9223372036854775808",
                "-9223372036854775807",
                "-65536",
                "-257",
                "-256",
                "-255",
                "-1",
                "0",
                "1",
                "9",
                "10",
                "0255",
                "256",
                "257",
                "65535",
                "65536",
                "9223372036854775807",
            ],
        ),
        (
            ValueType::Decimal,
            vec![
                "-99999999999999999999999999999999999999",
                "-100.01",
                "-100",
                "-10.5",
                "-10",
                "-9.99",
                "-9.9",
                "-1.01",
                "-1",
                "-0.5",
                "-0.05",
                "-0.00000000000000000000000000000000000001",
                "0",
                "0.00000000000000000000000000000000000001",
                "0.01",
                "0.05",
                "0.1",
                "0.11",
                "0.5",
                "1",
                "1.01",
                "1.1",
                "9.9",
                "9.99",
                "10",
                "10.5",
                "12",
                "12.3",
                "12.34",
                "100",
                "100.01",
                "120",
                "99999999999999999999999999999999999999",
            ],
        ),
        (ValueType::Boolean, vec!["false", "true"]),
        (
            ValueType::Date(None),
            vec!["0001-01-01", "1969-12-31", "1970-01-01", "2024-02-29", "2024-03-01", "9999-12-31"],
        ),
        (ValueType::Date(format("%m/%d/%Y")), vec!["12/31/0001", "02/29/2024", "03/01/2024", "01/01/2025"]),
        (
            ValueType::Datetime(None),
            vec![
                "0001-01-01 00:00:00",
                "1969-12-31T23:59:59.999999999Z",
                "1970-01-01",
                "2024-02-29 10:00:00+02:00",
                "2024-02-29 08:00:00.000000001",
                "2024-02-29 08:00:00.5",
                "2024-02-29 08:00:01",
                "9999-12-31 23:59:59",
            ],
        ),
        (
            ValueType::Datetime(format("%d.%m.%Y %H:%M")),
            vec!["31.01.2024 23:59", "01.02.2024 00:00", "01.02.2024 12:00"],
        ),
    ]
}

#[test]
fn bytes_are_in_the_order_of_the_values_in_both_directions_with_nulls_on_either_side() {
    for (value_type, cells) in ascending() {
        for (a, one) in cells.iter().enumerate() {
            for (b, other) in cells.iter().enumerate() {
                let compare = |direction| {
                    let key = |cell| key(&value_type, direction, NullsPosition::Last, cell);
                    let (one, other) = (key(one), key(other));
                    assert!(a == b || !other.starts_with(&one), "{value_type:?}: {:?}, {:?}", cells[a], cells[b]);
                    one.cmp(&other)
                };
                assert_eq!(compare(Direction::Ascending), a.cmp(&b), "{value_type:?}: {one:?}, {other:?}");
                assert_eq!(compare(Direction::Descending), b.cmp(&a), "{value_type:?}: {one:?}, {other:?}");
            }
            for direction in [Direction::Ascending, Direction::Descending] {
                let null_to =
                    |nulls| key(&value_type, direction, nulls, "").cmp(&key(&value_type, direction, nulls, one));
                assert_eq!(null_to(NullsPosition::First), Ordering::Less, "{value_type:?}: {one:?}");
                assert_eq!(null_to(NullsPosition::Last), Ordering::Greater, "{value_type:?}: {one:?}");
            }
        }
    }
}

#[test]
fn equal_values_have_equal_bytes() {
    for (value_type, one, other) in [
        (ValueType::Integer, "7", " +007 "),
        (ValueType::Decimal, "7", "7.000"),
        (ValueType::Decimal, "-0.0", "0"),
        (ValueType::Decimal, "1200", "1200.0"),
        (ValueType::Boolean, "Yes", "1"),
        (ValueType::Datetime(None), "2024-02-29T10:00+02:00", "2024-02-29 08:00:00.0"),
        (ValueType::Datetime(None), "2024-02-29", "2024-02-29 00:00:00"),
    ] {
        let key = |cell| key(&value_type, Direction::Ascending, NullsPosition::First, cell);
        assert_eq!(key(one), key(other), "{value_type:?}: {one:?}, {other:?}");
    }
}

#[test]
fn cells_of_another_type_are_errors() {
    let format = TimeFormatText(TimeFormat::compile("%m/%d/%Y").unwrap());
    for (value_type, cell, expected) in [
        (ValueType::Integer, "1.5", "is not a whole number of 64 bits"),
        (ValueType::Integer, "9223372036854775808", "is not a whole number of 64 bits"),
        (ValueType::Decimal, "1e3", "is not a decimal number of up to 38 digits, without an exponent"),
        (ValueType::Boolean, "maybe", "is not true or false"),
        (ValueType::Date(None), "2024-02-30", "is not a date (YYYY-MM-DD)"),
        (ValueType::Date(None), "2024-02-28 00:00:00", "is not a date (YYYY-MM-DD)"),
        (ValueType::Datetime(None), "yesterday", "is not a date with a time (YYYY-MM-DD HH:MM:SS)"),
        (ValueType::Date(Some(format)), "2024-02-28", "does not have the format \"%m/%d/%Y\": "),
    ] {
        let mut encoder = Encoder::new(&value_type, Direction::Ascending, NullsPosition::First);
        let what = encoder.append(cell.as_bytes(), &mut Vec::new()).unwrap_err();
        assert!(what.starts_with(expected), "{cell:?} {what}");
    }
}

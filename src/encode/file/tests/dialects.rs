//! Dialects without quotes, with escapes, and with numbers and empty cells of their own, written by hand.

use super::*;
use crate::pipeline::plan::{Escape, EscapedLineEnds};

const LETTERS: Escape = Escape { character: b'\\', line_ends: EscapedLineEnds::Letters };

fn oracle() -> CsvDialect {
    CsvDialect { delimiter: b'|', quote: QuoteStyle::Never, escape: Some(LETTERS), header: Header::None, ..PLAIN }
}

/// Returns the error of a row.
fn fault(dialect: &CsvDialect, cells: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut file = create(&folder.path().join("artifact"), dialect, &["a", "b", "c"][..cells.len()], None).unwrap();
    write(&mut file, cells).unwrap_err().to_string()
}

#[test]
fn oracle_hcm_is_never_quoted_and_escaped_by_a_backslash() {
    check(&oracle(), &["a|b", "c\\d", "say \"hi\""], "a\\|b|c\\\\d|say \"hi\"\n");
    check(&oracle(), &["", "two\r\nlines", ""], "|two\\r\\nlines|\n");
    check(&oracle(), &["López-Núñez", "李", "007"], "López-Núñez|李|007\n");
    let kept = Escape { line_ends: EscapedLineEnds::Kept, ..LETTERS };
    check(&CsvDialect { escape: Some(kept), ..oracle() }, &["two\nlines"], "two\\\nlines\n");
}

#[test]
fn without_an_escape_what_needs_quotes_is_an_error() {
    let never = CsvDialect { escape: None, ..oracle() };
    check(&never, &["López-Núñez", "c\\d", ""], "López-Núñez|c\\d|\n");
    let place = "record 1 (line 2), column \"b\": ";
    let start =
        |value: &str, what: &str| format!("{place}{value:?} contains {what}, and `quote: never` cannot protect it");
    assert!(
        fault(&never, &["x", "a|b"]).starts_with(&start("a|b", "the delimiter")),
        "{}",
        fault(&never, &["x", "a|b"])
    );
    assert!(fault(&never, &["x", "a\"b"]).starts_with(&start("a\"b", "a quote")));
    assert!(fault(&never, &["x", "a\nb"]).starts_with(&start("a\nb", "a line end")));
    assert!(fault(&never, &["x", "a\rb"]).ends_with("(artifact.csv)"));
    assert!(fault(&never, &[""]).contains("alone in its record"));
    check(&CsvDialect { null_text: "-".to_owned(), ..never }, &[""], "-\n");
}

#[test]
fn sap_records_end_with_a_text_that_no_cell_contains() {
    let sap = CsvDialect {
        escape: None,
        header: Header::Upper,
        record_end: RecordEnd::Text("!##!\r\n".to_owned()),
        ..oracle()
    };
    check(&sap, &["a!", "two\nlines", "C#!"], "A|B|C!##!\r\na!|two\nlines|C#!!##!\r\n");
    assert!(fault(&sap, &["x", "a!##!b"]).contains("column \"b\": \"a!##!b\" contains `record_end`"));
    let hashes = CsvDialect { record_end: RecordEnd::Text("##\n".to_owned()), header: Header::None, ..sap };
    check(&hashes, &["C#", "x"], "C#|x##\n");
    let hashes = CsvDialect { record_end: RecordEnd::Text("##".to_owned()), ..hashes };
    assert!(fault(&hashes, &["x", "C#"]).contains("column \"b\": \"C#\" ends as `record_end` begins"));
}

#[test]
fn texts_have_quotes_and_numbers_have_none() {
    let text = CsvDialect { quote: QuoteStyle::Text, ..PLAIN };
    check(&text, &["1.5", "007", ""], "\"a\",\"b\",\"c\"\n1.5,\"007\",\n");
    check(&text, &["-1e5", "a\"b", "x,y"], "\"a\",\"b\",\"c\"\n-1e5,\"a\"\"b\",\"x,y\"\n");
    check(&text, &[""], "\"a\"\n\"\"\n");
}

#[test]
fn empty_cells_and_decimals_are_written_as_the_reader_wants() {
    let null = CsvDialect { null_text: "NULL".to_owned(), header: Header::None, ..PLAIN };
    check(&null, &["", "NULL", "x"], "NULL,\"NULL\",x\n");
    check(&CsvDialect { quote: QuoteStyle::Always, ..null.clone() }, &["", "NULL", "x"], "NULL,\"NULL\",\"x\"\n");
    assert!(fault(&CsvDialect { quote: QuoteStyle::Never, ..null.clone() }, &["NULL"]).contains("`null_text`"));
    let mysql = CsvDialect { null_text: "\\N".to_owned(), escape: Some(LETTERS), delimiter: b'\t', ..null };
    check(&mysql, &["", "\\N", "a\tb"], "\\N\t\"\\\\N\"\t\"a\tb\"\n");
    check(&mysql, &["say \"hi\""], "\"say \\\"hi\\\"\"\n");
    let comma = CsvDialect { decimal: DecimalPoint::Comma, delimiter: b';', header: Header::None, ..PLAIN };
    check(&comma, &["1.50", "1.2.3", "007.5"], "1,50;1.2.3;007.5\n");
    check(&CsvDialect { delimiter: b',', ..comma }, &["1.50", "-0.1e5", "1"], "\"1,50\",\"-0,1e5\",1\n");
}

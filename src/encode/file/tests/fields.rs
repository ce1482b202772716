//! Fixed-width records and encodings, written by hand from what readers specify.

use std::path::PathBuf;

use super::*;
use crate::expr::Expr;
use crate::pipeline::plan::{
    Align, Charset, EncodedFormat, FieldValue, FixedField, FixedFormat, Overflow, Unmappable, WidthUnit,
};
use crate::yaml::problem::Place;

pub(super) fn value(text: &str, index: usize) -> FieldValue {
    let key = format!("artifact.fixed.fields[{index}].value");
    let at = Place { file: Arc::new(PathBuf::from("p.yaml")), line: 1, column: 1, span: 0..0, key };
    let expr = Expr::parse(text).unwrap();
    let column = expr.columns().next().unwrap_or(text).to_owned();
    FieldValue { at, expr, column, is_masked: false }
}

/// Parses fields: a width, `<` or `>`, the fill, `!` for fail or `~` for cut, and the expression: `10<_!name`.
pub(super) fn fixed_fields(fields: &[&str]) -> Vec<FixedField> {
    let field = |(index, text): (usize, &&str)| {
        let (width, rest) = text.split_at(text.find(['<', '>']).unwrap());
        let mut chars = rest.chars();
        let align = if chars.next() == Some('<') { Align::Left } else { Align::Right };
        let fill = chars.next().unwrap();
        let overflow = if chars.next() == Some('!') { Overflow::Fail } else { Overflow::Cut };
        FixedField { value: value(chars.as_str(), index), width: width.parse().unwrap(), align, fill, overflow }
    };
    fields.iter().enumerate().map(field).collect()
}

fn fixed(fields: &[&str]) -> FixedFormat {
    FixedFormat { record_end: RecordEnd::CrLf, unit: WidthUnit::Characters, fields: fixed_fields(fields) }
}

/// Returns the artifact of some rows of columns `a`, `b` and `c`.
pub(super) fn written(format: &Format, rows: &[&[&str]]) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("artifact");
    let columns = &["a", "b", "c"][..rows.first().map_or(3, |row| row.len())];
    let mut file = create_in(&path, format, columns, None).map_err(|error| error.to_string())?;
    for row in rows {
        write(&mut file, row).map_err(|error| error.to_string())?;
    }
    file.finish(|_| Ok(String::new())).map_err(|error| error.to_string())?;
    Ok(std::fs::read(path).unwrap())
}

pub(super) fn text(format: &Format, rows: &[&[&str]]) -> String {
    written(format, rows).map_or_else(|error| error, |bytes| String::from_utf8(bytes).unwrap())
}

fn encoded(format: Format, charset: &str, unmappable: Unmappable) -> Format {
    let charset = Charset::of_name(charset).unwrap();
    Format::Encoded(Box::new(EncodedFormat { format, charset, unmappable }))
}

#[test]
fn a_ce_broker_provider_record_has_exactly_100_characters() {
    let provider = Format::Fixed(fixed(&["1< !'1'", "3< !'50-'", "9>0!a", "80< !b", "7< !''"]));
    let record = text(&provider, &[&["12345", "Health Academy, Inc."]]);
    let name = "Health Academy, Inc.".to_owned() + &" ".repeat(60);
    assert_eq!(record, format!("150-000012345{name}{}\r\n", " ".repeat(7)));
    assert_eq!(record.trim_end_matches("\r\n").chars().count(), 100);
    let long = "x".repeat(81);
    let error = text(&provider, &[&["12345", "ok"], &["12345", &long]]);
    let shown = "x".repeat(39) + "…";
    let what = "has 81 characters, and its field has 80 (artifact.fixed.fields[3])";
    assert_eq!(error, format!("record 1 (line 2), column \"b\": {shown:?} {what}"));
}

#[test]
fn an_avetmiss_field_is_left_with_spaces_or_right_with_zeros() {
    let nat = Format::Fixed(fixed(&["10< !a", "4>0!b", "8< !c"]));
    assert_eq!(text(&nat, &[&["00123", "7", "05012026"]]), "00123     000705012026\r\n");
    assert_eq!(text(&nat, &[&["", "", ""]]), format!("{}\r\n", " ".repeat(22)), "an empty cell is no zero");
    assert_eq!(text(&nat, &[&["0123456789", "1234", "05012026"]]), "0123456789123405012026\r\n", "exactly full");
    let error = text(&nat, &[&["1", "12345", "05012026"]]);
    assert!(error.contains("column \"b\": \"12345\" has 5 characters, and its field has 4"), "{error}");
    let error = text(&nat, &[&["1", "-12", "05012026"]]);
    assert!(error.contains("\"-12\" has a sign"), "{error}");
    let error = text(&nat, &[&["two\nlines", "1", "05012026"]]);
    assert!(error.contains("contains a line end"), "{error}");
    let error = text(&Format::Fixed(fixed(&["3>0!cast(a as integer)"])), &[&["x"]]);
    assert_eq!(
        error,
        "record 1 (line 2), column \"a\": \"x\" is not a valid integer of 64 bits (artifact.fixed.fields[0])"
    );
    let error = text(&Format::Fixed(fixed(&["3>0!d"])), &[&["x"]]);
    assert!(error.contains("there is no column \"d\""), "{error}");
}

#[test]
fn widths_are_in_characters_or_bytes() {
    let cut = |unit| Format::Fixed(FixedFormat { unit, record_end: RecordEnd::Lf, ..fixed(&["5<.~a", "3>.~b"]) });
    assert_eq!(text(&cut(WidthUnit::Characters), &[&["López-Núñez", "李"]]), "López..李\n");
    assert_eq!(text(&cut(WidthUnit::Bytes), &[&["López-Núñez", "李"]]), "Lópe李\n");
    assert_eq!(text(&cut(WidthUnit::Bytes), &[&["1234é", "李李"]]), "1234.李\n", "no half characters");
    let latin = encoded(cut(WidthUnit::Characters), "iso-8859-1", Unmappable::Fail);
    assert_eq!(written(&latin, &[&["é", "ñ"]]).unwrap(), b"\xE9......\xF1\n");
}

#[test]
fn charsets_have_their_bytes_and_lack_characters() {
    let csv = || Format::Csv(CsvDialect { header: Header::None, ..PLAIN });
    let rows: &[&[&str]] = &[&["López-Núñez", "x,y"]];
    let latin = encoded(csv(), "iso-8859-1", Unmappable::Fail);
    assert_eq!(written(&latin, rows).unwrap(), b"L\xF3pez-N\xFA\xF1ez,\"x,y\"\n");
    let error = text(&latin, &[&["5 €", "x"]]);
    let what = "cannot be written in iso-8859-1: its character 3 is not in it (artifact.encoding)";
    assert_eq!(error, format!("record 1 (line 2), column \"a\": \"5 €\" {what}"));
    assert_eq!(written(&encoded(csv(), "windows-1252", Unmappable::Fail), &[&["5 €"]]).unwrap(), b"5 \x80\n");
    assert_eq!(written(&encoded(csv(), "iso-8859-15", Unmappable::Fail), &[&["5 €"]]).unwrap(), b"5 \xA4\n");
    let replaced = encoded(csv(), "us-ascii", Unmappable::Replace);
    assert_eq!(text(&replaced, &[&["López", "李"]]), "L?pez,?\n");
    let ascii = encoded(csv(), "us-ascii", Unmappable::Transliterate);
    assert_eq!(text(&ascii, &[&["López-Núñez", "李小龙", "Straße"]]), "Lopez-Nunez,Li Xiao Long,Strasse\n");
    assert_eq!(text(&ascii, &[&["a，b", "“x”"]]), "\"a,b\",\"\"\"x\"\"\"\n", "what comes of it is quoted");
    let latin = encoded(csv(), "iso-8859-1", Unmappable::Transliterate);
    assert_eq!(written(&latin, &[&["López", "Łódź"]]).unwrap(), b"L\xF3pez,L\xF3dz\n", "only what it lacks");
}

#[test]
fn utf_16_has_every_character_and_its_byte_order_mark() {
    let csv = || Format::Csv(CsvDialect { bom: true, ..PLAIN });
    let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
    let expected = units("\u{feff}a\n李😀\n");
    let little: Vec<u8> = expected.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = expected.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    assert_eq!(written(&encoded(csv(), "utf-16le", Unmappable::Fail), &[&["李😀"]]).unwrap(), little);
    assert_eq!(written(&encoded(csv(), "utf-16be", Unmappable::Fail), &[&["李😀"]]).unwrap(), big);
}

#[test]
fn a_header_that_the_charset_lacks_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let format = |unmappable| encoded(Format::Csv(PLAIN), "us-ascii", unmappable);
    let path = folder.path().join("artifact");
    let error = create_in(&path, &format(Unmappable::Fail), &["Größe"], None).err().unwrap();
    assert_eq!(error.to_string(), "the column \"Größe\" has 'ö' (U+00F6), which us-ascii lacks (artifact.encoding)");
    let file = create_in(&path, &format(Unmappable::Transliterate), &["Größe"], None).unwrap();
    file.finish(|_| Ok(String::new())).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), b"Grosse\n");
}

//! Parquet and XLSX as pyarrow and openpyxl read them.

use serde_json::{Value, json};

use super::{Folder, ask_python};

/// The schema, the number of row groups, and the values as texts.
const READ_PARQUET: &str = "
import pyarrow.parquet as parquet
file = parquet.ParquetFile(question)
table = file.read()
values = [[None if value is None else str(value) for value in column.to_pylist()] for column in table.columns]
print(json.dumps({
    'types': {field.name: str(field.type) for field in table.schema},
    'groups': [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)],
    'compression': file.metadata.row_group(0).column(0).compression if file.num_row_groups else None,
    'columns': dict(zip(table.column_names, values)),
}))";

/// The cells: type, value as a text, and format. openpyxl leaves the escapes of the standard (`_x0001_`) to its callers.
const READ_XLSX: &str = "
import openpyxl
from openpyxl.utils.escape import unescape
def text(value):
    return None if value is None else unescape(value) if isinstance(value, str) else str(value)
book = openpyxl.load_workbook(question)
[sheet] = book.worksheets
cells = [[[cell.data_type, text(cell.value), cell.number_format] for cell in row] for row in sheet.iter_rows()]
print(json.dumps({
    'sheet': sheet.title,
    'bold': [bool(cell.font.b) for cell in sheet[1]],
    'widths': {key: round(column.width) for key, column in sheet.column_dimensions.items()},
    'cells': cells,
    'created': str(book.properties.created),
}))";

const ROWS: &str = "\
id,score,hours,done,at,passed,count
007,98.5,1.25,01/31/2026,2026-01-31 08:00:00.123456,yes,3
,,,,,,
\"Ünïcode, \"\"x\"\"\",-0.000000001,-99.99,12/31/1899,1969-12-31T23:00:00+02:00,false,-9223372036854775808
last,12345678901234567890123456789.5,0.5,02/29/2024,9999-12-31 23:59:59,0,0
";

const WAREHOUSE: &str = "
  types:
    score: decimal
    hours: {decimal: {precision: 4, scale: 2}}
    done: {date: \"%m/%d/%Y\"}
    at: datetime
    passed: boolean
    count: integer
";

fn warehouse(parquet: &str, more: &str) -> Folder {
    Folder::new(&format!("artifact:\n  name: drop.parquet{more}{WAREHOUSE}  parquet: {parquet}\n"), ROWS)
}

fn read(folder: &Folder, script: &str, name: &str) -> Value {
    ask_python(script, &json!(folder.path("out").join(name)))
}

#[test]
fn a_warehouse_reads_types_and_values() {
    let folder = warehouse("{row_group: 3}", "");
    let bytes = folder.delivered("drop.parquet");
    let found = read(&folder, READ_PARQUET, "drop.parquet");
    let types = json!({
        "id": "string", "score": "decimal128(38, 9)", "hours": "decimal128(4, 2)", "done": "date32[day]",
        "at": "timestamp[us, tz=UTC]", "passed": "bool", "count": "int64",
    });
    assert_eq!(found["types"], types);
    assert_eq!((&found["groups"], &found["compression"]), (&json!([3, 1]), &json!("ZSTD")));
    let columns = json!({
        "id": ["007", null, "Ünïcode, \"x\"", "last"],
        "score": ["98.500000000", null, "-1E-9", "12345678901234567890123456789.500000000"],
        "hours": ["1.25", null, "-99.99", "0.50"],
        "done": ["2026-01-31", null, "1899-12-31", "2024-02-29"],
        "at": [
            "2026-01-31 08:00:00.123456+00:00", null, "1969-12-31 21:00:00+00:00", "9999-12-31 23:59:59+00:00",
        ],
        "passed": ["True", null, "False", "False"],
        "count": ["3", null, "-9223372036854775808", "0"],
    });
    assert_eq!(found["columns"], columns);
    assert_eq!(warehouse("{row_group: 3}", "").delivered("drop.parquet"), bytes, "equal rows give equal bytes");
    for (compression, name) in [("gzip", "GZIP"), ("none", "UNCOMPRESSED")] {
        let folder = warehouse(&format!("{{compression: {compression}}}"), "");
        folder.delivered("drop.parquet");
        let found = read(&folder, READ_PARQUET, "drop.parquet");
        assert_eq!((&found["groups"], &found["compression"]), (&json!([4]), &json!(name)));
        assert_eq!(found["columns"], columns);
    }
}

#[test]
fn many_rows_are_in_order_in_groups_of_bounded_bytes() {
    let text = "x".repeat(400);
    let rows: String = (0..50_000).map(|row| format!("{row},{text}{row}\n")).collect();
    let keys = "artifact: {name: a.parquet, types: {n: integer}, parquet: {}}\n";
    let folder = Folder::new(keys, &format!("n,t\n{rows}"));
    folder.delivered("a.parquet");
    let found = read(&folder, READ_PARQUET, "a.parquet");
    let numbers: Vec<String> = (0..50_000).map(|row| row.to_string()).collect();
    assert_eq!(found["columns"]["n"], json!(numbers));
    let texts: Vec<String> = numbers.iter().map(|row| format!("{text}{row}")).collect();
    assert_eq!(found["columns"]["t"], json!(texts));
    assert!(
        found["groups"].as_array().unwrap().len() > 1,
        "20 MB of values are more than one group: {}",
        found["groups"]
    );
}

#[test]
fn files_without_rows_have_columns() {
    for format in ["parquet", "xlsx"] {
        let when_empty = "expect: {when_empty: send}\n";
        let keys = format!("{when_empty}artifact: {{name: a.{format}, types: {{n: integer}}, {format}: {{}}}}\n");
        let folder = Folder::new(&keys, "n,t\n");
        folder.delivered(&format!("a.{format}"));
        match format {
            "parquet" => {
                let found = read(&folder, READ_PARQUET, "a.parquet");
                assert_eq!(found["types"], json!({"n": "int64", "t": "string"}));
            }
            _ => {
                let cells = read(&folder, READ_XLSX, "a.xlsx")["cells"].clone();
                assert_eq!((&cells[0][0][1], &cells[0][1][1], &cells[1]), (&json!("n"), &json!("t"), &Value::Null));
            }
        }
    }
}

#[test]
fn files_are_compressed_and_encrypted_as_others() {
    let script = "
import pyrage
identity = pyrage.x25519.Identity.generate()
print(json.dumps([str(identity), str(identity.to_public())]))";
    let keys = ask_python(script, &Value::Null);
    let (secret, public) = (keys[0].as_str().unwrap(), keys[1].as_str().unwrap());
    let encrypt = format!("\n  compress: gzip\n  encrypt: {{age: {{to: [{public}]}}}}");
    let open = "
import gzip, pyrage
path, secret = question
data = pyrage.decrypt(open(path, 'rb').read(), [pyrage.x25519.Identity.from_str(secret)])
open(path, 'wb').write(gzip.decompress(data))
print('null')";
    let folder = warehouse("{}", &encrypt);
    folder.delivered("drop.parquet");
    ask_python(open, &json!([folder.path("out/drop.parquet"), secret]));
    assert_eq!(read(&folder, READ_PARQUET, "drop.parquet")["groups"], json!([4]));
    let folder = Folder::new(&format!("artifact:\n  name: a.xlsx{encrypt}\n  xlsx: {{}}\n"), "id\n007\n");
    folder.delivered("a.xlsx");
    ask_python(open, &json!([folder.path("out/a.xlsx"), secret]));
    assert_eq!(read(&folder, READ_XLSX, "a.xlsx")["cells"][1], json!([["s", "007", "@"]]));
}

#[test]
fn a_roster_is_read_by_a_spreadsheet() {
    let rows = "\
license,name,course,hours,completed,count,passed,started
007123,\"=HYPERLINK(\"\"http://x\"\")\",20-1,1.50,01/31/2026,3,yes,2026-01-31 08:30:15
000001,_x0041_ \u{fc} <&> \u{1},,,,,,
  spaced ,\"line\nend\",1e5,12.25,01/01/1900,-4,no,1900-03-01 12:00
";
    let keys = "
artifact:
  name: roster.xlsx
  types:
    hours: {decimal: {precision: 6, scale: 2}}
    completed: {date: \"%m/%d/%Y\"}
    count: integer
    passed: boolean
    started: datetime
  xlsx: {sheet: Roster, header: {bold: true}, widths: {name: 40}}
";
    let folder = Folder::new(keys, rows);
    let bytes = folder.delivered("roster.xlsx");
    let found = read(&folder, READ_XLSX, "roster.xlsx");
    assert_eq!(found["sheet"], "Roster");
    assert_eq!(found["bold"], json!([true, true, true, true, true, true, true, true]));
    assert_eq!(found["widths"]["B"].as_f64().map(f64::round), Some(41.0), "{}", found["widths"]);
    let rows = json!([
        [
            ["s", "007123", "@"],
            ["s", "=HYPERLINK(\"http://x\")", "@"],
            ["s", "20-1", "@"],
            ["n", "1.5", "0.00"],
            ["d", "2026-01-31 00:00:00", "yyyy-mm-dd"],
            ["n", "3", "0"],
            ["b", "True", "General"],
            ["d", "2026-01-31 08:30:15", "yyyy-mm-dd hh:mm:ss"],
        ],
        [["s", "000001", "@"], ["s", "_x0041_ \u{fc} <&> \u{1}", "@"]],
        [
            ["s", "  spaced ", "@"],
            ["s", "line\nend", "@"],
            ["s", "1e5", "@"],
            ["n", "12.25", "0.00"],
            ["d", "1900-01-01 00:00:00", "yyyy-mm-dd"],
            ["n", "-4", "0"],
            ["b", "False", "General"],
            ["d", "1900-03-01 12:00:00", "yyyy-mm-dd hh:mm:ss"],
        ],
    ]);
    for (index, expected) in rows.as_array().unwrap().iter().enumerate() {
        let row = &found["cells"][index + 1];
        let written = expected.as_array().unwrap().len();
        assert_eq!(json!(row.as_array().unwrap()[..written]), *expected, "row {index}");
        assert!(row.as_array().unwrap()[written..].iter().all(|cell| cell[1].is_null()), "{row}");
    }
    assert_eq!(found["created"], "2000-01-01 00:00:00");
    let again = Folder::new(keys, &std::fs::read_to_string(folder.path("rows.csv")).unwrap());
    assert_eq!(again.delivered("roster.xlsx"), bytes, "equal rows give equal bytes");
    assert!(std::fs::read_dir(folder.path("out")).unwrap().count() == 1);
}

#[test]
fn values_that_do_not_fit_end_the_run() {
    let fails = |keys: &str, cell: &str, expected: &str| {
        let folder = Folder::new(keys, &format!("id,v\n1,ok\n2,{cell}\n").replace(",ok\n", ",\n"));
        let failure = folder.failure();
        assert!(failure.contains(expected), "{keys} {cell}: {failure}");
        assert!(failure.contains("line 3"), "{failure}");
    };
    let of = |format: &str, kind: &str| format!("artifact: {{name: a.b, types: {{v: {kind}}}, {format}: {{}}}}\n");
    for format in ["parquet", "xlsx"] {
        fails(&of(format, "integer"), "1.5", "is not a whole number");
        fails(&of(format, "integer"), "1.5", "artifact.types.v");
        fails(&of(format, "decimal"), "1e5", "is not a decimal number");
        fails(&of(format, "boolean"), "maybe", "is not true or false");
        fails(&of(format, "date"), "01/31/2026", "is not a date (YYYY-MM-DD)");
        fails(&of(format, "datetime"), "today", "is not a date with a time");
        fails(&of(format, "{decimal: {precision: 4, scale: 2}}"), "1.005", "more than 2 digits after the point");
        fails(&of(format, "{decimal: {precision: 4, scale: 2}}"), "100", "more than 2 digits before the point");
    }
    fails(&of("parquet", "decimal"), "0.0000000001", "more than 9 digits after the point");
    fails(&of("parquet", "datetime"), "2026-01-31 08:00:00.1234567", "finer than a microsecond");
    fails(&of("xlsx", "integer"), "1234567890123456", "more than the 15 digits");
    fails(&of("xlsx", "decimal"), "0.1234567890123456", "more than the 15 digits");
    fails(&of("xlsx", "date"), "1899-12-31", "is before 1900");
    fails(&of("xlsx", "text"), &"x".repeat(32_768), "32767 at most");
    let masked = "transform:\n  - set: {v: \"id || '-secret'\"}\n  - mask: {id: redact}\n";
    let keys = format!("{masked}{}", of("parquet", "integer"));
    let failure = Folder::new(&keys, "id,v\nA1,\n").failure();
    assert!(failure.contains("(masked)") && !failure.contains("A1-secret"), "{failure}");
}

#[test]
fn a_plan_refuses_what_tables_cannot_be() {
    let finds = |artifact: &str, expected: &str| {
        let found = Folder::new(&format!("artifact: {{name: \"a.b\", {artifact}}}\n"), "id\n1\n").problems();
        let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(found.replace("│ ", "").contains(expected), "{artifact}: {found}");
    };
    finds("parquet: {}, xlsx: {}", "mutually exclusive");
    finds("parquet: {}, csv: {}", "mutually exclusive");
    finds("parquet: {}, split: {rows: 5}", "cannot be split");
    finds("xlsx: {}, split: {rows: 5}", "cannot be split");
    finds("xlsx: {}, encoding: us-ascii", "UTF-8");
    finds("xlsx: {sheet: \"a/b\"}", "cannot have '/'");
    finds("xlsx: {sheet: \"12345678901234567890123456789012\"}", "longer than the 31 characters");
    finds("parquet: {}, types: {v: {decimal: {precision: 2, scale: 3}}}", "cannot have 3 of them");
    finds("csv: {}, types: {id: integer}", "`types` are for");
}

#[test]
fn a_preview_shows_no_bytes_of_a_table() {
    for format in ["parquet", "xlsx"] {
        let folder = Folder::new(&format!("artifact: {{name: a.{format}, {format}: {{}}}}\n"), "id\n007\n");
        let output = folder.call(&["preview", "tree"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && text.contains("007") && !text.contains("PAR1") && !text.contains("PK"),
            "{text}"
        );
    }
}

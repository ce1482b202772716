use super::*;
use crate::encode::{FileGroup, GroupFile, RowsPlace};
use crate::pipeline::plan::{CsvDialect, QuoteStyle, RecordEnd};

fn batches(text: &str, header: bool, rows: usize, bytes: usize) -> Vec<String> {
    batched(text, header, rows, bytes, None)
}

fn batched(text: &str, header: bool, rows: usize, bytes: usize, set: Option<FileGroup>) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let dialect = CsvDialect {
        delimiter: b';',
        quote: QuoteStyle::Necessary,
        record_end: RecordEnd::CrLf,
        header: if header { Header::Names } else { Header::None },
        ..CsvDialect::default()
    };
    let artifact = Artifact {
        path: file.path().to_owned(),
        name: "a.csv".to_owned(),
        bytes: text.len() as u64,
        sha256: String::new(),
        rows: 0,
        columns: vec!["id".to_owned(), "na\"me".to_owned()],
        rows_in: RowsPlace::Artifact(dialect),
        set,
    };
    let batching = Batching { rows, bytes, generation: 1 };
    let count = Batches::count(&artifact, batching, &Content::Envelope(Value::Null), RowSelection::All).unwrap();
    let found: Vec<Batch> = Batches::open(&artifact, batching, &Content::Envelope(Value::Null), RowSelection::All)
        .unwrap()
        .collect::<io::Result<_>>()
        .unwrap();
    assert_eq!(count, found.len() as u64);
    for (index, batch) in found.iter().enumerate() {
        assert_eq!(batch.number, index as u64 + 1);
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&[b"[", &batch.json[..], b"]"].concat()).unwrap();
        assert_eq!(rows.len(), batch.rows);
    }
    found.into_iter().map(|batch| String::from_utf8(batch.json).unwrap()).collect()
}

#[test]
fn the_rows_of_a_set_are_those_of_one_file() {
    let head = "\u{feff}id;name\r\n";
    let rows = ["001;a\r\n", "002;b\r\n003;c\r\n", "", "004;d\r\n"];
    let files: Vec<String> = rows.iter().map(|rows| format!("{head}{rows}")).collect();
    let one = batches(&format!("{head}{}", rows.concat()), true, 100, 1 << 20);
    assert_eq!(batches_of(&files, true, head.len() as u64), one);
    let bare: Vec<String> = rows.iter().map(|rows| (*rows).to_owned()).collect();
    assert_eq!(batches_of(&bare, false, 0), one);
}

fn batches_of(files: &[String], header: bool, head_bytes: u64) -> Vec<String> {
    let set_file =
        |text: &String| GroupFile { name: String::new(), bytes: text.len() as u64, sha256: String::new(), rows: 0 };
    let set = FileGroup { is_archive: false, head_bytes, files: files.iter().map(set_file).collect() };
    batched(&files.concat(), header, 100, 1 << 20, Some(set))
}

#[test]
fn rows_come_in_batches_of_so_many() {
    let text = "\u{feff}id;name\r\n001;\"a;\r\nb\"\r\n002;\r\n003;ü\r\n";
    let rows = [r#"{"id":"001","na\"me":"a;\r\nb"}"#, r#"{"id":"002","na\"me":null}"#, r#"{"id":"003","na\"me":"ü"}"#];
    assert_eq!(batches(text, true, 2, 1 << 20), [format!("{},{}", rows[0], rows[1]), rows[2].to_owned()]);
    assert_eq!(batches(text, true, 3, 1 << 20), [rows.join(",")]);
    assert_eq!(batches(text, true, 100, 1), rows, "a batch holds a row at least");
    let two = rows[0].len() + 1 + rows[1].len();
    assert_eq!(batches(text, true, 100, two), [format!("{},{}", rows[0], rows[1]), rows[2].to_owned()], "the edge");
    assert_eq!(batches(text, true, 100, two - 1).len(), 2);
    assert_eq!(batches("1;2\n", false, 9, 99), [r#"{"id":"1","na\"me":"2"}"#]);
}

#[test]
fn no_rows_are_one_batch() {
    assert_eq!(batches("id;name\n", true, 10, 99), [""]);
    assert_eq!(batches("", false, 10, 99), [""]);
}

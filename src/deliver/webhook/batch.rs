//! The artifact's rows as JSON, in batches: always the same ones, so that acknowledgements stay valid.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::iter::Chain;
use std::option::IntoIter;

use serde_json::{Value, json};

use super::api::RequestRows;
use super::body::Body;
use super::rows::open_rows;
use crate::deliver::Batching;
use crate::deliver::request::DeliveryRequest;
use crate::encode::Artifact;
use crate::pipeline::plan::Header;
use crate::settings::Compress;

/// Bytes of small batches that are prepared together.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// Overhead of a body in that count, which bounds the number of empty ones.
const BODY_OVERHEAD_BYTES: usize = 1024;

/// The rows of one request.
struct Batch {
    /// From 1.
    number: u64,
    rows: usize,
    /// The rows as JSON objects, separated by commas.
    json: Vec<u8>,
    /// The path below the receiver's address.
    path: String,
}

/// The JSON of a row.
#[derive(Clone)]
enum RowWriter {
    /// All columns as an object: `"column":` for each, as JSON.
    Columns(Vec<Vec<u8>>),
    Request(Box<RequestRows>),
}

impl RowWriter {
    fn new(artifact: &Artifact, content: &Content) -> io::Result<Self> {
        let key = |column: &String| {
            let mut key = serde_json::to_vec(column)?;
            key.push(b':');
            Ok(key)
        };
        Ok(match content {
            Content::Request(request) => Self::Request(request.clone()),
            Content::Envelope(_) => {
                Self::Columns(artifact.columns.iter().map(key).collect::<Result<_, serde_json::Error>>()?)
            }
        })
    }

    /// Appends a row. Returns the path of a request that carries it.
    fn row(&mut self, record: &csv::StringRecord, number: u64, json: &mut Vec<u8>) -> io::Result<String> {
        match self {
            Self::Columns(keys) => write_row(json, keys, record).map(|()| String::new()),
            Self::Request(request) => request.row(record, number, json).map_err(io::Error::other),
        }
    }
}

/// The source of bodies.
#[derive(Clone)]
pub(super) enum Content {
    /// The rows in a document about the artifact.
    Envelope(Value),
    Request(Box<RequestRows>),
}

/// The batches of an artifact, read on demand.
struct Batches {
    reader: csv::Reader<Box<dyn Read + Send>>,
    writer: RowWriter,
    /// Rows read.
    read: u64,
    record: csv::StringRecord,
    /// A row that did not fit into the previous batch.
    carried: Vec<u8>,
    rows_max: usize,
    bytes_max: usize,
    number: u64,
    over: bool,
}

impl Batches {
    /// Batches of at most `batching.rows` rows and about `batching.bytes` bytes: a row that would exceed them starts the
    /// next batch, and each batch has at least one row. An artifact without rows is one empty batch, or no request.
    ///
    /// # Errors
    /// The file cannot be opened.
    fn open(artifact: &Artifact, batching: Batching, content: &Content) -> io::Result<Self> {
        let (rows, dialect) = open_rows(artifact)?;
        let reader = csv::ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .has_headers(dialect.header != Header::None)
            .from_reader(rows);
        Ok(Self {
            reader,
            writer: RowWriter::new(artifact, content)?,
            read: 0,
            record: csv::StringRecord::new(),
            carried: Vec::new(),
            rows_max: batching.rows,
            bytes_max: batching.bytes,
            number: 0,
            over: false,
        })
    }

    /// Counts the batches. Reads the whole artifact.
    ///
    /// # Errors
    /// The file cannot be read.
    fn count(artifact: &Artifact, batching: Batching, content: &Content) -> io::Result<u64> {
        let mut count = 0;
        for batch in Self::open(artifact, batching, content)? {
            batch?;
            count += 1;
        }
        Ok(count)
    }

    /// Returns true if nothing is left, as far as is known without reading on.
    fn is_over(&self) -> bool {
        self.over && self.carried.is_empty()
    }

    fn batch(&mut self) -> io::Result<Option<Batch>> {
        let mut json = std::mem::take(&mut self.carried);
        let (mut rows, mut path) = (usize::from(!json.is_empty()), String::new());
        while !self.over && rows < self.rows_max {
            if !self.reader.read_record(&mut self.record)? {
                self.over = true;
                break;
            }
            let start = json.len();
            if rows > 0 {
                json.push(b',');
            }
            self.read += 1;
            path = self.writer.row(&self.record, self.read, &mut json)?;
            if json.len() > self.bytes_max && rows > 0 {
                self.carried = json.split_off(start);
                self.carried.remove(0);
                break;
            }
            rows += 1;
        }
        if rows == 0 && (self.number > 0 || matches!(self.writer, RowWriter::Request(_))) {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Batch { number: self.number, rows, json, path }))
    }
}

impl Iterator for Batches {
    type Item = io::Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over() && self.number > 0 {
            return None;
        }
        self.batch().transpose()
    }
}

/// All cells are text; an empty cell is null, as in expressions.
fn write_row(json: &mut Vec<u8>, keys: &[Vec<u8>], record: &csv::StringRecord) -> io::Result<()> {
    json.push(b'{');
    for (index, (key, cell)) in keys.iter().zip(record).enumerate() {
        if index > 0 {
            json.push(b',');
        }
        json.extend_from_slice(key);
        match cell {
            "" => json.extend_from_slice(b"null"),
            text => serde_json::to_writer(&mut *json, text)?,
        }
    }
    json.push(b'}');
    Ok(())
}

/// The request of a batch, prepared.
pub(super) struct Outgoing {
    pub number: u64,
    pub rows: usize,
    pub path: String,
    pub body: Body,
}

/// Request bodies of batches, prepared ahead of sending.
pub(super) struct BatchReader {
    batches: Chain<IntoIter<io::Result<Batch>>, Batches>,
    content: Content,
    compress: Compress,
    /// Batches that are not sent again, because they are acknowledged.
    acked: BTreeSet<u64>,
    pub total: u64,
}

impl BatchReader {
    /// Opens the artifact and counts its batches. Most artifacts are one batch and are read once. Blocks.
    ///
    /// # Errors
    /// The artifact cannot be read.
    pub(super) fn open(
        artifact: &Artifact,
        batching: Batching,
        content: Content,
        compress: Compress,
        acked: BTreeSet<u64>,
    ) -> io::Result<Self> {
        let mut batches = Batches::open(artifact, batching, &content)?;
        let first = batches.next().transpose()?;
        let total = match (&first, batches.is_over()) {
            (None, _) => 0,
            (Some(_), true) => 1,
            (Some(_), false) => Batches::count(artifact, batching, &content)?,
        };
        Ok(Self { batches: first.map(Ok).into_iter().chain(batches), content, compress, acked, total })
    }

    /// Returns the bodies of the next batches to send (several if they are small), and whether more may follow. Blocks.
    ///
    /// # Errors
    /// The artifact cannot be read.
    pub(super) fn read_ahead(&mut self) -> io::Result<(Vec<Outgoing>, bool)> {
        let (mut bodies, mut bytes) = (Vec::new(), 0);
        while bytes < READ_AHEAD_BYTES {
            let Some(batch) = self.batches.next().transpose()? else { return Ok((bodies, false)) };
            if self.acked.contains(&batch.number) {
                continue;
            }
            let body = self.body(&batch)?;
            bytes += body.len() + BODY_OVERHEAD_BYTES;
            let body = Body::in_memory(body, self.compress)?;
            bodies.push(Outgoing { number: batch.number, rows: batch.rows, path: batch.path, body });
        }
        Ok((bodies, true))
    }

    fn body(&mut self, batch: &Batch) -> io::Result<Vec<u8>> {
        let envelope = match &mut self.content {
            Content::Request(request) => return Ok(request.body(&batch.json)),
            Content::Envelope(envelope) => envelope,
        };
        envelope["data"]["batch"] = json!({"number": batch.number, "of": self.total, "rows": batch.rows});
        let mut body = serde_json::to_vec(envelope)?;
        // Appends the rows as text: they are JSON already, and may be large.
        body.truncate(body.len() - 2);
        body.reserve(batch.json.len() + 16);
        body.extend_from_slice(b",\"rows\":[");
        body.extend_from_slice(&batch.json);
        body.extend_from_slice(b"]}}");
        Ok(body)
    }
}

/// A JSON document about the artifact: a notice, or the envelope of each batch's rows.
pub(super) fn envelope(delivery: &DeliveryRequest<'_>, kind: &str) -> Value {
    let artifact = delivery.artifact;
    let mut data = json!({
        "pipeline": delivery.about.pipeline, "run": delivery.run, "slot": delivery.about.slot,
        "artifact": {"name": artifact.name, "bytes": artifact.bytes, "sha256": artifact.sha256, "rows": artifact.rows},
    });
    if let Some(set) = &artifact.set {
        data["artifact"]["files"] = json!(set.files);
    }
    json!({"type": kind, "timestamp": delivery.about.slot, "data": data})
}

#[cfg(test)]
mod tests {
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
        let count = Batches::count(&artifact, batching, &Content::Envelope(Value::Null)).unwrap();
        let found: Vec<Batch> = Batches::open(&artifact, batching, &Content::Envelope(Value::Null))
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
        let rows =
            [r#"{"id":"001","na\"me":"a;\r\nb"}"#, r#"{"id":"002","na\"me":null}"#, r#"{"id":"003","na\"me":"ü"}"#];
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
}

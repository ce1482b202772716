//! The artifact's rows as JSON, in batches: always the same ones, so that acknowledgements stay valid.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::iter::Chain;
use std::option::IntoIter;
use std::sync::Arc;

use serde_json::{Value, json};

use super::answers::SentRows;
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
    /// The rows of a request of the pipeline's own.
    sent: SentRows,
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

    /// Notes a row of a request of the pipeline's own.
    fn note(&self, record: &csv::StringRecord, number: u64, sent: &mut SentRows) {
        if let Self::Request(request) = self {
            sent.numbers.push(number);
            sent.keys.extend(request.key(record).map(str::to_owned));
        }
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

/// Rows of an artifact.
#[derive(Clone, Debug)]
pub(super) enum RowSelection {
    All,
    /// Those with these numbers, ascending.
    Only(Arc<[u64]>),
}

/// The batches of an artifact, read on demand.
struct Batches {
    reader: csv::Reader<Box<dyn Read + Send>>,
    writer: RowWriter,
    /// Rows read.
    read: u64,
    selection: RowSelection,
    /// Selected rows read.
    selected: usize,
    record: csv::StringRecord,
    /// A row that did not fit into the previous batch.
    carried: Vec<u8>,
    carried_row: SentRows,
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
    fn open(artifact: &Artifact, batching: Batching, content: &Content, selection: RowSelection) -> io::Result<Self> {
        let (rows, dialect) = open_rows(artifact)?;
        let reader = csv::ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .has_headers(dialect.header != Header::None)
            .from_reader(rows);
        Ok(Self {
            reader,
            writer: RowWriter::new(artifact, content)?,
            read: 0,
            selection,
            selected: 0,
            record: csv::StringRecord::new(),
            carried: Vec::new(),
            carried_row: SentRows::default(),
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
    fn count(artifact: &Artifact, batching: Batching, content: &Content, selection: RowSelection) -> io::Result<u64> {
        let mut count = 0;
        for batch in Self::open(artifact, batching, content, selection)? {
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
        let mut sent = std::mem::take(&mut self.carried_row);
        let (mut rows, mut path) = (usize::from(!json.is_empty()), String::new());
        while !self.over && rows < self.rows_max {
            if !self.read_selected()? {
                self.over = true;
                break;
            }
            let start = json.len();
            if rows > 0 {
                json.push(b',');
            }
            path = self.writer.row(&self.record, self.read, &mut json)?;
            if json.len() > self.bytes_max && rows > 0 {
                self.carried = json.split_off(start);
                self.carried.remove(0);
                self.writer.note(&self.record, self.read, &mut self.carried_row);
                break;
            }
            self.writer.note(&self.record, self.read, &mut sent);
            rows += 1;
        }
        if rows == 0 && (self.number > 0 || matches!(self.writer, RowWriter::Request(_))) {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Batch { number: self.number, rows, sent, json, path }))
    }

    /// Reads the next selected row. Returns false if there is none.
    fn read_selected(&mut self) -> io::Result<bool> {
        loop {
            let next = match &self.selection {
                RowSelection::All => None,
                RowSelection::Only(rows) => match rows.get(self.selected) {
                    Some(row) => Some(*row),
                    None => return Ok(false),
                },
            };
            if !self.reader.read_record(&mut self.record)? {
                return Ok(false);
            }
            self.read += 1;
            if next.is_none_or(|row| row == self.read) {
                self.selected += 1;
                return Ok(true);
            }
        }
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
    /// The rows of a request of the pipeline's own.
    pub sent: SentRows,
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
        (acked, selection): (BTreeSet<u64>, RowSelection),
    ) -> io::Result<Self> {
        let mut batches = Batches::open(artifact, batching, &content, selection.clone())?;
        let first = batches.next().transpose()?;
        let total = match (&first, batches.is_over()) {
            (None, _) => 0,
            (Some(_), true) => 1,
            (Some(_), false) => Batches::count(artifact, batching, &content, selection)?,
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
            let Batch { number, rows, sent, path, json: _ } = batch;
            bodies.push(Outgoing { number, rows, sent, path, body });
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
mod tests;

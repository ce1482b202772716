//! The artifact's rows as JSON, in batches: the same ones each time, so that one that was acknowledged stays so.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::deliver::{Cutting, Put};
use crate::encode::Artifact;

/// One request's worth of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// From 1.
    pub number: u64,
    pub rows: usize,
    /// The rows as JSON objects, separated by commas.
    pub json: Vec<u8>,
}

/// The batches of an artifact, read as they are asked for.
pub struct Batches {
    reader: csv::Reader<Box<dyn Read + Send>>,
    /// `"column":` for each, as JSON.
    keys: Vec<Vec<u8>>,
    record: csv::StringRecord,
    /// A row that did not fit into the last batch.
    kept: Vec<u8>,
    rows_most: usize,
    bytes_most: usize,
    number: u64,
    over: bool,
}

impl Batches {
    /// Batches of at most `cutting.rows` rows, and of about `cutting.bytes` bytes: a batch is closed before the row that would
    /// make it longer, and holds one row at least. An artifact without rows is one batch without rows.
    ///
    /// # Errors
    /// What opening the file answers.
    pub fn open(artifact: &Artifact, cutting: Cutting) -> io::Result<Self> {
        let file = skip_bom(rows_of(artifact)?)?;
        let reader = csv::ReaderBuilder::new()
            .delimiter(artifact.dialect.delimiter)
            .has_headers(artifact.dialect.header)
            .from_reader(file);
        let keys = artifact.columns.iter().map(|column| {
            let mut key = serde_json::to_vec(column)?;
            key.push(b':');
            Ok(key)
        });
        Ok(Self {
            reader,
            keys: keys.collect::<Result<_, serde_json::Error>>()?,
            record: csv::StringRecord::new(),
            kept: Vec::new(),
            rows_most: cutting.rows,
            bytes_most: cutting.bytes,
            number: 0,
            over: false,
        })
    }

    /// How many batches there are. Reads all of the artifact.
    ///
    /// # Errors
    /// What reading answers.
    pub fn count(artifact: &Artifact, cutting: Cutting) -> io::Result<u64> {
        let mut count = 0;
        for batch in Self::open(artifact, cutting)? {
            batch?;
            count += 1;
        }
        Ok(count)
    }

    /// Whether nothing is left, as far as that is known without reading on.
    pub fn is_over(&self) -> bool {
        self.over && self.kept.is_empty()
    }

    fn batch(&mut self) -> io::Result<Option<Batch>> {
        let mut json = std::mem::take(&mut self.kept);
        let mut rows = usize::from(!json.is_empty());
        while !self.over && rows < self.rows_most {
            if !self.reader.read_record(&mut self.record)? {
                self.over = true;
                break;
            }
            let start = json.len();
            if rows > 0 {
                json.push(b',');
            }
            write_row(&mut json, &self.keys, &self.record)?;
            if json.len() > self.bytes_most && rows > 0 {
                self.kept = json.split_off(start);
                self.kept.remove(0);
                break;
            }
            rows += 1;
        }
        if rows == 0 && self.number > 0 {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some(Batch { number: self.number, rows, json }))
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

/// All cells are text, and an empty cell is null, as in expressions.
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

fn skip_bom(file: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let mut file = BufReader::with_capacity(256 * 1024, file);
    let mut head = Vec::with_capacity(3);
    file.by_ref().take(3).read_to_end(&mut head)?;
    if head == b"\xEF\xBB\xBF" {
        head.clear();
    }
    Ok(Box::new(io::Cursor::new(head).chain(file)))
}

/// The artifact's file; that of a set without the heads of all files but the first.
fn rows_of(artifact: &Artifact) -> io::Result<Box<dyn Read + Send>> {
    let file = File::open(&artifact.path)?;
    let Some(set) = &artifact.set else { return Ok(Box::new(file)) };
    let left = set.files.iter().map(|file| file.bytes).collect();
    Ok(Box::new(Joined { file, left, here: 0, skip: 0, head_bytes: set.head_bytes }))
}

/// The files of a set as one: each one's head is left out, but for the first.
struct Joined {
    file: File,
    /// Bytes of the files that are still to come.
    left: VecDeque<u64>,
    /// Bytes left of the one that is read.
    here: u64,
    /// Bytes to leave out at the beginning of the next one.
    skip: u64,
    head_bytes: u64,
}

impl Read for Joined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.here == 0 {
            let Some(bytes) = self.left.pop_front() else { return Ok(0) };
            let skip = std::mem::replace(&mut self.skip, self.head_bytes).min(bytes);
            self.file.seek(SeekFrom::Current(i64::try_from(skip).map_err(io::Error::other)?))?;
            self.here = bytes - skip;
        }
        let most = buffer.len().min(usize::try_from(self.here).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.here -= read as u64;
        Ok(read)
    }
}

/// The body of one batch's request.
pub fn body(put: &Put<'_>, batch: &Batch, of: u64) -> Result<Vec<u8>, serde_json::Error> {
    let mut data = data(put);
    data["batch"] = serde_json::json!({"number": batch.number, "of": of, "rows": batch.rows});
    let head = serde_json::json!({"type": "reportferry.rows", "timestamp": put.about.slot, "data": data});
    let mut body = serde_json::to_vec(&head)?;
    // The rows go where the data ends: they are JSON already, and may be many.
    body.truncate(body.len() - 2);
    body.reserve(batch.json.len() + 16);
    body.extend_from_slice(b",\"rows\":[");
    body.extend_from_slice(&batch.json);
    body.extend_from_slice(b"]}}");
    Ok(body)
}

/// The body that says that there is an artifact, and where it lies.
pub fn notice(put: &Put<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let mut data = data(put);
    let dropped = put.about.dropped.iter().map(|(destination, address, path)| {
        serde_json::json!({"destination": destination, "address": address, "path": path})
    });
    data["dropped"] = dropped.collect();
    serde_json::to_vec(&serde_json::json!({"type": "reportferry.notice", "timestamp": put.about.slot, "data": data}))
}

fn data(put: &Put<'_>) -> serde_json::Value {
    let artifact = put.artifact;
    let mut data = serde_json::json!({
        "pipeline": put.about.pipeline, "run": put.run, "slot": put.about.slot,
        "artifact": {"name": artifact.name, "bytes": artifact.bytes, "sha256": artifact.sha256, "rows": artifact.rows},
    });
    if let Some(set) = &artifact.set {
        data["artifact"]["files"] = serde_json::json!(set.files);
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{FileSet, SetFile};
    use crate::pipeline::plan::{CsvDialect, LineEnd, QuoteStyle};

    fn batches(text: &str, header: bool, rows: usize, bytes: usize) -> Vec<String> {
        cut_up(text, header, rows, bytes, None)
    }

    fn cut_up(text: &str, header: bool, rows: usize, bytes: usize, set: Option<FileSet>) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let dialect = CsvDialect {
            delimiter: b';',
            quote: QuoteStyle::Necessary,
            line_end: LineEnd::CrLf,
            header,
            bom: false,
            formula_guard: false,
        };
        let artifact = Artifact {
            path: file.path().to_owned(),
            name: "a.csv".to_owned(),
            bytes: text.len() as u64,
            sha256: String::new(),
            rows: 0,
            columns: vec!["id".to_owned(), "na\"me".to_owned()],
            dialect,
            set,
        };
        let cutting = Cutting { rows, bytes, edition: 1 };
        let count = Batches::count(&artifact, cutting).unwrap();
        let found: Vec<Batch> = Batches::open(&artifact, cutting).unwrap().collect::<io::Result<_>>().unwrap();
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
            |text: &String| SetFile { name: String::new(), bytes: text.len() as u64, sha256: String::new(), rows: 0 };
        let set = FileSet { head_bytes, files: files.iter().map(set_file).collect() };
        cut_up(&files.concat(), header, 100, 1 << 20, Some(set))
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

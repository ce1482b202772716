//! Records as they come → each once, as CSV. They wait in files without names, which end with the process.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::key_sort::{Entry, KeySort};
use crate::extract::docebo::page::Row;
use crate::pipeline::plan::RecordList;
use crate::yaml::problem::did_you_mean;

/// Bytes of one chunk of the CSV.
const CHUNK_BYTES: usize = 256 << 10;

/// Names of fields remembered for a hint.
const NAMES_MAX: usize = 200;

/// The records received so far.
pub(super) struct Rows {
    file: BufWriter<File>,
    keys: KeySort,
    fields: Vec<String>,
    /// True for each field that a record had.
    found: Vec<bool>,
    /// Names of the records' fields.
    names: BTreeSet<String>,
    key: &'static [&'static str],
    changed_at: &'static str,
    count: u64,
}

impl Rows {
    pub(super) fn create(folder: &Path, fields: Vec<String>, list: &RecordList) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(CHUNK_BYTES, tempfile::tempfile_in(folder)?),
            keys: KeySort::create(folder)?,
            found: vec![false; fields.len()],
            fields,
            names: BTreeSet::new(),
            key: list.key(),
            changed_at: list.changed_at(),
            count: 0,
        })
    }

    /// Adds the records of a page. Returns the reason if one cannot be used.
    pub(super) fn add(&mut self, rows: Vec<Row>) -> io::Result<Option<String>> {
        for Row(row) in rows {
            let cell = |name: &str| row.iter().find(|(own, _)| own == name).map(|(_, cell)| cell.as_str());
            let mut hash = Sha256::new();
            for name in self.key {
                let Some(id) = cell(name).filter(|id| !id.is_empty()) else {
                    return Ok(Some(format!("record {} has no `{name}`, so it cannot be recognized", self.count + 1)));
                };
                hash.update((id.len() as u64).to_le_bytes());
                hash.update(id);
            }
            let mut key = [0; 16];
            key.copy_from_slice(&hash.finalize()[..16]);
            let changed_at = cell(self.changed_at).map_or(0, rank);
            self.keys.add(Entry { key: u128::from_le_bytes(key), changed_at, number: self.count })?;
            self.count += 1;
            for (field, found) in self.fields.iter().zip(&mut self.found) {
                let text = cell(field);
                *found |= text.is_some();
                let text = text.unwrap_or_default();
                let length = u32::try_from(text.len()).map_err(io::Error::other)?;
                self.file.write_all(&length.to_le_bytes())?;
                self.file.write_all(text.as_bytes())?;
            }
            if self.found.contains(&false) && self.names.len() < NAMES_MAX {
                self.names.extend(row.into_iter().map(|(name, _)| name));
            }
        }
        Ok(None)
    }

    /// Returns a field that no record has, and a hint.
    pub(super) fn missing_field(&self) -> Option<(String, String)> {
        let (field, _) = self.fields.iter().zip(&self.found).find(|(_, found)| self.count > 0 && !**found)?;
        let names = self.names.iter().map(String::as_str);
        let hint = did_you_mean(field, names.clone());
        let hint = hint.unwrap_or_else(|| format!("they have {}", names.collect::<Vec<_>>().join(", ")));
        Some((format!("no record has the field {field:?}"), hint))
    }

    /// Returns the records to keep: of those with the same key the one that changed last, else the one that came last.
    pub(super) fn finish(self) -> io::Result<Result<Kept, String>> {
        let superseded = match self.keys.superseded()? {
            Ok(superseded) => superseded,
            Err(what) => return Ok(Err(what)),
        };
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let file = BufReader::with_capacity(CHUNK_BYTES, file);
        Ok(Ok(Kept {
            file,
            fields: self.fields,
            superseded,
            count: self.count,
            next: 0,
            skipped: 0,
            has_header: false,
        }))
    }
}

/// The records to keep.
pub(super) struct Kept {
    file: BufReader<File>,
    fields: Vec<String>,
    /// Numbers of the records that are left out, ascending.
    superseded: Vec<u64>,
    /// All records, those left out included.
    count: u64,
    next: u64,
    skipped: usize,
    has_header: bool,
}

impl Kept {
    pub(super) fn count(&self) -> u64 {
        self.count - self.superseded.len() as u64
    }

    /// Returns the next part of the CSV; empty at the end.
    pub(super) fn next_chunk(&mut self) -> io::Result<Vec<u8>> {
        let mut csv = csv::Writer::from_writer(Vec::with_capacity(CHUNK_BYTES));
        if !self.has_header {
            self.has_header = true;
            csv.write_record(&self.fields).map_err(io::Error::other)?;
        }
        let mut read = 0;
        let mut cell = Vec::new();
        while self.next < self.count && read < CHUNK_BYTES {
            let is_kept = self.superseded.get(self.skipped) != Some(&self.next);
            for _ in 0..self.fields.len() {
                let mut length = [0; 4];
                self.file.read_exact(&mut length)?;
                cell.resize(u32::from_le_bytes(length) as usize, 0);
                self.file.read_exact(&mut cell)?;
                read += cell.len() + length.len();
                if is_kept {
                    csv.write_field(&cell).map_err(io::Error::other)?;
                }
            }
            match is_kept {
                true => csv.write_record(None::<&[u8]>).map_err(io::Error::other)?,
                false => self.skipped += 1,
            }
            self.next += 1;
        }
        let chunk = csv.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        // Records that are all left out end nothing.
        if chunk.is_empty() && self.next < self.count { self.next_chunk() } else { Ok(chunk) }
    }
}

/// Returns a number that is larger for a later time: of `2026-11-23 05:30:00` its 14 digits. Another text is 0.
fn rank(text: &str) -> u64 {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(14).collect();
    if digits.len() == 14 { digits.parse().unwrap_or(0) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(&str, &str)]) -> Row {
        Row(cells.iter().map(|(name, cell)| ((*name).to_owned(), (*cell).to_owned())).collect())
    }

    fn rows(fields: &[&str]) -> Rows {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        Rows::create(&std::env::temp_dir(), fields, &RecordList::Users).unwrap()
    }

    fn csv_of(mut kept: Kept) -> String {
        let chunks = std::iter::from_fn(|| Some(kept.next_chunk().unwrap()).filter(|chunk| !chunk.is_empty()));
        String::from_utf8(chunks.flatten().collect()).unwrap()
    }

    #[test]
    fn of_records_with_one_key_the_last_change_is_kept() {
        let mut rows = rows(&["user_id", "email", "x"]);
        let user = |id, email, changed| row(&[("email", email), ("user_id", id), ("last_update", changed)]);
        let first = vec![
            user("1", "new@x", "2026-11-23 05:30:01"),
            user("2", "old@x", "2026-11-01 00:00:00"),
            user("3", "a,\"b\"@x", ""),
        ];
        assert_eq!(rows.add(first).unwrap(), None);
        let second = vec![
            user("1", "old@x", "2026-11-23 05:30:00"),
            user("2", "new@x", "2026-11-23 00:00:00"),
            user("3", "last@x", ""),
        ];
        assert_eq!(rows.add(second).unwrap(), None);
        let kept = rows.finish().unwrap().ok().unwrap();
        assert_eq!(kept.count(), 3);
        assert_eq!(csv_of(kept), "user_id,email,x\n1,new@x,\n2,new@x,\n3,last@x,\n");
    }

    #[test]
    fn no_records_are_a_header() {
        assert_eq!(csv_of(rows(&["user_id", "email"]).finish().unwrap().ok().unwrap()), "user_id,email\n");
    }

    #[test]
    fn records_without_a_key_or_a_listed_field_are_reported() {
        let mut rows = rows(&["user_id", "emial"]);
        assert_eq!(rows.add(vec![row(&[("user_id", "1"), ("email", "a")])]).unwrap(), None);
        let (what, hint) = rows.missing_field().unwrap();
        assert_eq!((what.as_str(), hint.as_str()), ("no record has the field \"emial\"", "did you mean \"email\"?"));
        let what = rows.add(vec![row(&[("user_id", ""), ("email", "a")])]).unwrap().unwrap();
        assert_eq!(what, "record 2 has no `user_id`, so it cannot be recognized");
    }
}

//! Keys of records → the records that another one supersedes, by an external merge sort: at most [`SORTED_MAX`] keys are in
//! memory, the others in a file without a name.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Keys sorted in memory at once: 16 MiB.
const SORTED_MAX: usize = 512 << 10;
/// Keys read at once of each sorted part: 32 KiB. Of 100 million records there are 191 parts.
const READ_MAX: usize = 1 << 10;
/// The maximum number of superseded records, whose numbers are in memory: 32 MiB.
const SUPERSEDED_MAX: usize = 4 << 20;

/// One record: by key, then the one to keep last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// A digest of its key.
    pub key: u128,
    pub changed_at: u64,
    /// In the order received, from 0.
    pub number: u64,
}

const ENTRY_BYTES: usize = 32;

pub(super) struct KeySort {
    entries: Vec<Entry>,
    file: File,
    /// Bytes of the file.
    written: u64,
    /// Start and end in the file of each sorted part.
    parts: Vec<(u64, u64)>,
    sorted_max: usize,
}

impl KeySort {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        Ok(Self { entries: Vec::new(), file, written: 0, parts: Vec::new(), sorted_max: SORTED_MAX })
    }

    pub(super) fn add(&mut self, entry: Entry) -> io::Result<()> {
        self.entries.push(entry);
        if self.entries.len() < self.sorted_max { Ok(()) } else { self.spill() }
    }

    /// Moves the entries in memory to the file, sorted.
    fn spill(&mut self) -> io::Result<()> {
        self.entries.sort_unstable();
        let start = self.written;
        for entries in self.entries.chunks(READ_MAX) {
            let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_bytes()).collect();
            self.file.write_all(&bytes)?;
            self.written += bytes.len() as u64;
        }
        self.entries.clear();
        self.parts.push((start, self.written));
        Ok(())
    }

    /// Returns the numbers of the records that another one supersedes, ascending; a reason if there are too many.
    pub(super) fn superseded(mut self) -> io::Result<Result<Vec<u64>, String>> {
        if self.parts.is_empty() {
            self.entries.sort_unstable();
            let entries = std::mem::take(&mut self.entries);
            return superseded(entries.into_iter().map(Ok));
        }
        self.spill()?;
        let file = &self.file;
        let mut parts: Vec<SortedPart<'_>> = self
            .parts
            .iter()
            .map(|(start, end)| SortedPart { file, at: *start, end: *end, read: Vec::new() })
            .collect();
        let mut heads = BinaryHeap::new();
        for (index, part) in parts.iter_mut().enumerate() {
            heads.extend(part.next().transpose()?.map(|entry| Reverse((entry, index))));
        }
        superseded(std::iter::from_fn(|| {
            let Reverse((entry, index)) = heads.pop()?;
            match parts[index].next() {
                Some(Ok(next)) => heads.push(Reverse((next, index))),
                Some(Err(error)) => return Some(Err(error)),
                None => {}
            }
            Some(Ok(entry))
        }))
    }
}

/// Finds the superseded records among sorted entries.
fn superseded(sorted: impl Iterator<Item = io::Result<Entry>>) -> io::Result<Result<Vec<u64>, String>> {
    let mut found = Vec::new();
    let mut before: Option<Entry> = None;
    for entry in sorted {
        let entry = entry?;
        if let Some(before) = before.filter(|before| before.key == entry.key) {
            if found.len() == SUPERSEDED_MAX {
                return Ok(Err(format!("the platform repeats more than {SUPERSEDED_MAX} records")));
            }
            found.push(before.number);
        }
        before = Some(entry);
    }
    found.sort_unstable();
    Ok(Ok(found))
}

/// A sorted part of the file.
struct SortedPart<'a> {
    file: &'a File,
    at: u64,
    end: u64,
    /// Entries read ahead, the next one last.
    read: Vec<Entry>,
}

impl Iterator for SortedPart<'_> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.read.is_empty() && self.at < self.end {
            let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            let mut bytes = vec![0; left.min(READ_MAX * ENTRY_BYTES)];
            if let Err(error) = self.file.read_exact_at(&mut bytes, self.at) {
                return Some(Err(error));
            }
            self.at += bytes.len() as u64;
            self.read.extend(bytes.as_chunks().0.iter().rev().map(Entry::from_bytes));
        }
        self.read.pop().map(Ok)
    }
}

impl Entry {
    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..16].copy_from_slice(&self.key.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.changed_at.to_le_bytes());
        bytes[24..].copy_from_slice(&self.number.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let number = |range: std::ops::Range<usize>| {
            bytes[range].iter().rev().fold(0, |number: u128, byte| number << 8 | u128::from(*byte))
        };
        Self { key: number(0..16), changed_at: number(16..24) as u64, number: number(24..32) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_file_find_the_same_records() {
        let mut random = fastrand::Rng::with_seed(7);
        let entries: Vec<Entry> = (0..5000)
            .map(|number| Entry { key: u128::from(random.u64(0..3000)) << 64, changed_at: random.u64(0..3), number })
            .collect();
        let found = |sorted_max: usize| {
            let mut keys = KeySort { sorted_max, ..KeySort::create(&std::env::temp_dir()).unwrap() };
            entries.iter().for_each(|entry| keys.add(*entry).unwrap());
            keys.superseded().unwrap().unwrap()
        };
        let expected: Vec<u64> = entries
            .iter()
            .filter(|one| entries.iter().any(|other| other.key == one.key && other > *one))
            .map(|one| one.number)
            .collect();
        assert!(expected.len() > 1000, "{}", expected.len());
        for sorted_max in [1, 2, 999, 1000, 1025, 2500, 5000, 5001, SORTED_MAX] {
            assert_eq!(found(sorted_max), expected, "{sorted_max}");
        }
    }
}

//! Items of any size: the bytes of a key, by which they are sorted, and of a payload.

use std::cmp::Ordering;
use std::io::{self, Write};

use super::merge::RunReader;
use super::{Chunk, Sorter};

/// Records in memory: their bytes, one after the other, and where each is.
pub struct Records {
    budget: usize,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u64,
    key: u32,
    payload: u32,
}

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordItem {
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Entry {
    fn key(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &bytes[start..start + self.key as usize]
    }
}

impl Chunk for Records {
    type Item = RecordItem;

    fn with_budget(budget: usize) -> Self {
        // The system provides the memory as it is used, and neither grows, which would take twice as much.
        let (bytes, entries) = (Vec::with_capacity(budget), Vec::with_capacity(budget / size_of::<Entry>() + 1));
        Self { budget, bytes, entries }
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn sort(&mut self) {
        let Self { bytes, entries, .. } = self;
        // The position keeps equal keys in their order, without the memory that a stable sort takes.
        entries.sort_unstable_by(|a, b| a.key(bytes).cmp(b.key(bytes)).then(a.start.cmp(&b.start)));
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        // A record larger than the budget gives its memory back.
        self.bytes.shrink_to(self.budget);
    }

    fn get(&self, index: usize, item: &mut RecordItem) {
        let entry = self.entries[index];
        let payload = entry.start as usize + entry.key as usize;
        item.key.clear();
        item.key.extend_from_slice(entry.key(&self.bytes));
        item.payload.clear();
        item.payload.extend_from_slice(&self.bytes[payload..payload + entry.payload as usize]);
    }

    fn compare(a: &RecordItem, b: &RecordItem) -> Ordering {
        a.key.cmp(&b.key)
    }

    fn write(item: &RecordItem, out: &mut impl Write) -> io::Result<()> {
        for part in [&item.key, &item.payload] {
            out.write_all(&(part.len() as u32).to_le_bytes())?;
        }
        out.write_all(&item.key)?;
        out.write_all(&item.payload)
    }

    fn read(run: &mut RunReader, item: &mut RecordItem) -> io::Result<()> {
        let mut lengths = [0; 8];
        run.take(&mut lengths)?;
        let [a, b, c, d, e, f, g, h] = lengths;
        item.key.resize(u32::from_le_bytes([a, b, c, d]) as usize, 0);
        item.payload.resize(u32::from_le_bytes([e, f, g, h]) as usize, 0);
        run.take(&mut item.key)?;
        run.take(&mut item.payload)
    }
}

impl Sorter<Records> {
    /// Adds a record.
    ///
    /// # Errors
    /// The temporary file cannot be written, which may concern earlier records; a key or payload of 4 GiB or more.
    pub fn push(&mut self, key: &[u8], payload: &[u8]) -> io::Result<()> {
        let length = |part: &[u8]| u32::try_from(part.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
        let (key_length, payload_length) = (length(key)?, length(payload)?);
        let Records { bytes, entries, .. } = &mut self.chunk;
        entries.push(Entry { start: bytes.len() as u64, key: key_length, payload: payload_length });
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(payload);
        bytes.push(0); // so that no two records have the same position
        self.spill_if_full()
    }
}

//! Items of any size: the bytes of a key, by which they are sorted, and of a payload.

use std::cmp::Ordering;
use std::io::{self, Write};

use super::merge::RunReader;
use super::{Chunk, Sorter};

/// Records in memory: their bytes as they are in a run, one after the other, and where each is.
pub struct Records {
    budget: usize,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// The position of a record, with the beginning of its key, which decides most comparisons without looking there.
#[derive(Clone, Copy)]
struct Entry {
    prefix: u64,
    start: u64,
}

/// One record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordItem {
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
    prefix: u64,
}

/// The lengths of key and payload, before them.
const HEAD_BYTES: usize = 2 * size_of::<u32>();

/// Returns the first eight bytes of a key as a number; those that it lacks are 0.
#[inline]
fn prefix_of(key: &[u8]) -> u64 {
    match key.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => key.iter().fold(0, |prefix, byte| prefix << 8 | u64::from(*byte)) << (8 * (8 - key.len()) % 64),
    }
}

/// Returns the lengths of key and payload.
#[inline]
fn lengths(head: [u8; HEAD_BYTES]) -> (usize, usize) {
    let [a, b, c, d, e, f, g, h] = head;
    (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]) as usize)
}

impl Records {
    /// Returns the bytes of a record with its lengths, and where its key ends.
    #[inline]
    fn record(&self, entry: Entry) -> (&[u8], usize) {
        let record = &self.bytes[entry.start as usize..];
        let (key, payload) = lengths(*record.first_chunk().unwrap_or(&[0; HEAD_BYTES]));
        (&record[..HEAD_BYTES + key + payload], HEAD_BYTES + key)
    }
}

/// Returns the key of the record that starts there.
#[inline]
fn key_at(bytes: &[u8], start: u64) -> &[u8] {
    let record = &bytes[start as usize..];
    let (key, _) = lengths(*record.first_chunk().unwrap_or(&[0; HEAD_BYTES]));
    &record[HEAD_BYTES..HEAD_BYTES + key]
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
        entries.sort_unstable_by(|a, b| {
            a.prefix
                .cmp(&b.prefix)
                .then_with(|| key_at(bytes, a.start).cmp(key_at(bytes, b.start)))
                .then(a.start.cmp(&b.start))
        });
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        // A record larger than the budget gives its memory back.
        self.bytes.shrink_to(self.budget);
    }

    fn get(&self, index: usize, item: &mut RecordItem) {
        let entry = self.entries[index];
        let (record, key_end) = self.record(entry);
        item.key.clear();
        item.key.extend_from_slice(&record[HEAD_BYTES..key_end]);
        item.payload.clear();
        item.payload.extend_from_slice(&record[key_end..]);
        item.prefix = entry.prefix;
    }

    #[inline]
    fn compare(a: &RecordItem, b: &RecordItem) -> Ordering {
        a.prefix.cmp(&b.prefix).then_with(|| a.key.cmp(&b.key))
    }

    fn write(item: &RecordItem, out: &mut impl Write) -> io::Result<()> {
        for part in [&item.key, &item.payload] {
            out.write_all(&(part.len() as u32).to_le_bytes())?;
        }
        out.write_all(&item.key)?;
        out.write_all(&item.payload)
    }

    fn write_at(&self, index: usize, _: &mut RecordItem, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.record(self.entries[index]).0)
    }

    #[inline]
    fn read(run: &mut RunReader, item: &mut RecordItem) -> io::Result<()> {
        let mut head = [0; HEAD_BYTES];
        run.take(&mut head)?;
        let (key, payload) = lengths(head);
        run.take_to(key, &mut item.key)?;
        item.prefix = prefix_of(&item.key);
        run.take_to(payload, &mut item.payload)
    }
}

impl Sorter<Records> {
    /// Adds a record.
    ///
    /// # Errors
    /// The temporary file cannot be written, which may concern earlier records; a key or payload of 4 GiB or more; being
    /// stopped.
    #[inline]
    pub fn push(&mut self, key: &[u8], payload: &[u8]) -> io::Result<()> {
        let length = |part: &[u8]| u32::try_from(part.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
        let (key_length, payload_length) = (length(key)?, length(payload)?);
        let Records { bytes, entries, .. } = &mut self.chunk;
        entries.push(Entry { prefix: prefix_of(key), start: bytes.len() as u64 });
        bytes.extend_from_slice(&key_length.to_le_bytes());
        bytes.extend_from_slice(&payload_length.to_le_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(payload);
        self.spill_if_full()
    }
}

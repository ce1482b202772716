//! A ZIP written front to back, entry by entry: sizes follow the data, in 64 bits only where 32 do not hold them.
//!
//! Of our own, since libraries write an archive's end also where it is given up.

use std::io::{self, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// A ZIP being written.
pub(super) struct ZipEncoder<W: Write> {
    deflate: DeflateEncoder<Counted<W>>,
    /// The entries that are complete.
    entries: Vec<Entry>,
    /// The entry being written.
    name: String,
    header_at: u64,
    crc: Crc,
    bytes: u64,
}

/// Counts what is written.
struct Counted<W> {
    to: W,
    bytes: u64,
}

/// The facts of an entry.
struct Entry {
    name: String,
    /// The position of its local header.
    header_at: u64,
    crc: u32,
    compressed: u64,
    bytes: u64,
}

/// From here on, a field of 32 bits holds no size.
const MAX_32: u64 = 0xFFFF_FFFF;
/// The sizes follow the data; the name is UTF-8.
const FLAGS: u16 = 0x0808;
const DEFLATED: u16 = 8;
/// 1 January 1980, 00:00: the first moment that a ZIP knows.
const DATE: u16 = 0x0021;
/// A regular file that its owner may write and everyone may read.
const ATTRIBUTES: u32 = 0o100_644 << 16;

impl<W: Write> ZipEncoder<W> {
    /// Writes what comes before the first entry's data.
    pub(super) fn new(to: W, name: String) -> io::Result<Self> {
        Self::begin(Counted { to, bytes: 0 }, Vec::new(), name)
    }

    /// Ends the entry and begins another one.
    pub(super) fn next(self, name: String) -> io::Result<Self> {
        let (to, entries) = self.end_entry()?;
        Self::begin(to, entries, name)
    }

    /// Ends the entry, and writes what comes after all of them. Returns the writer.
    pub(super) fn finish(self) -> io::Result<W> {
        let (mut to, entries) = self.end_entry()?;
        let end = end(&entries, to.bytes);
        to.write_all(&end)?;
        Ok(to.to)
    }

    fn begin(mut to: Counted<W>, entries: Vec<Entry>, name: String) -> io::Result<Self> {
        let header_at = to.bytes;
        let entry = Entry { name, header_at, crc: 0, compressed: 0, bytes: 0 };
        to.write_all(&entry.local_header())?;
        let deflate = DeflateEncoder::new(to, Compression::default());
        Ok(Self { deflate, entries, name: entry.name, header_at, crc: Crc::new(), bytes: 0 })
    }

    fn end_entry(self) -> io::Result<(Counted<W>, Vec<Entry>)> {
        let Self { deflate, mut entries, name, header_at, crc, bytes } = self;
        let mut to = deflate.finish()?;
        let mut entry = Entry { name, header_at, crc: 0, compressed: 0, bytes: 0 };
        let data_at = header_at + entry.local_header().len() as u64;
        entry = Entry { crc: crc.sum(), compressed: to.bytes - data_at, bytes, ..entry };
        to.write_all(&entry.sizes())?;
        entries.push(entry);
        Ok((to, entries))
    }
}

impl<W: Write> Write for ZipEncoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.deflate.write(bytes)?;
        self.crc.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.deflate.flush()
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Entry {
    fn local_header(&self) -> Vec<u8> {
        let mut out = b"PK\x03\x04".to_vec();
        self.common(&mut out, self.is_large());
        put16(&mut out, 0); // extra fields
        out.extend_from_slice(self.name.as_bytes());
        out
    }

    /// Appends the fields that both headers have, from the version needed to the name's length.
    fn common(&self, out: &mut Vec<u8>, is_large: bool) {
        let version = if is_large { 45 } else { 20 };
        for field in [version, FLAGS, DEFLATED, 0, DATE] {
            put16(out, field);
        }
        put32(out, self.crc);
        put32(out, low(self.compressed, is_large));
        put32(out, low(self.bytes, is_large));
        put16(out, u16::try_from(self.name.len()).unwrap_or(u16::MAX)); // names have at most 200 bytes
    }

    fn is_large(&self) -> bool {
        self.compressed >= MAX_32 || self.bytes >= MAX_32
    }

    /// Returns what follows the data.
    fn sizes(&self) -> Vec<u8> {
        let mut out = b"PK\x07\x08".to_vec();
        put32(&mut out, self.crc);
        for size in [self.compressed, self.bytes] {
            if self.is_large() { put64(&mut out, size) } else { put32(&mut out, low(size, false)) }
        }
        out
    }

    /// Appends its record in the directory.
    fn record(&self, out: &mut Vec<u8>) {
        let is_far = self.header_at >= MAX_32;
        let large = [(self.is_large(), self.bytes), (self.is_large(), self.compressed), (is_far, self.header_at)];
        let large: Vec<u64> = large.into_iter().filter(|(is_large, _)| *is_large).map(|(_, field)| field).collect();
        let extra = 8 * large.len() as u16;
        out.extend_from_slice(b"PK\x01\x02");
        put16(out, 3 << 8 | 45); // made as on Unix, whose attributes follow
        self.common(out, self.is_large());
        put16(out, if extra > 0 { 4 + extra } else { 0 });
        for field in [0, 0, 0] {
            put16(out, field); // comment, disk, internal attributes
        }
        put32(out, ATTRIBUTES);
        put32(out, low(self.header_at, is_far));
        out.extend_from_slice(self.name.as_bytes());
        if extra > 0 {
            put16(out, 1);
            put16(out, extra);
            large.into_iter().for_each(|field| put64(out, field));
        }
    }
}

/// Returns the directory, which is at `directory_at`, and the archive's end.
fn end(entries: &[Entry], directory_at: u64) -> Vec<u8> {
    let mut out = Vec::new();
    entries.iter().for_each(|entry| entry.record(&mut out));
    let (directory, count) = (out.len() as u64, entries.len() as u64);
    let is_large = entries.iter().any(Entry::is_large) || directory_at >= MAX_32;
    if is_large {
        let end_at = directory_at + directory;
        out.extend_from_slice(b"PK\x06\x06");
        put64(&mut out, 44); // of what follows in this record
        put16(&mut out, 3 << 8 | 45);
        put16(&mut out, 45);
        put64(&mut out, 0); // disks
        for field in [count, count, directory, directory_at] {
            put64(&mut out, field);
        }
        out.extend_from_slice(b"PK\x06\x07");
        put32(&mut out, 0);
        put64(&mut out, end_at);
        put32(&mut out, 1);
    }
    out.extend_from_slice(b"PK\x05\x06");
    let count = count as u16; // at most 99
    for field in [0, 0, count, count] {
        put16(&mut out, field);
    }
    put32(&mut out, low(directory, false));
    put32(&mut out, low(directory_at, is_large));
    put16(&mut out, 0); // comment
    out
}

/// Returns a size in 32 bits: all ones if 64 bits have it elsewhere.
fn low(size: u64, is_elsewhere: bool) -> u32 {
    if is_elsewhere { u32::MAX } else { u32::try_from(size).unwrap_or(u32::MAX) }
}

fn put16(out: &mut Vec<u8>, field: u16) {
    out.extend_from_slice(&field.to_le_bytes());
}

fn put32(out: &mut Vec<u8>, field: u32) {
    out.extend_from_slice(&field.to_le_bytes());
}

fn put64(out: &mut Vec<u8>, field: u64) {
    out.extend_from_slice(&field.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_far_into_the_archive_have_their_place_in_64_bits() {
        let entry = |header_at| Entry { name: "a.csv".to_owned(), header_at, crc: 1, compressed: 7, bytes: 9 };
        let record = |header_at| {
            let mut out = Vec::new();
            entry(header_at).record(&mut out);
            out
        };
        let (near, far) = (record(MAX_32 - 1), record(MAX_32));
        assert_eq!((near.len(), far.len()), (46 + 5, 46 + 5 + 12));
        assert_eq!(near[42..46], [0xFE, 0xFF, 0xFF, 0xFF]);
        assert_eq!(far[42..46], [0xFF; 4]);
        assert_eq!(far[51..], [1, 0, 8, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);
    }

    #[test]
    fn sizes_have_64_bits_from_4_gib_on() {
        let end = |bytes| {
            let entry = Entry { name: "a.csv".to_owned(), header_at: 0, crc: 1, compressed: 7, bytes };
            let sizes = entry.sizes();
            let at = 35 + 7 + sizes.len() as u64;
            [sizes, end(&[entry], at)].concat()
        };
        let has = |bytes: &[u8], mark: &[u8]| bytes.windows(4).any(|window| window == mark);
        let (below, from) = (end(MAX_32 - 1), end(MAX_32));
        assert!(!has(&below, b"PK\x06\x06") && has(&from, b"PK\x06\x06"));
        assert_eq!(below.len() + 8 + 20 + 56 + 20, from.len(), "descriptor, extra field, record and locator");
        assert_eq!(below[8..16], [7, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF]);
        assert_eq!(from[8..24], [7, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]);
    }
}

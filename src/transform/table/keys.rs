//! Keys of rows as bytes, and a table that numbers them.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

use crate::transform::stored::{read_number, write_number};

/// Appends a cell to a key: its length, then its bytes. No key is the beginning of another with as many cells.
#[inline]
pub(super) fn write_cell(cell: &[u8], key: &mut Vec<u8>) {
    write_number(cell.len() as u64, key);
    key.extend_from_slice(cell);
}

/// Appends the cells to a key, which is empty at first. Returns false, and leaves it empty, if one of them is null.
#[inline]
pub(super) fn write_non_null<'a>(cells: impl Iterator<Item = &'a [u8]>, key: &mut Vec<u8>) -> bool {
    key.clear();
    for cell in cells {
        if cell.is_empty() {
            key.clear();
            return false;
        }
        write_cell(cell, key);
    }
    true
}

/// Returns the next cell of a key.
#[inline]
pub(super) fn read_cell<'a>(key: &'a [u8], at: &mut usize) -> &'a [u8] {
    let length = read_number(key, at) as usize;
    let cell = key.get(*at..*at + length).unwrap_or_default();
    *at += length;
    cell
}

/// Different keys, numbered in their order. A key costs no allocation of its own.
pub(super) struct KeyTable {
    /// Seeded, so that nobody can write keys that collide.
    secrets: RapidSecrets,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// A hash table: the number of an entry plus 1, or 0. Its length is a power of two.
    slots: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Entry {
    /// The end of its bytes, which begin at the end of the one before it.
    end: u64,
    hash: u64,
}

/// The place of a key that is missing.
struct Vacant {
    slot: usize,
    hash: u64,
}

const SLOTS_MIN: usize = 64;

impl KeyTable {
    pub(super) fn new() -> Self {
        let secrets = RapidSecrets::seed(fastrand::u64(..));
        Self { secrets, bytes: Vec::new(), entries: Vec::new(), slots: vec![0; SLOTS_MIN] }
    }

    /// Returns the bytes in use.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>() + self.slots.len() * size_of::<u32>()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(super) fn key(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.entries[before].end);
        &self.bytes[start as usize..self.entries[number].end as usize]
    }

    /// Returns the number of a key.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        self.search(key).ok()
    }

    /// Returns the number of a key, and true if it is new.
    #[inline]
    pub(super) fn insert(&mut self, key: &[u8]) -> (usize, bool) {
        match self.search(key) {
            Ok(number) => (number, false),
            Err(Vacant { slot, hash }) => {
                let number = self.entries.len();
                self.bytes.extend_from_slice(key);
                self.entries.push(Entry { end: self.bytes.len() as u64, hash });
                self.slots[slot] = number as u32 + 1;
                if self.entries.len() * 2 > self.slots.len() {
                    self.grow();
                }
                (number, true)
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.slots.fill(0);
    }

    #[inline]
    fn search(&self, key: &[u8]) -> Result<usize, Vacant> {
        let hash = rapidhash_v3_inline::<true, false, false>(key, &self.secrets);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let Some(number) = (self.slots[slot] as usize).checked_sub(1) else { return Err(Vacant { slot, hash }) };
            if self.entries[number].hash == hash && self.key(number) == key {
                return Ok(number);
            }
            slot = (slot + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        self.slots.clear();
        self.slots.resize(mask + 1, 0);
        for (entry, number) in self.entries.iter().zip(1..) {
            let mut slot = entry.hash as usize & mask;
            while self.slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = number;
        }
    }
}

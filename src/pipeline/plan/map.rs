//! `map`: cells that are looked up in a table.

use std::sync::Arc;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

use super::super::table_file::TableFile;
use super::{Column, OnError};

/// Replaces the cells of a column by those that a table has for them.
pub struct Map {
    pub column: Column,
    /// The column of the results: `column` itself, or another one.
    pub to: Column,
    pub table: Arc<MapTable>,
    pub source: MapSource,
    pub otherwise: Otherwise,
}

pub enum MapSource {
    /// The pipeline file itself.
    Values,
    /// Two columns of a CSV.
    File { file: TableFile, key: String, value: String },
}

/// The result of a cell that the table does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// There is none.
    OnError(OnError),
    /// The cell itself.
    Keep,
    Value(String),
}

impl Map {
    /// Returns the policy for a cell that the table does not have.
    pub fn on_error(&self) -> OnError {
        match self.otherwise {
            Otherwise::OnError(on_error) => on_error,
            Otherwise::Keep | Otherwise::Value(_) => OnError::Fail,
        }
    }
}

/// Keys with their values, compared by bytes. The bytes of all of them are in one buffer of less than 4 GiB.
#[derive(Default)]
pub struct MapTable {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// The index of an entry plus 1, or 0; open addressing, at most half full.
    slots: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    key_length: u32,
    value_length: u32,
}

const SECRETS: RapidSecrets = RapidSecrets::seed(0);

impl MapTable {
    /// Returns the number of keys.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the value of a key.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let index = self.find(key).ok()?;
        Some(self.entry(index).1)
    }

    /// Returns a key and its value, by the order of insertion.
    pub(crate) fn entry(&self, index: usize) -> (&[u8], &[u8]) {
        let Entry { start, key_length, value_length } = self.entries[index];
        let value = start as usize + key_length as usize;
        (&self.bytes[start as usize..value], &self.bytes[value..value + value_length as usize])
    }

    /// Adds a key.
    ///
    /// # Errors
    /// The index of the key, if it is there.
    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), usize> {
        if self.slots.len() < (self.entries.len() + 1) * 2 {
            self.grow();
        }
        let slot = match self.find(key) {
            Ok(index) => return Err(index),
            Err(slot) => slot,
        };
        let (start, key_length, value_length) = (self.bytes.len() as u32, key.len() as u32, value.len() as u32);
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.entries.push(Entry { start, key_length, value_length });
        self.slots[slot] = self.entries.len() as u32;
        Ok(())
    }

    /// Returns the index of a key, or the slot where it belongs.
    fn find(&self, key: &[u8]) -> Result<usize, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let mask = self.slots.len() - 1;
        let mut slot = rapidhash_v3_inline::<true, false, false>(key, &SECRETS) as usize & mask;
        loop {
            match self.slots[slot] {
                0 => return Err(slot),
                entry if self.entry(entry as usize - 1).0 == key => return Ok(entry as usize - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(16);
        self.slots = vec![0; size];
        for index in 0..self.entries.len() {
            if let Err(slot) = self.find(self.entry(index).0) {
                self.slots[slot] = index as u32 + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_their_bytes() {
        let mut table = MapTable::default();
        assert_eq!((table.get(b""), table.get(b"a")), (None, None));
        for number in 0..10_000_u32 {
            table.insert(number.to_string().as_bytes(), (number * 7).to_string().as_bytes()).unwrap();
        }
        table.insert(b"", b"none").unwrap();
        for number in 0..10_000_u32 {
            let value = (number * 7).to_string();
            assert_eq!(table.get(number.to_string().as_bytes()), Some(value.as_bytes()));
        }
        assert_eq!((table.get(b""), table.get(b"10000"), table.len()), (Some(&b"none"[..]), None, 10_001));
        assert_eq!(table.insert(b"12", b"x"), Err(12));
        assert_eq!(table.entry(12), (&b"12"[..], &b"84"[..]));
    }
}

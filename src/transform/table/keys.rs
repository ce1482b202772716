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
    /// The end of each key's bytes, which begin at the end of the one before it.
    ends: Vec<u64>,
    /// A hash table. Its length is a power of two.
    slots: Vec<Slot>,
}

/// The number of a key plus 1, or 0, and its hash, so that other keys are seldom looked at.
#[derive(Clone, Copy, Default)]
struct Slot {
    number: u32,
    hash: u32,
}

/// The place of a key that is missing.
struct Vacant {
    slot: usize,
    hash: u32,
}

const SLOTS_MIN: usize = 64;
/// Keys whose memory is waited for at once.
const FOUND_AT_ONCE: usize = 32;

impl KeyTable {
    pub(super) fn new() -> Self {
        let secrets = RapidSecrets::seed(fastrand::u64(..));
        Self { secrets, bytes: Vec::new(), ends: Vec::new(), slots: vec![Slot::default(); SLOTS_MIN] }
    }

    /// Returns the bytes in use.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<u64>() + self.slots.len() * size_of::<Slot>()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub(super) fn key(&self, number: usize) -> &[u8] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start as usize..self.ends[number] as usize]
    }

    /// Returns the number of a key.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        self.search(key, self.hash(key)).ok()
    }

    /// Appends the number of each key. The processor waits for the memory of all of them at once: a large table is not in
    /// its caches.
    pub(super) fn find_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]> + Clone, found: &mut Vec<Option<usize>>) {
        let mut slots = [Slot::default(); FOUND_AT_ONCE];
        let mask = self.slots.len() - 1;
        let mut keys = keys.peekable();
        while keys.peek().is_some() {
            let chunk = keys.clone().take(FOUND_AT_ONCE);
            for (key, slot) in chunk.clone().zip(&mut slots) {
                let hash = self.hash(key);
                let Slot { number, .. } = self.slots[hash as usize & mask];
                *slot = Slot { number, hash };
            }
            for (key, Slot { number, hash }) in chunk.zip(&slots) {
                found.push(if *number == 0 { None } else { self.search(key, *hash).ok() });
                keys.next();
            }
        }
    }

    /// Returns the number of a key, and true if it is new.
    #[inline]
    pub(super) fn insert(&mut self, key: &[u8]) -> (usize, bool) {
        match self.search(key, self.hash(key)) {
            Ok(number) => (number, false),
            Err(Vacant { slot, hash }) => {
                let number = self.ends.len();
                self.bytes.extend_from_slice(key);
                self.ends.push(self.bytes.len() as u64);
                self.slots[slot] = Slot { number: number as u32 + 1, hash };
                // At most three quarters of the slots are in use.
                if self.ends.len() * 4 > self.slots.len() * 3 {
                    self.grow();
                }
                (number, true)
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.slots.fill(Slot::default());
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u32 {
        rapidhash_v3_inline::<true, false, false>(key, &self.secrets) as u32
    }

    #[inline]
    fn search(&self, key: &[u8], hash: u32) -> Result<usize, Vacant> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let Slot { number, hash: other } = self.slots[slot];
            let Some(number) = (number as usize).checked_sub(1) else { return Err(Vacant { slot, hash }) };
            if other == hash && self.key(number) == key {
                return Ok(number);
            }
            slot = (slot + 1) & mask;
        }
    }

    #[cold]
    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); mask + 1]);
        for used in old.into_iter().filter(|used| used.number != 0) {
            let mut slot = used.hash as usize & mask;
            while self.slots[slot].number != 0 {
                slot = (slot + 1) & mask;
            }
            self.slots[slot] = used;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn keys_have_the_numbers_of_a_hash_map_also_while_the_table_grows() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut table, mut expected) = (KeyTable::new(), HashMap::new());
        for round in 0..3 {
            for _ in 0..20_000 {
                let key = random.u32(..9_000).to_string().into_bytes();
                let (next, found) = (expected.len(), table.find(&key));
                assert_eq!(found, expected.get(&key).copied(), "round {round}, key {key:?}");
                let number = *expected.entry(key.clone()).or_insert(next);
                assert_eq!(table.insert(&key), (number, found.is_none()));
                assert_eq!(table.key(number), key);
            }
            assert_eq!(table.len(), expected.len());
            let keys: Vec<Vec<u8>> = (0..10_000_u32).map(|key| key.to_string().into_bytes()).collect();
            let mut found = Vec::new();
            table.find_all(keys.iter().map(Vec::as_slice), &mut found);
            assert_eq!(found, keys.iter().map(|key| expected.get(key).copied()).collect::<Vec<_>>());
            table.clear();
            expected.clear();
        }
        assert_eq!(table.find(b""), None, "no key is there at first, not even the empty one");
    }
}

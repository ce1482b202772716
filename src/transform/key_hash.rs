//! Hashes of keys, in place of the keys: 128 bits, with seeds that nobody knows beforehand.
//!
//! Two different keys of one step have the same hash with a probability of n²/2¹²⁹ for n keys: of a hundred million keys,
//! once in 10²² runs. The seeds are random in each run, so keys cannot be chosen to have the same hash. Whoever needs fewer
//! bits takes a part of them.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_inline};

use super::program::Row;

pub(crate) struct KeyHash {
    seeds: [RapidSecrets; 2],
    scratch: Vec<u8>,
}

impl KeyHash {
    pub(crate) fn new() -> Self {
        let seed = || RapidSecrets::seed(fastrand::u64(..));
        Self { seeds: [seed(), seed()], scratch: Vec::new() }
    }

    /// Returns the hash of the cells of a row at these positions.
    #[inline]
    pub(crate) fn of(&mut self, row: &Row<'_>, positions: &[usize]) -> u128 {
        if let [one] = positions {
            return self.of_bytes(row.cell(*one));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        for position in positions {
            scratch.extend_from_slice(row.cell(*position));
            scratch.push(0xFF); // is not in UTF-8, so it separates
        }
        let hash = self.of_bytes(&scratch);
        self.scratch = scratch;
        hash
    }

    /// Returns the hash of a cell.
    #[inline]
    pub(crate) fn of_bytes(&self, bytes: &[u8]) -> u128 {
        let [high, low] =
            [0, 1].map(|seed| u128::from(rapidhash_v3_inline::<true, false, true>(bytes, &self.seeds[seed])));
        high << 64 | low
    }
}

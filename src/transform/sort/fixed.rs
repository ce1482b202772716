//! Items of a fixed size: whole numbers of 128 bits.

use std::cmp::Ordering;
use std::io::{self, Write};

use super::merge::RunReader;
use super::{Chunk, Sorter};

/// Numbers in memory. Any sort of them is stable, as equal ones do not differ.
pub struct Words(Vec<u128>);

const WORD_BYTES: usize = size_of::<u128>();

impl Chunk for Words {
    type Item = u128;

    fn with_budget(bytes: usize) -> Self {
        // The system provides the memory as it is used.
        Self(Vec::with_capacity(bytes / WORD_BYTES + 1))
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.0.len() * WORD_BYTES
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    fn sort(&mut self) {
        self.0.sort_unstable();
    }

    fn clear(&mut self) {
        self.0.clear();
    }

    #[inline]
    fn get(&self, index: usize, item: &mut u128) {
        *item = self.0[index];
    }

    #[inline]
    fn compare(a: &u128, b: &u128) -> Ordering {
        a.cmp(b)
    }

    #[inline]
    fn write(item: &u128, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&item.to_le_bytes())
    }

    #[inline]
    fn read(run: &mut RunReader, item: &mut u128) -> io::Result<()> {
        let mut bytes = [0; WORD_BYTES];
        run.take(&mut bytes)?;
        *item = u128::from_le_bytes(bytes);
        Ok(())
    }
}

impl Sorter<Words> {
    /// Adds a number.
    ///
    /// # Errors
    /// The temporary file cannot be written; the error may concern earlier numbers.
    #[inline]
    pub fn push(&mut self, word: u128) -> io::Result<()> {
        self.chunk.0.push(word);
        self.spill_if_full()
    }
}

//! Sorted runs → their items in order.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::Chunk;

/// Reads one run of a file with a buffer of its own.
pub struct RunReader {
    file: File,
    rest: Range<u64>,
    buffer: Vec<u8>,
    at: usize,
}

impl RunReader {
    pub(in crate::transform) fn new(file: File, run: Range<u64>, buffer_bytes: usize) -> Self {
        Self { file, rest: run, buffer: Vec::with_capacity(buffer_bytes), at: 0 }
    }

    fn is_done(&self) -> bool {
        self.at == self.buffer.len() && self.rest.is_empty()
    }

    /// Fills `bytes`.
    #[inline]
    pub(in crate::transform) fn take(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        match self.buffer.get(self.at..self.at + bytes.len()) {
            Some(found) => {
                bytes.copy_from_slice(found);
                self.at += bytes.len();
                Ok(())
            }
            None => self.take_in_parts(bytes),
        }
    }

    /// Replaces the content of `out` by the next `count` bytes.
    #[inline]
    pub(in crate::transform) fn take_to(&mut self, count: usize, out: &mut Vec<u8>) -> io::Result<()> {
        match self.buffer.get(self.at..self.at + count) {
            Some(found) => {
                out.clear();
                out.extend_from_slice(found);
                self.at += count;
                Ok(())
            }
            None => {
                out.resize(count, 0);
                self.take_in_parts(out)
            }
        }
    }

    /// Passes over the next `count` bytes.
    pub(in crate::transform) fn skip(&mut self, count: usize) -> io::Result<()> {
        let buffered = count.min(self.buffer.len() - self.at);
        self.at += buffered;
        self.rest.start += (count - buffered) as u64;
        if self.rest.start > self.rest.end { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn take_in_parts(&mut self, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.at == self.buffer.len() {
                self.fill()?;
            }
            let count = bytes.len().min(self.buffer.len() - self.at);
            let (now, later) = bytes.split_at_mut(count);
            now.copy_from_slice(&self.buffer[self.at..self.at + count]);
            self.at += count;
            bytes = later;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        let wanted = (self.rest.end - self.rest.start).min(self.buffer.capacity() as u64) as usize;
        if wanted == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.resize(wanted, 0);
        self.file.read_exact_at(&mut self.buffer, self.rest.start)?;
        self.rest.start += wanted as u64;
        self.at = 0;
        Ok(())
    }
}

/// A merge of runs. Of equal items, those of the earlier run come first.
pub(super) struct Merge<C: Chunk> {
    runs: Vec<RunReader>,
    /// The next item of each run.
    heads: Vec<C::Item>,
    /// Runs that are not done, as a binary heap: the one with the least head first.
    heap: Vec<usize>,
    /// True if the first head was returned.
    is_returned: bool,
}

impl<C: Chunk> Merge<C> {
    pub(super) fn new(mut runs: Vec<RunReader>) -> io::Result<Self> {
        let mut heads = Vec::with_capacity(runs.len());
        let mut heap = Vec::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            let mut head = C::Item::default();
            if !run.is_done() {
                C::read(run, &mut head)?;
                heap.push(index);
            }
            heads.push(head);
        }
        let mut merge = Self { runs, heads, heap, is_returned: false };
        for at in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(at);
        }
        Ok(merge)
    }

    #[inline]
    pub(super) fn next(&mut self) -> io::Result<Option<&C::Item>> {
        if self.is_returned {
            self.advance()?;
        }
        self.is_returned = true;
        Ok(self.heap.first().map(|run| &self.heads[*run]))
    }

    /// Replaces the first head by the next item of its run.
    #[inline]
    fn advance(&mut self) -> io::Result<()> {
        let Some(&run) = self.heap.first() else { return Ok(()) };
        if self.runs[run].is_done() {
            self.heap.swap_remove(0);
        } else {
            C::read(&mut self.runs[run], &mut self.heads[run])?;
        }
        self.sift_down(0);
        Ok(())
    }

    #[inline]
    fn sift_down(&mut self, mut at: usize) {
        let is_less = |a: usize, b: usize| C::compare(&self.heads[a], &self.heads[b]).then(a.cmp(&b)).is_lt();
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            for child in [left, right] {
                if child < self.heap.len() && is_less(self.heap[child], self.heap[least]) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }
}

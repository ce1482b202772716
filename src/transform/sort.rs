//! An external merge sort: any number of items in bounded memory, sorted stably.
//!
//! Items gather in a [`Chunk`] of half the budget. A full chunk is sorted and spilled by a thread of its own, while the
//! next one fills. All runs of spilled items are in one temporary file, which has no name and so is gone with the
//! process; reading them merges them. With more runs than read buffers fit into the budget, they are merged in stages.

mod context;
mod fixed;
mod merge;
mod records;

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

pub(super) use context::{Context, READING, Stopped, WRITING};
pub use fixed::Words;
use merge::Merge;
pub use merge::RunReader;
pub use records::{RecordItem, Records};

/// Items in memory: how they are kept, compared and written.
pub trait Chunk: Send + 'static {
    /// One item, out of a chunk or a run.
    type Item: Default;

    /// Makes an empty chunk for about so many bytes.
    fn with_budget(bytes: usize) -> Self;
    /// Returns the bytes in use.
    fn bytes(&self) -> usize;
    fn len(&self) -> usize;
    /// Sorts stably.
    fn sort(&mut self);
    fn clear(&mut self);
    fn get(&self, index: usize, item: &mut Self::Item);
    fn compare(a: &Self::Item, b: &Self::Item) -> Ordering;
    fn write(item: &Self::Item, out: &mut impl Write) -> io::Result<()>;

    /// Writes the item with this index. `item` is overwritten.
    fn write_at(&self, index: usize, item: &mut Self::Item, out: &mut impl Write) -> io::Result<()> {
        self.get(index, item);
        Self::write(item, out)
    }

    /// Reads the next item of a run that has one.
    fn read(run: &mut RunReader, item: &mut Self::Item) -> io::Result<()>;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Takes items in any order. [`Sorter::finish`] returns them sorted.
pub struct Sorter<C: Chunk> {
    context: Context,
    /// Bytes of memory.
    budget: usize,
    pub(crate) chunk: C,
    spill: Option<Spill>,
    /// The chunk that is being spilled, and the runs before it.
    spilling: Option<JoinHandle<io::Result<(C, Spill)>>>,
}

/// Sorted runs, one after the other in one file.
struct Spill {
    file: File,
    /// The end of each run.
    ends: Vec<u64>,
}

/// The bytes that are written at once.
const WRITE_BYTES: usize = 64 << 10;
/// The smallest buffer that a run is read with.
const READ_BYTES_MIN: usize = 16 << 10;
const READ_BYTES_MAX: usize = 1 << 20;
/// The largest number of runs that are merged at once.
const RUNS_MAX: usize = 256;

impl<C: Chunk> Sorter<C> {
    /// Makes a sorter that uses about `budget` bytes of memory, and the rest of the space that it needs in `folder`. One
    /// item may be larger than the budget.
    pub fn new(folder: &Path, budget: usize) -> Self {
        let chunk = C::with_budget(budget / 2);
        let context = Context { folder: folder.to_owned(), stop: None };
        Self { context, budget, chunk, spill: None, spilling: None }
    }

    /// Makes it end with an error soon after `stop`, while it spills, merges, or passes on items.
    pub fn stopped_by(mut self, stop: &CancellationToken) -> Self {
        self.context.stop = Some(stop.clone());
        self
    }

    /// Spills the chunk if it is full.
    #[inline]
    pub(crate) fn spill_if_full(&mut self) -> io::Result<()> {
        if self.chunk.bytes() >= self.budget / 2 { self.spill() } else { Ok(()) }
    }

    #[cold]
    fn spill(&mut self) -> io::Result<()> {
        let (free, spill) = self.wait()?;
        let spill = match spill {
            Some(spill) => spill,
            None => Spill::create(&self.context)?,
        };
        let free = free.unwrap_or_else(|| C::with_budget(self.budget / 2));
        let full = std::mem::replace(&mut self.chunk, free);
        let thread = std::thread::Builder::new().name("sort".into());
        let context = self.context.clone();
        self.spilling = Some(thread.spawn(move || spill_chunk(full, spill, &context))?);
        Ok(())
    }

    /// Waits for the chunk that is being spilled. Returns it, empty, with all runs so far.
    fn wait(&mut self) -> io::Result<(Option<C>, Option<Spill>)> {
        match self.spilling.take() {
            None => Ok((None, self.spill.take())),
            Some(thread) => {
                let (chunk, spill) = thread.join().map_err(|_| io::Error::other("the sorting thread panicked"))??;
                Ok((Some(chunk), Some(spill)))
            }
        }
    }

    /// Returns all items, sorted. Equal ones keep their order.
    ///
    /// # Errors
    /// The temporary file cannot be written or read; being stopped.
    pub fn finish(mut self) -> io::Result<Sorted<C>> {
        let (_, spill) = self.wait()?;
        let Self { context, budget, mut chunk, .. } = self;
        let Some(mut spill) = spill else {
            chunk.sort();
            return Ok(Sorted {
                items: Items::InMemory { chunk, next: 0 },
                item: C::Item::default(),
                context,
                passed: 0,
            });
        };
        if !chunk.is_empty() {
            (chunk, spill) = spill_chunk(chunk, spill, &context)?;
        }
        drop(chunk); // its memory is the buffers' now
        let fan_in = (budget / 2 / READ_BYTES_MIN).clamp(2, RUNS_MAX);
        while spill.ends.len() > fan_in {
            spill = merge_stage::<C>(spill, &context, fan_in, budget)?;
        }
        let readers = spill.readers(0..spill.ends.len(), budget);
        let merge = readers.and_then(Merge::new).map_err(|source| context.failed(READING, source))?;
        Ok(Sorted { items: Items::Merged(merge), item: C::Item::default(), context, passed: 0 })
    }
}

/// Sorts the chunk and appends it as a run. Returns it empty.
fn spill_chunk<C: Chunk>(mut chunk: C, mut spill: Spill, context: &Context) -> io::Result<(C, Spill)> {
    context.check()?;
    chunk.sort();
    let mut item = C::Item::default();
    let written = spill.append(|out| {
        for index in 0..chunk.len() {
            context.check_at(index)?;
            chunk.write_at(index, &mut item, out)?;
        }
        Ok(())
    });
    written.map_err(|source| context.failed(WRITING, source))?;
    chunk.clear();
    Ok((chunk, spill))
}

/// Merges each `fan_in` neighbouring runs into one. Their order stays, so that equal items keep theirs.
fn merge_stage<C: Chunk>(spill: Spill, context: &Context, fan_in: usize, budget: usize) -> io::Result<Spill> {
    let mut merged = Spill::create(context)?;
    let count = spill.ends.len();
    for first in (0..count).step_by(fan_in) {
        let readers = spill.readers(first..count.min(first + fan_in), budget);
        let mut merge = readers.and_then(Merge::<C>::new).map_err(|source| context.failed(READING, source))?;
        let written = merged.append(|out| {
            for index in 0.. {
                context.check_at(index)?;
                let Some(item) = merge.next()? else { break };
                C::write(item, out)?;
            }
            Ok(())
        });
        written.map_err(|source| context.failed("merging", source))?;
    }
    Ok(merged)
}

impl Spill {
    fn create(context: &Context) -> io::Result<Self> {
        Ok(Self { file: context.create()?, ends: Vec::new() })
    }

    fn append(&mut self, write: impl FnOnce(&mut Counted<'_>) -> io::Result<()>) -> io::Result<()> {
        let mut out = Counted { inner: BufWriter::with_capacity(WRITE_BYTES, &self.file), bytes: 0 };
        write(&mut out)?;
        out.flush()?;
        let start = self.ends.last().copied().unwrap_or(0);
        self.ends.push(start + out.bytes);
        Ok(())
    }

    fn readers(&self, runs: std::ops::Range<usize>, budget: usize) -> io::Result<Vec<RunReader>> {
        let buffer = (budget / 2 / runs.len().max(1)).clamp(READ_BYTES_MIN, READ_BYTES_MAX);
        let start = |run: usize| run.checked_sub(1).map_or(0, |before| self.ends[before]);
        runs.map(|run| Ok(RunReader::new(self.file.try_clone()?, start(run)..self.ends[run], buffer))).collect()
    }
}

/// A buffered writer that counts.
pub struct Counted<'a> {
    inner: BufWriter<&'a File>,
    bytes: u64,
}

impl Write for Counted<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Sorted items, read once.
pub struct Sorted<C: Chunk> {
    items: Items<C>,
    item: C::Item,
    context: Context,
    passed: usize,
}

enum Items<C: Chunk> {
    InMemory { chunk: C, next: usize },
    Merged(Merge<C>),
}

impl<C: Chunk> Sorted<C> {
    /// Returns the next item.
    ///
    /// # Errors
    /// The temporary file cannot be read; being stopped.
    #[allow(clippy::should_implement_trait)] // an item is lent until the next call
    #[inline]
    pub fn next(&mut self) -> io::Result<Option<&C::Item>> {
        self.context.check_at(self.passed)?;
        self.passed += 1;
        match &mut self.items {
            Items::InMemory { chunk, next } if *next < chunk.len() => {
                chunk.get(*next, &mut self.item);
                *next += 1;
                Ok(Some(&self.item))
            }
            Items::InMemory { .. } => Ok(None),
            Items::Merged(merge) => merge.next().map_err(|source| self.context.failed(READING, source)),
        }
    }
}

#[cfg(test)]
mod tests;

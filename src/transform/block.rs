//! Reading ahead: bytes → blocks with the positions of all bytes that can end a cell or a record, on a separate thread.
//!
//! Reading, inflating and marking do not depend on record boundaries, so they run in parallel to the row program.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// Bytes read into one block.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
/// Space before them for the unfinished record of the previous block.
pub(super) const HEADROOM: usize = 16 << 10;

#[derive(Default)]
pub(super) struct Block {
    /// [`HEADROOM`] bytes for the receiver, then the bytes read.
    pub(super) bytes: Vec<u8>,
    /// Positions of the delimiter, `"`, CR and LF.
    pub(super) marks: Vec<u32>,
    pub(super) is_ascii: bool,
    pub(super) has_nul: bool,
    /// True for the last block of the input.
    pub(super) is_last: bool,
}

/// Appends the position of every delimiter, `"`, CR and LF of `bytes[from..]`.
pub(super) fn mark(bytes: &[u8], from: usize, delimiter: u8, marks: &mut Vec<u32>) {
    // Comparing 32 bytes without a branch lets the compiler use the processor's vector registers.
    let special = |byte: u8| {
        u8::from(byte == delimiter) | u8::from(byte == b'\n') | u8::from(byte == b'"') | u8::from(byte == b'\r')
    };
    let (chunks, rest) = bytes[from..].as_chunks::<32>();
    let mut base = from as u32;
    for chunk in chunks {
        let hits = chunk.map(special);
        for (index, word) in hits.as_chunks::<8>().0.iter().enumerate() {
            let mut bits = u64::from_le_bytes(*word);
            while bits != 0 {
                marks.push(base + index as u32 * 8 + bits.trailing_zeros() / 8);
                bits &= bits - 1;
            }
        }
        base += 32;
    }
    marks.extend(rest.iter().zip(base..).filter(|(byte, _)| special(**byte) == 1).map(|(_, at)| at));
}

/// Returns, in one pass, if all bytes are ASCII and if any of them is NUL.
pub(super) fn scan(bytes: &[u8]) -> (bool, bool) {
    let (chunks, rest) = bytes.as_chunks::<64>();
    let (mut high, mut least) = ([0; 64], [u8::MAX; 64]);
    for chunk in chunks {
        for at in 0..64 {
            high[at] |= chunk[at];
            least[at] = least[at].min(chunk[at]);
        }
    }
    let is_ascii = high.is_ascii() && rest.is_ascii();
    (is_ascii, least.contains(&0) || rest.contains(&0))
}

/// The blocks of an input, read by a thread of its own unless the first is the only one: most reports are small, and
/// starting a thread costs more than reading them.
pub(super) struct ReadAhead {
    first: Option<io::Result<Block>>,
    thread: Option<ReadThread>,
}

struct ReadThread {
    blocks: Receiver<io::Result<Block>>,
    used: Sender<Block>,
    handle: JoinHandle<()>,
}

impl ReadAhead {
    pub(super) fn start(mut input: Box<dyn Read + Send>, delimiter: u8) -> io::Result<Self> {
        let mut block = Block::default();
        let first = fill(&mut *input, delimiter, &mut block).map(|()| block);
        let thread = match &first {
            Ok(block) if !block.is_last => Some(ReadThread::start(input, delimiter)?),
            _ => None,
        };
        Ok(Self { first: Some(first), thread })
    }

    /// Returns the next block; `None` after the last one or an error.
    pub(super) fn next(&mut self) -> Option<io::Result<Block>> {
        self.first.take().or_else(|| self.thread.as_ref()?.blocks.recv().ok())
    }

    pub(super) fn give_back(&self, block: Block) {
        if let Some(thread) = &self.thread {
            let _ = thread.used.send(block); // fails if the thread has ended
        }
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        if let Some(ReadThread { blocks, handle, .. }) = self.thread.take() {
            drop(blocks); // the thread's next send fails, which ends it
            let _ = handle.join();
        }
    }
}

impl ReadThread {
    fn start(mut input: Box<dyn Read + Send>, delimiter: u8) -> io::Result<Self> {
        let (send, blocks) = sync_channel(2);
        let (used, free) = channel();
        let work = move || read_all(&mut *input, delimiter, &send, &free);
        let handle = std::thread::Builder::new().name("read-ahead".into()).spawn(work)?;
        Ok(Self { blocks, used, handle })
    }
}

fn read_all(input: &mut dyn Read, delimiter: u8, send: &SyncSender<io::Result<Block>>, free: &Receiver<Block>) {
    loop {
        // The channels limit the number of blocks, so none is waited for.
        let mut block = free.try_recv().unwrap_or_default();
        let filled = fill(input, delimiter, &mut block);
        let is_end = filled.is_err() || block.is_last;
        if send.send(filled.map(|()| block)).is_err() || is_end {
            return;
        }
    }
}

fn fill(input: &mut dyn Read, delimiter: u8, block: &mut Block) -> io::Result<()> {
    match block.bytes.is_empty() {
        true => block.bytes = vec![0; HEADROOM + BLOCK_BYTES], // zeroed by the system, as far as it is used
        false => block.bytes.resize(HEADROOM + BLOCK_BYTES, 0),
    }
    let mut end = HEADROOM;
    block.is_last = false;
    while end < block.bytes.len() {
        match input.read(&mut block.bytes[end..]) {
            Ok(0) => {
                block.is_last = true;
                break;
            }
            Ok(read) => end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    block.bytes.truncate(end);
    (block.is_ascii, block.has_nul) = scan(&block.bytes[HEADROOM..]);
    block.marks.clear();
    mark(&block.bytes, HEADROOM, delimiter, &mut block.marks);
    Ok(())
}

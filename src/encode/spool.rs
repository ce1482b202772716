//! Encoded bytes → a file of the spool and its digest, hashed and written on a thread of their own.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use crate::digest::hex;

/// Bytes gathered before they are handed to the thread.
const BLOCK_BYTES: usize = 256 << 10;
/// Blocks in all, whoever holds them.
const BLOCKS_MAX: usize = 3;

/// A file that grows under `<path>.part` and gets its name when it is whole. Dropped unfinished, it is removed.
pub(super) struct SpoolFile {
    path: PathBuf,
    part: PathBuf,
    /// What is being gathered. Its owner appends to it and calls [`SpoolFile::pass_on`] now and then.
    pub(super) block: Vec<u8>,
    full: Option<SyncSender<Piece>>,
    free: Receiver<Vec<u8>>,
    made: usize,
    thread: Option<JoinHandle<io::Result<Written>>>,
}

/// What goes to the thread.
enum Piece {
    Block(Vec<u8>),
    /// What came since the last mark is a file of its own.
    Mark,
}

/// What was written.
#[derive(Default)]
pub(super) struct Written {
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// The same of what lies before each mark.
    pub marked: Vec<(u64, String)>,
}

impl SpoolFile {
    /// `marks` says whether [`SpoolFile::mark`] will be called: digests are made twice then.
    pub(super) fn create(path: &Path, marks: bool) -> io::Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part)?;
        let (full, blocks) = sync_channel(1);
        let (emptied, free) = channel();
        let work = move || write_all(file, &blocks, &emptied, marks);
        let thread = std::thread::Builder::new().name("spool".into()).spawn(work)?;
        let block = Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 4);
        Ok(Self { path: path.to_owned(), part, block, full: Some(full), free, made: 1, thread: Some(thread) })
    }

    /// Hands the block on if it is full.
    #[inline]
    pub(super) fn pass_on(&mut self) -> io::Result<()> {
        if self.block.len() < BLOCK_BYTES { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> io::Result<()> {
        let next = match self.free.try_recv() {
            Ok(block) => Some(block),
            Err(_) if self.made < BLOCKS_MAX => {
                self.made += 1;
                Some(Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 4))
            }
            Err(_) => self.free.recv().ok(),
        };
        let block = std::mem::replace(&mut self.block, next.unwrap_or_default());
        self.give(Piece::Block(block))
    }

    fn give(&mut self, piece: Piece) -> io::Result<()> {
        let sent = self.full.as_ref().is_some_and(|full| full.send(piece).is_ok());
        // A thread that no longer takes blocks has failed: its answer says why.
        if sent { Ok(()) } else { self.join().and(Err(io::Error::other("the writing thread ended early"))) }
    }

    /// Ends a file of a set: what came since the last mark.
    pub(super) fn mark(&mut self) -> io::Result<()> {
        self.send()?;
        self.give(Piece::Mark)
    }

    fn join(&mut self) -> io::Result<Written> {
        self.full = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Err(io::Error::other("the writing thread is gone")),
        }
    }

    /// What the file holds, which has its name now.
    pub(super) fn finish(mut self) -> io::Result<Written> {
        self.send()?;
        let written = self.join()?;
        std::fs::rename(&self.part, &self.path)?;
        Ok(written)
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.join();
        }
        // Gone already once it has its name; a remainder would be overwritten by the next try anyway.
        let _ = std::fs::remove_file(&self.part);
    }
}

fn write_all(mut file: File, pieces: &Receiver<Piece>, emptied: &Sender<Vec<u8>>, marks: bool) -> io::Result<Written> {
    let mut hash = Sha256::new();
    let mut since = marks.then(|| (0, Sha256::new()));
    let mut written = Written::default();
    for piece in pieces {
        match (piece, &mut since) {
            (Piece::Block(mut block), since) => {
                hash.update(&block);
                if let Some((bytes, hash)) = since {
                    *bytes += block.len() as u64;
                    hash.update(&block);
                }
                file.write_all(&block)?;
                written.bytes += block.len() as u64;
                block.clear();
                let _ = emptied.send(block);
            }
            (Piece::Mark, Some((bytes, hash))) => {
                written.marked.push((std::mem::take(bytes), hex(&hash.finalize_reset())));
            }
            (Piece::Mark, None) => return Err(io::Error::other("a mark where none was announced")),
        }
    }
    file.flush()?;
    written.sha256 = hex(&hash.finalize());
    Ok(written)
}

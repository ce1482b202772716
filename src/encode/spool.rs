//! Encoded bytes → a file in the spool and its digest, hashed and written by a separate thread.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use crate::digest::hex;

/// Bytes buffered before they are sent to the thread.
const BLOCK_BYTES: usize = 256 << 10;
const BLOCKS_MAX: usize = 3;

/// A file written as `<path>.part` and renamed when complete. Removed if dropped unfinished.
pub(super) struct SpoolFile {
    path: PathBuf,
    part: PathBuf,
    /// The current block. The owner appends to it and calls [`SpoolFile::send_if_full`] regularly.
    pub(super) block: Vec<u8>,
    full: Option<SyncSender<Message>>,
    free: Receiver<Vec<u8>>,
    made: usize,
    thread: Option<JoinHandle<io::Result<Written>>>,
}

/// A message to the thread.
enum Message {
    Block(Vec<u8>),
    /// The bytes since the last mark are a file of the file group.
    Mark,
}

#[derive(Default)]
pub(super) struct Written {
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Bytes and SHA-256 of each file that a mark ended.
    pub marked: Vec<(u64, String)>,
}

impl SpoolFile {
    /// Creates the file. Set `marks` if [`SpoolFile::mark`] will be called, which costs a second digest.
    pub(super) fn create(path: &Path, marks: bool) -> io::Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = crate::disk::private_file().write(true).create(true).truncate(true).open(&part)?;
        let (full, blocks) = sync_channel(1);
        let (emptied, free) = channel();
        let work = move || write_all(file, &blocks, &emptied, marks);
        let thread = std::thread::Builder::new().name("spool".into()).spawn(work)?;
        let block = Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 4);
        Ok(Self { path: path.to_owned(), part, block, full: Some(full), free, made: 1, thread: Some(thread) })
    }

    /// Sends the block to the thread if it is full.
    #[inline]
    pub(super) fn send_if_full(&mut self) -> io::Result<()> {
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
        self.send_message(Message::Block(block))
    }

    fn send_message(&mut self, message: Message) -> io::Result<()> {
        let sent = self.full.as_ref().is_some_and(|full| full.send(message).is_ok());
        // A thread that no longer receives has failed: joining returns its error.
        if sent { Ok(()) } else { self.join().and(Err(io::Error::other("the writing thread ended early"))) }
    }

    /// Ends a file of a file group.
    pub(super) fn mark(&mut self) -> io::Result<()> {
        self.send()?;
        self.send_message(Message::Mark)
    }

    fn join(&mut self) -> io::Result<Written> {
        self.full = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Err(io::Error::other("the writing thread panicked")),
        }
    }

    /// Completes the file and renames it.
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
        // Does nothing after the rename; a leftover would be overwritten by the next attempt anyway.
        let _ = std::fs::remove_file(&self.part);
    }
}

fn write_all(
    mut file: File,
    messages: &Receiver<Message>,
    emptied: &Sender<Vec<u8>>,
    marks: bool,
) -> io::Result<Written> {
    let mut hash = Sha256::new();
    let mut since = marks.then(|| (0, Sha256::new()));
    let mut written = Written::default();
    for message in messages {
        match (message, &mut since) {
            (Message::Block(mut block), since) => {
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
            (Message::Mark, Some((bytes, hash))) => {
                written.marked.push((std::mem::take(bytes), hex(&hash.finalize_reset())));
            }
            (Message::Mark, None) => return Err(io::Error::other("unexpected mark")),
        }
    }
    file.flush()?;
    written.sha256 = hex(&hash.finalize());
    Ok(written)
}

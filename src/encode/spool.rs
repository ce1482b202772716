//! Encoded bytes → a file in the spool and its digest, hashed and written by a separate thread if there are many.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use super::content::ContentDigests;
use super::pack::{Packed, Packing};
use crate::digest::hex;

/// Bytes buffered before they are sent to the thread.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
const BLOCKS_MAX: usize = 5;

/// A file written as `<path>.part` and renamed when complete. Removed if dropped unfinished.
pub(super) struct SpoolFile {
    path: PathBuf,
    part: PathBuf,
    /// The current block. The owner appends to it and calls [`SpoolFile::send_if_full`] regularly.
    pub(super) block: Vec<u8>,
    /// Until there is more than one block: a small file needs no thread.
    writer: Option<SpoolWriter>,
    thread: Option<SpoolThread>,
}

struct SpoolThread {
    full: SyncSender<Message>,
    free: Receiver<Vec<u8>>,
    made: usize,
    handle: JoinHandle<io::Result<Written>>,
}

/// The file and its packing.
struct SpoolWriter {
    packing: Option<Packing>,
    /// Files of the file group that are complete.
    complete: usize,
    stream: Stream,
    /// What the writer of an archive has been given of the present entry, and its digest.
    entry: Option<(u64, Sha256)>,
    /// The digests of what is packed.
    content: Option<ContentDigests>,
}

enum Stream {
    /// A file is being written.
    Open(Box<Packed<Output>>),
    /// The next one begins with its first bytes.
    Between(Box<Output>),
    /// Writing has failed.
    Failed,
}

/// The open file, and the digests so far.
struct Output {
    file: File,
    hash: Sha256,
    /// Bytes and digest since the last mark.
    since: Option<(u64, Sha256)>,
    written: Written,
}

/// A message to the thread.
enum Message {
    Block(Vec<u8>),
    /// The bytes since the last mark are a file of the file group.
    Mark,
    /// An artifact of several begins, with a packing of its own.
    Begin(Option<Packing>),
    /// It ends: its size and digest are returned.
    End(SyncSender<(u64, String)>),
}

#[derive(Default)]
pub(super) struct Written {
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// The same before packing.
    pub content_sha256: String,
    /// The files that marks ended.
    pub marked: Vec<Marked>,
}

/// A file that a mark ended.
pub(super) struct Marked {
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// The same before packing.
    pub content_sha256: String,
}

impl SpoolFile {
    /// Creates the file. Set `marks` if [`SpoolFile::mark`] will be called, which costs a second digest.
    pub(super) fn create(path: &Path, marks: bool, packing: Option<Packing>) -> io::Result<Self> {
        Self::create_with(path, marks, |output| {
            let stream = Stream::Open(Box::new(Packed::new(packing.as_ref(), 1, output)?));
            let content = packing.is_some().then(|| ContentDigests::new(marks));
            Ok(SpoolWriter { packing, complete: 0, stream, entry: None, content })
        })
    }

    /// Creates the file for several artifacts, each between [`SpoolFile::begin`] and [`SpoolFile::end`]: files of a group,
    /// or the entries of an archive with this packing.
    pub(super) fn create_group(path: &Path, archive: Option<Packing>) -> io::Result<Self> {
        let entry = archive.is_some().then(|| (0, Sha256::new()));
        Self::create_with(path, entry.is_none(), |output| {
            let stream = Stream::Between(Box::new(output));
            Ok(SpoolWriter { packing: archive, complete: 0, stream, entry, content: None })
        })
    }

    fn create_with(
        path: &Path,
        marks: bool,
        writer: impl FnOnce(Output) -> io::Result<SpoolWriter>,
    ) -> io::Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = crate::disk::private_file().write(true).create(true).truncate(true).open(&part)?;
        let since = marks.then(|| (0, Sha256::new()));
        let output = Output { file, hash: Sha256::new(), since, written: Written::default() };
        let writer = Some(writer(output)?);
        Ok(Self { path: path.to_owned(), part, block: Vec::new(), writer, thread: None })
    }

    /// Sends the block to the thread if it is full.
    #[inline]
    pub(super) fn send_if_full(&mut self) -> io::Result<()> {
        if self.block.len() < BLOCK_BYTES { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> io::Result<()> {
        let thread = match &mut self.thread {
            Some(thread) => thread,
            None => self.thread.insert(SpoolThread::start(self.writer.take().ok_or_else(ended_early)?)?),
        };
        let next = thread.next_block();
        let block = std::mem::replace(&mut self.block, next);
        self.send_message(Message::Block(block))
    }

    fn send_message(&mut self, message: Message) -> io::Result<()> {
        let sent = self.thread.as_ref().is_some_and(|thread| thread.full.send(message).is_ok());
        // A thread that no longer receives has failed: joining returns its error.
        if sent { Ok(()) } else { self.join().and(Err(ended_early())) }
    }

    /// Appends bytes. Takes them, and leaves an empty buffer.
    pub(super) fn append(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if bytes.len() < BLOCK_BYTES / 4 || self.block.len() + bytes.len() < BLOCK_BYTES {
            self.block.append(bytes);
            return self.send_if_full();
        }
        if !self.block.is_empty() {
            self.send()?;
        }
        std::mem::swap(&mut self.block, bytes);
        self.send()
    }

    /// Ends a file of a file group.
    pub(super) fn mark(&mut self) -> io::Result<()> {
        self.send()?;
        self.send_message(Message::Mark)
    }

    /// Begins an artifact of several; `packing` is that of a file, and an archive has its own.
    pub(super) fn begin(&mut self, packing: Option<Packing>) -> io::Result<()> {
        self.send()?;
        self.send_message(Message::Begin(packing))
    }

    /// Ends an artifact of several. Returns its size and SHA-256: those of its file, or of what an archive's entry has.
    pub(super) fn end(&mut self) -> io::Result<(u64, String)> {
        let (reply, ended) = sync_channel(1);
        self.send()?;
        self.send_message(Message::End(reply))?;
        // A thread that does not reply has failed: joining returns its error.
        ended.recv().or_else(|_| self.join().and(Err(ended_early())))
    }

    fn join(&mut self) -> io::Result<Written> {
        self.thread.take().map_or_else(|| Err(ended_early()), SpoolThread::join)
    }

    /// Completes the file and renames it.
    pub(super) fn finish(mut self) -> io::Result<Written> {
        let written = match self.writer.take() {
            Some(mut writer) => {
                writer.append(&self.block)?;
                writer.finish()?
            }
            None => {
                self.send()?;
                self.join()?
            }
        };
        std::fs::rename(&self.part, &self.path)?;
        Ok(written)
    }
}

impl Write for SpoolFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block.extend_from_slice(bytes);
        self.send_if_full()?;
        Ok(bytes.len())
    }

    /// Does nothing: [`SpoolFile::finish`] writes what is left.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        let _ = self.join();
        // Does nothing after the rename; a leftover would be overwritten by the next attempt anyway.
        let _ = std::fs::remove_file(&self.part);
    }
}

impl SpoolThread {
    fn start(writer: SpoolWriter) -> io::Result<Self> {
        let (full, blocks) = sync_channel(2);
        let (emptied, free) = channel();
        let work = move || writer.write_all(&blocks, &emptied);
        let handle = std::thread::Builder::new().name("spool".into()).spawn(work)?;
        Ok(Self { full, free, made: 1, handle })
    }

    /// Returns an empty block.
    fn next_block(&mut self) -> Vec<u8> {
        let next = match self.free.try_recv() {
            Ok(block) => Some(block),
            Err(_) if self.made < BLOCKS_MAX => {
                self.made += 1;
                Some(Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 4))
            }
            Err(_) => self.free.recv().ok(),
        };
        next.unwrap_or_default()
    }

    fn join(self) -> io::Result<Written> {
        drop(self.full);
        self.handle.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread panicked")))
    }
}

impl SpoolWriter {
    fn write_all(mut self, messages: &Receiver<Message>, emptied: &Sender<Vec<u8>>) -> io::Result<Written> {
        for message in messages {
            match message {
                Message::Block(mut block) => {
                    self.append(&block)?;
                    block.clear();
                    let _ = emptied.send(block);
                }
                Message::Mark => self.mark()?,
                Message::Begin(packing) => self.begin(packing)?,
                Message::End(reply) => {
                    let _ = reply.send(self.end()?);
                }
            }
        }
        self.finish()
    }

    /// Ends a file of the file group.
    fn mark(&mut self) -> io::Result<()> {
        let mut output = self.end_file()?;
        output.mark(self.content.as_mut().map(ContentDigests::mark))?;
        self.complete += 1;
        self.stream = Stream::Between(Box::new(output));
        Ok(())
    }

    fn begin(&mut self, packing: Option<Packing>) -> io::Result<()> {
        let number = self.complete + 1;
        let packed = match (&self.packing, std::mem::replace(&mut self.stream, Stream::Failed)) {
            (Some(archive), Stream::Open(packed)) if self.entry.is_some() => {
                packed.next_entry((archive.entry)(number)?)?
            }
            (archive, Stream::Between(output)) if self.entry.is_some() => {
                Packed::new(archive.as_ref(), number, *output)?
            }
            (_, Stream::Between(output)) => Packed::new(packing.as_ref(), 1, *output)?,
            (_, Stream::Open(_) | Stream::Failed) => return Err(ended_early()),
        };
        self.stream = Stream::Open(Box::new(packed));
        Ok(())
    }

    fn end(&mut self) -> io::Result<(u64, String)> {
        if let Some((bytes, hash)) = &mut self.entry {
            self.complete += 1;
            return Ok((std::mem::take(bytes), hex(&hash.finalize_reset())));
        }
        self.mark()?;
        match &mut self.stream {
            Stream::Between(output) => {
                let ended = output.written.marked.pop().ok_or_else(ended_early)?;
                Ok((ended.bytes, ended.sha256))
            }
            Stream::Open(_) | Stream::Failed => Err(ended_early()),
        }
    }

    fn append(&mut self, block: &[u8]) -> io::Result<()> {
        if block.is_empty() {
            return Ok(());
        }
        if let Some((bytes, hash)) = &mut self.entry {
            *bytes += block.len() as u64;
            hash.update(block);
        }
        if let Some(content) = &mut self.content {
            content.update(block);
        }
        if let Stream::Open(packed) = &mut self.stream {
            return packed.write_all(block);
        }
        let output = self.end_file()?;
        let mut packed = Packed::new(self.packing.as_ref(), self.complete + 1, output)?;
        packed.write_all(block)?;
        self.stream = Stream::Open(Box::new(packed));
        Ok(())
    }

    /// Ends the file that is being written, if one is.
    fn end_file(&mut self) -> io::Result<Output> {
        match std::mem::replace(&mut self.stream, Stream::Failed) {
            Stream::Open(packed) => packed.finish(),
            Stream::Between(output) => Ok(*output),
            Stream::Failed => Err(ended_early()),
        }
    }

    fn finish(mut self) -> io::Result<Written> {
        let mut output = self.end_file()?;
        output.flush()?;
        let sha256 = hex(&output.hash.finalize());
        let content_sha256 = self.content.map_or_else(|| sha256.clone(), ContentDigests::finish);
        Ok(Written { sha256, content_sha256, ..output.written })
    }
}

impl Output {
    /// Ends a file of the file group, whose digest before packing is another one.
    fn mark(&mut self, content: Option<String>) -> io::Result<()> {
        let (bytes, hash) = self.since.as_mut().ok_or_else(|| io::Error::other("unexpected mark"))?;
        let (bytes, sha256) = (std::mem::take(bytes), hex(&hash.finalize_reset()));
        let content_sha256 = content.unwrap_or_else(|| sha256.clone());
        self.written.marked.push(Marked { bytes, sha256, content_sha256 });
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, block: &[u8]) -> io::Result<usize> {
        self.file.write_all(block)?;
        self.hash.update(block);
        if let Some((bytes, hash)) = &mut self.since {
            *bytes += block.len() as u64;
            hash.update(block);
        }
        self.written.bytes += block.len() as u64;
        Ok(block.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn ended_early() -> io::Error {
    io::Error::other("the writing thread ended early")
}

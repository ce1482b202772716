//! A file's bytes → compressed and encrypted bytes, on their way to the spool.

use std::io::{self, PipeWriter, Write};
use std::sync::Arc;
use std::thread::JoinHandle;

use flate2::GzBuilder;
use flate2::write::GzEncoder;

use super::zip::ZipEncoder;
use crate::encrypt::{Keys, age};
use crate::pipeline::plan::Compression;

/// The compression and encryption of an artifact's files.
pub struct Packing {
    pub compress: Option<Compression>,
    pub keys: Option<Arc<Keys>>,
    /// Returns the name of a file's entry in its ZIP; the first file has number 1.
    pub entry: Box<dyn Fn(usize) -> io::Result<String> + Send>,
}

/// A file being packed.
pub(super) enum Packed<W: Write> {
    Plain(Encrypted<W>),
    Gzip(GzEncoder<Encrypted<W>>),
    Zstd(zstd::Encoder<'static, Encrypted<W>>),
    Zip(Box<ZipEncoder<Encrypted<W>>>),
}

/// A compressed file being encrypted.
pub(super) enum Encrypted<W: Write> {
    Plain(W),
    Age(Box<age::Encrypted<W>>),
    OpenPgp(OpenPgpThread<W>),
}

/// OpenPGP's encryption reads, so it has a thread of its own, which reads what is written here.
pub(super) struct OpenPgpThread<W> {
    pipe: Option<PipeWriter>,
    handle: Option<JoinHandle<io::Result<W>>>,
}

impl<W: Write + Send + 'static> Packed<W> {
    /// Begins a file, which is the `number`th.
    pub(super) fn new(packing: Option<&Packing>, number: usize, to: W) -> io::Result<Self> {
        let Some(Packing { compress, keys, entry }) = packing else { return Ok(Self::Plain(Encrypted::Plain(to))) };
        let to = Encrypted::new(keys.clone(), to)?;
        Ok(match compress {
            None => Self::Plain(to),
            // No name, no time, no system: equal input gives equal bytes.
            Some(Compression::Gzip) => {
                Self::Gzip(GzBuilder::new().operating_system(255).write(to, flate2::Compression::default()))
            }
            Some(Compression::Zstd) => {
                let mut encoder = zstd::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
            Some(Compression::Zip(_)) => Self::Zip(Box::new(ZipEncoder::new(to, entry(number)?)?)),
        })
    }

    /// Ends the entry of a ZIP and begins another one.
    pub(super) fn next_entry(self, name: String) -> io::Result<Self> {
        match self {
            Self::Zip(encoder) => Ok(Self::Zip(Box::new(encoder.next(name)?))),
            Self::Plain(_) | Self::Gzip(_) | Self::Zstd(_) => Err(io::Error::other("only a ZIP has entries")),
        }
    }

    /// Ends the file. Returns the writer.
    pub(super) fn finish(self) -> io::Result<W> {
        let encrypted = match self {
            Self::Plain(to) => to,
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Zstd(encoder) => encoder.finish()?,
            Self::Zip(encoder) => encoder.finish()?,
        };
        encrypted.finish()
    }
}

impl<W: Write> Write for Packed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(to) => to.write(bytes),
            Self::Gzip(to) => to.write(bytes),
            Self::Zstd(to) => to.write(bytes),
            Self::Zip(to) => to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.flush(),
            Self::Gzip(to) => to.flush(),
            Self::Zstd(to) => to.flush(),
            Self::Zip(to) => to.flush(),
        }
    }
}

impl<W: Write + Send + 'static> Encrypted<W> {
    fn new(keys: Option<Arc<Keys>>, to: W) -> io::Result<Self> {
        Ok(match keys {
            None => Self::Plain(to),
            Some(keys) => match keys.as_ref() {
                Keys::Age(recipients) => Self::Age(Box::new(age::encrypt(recipients, to)?)),
                Keys::OpenPgp(_) => Self::OpenPgp(OpenPgpThread::start(keys, to)?),
            },
        })
    }

    fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(to) => Ok(to),
            Self::Age(to) => to.finish(),
            Self::OpenPgp(mut thread) => thread.join(),
        }
    }
}

impl<W: Write> Write for Encrypted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(to) => to.write(bytes),
            Self::Age(to) => to.write(bytes),
            Self::OpenPgp(thread) => thread.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.flush(),
            Self::Age(to) => to.flush(),
            Self::OpenPgp(_) => Ok(()),
        }
    }
}

impl<W: Write + Send + 'static> OpenPgpThread<W> {
    fn start(keys: Arc<Keys>, mut to: W) -> io::Result<Self> {
        let (from, pipe) = io::pipe()?;
        let work = move || match keys.as_ref() {
            Keys::OpenPgp(keys) => keys.encrypt(from, &mut to).map(|()| to),
            Keys::Age(_) => Ok(to),
        };
        let handle = std::thread::Builder::new().name("openpgp".into()).spawn(work)?;
        Ok(Self { pipe: Some(pipe), handle: Some(handle) })
    }
}

impl<W> OpenPgpThread<W> {
    /// Waits until all is encrypted.
    fn join(&mut self) -> io::Result<W> {
        self.pipe = None;
        let ended = self.handle.take().map(JoinHandle::join);
        ended.unwrap_or_else(|| Ok(Err(ended_early()))).unwrap_or_else(|_| Err(ended_early()))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.pipe.as_mut().ok_or_else(ended_early)?.write(bytes) {
            // The thread has failed: joining returns its error.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.join().and(Err(ended_early())),
            written => written,
        }
    }
}

fn ended_early() -> io::Error {
    io::Error::other("the encrypting thread ended early")
}

//! Request bodies: in memory or a file, compressed and signed.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio_util::io::ReaderStream;

use super::signature::{self, Key};
use crate::settings::Compress;

/// Bytes of a file read at once.
const FILE_BLOCK: usize = 256 * 1024;

/// Largest body that is signed on an async thread: larger ones would delay other tasks.
const INLINE_BYTES_MAX: usize = 32 * 1024;

/// A request body, as sent and as before compression. Clones share the bytes.
///
/// Both are signed: servers and frameworks decode the content encoding before they pass the body on, and some libraries
/// verify only text. Whichever form a receiver has, one signature matches.
#[derive(Clone)]
pub(super) enum Body {
    Memory { sent: Bytes, plain: Option<Bytes> },
    File { sent: Arc<File>, plain: Option<Arc<File>>, bytes: u64 },
}

impl Body {
    /// # Errors
    /// It cannot be compressed.
    pub(super) fn in_memory(plain: Vec<u8>, compress: Compress) -> io::Result<Self> {
        if compress == Compress::None {
            return Ok(Self::Memory { sent: plain.into(), plain: None });
        }
        let mut sent = Vec::new();
        pack(&plain[..], &mut sent, compress)?;
        Ok(Self::Memory { sent: sent.into(), plain: Some(plain.into()) })
    }

    /// Compresses a file into a temporary one first, because the signature needs the sent bytes. Blocks.
    ///
    /// # Errors
    /// The file cannot be read or compressed.
    pub(super) fn from_file(plain: File, bytes: u64, compress: Compress) -> io::Result<Self> {
        if compress == Compress::None {
            return Ok(Self::File { sent: Arc::new(plain), plain: None, bytes });
        }
        let packed = tempfile::tempfile()?;
        let mut out = io::BufWriter::new(&packed);
        pack(io::BufReader::new(&plain), &mut out, compress)?;
        out.flush()?;
        drop(out);
        let bytes = packed.metadata()?.len();
        Ok(Self::File { sent: Arc::new(packed), plain: Some(Arc::new(plain)), bytes })
    }

    /// Returns the bytes to send.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory { sent, .. } => sent.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }

    /// Returns true if it is small enough to sign on an async thread.
    pub(super) fn is_small(&self) -> bool {
        match self {
            Self::Memory { sent, plain } => sent.len().max(plain.as_ref().map_or(0, Bytes::len)) <= INLINE_BYTES_MAX,
            Self::File { .. } => false,
        }
    }

    /// Returns the signatures by each key: of the sent bytes, then of the uncompressed ones. Blocks while a file is read.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn sign(&self, keys: &[Key], id: &str, timestamp: i64) -> io::Result<String> {
        let (sent, plain) = match self {
            Self::Memory { sent, plain } => {
                let sign = |bytes: &Bytes| signature::sign(keys, id, timestamp, bytes);
                (sign(sent), plain.as_ref().map(sign))
            }
            Self::File { sent, plain, .. } => {
                let sign = |file: &Arc<File>| signature::sign_stream(keys, id, timestamp, rewound(file)?);
                (sign(sent)?, plain.as_ref().map(sign).transpose()?)
            }
        };
        Ok([sent, plain.unwrap_or_default()].join(" ").trim().to_owned())
    }

    /// Returns the body for one request. Each block of a file counts as `progress`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn payload(&self, progress: &Progress) -> io::Result<reqwest::Body> {
        match self {
            Self::Memory { sent, .. } => Ok(sent.clone().into()),
            Self::File { sent, .. } => {
                let (file, progress) = (tokio::fs::File::from_std(rewound(sent)?), progress.clone());
                let blocks = ReaderStream::with_capacity(file, FILE_BLOCK).inspect(move |_| progress.note());
                Ok(reqwest::Body::wrap_stream(blocks))
            }
        }
    }
}

fn rewound(file: &File) -> io::Result<File> {
    let mut file = file.try_clone()?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

fn pack(mut from: impl io::Read, to: impl Write, compress: Compress) -> io::Result<()> {
    match compress {
        Compress::None => Err(io::Error::other("no compression is set")),
        Compress::Gzip => {
            let mut packer = flate2::write::GzEncoder::new(to, flate2::Compression::default());
            io::copy(&mut from, &mut packer)?;
            packer.finish().map(|_| ())
        }
        Compress::Zstd => zstd::stream::copy_encode(from, to, 0),
    }
}

/// Time of a body's last progress.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Option<Instant>>>);

impl Progress {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Instant::now());
    }

    /// Waits until there was no progress for `timeout`.
    pub(super) async fn stalled(&self, timeout: Duration) {
        let started = Instant::now();
        loop {
            let last = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).unwrap_or(started);
            match timeout.checked_sub(last.elapsed()) {
                None | Some(Duration::ZERO) => return,
                Some(left) => tokio::time::sleep(left).await,
            }
        }
    }
}

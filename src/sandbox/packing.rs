//! The body of a report's download: a ZIP written on the fly, or one of the odd bodies.

use std::io::{self, Write};

use axum::body::Bytes;
use tokio::sync::mpsc;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::content::Content;
use super::misbehave::Packing;

/// Largest body that is buffered and sent with its length; larger ones are streamed.
const WHOLE_ROWS_MAX: u64 = 5000;
/// Bytes of one chunk of a stream.
const CHUNK_BYTES: usize = 128 << 10;
/// Chunks that wait for the network.
const CHUNKS_WAITING: usize = 4;
/// Declared and real size of the ZIP bomb; all zeros.
const BOMB_BYTES: usize = 64 << 20;

/// A body, buffered or streamed.
pub(super) enum Packed {
    Whole(Vec<u8>),
    Stream(mpsc::Receiver<io::Result<Bytes>>),
}

/// Returns the body and its content type.
///
/// # Errors
/// Those of the ZIP writer; none is expected in memory.
pub(super) fn pack(content: Content, name: &str, packing: Packing) -> io::Result<(Packed, &'static str)> {
    let streams = matches!(packing, Packing::One | Packing::Stored | Packing::Plain | Packing::Mac);
    let kind = match packing {
        Packing::Plain | Packing::Empty | Packing::Utf16 => "text/csv; charset=utf-8",
        Packing::Html => "text/html; charset=utf-8",
        Packing::Json => "application/json",
        _ => "application/zip",
    };
    if streams && content.rows() > WHOLE_ROWS_MAX {
        let name = name.to_owned();
        let (chunks, stream) = mpsc::channel(CHUNKS_WAITING);
        tokio::task::spawn_blocking(move || {
            let mut to = Chunks { chunks, block: Vec::with_capacity(CHUNK_BYTES) };
            // The client may have disconnected: then the error reaches no one.
            let _ = write(&content, &name, packing, &mut to);
        });
        return Ok((Packed::Stream(stream), kind));
    }
    let mut body = Vec::new();
    write(&content, name, packing, &mut body)?;
    match packing {
        Packing::Truncated => body.truncate(body.len() * 2 / 3),
        // In the middle of the compressed rows.
        Packing::Corrupt => {
            let middle = body.len() / 2;
            body[middle..middle + 16].iter_mut().for_each(|byte| *byte ^= 0xff);
        }
        Packing::Encrypted => encrypt(&mut body),
        _ => {}
    }
    Ok((Packed::Whole(body), kind))
}

fn write(content: &Content, name: &str, packing: Packing, to: &mut impl Write) -> io::Result<()> {
    match packing {
        Packing::Plain => content.write_to(to),
        Packing::Empty => Ok(()),
        Packing::Html => to.write_all(super::reply::SIGN_IN_PAGE.as_bytes()),
        Packing::Json => to.write_all(br#"{"name":"Bad Request","message":["Export not available"],"status":400}"#),
        Packing::Gzip => {
            let mut gzip = flate2::write::GzEncoder::new(to, flate2::Compression::fast());
            content.write_to(&mut gzip)?;
            gzip.finish().map(drop)
        }
        Packing::Utf16 => {
            let mut csv = Vec::new();
            content.write_to(&mut csv)?;
            let units = String::from_utf8_lossy(&csv).encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
            to.write_all(b"\xff\xfe")?;
            to.write_all(&units)
        }
        _ => zip(content, name, packing, to),
    }
}

fn zip(content: &Content, name: &str, packing: Packing, to: &mut impl Write) -> io::Result<()> {
    let mut zip = ZipWriter::new_stream(to);
    let method = if packing == Packing::Stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
    // Level 1, for speed; a bomb is compressed as much as possible.
    let tight = if packing == Packing::Bomb { 9 } else { 1 };
    let level = (method == CompressionMethod::Deflated).then_some(tight);
    // The size is unknown until the end: ZIP64 if it may exceed 4 GiB.
    let large = content.rows() > 10_000_000;
    let options = SimpleFileOptions::default().compression_method(method).compression_level(level).large_file(large);
    let mut add = |name: &str, write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>| {
        zip.start_file(name, options)?;
        write(&mut zip)
    };
    let mut csv = |mut to: &mut dyn Write| content.write_to(&mut to);
    let mut text = |to: &mut dyn Write| to.write_all(b"see the other file");
    match packing {
        Packing::None => {}
        Packing::Two => {
            add(&format!("{name}_1.csv"), &mut csv)?;
            add(&format!("{name}_2.csv"), &mut csv)?;
        }
        Packing::Mac => {
            add(&format!("__MACOSX/._{name}.csv"), &mut text)?;
            add(&format!("export/._{name}.csv"), &mut text)?;
            add(&format!("export/{name}.CSV"), &mut csv)?;
        }
        Packing::Bomb => add(&format!("{name}.csv"), &mut |to| {
            let zeros = vec![0; 1 << 20];
            (0..BOMB_BYTES / zeros.len()).try_for_each(|_| to.write_all(&zeros))
        })?,
        Packing::Xlsx => {
            add("[Content_Types].xml", &mut text)?;
            add("xl/workbook.xml", &mut text)?;
        }
        Packing::NotCsv => {
            add("readme.txt", &mut text)?;
            add(&format!("{name}.pdf"), &mut text)?;
        }
        _ => add(&format!("{name}.csv"), &mut csv)?,
    }
    zip.finish()?;
    Ok(())
}

/// Sets the flag "encrypted" of every entry: enough for a reader to believe it.
fn encrypt(zip: &mut [u8]) {
    for (mark, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let places: Vec<usize> = memchr::memmem::find_iter(zip, mark).collect();
        for place in places {
            zip[place + flags] |= 1;
        }
    }
}

/// Sends written data in chunks.
struct Chunks {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    block: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= CHUNK_BYTES {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // The ZIP writer flushes at each step: chunks are sent at the end instead.
        Ok(())
    }
}

impl Chunks {
    fn send(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(CHUNK_BYTES));
        self.chunks.blocking_send(Ok(block.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        if !self.block.is_empty() {
            let _ = self.send();
        }
    }
}

/// Reads ZIPs in memory, for the tests.
#[cfg(test)]
fn reread(bytes: Vec<u8>) -> zip::ZipArchive<io::Cursor<Vec<u8>>> {
    zip::ZipArchive::new(io::Cursor::new(bytes)).unwrap()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::sandbox::misbehave::Body;
    use crate::sandbox::reports::REPORTS;

    #[test]
    fn the_zip_holds_the_csv() {
        let content = || Content::new(&REPORTS[0], 1, 3000, &Body { crlf: true, bom: true, ..Body::default() });
        let mut csv = Vec::new();
        content().write_to(&mut csv).unwrap();
        assert!(csv.starts_with(b"\xef\xbb\xbfEmployee Number,Username") && csv.ends_with(b"\r\n"));
        for packing in [Packing::One, Packing::Stored, Packing::Mac] {
            let (Packed::Whole(body), "application/zip") = pack(content(), "r", packing).unwrap() else { panic!() };
            let mut zip = reread(body);
            let last = zip.len() - 1;
            let mut read = Vec::new();
            zip.by_index(last).unwrap().read_to_end(&mut read).unwrap();
            assert!(read == csv, "{packing:?}");
        }
    }
}

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderValue};

use crate::settings::Compress;

/// When a body last moved.
#[derive(Clone, Default)]
pub(super) struct Moved(Arc<Mutex<Option<Instant>>>);

impl Moved {
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Instant::now());
    }

    /// Comes back once it has not moved for so long.
    pub(super) async fn has_stood_still(&self, patience: Duration) {
        let begun = Instant::now();
        loop {
            let last = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).unwrap_or(begun);
            match patience.checked_sub(last.elapsed()) {
                None | Some(Duration::ZERO) => return,
                Some(left) => tokio::time::sleep(left).await,
            }
        }
    }
}

/// Sets headers; an empty value sets none.
pub(super) fn header_values(headers: &mut HeaderMap, values: &[(&'static str, &str)]) {
    for (name, value) in values {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
            headers.insert(*name, value);
        }
    }
}

pub(super) fn pack(mut from: impl io::Read, to: impl io::Write, compress: Compress) -> io::Result<()> {
    match compress {
        Compress::None => Err(io::Error::other("nothing to pack")),
        Compress::Gzip => {
            let mut packer = flate2::write::GzEncoder::new(to, flate2::Compression::default());
            io::copy(&mut from, &mut packer)?;
            packer.finish().map(|_| ())
        }
        Compress::Zstd => zstd::stream::copy_encode(from, to, 0),
    }
}

pub(super) fn pack_file(from: File, compress: Compress) -> io::Result<(File, u64)> {
    let packed = tempfile::tempfile()?;
    let mut out = io::BufWriter::new(&packed);
    pack(io::BufReader::new(from), &mut out, compress)?;
    io::Write::flush(&mut out)?;
    drop(out);
    let bytes = packed.metadata()?.len();
    Ok((packed, bytes))
}

pub(super) fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "csv" | "txt")) => "text/csv; charset=utf-8",
        _ => "application/octet-stream",
    }
}

pub(super) fn base64_of_hex(hex: &str) -> String {
    let bytes: Vec<u8> =
        (0..hex.len() / 2).filter_map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()).collect();
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

/// A name as a header carries it: what is not plain ASCII is percent-encoded (RFC 3986).
pub(super) fn header_text(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%';
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_digests_fit_into_headers() {
        assert_eq!(header_text("a b%ü.csv"), "a%20b%25%C3%BC.csv");
        assert_eq!(base64_of_hex("00ff10"), "AP8Q");
        assert_eq!(content_type("a.csv"), "text/csv; charset=utf-8");
        assert_eq!(content_type("a.bin"), "application/octet-stream");
    }
}

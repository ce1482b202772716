//! An [`Extract`] → its CSV bytes, inflated while reading, with size and CRC checked at the end.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::in_place::Witness;
use super::sniff::{self, Packed, SourceKind};
use super::{Extract, Form, Stored};
use crate::settings::Limits;
use crate::{digest, disk};

const READ_BYTES: usize = 256 << 10;

impl Extract {
    /// Opens the CSV. Reading fails if the ZIP is damaged or unpacks to more than `limits.extract_bytes`: a reader that
    /// reaches the end without an error has read every byte.
    ///
    /// # Errors
    /// The file is missing, has another size, or is not a ZIP with one CSV.
    pub fn open(&self, limits: &Limits) -> io::Result<Box<dyn Read + Send>> {
        let file = self.file()?;
        self.unpack(file, limits)
    }

    /// Opens the CSV like [`Extract::open`]. The witness of a file that is read in place knows what was read: after the
    /// pass, the file's digest.
    ///
    /// # Errors
    /// See [`Extract::open`].
    pub fn open_witnessed(&self, limits: &Limits) -> io::Result<(Box<dyn Read + Send>, Option<Witness>)> {
        let file = self.file()?;
        match self.stored {
            Stored::Spool { .. } => Ok((self.unpack(file, limits)?, None)),
            Stored::InPlace(_) => {
                let witness = Witness::begin(file)?;
                Ok((self.unpack(witness.clone(), limits)?, Some(witness)))
            }
        }
    }

    /// Opens the file itself.
    fn file(&self) -> io::Result<File> {
        let file = disk::open_regular(&self.path).map_err(|error| named(&self.path, &error))?;
        let bytes = file.metadata()?.len();
        match bytes == self.bytes {
            true => Ok(file),
            false => {
                let how = format!("it has {bytes} bytes, not the {} that were saved", self.bytes);
                Err(damaged(&self.path, &how))
            }
        }
    }

    /// Returns the CSV of a file that was read up to `raw`'s position, its beginning.
    fn unpack(&self, mut raw: impl Read + Send + 'static, limits: &Limits) -> io::Result<Box<dyn Read + Send>> {
        let name = self.path.display().to_string();
        let limit = limits.extract_bytes;
        if self.form == Form::Csv {
            return Ok(Box::new(Bounded { inner: BufReader::with_capacity(READ_BYTES, raw), read: 0, limit, name }));
        }
        let packed = sniff::packed_csv(&mut self.file()?, limits, SourceKind::Local)
            .map_err(|fault| damaged(&self.path, &fault.to_string()))?;
        io::copy(&mut raw.by_ref().take(packed.at), &mut io::sink())?;
        let body = BufReader::with_capacity(READ_BYTES, raw.take(packed.compressed));
        let inner: Box<dyn Read + Send> =
            if packed.deflated { Box::new(DeflateDecoder::new(body)) } else { Box::new(body) };
        let checked = Checked { inner, crc: Crc::new(), packed, name: name.clone() };
        Ok(Box::new(Bounded { inner: checked, read: 0, limit, name }))
    }

    /// Returns true if the file on disk is unchanged: in the spool, by size and SHA-256, for which all of it is read; in
    /// place, by its facts.
    pub fn is_intact(&self) -> bool {
        match &self.stored {
            Stored::Spool { sha256 } => digest::file_is(&self.path, self.bytes, sha256),
            Stored::InPlace(facts) => facts.are_of(&self.path),
        }
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot open the extract {}: {error}", path.display()))
}

fn damaged(path: &Path, how: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the extract {} is damaged: {how}", path.display()))
}

/// A reader that fails after `limit` bytes.
struct Bounded<R> {
    inner: R,
    read: u64,
    limit: u64,
    name: String,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        if self.read > self.limit {
            let what = format!("the extract {} unpacks to more than limits.extract_bytes ({})", self.name, self.limit);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        Ok(read)
    }
}

/// A reader of a ZIP entry that checks size and CRC against the ZIP's directory.
struct Checked {
    inner: Box<dyn Read + Send>,
    crc: Crc,
    packed: Packed,
    name: String,
}

impl Checked {
    fn fault(&self, how: &str) -> io::Error {
        damaged(Path::new(&self.name), how)
    }
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = match self.inner.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(self.fault(&format!("its ZIP cannot be inflated ({error})"))),
        };
        self.crc.update(&buffer[..read]);
        // `Crc::amount` wraps at 4 GiB, and an entry may be larger: compare what remains instead.
        match self.packed.size.checked_sub(read as u64) {
            Some(left) => self.packed.size = left,
            None => return Err(self.fault("its CSV is longer than its ZIP says")),
        }
        if read == 0 && self.packed.size > 0 {
            return Err(self.fault(&format!("its CSV ends {} bytes early", self.packed.size)));
        }
        if read == 0 && self.crc.sum() != self.packed.crc {
            return Err(self.fault("its CSV does not have the CRC that its ZIP states"));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::super::{FileFacts, SourceFacts};
    use super::*;

    const CSV: &[u8] = b"id,name\n007,Ann\n008,Bob\n";

    fn packed(method: CompressionMethod) -> Vec<u8> {
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        zip.start_file("r.csv", SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(CSV).unwrap();
        zip.finish().unwrap().into_inner()
    }

    /// Returns the result of reading `bytes` as a ZIP, in reads of `step` bytes.
    fn read(bytes: &[u8], limits: Limits, step: usize) -> Result<Vec<u8>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("extract.zip");
        std::fs::write(&path, bytes).unwrap();
        let sha256 = digest::of(bytes);
        let extract = Extract {
            path,
            form: Form::Zip,
            bytes: bytes.len() as u64,
            stored: Stored::Spool { sha256 },
            source: SourceFacts::default(),
        };
        assert!(extract.is_intact());
        let facts = FileFacts::of(&std::fs::metadata(&extract.path).unwrap());
        let in_place = Extract { stored: Stored::InPlace(facts), ..extract.clone() };
        let read_all = |mut reader: Box<dyn Read + Send>| {
            let mut csv = Vec::new();
            let mut buffer = vec![0; step];
            loop {
                match reader.read(&mut buffer).map_err(|error| error.to_string())? {
                    0 => return Ok::<_, String>(csv),
                    read => csv.extend_from_slice(&buffer[..read]),
                }
            }
        };
        let opened = in_place.open_witnessed(&limits).map_err(|error| error.to_string());
        let witnessed =
            opened.and_then(|(reader, witness)| Ok((read_all(reader)?, witness.unwrap().finish().unwrap())));
        let csv = extract.open(&limits).map_err(|error| error.to_string()).and_then(read_all);
        let whole = witnessed.map(|(csv, seen)| {
            assert_eq!(seen, digest::of(bytes), "the ZIP's digest, not the CSV's");
            csv
        });
        assert_eq!(whole, csv);
        csv
    }

    /// Returns `bytes` with those at `offset` after each `mark` replaced.
    fn patched(mut bytes: Vec<u8>, mark: &[u8], offset: usize, with: &[u8]) -> Vec<u8> {
        let places: Vec<usize> = memchr::memmem::find_iter(&bytes, mark).collect();
        assert!(!places.is_empty());
        for place in places {
            bytes[place + offset..place + offset + with.len()].copy_from_slice(with);
        }
        bytes
    }

    #[test]
    fn a_whole_zip_is_read_whole() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            for step in [1, 7, 4096] {
                assert_eq!(read(&packed(method), Limits::default(), step).as_deref(), Ok(CSV), "{method:?} {step}");
            }
        }
    }

    #[test]
    fn every_damage_is_an_error_and_none_is_a_shorter_csv() {
        // Offsets in the central directory: APPNOTE.TXT 4.3.12.
        let directory = b"PK\x01\x02".as_slice();
        let (stored, deflated) = (packed(CompressionMethod::Stored), packed(CompressionMethod::Deflated));
        let size = |change: i64| u32::try_from(CSV.len() as i64 + change).unwrap().to_le_bytes();
        for (bytes, expected) in [
            (patched(stored.clone(), b"007", 0, b"707"), "CRC"),
            (patched(stored.clone(), directory, 16, b"\0\0\0\0"), "CRC"),
            (patched(deflated.clone(), directory, 24, &size(1)), "ends 1 bytes early"),
            (patched(deflated.clone(), directory, 24, &size(-1)), "longer than its ZIP says"),
            (patched(deflated.clone(), directory, 20, &4u32.to_le_bytes()), "damaged"),
            (deflated[..deflated.len() - 30].to_vec(), "cut short or damaged"),
            (patched(deflated, directory, 10, &12u16.to_le_bytes()), "compressed with"),
        ] {
            let error = read(&bytes, Limits::default(), 4096).expect_err(expected);
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    #[test]
    fn the_limit_holds_while_inflating() {
        let bytes = packed(CompressionMethod::Deflated);
        let limits = |extract_bytes| Limits { extract_bytes, ..Limits::default() };
        assert!(read(&bytes, limits(CSV.len() as u64), 5).is_ok());
        assert!(read(&bytes, limits(CSV.len() as u64 - 1), 5).unwrap_err().contains("limits.extract_bytes"));
    }
}

//! Detects the format of a file by its bytes: a CSV, a ZIP with one CSV, or something unusable.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use zip::{CompressionMethod, ZipArchive};

use super::{Form, message};
use crate::settings::Limits;

/// Bytes read to detect the format.
const HEAD_BYTES: u64 = 64 << 10;
/// The maximum compression ratio; a higher one is taken for a ZIP bomb. Learning data has a ratio of about 10, one
/// repeated row about 200.
const RATIO_MAX: u64 = 500;
/// The size below which the ratio is not checked.
const RATIO_FROM_BYTES: u64 = 16 << 20;

/// The reason for which a file is not an extract.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    /// Damaged: fetching it again may help.
    #[error("{0}")]
    Damaged(String),
    /// Complete, but not what was requested.
    #[error("{what}")]
    Wrong { what: String, hint: Option<&'static str> },
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
}

fn wrong(what: impl Into<String>, hint: &'static str) -> FormatError {
    FormatError::Wrong { what: what.into(), hint: Some(hint) }
}

/// The position of the one CSV in a ZIP.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    /// Offset of its first compressed byte.
    pub at: u64,
    pub compressed: u64,
    /// The unpacked size that the ZIP's directory states.
    pub size: u64,
    pub crc: u32,
    /// Deflated; otherwise stored.
    pub deflated: bool,
}

/// The kind of source of a file; selects the hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SourceKind {
    Docebo,
    /// A file on this machine.
    Local,
}

impl SourceKind {
    /// Returns the word for the file in messages.
    fn noun(self) -> &'static str {
        match self {
            Self::Docebo => "body",
            Self::Local => "file",
        }
    }

    fn hint(self, docebo: &'static str, local: &'static str) -> &'static str {
        match self {
            Self::Docebo => docebo,
            Self::Local => local,
        }
    }
}

/// Returns the format of `file`.
///
/// # Errors
/// It is neither a CSV nor a ZIP with exactly one CSV within the limits.
pub(super) fn form(file: &mut File, limits: &Limits, source_kind: SourceKind) -> Result<Form, FormatError> {
    file.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") || head.starts_with(b"PK\x07\x08") {
        packed_csv(file, limits, source_kind)?;
        return Ok(Form::Zip);
    }
    check_plain(&head, source_kind)?;
    let bytes = file.metadata()?.len();
    if bytes > limits.extract_bytes {
        return Err(wrong(
            format!("the CSV has {bytes} bytes, more than limits.extract_bytes ({})", limits.extract_bytes),
            source_kind.hint("narrow the report, or raise limits.extract_bytes", "raise limits.extract_bytes"),
        ));
    }
    Ok(Form::Csv)
}

/// Refuses a start that no CSV has. The transform checks the rest, also of a CSV in a ZIP.
fn check_plain(head: &[u8], source_kind: SourceKind) -> Result<(), FormatError> {
    let noun = source_kind.noun();
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if text.is_empty() {
        let hint = source_kind.hint(
            "open the report in Docebo and export it once by hand",
            "a CSV has at least a header line: check what writes the file",
        );
        return Err(wrong(format!("the {noun} is empty"), hint));
    }
    let begins = |word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    if begins(b"<!doctype") || begins(b"<html") || begins(b"<?xml") {
        let hint = source_kind.hint(
            "the account may lack the right to export reports, or the address in the settings is not the platform's",
            "check how it was saved: a program that is not signed in may save a sign-in page",
        );
        let what = source_kind.hint("the body is a web page, not a report", "the file is a web page or XML, not a CSV");
        return Err(wrong(what, hint));
    }
    if begins(b"{") || begins(b"[{") {
        let message = message::server_message(&String::from_utf8_lossy(text)).unwrap_or_else(|| "no message".into());
        return Err(match source_kind {
            SourceKind::Docebo => {
                wrong(format!("the body is JSON, not a report: {message}"), "the report was not exported; try later")
            }
            SourceKind::Local => wrong("the file is JSON, not a CSV", "export it as CSV"),
        });
    }
    if head.starts_with(b"\x1f\x8b") {
        let hint =
            source_kind.hint("a proxy between here and Docebo compresses responses", "unpack it first, by gunzip");
        return Err(wrong(format!("the {noun} is gzip, not CSV or ZIP"), hint));
    }
    for (magic, kind) in [
        (b"%PDF".as_slice(), "a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (XLS)"),
        (b"PAR1", "Parquet"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ] {
        if head.starts_with(magic) {
            return Err(wrong(format!("the {noun} is {kind}, not a CSV"), AS_CSV));
        }
    }
    Ok(())
}

const AS_CSV: &str = "export the report as CSV";

/// Finds the one CSV of a ZIP, from its central directory; nothing is inflated.
///
/// # Errors
/// The ZIP is cut short or damaged, or does not hold exactly one CSV that is unencrypted, compressed by a supported
/// method, and at most `limits.extract_bytes` long.
pub(super) fn packed_csv(file: &mut File, limits: &Limits, source_kind: SourceKind) -> Result<Packed, FormatError> {
    let damaged =
        |error: zip::result::ZipError| FormatError::Damaged(format!("the ZIP is cut short or damaged ({error})"));
    file.seek(SeekFrom::Start(0))?;
    let mut archive = ZipArchive::new(BufReader::new(&mut *file)).map_err(damaged)?;
    let mut csvs = Vec::new();
    let mut others = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(damaged)?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let leaf = name.rsplit('/').next().unwrap_or(&name);
        if name == "[Content_Types].xml" {
            return Err(wrong(format!("the {} is an XLSX workbook, not a CSV", source_kind.noun()), AS_CSV));
        }
        // macOS adds resource forks to every file.
        if entry.is_dir() || name.starts_with("__MACOSX/") || leaf.starts_with("._") {
            continue;
        }
        let is_csv = leaf.len() > 4 && leaf.as_bytes()[leaf.len() - 4..].eq_ignore_ascii_case(b".csv");
        if is_csv { csvs.push((index, name)) } else { others.push(name) }
    }
    match csvs.as_slice() {
        [] if others.is_empty() => {
            let hint = source_kind.hint(
                "open the report in Docebo and export it once by hand",
                "it should hold one CSV: check what writes the file",
            );
            return Err(wrong("the ZIP is empty", hint));
        }
        [] => return Err(wrong(format!("the ZIP holds no CSV, only {}", list(&others)), AS_CSV)),
        [_] => {}
        [..] => {
            let names: Vec<String> = csvs.into_iter().map(|(_, name)| name).collect();
            return Err(wrong(
                format!("the ZIP holds {} CSVs, not one: {}", names.len(), list(&names)),
                source_kind.hint(
                    "the right one is unknown: split the report in Docebo",
                    "the right one is unknown: keep only one in the ZIP",
                ),
            ));
        }
    }
    let (index, name) = &csvs[0];
    let entry = archive.by_index_raw(*index).map_err(damaged)?;
    if entry.encrypted() {
        let hint = source_kind.hint("turn off the report's password in Docebo", "pack it without a password");
        return Err(wrong(format!("{name:?} in the ZIP is encrypted"), hint));
    }
    let deflated = match entry.compression() {
        CompressionMethod::Stored => false,
        CompressionMethod::Deflated => true,
        other => {
            return Err(wrong(
                format!("{name:?} in the ZIP is compressed with {other:?}"),
                "only stored and deflate are supported",
            ));
        }
    };
    let packed = Packed {
        at: entry.data_start().ok_or_else(|| FormatError::Damaged("the ZIP states no offset for its CSV".into()))?,
        compressed: entry.compressed_size(),
        size: entry.size(),
        crc: entry.crc32(),
        deflated,
    };
    drop(entry);
    drop(archive);
    check_sizes(name, packed, file.metadata()?.len(), limits)?;
    Ok(packed)
}

fn check_sizes(name: &str, packed: Packed, bytes: u64, limits: &Limits) -> Result<(), FormatError> {
    if packed.at.saturating_add(packed.compressed) > bytes {
        return Err(FormatError::Damaged("the ZIP is cut short".into()));
    }
    if packed.size > limits.extract_bytes {
        let what = format!(
            "{name:?} unpacks to {} bytes, more than limits.extract_bytes ({})",
            packed.size, limits.extract_bytes
        );
        return Err(wrong(what, "narrow the report, or raise limits.extract_bytes"));
    }
    if packed.size > RATIO_FROM_BYTES && packed.size / packed.compressed.max(1) > RATIO_MAX {
        let what = format!("{name:?} claims to unpack {} bytes to {}: a ZIP bomb", packed.compressed, packed.size);
        return Err(wrong(what, "no report compresses that far: check what the platform sends"));
    }
    Ok(())
}

/// Lists at most three names.
fn list(names: &[String]) -> String {
    let shown = names.iter().take(3).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > 3 { format!("{shown} and {} more", names.len() - 3) } else { shown }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn sniffed(bytes: &[u8], source_kind: SourceKind) -> String {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        match form(&mut file, &Limits::default(), source_kind) {
            Ok(form) => format!("{form:?}"),
            Err(FormatError::Wrong { what, hint }) => format!("{what}; {}", hint.unwrap_or_default()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn formats_are_detected_by_their_bytes() {
        for (bytes, expected) in [
            (b"a,b\n1,2\n".as_slice(), "Csv"),
            (b"\xef\xbb\xbfa,b\r\n", "Csv"),
            ("Ünïcode,заголовок\n".as_bytes(), "Csv"),
            (b"a", "Csv"),
            (b"", "is empty"),
            (b" \r\n\t", "is empty"),
            (b"\xef\xbb\xbf", "is empty"),
            (b"\n  <!DocType HTML><html>", "a web page"),
            (b"\xef\xbb\xbf<html>", "a web page"),
            (b"{\"message\":[\"not yet\",\"sorry\"]}", "JSON, not a report: not yet; sorry"),
            (b"{ broken", "JSON, not a report: no message"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"\xff\xfea\0,\0", "Csv"),
            (b"%PDF-1.7", "the body is a PDF, not a CSV"),
            (b"PK\x03\x04 and nothing more", "cut short or damaged"),
            (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "the ZIP is empty"),
        ] {
            let found = sniffed(bytes, SourceKind::Docebo);
            assert!(found.contains(expected), "{:?}: {found}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn messages_about_a_local_file_do_not_mention_docebo() {
        for (bytes, expected) in [
            (b"".as_slice(), "the file is empty; a CSV has at least a header line"),
            (b"\xef\xbb\xbf\r\n", "the file is empty"),
            (b"<html>", "the file is a web page or XML, not a CSV"),
            (b"{\"a\":1}", "the file is JSON, not a CSV; export it as CSV"),
            (b"\x1f\x8b\x08", "the file is gzip, not CSV or ZIP; unpack it first"),
            (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "the ZIP is empty; it should hold one CSV"),
        ] {
            let found = sniffed(bytes, SourceKind::Local);
            assert!(
                found.starts_with(expected) && !found.contains("Docebo"),
                "{:?}: {found}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn long_lists_are_shortened() {
        let names: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        assert_eq!(
            (list(&names[..3]), list(&names)),
            (r#""a", "b", "c""#.into(), r#""a", "b", "c" and 2 more"#.into())
        );
    }

    #[test]
    fn sizes_are_refused_beyond_their_limit() {
        let limits = Limits { extract_bytes: 100 << 20, ..Limits::default() };
        let fits = |size: u64, compressed: u64, bytes: u64| {
            check_sizes("r.csv", Packed { at: 40, compressed, size, crc: 0, deflated: true }, bytes, &limits).is_ok()
        };
        assert!(fits(100 << 20, 10 << 20, 40 + (10 << 20)));
        assert!(!fits((100 << 20) + 1, 10 << 20, 40 + (10 << 20)), "over limits.extract_bytes");
        assert!(!fits(100 << 20, 10 << 20, 39 + (10 << 20)), "interrupted");
        assert!(fits(RATIO_FROM_BYTES, 1, 100), "small enough whatever the ratio");
        assert!(!fits(RATIO_FROM_BYTES + 1, 1, 100), "a bomb");
        assert!(fits(50_000 * RATIO_MAX, 50_000, 60_000));
        assert!(!fits(50_000 * (RATIO_MAX + 1), 50_000, 60_000), "a bomb");
        assert!(!fits(1, u64::MAX, 100), "no overflow");
    }
}

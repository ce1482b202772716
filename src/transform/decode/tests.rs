use std::io::{Cursor, Read};

use super::*;

/// Decodes in reads of `step` bytes, from an input that returns as few.
fn decoded(bytes: &[u8], encoding: Encoding, step: usize) -> Result<String, String> {
    struct Dribble(Cursor<Vec<u8>>, usize);
    impl Read for Dribble {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(buffer.len());
            self.0.read(&mut buffer[..most])
        }
    }
    let mut reader = reader(Box::new(Dribble(Cursor::new(bytes.to_vec()), step)), encoding);
    let (mut text, mut buffer) = (Vec::new(), vec![0; step]);
    loop {
        match reader.read(&mut buffer).map_err(|error| error.to_string())? {
            0 => return Ok(String::from_utf8(text).unwrap()),
            read => text.extend_from_slice(&buffer[..read]),
        }
    }
}

fn utf16(text: &str, to: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to).collect()
}

#[test]
fn every_encoding_comes_out_as_utf8() {
    let text = "id,Prénom\n1,Zoë €😀\n";
    let marked = format!("\u{feff}{text}");
    for (bytes, encoding, expected) in [
        (b"id,Pr\xe9nom \x80\x93\n".to_vec(), Encoding::Windows1252, "id,Prénom €“\n"),
        (b"id,Pr\xe9nom \xa4\n".to_vec(), Encoding::Iso8859_1, "id,Prénom ¤\n"),
        (b"id,Pr\xe9nom \xa4\xbd\n".to_vec(), Encoding::Iso8859_15, "id,Prénom €œ\n"),
        (utf16(&marked, u16::to_le_bytes), Encoding::Utf16, text),
        (utf16(&marked, u16::to_be_bytes), Encoding::Utf16, text),
        (utf16(&marked, u16::to_le_bytes), Encoding::Utf16Le, text),
        (utf16(text, u16::to_le_bytes), Encoding::Utf16Le, text),
        (utf16(&marked, u16::to_be_bytes), Encoding::Utf16Be, text),
        (utf16(text, u16::to_be_bytes), Encoding::Utf16Be, text),
        (Vec::new(), Encoding::Utf16, ""),
        (Vec::new(), Encoding::Windows1252, ""),
        (text.into(), Encoding::Utf8, text),
    ] {
        for step in [1, 3, 4096] {
            assert_eq!(decoded(&bytes, encoding, step).as_deref(), Ok(expected), "{encoding:?} {step}");
        }
    }
}

#[test]
fn long_files_are_decoded_whole() {
    let text = "Zoë,€,😀\n".repeat(40_000);
    assert_eq!(decoded(&utf16(&text, u16::to_le_bytes), Encoding::Utf16Le, 7777).as_ref(), Ok(&text));
    let latin = "Zoë\n".repeat(100_000);
    let bytes: Vec<u8> = latin.chars().map(|char| char as u8).collect();
    assert_eq!(decoded(&bytes, Encoding::Iso8859_1, 9999).as_ref(), Ok(&latin));
}

#[test]
fn malformed_bytes_are_an_error_with_their_offset() {
    let surrogate = |bytes: &[u8]| [utf16("ab\n", u16::to_le_bytes), bytes.to_vec()].concat();
    let far = [vec![b'x'; 200_000], vec![b'\n', 0x81]].concat();
    for (bytes, encoding, expected) in [
        (b"a\nb\x81c".to_vec(), Encoding::Windows1252, "byte 3 of the file (line 2) is not windows-1252: 0x81"),
        (far, Encoding::Windows1252, "byte 200001 of the file (line 2) is not windows-1252: 0x81"),
        (b"\x80".to_vec(), Encoding::Iso8859_1, "byte 0 of the file (line 1) is not iso-8859-1: 0x80"),
        (
            b"a\x9f".to_vec(),
            Encoding::Iso8859_15,
            "0x9F is not assigned to a character; is it `encoding: windows-1252`?",
        ),
        (
            surrogate(b"\x00\xd8a\0b\0"),
            Encoding::Utf16Le,
            "byte 6 of the file (line 2) is not utf-16le: an unpaired surrogate",
        ),
        (
            surrogate(b"\x00\xdca\0b\0"),
            Encoding::Utf16Le,
            "byte 6 of the file (line 2) is not utf-16le: an unpaired surrogate",
        ),
        (surrogate(b"\x00\xd8"), Encoding::Utf16Le, "byte 6 of the file (line 2) is not utf-16le: the file ends"),
        (surrogate(b"c"), Encoding::Utf16Le, "byte 6 of the file (line 2) is not utf-16le: the file ends"),
        (utf16("a", u16::to_le_bytes), Encoding::Utf16, "no byte order mark, so its byte order is unknown"),
        (b"\xef\xbb\xbfa".to_vec(), Encoding::Windows1252, "byte order mark of UTF-8"),
        (b"\xef\xbb\xbfa".to_vec(), Encoding::Utf16, "byte order mark of UTF-8"),
        (b"\xff\xfea\0".to_vec(), Encoding::Windows1252, "write `encoding: utf-16`"),
        (b"\xff\xfea\0".to_vec(), Encoding::Utf16Be, "byte order mark of utf-16le"),
        (b"\xfe\xff\0a".to_vec(), Encoding::Utf16Le, "byte order mark of utf-16be"),
        (b"\xff\xfe\0\0".to_vec(), Encoding::Utf16, "byte order mark of UTF-32"),
    ] {
        for step in [1, 2, 4096] {
            let error = decoded(&bytes, encoding, step).expect_err(expected);
            assert!(error.contains(expected), "{encoding:?} {step} {expected:?}: {error}");
        }
    }
}

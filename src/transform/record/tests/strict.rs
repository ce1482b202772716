use std::io::Cursor;

use super::super::super::block::BLOCK_BYTES;
use super::*;

#[test]
fn f01_text_after_a_closing_quote_is_refused_where_it_stands() {
    assert_eq!(
        error(b"id,course,score\n1,\"Course A,2\n3,B,4\n5,\"ghi\",6\n"),
        "record 1 (line 2): text follows a closing quote (line 4), column \"course\": \"ghi\\\",6\"; the \
         cell's quote opened on line 2: correct the file (a quote inside a quoted cell is written twice), or read it \
         leniently with `csv: {strict: false}` in the source"
    );
    let inner = error(b"id,title,x\n1,\"The Death of \"Superman Lives\": What Happened?\",y\n2,b,c\n");
    let expected = "record 1 (line 2): text follows a closing quote (line 2), column \"title\": \"Superman Lives";
    assert!(inner.starts_with(expected), "{inner}");
    for refused in
        ["a,b\n\"x\"y,z\n", "a,b\n\"x\" ,z\n", "a,b\n1,\"x\"\"y\"z", "\"a\"x,b\n", "a,b\n\"\"x,1\n", "a,b\n\"x\"\t,1\n"]
    {
        assert!(error(refused.as_bytes()).contains("text follows a closing quote"), "{refused:?}");
        assert_eq!(read_leniently(refused.as_bytes()).unwrap(), read_with_csv(refused.as_bytes()), "{refused:?}");
    }
    // Across the end of a block, and far from the start of the record.
    for length in [HEADROOM, BLOCK_BYTES - 8, BLOCK_BYTES, 2 * BLOCK_BYTES] {
        let far = format!("a,b\n1,\"{}\n\"x,2\n", "y".repeat(length));
        let message = error(far.as_bytes());
        assert!(
            message.starts_with("record 1 (line 2): text follows a closing quote (line 3), column \"b\": \"x,2\""),
            "{message}"
        );
    }
}

/// A quote inside an unquoted cell is an ordinary character, as in Python and DuckDB: no byte is lost.
#[test]
fn f01_a_quote_inside_of_a_bare_cell_is_kept() {
    assert_eq!(cells(STRICT, b"a,b\n5\" disk,x\"\"y\n \"q\",\"\"\n"), "a|b/5\" disk|x\"\"y/ \"q\"|");
}

#[test]
fn f09_another_delimiter_is_named() {
    for (input, message) in [
        (
            "sep=;\nid;name\n1;A\n",
            "the file is separated by `;`, not `,`: its first line declares it; add `csv: {delimiter: \";\"}` to the source",
        ),
        (
            "id;name\n1;A\n",
            "the file is separated by `;`, not `,`: its header is one column; add `csv: {delimiter: \";\"}` to the source",
        ),
        (
            "\u{feff}id\tname\n1\tA\n",
            "the file is separated by tabs, not `,`: its header is one column; add `csv: {delimiter: \"\\t\"}` to the source",
        ),
        ("id|name\n", "separated by `|`, not `,`"),
        ("\"id;name\"\n", "separated by `;`, not `,`"),
        ("Name;City, State;Score\nA;B, C;1\n", "separated by `;`, not `,`: each column of its header holds one"),
        ("Name (Last, First)\tID\tScore\nLee, Ann\t1\t5\n", "separated by tabs, not `,`: its header holds one"),
        ("SEP=|\r\nid\r\n", "separated by `|`"),
        ("\u{feff}\"sep=;\"\nid;name\n", "separated by `;`"),
    ] {
        let error_text = error(input.as_bytes());
        assert!(error_text.contains(message), "{input:?}: {error_text}");
    }
    let semicolon = CsvInput { delimiter: b';', ..STRICT };
    let tab = CsvInput { delimiter: b'\t', ..STRICT };
    assert_eq!(cells(semicolon, b"sep=;\r\nid;name\r\n1;a,\"b\r\n2;\"c;\"\"\"\r\n"), "id|name/1|a,\"b/2|c;\"");
    assert_eq!(cells(STRICT, b"sep=,\nid,name\n1,A\n"), "id|name/1|A");
    assert_eq!(cells(tab, b"sep=\t\nid\tname\n1\tA,\n"), "id|name/1|A,");
    assert_eq!(cells(LENIENT, b"id;name\n1;A\n"), "id;name/1;A");
    let message = read_whole(semicolon, b"id,name\n1,A\n").unwrap_err().to_string();
    assert!(message.contains("separated by `,`, not `;`"), "{message}");
    let message = read_whole(semicolon, b"sep=,\nid,name\n").unwrap_err().to_string();
    assert!(message.contains("separated by `,`, not `;`: its first line declares it"), "{message}");
    // One column, or one delimiter among several columns, is not evidence.
    assert_eq!(cells(STRICT, b"id\n1;2\n"), "id/1;2");
    assert_eq!(cells(STRICT, b"Roles (a;b),Name\nx;y,z;\n"), "Roles (a;b)|Name/x;y|z;");
    assert_eq!(cells(STRICT, b"sep=\nx\n"), "sep=/x");
}

/// With another delimiter an unquoted cell may contain commas, for which the writer must check.
#[test]
fn only_a_file_with_commas_has_plain_records() {
    for (csv, input, plain) in [
        (STRICT, "a,b\n1,2\n", true),
        (STRICT, "a,b\n\"1\",2\n", false),
        (CsvInput { delimiter: b';', ..STRICT }, "a;b\n1,0;2\n", false),
    ] {
        let meter = Meter::default();
        let ahead = ReadAhead::start(Box::new(Cursor::new(input.as_bytes().to_vec())), csv.delimiter).unwrap();
        let mut records = Records::new(ahead, csv, Limits::default(), &meter, CancellationToken::new());
        records.header().unwrap();
        assert_eq!(records.next().unwrap().unwrap().is_plain, plain, "{input:?}");
    }
}

#[test]
fn f10_a_nul_byte_is_refused_wherever_it_stands() {
    let rows = |count: usize| "1,AAAAAAAAAAAAAAAAA\n".repeat(count);
    for count in [0, 3, 4_000, 40_000] {
        let input = format!("id,name\n{}2,B\0C\n{}", rows(count), rows(count));
        let message = error(input.as_bytes());
        let (number, line) = (count + 1, count + 2);
        let expected = format!("record {number} (line {line}): NUL byte in column \"name\" (byte 4 of line {line})");
        assert!(message.starts_with(&expected), "{message}");
        assert!(read_leniently(input.as_bytes()).unwrap()[count + 1][1] == b"B\0C", "{count}");
    }
    for input in ["id,na\0me\n1,A\n", "id,name\n1,\"a\n\0\"\n", "id,name\n1,A\0", "id,name\n\0", "id,name\n1,\0\n"] {
        assert!(error(input.as_bytes()).contains("NUL byte"), "{input:?}");
    }
    assert!(error(b"id,na\0me\n").starts_with("the header (line 1): NUL byte in column 2 (byte 6 of line 1)"));
    // In a record that spans two blocks the byte may be in either; a long record spans several.
    for at in [BLOCK_BYTES - 9, BLOCK_BYTES - 4] {
        let input = [b"a\n".to_vec(), vec![b'x'; at], b"y\0z".to_vec(), vec![b'x'; 40], b"\n".to_vec()].concat();
        assert!(error(&input).contains("NUL byte"), "{at}");
    }
    for before in [2, 10, 60] {
        let filler = [b"a\n".to_vec(), b"1234567\n".repeat(BLOCK_BYTES / 8)].concat();
        let input = [&filler[..BLOCK_BYTES - before - 1], b"\n1\0", &b"x".repeat(70), b"\n"].concat();
        assert!(read(&input).unwrap_err().to_string().contains("NUL byte"), "{before}");
    }
}

#[test]
fn a_byte_order_mark_is_never_part_of_a_cell() {
    for input in [
        "\u{feff}id,name\n1,A\n",
        "\u{feff}\"id\",name\n1,A\n",
        "\"\u{feff}id\",name\n1,A\n",
        "\u{feff}\u{feff}id,name\n1,A\n",
    ] {
        assert_eq!(cells(STRICT, input.as_bytes()), "id|name/1|A", "{input:?}");
    }
    for joined in ["id,name\n1,A\n\u{feff}id,name\n2,B\n", "id,name\n1,A\n\"\u{feff}id\",name\n"] {
        let message = error(joined.as_bytes());
        let expected =
            "record 2 (line 3): it starts with a byte order mark (U+FEFF), column \"id\"; two files were joined here";
        assert!(message.starts_with(expected), "{message}");
        assert_eq!(read_leniently(joined.as_bytes()).unwrap(), read_with_csv(joined.as_bytes()));
    }
    let message = error("id,name\n1,A\u{feff}id,name\n".as_bytes());
    assert!(message.contains("3 cells") && message.contains("two files were joined here"), "{message}");
    // Inside a cell it is an ordinary character, which web editors leave behind.
    assert_eq!(cells(STRICT, "id,name\n1,A\u{feff}B\n".as_bytes()), "id|name/1|A\u{feff}B");
}

#[test]
fn what_is_not_utf8_is_named_by_byte_and_column() {
    assert_eq!(
        error(b"id,Pr\xe9nom\n1,2\n"),
        "the header (line 1) is not UTF-8: byte 0xE9 in column 2 (byte 6 of line 1, at \"id,Pr\u{fffd}nom\\n\"); if a \
         Windows program wrote the file, add `csv: {encoding: windows-1252}` to the source"
    );
    let message = error(b"a,b\n1,2\n3,\"x\ny\xff\"\n");
    assert!(
        message.starts_with("record 2 (line 3) is not UTF-8: byte 0xFF in column \"b\" (byte 2 of line 4, at "),
        "{message}"
    );
    for (input, message) in [
        (b"\xff\xfea\0,\0".as_slice(), "the file is UTF-16: add `csv: {encoding: utf-16}`"),
        (b"\xfe\xff\0a\0,", "the file is UTF-16: add `csv: {encoding: utf-16}`"),
        (b"i\0d\0,\0n\0", "looks like UTF-16 without a byte order mark: add `csv: {encoding: utf-16le}`"),
        (b"\0i\0d\0,\0n", "add `csv: {encoding: utf-16be}`"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
    ] {
        assert!(error(input).contains(message), "{}", error(input));
        assert!(read_whole(LENIENT, input).unwrap_err().to_string().contains(message));
    }
}

#[test]
fn a_column_that_a_delimiter_at_a_lines_end_makes_is_named() {
    let message = error(b"a,b,\n1,2\n");
    assert!(
        message
            .contains("2 cells, the header has 3; the header's last column has no name: the header line ends with `,`"),
        "{message}"
    );
    let message = error(b"a,b\n1,2,\r\n");
    assert!(message.contains("this line ends with `,`, and the header does not"), "{message}");
}

use std::io::Cursor;

use super::super::super::block::BLOCK_BYTES;
use super::*;

#[test]
fn f01_text_after_a_closing_quote_is_refused_where_it_stands() {
    assert_eq!(
        error(b"id,course,score\n1,\"Course A,2\n3,B,4\n5,\"ghi\",6\n"),
        "record 1 (line 2): text follows a closing quote (line 4), column \"course\": \"ghi\\\",6\"; the \
         cell's quote opened on line 2: correct the file (a quote inside of a quoted cell is written twice), or read it \
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
    // Across a block's end, and where the record began far before.
    for length in [HEADROOM, BLOCK_BYTES - 8, BLOCK_BYTES, 2 * BLOCK_BYTES] {
        let far = format!("a,b\n1,\"{}\n\"x,2\n", "y".repeat(length));
        let told = error(far.as_bytes());
        assert!(
            told.starts_with("record 1 (line 2): text follows a closing quote (line 3), column \"b\": \"x,2\""),
            "{told}"
        );
    }
}

/// A quote inside of a bare cell is a character: RFC 4180 has no reading for it, Python and DuckDB have this one, and no
/// byte is lost by it.
#[test]
fn f01_a_quote_inside_of_a_bare_cell_is_kept() {
    assert_eq!(cells(STRICT, b"a,b\n5\" disk,x\"\"y\n \"q\",\"\"\n"), "a|b/5\" disk|x\"\"y/ \"q\"|");
}

#[test]
fn f09_another_delimiter_is_named() {
    for (input, told) in [
        (
            "sep=;\nid;name\n1;A\n",
            "the file is separated by `;`, not `,`: its first line says so; add `csv: {delimiter: \";\"}` to the source",
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
        let told_now = error(input.as_bytes());
        assert!(told_now.contains(told), "{input:?}: {told_now}");
    }
    let semicolon = CsvInput { delimiter: b';', ..STRICT };
    let tab = CsvInput { delimiter: b'\t', ..STRICT };
    assert_eq!(cells(semicolon, b"sep=;\r\nid;name\r\n1;a,\"b\r\n2;\"c;\"\"\"\r\n"), "id|name/1|a,\"b/2|c;\"");
    assert_eq!(cells(STRICT, b"sep=,\nid,name\n1,A\n"), "id|name/1|A");
    assert_eq!(cells(tab, b"sep=\t\nid\tname\n1\tA,\n"), "id|name/1|A,");
    assert_eq!(cells(LENIENT, b"id;name\n1;A\n"), "id;name/1;A");
    let told = read_whole(semicolon, b"id,name\n1,A\n").unwrap_err().to_string();
    assert!(told.contains("separated by `,`, not `;`"), "{told}");
    let told = read_whole(semicolon, b"sep=,\nid,name\n").unwrap_err().to_string();
    assert!(told.contains("separated by `,`, not `;`: its first line says so"), "{told}");
    // One column, or one delimiter among several columns, is no sign.
    assert_eq!(cells(STRICT, b"id\n1;2\n"), "id/1;2");
    assert_eq!(cells(STRICT, b"Roles (a;b),Name\nx;y,z;\n"), "Roles (a;b)|Name/x;y|z;");
    assert_eq!(cells(STRICT, b"sep=\nx\n"), "sep=/x");
}

/// With another delimiter a cell without quotes may hold commas, and the writer must look for them.
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
        let told = error(input.as_bytes());
        let (number, line) = (count + 1, count + 2);
        let expected = format!("record {number} (line {line}): NUL byte in column \"name\" (byte 4 of line {line})");
        assert!(told.starts_with(&expected), "{told}");
        assert!(read_leniently(input.as_bytes()).unwrap()[count + 1][1] == b"B\0C", "{count}");
    }
    for input in ["id,na\0me\n1,A\n", "id,name\n1,\"a\n\0\"\n", "id,name\n1,A\0", "id,name\n\0", "id,name\n1,\0\n"] {
        assert!(error(input.as_bytes()).contains("NUL byte"), "{input:?}");
    }
    assert!(error(b"id,na\0me\n").starts_with("the header (line 1): NUL byte in column 2 (byte 6 of line 1)"));
    // Where the record lies across two blocks, the byte may be in either; a long record is gathered from several.
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
        let told = error(joined.as_bytes());
        let expected =
            "record 2 (line 3): a byte order mark (U+FEFF) begins it, column \"id\"; two files were joined here";
        assert!(told.starts_with(expected), "{told}");
        assert_eq!(read_leniently(joined.as_bytes()).unwrap(), read_with_csv(joined.as_bytes()));
    }
    let told = error("id,name\n1,A\u{feff}id,name\n".as_bytes());
    assert!(told.contains("3 cells") && told.contains("two files were joined here"), "{told}");
    // Inside of a text it is a character, which editors of web pages leave behind.
    assert_eq!(cells(STRICT, "id,name\n1,A\u{feff}B\n".as_bytes()), "id|name/1|A\u{feff}B");
}

#[test]
fn what_is_not_utf8_is_named_by_byte_and_column() {
    assert_eq!(
        error(b"id,Pr\xe9nom\n1,2\n"),
        "the header (line 1) is not UTF-8: byte 0xE9 in column 2 (byte 6 of line 1, at \"id,Pr\u{fffd}nom\\n\"); if a \
         Windows program wrote the file, add `csv: {encoding: windows-1252}` to the source"
    );
    let told = error(b"a,b\n1,2\n3,\"x\ny\xff\"\n");
    assert!(
        told.starts_with("record 2 (line 3) is not UTF-8: byte 0xFF in column \"b\" (byte 2 of line 4, at "),
        "{told}"
    );
    for (input, told) in [
        (b"\xff\xfea\0,\0".as_slice(), "the file is UTF-16: add `csv: {encoding: utf-16}`"),
        (b"\xfe\xff\0a\0,", "the file is UTF-16: add `csv: {encoding: utf-16}`"),
        (b"i\0d\0,\0n\0", "looks like UTF-16 without a byte order mark: add `csv: {encoding: utf-16le}`"),
        (b"\0i\0d\0,\0n", "add `csv: {encoding: utf-16be}`"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
    ] {
        assert!(error(input).contains(told), "{}", error(input));
        assert!(read_whole(LENIENT, input).unwrap_err().to_string().contains(told));
    }
}

#[test]
fn a_column_that_a_delimiter_at_a_lines_end_makes_is_named() {
    let told = error(b"a,b,\n1,2\n");
    assert!(
        told.contains("2 cells, the header has 3; the header's last column has no name: the header line ends with `,`"),
        "{told}"
    );
    let told = error(b"a,b\n1,2,\r\n");
    assert!(told.contains("this line ends with `,`, and the header does not"), "{told}");
}

use proptest::prelude::*;

use sha2::Digest;

use super::*;
use crate::pipeline::plan::{QuoteStyle, RecordEnd};

fn cells<'a>(file: &mut CsvFile, cells: impl Iterator<Item = Cell<'a>>) -> io::Result<()> {
    file.begin_row()?;
    file.record(cells).map(|_| ())
}

const PLAIN: CsvDialect = CsvDialect {
    delimiter: b',',
    quote: QuoteStyle::Necessary,
    record_end: RecordEnd::Lf,
    header: Header::Names,
    bom: false,
    formula_guard: false,
};

fn encode(dialect: &CsvDialect, columns: &[&str], rows: &[Vec<String>]) -> (Vec<u8>, Artifact) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("artifact");
    let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    let mut file = CsvFile::create(&path, "a.csv", dialect, &columns, None).unwrap();
    for row in rows {
        cells(&mut file, row.iter().map(|cell| Cell { bytes: cell.as_bytes(), is_plain: false })).unwrap();
    }
    let artifact = file.finish(|_| Ok(String::new())).unwrap();
    assert!(!folder.path().join("artifact.part").exists());
    (std::fs::read(path).unwrap(), artifact)
}

fn check(dialect: &CsvDialect, cells: &[&str], expected: &str) {
    let row: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
    let columns: Vec<&str> = ["a", "b", "c"][..cells.len()].to_vec();
    let (bytes, _) = encode(dialect, &columns, &[row]);
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

fn check_columns(dialect: &CsvDialect, columns: &[&str], expected: &str) {
    let (bytes, _) = encode(dialect, columns, &[]);
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn dialects() {
    check(&PLAIN, &["1", "x,y", "say \"hi\""], "a,b,c\n1,\"x,y\",\"say \"\"hi\"\"\"\n");
    check(&PLAIN, &["", "\r", "\n"], "a,b,c\n,\"\r\",\"\n\"\n");
    check(&PLAIN, &[""], "a\n\"\"\n");
    check(&CsvDialect { delimiter: b'|', ..PLAIN }, &["x,y", "x|y"], "a|b\nx,y|\"x|y\"\n");
    check(&CsvDialect { quote: QuoteStyle::Always, ..PLAIN }, &["", "1"], "\"a\",\"b\"\n\"\",\"1\"\n");
    check(&CsvDialect { record_end: RecordEnd::CrLf, bom: true, ..PLAIN }, &["1"], "\u{feff}a\r\n1\r\n");
    check(&CsvDialect { header: Header::None, ..PLAIN }, &["1"], "1\n");
}

#[test]
fn formulas_are_guarded_and_numbers_are_not() {
    let guarded = CsvDialect { formula_guard: true, header: Header::None, ..PLAIN };
    for (cell, shown) in [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("-x", "'-x"),
        ("+49 170", "'+49 170"),
        ("-5", "-5"),
        ("+3.2", "+3.2"),
        ("-.5", "-.5"),
        ("-5.", "'-5."),
        ("-7", "-7"),
        ("+3.5", "+3.5"),
        ("-1,234.56", "\"-1,234.56\""),
        ("-1,234,567", "\"-1,234,567\""),
        ("-1e5", "-1e5"),
        ("+1.5E-3", "+1.5E-3"),
        (" -5", " -5"),
        ("-1,23", "\"-1,23\""),
        ("-1.234,56", "\"-1.234,56\""),
        ("-1.234.567", "-1.234.567"),
        ("-12,34.5", "\"'-12,34.5\""),
        ("-1,2,3", "\"'-1,2,3\""),
        ("-1e", "'-1e"),
        ("-1e5x", "'-1e5x"),
        ("-.", "'-."),
        ("-1+1", "'-1+1"),
        ("-5 ", "-5 "),
        ("-5 x", "'-5 x"),
        ("-0x1", "'-0x1"),
        (" =1+1", "' =1+1"),
        ("\u{a0}=1", "'\u{a0}=1"),
        ("\u{feff}@x", "'\u{feff}@x"),
        ("\u{200b}-x", "'\u{200b}-x"),
        ("\u{b}=1", "'\u{b}=1"),
        ("\u{3000}＝1", "'\u{3000}＝1"),
        ("＝1+1", "'＝1+1"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("＠x", "'＠x"),
        ("é=1", "é=1"),
        ("(=1)", "(=1)"),
        ("-1.2.3", "'-1.2.3"),
        ("-", "'-"),
        ("--5", "'--5"),
        ("x=1", "x=1"),
    ] {
        check(&guarded, &[cell, "y"], &format!("{shown},y\n"));
    }
    check(&guarded, &["=\"a\"", "\rx"], "\"'=\"\"a\"\"\",\"'\rx\"\n");
    check(&guarded, &["\n=1+1", "\r\n \t@x"], "\"'\n=1+1\",\"'\r\n \t@x\"\n");
    check(&guarded, &[" ", "\nx"], " ,\"'\nx\"\n");
    // The header is guarded as the rows are.
    let header = CsvDialect { header: Header::Names, ..guarded };
    check_columns(&header, &["=1"], "'=1\n");
}

#[test]
fn the_artifact_describes_the_file() {
    let rows = vec![vec!["1".to_owned(), "x".repeat(600_000)]; 3];
    let (bytes, artifact) = encode(&PLAIN, &["a", "b"], &rows);
    let digest = sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!((artifact.bytes, artifact.sha256, artifact.rows), (bytes.len() as u64, digest, 3));
    assert_eq!(artifact.name, "a.csv");
}

#[test]
fn an_unfinished_file_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("artifact");
    let file = CsvFile::create(&path, "a.csv", &PLAIN, &["a".to_owned()], None).unwrap();
    assert!(folder.path().join("artifact.part").exists());
    drop(file);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(CsvFile::create(&folder.path().join("no/such"), "a.csv", &PLAIN, &[], None).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("artifact");
    std::os::unix::fs::symlink("/dev/full", folder.path().join("artifact.part")).unwrap();
    let mut file = CsvFile::create(&path, "a.csv", &PLAIN, &["a".to_owned()], None).unwrap();
    let cell = "x".repeat(300_000);
    let mut wrote = Ok(());
    for _ in 0..10 {
        wrote = wrote.and_then(|()| cells(&mut file, [Cell { bytes: cell.as_bytes(), is_plain: false }].into_iter()));
    }
    let error = wrote.and_then(|()| file.finish(|_| Ok(String::new())).map(drop)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert!(!path.exists());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// The `csv` crate reads back what is written.
    #[test]
    fn cells_read_back(
        rows in prop::collection::vec(prop::collection::vec("[ -~é\r\n\t\"|;]{0,12}", 3), 0..12),
        delimiter in prop::sample::select(b",;|\t".to_vec()),
        always in any::<bool>(),
        crlf in any::<bool>(),
    ) {
        let quote = if always { QuoteStyle::Always } else { QuoteStyle::Necessary };
        let record_end = if crlf { RecordEnd::CrLf } else { RecordEnd::Lf };
        let dialect = CsvDialect { delimiter, quote, record_end, ..PLAIN };
        let (bytes, artifact) = encode(&dialect, &["a", "b", "c"], &rows);
        let mut reader = ::csv::ReaderBuilder::new().delimiter(delimiter).from_reader(bytes.as_slice());
        let read: Vec<Vec<String>> = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        prop_assert_eq!(artifact.rows, rows.len() as u64);
        prop_assert_eq!(read, rows);
    }
}

/// Writes `rows` rows, split after `split` each. Returns the content of the artifact's file, and the artifact.
fn write_split(dialect: &CsvDialect, rows: u64, split: u64) -> io::Result<(Vec<u8>, Artifact)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("artifact");
    let mut file = CsvFile::create(&path, "a.csv", dialect, &["n".to_owned()], Some(split)).unwrap();
    for number in 1..=rows {
        let cell = number.to_string();
        cells(&mut file, [Cell { bytes: cell.as_bytes(), is_plain: true }].into_iter())?;
    }
    let artifact = file.finish(|number| Ok(format!("a_{number}.csv")))?;
    assert!(artifact.is_intact());
    let bytes = std::fs::read(path).unwrap();
    let mut again = Vec::new();
    for index in 0..artifact.data_files().len() {
        let (mut source, start, most) = artifact.open_data(index).unwrap();
        assert_eq!(start as usize, again.len());
        io::Read::read_to_end(&mut io::Read::take(&mut source, most), &mut again).unwrap();
    }
    assert_eq!(again, bytes);
    Ok((bytes, artifact))
}

#[test]
fn a_file_group_is_split_by_rows_and_each_file_is_complete() {
    let bom = CsvDialect { bom: true, ..PLAIN };
    let bare = CsvDialect { header: Header::None, ..PLAIN };
    for (dialect, rows, split, expected) in [
        (&PLAIN, 0, 2, &["n\n"][..]),
        (&PLAIN, 2, 2, &["n\n1\n2\n"]),
        (&PLAIN, 5, 2, &["n\n1\n2\n", "n\n3\n4\n", "n\n5\n"]),
        (&bom, 2, 1, &["\u{feff}n\n1\n", "\u{feff}n\n2\n"]),
        (&bare, 3, 2, &["1\n2\n", "3\n"]),
    ] {
        let (bytes, artifact) = write_split(dialect, rows, split).unwrap();
        let set = artifact.set.as_ref().unwrap();
        assert_eq!(set.files.len(), expected.len());
        assert_eq!(set.head_bytes as usize, expected[0].find('1').unwrap_or(expected[0].len()));
        assert_eq!(set.files.iter().map(|file| file.rows).sum::<u64>(), rows);
        assert_eq!(bytes, expected.concat().as_bytes());
        for (index, (file, text)) in set.files.iter().zip(expected).enumerate() {
            assert_eq!(file.name, format!("a_{}.csv", index + 1));
            assert_eq!((file.bytes, &file.sha256), (text.len() as u64, &crate::digest::of(text.as_bytes())));
        }
    }
}

#[test]
fn a_file_group_has_a_maximum_of_files() {
    let most = GROUP_FILES_MAX as u64;
    assert_eq!(write_split(&PLAIN, most * 2, 2).unwrap().1.set.unwrap().files.len(), GROUP_FILES_MAX);
    let refused = write_split(&PLAIN, most * 2 + 1, 2).unwrap_err().to_string();
    assert!(refused.contains("more than 999 files of 2 rows: raise `artifact.split.rows`"), "{refused}");
}

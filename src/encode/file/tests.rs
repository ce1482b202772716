use proptest::prelude::*;

use sha2::Digest;

use super::*;
use crate::expr::value::{CellRef, Cells};
use crate::pipeline::plan::{DecimalPoint, Header, QuoteStyle, RecordEnd};
use crate::transform::Record;

/// Appends a row of these cells.
fn write(file: &mut ArtifactFile, cells: &[impl AsRef<str>]) -> Result<(), TransformError> {
    let (mut bytes, mut bounds) = (Vec::new(), Vec::new());
    for cell in cells {
        let start = bytes.len() as u32;
        bytes.extend_from_slice(cell.as_ref().as_bytes());
        bounds.push((start, bytes.len() as u32));
    }
    let outputs: Vec<CellRef> = (0..cells.len() as u32).map(CellRef::Input).collect();
    let record = Record { cells: Cells { bytes: &bytes, bounds: &bounds }, is_plain: false, number: 1, line: 2 };
    file.row(&Row::of_record(&outputs, record))
}

fn create(path: &Path, dialect: &CsvDialect, columns: &[&str], split: Option<u64>) -> io::Result<ArtifactFile> {
    create_in(path, &Format::Csv(dialect.clone()), columns, split)
}

fn create_in(path: &Path, format: &Format, columns: &[&str], split: Option<u64>) -> io::Result<ArtifactFile> {
    let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    ArtifactFile::create(path, "a.csv", FileLayout { format, split, keeps_rows: false }, &columns)
}

const PLAIN: CsvDialect = CsvDialect {
    delimiter: b',',
    quote: QuoteStyle::Necessary,
    record_end: RecordEnd::Lf,
    header: Header::Names,
    bom: false,
    formula_guard: false,
    escape: None,
    null_text: String::new(),
    decimal: DecimalPoint::Point,
};

fn encode(dialect: &CsvDialect, columns: &[&str], rows: &[Vec<String>]) -> (Vec<u8>, Artifact) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("artifact");
    let mut file = create(&path, dialect, columns, None).unwrap();
    for row in rows {
        write(&mut file, row).unwrap();
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
    let file = create(&path, &PLAIN, &["a"], None).unwrap();
    assert!(folder.path().join("artifact.part").exists());
    drop(file);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(create(&folder.path().join("no/such"), &PLAIN, &[], None).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("artifact");
    std::os::unix::fs::symlink("/dev/full", folder.path().join("artifact.part")).unwrap();
    let mut file = create(&path, &PLAIN, &["a"], None).unwrap();
    let cell = "x".repeat(300_000);
    let wrote = (0..10).try_for_each(|_| write(&mut file, &[&cell]));
    let writing = |source| TransformError::Write { source };
    let error = wrote.and_then(|()| file.finish(|_| Ok(String::new())).map(drop).map_err(writing)).unwrap_err();
    let TransformError::Write { source } = error else { panic!("{error}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
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
fn write_split(dialect: &CsvDialect, rows: u64, split: u64) -> Result<(Vec<u8>, Artifact), TransformError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("artifact");
    let mut file = create(&path, dialect, &["n"], Some(split)).unwrap();
    for number in 1..=rows {
        write(&mut file, &[number.to_string()])?;
    }
    let artifact = file.finish(|number| Ok(format!("a_{number}.csv"))).unwrap();
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
    let TransformError::Write { source: refused } = write_split(&PLAIN, most * 2 + 1, 2).unwrap_err() else { panic!() };
    let refused = refused.to_string();
    assert!(refused.contains("more than 999 files of 2 rows: raise `artifact.split.rows`"), "{refused}");
}

mod dialects;
mod fields;
mod group;

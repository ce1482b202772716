//! Totals before the rows that they are of.

use std::io::Read;

use super::*;

const GROUPED: &str = r#"expect: {when_empty: send}
artifact:
  name: a.csv
  csv: {header: names, bom: true}
  layout:
    totals: {hours: sum(hours)}
    header: [["'H'", file_name, records], ["'T'", rows, "groups", hours, records]]
    group:
      by: course
      totals: {n: sum(hours)}
      header: [["'C'", course, records]]
      trailer: [["'D'", course, n, records]]
    trailer: [["'E'", hours, records]]
"#;

impl Folder {
    /// Returns the names in the folders of the runs, below the data folder.
    fn spooled(&self) -> Vec<String> {
        let mut folders = vec![self.path("data/spool")];
        let mut names = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => names.push(entry.file_name().into_string().unwrap()),
                }
            }
        }
        names.sort_unstable();
        names
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path("out").join(name)).unwrap()
    }
}

#[test]
fn a_csv_begins_with_the_totals_of_its_rows_behind_byte_order_mark_and_names() {
    let folder = Folder::new(GROUPED, "course,hours\nA,1.5\nA,2\nB,0.25\n");
    let expected = "\u{feff}course,hours\nH,a.csv,2\nT,3,2,3.75,3\nC,A,4\nA,1.5\nA,2\nD,A,3.5,7\nC,B,8\nB,0.25\n\
                    D,B,0.25,10\nE,3.75,11\n";
    assert_eq!(folder.delivered("a.csv"), expected);
    let explained = both(&folder.call(&["explain", "layout"]));
    assert!(explained.contains("each file is written twice"), "{explained}");
    let empty = Folder::new(GROUPED, "course,hours\n");
    assert_eq!(empty.delivered("a.csv"), "\u{feff}course,hours\nH,a.csv,2\nT,0,0,,3\nE,,4\n");
    let one_pass = GROUPED.replace("rows, \"groups\", hours, ", "");
    let explained = both(&Folder::new(&one_pass, "course,hours\n").call(&["explain", "layout"]));
    assert!(explained.contains("Before the first row") && !explained.contains("written twice"), "{explained}");
}

#[test]
fn tests_of_a_pipeline_see_the_header() {
    let tests = "tests:\n  - name: totals\n    rows: [{course: A, hours: 1.5}, {course: A, hours: 2}]\n    expect:\n      \
                 text: \"\\uFEFFcourse,hours\\nH,a.csv,2\\nT,2,1,3.5,3\\nC,A,4\\nA,1.5\\nA,2\\nD,A,3.5,7\\nE,3.5,8\\n\"\n";
    let passes = |tests: &str| {
        let folder = Folder::new(&format!("{GROUPED}{tests}"), "course,hours\n");
        let output = folder.call(&["test", "layout"]);
        (output.status.code(), both(&output))
    };
    let (code, said) = passes(tests);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(passes(&tests.replace("T,2,1,3.5", "T,2,1,9.5")).0, Some(3));
}

const FIXED: &str = r#"artifact:
  name: a.txt
  fixed: {length: 8}
  layout:
    totals: {n: sum(n)}
    header: [[{value: "'H'", width: 1}, {value: rows, width: 4, align: right, fill: "0"}, {value: n, width: 3, align: right}]]
    row: [[{value: "'R'", width: 1}, {value: n, width: 7}]]
"#;

#[test]
fn a_total_that_does_not_fit_is_an_error_of_its_header_record() {
    assert_eq!(Folder::new(FIXED, "n\n40\n2\n").delivered("a.txt"), "H0002 42\nR40     \nR2      \n");
    let folder = Folder::new(FIXED, "n\n998\n2\n");
    let failure = folder.failure();
    for part in ["1000", "has 4 characters, and its field has 3", "artifact.layout.header[0][2]"] {
        assert!(failure.contains(part), "{part}: {failure}");
    }
    assert_eq!(folder.spooled().iter().filter(|name| name.contains("a.txt") || name.contains("tmp")).count(), 0);
    let masked = "transform:\n  - set: {secret: n}\n  - mask: {n: redact}\n".to_owned()
        + &FIXED.replace("sum(n)", "sum(secret)").replace("{value: n, width: 7}", "{value: \"''\", width: 7}");
    let failure = Folder::new(&masked, "n\n998\n2\n").failure();
    assert!(failure.contains("(masked)") && !failure.contains("1000"), "{failure}");
}

#[test]
fn a_character_of_a_header_record_that_the_charset_lacks_is_an_error_that_names_the_record() {
    let keys = r#"artifact:
  name: a.csv
  encoding: {charset: iso-8859-1}
  layout: {totals: {last: max(name)}, header: [["'H'"], ["upper(last)"]]}
"#;
    let failure = Folder::new(keys, "name\nÿ\n").failure();
    assert!(failure.contains("artifact.layout.header[1]") && failure.contains("iso-8859-1"), "{failure}");
}

#[test]
fn each_file_of_a_split_in_windows_1252_has_the_totals_of_its_rows() {
    let keys = r#"artifact:
  name: "a_{part}.csv"
  encoding: {charset: windows-1252}
  split: {rows: 2}
  layout: {totals: {n: sum(n), last: max(name)}, header: [["'H'", rows, n, last, file_name, records]]}
"#;
    let folder = Folder::new(keys, "name,n\nZoë,1\nAnn,2\nBo,4\n");
    let output = folder.run();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    assert_eq!(folder.bytes("a_1.csv"), b"H,2,3,Zo\xEB,a_1.csv,1\nZo\xEB,1\nAnn,2\n");
    assert_eq!(folder.bytes("a_2.csv"), b"H,1,4,Bo,a_2.csv,1\nBo,4\n");
}

#[test]
fn several_artifacts_have_headers_of_their_own() {
    let keys = r#"artifacts:
  all:
    name: all.csv
    layout: {totals: {n: sum(n)}, header: [["'H'", n]]}
  plain: {name: plain.csv}
  large:
    transform: [{filter: n > 2}]
    name: large.csv
    layout: {totals: {n: sum(n)}, header: [["'H'", n]]}
"#;
    let folder = Folder::new(keys, "n\n1\n2\n3\n");
    assert_eq!(folder.delivered("all.csv"), "H,6\n1\n2\n3\n");
    assert_eq!(folder.bytes("plain.csv"), b"n\n1\n2\n3\n");
    assert_eq!(folder.bytes("large.csv"), b"H,3\n3\n");
}

const LARGE: &str = r#"artifact:
  name: "a_{part}.csv.gz"
  compress: gzip
  split: {rows: 40000}
  layout: {totals: {n: sum(n)}, header: [["'H'", rows, n]], trailer: [["'T'", records]]}
"#;

/// Returns 60,000 rows, and what their two files have in them: each larger than what is kept in memory.
fn large() -> (String, [String; 2]) {
    let line = |n: u64| format!("{n},a text of some length\n");
    let file = |numbers: std::ops::Range<u64>| {
        let (rows, sum) = (numbers.end - numbers.start, numbers.clone().sum::<u64>());
        format!("H,{rows},{sum}\n{}T,{}\n", numbers.map(line).collect::<String>(), rows + 2)
    };
    let rows: String = (0..60_000).map(line).collect();
    (format!("n,text\n{rows}"), [file(0..40_000), file(40_000..60_000)])
}

#[test]
fn a_run_that_dies_while_rows_are_copied_behind_their_header_delivers_the_same_bytes_next_time() {
    let (rows, expected) = large();
    assert!(expected.iter().all(|file| file.len() > 256 << 10));
    let undisturbed = Folder::new(LARGE, &rows);
    let output = undisturbed.run();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let names = ["a_1.csv.gz", "a_2.csv.gz"];
    for (name, expected) in names.iter().zip(&expected) {
        let mut text = String::new();
        flate2::read::GzDecoder::new(undisturbed.bytes(name).as_slice()).read_to_string(&mut text).unwrap();
        assert!(text == *expected, "{name}: {}…", text.chars().take(40).collect::<String>());
    }
    let kept = undisturbed.spooled();
    for fault in ["encode.copy=kill_before", "encode.copy=kill_after@2", "encode.copy=kill_before@4"] {
        let folder = Folder::new(LARGE, &rows);
        let mut command = crate::stage::reportferry();
        command.current_dir(folder.0.path()).env("REPORTFERRY_FAULT", fault);
        let killed =
            command.args(["run", "layout", "--slot", "2026-11-23T05:30:00Z", "--wait", "0s"]).output().unwrap();
        assert_eq!(killed.status.code(), None, "{fault}: {}", both(&killed));
        assert!(!folder.path("out").exists(), "{fault}");
        let output = folder.run();
        assert_eq!(output.status.code(), Some(0), "{fault}: {}", both(&output));
        assert!(names.iter().all(|name| folder.bytes(name) == undisturbed.bytes(name)), "{fault}");
        assert_eq!(folder.spooled(), kept, "{fault}: no temporary file is left");
    }
}

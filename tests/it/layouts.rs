//! Files of several record types, byte for byte as readers specify them.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::stage::rig::{both, document};

mod header_totals;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");

/// A folder with a pipeline that reads `rows.csv` and delivers into `out`.
struct Folder(tempfile::TempDir);

impl Folder {
    /// The pipeline has these keys besides `source` and `deliver`.
    fn new(keys: &str, rows: &str) -> Self {
        let folder = crate::stage::folder();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        let settings = "data: data\ndestinations: {local: {local: {path: out, mkdir: true}}}\n";
        std::fs::write(folder.path().join("reportferry.yaml"), settings).unwrap();
        let pipeline = format!("source: {{file: {{path: rows.csv}}}}\ndeliver: {{local:}}\n{keys}");
        std::fs::write(folder.path().join("pipelines/layout.yaml"), pipeline).unwrap();
        std::fs::write(folder.path().join("rows.csv"), rows).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn call(&self, arguments: &[&str]) -> Output {
        crate::stage::reportferry().current_dir(self.0.path()).args(arguments).output().unwrap()
    }

    fn run(&self) -> Output {
        self.call(&["run", "layout", "--slot", "2026-11-23T05:30:00Z", "--json", "--wait", "0s"])
    }

    /// Runs the pipeline. Returns the text of a delivered file.
    fn delivered(&self, name: &str) -> String {
        let output = self.run();
        assert_eq!(output.status.code(), Some(0), "{}", both(&output));
        assert_eq!(document(&output)["state"], "delivered");
        String::from_utf8(std::fs::read(self.path("out").join(name)).unwrap()).unwrap()
    }

    /// Runs the pipeline, which fails. Returns everything it says.
    fn failure(&self) -> String {
        let output = self.run();
        assert_eq!(output.status.code(), Some(3), "{}", both(&output));
        assert!(!self.path("out").exists(), "nothing is delivered");
        document(&output).to_string()
    }

    /// Returns the problems that `check` finds.
    fn problems(&self) -> String {
        let output = self.call(&["check"]);
        assert_ne!(output.status.code(), Some(0), "{}", both(&output));
        both(&output)
    }
}

const CE_BROKER: &str = r#"vars: {provider: "12345", provider_name: Acme Learning}
artifact:
  name: cebroker.txt
  encoding: {charset: us-ascii, unmappable: transliterate}
  fixed: {length: 100, record_end: crlf}
  layout:
    totals: {hours: sum(hours)}
    header:
      - - {value: "'1'", width: 1}
        - {value: "'50-'", width: 3}
        - {value: "var('provider')", width: 9, align: right, fill: "0"}
        - {value: "var('provider_name')", width: 80}
        - {value: "''", width: 7}
    group:
      by: course
      totals: {n: count(*)}
      header:
        - [{value: "'2'", width: 1}, {value: course, width: 20}, {value: title, width: 79}]
      trailer:
        - [{value: "'5'", width: 1}, {value: course, width: 20}, {value: n, width: 6, align: right, fill: "0"}, {value: records, width: 73}]
    row:
      - [{value: "'3'", width: 1}, {value: licence, width: 10}, {value: last_name, width: 40}, {value: first_name, width: 49}]
    trailer:
      - - {value: "'6'", width: 1}
        - {value: rows, width: 6, align: right, fill: "0"}
        - {value: "groups", width: 6, align: right, fill: "0"}
        - {value: records, width: 6, align: right, fill: "0"}
        - {value: hours, width: 81, align: right}
"#;

#[test]
fn ce_broker_records_have_100_characters_and_groups_follow_each_other() {
    let forty = "Abcdefghij".repeat(4);
    // By bytes, Ł comes after Z; what it is written as comes before it.
    let rows = format!(
        "course,title,licence,last_name,first_name,hours\n\
         C-1,\"Fire \"\"Safety\"\" | A\\B\",RN100,López-Núñez,Ana,1.5\n\
         C-1,\"Fire \"\"Safety\"\" | A\\B\",RN101,李,,0.25\n\
         Z-1,Zoning,RN102,{forty},Bo,2\n\
         Ł-2,,RN103,X,Y,\n"
    );
    let record = |parts: &[(&str, usize)]| {
        let record: String = parts.iter().map(|(text, width)| format!("{text:<width$}")).collect();
        assert_eq!(record.len(), 100, "{record}");
        record + "\r\n"
    };
    let course = |code, title| record(&[("2", 1), (code, 20), (title, 79)]);
    let end = |code, n: &str, records| record(&[("5", 1), (code, 20), (&format!("{n:0>6}"), 6), (records, 73)]);
    let person = |licence, last, first| record(&[("3", 1), (licence, 10), (last, 40), (first, 49)]);
    let title = "Fire \"Safety\" | A\\B";
    let expected = [
        record(&[("150-000012345", 13), ("Acme Learning", 80), ("", 7)]),
        course("C-1", title),
        person("RN100", "Lopez-Nunez", "Ana"),
        person("RN101", "Li", ""),
        end("C-1", "2", "5"),
        course("Z-1", "Zoning"),
        person("RN102", &forty, "Bo"),
        end("Z-1", "1", "8"),
        course("L-2", ""),
        person("RN103", "X", "Y"),
        end("L-2", "1", "11"),
        record(&[("6", 1), ("000004", 6), ("000003", 6), ("000012", 6), (&format!("{:>81}", "3.75"), 81)]),
    ]
    .concat();
    assert_eq!(Folder::new(CE_BROKER, &rows).delivered("cebroker.txt"), expected);
    let long = rows.replace(&forty, &format!("{forty}k"));
    let failure = Folder::new(CE_BROKER, &long).failure();
    for part in
        ["record 3 (line 4)", "last_name", "has 41 characters, and its field has 40", "artifact.layout.row[0][2]"]
    {
        assert!(failure.contains(part), "{part}: {failure}");
    }
    let unsorted = rows.replace("Ł-2", "B-2");
    let failure = Folder::new(CE_BROKER, &unsorted).failure();
    for part in ["record 4 (line 5)", "course", "B-2", "sort: [course]", "artifact.layout.group.by"] {
        assert!(failure.contains(part), "{part}: {failure}");
    }
    // Empty cells are last after the step `sort`.
    let empty_last = rows.replace("Ł-2", "");
    assert!(Folder::new(CE_BROKER, &empty_last).delivered("cebroker.txt").contains("\r\n2   "));
}

#[test]
fn oracle_hcm_reads_metadata_once_and_a_line_for_each_row_from_a_zip() {
    let keys = r#"artifact:
  name: "learning_{slot:%Y%m%d}.zip"
  compress: {zip: {entry: LearningRecord.dat}}
  csv: {delimiter: "|", quote: never, escape: "\\"}
  layout:
    header: [["'METADATA'", "'LearningRecord'", "'SourceSystemId'", "'PersonNumber'", "'Title'"]]
    row: [["'MERGE'", "'LearningRecord'", "person || '_' || course", person, title]]
"#;
    let rows = "person,course,title\n00042,C-1,\"Fire | \"\"Safety\"\" \\ first\"\n00043,C-2,\"López-Núñez, 李\"\n00044,C-3,\n";
    let folder = Folder::new(keys, rows);
    let output = folder.run();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.namelist() == ['LearningRecord.dat']\n\
                  sys.stdout.buffer.write(z.read('LearningRecord.dat'))";
    let read =
        Command::new(PYTHON).args(["-c", script]).arg(folder.path("out/learning_20261123.zip")).output().unwrap();
    assert_eq!(
        String::from_utf8(read.stdout).unwrap(),
        "METADATA|LearningRecord|SourceSystemId|PersonNumber|Title\n\
         MERGE|LearningRecord|00042_C-1|00042|Fire \\| \"Safety\" \\\\ first\n\
         MERGE|LearningRecord|00043_C-2|00043|López-Núñez, 李\n\
         MERGE|LearningRecord|00044_C-3|00044|\n"
    );
}

#[test]
fn uk_lrs_files_name_themselves_in_the_second_record() {
    let keys = r#"vars: {ukprn: "10001234", version: "1.0"}
artifact:
  name: "LRB_{var:ukprn}_{slot:%d%m%Y%H%M}.CSV"
  csv: {header: names, record_end: crlf}
  layout:
    header: [["var('version')", file_name, "var('ukprn')"]]
    trailer: [["rows", "records"]]
"#;
    let name = "LRB_10001234_231120260530.CSV";
    let rows = "GivenName,FamilyName\nAna,López-Núñez\n\"李, \"\"x\"\"\",\n";
    let folder = Folder::new(keys, rows);
    let expected =
        format!("GivenName,FamilyName\r\n1.0,{name},10001234\r\nAna,López-Núñez\r\n\"李, \"\"x\"\"\",\r\n2,5\r\n");
    assert_eq!(folder.delivered(name), expected);
    let explained = both(&folder.call(&["explain", "layout"]));
    assert!(explained.contains("Before the first row") && explained.contains("file_name"), "{explained}");
}

const MCLE: &str = r##"artifact:
  name: mcle.csv
  csv: {quote: text}
  layout:
    totals: {hours: sum(hours), live: "count(*) filter (where kind = 'live')"}
    header: [["'# attendance'"], ["'H'", file_name, records]]
    group:
      by: [course, kind]
      totals: {hours: sum(hours), last: max(name)}
      header: [["'C'", course, kind, "upper(title)", file_name, records]]
      trailer: [["'D'", course, kind, rows, hours, last]]
    row: [["'A'", name, hours], ["'N'", note]]
    trailer: [["'T'", rows, "groups", hours, live, records], ["lpad(records, 4, '0')"]]
"##;
const MCLE_ROWS: &str = "course,kind,title,name,hours,note\n\
                         C-1,live,One,\"O\"\"Neil, J\",1.5,a|b\n\
                         C-1,live,One,李,1,\n\
                         C-1,online,One,Zoë,2,\\\n\
                         C-2,live,Two,Ann,0.25,x\n";

#[test]
fn mcle_files_have_records_of_a_file_a_course_and_an_attendance() {
    let expected = "\"# attendance\"\n\"H\",\"mcle.csv\",2\n\
                    \"C\",\"C-1\",\"live\",\"ONE\",\"mcle.csv\",3\n\
                    \"A\",\"O\"\"Neil, J\",1.5\n\"N\",\"a|b\"\n\"A\",\"李\",1\n\"N\",\n\
                    \"D\",\"C-1\",\"live\",2,2.5,\"李\"\n\
                    \"C\",\"C-1\",\"online\",\"ONE\",\"mcle.csv\",9\n\"A\",\"Zoë\",2\n\"N\",\"\\\"\n\
                    \"D\",\"C-1\",\"online\",1,2,\"Zoë\"\n\
                    \"C\",\"C-2\",\"live\",\"TWO\",\"mcle.csv\",13\n\"A\",\"Ann\",0.25\n\"N\",\"x\"\n\
                    \"D\",\"C-2\",\"live\",1,0.25,\"Ann\"\n\
                    \"T\",4,3,4.75,3,17\n\"0018\"\n";
    assert_eq!(Folder::new(MCLE, MCLE_ROWS).delivered("mcle.csv"), expected);
    let failure = Folder::new(MCLE, &MCLE_ROWS.replace("Zoë,2,", "Zoë,two,")).failure();
    for part in ["record 3 (line 4)", "hours", "two", "artifact.layout.totals.hours"] {
        assert!(failure.contains(part), "{part}: {failure}");
    }
    let empty = Folder::new(&format!("expect: {{when_empty: send}}\n{MCLE}"), "course,kind,title,name,hours,note\n");
    assert_eq!(empty.delivered("mcle.csv"), "\"# attendance\"\n\"H\",\"mcle.csv\",2\n\"T\",0,0,,0,3\n\"0004\"\n");
}

#[test]
fn each_file_of_a_split_has_its_header_its_trailer_and_its_totals() {
    let keys = r#"artifact:
  name: "a_{part}.csv"
  split: {rows: 2}
  layout: {totals: {n: sum(n)}, header: [["'H'", file_name]], trailer: [["'T'", rows, n, records, file_name]]}
"#;
    let folder = Folder::new(keys, "n\n1\n2\n3\n");
    assert_eq!(folder.delivered("a_1.csv"), "H,a_1.csv\n1\n2\nT,2,3,4,a_1.csv\n");
    let second = std::fs::read_to_string(folder.path("out/a_2.csv")).unwrap();
    assert_eq!(second, "H,a_2.csv\n3\nT,1,3,3,a_2.csv\n");
}

#[test]
fn values_that_do_not_fit_are_errors_that_name_their_record_and_hide_masked_values() {
    let trailer = r#"artifact:
  name: a.csv
  csv: {quote: never}
  layout: {totals: {last: last(name)}, trailer: [["'T'"], [rows, "'x'", last]]}
"#;
    let failure = Folder::new(trailer, "name\nAnn\n\"a,b\"\n").failure();
    assert!(failure.contains("record 2 (line 3)") && failure.contains("artifact.csv"), "{failure}");
    let row = trailer.replace("trailer:", "row: [[\"'R'\"]], trailer:");
    let failure = Folder::new(&row, "name\nAnn\n\"a,b\"\n").failure();
    for part in ["a,b", "contains the delimiter", "artifact.layout.trailer[1][2]"] {
        assert!(failure.contains(part), "{part}: {failure}");
    }
    let masked = format!(
        "transform:\n  - set: {{copy: name}}\n  - mask: {{name: redact}}\n{}",
        row.replace("last(name)", "last(copy)")
    );
    let failure = Folder::new(&masked, "name\nAnn\n\"a,b\"\n").failure();
    assert!(failure.contains("(masked)") && !failure.contains("a,b"), "{failure}");
    let grouped = "transform:\n  - set: {copy: name}\n  - mask: {name: redact}\nartifact: {name: a.csv, layout: {group: {by: copy}}}\n";
    let failure = Folder::new(grouped, "name\nZoe-Secret\nAnn-Secret\n").failure();
    assert!(failure.contains("(masked)") && !failure.contains("Secret"), "{failure}");
    assert!(failure.contains("record 2 (line 3)"), "{failure}");
}

#[test]
fn check_finds_what_no_file_could_have() {
    let fixed = |layout: &str| format!("fixed: {{length: 3}}, layout: {{{layout}}}");
    for (artifact, expected) in [
        ("layout: {totals: {hours: sum(n)}, header: [[hour]]}".to_owned(), "there is no column \"hour\""),
        ("layout: {totals: {hours: sum(n)}, header: [[n, hours]]}".to_owned(), "there is no column \"n\""),
        ("layout: {group: {by: n, totals: {m: sum(n)}, header: [[m]]}}".to_owned(), "there is no column \"m\""),
        ("layout: {totals: {rows: sum(n)}}".to_owned(), "give the total another name"),
        ("layout: {totals: {a: count(distinct n)}}".to_owned(), "count `groups`"),
        ("layout: {trailer: [[n]]}".to_owned(), "there is no column \"n\""),
        ("layout: {trailer: [[\"var('nothing')\"]]}".to_owned(), "there is no value \"nothing\" in `vars`"),
        ("layout: {row: []}".to_owned(), "would be lost"),
        ("layout: {row: [[]]}".to_owned(), "this record has no parts"),
        ("layout: {row: [[{value: n, width: 3}]]}".to_owned(), "part of a `fixed` file"),
        ("json: {}, layout: {}".to_owned(), "`layout` and `json` are mutually exclusive"),
        ("split: {rows: 2}, layout: {group: {by: n}}".to_owned(), "may cut a group in two"),
        ("layout: {group: {by: [n, n]}}".to_owned(), "is named twice"),
        (fixed("row: [[n]]"), "write `{value: \\\"n\\\", width: 10}`"),
        (fixed("row: [[{value: n, width: 4}]]"), "the widths add up to 4, and `length` is 3"),
        (fixed("trailer: [[{value: rows, width: 3}]]"), "the records of a row are missing"),
    ] {
        let name = if artifact.contains("split") { "a_{part}.txt" } else { "a.txt" };
        let keys = format!("transform: [{{select: [n]}}]\nartifact: {{name: \"{name}\", {artifact}}}\n");
        let problems = Folder::new(&keys, "n\n1\n").problems();
        assert!(problems.contains(&expected.replace("\\\"", "\"")), "{artifact}: {problems}");
    }
}

//! Inputs that public reports complain about, by the real binary: what is delivered is right, or nothing is delivered and
//! the exit code and the message name the cause.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::stage::rig::both;

const SETTINGS: &str = "\
pipelines: pipelines
data: data
destinations:
  out:
    local: {path: out, mkdir: true}
";

/// A folder with settings, the pipeline `p` and its input `in.csv`.
struct Case(tempfile::TempDir);

impl Case {
    fn new(pipeline: &str, input: impl AsRef<[u8]>) -> Self {
        let folder = crate::stage::folder();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        std::fs::write(folder.path().join("reportferry.yaml"), SETTINGS).unwrap();
        std::fs::write(folder.path().join("pipelines/p.yaml"), pipeline).unwrap();
        std::fs::write(folder.path().join("in.csv"), input).unwrap();
        Self(folder)
    }

    /// The input as it is, with `transform` in between.
    fn transforming(transform: &str, input: impl AsRef<[u8]>) -> Self {
        Self::new(&pipeline("in.csv", transform), input)
    }

    /// The input, read as `csv` says.
    fn reading(csv: &str, input: impl AsRef<[u8]>) -> Self {
        Self::new(&pipeline(&format!("in.csv, csv: {csv}"), ""), input)
    }

    fn reportferry(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = crate::stage::reportferry();
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    fn out(&self, name: &str) -> PathBuf {
        self.0.path().join("out").join(name)
    }

    /// `check` and `run` end with 0, and the file holds exactly this.
    #[track_caller]
    fn delivers(&self, expected: impl AsRef<[u8]>) {
        let check = self.reportferry(&["check"]);
        assert_eq!(check.status.code(), Some(0), "check: {}", both(&check));
        let run = self.reportferry(&["run", "p"]);
        assert_eq!(run.status.code(), Some(0), "run: {}", both(&run));
        let (arrived, expected) = (std::fs::read(self.out("out.csv")).unwrap(), expected.as_ref());
        assert_eq!(String::from_utf8_lossy(&arrived), String::from_utf8_lossy(expected));
        assert_eq!(arrived, expected);
    }

    /// The run fails with 3, nothing arrives, and the output holds all of `parts`.
    #[track_caller]
    fn fails(&self, parts: &[&str]) {
        self.refuses(&["run", "p"], 3, parts);
    }

    /// `check` ends with 2, and so does `run`, before anything arrives.
    #[track_caller]
    fn is_a_problem(&self, parts: &[&str]) {
        self.refuses(&["check"], 2, parts);
        self.refuses(&["run", "p"], 2, parts);
    }

    /// `check` ends with 0 and a warning; with `--strict` it ends with 2.
    #[track_caller]
    fn warns(&self, parts: &[&str]) {
        self.refuses(&["check"], 0, parts);
        self.refuses(&["check", "--strict"], 2, parts);
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str], code: i32, parts: &[&str]) {
        let output = self.reportferry(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
        // What is drawn for a terminal is wrapped.
        let told: String = both(&output).replace(['│', '╰', '╭', '─'], " ");
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(told.contains(part), "{part:?} is missing in {arguments:?}: {}", both(&output));
        }
        assert!(!self.out("out.csv").exists(), "{arguments:?} delivered something");
    }
}

fn pipeline(source: &str, transform: &str) -> String {
    let transform = if transform.is_empty() { String::new() } else { format!("transform:\n{transform}\n") };
    format!(
        "source: {{file: {{path: {source}}}}}\n{transform}artifact: {{name: out.csv}}\ndeliver: {{out: {{existing: replace}}}}\n"
    )
}

#[test]
fn f01_a_stray_quote_merges_no_rows() {
    let rows = "id,course,score\n1,\"Course A,2\n3,B,4\n5,\"ghi\",6\n";
    Case::transforming("", rows).fails(&["record 1 (line 2)", "text follows a closing quote (line 4)"]);
    Case::transforming("", "id,a\n1,\"x\"y\n").fails(&["record 1 (line 2)", "text follows a closing quote (line 2)"]);
    Case::transforming("", "id,a\n1,\"x\" ,\n").fails(&["text follows a closing quote"]);
    Case::transforming("", "id,a\n1,x\n2,\"y\n3,z\n").fails(&["line 3", "never closed"]);
    Case::transforming("", "id,\"a\"b\n1,x\n").fails(&["text follows a closing quote (line 1)"]);
    Case::transforming("", "id,a\r\n1,\"x\"\"\"\r\n2,\"\"\r\n3,\"a\r\nb\"\r\n")
        .delivers("id,a\n1,\"x\"\"\"\n2,\n3,\"a\r\nb\"\n");
}

#[test]
fn f01b_inner_quotes_are_not_altered() {
    let rows = "id,title,x\n1,\"The Death of \"Superman Lives\": What Happened?\",y\n2,b,c\n";
    Case::transforming("", rows).fails(&["record 1 (line 2)", "text follows a closing quote"]);
    // A quote inside of a bare cell is a character like any other.
    Case::transforming("", "id,title\n1,5\" disk\n").delivers("id,title\n1,\"5\"\" disk\"\n");
}

#[test]
fn f01_lenient_reading_is_for_those_who_ask_for_it() {
    let case = Case::reading("{strict: false}", "id,title\n1,\"a\" b\n2,c\n");
    case.delivers("id,title\n1,a b\n2,c\n");
}

#[test]
fn f03_a_date_without_a_time_does_not_move() {
    for zone in ["America/New_York", "Asia/Tokyo", "UTC", "Pacific/Kiritimati"] {
        let set = format!("  - set: {{done: \"format_time(done, '%m/%d/%Y', '{zone}')\"}}");
        Case::transforming(&set, "emp,done\n00123,2026-01-05\n").delivers("emp,done\n00123,01/05/2026\n");
    }
    let set = "  - set: {done: \"format_time(done, '%m/%d/%Y', 'America/New_York')\"}";
    Case::transforming(set, "emp,done\n00123,2026-01-05 02:00:00\n").delivers("emp,done\n00123,01/04/2026\n");
}

#[test]
fn f04_a_value_that_its_format_cannot_mean_is_refused() {
    for value in ["07/16/68", "7/16/19680", "07/16/1968x", "02/30/2026", "2026-07-16"] {
        let set = "  - set: {dob: \"parse_time(dob, '%m/%d/%Y')\"}";
        let parts = [value, "record 1 (line 2)", "(set.dob in step 1)"];
        Case::transforming(set, format!("emp,dob\n1,{value}\n")).fails(&parts);
    }
}

#[test]
fn f05_far_dates_are_dates() {
    let set = "  - set: {until: \"format_time(until, '%Y-%m-%d', 'UTC')\"}";
    Case::transforming(set, "emp,until\n1,9999-12-31\n2,9999-12-31 23:59:59\n3,0001-01-01\n")
        .delivers("emp,until\n1,9999-12-31\n2,9999-12-31\n3,0001-01-01\n");
    for zone in ["America/New_York", "Asia/Tokyo"] {
        let set = format!("  - set: {{until: \"format_time(until, '%Y-%m-%d', '{zone}')\"}}");
        let rows = "emp,until\n1,9999-12-31\n2,9999-12-31 23:59:59\n";
        Case::transforming(&set, rows).delivers("emp,until\n1,9999-12-31\n2,9999-12-31\n");
    }
}

#[test]
fn f06_concatenation_binds_as_in_duckdb_and_postgresql() {
    Case::transforming("  - set: {n: \"'00' || n + 1\"}", "n\n41\n").delivers("n\n0042\n");
    Case::transforming("  - filter: \"'a' || n = 'a4' || '1'\"", "n\n41\n42\n").delivers("n\n41\n");
}

#[test]
fn f07_a_format_without_a_directive_is_a_problem() {
    for (format, suggestion) in [("MM/dd/yyyy", "%m/%d/%Y"), ("yyyy-MM-dd", "%Y-%m-%d"), ("DD.MM.YYYY", "%d.%m.%Y")] {
        let set = |format: &str| format!("  - set: {{a: \"format_time(a, '{format}', 'UTC')\"}}");
        Case::transforming(&set(format), "a\n2026-01-05 10:00:00\n")
            .is_a_problem(&["p.yaml:3", &format!("write `{suggestion}`")]);
        let check = Case::transforming(&set(suggestion), "a\n2026-01-05 10:00:00\n").reportferry(&["check"]);
        assert_eq!(check.status.code(), Some(0), "{}", both(&check));
    }
    let named = "source: {file: {path: in.csv}}\nartifact: {name: \"o_{slot:YYYYMMDD}.csv\"}\ndeliver: {out: {}}\n";
    Case::new(named, "a\n1\n").is_a_problem(&["p.yaml:2", "%Y%m%d"]);
}

#[test]
fn f08_slots_that_share_a_name_are_known_beforehand() {
    let hourly = |name: &str, deliver: &str| {
        let schedule = "schedule: {cron: \"15 * * * *\", timezone: Europe/Rome}";
        let rest =
            format!("source: {{file: {{path: in.csv}}}}\nartifact: {{name: \"{name}\"}}\ndeliver: {{out: {deliver}}}");
        Case::new(&format!("{schedule}\n{rest}\n"), "a\n1\n")
    };
    hourly("o_{slot:%Y%m%d}.csv", "{}").warns(&["share", "o_2026"]);
    hourly("o_{slot:%Y%m%d}.csv", "{existing: replace}").warns(&["share"]);
    // 02:15 comes twice on the day that the clocks go back.
    hourly("o_{slot:%Y%m%d_%H%M}.csv", "{}").warns(&["share"]);
    let quiet = |case: Case| {
        let check = case.reportferry(&["check", "--strict"]);
        assert_eq!(check.status.code(), Some(0), "{}", both(&check));
    };
    quiet(hourly("o_{slot:%Y%m%d_%H%M%z}.csv", "{}"));
    quiet(hourly("o.csv", "{existing: replace}"));
}

#[test]
fn f09_another_delimiter_does_not_pass_as_one_column() {
    Case::transforming("", "sep=;\nid;name\n1;A\n").fails(&["separated by `;`, not `,`"]);
    Case::transforming("", "id;name\n1;A\n").fails(&["separated by `;`, not `,`"]);
    Case::transforming("", "id\tname\n1\tA\n").fails(&["separated by", "tab"]);
    Case::transforming("", "id|name\n1|A\n").fails(&["separated by `|`, not `,`"]);
    Case::reading("{delimiter: \";\"}", "sep=;\nid;name\n1;\"A;B\"\n2;a,b\n").delivers("id,name\n1,A;B\n2,\"a,b\"\n");
    Case::reading("{delimiter: \"\\t\"}", "id\tname\n1\tA\n").delivers("id,name\n1,A\n");
    Case::transforming("", "id\n1;A\n").delivers("id\n1;A\n");
}

#[test]
fn f09_other_encodings_are_read_where_they_are_declared() {
    Case::reading("{encoding: windows-1252}", b"id,name\n1,L\xf3pez \x80\n").delivers("id,name\n1,López €\n");
    let utf16: Vec<u8> = "\u{feff}id,name\r\n1,López 李\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    Case::reading("{encoding: utf-16}", &utf16).delivers("id,name\n1,López 李\n");
    Case::transforming("", &utf16).fails(&["UTF-16", "encoding"]);
    Case::transforming("", b"id,name\n1,L\xf3pez\n").fails(&["record 1 (line 2)", "name", "windows-1252"]);
}

#[test]
fn f10_a_nul_byte_is_refused_wherever_it_is() {
    let mut rows = b"id,name\n".to_vec();
    while rows.len() < 100_000 {
        rows.extend_from_slice(b"1,AAAAAAAAAAAAAAAAA\n");
    }
    rows.extend_from_slice(b"2,A\0B\n");
    Case::transforming("", &rows).fails(&["NUL"]);
    Case::transforming("", b"id,name\n1,\0\n").fails(&["NUL"]);
    Case::transforming("", b"id,\"na\0me\"\n1,x\n").fails(&["NUL"]);
}

#[test]
fn f11_placeholders_that_nothing_fills_in_are_problems() {
    for path in ["${ENV}/in", "in/{{ tenant }}", "$(date)/in", "in/{slot:%Y%m}"] {
        let text = format!(
            "source: {{file: {{path: in.csv}}}}\nartifact: {{name: out.csv}}\ndeliver: {{out: {{path: \"{path}\"}}}}\n"
        );
        Case::new(&text, "a\n1\n").is_a_problem(&["p.yaml:3"]);
    }
}

#[test]
fn f12_a_comparison_with_null_is_a_problem() {
    for filter in ["a = null", "a <> null", "null = a", "a in (null)", "b < null"] {
        let step = format!("  - filter: \"{filter}\"");
        Case::transforming(&step, "a,b\n,1\nx,2\n").is_a_problem(&["p.yaml:3", "null"]);
    }
    Case::transforming("  - filter: a = null", "a\nx\n").is_a_problem(&["write `a is null`"]);
    Case::transforming("  - filter: \"null\"", "a\nx\n").is_a_problem(&["every row would be dropped"]);
    Case::transforming("  - filter: a is null", "a,b\n,1\nx,2\n").delivers("a,b\n,1\n");
    let parts = ["p.yaml:3", "text", "cast(b as decimal) > 60"];
    Case::transforming("  - filter: b > '60'", "a,b\n,100\nx,9\n").warns(&parts);
}

#[test]
fn a_long_expression_is_shown_around_the_fault() {
    let many = vec!["a = 'x'"; 200].join(" or ");
    let case = Case::transforming(&format!("  - filter: {many} or a = null or {many}"), "a\nx\n");
    case.is_a_problem(&["a = null"]);
    let shown = both(&case.reportferry(&["check"]));
    assert!(shown.len() < 1_500, "{} bytes: {shown}", shown.len());
}

#[test]
fn an_empty_key_never_hashes() {
    for (salt, why) in [("", "CASE_SALT is empty"), (" ", "white space only"), ("\n", "white space only")] {
        let case = Case::transforming("  - set: {a: \"hmac_sha256(a, email_salt)\"}", "a\nx\n");
        let settings = format!("{SETTINGS}secrets: {{email_salt: {{env: CASE_SALT}}}}\n");
        std::fs::write(case.0.path().join("reportferry.yaml"), settings).unwrap();
        let run = case.command(&["run", "p"]).env("CASE_SALT", salt).output().unwrap();
        assert_eq!(run.status.code(), Some(3), "{}", both(&run));
        assert!(both(&run).contains(why), "{}", both(&run));
        assert!(!case.out("out.csv").exists());
    }
}

#[test]
fn environment_variables_of_a_platform_keep_nothing_from_starting() {
    let case = Case::transforming("", "a\n1\n");
    let with = |name: &str, value: &str| case.command(&["check"]).env(name, value).output().unwrap();
    for (name, value) in [
        ("REPORTFERRY_PORT", "tcp://10.0.0.1:8080"),
        ("REPORTFERRY_SERVICE_HOST", "10.0.0.1"),
        ("REPORTFERRY_SERVICE_PORT", "8080"),
        ("REPORTFERRY_SERVICE_PORT_METRICS", "8080"),
        ("REPORTFERRY_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("REPORTFERRY_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("REPORTFERRY_PORT_8080_TCP_PROTO", "tcp"),
    ] {
        let output = with(name, value);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", both(&output));
    }
    let misspelt = with("REPORTFERRY_DATTA", "elsewhere");
    assert_eq!(misspelt.status.code(), Some(2), "{}", both(&misspelt));
    assert!(both(&misspelt).contains("REPORTFERRY_DATA?"), "{}", both(&misspelt));
}

#[test]
fn a_slot_is_also_a_date_or_how_long_ago() {
    for slot in ["2026-11-23", "12h", "2d", "2026-11-23T05:30:00Z"] {
        let case = Case::transforming("", "a\n1\n");
        let run = case.reportferry(&["run", "p", "--slot", slot]);
        assert_eq!(run.status.code(), Some(0), "{slot}: {}", both(&run));
        assert_eq!(std::fs::read(case.out("out.csv")).unwrap(), b"a\n1\n");
    }
}

//! Cases from public reports, end to end: the file that comes out, or the exit code and the words.

use std::path::Path;
use std::process::Command;

const SETTINGS: &str = "\
pipelines: pipelines
data: data
destinations:
  out:
    local: {path: out, mkdir: true}
secrets:
  email_salt: {env: CASE_SALT}
";

/// Runs the program on a pipeline of one step; gives the exit code, what is printed, and the file that comes out.
fn run(folder: &Path, arguments: &[&str], csv: &str, step: &str, salt: &str) -> (i32, String, Option<String>) {
    std::fs::create_dir_all(folder.join("pipelines")).unwrap();
    std::fs::write(folder.join("reportferry.yaml"), SETTINGS).unwrap();
    std::fs::write(folder.join("in.csv"), csv).unwrap();
    let pipeline = format!(
        "source: {{file: {{path: in.csv}}}}\ntransform:\n  - {step}\nartifact: {{name: out.csv}}\ndeliver:\n  out: {{existing: replace}}\n"
    );
    std::fs::write(folder.join("pipelines/p.yaml"), pipeline).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_reportferry"))
        .args(arguments)
        .current_dir(folder)
        .env("CASE_SALT", salt)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let printed = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (done.status.code().unwrap(), printed, std::fs::read_to_string(folder.join("out/out.csv")).ok())
}

#[test]
fn cases_come_out_right() {
    for (name, csv, step, wanted) in [
        (
            "F03",
            "emp,done\n00123,2026-01-05\n",
            "set: {done: \"format_time(done, '%m/%d/%Y', 'America/New_York')\"}",
            "emp,done\n00123,01/05/2026\n",
        ),
        (
            "F05",
            "emp,until\n1,9999-12-31\n2,9999-12-31 23:59:59\n",
            "set: {until: \"format_time(until, '%Y-%m-%d', 'Asia/Tokyo')\"}",
            "emp,until\n1,9999-12-31\n2,9999-12-31\n",
        ),
        ("F06", "n\n41\n", "set: {n: \"'00' || n + 1\"}", "n\n0042\n"),
        ("F12 fixed", "a,b\n,1\nx,2\n", "filter: a is null", "a,b\n,1\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (code, printed, file) = run(folder.path(), &["run", "p"], csv, step, "x");
        assert_eq!((code, file.as_deref()), (0, Some(wanted)), "{name}: {printed}");
    }
}

#[test]
fn cases_that_cannot_be_right_are_refused() {
    for (name, arguments, csv, step, code, words) in [
        (
            "F04",
            ["run", "p"],
            "dob\n07/16/68\n",
            "set: {dob: \"parse_time(dob, '%m/%d/%Y')\"}",
            3,
            "(step transform[0].set.dob)",
        ),
        (
            "F07",
            ["check", "pipelines"],
            "a\nx\n",
            "set: {a: \"format_time(a, 'MM/dd/yyyy', 'UTC')\"}",
            2,
            "write `%m/%d/%Y`",
        ),
        ("F12", ["check", "pipelines"], "a\nx\n", "filter: a = null", 2, "write `a is null`"),
        ("a filter of null", ["check", "pipelines"], "a\nx\n", "filter: \"null\"", 2, "every row would be dropped"),
        ("ordered texts", ["check", "pipelines"], "a\nx\n", "filter: a > '60'", 0, "cast(a as decimal) > 60"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (found, printed, file) = run(folder.path(), &arguments, csv, step, "x");
        assert_eq!(found, code, "{name}: {printed}");
        assert!(printed.contains(words), "{name}: {printed}");
        assert_eq!(file, None, "{name}");
    }
}

#[test]
fn an_empty_key_never_hashes() {
    for salt in ["", " ", "\n"] {
        let folder = tempfile::tempdir().unwrap();
        let step = "set: {a: \"hmac_sha256(a, email_salt)\"}";
        let (code, printed, file) = run(folder.path(), &["run", "p"], "a\nx\n", step, salt);
        assert_eq!((code, file), (3, None), "{printed}");
        let why = if salt.is_empty() { "CASE_SALT is empty" } else { "CASE_SALT holds white space only" };
        assert!(printed.contains(why), "{printed}");
    }
}

#[test]
fn a_long_expression_is_shown_around_the_fault() {
    let folder = tempfile::tempdir().unwrap();
    let many = vec!["a = 'x'"; 200].join(" or ");
    let step = format!("filter: {many} or a = null or {many}");
    let (code, printed, _) = run(folder.path(), &["check"], "a\nx\n", &step, "x");
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("a = null") && printed.len() < 1_500, "{} bytes: {printed}", printed.len());
}

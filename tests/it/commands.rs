//! `preview` and `test` by the real binary, without network and without a ledger of their own.

/// The rows and bytes that a person sees.
mod preview;
/// Tests in pipeline files.
mod test;

use std::path::PathBuf;
use std::process::Output;

use super::stage::rig::both;

/// A folder with settings and the pipeline `p`, which reads `rows.csv`.
struct Case(tempfile::TempDir);

const SETTINGS: &str = "data: data\ndestinations: {out: {local: {path: out, mkdir: true}}}\nsecrets: {email_salt: {env: NO_SUCH_VARIABLE}}\n";

const PIPELINE: &str = "\
source: {file: {path: rows.csv}}
transform:
  - filter: status = 'Completed'
  - rename: {id: Employee Number, mail: Email}
  - set:
      done: format_time(done, '%m/%d/%Y', 'UTC')
      mail: hmac_sha256(lower(mail), 'email_salt')
  - sort: [done]
  - select: [id, mail, done, score]
expect: {rows: {min: 100}, not_null: [score]}
artifact: {name: out.csv, csv: {bom: true, record_end: crlf, delimiter: \";\"}}
deliver: {out: {}}
";

const ROWS: &str = "\
Employee Number,Email,status,done,score,note
007,Ann@acme.example,Completed,2026-01-05 10:00:00,88,
008,Bob@acme.example,Open,,,\"a rather long note\tthat goes on and on, well beyond forty characters\"
009,Eve@acme.example,Completed,2026-01-04 10:00:00,,x
";

impl Case {
    fn new(more: &str) -> Self {
        let folder = crate::stage::folder();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        let case = Self(folder);
        case.write("reportferry.yaml", SETTINGS);
        case.write("rows.csv", ROWS);
        case.write("pipelines/p.yaml", &format!("{PIPELINE}{more}"));
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn reportferry(&self, arguments: &[&str]) -> Output {
        crate::stage::reportferry().current_dir(self.0.path()).args(arguments).output().unwrap()
    }

    /// What the command prints.
    #[track_caller]
    fn text(&self, arguments: &[&str], code: i32) -> String {
        let output = self.reportferry(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", both(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn the_version_lists_the_features_of_the_build() {
    let text = Case::new("").text(&["--version"], 0);
    assert!(text.starts_with("reportferry ") && text.ends_with("features: age, openpgp, parquet, xlsx\n"), "{text}");
}

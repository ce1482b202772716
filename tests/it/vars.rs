//! Values that a pipeline file names once, in names and expressions.

use std::path::PathBuf;
use std::process::Output;

use super::stage::rig::{both, document};

/// A folder with a pipeline that reads `rows.csv` and delivers into `out`.
struct Folder(tempfile::TempDir);

impl Folder {
    /// The pipeline has these keys besides `source` and `deliver`.
    fn new(keys: &str) -> Self {
        let folder = crate::stage::folder();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        let settings = "data: data\ndestinations: {local: {local: {path: out, mkdir: true}}}\n";
        std::fs::write(folder.path().join("reportferry.yaml"), settings).unwrap();
        let pipeline = format!(
            "source: {{file: {{path: rows.csv}}}}\ndeliver: {{local: {{done_file: \"{{name}}.{{var:ukprn}}\"}}}}\n{keys}"
        );
        std::fs::write(folder.path().join("pipelines/lrs.yaml"), pipeline).unwrap();
        std::fs::write(folder.path().join("rows.csv"), "name,hours\nLópez-Núñez,7\n\"李, \"\"x\"\"\",\n").unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn call(&self, arguments: &[&str]) -> Output {
        crate::stage::reportferry().current_dir(self.0.path()).args(arguments).output().unwrap()
    }
}

const PIPELINE: &str = r#"vars: {ukprn: "10001234", version: 1.50, passed_only: true}
transform:
  - filter: "var('passed_only') = true"
  - set: {ukprn: "var('ukprn')", version: "var('version')", more: "hours > var('version')"}
  - aggregate: {by: [name, ukprn, version, more], columns: {n: "count(*) filter (where var('ukprn') like '1%')"}}
artifact:
  name: "LRB_{var:ukprn}_{slot:%d%m%Y%H%M}.CSV"
"#;

#[test]
fn values_are_in_names_steps_and_companion_files() {
    let folder = Folder::new(PIPELINE);
    let output = folder.call(&["run", "lrs", "--slot", "2026-11-23T05:30:00Z", "--json", "--wait", "0s"]);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    assert_eq!(document(&output)["state"], "delivered");
    let name = "out/LRB_10001234_231120260530.CSV";
    assert_eq!(
        std::fs::read_to_string(folder.path(name)).unwrap(),
        "name,ukprn,version,more,n\nLópez-Núñez,10001234,1.50,true,1\n\"李, \"\"x\"\"\",10001234,1.50,,1\n"
    );
    assert!(folder.path(&format!("{name}.10001234")).exists());
    let explained = both(&folder.call(&["explain", "lrs"]));
    assert!(explained.contains("ukprn: 10001234"), "{explained}");
}

#[test]
fn values_are_in_fields_trees_and_entries() {
    let keys = |artifact: &str| format!("vars: {{ukprn: \"10001234\"}}\nartifact: {{name: a.txt, {artifact}}}\n");
    for (artifact, expected) in [
        (
            r#"fixed: {fields: [{value: "var('ukprn')", width: 10}, {value: name, width: 12}]}"#,
            &["10001234  López-Núñez", "10001234  李, \"x\""],
        ),
        (
            r#"ndjson: {tree: {id: {expr: "var('ukprn')"}, of: {expr: name}}}"#,
            &[r#"{"id":"10001234","of":"López-Núñez"}"#, r#"{"id":"10001234","of":"李, \"x\""}"#],
        ),
    ] {
        let folder = Folder::new(&keys(artifact));
        let output = folder.call(&["run", "lrs", "--slot", "2026-11-23T05:30:00Z", "--json", "--wait", "0s"]);
        assert_eq!(output.status.code(), Some(0), "{}", both(&output));
        let text = std::fs::read_to_string(folder.path("out/a.txt")).unwrap();
        assert_eq!(text.lines().map(str::trim_end).collect::<Vec<_>>(), expected);
    }
    let folder = Folder::new(&keys(r#"compress: {zip: {entry: "{var:ukprn}.dat"}}"#));
    let output = folder.call(&["run", "lrs", "--slot", "2026-11-23T05:30:00Z", "--json", "--wait", "0s"]);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let packed = std::fs::read(folder.path("out/a.txt")).unwrap();
    assert!(packed.windows(12).any(|bytes| bytes == b"10001234.dat"));
}

#[test]
fn unknown_values_are_problems_with_the_name_that_is_meant() {
    for (keys, expected) in [
        ("vars: {ukprn: x}\nartifact: {name: \"a_{var:ukprm}.csv\"}\n", "there is no value \"ukprm\" in `vars`"),
        ("vars: {ukprn: x}\ntransform: [{set: {a: \"var('ukprm')\"}}]\nartifact: {name: a.csv}\n", "did you mean"),
        ("vars: {ukprn: a/b}\nartifact: {name: a.csv}\n", "the value of `ukprn` cannot be in a name"),
        ("vars: {ukprn: x, b: \"\"}\nartifact: {name: a.csv}\n", "the value is empty"),
        ("vars: {ukprn: x}\ntransform: [{set: {a: \"var(name)\"}}]\nartifact: {name: a.csv}\n", "single quotes"),
    ] {
        let output = Folder::new(keys).call(&["check"]);
        assert_ne!(output.status.code(), Some(0), "{}", both(&output));
        assert!(both(&output).contains(expected), "{keys}{}", both(&output));
    }
}

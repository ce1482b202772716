//! Every complete pipeline of the docs and of `init` is valid, and its tests pass.

use std::collections::BTreeSet;
use std::path::Path;

use crate::stage::rig::{both, document};

/// Returns the YAML blocks of a page, with their line.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.trim()) {
            (None, "```yaml") => open = Some((number + 1, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, block)), _) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// Returns true for a pipeline file with everything that one needs.
fn is_complete(block: &str) -> bool {
    let has = |key: &str| block.lines().any(|line| line.starts_with(key));
    (has("source:") || has("sources:")) && (has("artifact:") || has("artifacts:")) && has("deliver:")
}

/// Settings with every tenant, destination and secret that the docs name.
const SETTINGS: &str = "\
tenants:
  acme: {docebo: https://acme.docebosaas.com, client_id: c, client_secret: {env: S}, username: u, password: {env: P}}
destinations:
  hris: {sftp: {host: sftp.hris.example, username: acme, password: {env: P}, host_keys: [\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]}}
  warehouse: {local: {path: warehouse}}
  archive: {local: {path: archive}}
secrets: {email_salt: {env: EMAIL_SALT}}
";

#[test]
fn pipelines_in_the_docs_are_valid_and_their_tests_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages: BTreeSet<_> = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    let folder = crate::stage::folder();
    std::fs::create_dir(folder.path().join("pipelines")).unwrap();
    std::fs::write(folder.path().join("reportferry.yaml"), SETTINGS).unwrap();
    let mut names = Vec::new();
    for page in pages.into_iter().chain([root.join("README.md")]) {
        let stem = page.file_stem().unwrap().to_string_lossy().into_owned();
        for (line, block) in blocks(&std::fs::read_to_string(&page).unwrap()) {
            if is_complete(&block) {
                let name = format!("{stem}-line-{line}");
                std::fs::write(folder.path().join(format!("pipelines/{name}.yaml")), block).unwrap();
                names.push(name);
            }
        }
    }
    assert!(names.iter().any(|name| name.starts_with("pipelines-")) && names.len() >= 3, "{names:?}");
    let reportferry =
        |arguments: &[&str]| crate::stage::reportferry().current_dir(folder.path()).args(arguments).output().unwrap();
    for name in &names {
        // One by one: several may deliver to the same names.
        let output = reportferry(&["check", &format!("pipelines/{name}.yaml")]);
        assert_eq!(output.status.code(), Some(0), "{name}\n{}", both(&output));
    }
    let output = reportferry(&["test"]);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let tested = document(&reportferry(&["test", "--json"]));
    assert!(tested["passed"].as_u64().unwrap() >= 3, "{tested:#}");
}

#[test]
fn the_tests_of_the_examples_and_of_init_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = crate::stage::folder();
    let init = crate::stage::reportferry().arg("init").arg(folder.path()).output().unwrap();
    assert_eq!(init.status.code(), Some(0), "{}", both(&init));
    for (place, pipelines, passed) in [
        (root, None, 8),
        (root, Some("pipelines/readers"), 52),
        (root, Some("docs/examples"), 2),
        (folder.path(), None, 1),
    ] {
        let check = crate::stage::reportferry().current_dir(place).args(["check", "--strict"]).args(pipelines).output();
        let check = check.unwrap();
        assert_eq!(check.status.code(), Some(0), "{}", both(&check));
        let output = crate::stage::reportferry()
            .current_dir(place)
            .args(["test", "--require-tests", "--json"])
            .args(pipelines)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", both(&output));
        let tested = document(&output);
        assert!(tested["passed"].as_u64().unwrap() >= passed, "{tested:#}");
    }
}

//! The editor's schema against python's `jsonschema`, and the files that `init` writes.

use std::path::PathBuf;

use reportferry::pipeline::load_all;
use reportferry::settings::Settings;

use super::{PIPELINE, SETTINGS};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");

/// What python's jsonschema says of each document: `fine`, or its first complaint.
fn jsonschema(schema: &str, documents: &[serde_json::Value]) -> Vec<String> {
    const SCRIPT: &str = "
import json, sys
from jsonschema import Draft202012Validator
given = json.load(sys.stdin)
Draft202012Validator.check_schema(given['schema'])
validator = Draft202012Validator(given['schema'])
for document in given['documents']:
    print(next((error.message.replace('\\n', ' ') for error in validator.iter_errors(document)), 'fine'))
";
    let given = serde_json::json!({"schema": serde_json::from_str::<serde_json::Value>(schema).unwrap(), "documents": documents});
    let path = crate::stage::file();
    std::fs::write(path.path(), given.to_string()).unwrap();
    let output = std::process::Command::new(PYTHON)
        .args(["-c", SCRIPT])
        .stdin(std::fs::File::open(path.path()).unwrap())
        .output()
        .unwrap_or_else(|error| panic!("{PYTHON}: {error}; run tests/tools"));
    assert!(output.status.success(), "{}; run tests/tools", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect()
}

/// A YAML text as an editor sees it: plain scalars that look like numbers or truths are those.
fn as_json(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_schema_accepts_what_check_accepts() {
    use reportferry::cli::schema;
    let examples: Vec<PathBuf> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines"))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    let examples = examples.iter().filter(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    let mut pipelines: Vec<serde_json::Value> =
        examples.map(|path| as_json(&std::fs::read_to_string(path).unwrap())).collect();
    pipelines.extend([as_json(PIPELINE), as_json(include_str!("../../../src/cli/init/example.yaml"))]);
    let schema_text = schema::text(&schema::pipeline()).unwrap();
    for (told, pipeline) in jsonschema(&schema_text, &pipelines).iter().zip(&pipelines) {
        assert_eq!(told, "fine", "{pipeline}");
    }
    let wrong = [
        PIPELINE.replace("description:", "descripton:"),
        PIPELINE.replace("jitter: 2m", "jittr: 2m"),
        PIPELINE.replace("missed: latest", "missed: newest"),
        PIPELINE.replace("jitter: 2m", "jitter: 2"),
        PIPELINE.replace("- select:", "- slect:"),
        PIPELINE.replace("- select: [id, course, done]", "- {select: [id], drop: [done]}"),
        PIPELINE.replace("    tenant: acme\n", ""),
        PIPELINE.replace("min: 1,", "min: -1,"),
        PIPELINE.replace("existing: replace", "exists: replace"),
        PIPELINE.replace("report: 619bf79c", "report: 19bf79c"),
    ];
    let wrong: Vec<serde_json::Value> = wrong.iter().map(|text| as_json(text)).collect();
    for (told, document) in jsonschema(&schema_text, &wrong).iter().zip(&wrong) {
        assert_ne!(told, "fine", "{document}");
    }
    let schema_text = schema::text(&schema::settings()).unwrap();
    let settings = [
        as_json(SETTINGS),
        as_json(include_str!("../../../src/cli/init/reportferry.yaml")),
        as_json(reportferry::settings::DEFAULTS),
        as_json(&SETTINGS.replace("client_id", "clientid")),
        as_json(&SETTINGS.replace("path: drop", "paht: drop")),
    ];
    let told = jsonschema(&schema_text, &settings);
    assert_eq!(told[..3], ["fine", "fine", "fine"]);
    assert!(told[3..].iter().all(|told| told != "fine"), "{told:?}");
}

#[test]
fn what_init_writes_passes_check_and_stays() {
    use reportferry::cli::{Common, check, init};
    let folder = crate::stage::folder();
    let dir = folder.path().join("new");
    assert_eq!(init::run(&init::Args { dir: dir.clone(), reader: None }).unwrap(), 0);
    let config = dir.join("reportferry.yaml");
    let (settings, problems) =
        Settings::load_with(Some(&config), &[], std::iter::empty()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(problems.is_empty(), "{problems:#?}");
    let loaded = load_all(&settings, &[]);
    assert!(loaded.problems.is_empty() && loaded.plans.len() == 1, "{:#?}", loaded.problems);
    let common = Common { config: Some(config), set: Vec::new(), json: false };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(runtime.block_on(check::run(&check::Args::default(), &common)).unwrap(), 0);
    std::fs::write(dir.join("pipelines/example.yaml"), "mine: 1\n").unwrap();
    assert_eq!(init::run(&init::Args { dir: dir.clone(), reader: None }).unwrap(), 0);
    assert_eq!(std::fs::read_to_string(dir.join("pipelines/example.yaml")).unwrap(), "mine: 1\n", "kept");
    assert_eq!(runtime.block_on(check::run(&check::Args::default(), &common)).unwrap(), 2);
}

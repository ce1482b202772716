//! Commands, exit codes and keys that `docs/` leaves out.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use syn::visit::{self, Visit};

use super::source::Source;
use super::words::is_bounded;
use super::{Violation, counted};

/// Returns the pages that people read (path, text): those at the top, `docs/`, the pipelines and the defaults.
pub(super) fn all() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<String> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(str::to_owned).into();
    for folder in ["docs", "pipelines"] {
        let mut found: Vec<String> = std::fs::read_dir(root.join(folder))
            .unwrap()
            .map(|entry| format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()))
            .filter(|name| name.ends_with(".md") || name.ends_with(".yaml"))
            .collect();
        found.sort();
        names.extend(found);
    }
    names.push("src/settings/defaults.yaml".to_owned());
    names.into_iter().filter_map(|name| Some((name.clone(), std::fs::read_to_string(root.join(&name)).ok()?))).collect()
}

fn docs() -> String {
    all().into_iter().filter(|(name, _)| name.starts_with("docs/")).map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}

/// Every subcommand is written somewhere as `reportferry NAME`.
fn commands(sources: &[Source]) -> Vec<String> {
    struct Commands(Vec<String>);
    impl<'ast> Visit<'ast> for Commands {
        fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
            let is_subcommand = |attribute: &syn::Attribute| match &attribute.meta {
                syn::Meta::List(list) => list.tokens.to_string().contains("Subcommand"),
                _ => false,
            };
            if item.attrs.iter().any(is_subcommand) {
                self.0.extend(item.variants.iter().map(|variant| variant.ident.to_string().to_lowercase()));
            }
            visit::visit_item_enum(self, item);
        }
    }
    let mut commands = Commands(Vec::new());
    for source in sources.iter().filter(|source| source.path == "cli/mod.rs") {
        commands.visit_file(&source.tree);
    }
    assert!(commands.0.len() > 10, "src/cli/mod.rs has no commands");
    commands.0
}

/// The constants of `cli/exit.rs`: a table of the docs has a row for each.
fn exit_codes(sources: &[Source]) -> Vec<String> {
    let exit = sources.iter().find(|source| source.path == "cli/exit.rs").expect("src/cli/exit.rs");
    let codes: Vec<String> = exit
        .tree
        .items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Const(syn::ItemConst { expr, .. }) => match &**expr {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(code), .. }) => Some(code.to_string()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert!(codes.len() > 3, "src/cli/exit.rs has no exit codes");
    codes
}

/// The keys of the files that people write, by file.
pub(super) fn keys() -> [(&'static str, BTreeSet<String>); 2] {
    use reportferry::cli::schema::{pipeline, settings};
    [("settings", settings()), ("pipeline", pipeline())].map(|(file, schema)| {
        let mut keys = BTreeSet::new();
        properties(schema.as_value(), &mut keys);
        assert!(keys.len() > 20, "the schema of {file} has no keys");
        (file, keys)
    })
}

pub(super) fn has_command(text: &str, command: &str) -> bool {
    let written = format!("reportferry {command}");
    text.match_indices(&written).any(|(at, _)| is_bounded(text, at, written.len()))
}

/// Returns true if a table has a row for the code.
pub(super) fn has_exit_code(text: &str, code: &str) -> bool {
    text.lines().any(|line| line.replace(['`', ' '], "").starts_with(&format!("|{code}|")))
}

/// Returns true if the text has `key` in backticks or as the key of a YAML line.
pub(super) fn is_mentioned(text: &str, key: &str) -> bool {
    let yaml = format!("{key}:");
    let is_key =
        |(at, _): (usize, &str)| !text[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_');
    text.contains(&format!("`{key}`")) || text.contains(&format!("`{key}.")) || text.match_indices(&yaml).any(is_key)
}

/// Collects the names of all properties in a JSON Schema.
fn properties(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| properties(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| properties(value, found)),
        _ => {}
    }
}

pub(super) fn missing(sources: &[Source]) -> Vec<Violation> {
    let docs = docs();
    let mut found = Vec::new();
    for command in commands(sources) {
        if !has_command(&docs, &command) {
            found.push((format!("command `reportferry {command}`"), 0));
        }
    }
    for code in exit_codes(sources) {
        if !has_exit_code(&docs, &code) {
            found.push((format!("exit code {code}"), 0));
        }
    }
    for (file, keys) in keys() {
        for key in keys.into_iter().filter(|key| !is_mentioned(&docs, key)) {
            found.push((format!("{file} key `{key}`"), 0));
        }
    }
    counted("missing in docs", found)
}

/// Tests that a page names and that do not exist: `extract::refusals::sign_in_that_fails`.
pub(super) fn unknown_tests(page: &str) -> Vec<Violation> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(page)).unwrap();
    let is_name = |text: &&str| {
        text.contains("::") && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c))
    };
    let named: BTreeSet<&str> = text.split('`').skip(1).step_by(2).filter(is_name).collect();
    assert!(named.len() > 20, "{page} names no tests");
    let exists = |name: &str| {
        let Some((module, function)) = name.rsplit_once("::") else { return false };
        let file = format!("{}.rs", module.replace("::", "/"));
        let texts = ["tests/it", "src"].map(|folder| std::fs::read_to_string(root.join(folder).join(&file)));
        texts.into_iter().flatten().any(|text| text.contains(&format!("fn {function}(")))
    };
    let unknown = named.into_iter().filter(|name| !exists(name)).map(|name| (format!("{page}: {name}"), 0));
    counted("unknown test", unknown.collect())
}

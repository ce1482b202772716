//! The files below `src` as parsed Rust, without what is compiled for tests only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

pub(super) struct Source {
    /// Relative to `src`: `deliver/sftp/mod.rs`.
    pub path: String,
    /// `["deliver", "sftp"]`; empty for `lib.rs`, `["main"]` for the binary.
    pub module: Vec<String>,
    /// The text with every line kept and all test items blanked out.
    pub text: String,
    /// The syntax tree of `text`.
    pub tree: syn::File,
    /// Lines that belong to tests, from 1.
    pub test_lines: BTreeSet<usize>,
}

impl Source {
    /// Parses `text`. Returns also the modules that `#[cfg(test)] mod name;` declares.
    fn parse(path: &str, text: &str) -> (Self, Vec<String>) {
        let parse = |text: &str| syn::parse_file(text).unwrap_or_else(|error| panic!("src/{path}: {error}"));
        let mut tree = parse(text);
        let mut tests = TestItems::default();
        tests.visit_file(&tree);
        let (text, test_lines) = blank(text, &tests.spans);
        if !tests.spans.is_empty() {
            tree = parse(&text);
        }
        (Source { path: path.to_owned(), module: module_of(path), text, tree, test_lines }, tests.files)
    }

    /// Returns the number of lines of production code.
    pub(super) fn lines(&self) -> usize {
        self.text.lines().count() - self.test_lines.len()
    }
}

/// Reads the whole of `src`, except test modules in files of their own.
pub(super) fn production_code() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let files: Vec<(String, String)> = paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(files.len() > 50, "src is not there");
    production(&files)
}

/// Parses `files` (path below `src`, text), and leaves out test modules.
pub(super) fn production(files: &[(String, String)]) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut test_modules: Vec<Vec<String>> = Vec::new();
    for (path, text) in files {
        let (source, declared) = Source::parse(path, text);
        test_modules.extend(declared.into_iter().map(|name| [source.module.clone(), vec![name]].concat()));
        sources.push(source);
    }
    sources.retain(|source| !test_modules.iter().any(|test| source.module.starts_with(test)));
    sources
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// `deliver/sftp/mod.rs` and `deliver/sftp.rs` → `["deliver", "sftp"]`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// Finds the outermost items, statements, fields and variants under `#[cfg(test)]` or `#[test]`.
#[derive(Default)]
struct TestItems {
    spans: Vec<Span>,
    files: Vec<String>,
}

impl TestItems {
    fn take(&mut self, attributes: &[syn::Attribute], item: &impl Spanned) -> bool {
        let test = attributes.iter().any(is_test);
        if test {
            // A doc comment is an attribute too: the span begins with the first of them.
            self.spans.push(item.span());
        }
        test
    }
}

/// `any(test, …)` also holds outside of tests; `all(test, …)` does not.
fn is_test(attribute: &syn::Attribute) -> bool {
    if attribute.path().is_ident("test") {
        return true;
    }
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let condition = list.tokens.to_string().replace(' ', "");
    list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
}

pub(super) fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for TestItems {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if self.take(attributes(item), item) {
            if let syn::Item::Mod(module) = item
                && module.content.is_none()
            {
                self.files.push(module.ident.to_string());
            }
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !self.take(&item.attrs, item) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !self.take(&local.attrs, local) {
            visit::visit_local(self, local);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        self.take(&field.attrs, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.take(&variant.attrs, variant);
    }
}

/// Replaces the characters of `spans` (and a comma that follows) by spaces. Returns the lines they covered.
fn blank(text: &str, spans: &[Span]) -> (String, BTreeSet<usize>) {
    let mut lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    let mut covered = BTreeSet::new();
    for span in spans {
        let (start, end) = (span.start(), span.end());
        for number in start.line..=end.line {
            let line = &mut lines[number - 1];
            let from = if number == start.line { start.column } else { 0 };
            let mut to = if number == end.line { end.column } else { line.len() };
            if number == end.line && line.get(to) == Some(&',') {
                to += 1;
            }
            line[from..to].fill(' ');
            covered.insert(number);
        }
    }
    let text: Vec<String> = lines.into_iter().map(|line| line.into_iter().collect()).collect();
    (text.join("\n") + "\n", covered)
}

//! Modules in their order, without cycles, in small files and functions.

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::graph::{Import, Target, cyclic};
use super::source::Source;
use super::{Violation, counted};

/// The modules from the top down; those on one line do not use each other.
pub(super) const ORDER: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["work"],
    &["serve", "alert"],
    &["run"],
    &["ledger"],
    &["deliver"],
    &["extract"],
    &["encode"],
    &["expect"],
    &["transform"],
    &["pipeline"],
    &["readers"],
    &["expr"],
    &["schedule"],
    &["settings"],
    &["name"],
    &["attempt"],
    &["ssh"],
    &["sftp"],
    &["yaml"],
    &["sandbox"],
    &["encrypt"],
    &["tls"],
    &["http"],
    &["wire"],
    &["clock", "secret", "digest", "disk", "fault", "feature", "progress", "measure"],
    &["telemetry"],
];

/// Lines of a file, its tests not counted.
const FILE_LINES_MAX: usize = 400;
/// Lines of a function from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

/// Imports that lead up, or to a neighbour on the same line of [`ORDER`].
pub(super) fn upward(imports: &[Import]) -> Vec<Violation> {
    let mut found = Vec::new();
    for import in imports {
        let Target::Module(to) = &import.to else { continue };
        let (Some(from), Some(to)) = (import.from.first(), to.first()) else { continue };
        if let (Some(above), Some(below)) = (rank(from), rank(to))
            && from != to
            && below <= above
        {
            found.push((format!("src/{} → {to}", import.file), import.line));
        }
    }
    counted("upward import", found)
}

/// Top-level modules that [`ORDER`] does not know.
pub(super) fn unknown(sources: &[Source]) -> Vec<Violation> {
    let top: BTreeSet<&String> = sources.iter().filter_map(|source| source.module.first()).collect();
    let unknown = top.into_iter().filter(|module| rank(module).is_none());
    counted("module without a place in the order", unknown.map(|module| (module.clone(), 0)).collect())
}

/// The map in the docs of `lib.rs` and the table of ARCHITECTURE.md have the modules in their order.
pub(super) fn maps(sources: &[Source], lib: &str, architecture: &str) -> Vec<Violation> {
    let top: BTreeSet<&str> = sources.iter().filter_map(|source| Some(source.module.first()?.as_str())).collect();
    let expected: Vec<&str> =
        ORDER.concat().into_iter().filter(|module| top.contains(module) && *module != "main").collect();
    let documented: String = lib.lines().filter_map(|line| line.strip_prefix("//!")).collect::<Vec<_>>().join("\n");
    let table: String = architecture.lines().filter(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (page, text) in [("src/lib.rs", &documented), ("ARCHITECTURE.md", &table)] {
        let mut listed: Vec<(usize, &str)> = Vec::new();
        for &module in &expected {
            let places =
                [format!("`{module}`"), format!("`{module}/`"), format!("`{module}.rs`"), format!("[`{module}`]")];
            match places.iter().filter_map(|place| text.find(place.as_str())).min() {
                Some(place) => listed.push((place, module)),
                None => found.push((format!("{page} does not list {module}"), 0)),
            }
        }
        for pair in listed.windows(2) {
            if pair[0].0 > pair[1].0 {
                found.push((format!("{page} lists {} before {}", pair[1].1, pair[0].1), 0));
            }
        }
    }
    counted("map of the modules", found)
}

/// Imports between two children of one folder that reach each other (the top-level modules are the crate's children).
///
/// A child may use what its parent's own file defines, and a parent its children: those are no edges between siblings.
pub(super) fn cycles(imports: &[Import]) -> Vec<Violation> {
    let mut edges = BTreeSet::new();
    for import in imports {
        let Target::Module(to) = &import.to else { continue };
        let shared = import.from.iter().zip(to).take_while(|(from, to)| from == to).count();
        if let (Some(_), Some(_)) = (import.from.get(shared), to.get(shared)) {
            edges.insert((import.from[..=shared].to_vec(), to[..=shared].to_vec()));
        }
    }
    let found = cyclic(&edges).into_iter().map(|(from, to)| (format!("{} → {}", from.join("/"), to.join("/")), 0));
    counted("cycle", found.collect())
}

pub(super) fn long_files(sources: &[Source]) -> Vec<Violation> {
    let long = sources.iter().filter(|source| source.lines() > FILE_LINES_MAX);
    counted("long file", long.map(|source| (format!("src/{}: {} lines", source.path, source.lines()), 0)).collect())
}

pub(super) fn long_functions(sources: &[Source]) -> Vec<Violation> {
    struct Functions(Vec<(String, usize, usize)>);
    impl Functions {
        fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
            let (start, end) = (signature.span().start().line, body.span().end().line);
            if end - start + 1 > FUNCTION_LINES_MAX {
                self.0.push((signature.ident.to_string(), end - start + 1, start));
            }
        }
    }
    impl<'ast> Visit<'ast> for Functions {
        fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
            self.add(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
        fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
            self.add(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
        fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
            if let Some(body) = &item.default {
                self.add(&item.sig, body);
            }
            visit::visit_trait_item_fn(self, item);
        }
    }
    let mut found = Vec::new();
    for source in sources {
        let mut functions = Functions(Vec::new());
        functions.visit_file(&source.tree);
        found.extend(
            functions
                .0
                .into_iter()
                .map(|(name, lines, at)| (format!("src/{}: fn {name}, {lines} lines", source.path), at)),
        );
    }
    counted("long function", found)
}

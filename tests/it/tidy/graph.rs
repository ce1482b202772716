//! The import graph: which module names which, by `use` and by paths in expressions, types, attributes and macros.
//!
//! A path counts for the module that it is written with: what comes through a re-export is the re-exporting module's.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::source::Source;

/// A path that a file names.
pub(super) struct Import {
    /// The file, below `src`.
    pub file: String,
    pub line: usize,
    /// The module that names it.
    pub from: Vec<String>,
    /// The module of the crate that the path begins with, or the whole path where it leads outside.
    pub to: Target,
    /// The path as it stands after resolution, for rules on single items: `["attempt", "Backoff"]`.
    pub path: Vec<String>,
}

impl Import {
    /// Returns the path with its root: `["crate", "ledger", "Ledger"]`, `["std", "net", "TcpStream"]`.
    pub(super) fn full_path(&self) -> Vec<String> {
        match self.to {
            Target::Module(_) => [&["crate".to_owned()], &self.path[..]].concat(),
            Target::External => self.path.clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Module(Vec<String>),
    External,
}

/// Returns every import of `sources`, those of a module's own children by re-export not counted.
pub(super) fn imports(sources: &[Source]) -> Vec<Import> {
    let modules = Modules::of(sources);
    let mut imports = Vec::new();
    for source in sources {
        let mut paths = Paths::new(source.module.clone());
        paths.visit_file(&source.tree);
        for found in std::mem::take(&mut paths.found) {
            let Some((path, via)) = paths.resolve(&found) else { continue };
            let to = if path.first().is_some_and(|first| first == "crate") {
                Target::Module(modules.find(&path[1..]))
            } else {
                Target::External
            };
            let path: Vec<String> = path.into_iter().skip_while(|segment| segment == "crate").collect();
            if let Target::Module(to) = &to {
                let own_child = to.starts_with(&source.module);
                // What a bound name leads to was counted where the name was bound, unless it leads further.
                let counted = via.is_some_and(|bound| modules.find(&bound[1..]) == *to);
                if *to == source.module || counted || (found.is_reexport && own_child) {
                    continue;
                }
            }
            imports.push(Import { file: source.path.clone(), line: found.line, from: source.module.clone(), to, path });
        }
    }
    imports
}

struct Modules {
    files: BTreeSet<Vec<String>>,
    /// Macros that `#[macro_export]` puts at the crate's root, with the module that defines them.
    macros: BTreeMap<String, Vec<String>>,
}

impl Modules {
    fn of(sources: &[Source]) -> Self {
        let files = sources.iter().map(|source| source.module.clone()).collect();
        let mut macros = BTreeMap::new();
        for source in sources {
            for item in &source.tree.items {
                if let syn::Item::Macro(syn::ItemMacro { attrs, ident: Some(name), .. }) = item
                    && attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"))
                {
                    macros.insert(name.to_string(), source.module.clone());
                }
            }
        }
        Modules { files, macros }
    }

    /// Returns the longest beginning of `path` that is a file's module.
    fn find(&self, path: &[String]) -> Vec<String> {
        if let [name] = path
            && let Some(module) = self.macros.get(name)
        {
            return module.clone();
        }
        let mut candidates = (0..=path.len()).rev().map(|length| path[..length].to_vec());
        candidates.find(|path| self.files.contains(path)).unwrap_or_default()
    }
}

/// A path as it was written.
struct Found {
    segments: Vec<String>,
    line: usize,
    /// The module it stands in: inline modules included.
    within: Vec<String>,
    is_reexport: bool,
    is_use: bool,
}

struct Paths {
    within: Vec<String>,
    found: Vec<Found>,
    /// Names that a `use` of this file binds, with the resolved path.
    bound: BTreeMap<String, Vec<String>>,
    /// Modules that this file declares, below the module they stand in.
    children: BTreeSet<Vec<String>>,
}

impl Paths {
    fn new(module: Vec<String>) -> Self {
        Paths { within: module, found: Vec::new(), bound: BTreeMap::new(), children: BTreeSet::new() }
    }

    /// Returns the path from the crate's root (its first segment is `crate`) or from another crate, and what the first
    /// segment was bound to by a `use`.
    fn resolve(&self, found: &Found) -> Option<(Vec<String>, Option<Vec<String>>)> {
        let first = found.segments.first()?;
        if let Some(absolute) = absolute(&found.segments, &found.within) {
            return Some((absolute, None));
        }
        if found.segments.len() < 2 && !found.is_use {
            return None;
        }
        if self.children.contains(&[found.within.clone(), vec![first.clone()]].concat()) {
            return Some(([vec!["crate".to_owned()], found.within.clone(), found.segments.clone()].concat(), None));
        }
        if !found.is_use
            && let Some(bound) = self.bound.get(first)
        {
            let path = [&bound[..], &found.segments[1..]].concat();
            // A name of another crate was counted where it was bound; its path here may be more precise.
            return Some((path, (bound[0] == "crate").then(|| bound.clone())));
        }
        Some((found.segments.clone(), None))
    }

    fn add(&mut self, segments: Vec<String>, line: usize) {
        let within = self.within.clone();
        self.found.push(Found { segments, line, within, is_reexport: false, is_use: false });
    }

    fn add_use(&mut self, tree: &syn::UseTree, before: &[String], is_reexport: bool) {
        let leaf = |paths: &mut Self, ident: &syn::Ident, binds: &syn::Ident| {
            let segments = match ident.to_string().as_str() {
                "self" => before.to_vec(),
                name => [before, &[name.to_owned()]].concat(),
            };
            let name = if binds == "self" { before.last().cloned().unwrap_or_default() } else { binds.to_string() };
            let absolute = absolute(&segments, &paths.within).unwrap_or_else(|| segments.clone());
            paths.bound.insert(name, absolute);
            let within = paths.within.clone();
            let line = ident.span().start().line;
            paths.found.push(Found { segments, line, within, is_reexport, is_use: true });
        };
        match tree {
            syn::UseTree::Path(path) => {
                let before = [before, &[path.ident.to_string()]].concat();
                self.add_use(&path.tree, &before, is_reexport);
            }
            syn::UseTree::Name(name) => leaf(self, &name.ident, &name.ident),
            syn::UseTree::Rename(rename) => leaf(self, &rename.ident, &rename.rename),
            syn::UseTree::Glob(glob) => {
                let (within, line) = (self.within.clone(), glob.star_token.spans[0].start().line);
                self.found.push(Found { segments: before.to_vec(), line, within, is_reexport, is_use: true });
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_use(tree, before, is_reexport);
                }
            }
        }
    }

    /// Paths in what a macro is given, or is made of: `ident (:: ident)*`.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let colons = |at: usize| {
            let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
            colon(at) && colon(at + 1)
        };
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Literal(literal) => self.add_literal(literal),
                TokenTree::Ident(first) => {
                    let mut segments = vec![first.to_string()];
                    while colons(at + 1)
                        && let Some(TokenTree::Ident(next)) = tokens.get(at + 3)
                    {
                        segments.push(next.to_string());
                        at += 3;
                    }
                    if segments.len() > 1 {
                        self.add(segments, first.span().start().line);
                    }
                }
                TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }

    /// `#[serde(with = "crate::…")]`: a path in quotes.
    fn add_literal(&mut self, literal: &proc_macro2::Literal) {
        let text = literal.to_string();
        let path = text.trim_matches('"');
        let rooted = ["crate::", "super::", "self::"].iter().any(|root| path.starts_with(root));
        if rooted && path.chars().all(|letter| letter.is_alphanumeric() || "_:".contains(letter)) {
            let segments = path.split("::").map(str::to_owned).collect();
            self.add(segments, literal.span().start().line);
        }
    }
}

/// `crate::…`, `self::…`, `super::…` (and `reportferry::…` in the binary) from the crate's root.
fn absolute(segments: &[String], within: &[String]) -> Option<Vec<String>> {
    let mut rest = segments;
    let mut base = match segments.first()?.as_str() {
        "crate" | "reportferry" => {
            rest = &segments[1..];
            Vec::new()
        }
        "self" | "super" => within.to_vec(),
        _ => return None,
    };
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "self" => {}
            "super" => drop(base.pop()),
            _ => break,
        }
        rest = after;
    }
    Some([&["crate".to_owned()], &base[..], rest].concat())
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let name = module.ident.to_string();
        self.children.insert([self.within.clone(), vec![name.clone()]].concat());
        self.within.push(name);
        visit::visit_item_mod(self, module);
        self.within.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_reexport = !matches!(item.vis, syn::Visibility::Inherited);
        self.add_use(&item.tree, &[], is_reexport);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.add(segments, line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.visit_path(&mac.path);
        self.add_tokens(mac.tokens.clone());
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.add_tokens(list.tokens.clone());
    }

    /// `pub(in crate::deliver)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

/// Returns the edges that lie on a cycle: those between two modules that reach each other.
pub(super) fn cyclic<T: Ord + Clone>(edges: &BTreeSet<(T, T)>) -> Vec<(T, T)> {
    let mut next: BTreeMap<&T, Vec<&T>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reaches = |from: &T, goal: &T| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            if at == goal {
                return true;
            }
            if seen.insert(at) {
                open.extend(next.get(at).into_iter().flatten());
            }
        }
        false
    };
    edges.iter().filter(|(from, to)| reaches(to, from)).cloned().collect()
}

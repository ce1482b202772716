//! `xml` → its plan.

use super::tree::TreeRows;
use super::*;
use crate::pipeline::tree_file::{TreeFile, TreeKind};
use crate::pipeline::xml_file::XmlFile;

impl Check<'_> {
    /// Returns the plan of an XML file; `None` if it cannot be used.
    pub(super) fn xml(&mut self, written: XmlFile, rows: &mut TreeRows<'_>) -> Option<Xml> {
        let XmlFile { root, namespace, namespaces, declaration, tree, omit_null } = written;
        let namespaces = namespaces.map(|namespaces| namespaces.0).unwrap_or_default();
        for (prefix, namespace) in &namespaces {
            if !is_name(&prefix.text) || prefix.text.to_ascii_lowercase().starts_with("xml") {
                let problem = prefix.origin.error(format!("{:?} cannot be a prefix in XML", prefix.text));
                self.problems
                    .push(problem.hint("write a name such as `xsi`; `namespace` is that of names without a prefix"));
            }
            if namespace.value.is_empty() {
                self.problems.push(namespace.origin.error(format!("the prefix {:?} has no namespace", prefix.text)));
            }
        }
        let prefixes: Vec<&str> = namespaces.iter().map(|(prefix, _)| prefix.text.as_str()).collect();
        self.problems.extend(problem_with_name(&root.value, &root.origin, &prefixes));
        let origin = tree.origin.clone();
        let mut names = Names { prefixes, problems: Vec::new() };
        names.content(&tree);
        let is_usable = names.problems.is_empty();
        self.problems.append(&mut names.problems);
        rows.omit_null = omit_null.unwrap_or(false);
        let body = self.tree(tree, rows)?;
        let Body::Document(document) = body else {
            let problem = origin.error("the document has no place for the rows");
            self.problems.push(problem.hint("write `{each_row: …}` as the value of the name of an element"));
            return None;
        };
        let namespaces = namespaces.into_iter().map(|(prefix, namespace)| (prefix.text, namespace.value)).collect();
        let namespace = namespace.map(|namespace| namespace.value);
        let declaration = declaration.unwrap_or(true);
        is_usable.then_some(Xml { root: root.value, namespace, namespaces, declaration, document })
    }
}

/// The prefixes of names in a tree, and the problems with names and texts.
struct Names<'a> {
    prefixes: Vec<&'a str>,
    problems: Vec<Problem>,
}

impl Names<'_> {
    /// Checks the content of the root element.
    fn content(&mut self, tree: &TreeFile) {
        match &tree.kind {
            TreeKind::Object(members) => self.members(members),
            _ => {
                let problem = tree.origin.error("the content of the root element is a table of elements");
                self.problems.push(problem.hint("write `tree: {Learner: {each_row: {…}}}`"));
            }
        }
    }

    fn members(&mut self, members: &[(Key, TreeFile)]) {
        for (key, value) in members {
            let attribute = key.text.strip_prefix('@');
            if key.text == TEXT || attribute.is_some() {
                self.text(value);
                if !matches!(value.kind, TreeKind::Literal(_) | TreeKind::Value(_)) {
                    let problem = key.origin.error(format!("`{}` has one value, and no elements", key.text));
                    self.problems.push(problem.hint("write a text, or `{expr: …}`"));
                }
            } else {
                self.element(value, false);
            }
            if key.text != TEXT {
                let name = attribute.unwrap_or(&key.text);
                self.problems.extend(problem_with_name(name, &key.origin, &self.prefixes));
            }
            if attribute.is_some_and(|name| name == "xmlns" || name.starts_with("xmlns:")) {
                let problem = key.origin.error("namespaces are declared at the root element");
                self.problems.push(problem.hint("write them as `namespace` and `namespaces` beside `root`"));
            }
        }
    }

    /// Checks the characters of a text.
    fn text(&mut self, value: &TreeFile) {
        let is_no_char =
            |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
        if let TreeKind::Literal(Literal::Text(text)) = &value.kind
            && let Some(c) = text.chars().find(|c| is_no_char(*c))
        {
            let what = format!("the character U+{:04X} cannot be in XML 1.0", u32::from(c));
            self.problems.push(value.origin.error(what).hint("remove it"));
        }
    }

    /// Checks the value of an element, or of an item of a list of elements.
    fn element(&mut self, value: &TreeFile, is_item: bool) {
        match &value.kind {
            TreeKind::Literal(_) | TreeKind::Value(_) => self.text(value),
            TreeKind::Object(members) => self.members(members),
            TreeKind::EachRow(row) => self.element(row, is_item),
            TreeKind::List(_) if is_item => {
                let problem = value.origin.error("a list within a list has no name for its elements");
                self.problems.push(problem.hint("write a name: `[{Item: […]}]`"));
            }
            TreeKind::List(items) => items.iter().for_each(|item| self.element(item, true)),
        }
    }
}

fn problem_with_name(name: &str, origin: &Origin, prefixes: &[&str]) -> Option<Problem> {
    let (prefix, local) = match name.split_once(':') {
        None => (None, name),
        Some((prefix, local)) => (Some(prefix), local),
    };
    if !is_name(local) || prefix.is_some_and(|prefix| !is_name(prefix)) {
        let problem = origin.error(format!("{name:?} cannot be a name in XML"));
        return Some(problem.hint("a name begins with a letter or `_`, and has letters, digits, `.`, `-` and `_`"));
    }
    let prefix = prefix.filter(|prefix| *prefix != "xml" && !prefixes.contains(prefix))?;
    let problem = origin.error(format!("the prefix {prefix:?} has no namespace"));
    let near = did_you_mean(prefix, prefixes.iter().copied());
    Some(problem.hint(near.unwrap_or_else(|| format!("write `namespaces: {{{prefix}: \"https://…\"}}` beside `root`"))))
}

/// Returns true for a name without a prefix (`NCName` of Namespaces in XML).
fn is_name(name: &str) -> bool {
    let begins = |c: char| {
        matches!(c, 'A'..='Z' | 'a'..='z' | '_' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
            | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}' | '\u{200d}' | '\u{2070}'..='\u{218f}'
            | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}'
            | '\u{10000}'..='\u{effff}')
    };
    let follows = |c: char| {
        begins(c) || matches!(c, '0'..='9' | '-' | '.' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}' | '\u{2040}')
    };
    name.starts_with(begins) && name.chars().all(follows)
}

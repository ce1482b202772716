//! A pipeline file, and the profile of its reader → the pipeline file with the profile's keys filled in.

use super::Reader;
use crate::yaml::problem::Problem;
use crate::yaml::tree::{Key, Node, NodeKind, Origin, Scalar, Style};

/// Fills in what the pipeline file leaves to its reader. Tables are joined key by key, and lists of `not_null` are joined;
/// of anything else, the pipeline file's value counts, unless the profile fixes it. Everything that is filled in is at the
/// place `at`, that of the reader's name.
pub fn fill_in(file: &mut Node, reader: &Reader, at: &Origin, problems: &mut Vec<Problem>) {
    let mut fill = Fill { reader, at, problems };
    if let Some(part) = &reader.pipeline {
        fill.join(file, part, "");
    }
    let Some(part) = &reader.delivery else { return };
    let NodeKind::Table(entries) = &mut file.kind else { return };
    let Some((_, deliveries)) = entries.iter_mut().find(|(key, _)| key.text == "deliver") else { return };
    if let NodeKind::Table(deliveries) = &mut deliveries.kind {
        for (_, delivery) in deliveries {
            fill.join(delivery, part, "deliver");
        }
    }
}

struct Fill<'a> {
    reader: &'a Reader,
    at: &'a Origin,
    problems: &'a mut Vec<Problem>,
}

impl Fill<'_> {
    /// Joins a part of the profile, whose key is `path`, into the node of the pipeline file.
    fn join(&mut self, node: &mut Node, part: &Node, path: &str) {
        match (&mut node.kind, &part.kind) {
            (NodeKind::Null, _) if matches!(part.kind, NodeKind::Table(_)) => {
                node.kind = self.moved(part, path).kind;
            }
            (NodeKind::Table(entries), NodeKind::Table(parts)) => {
                for (key, part) in parts {
                    let path = if path.is_empty() { key.text.clone() } else { format!("{path}.{}", key.text) };
                    match entries.iter_mut().find(|(name, _)| name.text == key.text) {
                        Some((_, written)) => self.join(written, part, &path),
                        None => {
                            let origin = self.origin(&path);
                            entries.push((Key { text: key.text.clone(), origin }, self.moved(part, &path)));
                        }
                    }
                }
            }
            (NodeKind::List(items), NodeKind::List(parts)) if path == "expect.not_null" => {
                items.extend(parts.iter().map(|part| self.moved(part, path)));
            }
            _ if self.is_fixed(path) => {
                let what = format!("the reader {} fixes `{path}`", self.reader.name);
                let hint = format!("remove it: `reportferry readers {}` shows what it fixes", self.reader.name);
                self.problems.push(node.error(what).hint(hint));
            }
            _ => {}
        }
    }

    fn is_fixed(&self, path: &str) -> bool {
        self.reader
            .fixed
            .iter()
            .any(|key| path == key || path.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    }

    fn origin(&self, path: &str) -> Origin {
        match self.at {
            Origin::File(place) => {
                let mut place = place.clone();
                path.clone_into(&mut place.key);
                Origin::File(place)
            }
            Origin::Named(name) => Origin::Named(name.clone()),
        }
    }

    /// Returns a part of the profile as if it were written at the reader's name.
    fn moved(&self, part: &Node, path: &str) -> Node {
        let below = |key: &str| format!("{path}.{key}");
        let kind = match &part.kind {
            NodeKind::Null => NodeKind::Null,
            // Without the text that was parsed, places within it are that of the whole.
            NodeKind::Scalar(Scalar { text, style, .. }) => {
                let style = if *style == Style::Block { Style::DoubleQuoted } else { *style };
                NodeKind::Scalar(Scalar { text: text.clone(), style, raw: "\n".to_owned() })
            }
            NodeKind::List(items) => NodeKind::List(items.iter().map(|item| self.moved(item, path)).collect()),
            NodeKind::Table(entries) => {
                let moved = |(key, node): &(Key, Node)| {
                    let path = below(&key.text);
                    (Key { text: key.text.clone(), origin: self.origin(&path) }, self.moved(node, &path))
                };
                NodeKind::Table(entries.iter().map(moved).collect())
            }
        };
        let origin = self.origin(path);
        Node { named: Some(origin.clone()), origin, kind }
    }
}

//! Defaults ← file ← environment ← flags, by figment → one tree whose values know their origin.
//!
//! figment decides which layer wins at each key. It gets texts only, so that its guesses at types never touch a value (`007`
//! stays as it is), and the winning value is taken from its layer's own tree, with its position.

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::PREFIX;
use super::foreign::{self, Variable};
use crate::yaml::problem::Problem;
use crate::yaml::tree::{ENVIRONMENT, Key, Node, NodeKind, Origin, Scalar, Style};

/// The layer of the settings file.
pub(super) const FILE_LAYER: &str = "settings file";

/// Variables that are not keys of the settings: the settings file, and the faults injected by tests.
const NOT_KEYS: &[&str] = &[
    "REPORTFERRY_CONFIG",
    #[cfg(feature = "fault-injection")]
    super::FAULTS,
];

/// One layer of the settings.
pub(super) struct Layer {
    /// Unique among the layers.
    pub name: &'static str,
    pub node: Node,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = match value(&self.node) {
            Some(Value::Dict(_, dict)) => dict,
            _ => Dict::new(),
        };
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// Returns a node as figment's value; `None` for a key without a value, which hides nothing.
fn value(node: &Node) -> Option<Value> {
    match &node.kind {
        NodeKind::Null => None,
        NodeKind::Scalar(scalar) => Some(Value::from(scalar.text.as_str())),
        NodeKind::List(items) => Some(Value::from(items.iter().filter_map(value).collect::<Vec<_>>())),
        NodeKind::Table(entries) => {
            let entries = entries.iter().filter_map(|(key, node)| Some((key.text.clone(), value(node)?)));
            Some(Value::from(entries.collect::<Map<String, Value>>()))
        }
    }
}

/// Merges the layers into one tree; later ones win. Fails if figment does.
pub(super) fn merge(layers: &[Layer]) -> Result<Node, Problem> {
    let figment = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
    let failed = |error: figment::Error| Problem::error(None, format!("cannot merge the settings: {error}"));
    let dict = figment.data().map_err(failed)?.remove(&Profile::Default).unwrap_or_default();
    Ok(assemble(&figment, layers, Value::from(dict), &mut Vec::new()))
}

/// Returns the winning node of each key, from the layer that figment says it came from.
fn assemble(figment: &Figment, layers: &[Layer], value: Value, path: &mut Vec<String>) -> Node {
    let in_layer =
        |name: &str| layers.iter().find(|layer| layer.name == name).and_then(|layer| find(&layer.node, path));
    let of_tag = |tag| figment.get_metadata(tag).and_then(|metadata| in_layer(&metadata.name));
    let Value::Dict(tag, dict) = value else {
        return of_tag(value.tag()).cloned().unwrap_or_else(|| named_node(&path.join("."), NodeKind::Null));
    };
    // Several layers may contain a table: problems of the whole table point at the file's, if it is there.
    let shown = in_layer(FILE_LAYER).or_else(|| of_tag(tag));
    let shown = shown.or_else(|| layers.iter().rev().find_map(|layer| find(&layer.node, path)));
    let (origin, named) = match shown {
        Some(node) => (node.origin.clone(), node.named.clone()),
        None => (Origin::Named(path.join(".")), None),
    };
    let mut entries: Vec<(Key, Node)> = Vec::new();
    for (text, value) in dict {
        path.push(text.clone());
        let node = assemble(figment, layers, value, path);
        let origin = node.named.clone().unwrap_or_else(|| node.origin.clone());
        entries.push((Key { text, origin }, node));
        path.pop();
    }
    Node { origin, named, kind: NodeKind::Table(entries) }
}

fn find<'a>(node: &'a Node, path: &[String]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| node.get(key))
}

/// Parses `REPORTFERRY_TENANTS__ACME_EU__USERNAME` as `tenants.acme-eu.username`, if `known` has a tenant `acme-eu`.
pub(super) fn environment(
    variables: impl Iterator<Item = (String, String)>,
    known: &[&Node],
    problems: &mut Vec<Problem>,
) -> Node {
    let mut root = named_node("environment", NodeKind::Table(Vec::new()));
    let mut variables: Vec<_> =
        variables.filter(|(name, _)| name.starts_with(PREFIX) && !NOT_KEYS.contains(&name.as_str())).collect();
    variables.sort();
    for (variable, text) in variables {
        let key = &variable[PREFIX.len()..];
        match foreign::classify(key, &text) {
            Variable::Ours => {
                let path: Vec<&str> = key.split("__").collect();
                add(&mut root, known, &path, &format!("{ENVIRONMENT}{variable}"), text, problems);
            }
            Variable::Platform => {}
            Variable::Unknown(problem) => problems.push(problem),
        }
    }
    root
}

/// Converts `tenants.acme.username` = `svc` to a tree.
pub(super) fn flags(flags: &[(String, String)], known: &[&Node], problems: &mut Vec<Problem>) -> Node {
    let mut root = named_node("flags", NodeKind::Table(Vec::new()));
    for (key, text) in flags {
        let path: Vec<&str> = key.split('.').collect();
        add(&mut root, known, &path, &format!("flag {key}"), text.clone(), problems);
    }
    root
}

fn named_node(name: &str, kind: NodeKind) -> Node {
    let origin = Origin::Named(name.to_string());
    Node { named: Some(origin.clone()), origin, kind }
}

fn add(root: &mut Node, known: &[&Node], path: &[&str], name: &str, text: String, problems: &mut Vec<Problem>) {
    let mut known: Vec<&Node> = known.to_vec();
    let mut at = root;
    for segment in path {
        let key = match known_key(&known, segment) {
            Ok(key) => key,
            Err(keys) => {
                let what = format!("{name}: `{segment}` matches {}", crate::yaml::read::list(&keys));
                problems.push(Problem::error(None, what).hint("set this key in the settings file"));
                return;
            }
        };
        known = known.iter().filter_map(|node| node.get(&key)).collect();
        let NodeKind::Table(entries) = &mut at.kind else {
            let what = format!("{name}: a key above it is set to a value of its own by {}", at.origin.key());
            problems.push(Problem::error(None, what).hint("unset one of them"));
            return;
        };
        let index = entries.iter().position(|(known, _)| known.text == key).unwrap_or_else(|| {
            let node = named_node(name, NodeKind::Table(Vec::new()));
            entries.push((Key { text: key, origin: node.origin.clone() }, node));
            entries.len() - 1
        });
        at = &mut entries[index].1;
    }
    at.kind = NodeKind::Scalar(Scalar { raw: text.clone(), text, style: Style::Plain });
}

/// Returns the known key that a segment matches, or the segment in lower case; `Err` if several match.
fn known_key(known: &[&Node], segment: &str) -> Result<String, Vec<String>> {
    let plain = |key: &str| key.to_lowercase().replace(['-', '.'], "_");
    let mut keys: Vec<String> = Vec::new();
    for node in known {
        if let NodeKind::Table(entries) = &node.kind {
            keys.extend(entries.iter().map(|(key, _)| key.text.clone()).filter(|key| plain(key) == plain(segment)));
        }
    }
    keys.sort();
    keys.dedup();
    match keys.iter().find(|key| key.to_lowercase() == segment.to_lowercase()) {
        Some(exact) => Ok(exact.clone()),
        None if keys.len() > 1 => Err(keys),
        None => Ok(keys.pop().unwrap_or_else(|| segment.to_lowercase())),
    }
}

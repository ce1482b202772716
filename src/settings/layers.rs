//! Defaults ← file ← environment ← flags, by figment → one tree in which every value knows where it was said.
//!
//! figment decides which layer wins at each key. It is handed texts only, so that its guesses at types never touch a
//! value (`007` stays what it is), and the winning value is taken from its layer's own tree, position and all.

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::foreign::{self, Judged};
use crate::pipeline::problem::Problem;
use crate::pipeline::tree::{ENVIRONMENT, Key, Kind, Node, Origin, Scalar, Style};

/// One source of settings.
pub struct Layer {
    /// Unique among the layers.
    pub name: &'static str,
    pub node: Node,
}

/// Environment variables begin with this.
pub const PREFIX: &str = "REPORTFERRY_";

/// The variable that names the settings file is not a key of it.
const CONFIG: &str = "REPORTFERRY_CONFIG";

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

/// `None` for a key without a value: it says nothing, so it hides nothing.
fn value(node: &Node) -> Option<Value> {
    match &node.kind {
        Kind::Null => None,
        Kind::Scalar(scalar) => Some(Value::from(scalar.text.as_str())),
        Kind::List(items) => Some(Value::from(items.iter().filter_map(value).collect::<Vec<_>>())),
        Kind::Table(entries) => {
            let entries = entries.iter().filter_map(|(key, node)| Some((key.text.clone(), value(node)?)));
            Some(Value::from(entries.collect::<Map<String, Value>>()))
        }
    }
}

/// One tree of all layers; later ones win.
pub fn merge(layers: Vec<Layer>) -> Result<Node, Problem> {
    let figment = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
    let cannot = |error: figment::Error| Problem::error(None, format!("the settings cannot be put together: {error}"));
    let dict = figment.data().map_err(cannot)?.remove(&Profile::Default).unwrap_or_default();
    Ok(assemble(&figment, &layers, Value::from(dict), &mut Vec::new()))
}

/// The winning node of each key, taken from the layer that figment says it came from.
fn assemble(figment: &Figment, layers: &[Layer], value: Value, path: &mut Vec<String>) -> Node {
    let said_by = |name: &str| layers.iter().find(|layer| layer.name == name).and_then(|layer| find(&layer.node, path));
    let Value::Dict(tag, dict) = value else {
        let winner = figment.get_metadata(value.tag()).and_then(|metadata| said_by(&metadata.name));
        return winner.cloned().unwrap_or_else(|| Node { origin: unsaid(path), named: None, kind: Kind::Null });
    };
    // A table may be said by several layers: problems with it as a whole point at the file's, if it is there.
    let shown = said_by(super::FILE_LAYER).or_else(|| figment.get_metadata(tag).and_then(|tag| said_by(&tag.name)));
    let shown = shown.or_else(|| layers.iter().rev().find_map(|layer| find(&layer.node, path)));
    let (origin, named) = match shown {
        Some(node) => (node.origin.clone(), node.named.clone()),
        None => (unsaid(path), None),
    };
    let mut entries: Vec<(Key, Node)> = Vec::new();
    for (text, value) in dict {
        path.push(text.clone());
        let node = assemble(figment, layers, value, path);
        let origin = node.named.clone().unwrap_or_else(|| node.origin.clone());
        entries.push((Key { text, origin }, node));
        path.pop();
    }
    Node { origin, named, kind: Kind::Table(entries) }
}

fn unsaid(path: &[String]) -> Origin {
    Origin::Named(format!("setting `{}`", path.join(".")))
}

fn find<'a>(node: &'a Node, path: &[String]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| node.get(key))
}

/// `REPORTFERRY_TENANTS__ACME_EU__USERNAME` → `tenants.acme-eu.username`, where `known` names a tenant `acme-eu`.
pub fn environment(
    variables: impl Iterator<Item = (String, String)>,
    known: &[&Node],
    problems: &mut Vec<Problem>,
) -> Layer {
    let mut root = said("environment", Kind::Table(Vec::new()));
    let mut variables: Vec<_> = variables.filter(|(name, _)| name.starts_with(PREFIX) && name != CONFIG).collect();
    variables.sort();
    for (variable, text) in variables {
        let key = &variable[PREFIX.len()..];
        match foreign::judge(key, &text) {
            Judged::Ours => {
                let path: Vec<&str> = key.split("__").collect();
                add(&mut root, known, &path, &format!("{ENVIRONMENT}{variable}"), text, problems);
            }
            Judged::Platforms => {}
            Judged::Unknown(problem) => problems.push(problem),
        }
    }
    Layer { name: "environment", node: root }
}

/// `tenants.acme.username` = `svc` → a layer.
pub fn flags(flags: &[(String, String)], known: &[&Node], problems: &mut Vec<Problem>) -> Layer {
    let mut root = said("flags", Kind::Table(Vec::new()));
    for (key, text) in flags {
        let path: Vec<&str> = key.split('.').collect();
        add(&mut root, known, &path, &format!("flag {key}"), text.clone(), problems);
    }
    Layer { name: "flags", node: root }
}

fn said(name: &str, kind: Kind) -> Node {
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
                let what = format!("{name}: `{segment}` fits {}", crate::pipeline::read::list(&keys));
                problems.push(Problem::error(None, what).hint("set this key in the settings file"));
                return;
            }
        };
        known = known.iter().filter_map(|node| node.get(&key)).collect();
        let Kind::Table(entries) = &mut at.kind else {
            let what = format!("{name}: a key above it is set to a value of its own by {}", at.origin.key());
            problems.push(Problem::error(None, what).hint("unset one of them"));
            return;
        };
        let index = entries.iter().position(|(known, _)| known.text == key).unwrap_or_else(|| {
            let node = said(name, Kind::Table(Vec::new()));
            entries.push((Key { text: key, origin: node.origin.clone() }, node));
            entries.len() - 1
        });
        at = &mut entries[index].1;
    }
    at.kind = Kind::Scalar(Scalar { raw: text.clone(), text, style: Style::Plain });
}

/// The key that a segment means: one that is known and fits, or the segment in lower case. `Err` where several fit.
fn known_key(known: &[&Node], segment: &str) -> Result<String, Vec<String>> {
    let plain = |key: &str| key.to_lowercase().replace(['-', '.'], "_");
    let mut keys: Vec<String> = Vec::new();
    for node in known {
        if let Kind::Table(entries) = &node.kind {
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

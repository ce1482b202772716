//! Texts that do not mean what they look like: unexpanded placeholders, invisible characters, `~`, and truncated texts.
//!
//! Walks the untyped tree, so that every text is examined, whatever its type.

use super::expand::{self, Braces, Found};
use super::problem::Problem;
use super::tree::{Key, Node, NodeKind, Origin, Scalar, Style};
use super::{characters, mistakes, parse};

/// The use of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Free text, or text with a syntax of its own.
    Free,
    /// An expression.
    Expression,
    /// A name given by another system: a column, a report.
    Foreign,
    /// A name template.
    Name,
    /// A path on this machine.
    Local,
    /// A path at a destination.
    Remote,
    /// A secret that is written out.
    Secret,
    /// A name or address that may contain a `#`.
    Label,
    Plain,
}

/// The roles of the texts of one kind of file. A path lists the keys from the top down.
#[derive(Clone, Copy)]
pub struct Rules {
    pub role: fn(path: &[&str]) -> Role,
    /// Returns the replacement of a placeholder.
    pub instead: fn(role: Role, path: &[&str], placeholder: &str) -> String,
}

/// A problem, and the text whose other problems it causes.
struct Finding {
    problem: Problem,
    /// Bytes of the file; `None` for values from elsewhere.
    covers: Option<std::ops::Range<usize>>,
}

/// Adds problems found in the texts of a tree, replacing the problems that they cause.
pub fn check(rules: Rules, text: &str, node: &Node, problems: &mut Vec<Problem>) {
    add(Walk { rules, text, shape_only: false, found: Vec::new() }, node, problems);
}

/// Finds what only the tree of a file shows: texts split by a comma, of which merged settings keep one part.
pub fn check_split(rules: Rules, text: &str, node: &Node, problems: &mut Vec<Problem>) {
    add(Walk { rules, text, shape_only: true, found: Vec::new() }, node, problems);
}

fn add(mut walk: Walk<'_>, node: &Node, problems: &mut Vec<Problem>) {
    walk.node(node, &mut Vec::new());
    let follows = |problem: &Problem, finding: &Finding| match (&problem.place, &finding.problem.place, &finding.covers)
    {
        (Some(at), Some(place), Some(covers)) => at.file == place.file && covers.contains(&at.span.start),
        (None, None, _) => {
            let name = |problem: &Problem| problem.what.split_once(": ").map(|(name, _)| name.to_owned());
            name(problem).is_some() && name(problem) == name(&finding.problem)
        }
        _ => false,
    };
    problems.retain(|problem| !walk.found.iter().any(|finding| follows(problem, finding)));
    problems.extend(walk.found.into_iter().map(|finding| finding.problem));
}

struct Walk<'a> {
    rules: Rules,
    text: &'a str,
    shape_only: bool,
    found: Vec<Finding>,
}

impl Walk<'_> {
    fn role(&self, path: &[String]) -> Role {
        (self.rules.role)(&keys(path))
    }

    fn node(&mut self, node: &Node, path: &mut Vec<String>) {
        match &node.kind {
            NodeKind::Null => {}
            NodeKind::Scalar(scalar) if is_flow(&node.origin, scalar) => {
                if let Some(inner) = parse::value(&node.origin, &scalar.text) {
                    self.node(&inner, path);
                }
            }
            NodeKind::Scalar(scalar) => self.scalar(node, scalar, path),
            NodeKind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if !self.split(item, items.get(index + 1), path) {
                        self.node(item, path);
                    }
                }
            }
            NodeKind::Table(entries) => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    let next = entries.get(index + 1).filter(|(_, next)| matches!(next.kind, NodeKind::Null));
                    let next = next.map(|(key, next)| Node { origin: key.origin.clone(), ..next.clone() });
                    let is_reported = self.key(key, value, path);
                    path.push(key.text.clone());
                    if !is_reported && !self.split(value, next.as_ref(), path) {
                        self.node(value, path);
                    }
                    path.pop();
                }
            }
        }
    }

    /// Checks a key for invisible characters and placeholders.
    fn key(&mut self, key: &Key, value: &Node, path: &[String]) -> bool {
        let text = key.text.as_str();
        let joined = [":{", ":["].iter().find_map(|open| text.split_once(open));
        let hidden = characters::hidden(text).or_else(|| characters::curly_quote(text));
        let placeholder =
            expand::find(text, Braces::Foreign).filter(|_| path.first().is_none_or(|key| key != "transform"));
        let (what, hint) = if let Some((before, _)) = joined {
            (format!("a space is missing after `{before}:`"), "write a space after the colon".to_owned())
        } else if let Some((_, c)) = hidden {
            (format!("the key {text:?} holds {}", characters::named(c)), characters::fix(c))
        } else if let Some(Found { offset, len }) = placeholder {
            let shown = text.get(offset..offset + len).unwrap_or_default();
            (
                format!("`{shown}` is not filled in here: it would be taken as it is written"),
                "write the name itself".to_owned(),
            )
        } else {
            return false;
        };
        let covers = match (&key.origin, &value.origin) {
            (Origin::File(key), Origin::File(value)) => Some(key.span.start..value.span.end.max(key.span.end)),
            _ => None,
        };
        self.add(&key.origin, key.origin.error(what).hint(hint), covers);
        true
    }

    fn scalar(&mut self, node: &Node, scalar: &Scalar, path: &[String]) {
        if self.shape_only {
            return;
        }
        let role = self.role(path);
        let _ = self.cut_off(node, scalar, role)
            || self.placeholder(node, scalar, role, path)
            || self.shell_home(node, scalar, role)
            || self.character(node, scalar, role);
    }

    /// Finds `${…}` and similar placeholders.
    fn placeholder(&mut self, node: &Node, scalar: &Scalar, role: Role, path: &[String]) -> bool {
        let text = scalar.text.as_str();
        let found = match role {
            Role::Free | Role::Expression => None,
            Role::Foreign => {
                ["${", "{{"].iter().any(|open| text.contains(open)).then(|| expand::find(text, Braces::Ours)).flatten()
            }
            // Outside of files, a secret is taken literally.
            Role::Secret => {
                let whole = matches!(node.origin, Origin::File(_)) && expand::is_whole(text);
                whole.then_some(Found { offset: 0, len: text.len() })
            }
            Role::Name => {
                expand::find(text, Braces::Ours).or_else(|| expand::bare_format(text).filter(|_| !text.contains('{')))
            }
            Role::Remote => expand::find(text, Braces::Foreign).or_else(|| expand::bare_format(text)),
            Role::Local | Role::Label | Role::Plain => expand::find(text, Braces::Foreign),
        };
        let Some(Found { offset, len }) = found else { return false };
        let placeholder = text.get(offset..offset + len).unwrap_or_default();
        // The problem points at the key, never at a secret's text.
        let (at, shown) = match role {
            Role::Secret => (node.named.clone().unwrap_or_else(|| node.origin.clone()), "a placeholder".to_owned()),
            _ => (node.origin_within(offset, len), format!("`{placeholder}`")),
        };
        let what = format!("{shown} is not filled in here: it would be taken as it is written");
        let hint = match (role, &node.origin) {
            (Role::Secret, _) => "write `{env: NAME}`, or `{file: PATH}`".to_owned(),
            (_, Origin::Named(_)) => "let what sets this variable fill it in".to_owned(),
            _ => (self.rules.instead)(role, &keys(path), placeholder),
        };
        self.add(&node.origin, at.error(what).hint(hint), covered(node, role));
        true
    }

    /// Finds `~/in`: only a shell expands it.
    fn shell_home(&mut self, node: &Node, scalar: &Scalar, role: Role) -> bool {
        let rest = scalar.text.strip_prefix('~').filter(|_| matches!(role, Role::Local | Role::Remote));
        let Some(rest) = rest else { return false };
        let account = rest.split('/').next().unwrap_or_default();
        if !account.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            || (!account.is_empty() && !rest.contains('/'))
        {
            return false;
        }
        let what = format!("`~{account}` is not filled in here: a directory of that name would be used");
        let below = rest.trim_start_matches(account).trim_start_matches('/');
        let hint = match (role, below, account) {
            (Role::Remote, "", "") => "leave the path out: deliveries go where sign-in leads".to_owned(),
            (Role::Remote, below, "") => {
                format!("write `{below}`, which begins where sign-in leads, or an absolute path")
            }
            _ => "write the absolute path, as in `/home/NAME/reports`".to_owned(),
        };
        self.add(&node.origin, node.origin.error(what).hint(hint), None);
        true
    }

    fn character(&mut self, node: &Node, scalar: &Scalar, role: Role) -> bool {
        if !matches!(role, Role::Name | Role::Local | Role::Remote | Role::Label | Role::Plain) {
            return false;
        }
        let text = scalar.text.as_str();
        let odd = characters::hidden(text).filter(|(_, c)| scalar.raw.contains(*c));
        let Some((offset, c)) = odd.or_else(|| characters::curly_quote(text)) else { return false };
        let what = format!("this text contains {}", characters::named(c));
        let at = node.origin_within(offset, c.len_utf8());
        self.add(&node.origin, at.error(what).hint(characters::fix(c)), None);
        true
    }

    /// Finds `path: Inbound #1` and `filter: s = 'Level #1'`.
    fn cut_off(&mut self, node: &Node, scalar: &Scalar, role: Role) -> bool {
        let Origin::File(place) = &node.origin else { return false };
        let own = self.text.get(place.span.clone()) == Some(scalar.raw.as_str());
        if scalar.style != Style::Plain || !own || role == Role::Free {
            return false;
        }
        let end = place.span.end;
        let open = mistakes::has_open_quote(&scalar.text);
        let Some(cut) =
            mistakes::comment_after(self.text, end).filter(|_| open).or_else(|| mistakes::cut_off(self.text, end))
        else {
            return false;
        };
        // Texts of other roles have a syntax of their own, and what follows is a comment.
        let may_hold_it = match role {
            Role::Expression => mistakes::has_open_parenthesis(&scalar.text),
            Role::Plain => false,
            _ => true,
        };
        if !open && !may_hold_it {
            return false;
        }
        let whole = format!("{}{}{}", scalar.raw, if cut.starts_with('#') { " " } else { "" }, cut);
        let cut = cut.trim_start();
        let what = match role {
            Role::Secret => "a `#` after a space begins a comment: it cuts this text off".to_owned(),
            _ => format!("a `#` after a space begins a comment: {cut:?} is cut off"),
        };
        let hint = match role {
            Role::Secret => "put the text in quotes, or write `{env: NAME}`".to_owned(),
            _ => {
                format!(
                    "write `{}`; a comment has two spaces before it, or one after the `#`",
                    mistakes::quoted(&whole)
                )
            }
        };
        self.add(&node.origin, node.origin.error(what).hint(hint), None);
        true
    }

    /// Finds a text in braces or brackets that its own comma split: `{d: f(a, b)}`.
    fn split(&mut self, value: &Node, next: Option<&Node>, path: &[String]) -> bool {
        let (NodeKind::Scalar(scalar), Some(next), Origin::File(place)) = (&value.kind, next, &value.origin) else {
            return false;
        };
        let Origin::File(follows) = &next.origin else { return false };
        let open = scalar.style == Style::Plain && mistakes::has_open_parenthesis(&scalar.text);
        let between = self.text.get(place.span.end..follows.span.start).unwrap_or_default();
        if !open || between.trim() != "," {
            return false;
        }
        let Some(whole) = mistakes::to_closing_parenthesis(self.text, place.span.start) else { return false };
        let what = "commas separate the entries of `{…}` and `[…]`: this text is cut at its first comma";
        let hint = match self.role(path) {
            Role::Secret => "put it in quotes, or write `{env: NAME}`".to_owned(),
            _ => format!("put it in quotes: `{}`", mistakes::quoted(whole)),
        };
        let covers = place.span.start..place.span.start + whole.len();
        self.add(&value.origin, value.origin.error(what).hint(hint), Some(covers));
        true
    }

    fn add(&mut self, origin: &Origin, problem: Problem, covers: Option<std::ops::Range<usize>>) {
        let own = match origin {
            Origin::File(place) => Some(place.span.start..place.span.end.max(place.span.start + 1)),
            Origin::Named(_) => None,
        };
        self.found.push(Finding { problem, covers: covers.or(own) });
    }
}

/// Returns the range of a text's other problems; for a secret, that includes its key.
fn covered(node: &Node, role: Role) -> Option<std::ops::Range<usize>> {
    match (role, &node.named, &node.origin) {
        (Role::Secret, Some(Origin::File(key)), Origin::File(text)) => Some(key.span.start..text.span.end),
        _ => None,
    }
}

/// Returns true for a value from the environment or a flag that is parsed as a list or a table.
fn is_flow(origin: &Origin, scalar: &Scalar) -> bool {
    let text = scalar.text.trim_start();
    matches!(origin, Origin::Named(_)) && text.starts_with(['[', '{']) && !text.starts_with("{{")
}

fn keys(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

//! What a person expects of a text and does not get: placeholders that nothing fills in, characters that nobody sees,
//! `~`, and what a `#` or a comma cut off.
//!
//! The tree is walked before its meaning is read, so that every text is looked at, whatever it becomes.

use super::characters;
use super::expand::{self, Braces, Found};
use super::problem::{Place, Problem};
use super::slips;
use super::tree::{self, Key, Kind, Node, Origin, Scalar, Style};

/// The file that a tree was written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    Pipeline,
    Settings,
}

/// What a text is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// For people, or for programs that read it in their own way.
    Free,
    /// An expression.
    Expression,
    /// A column or a report, which is called what it is called.
    Foreign,
    /// A name template.
    Name,
    /// A path on this machine.
    Local,
    /// A path at a destination.
    Remote,
    /// A secret that is written out.
    Secret,
    Plain,
}

/// A problem, and the text whose other problems follow from it.
struct Noted {
    problem: Problem,
    /// Bytes of the file; `None` for what is not in a file.
    covers: Option<std::ops::Range<usize>>,
}

/// Adds what is found in the texts of a tree, in the place of the problems that follow from it.
pub fn note(file: File, text: &str, node: &Node, problems: &mut Vec<Problem>) {
    add(Walk { file, text, shape_only: false, found: Vec::new() }, node, problems);
}

/// As [`note`], for what the tree of a file alone shows: texts that a comma cut, of which the layers of settings keep one
/// part only.
pub fn note_shape(file: File, text: &str, node: &Node, problems: &mut Vec<Problem>) {
    add(Walk { file, text, shape_only: true, found: Vec::new() }, node, problems);
}

fn add(mut walk: Walk<'_>, node: &Node, problems: &mut Vec<Problem>) {
    walk.node(node, &mut Vec::new());
    let follows = |problem: &Problem, noted: &Noted| match (&problem.place, &noted.problem.place, &noted.covers) {
        (Some(at), Some(place), Some(covers)) => at.file == place.file && covers.contains(&at.span.start),
        (None, None, _) => {
            let name = |problem: &Problem| problem.what.split_once(": ").map(|(name, _)| name.to_owned());
            name(problem).is_some() && name(problem) == name(&noted.problem)
        }
        _ => false,
    };
    problems.retain(|problem| !walk.found.iter().any(|noted| follows(problem, noted)));
    problems.extend(walk.found.into_iter().map(|noted| noted.problem));
}

struct Walk<'a> {
    file: File,
    text: &'a str,
    shape_only: bool,
    found: Vec<Noted>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, path: &mut Vec<String>) {
        match &node.kind {
            Kind::Null => {}
            Kind::Scalar(scalar) if is_flow(&node.origin, scalar) => {
                if let Some(inner) = tree::parse_value(&node.origin, &scalar.text) {
                    self.node(&inner, path);
                }
            }
            Kind::Scalar(scalar) => self.scalar(node, scalar, path),
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    if !self.split(item, items.get(index + 1), path) {
                        self.node(item, path);
                    }
                }
            }
            Kind::Table(entries) => {
                for (index, (key, value)) in entries.iter().enumerate() {
                    let next = entries.get(index + 1).filter(|(_, next)| matches!(next.kind, Kind::Null));
                    let next = next.map(|(key, next)| Node { origin: key.origin.clone(), ..next.clone() });
                    let told = self.key(key, value, path);
                    path.push(key.text.clone());
                    if !told && !self.split(value, next.as_ref(), path) {
                        self.node(value, path);
                    }
                    path.pop();
                }
            }
        }
    }

    /// A key that is not what it looks like.
    fn key(&mut self, key: &Key, value: &Node, path: &[String]) -> bool {
        let text = key.text.as_str();
        let joined = [":{", ":["].iter().find_map(|open| text.split_once(open));
        let hidden = characters::hidden(text).or_else(|| characters::quoted_oddly(text));
        let placeholder =
            expand::find(text, Braces::Foreign).filter(|_| path.first().is_none_or(|key| key != "transform"));
        let (what, hint) = if let Some((before, _)) = joined {
            (format!("a space is missing after `{before}:`"), "write a space behind the colon".to_owned())
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
        let role = role(self.file, path);
        let _ = self.cut_off(node, scalar, role)
            || self.placeholder(node, scalar, role, path)
            || self.shell_home(node, scalar, role)
            || self.character(node, scalar, role);
    }

    /// `${…}` and its like.
    fn placeholder(&mut self, node: &Node, scalar: &Scalar, role: Role, path: &[String]) -> bool {
        let text = scalar.text.as_str();
        let found = match role {
            Role::Free | Role::Expression => None,
            Role::Foreign => {
                ["${", "{{"].iter().any(|open| text.contains(open)).then(|| expand::find(text, Braces::Ours)).flatten()
            }
            // Beyond the file, a secret is whatever it is.
            Role::Secret => {
                let whole = matches!(node.origin, Origin::File(_)) && expand::is_whole(text);
                whole.then_some(Found { offset: 0, len: text.len() })
            }
            Role::Name => {
                expand::find(text, Braces::Ours).or_else(|| expand::bare_format(text).filter(|_| !text.contains('{')))
            }
            Role::Remote => expand::find(text, Braces::Foreign).or_else(|| expand::bare_format(text)),
            Role::Local | Role::Plain => expand::find(text, Braces::Foreign),
        };
        let Some(Found { offset, len }) = found else { return false };
        let placeholder = text.get(offset..offset + len).unwrap_or_default();
        // A key is pointed at, never a secret's text.
        let (at, shown) = match role {
            Role::Secret => (node.named.clone().unwrap_or_else(|| node.origin.clone()), "a placeholder".to_owned()),
            _ => (node.origin_within(offset, len), format!("`{placeholder}`")),
        };
        let what = format!("{shown} is not filled in here: it would be taken as it is written");
        let hint = self.instead(node, role, placeholder, path);
        self.add(&node.origin, at.error(what).hint(hint), covered(node, role));
        true
    }

    /// What to write in the place of a placeholder.
    fn instead(&self, node: &Node, role: Role, placeholder: &str, path: &[String]) -> String {
        let key = |path: &[&str]| {
            let words: Vec<String> = path.iter().map(|key| key.to_uppercase().replace(['-', '.'], "_")).collect();
            format!("REPORTFERRY_{}", words.join("__"))
        };
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let format = expand::bare_format(placeholder)
            .map_or("%Y%m%d", |found| &placeholder[found.offset..found.offset + found.len]);
        match (role, path.as_slice()) {
            (Role::Secret, _) => "write `{env: NAME}`, or `{file: PATH}`".to_owned(),
            (_, [.., "env"]) => "write the variable's name alone, as in `{env: NAME}`".to_owned(),
            (Role::Name, ["deliver" | "destinations", ..]) => {
                "write `{name}` for the artifact's name, or the text itself".to_owned()
            }
            (Role::Name, _) => format!(
                "write `{{slot:{format}}}` for the slot's time, `{{pipeline}}` or `{{run}}`, or the text itself"
            ),
            _ if !matches!(node.origin, Origin::File(_)) => "let what sets this variable fill it in".to_owned(),
            (_, ["deliver", _, "path"])
                if ["slot", "date", "%Y", "%m", "%d"].iter().any(|word| placeholder.contains(word)) =>
            {
                "write the directory itself, and put the slot into the artifact's name".to_owned()
            }
            (_, ["deliver", destination, "path"]) => format!(
                "write the directory itself; where environments differ, set the destination's by {} or {}",
                key(&["destinations", destination, "sftp", "base"]),
                key(&["destinations", destination, "local", "path"])
            ),
            _ if self.file == File::Pipeline => {
                "write the text itself: pipeline files are the same in every environment".to_owned()
            }
            (_, path) => format!("write the text itself, or set the environment variable {}", key(path)),
        }
    }

    /// `~/in`: a shell fills it in, and no shell reads this.
    fn shell_home(&mut self, node: &Node, scalar: &Scalar, role: Role) -> bool {
        let rest = scalar.text.strip_prefix('~').filter(|_| matches!(role, Role::Local | Role::Remote));
        let Some(rest) = rest else { return false };
        let account = rest.split('/').next().unwrap_or_default();
        if !account.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            || (!account.is_empty() && !rest.contains('/'))
        {
            return false;
        }
        let what = format!("`~{account}` is not filled in here: a directory of that name would be meant");
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
        if !matches!(role, Role::Name | Role::Local | Role::Remote | Role::Plain) {
            return false;
        }
        let text = scalar.text.as_str();
        let odd = characters::hidden(text).filter(|(_, c)| scalar.raw.contains(*c));
        let Some((offset, c)) = odd.or_else(|| characters::quoted_oddly(text)) else { return false };
        let what = format!("{} stands in this text", characters::named(c));
        let at = node.origin_within(offset, c.len_utf8());
        self.add(&node.origin, at.error(what).hint(characters::fix(c)), None);
        true
    }

    /// `path: Inbound #1` and `filter: s = 'Level #1'`.
    fn cut_off(&mut self, node: &Node, scalar: &Scalar, role: Role) -> bool {
        let Origin::File(place) = &node.origin else { return false };
        let own = self.text.get(place.span.clone()) == Some(scalar.raw.as_str());
        if scalar.style != Style::Plain || !own || role == Role::Free {
            return false;
        }
        let end = place.span.end;
        let open = slips::has_open_quote(&scalar.text);
        let Some(cut) =
            slips::comment_behind(self.text, end).filter(|_| open).or_else(|| slips::cut_off(self.text, end))
        else {
            return false;
        };
        // Elsewhere a text has a form of its own, and what is behind it is a note.
        let may_hold_it = match role {
            Role::Expression => slips::has_open_parenthesis(&scalar.text),
            Role::Plain => is_free_text(place),
            _ => true,
        };
        if !open && !may_hold_it {
            return false;
        }
        let whole = format!("{}{}{}", scalar.raw, if cut.starts_with('#') { " " } else { "" }, cut);
        let cut = cut.trim_start();
        let what = match role {
            Role::Secret => "a `#` behind a space begins a comment: it cuts this text off".to_owned(),
            _ => format!("a `#` behind a space begins a comment: {cut:?} is cut off"),
        };
        let hint = match role {
            Role::Secret => "put the text in quotes, or write `{env: NAME}`".to_owned(),
            _ => {
                format!("write `{}`; a comment has two spaces before it, or one behind the `#`", slips::quoted(&whole))
            }
        };
        self.add(&node.origin, node.origin.error(what).hint(hint), None);
        true
    }

    /// A text in braces or brackets that its own comma ended: `{d: f(a, b)}`.
    fn split(&mut self, value: &Node, next: Option<&Node>, path: &[String]) -> bool {
        let (Kind::Scalar(scalar), Some(next), Origin::File(place)) = (&value.kind, next, &value.origin) else {
            return false;
        };
        let Origin::File(follows) = &next.origin else { return false };
        let open = scalar.style == Style::Plain && slips::has_open_parenthesis(&scalar.text);
        let between = self.text.get(place.span.end..follows.span.start).unwrap_or_default();
        if !open || between.trim() != "," {
            return false;
        }
        let Some(whole) = slips::to_closing_parenthesis(self.text, place.span.start) else { return false };
        let what = "commas separate the entries of `{…}` and `[…]`: this text is cut at its first comma";
        let hint = match role(self.file, path) {
            Role::Secret => "put it in quotes, or write `{env: NAME}`".to_owned(),
            _ => format!("put it in quotes: `{}`", slips::quoted(whole)),
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
        self.found.push(Noted { problem, covers: covers.or(own) });
    }
}

/// With a secret, problems that point at its key follow too.
fn covered(node: &Node, role: Role) -> Option<std::ops::Range<usize>> {
    match (role, &node.named, &node.origin) {
        (Role::Secret, Some(Origin::File(key)), Origin::File(text)) => Some(key.span.start..text.span.end),
        _ => None,
    }
}

/// A value from the environment or a flag that is read as a list or a table.
fn is_flow(origin: &Origin, scalar: &Scalar) -> bool {
    let text = scalar.text.trim_start();
    matches!(origin, Origin::Named(_)) && text.starts_with(['[', '{']) && !text.starts_with("{{")
}

/// Keys whose text is a person's own, so that a `#` may belong to it.
fn is_free_text(place: &Place) -> bool {
    const FREE: [&str; 8] = ["name", "host", "username", "client_id", "url", "tenant", "from", "to"];
    let last = place.key.rsplit('.').next().unwrap_or_default();
    FREE.contains(&last.split('[').next().unwrap_or_default())
}

/// Keys whose scalars are secrets.
const SECRETS: [&str; 8] = ["client_secret", "password", "passphrase", "key", "secret", "bearer", "slack", "token"];

fn role(file: File, path: &[String]) -> Role {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match (file, path.as_slice()) {
        (_, [.., "file"]) if path.len() > 1 && path[0] != "source" => Role::Local,
        (File::Pipeline, ["description"]) => Role::Free,
        (File::Pipeline, ["transform", "filter"] | ["transform", "set", ..]) => Role::Expression,
        (File::Pipeline, ["transform", ..] | ["source", _, "report", ..]) => Role::Foreign,
        (File::Pipeline, ["artifact", "name"] | ["deliver", _, "checksum" | "manifest" | "done_file", ..]) => {
            Role::Name
        }
        (File::Pipeline, ["deliver", _, "path"]) => Role::Remote,
        (File::Pipeline, ["source", "file", "path"]) => Role::Local,
        (File::Settings, ["log", ..] | ["fault"]) => Role::Free,
        (File::Settings, ["secrets", _] | [.., "answers" | "headers", _]) => Role::Secret,
        (File::Settings, ["alerts", "channels", _, "webhook"]) => Role::Secret,
        (File::Settings, [.., last]) if SECRETS.contains(last) => Role::Secret,
        (File::Settings, [.., "ack_file"] | [.., "ack_file", "name"]) => Role::Name,
        (File::Settings, [.., "base" | "staging"]) => Role::Remote,
        (File::Settings, ["pipelines" | "data" | "ledger"] | [.., "local", "path"]) => Role::Local,
        (File::Settings, [.., "known_hosts" | "ca" | "cert" | "agent"]) => Role::Local,
        _ => Role::Plain,
    }
}

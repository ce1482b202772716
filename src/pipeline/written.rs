//! Texts of a pipeline file that have a grammar of their own: parsed where they stand, wrong ones pointed at exactly.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::file::{DeliverFile, ReportName};
use super::plan::Encoding;
use super::problem::{Problem, Severity, did_you_mean};
use super::read::{FromNode, Named, scalar};
use super::tree::{Kind, Node, Origin, Style};
use crate::encode::name::NameTemplate;
use crate::schedule::cron::Cron;
use crate::transform::expr::{Expr, ExprProblem};

macro_rules! text_schema {
    ($Type:ty, $schema:tt) => {
        impl JsonSchema for $Type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($Type).into()
            }
            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

/// Reports what a parser of our own found wrong, where it found it.
fn within(node: &Node, offset: usize, len: usize, what: String, hint: Option<String>) -> Problem {
    Problem { hint, ..node.origin_within(offset, len).error(what) }
}

impl FromNode for Cron {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a cron expression", problems)?;
        Cron::parse(text)
            .map_err(|problem| problems.push(within(node, problem.offset, problem.len, problem.what, problem.hint)))
            .ok()
    }
}

/// An SQL scalar expression.
pub struct Expression {
    pub expr: Expr,
    /// Where each of its columns and secrets can be pointed at: its node.
    pub node: Node,
}

text_schema!(Expression, {"type": "string"});

impl FromNode for Expression {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "an expression", problems)?;
        let within = |problem: ExprProblem| within(node, problem.offset, problem.len, problem.what, problem.hint);
        match Expr::parse(text) {
            Ok(expr) => {
                let warnings = expr.warnings().iter().cloned().map(within);
                problems.extend(warnings.map(|problem| Problem { severity: Severity::Warning, ..problem }));
                Some(Expression { expr, node: node.clone() })
            }
            Err(problem) => {
                problems.push(within(problem));
                None
            }
        }
    }
}

impl Expression {
    /// Where a column or secret is first named in the expression's text; the whole expression where it is not found.
    pub fn origin_of(&self, name: &str) -> Origin {
        let Kind::Scalar(scalar) = &self.node.kind else { return self.node.origin.clone() };
        let whole_word = |at: &usize| {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            !scalar.text[..*at].ends_with(word) && !scalar.text[*at + name.len()..].starts_with(word)
        };
        match scalar.text.match_indices(name).map(|(at, _)| at).find(whole_word) {
            Some(offset) if !name.is_empty() => self.node.origin_within(offset, name.len()),
            _ => self.node.origin.clone(),
        }
    }
}

/// A name template.
pub struct Name(pub NameTemplate);

impl FromNode for Name {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        if let Some(name) = braces_without_quotes(node) {
            let problem = node.origin.error(format!("`{name}` without quotes is read as a table"));
            problems.push(problem.hint(format!("put it in quotes: `\"{name}\"`")));
            return None;
        }
        let (text, _) = scalar(node, "a file name", problems)?;
        NameTemplate::parse(text)
            .map(Name)
            .map_err(|problem| problems.push(within(node, problem.offset, problem.len, problem.what, problem.hint)))
            .ok()
    }
}

/// `{slot:%Y%m%d}`, read as a table with one key and nothing behind it.
fn braces_without_quotes(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Table(entries) => match entries.as_slice() {
            [(key, Node { kind: Kind::Null, .. })] => Some(format!("{{{}}}", key.text)),
            _ => None,
        },
        _ => None,
    }
}

/// A wall-clock time: `06:30`.
pub struct WallTime(pub jiff::civil::Time);

impl FromNode for WallTime {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a time of day", problems)?;
        let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?;
        let time = match text.split_once(':') {
            Some((hour, minute)) if hour.len() == 2 && minute.len() == 2 => number(hour)
                .zip(number(minute))
                .and_then(|(hour, minute)| jiff::civil::Time::new(hour, minute, 0, 0).ok()),
            _ => None,
        };
        if time.is_none() {
            let problem = node.error(format!("{text:?} is not a time of day"));
            problems.push(problem.hint("write hours and minutes, in quotes: `\"06:30\"`"));
        }
        time.map(WallTime)
    }
}

/// A file beside the data: whether there is one, or how it is called.
pub enum SideName {
    No,
    /// By its usual name.
    Usual,
    Named(NameTemplate),
}

text_schema!(SideName, {"type": ["boolean", "string"]});

impl FromNode for SideName {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match scalar(node, "`true` or a file name", problems)?.0 {
            "true" => Some(Self::Usual),
            "false" => Some(Self::No),
            _ => Name::from_node(node, problems).map(|name| Self::Named(name.0)),
        }
    }
}

/// An IANA time zone.
pub struct Zone(pub jiff::tz::TimeZone);

text_schema!(Zone, {"type": "string"});

impl FromNode for Zone {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a time zone", problems)?;
        crate::schedule::zone::parse(text)
            .map(Zone)
            .map_err(|problem| problems.push(node.error(problem.what).hint(problem.hint)))
            .ok()
    }
}

/// A directory below a destination's base, `/` separated, without a slash at its end; it never leaves the base. One that
/// begins with `/` is absolute where the destination has no base.
pub struct Directory(pub String);

text_schema!(Directory, {"type": "string"});

impl FromNode for Directory {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        if let Some(name) = braces_without_quotes(node) {
            let problem = node.origin.error(format!("`{name}` is not filled in here: a path is not a template"));
            problems.push(problem.hint("write the directory itself, and put the slot into the artifact's name"));
            return None;
        }
        let (text, _) = scalar(node, "a directory", problems)?;
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            problems.push(
                node.error("`..` leaves the destination's base directory")
                    .hint("write the directory from the base down"),
            );
            return None;
        }
        if text.contains(|c: char| c.is_control() || c == '\\') {
            let problem = node.error("a directory holds no backslashes or control characters");
            problems.push(problem.hint("separate directories by `/`"));
            return None;
        }
        let root = if text.starts_with('/') { "/" } else { "" };
        Some(Directory(format!("{root}{}", parts.join("/"))))
    }
}

/// One ASCII character between the cells.
pub struct Delimiter(pub u8);

text_schema!(Delimiter, {"type": "string", "minLength": 1, "maxLength": 1});

impl FromNode for Delimiter {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, style) = scalar(node, "a delimiter", problems)?;
        let meant = match (style, text.to_lowercase().as_str()) {
            (Style::Block, _) => Some("\"|\""),
            (_, "\\t" | "tab" | "<tab>" | "tabulator") => Some("\"\\t\""),
            (_, "pipe" | "bar") => Some("\"|\""),
            (_, "comma") => Some("\",\""),
            (_, "semicolon") => Some("\";\""),
            (_, "space") => Some("\" \""),
            _ => None,
        };
        if let Some(meant) = meant {
            let what = match style {
                Style::Block => "`|` and `>` without quotes begin a text of several lines".to_owned(),
                _ => format!("{text:?} is not one character"),
            };
            // A text of several lines is said to begin below its key.
            let at = node.named.as_ref().filter(|_| style == Style::Block).unwrap_or(&node.origin);
            problems.push(at.error(what).hint(format!("write `delimiter: {meant}`")));
            return None;
        }
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !b"\"\r\n\0".contains(byte) => Some(Delimiter(*byte)),
            _ => {
                problems.push(
                    node.error(format!("{text:?} cannot separate cells"))
                        .hint("write one ASCII character: `,`, `;`, `|`, or `\"\\t\"` for a tab"),
                );
                None
            }
        }
    }
}

impl FromNode for Encoding {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "an encoding", problems)?;
        let names = Encoding::ALL.map(Encoding::name);
        let found = Encoding::ALL.into_iter().find(|encoding| encoding.name().eq_ignore_ascii_case(text));
        if found.is_none() {
            let hint = match text.to_ascii_lowercase().replace(['_', ' '], "-").as_str() {
                "utf8" | "utf-8-sig" | "utf8-bom" | "unicode" => Some("utf-8"),
                "cp1252" | "1252" | "win1252" | "ansi" | "windows1252" => Some("windows-1252"),
                "latin1" | "latin-1" | "iso8859-1" | "l1" => Some("iso-8859-1"),
                "latin9" | "latin-9" | "latin0" | "iso8859-15" => Some("iso-8859-15"),
                "utf16" | "ucs-2" | "ucs2" => Some("utf-16"),
                "utf16le" | "utf-16-le" => Some("utf-16le"),
                "utf16be" | "utf-16-be" => Some("utf-16be"),
                _ => None,
            };
            let hint = hint.map(|name| format!("did you mean {name:?}?")).or_else(|| did_you_mean(text, names));
            let hint = hint.unwrap_or_else(|| format!("the encodings are {}", super::read::list(&names)));
            problems.push(node.error(format!("{text:?} is not an encoding that is read")).hint(hint));
        }
        found
    }
}

impl JsonSchema for Encoding {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Encoding".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": Encoding::ALL.map(Encoding::name)})
    }
}

/// A report's UUID or its name.
pub enum ReportFile {
    Id(String),
    Name(String),
}

impl FromNode for ReportFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        if matches!(node.kind, Kind::Table(_)) {
            let ReportName { name } = ReportName::from_node(node, problems)?;
            return Some(ReportFile::Name(name.value));
        }
        let (text, _) = scalar(node, "a report's UUID or `{name: …}`", problems)?;
        if is_uuid(text) {
            return Some(ReportFile::Id(text.to_ascii_lowercase()));
        }
        problems.push(
            node.error(format!("{text:?} is not a report's UUID"))
                .hint("write the UUID from the report's address, or its name as `{name: …}`"),
        );
        None
    }
}

/// RFC 9562: 8-4-4-4-12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl JsonSchema for ReportFile {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Report".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<ReportName>();
        let uuid = json_schema!({
            "type": "string",
            "pattern": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
        });
        json_schema!({"anyOf": [uuid, name]})
    }
}

/// One destination's entry; nothing behind its name means that all is left at the defaults.
pub struct Delivery {
    pub file: Option<DeliverFile>,
    pub origin: Origin,
}

impl FromNode for Delivery {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        Some(Delivery { file: DeliverFile::from_node(node, problems), origin: node.head().clone() })
    }
}

/// At least one destination.
pub struct Deliveries(pub Named<Delivery>);

impl FromNode for Deliveries {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let deliveries = Named::from_node(node, problems)?;
        if deliveries.0.is_empty() {
            problems.push(
                node.error("no destination is written here")
                    .hint("name at least one: `deliver: {hris: {path: /inbound}}`"),
            );
        }
        Some(Deliveries(deliveries))
    }
}

impl JsonSchema for Deliveries {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Deliveries".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let delivery = generator.subschema_for::<DeliverFile>();
        json_schema!({
            "type": "object", "minProperties": 1, "additionalProperties": {"anyOf": [delivery, {"type": "null"}]}
        })
    }
}

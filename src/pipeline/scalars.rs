//! Texts of a pipeline file with a grammar of their own, parsed with exact error positions.

use crate::expr::{Expr, ExprProblem};
use crate::name::NameTemplate;
use crate::schedule::cron::Cron;
use crate::settings::file::name::braces_without_quotes;
use crate::yaml::problem::{Problem, Severity};
use crate::yaml::read::{FromNode, scalar};
use crate::yaml::tree::{Node, NodeKind, Origin};

impl FromNode for Cron {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a cron expression", problems)?;
        Cron::parse(text)
            .map_err(|problem| {
                problems.push(node.error_within(problem.offset, problem.len, problem.what, problem.hint))
            })
            .ok()
    }
}

/// An SQL scalar expression.
pub struct Expression {
    pub expr: Expr,
    /// The node, for the positions of its columns and secrets.
    pub node: Node,
}

crate::schema_as!(Expression, {"type": "string"});

impl FromNode for Expression {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "an expression", problems)?;
        let within = |problem: ExprProblem| node.error_within(problem.offset, problem.len, problem.what, problem.hint);
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

/// The expression for a column's cells.
pub struct CellExpression(pub Expression);

crate::schema_as!(CellExpression, {"type": "string"});

impl FromNode for CellExpression {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let is_nothing = match &node.kind {
            NodeKind::Null => true,
            NodeKind::Scalar(scalar) => scalar.text.trim().is_empty(),
            NodeKind::List(_) | NodeKind::Table(_) => false,
        };
        if is_nothing {
            let problem = node.error("nothing is written here, an expression is expected");
            problems.push(problem.hint("for an empty cell write `\"''\"`; to remove the column, `drop` it"));
            return None;
        }
        Expression::from_node(node, problems).map(Self)
    }
}

impl Expression {
    /// Returns the first place of a column or secret in the expression's text, or the whole expression.
    pub fn origin_of(&self, name: &str) -> Origin {
        let NodeKind::Scalar(scalar) = &self.node.kind else { return self.node.origin.clone() };
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

/// Parses a local time: `06:30`.
impl FromNode for jiff::civil::Time {
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
        time
    }
}

/// A companion file: none, the usual name, or its own name.
pub enum CompanionName {
    No,
    /// With its usual name.
    Usual,
    Named(NameTemplate),
}

crate::schema_as!(CompanionName, {"type": ["boolean", "string"]});

impl FromNode for CompanionName {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match scalar(node, "`true` or a file name", problems)?.0 {
            "true" => Some(Self::Usual),
            "false" => Some(Self::No),
            _ => NameTemplate::from_node(node, problems).map(Self::Named),
        }
    }
}

impl FromNode for jiff::tz::TimeZone {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a time zone", problems)?;
        crate::schedule::zone::parse(text)
            .map_err(|problem| problems.push(node.error(problem.what).hint(problem.hint)))
            .ok()
    }
}

/// A directory below a destination's base, separated by `/`, without a trailing slash, never outside the base. One that
/// begins with `/` is absolute if the destination has no base.
pub struct Directory(pub String);

crate::schema_as!(Directory, {"type": "string"});

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
            let problem = node.error("a directory contains no backslashes or control characters");
            problems.push(problem.hint("separate directories by `/`"));
            return None;
        }
        let root = if text.starts_with('/') { "/" } else { "" };
        Some(Directory(format!("{root}{}", parts.join("/"))))
    }
}

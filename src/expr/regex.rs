//! Regular expressions: patterns and replacements are literals, compiled when the expression is checked.

use regex::bytes::{Regex, RegexBuilder};
use sqlparser::ast::Expr as Tree;

use super::ExprProblem;
use super::build::{Builder, Built, boxed};
use super::node::{Node, Piece, RegexFunction, Typed};
use super::place::place_of;
use super::value::{Type, Value};

/// The largest compiled pattern, in bytes.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// The largest number of a group that a replacement or `regexp_extract` can name.
const GROUP_MAX: usize = 9;

/// The functions of regular expressions, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegexCall {
    Matches,
    Extract,
    Replace,
}

struct Flags {
    ignores_case: bool,
    dot_is_any: bool,
    all: bool,
}

/// Splits a replacement such as `\2, \1`; a backslash itself is written `\\`.
fn pieces(text: &str, groups: usize) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            literal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next() {
            Some('\\') => literal.push(b'\\'),
            Some(digit @ '0'..='9') => {
                let group = digit as usize - '0' as usize;
                if group > groups {
                    return Err(format!("the pattern has {groups} groups, so \\{group} is none of them"));
                }
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Group(group));
            }
            _ => return Err("a backslash is followed by the number of a group or by another backslash".to_owned()),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

/// Returns the cause of a syntax error and the character of the pattern where it is. The error draws the pattern, and
/// `^` below the place.
fn cause_of(error: &regex::Error) -> String {
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return format!("it needs more than {COMPILED_BYTES_MAX} bytes");
    }
    let text = error.to_string();
    let cause = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let mark = text.lines().find(|line| line.trim_start().starts_with('^') && line.trim_matches([' ', '^']).is_empty());
    match mark.and_then(|line| line.find('^')).and_then(|column| column.checked_sub(3)) {
        Some(character) => format!("{cause}, at its character {character}"),
        None => cause,
    }
}

impl Builder<'_> {
    /// Builds `regexp_matches(x, pattern[, flags])` and its siblings.
    pub(super) fn regex(&mut self, call: RegexCall, arguments: &[&Tree]) -> Built {
        let of = boxed(self.build(arguments[0])?.cast(Type::Text));
        let name = match call {
            RegexCall::Matches => "regexp_matches",
            RegexCall::Extract => "regexp_extract",
            RegexCall::Replace => "regexp_replace",
        };
        let text = self.required_text(name, "pattern", arguments[1])?;
        let flags_at = if call == RegexCall::Matches { 2 } else { 3 };
        let flags = match arguments.get(flags_at) {
            Some(tree) => self.regex_flags(name, tree, call == RegexCall::Replace)?,
            None => Flags { ignores_case: false, dot_is_any: false, all: false },
        };
        let regex = self.pattern(&text, &flags, arguments[1])?;
        let groups = (regex.captures_len() - 1).min(GROUP_MAX);
        let (function, kind) = match call {
            RegexCall::Matches => (RegexFunction::Matches, Type::Bool),
            RegexCall::Extract => {
                let group = arguments.get(2).map_or(Ok(0), |tree| self.group(tree, groups))?;
                (RegexFunction::Extract { group }, Type::Text)
            }
            RegexCall::Replace => {
                let by = self.required_text(name, "replacement", arguments[2])?;
                let pieces = pieces(&by, groups).map_err(|what| {
                    self.problem(place_of(arguments[2]), what).hint("a group is `\\1`, all of the match `\\0`")
                })?;
                self.warn_of_dollar(&by, arguments[2]);
                (RegexFunction::Replace { by: pieces, all: flags.all }, Type::Text)
            }
        };
        self.checked.patterns.push(regex);
        let pattern = self.checked.patterns.len() - 1;
        Ok(Typed::new(Node::Regex { function, of, pattern }, kind))
    }

    fn regex_flags(&mut self, name: &str, tree: &Tree, replaces: bool) -> Built<Flags> {
        let text = self.required_text(name, "flags", tree)?;
        let mut flags = Flags { ignores_case: false, dot_is_any: false, all: false };
        for c in text.chars() {
            match c {
                'i' => flags.ignores_case = true,
                's' => flags.dot_is_any = true,
                'g' if replaces => flags.all = true,
                _ => {
                    let hint = match replaces {
                        true => "the flags are g (every match), i (ignores case) and s (`.` is also a line break)",
                        false => "the flags are i (ignores case) and s (`.` is also a line break)",
                    };
                    return Err(self.problem(place_of(tree), format!("{name} has no flag {c:?}")).hint(hint));
                }
            }
        }
        Ok(flags)
    }

    fn pattern(&self, text: &str, flags: &Flags, tree: &Tree) -> Built<Regex> {
        let mut builder = RegexBuilder::new(text);
        builder.case_insensitive(flags.ignores_case).dot_matches_new_line(flags.dot_is_any);
        builder.size_limit(COMPILED_BYTES_MAX).build().map_err(|error| {
            let what = format!("this is not a usable regular expression: {}", cause_of(&error));
            let hint = "the syntax is that of the Rust crate `regex`, which has no look-around and no back-references";
            self.problem(place_of(tree), what).hint(hint)
        })
    }

    fn group(&mut self, tree: &Tree, groups: usize) -> Built<usize> {
        let found = match self.build(tree)?.node {
            Node::Literal(Value::Int(group)) => usize::try_from(group).ok().filter(|group| *group <= groups),
            _ => None,
        };
        found.ok_or_else(|| {
            let what = format!("the pattern has {groups} groups, and 0 is all of the match");
            self.problem(place_of(tree), what).hint("write the number of a group, as in regexp_extract(x, '(a)', 1)")
        })
    }

    /// Warns of `$1`, which other engines read as a group.
    fn warn_of_dollar(&mut self, by: &str, tree: &Tree) {
        let is_group = |pair: &[u8]| pair[0] == b'$' && pair[1].is_ascii_digit();
        if let Some(at) = by.as_bytes().windows(2).position(is_group) {
            let number = char::from(by.as_bytes()[at + 1]);
            let what = format!("${number} is plain text in a replacement");
            let warning: ExprProblem = self.problem(place_of(tree), what).hint(format!("a group is `\\{number}`"));
            self.checked.warnings.push(warning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_are_split_at_their_groups() {
        let text = |text: &str| Piece::Text(text.as_bytes().to_vec());
        assert_eq!(pieces(r"\2, \1!", 2), Ok(vec![Piece::Group(2), text(", "), Piece::Group(1), text("!")]));
        assert_eq!(pieces(r"a\\1é", 0), Ok(vec![text(r"a\1é")]));
        assert_eq!(pieces("", 0), Ok(vec![]));
        for wrong in [r"\1", r"\n", r"x\"] {
            assert!(pieces(wrong, 0).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_place_of_a_syntax_error_is_named() {
        for (pattern, expected) in
            [("(b", "at its character 1"), ("a[z-b]", "at its character 3"), ("é*{2,1}", "at its character 3")]
        {
            let cause = cause_of(&Regex::new(pattern).unwrap_err());
            assert!(cause.ends_with(expected), "{pattern}: {cause}");
        }
        let error = RegexBuilder::new("(a{1000}){1000}").size_limit(COMPILED_BYTES_MAX).build().unwrap_err();
        assert_eq!(cause_of(&error), "it needs more than 1048576 bytes");
    }
}

//! The YAML parser's errors → plain English, each with its usual fix.

use serde_saphyr::granit_parser::ErrorKind;

/// Returns the description and the fix of an error; `line` is the line that the parser stopped on.
pub(super) fn describe(kind: &ErrorKind, line: &str) -> (String, String) {
    let (what, hint) = match kind {
        ErrorKind::MappingValueNotAllowed if line.matches(": ").count() > 1 => (
            "a second `: ` on one line".to_string(),
            "put the text in quotes, or the inner key on a line of its own, indented further",
        ),
        ErrorKind::MappingValueNotAllowed => (
            "this key does not belong here".to_string(),
            "indent it like its neighbours, and look for an unclosed quote or bracket above it",
        ),
        ErrorKind::ExpectedBlockMappingKey => (
            "this line does not line up with the keys above it".to_string(),
            "keys of one table begin in the same column",
        ),
        ErrorKind::UnclosedFlowCollection { open } => (format!("`{open}` is never closed"), "add the closing bracket"),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            (format!("`{open}` is closed by `{close}`"), "close each bracket with its own kind")
        }
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::UnexpectedEofFlowMapping => (
            "this table in braces is not closed".to_string(),
            "separate its entries with `, ` and close it with `}`; texts with commas or brackets need quotes",
        ),
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::UnexpectedEofFlowSequence => (
            "this list in brackets is not closed".to_string(),
            "separate its entries with `, ` and close it with `]`; texts with commas or brackets need quotes",
        ),
        ErrorKind::TabInBlockIndentation => {
            ("a tab is used to indent".to_string(), "YAML is indented with spaces: replace the tab")
        }
        ErrorKind::UnexpectedCharacter { character } => {
            (format!("a text cannot begin with `{}`", character.escape_default()), "put the text in quotes")
        }
        ErrorKind::MissingAnchorOrAliasName => (
            "a text that begins with `*` or `&` needs quotes".to_string(),
            "put the whole text in quotes: `cron: \"*/5 * * * *\"`",
        ),
        ErrorKind::UnclosedQuotedScalar => ("this quote is never closed".to_string(), "add the closing quote"),
        ErrorKind::UnknownQuotedScalarEscape => (
            "this escape is not known within double quotes".to_string(),
            "write `\\\\` for a backslash, or use single quotes",
        ),
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => (
            "something follows the closing quote".to_string(),
            "quote the whole text; within single quotes write `''` for a quote, within double quotes `\\\"`",
        ),
        ErrorKind::UnknownAnchor => {
            ("this anchor is not defined above it".to_string(), "a text that begins with `*` needs quotes")
        }
        other => {
            (format!("this is not YAML: {other}"), "look for an unclosed quote or bracket on this line or above it")
        }
    };
    (what, hint.to_string())
}

/// Finds the unclosed bracket or quote above byte `stopped` that made the parser fail: its place, problem and fix.
pub(super) fn opened_above(kind: &ErrorKind, text: &str, stopped: usize) -> Option<(usize, String, String)> {
    let before = text.get(..stopped)?;
    let (opened, what) = match kind {
        ErrorKind::InvalidTrailingSingleQuotedScalar => {
            (first_open_quote(before, '\'')?, "this quote is not closed on its line")
        }
        ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            (first_open_quote(before, '"')?, "this quote is not closed on its line")
        }
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::InvalidFlowScalarIndent
        | ErrorKind::MappingValueNotAllowed => (last_open_bracket(before)?, "this bracket is not closed"),
        // These errors are accurate, even if a bracket is open.
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::UnexpectedCharacter { .. }
        | ErrorKind::MissingAnchorOrAliasName
        | ErrorKind::UnclosedQuotedScalar
        | ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::UnknownAnchor => return None,
        _ => (last_open_bracket(before)?, "this bracket is not closed"),
    };
    let on_a_line_above = text.get(opened..stopped)?.contains('\n');
    on_a_line_above
        .then(|| (opened, what.to_string(), "close it, or put a text that only looks like one in quotes".into()))
}

/// Returns the last quote of the first line with an odd number of them.
fn first_open_quote(text: &str, quote: char) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let quotes: Vec<usize> = line
            .match_indices(quote)
            .map(|(at, _)| at)
            .filter(|at| quote == '\'' || !line[..*at].ends_with('\\'))
            .collect();
        if quotes.len() % 2 == 1 {
            return quotes.last().map(|at| start + at);
        }
        start += line.len();
    }
    None
}

/// Returns the innermost bracket that is open at the end of a text, outside of quotes and comments.
pub(super) fn last_open_bracket(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    let mut quoted = None;
    let mut comment = false;
    let mut before = '\n';
    for (at, character) in text.char_indices() {
        match (character, quoted) {
            ('\n', _) => comment = false,
            _ if comment => {}
            (character, Some(quote)) if character == quote => quoted = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) if "\n:,[{-".contains(before) => quoted = Some(character),
            ('#', None) if text[..at].ends_with([' ', '\n']) => comment = true,
            ('[' | '{', None) => open.push(at),
            (']' | '}', None) => drop(open.pop()),
            _ => {}
        }
        if !matches!(character, ' ' | '\t') {
            before = character;
        }
    }
    open.pop()
}

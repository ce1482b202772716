//! Common mistakes that are valid YAML, or that stop the parser some lines later: comments that truncate a text, commas
//! that split one, a missing space after a key.

use super::expand::{self, Braces};

/// Returns the text that `#` cut off a plain text ending at byte `end` of the file: `#1` of `Inbound #1`. One space
/// before it and none after it is typical of a text; comments have more.
pub(super) fn cut_off(text: &str, end: usize) -> Option<&str> {
    let rest = text.get(end..)?.split(['\n', '\r']).next()?;
    let note = rest.strip_prefix(" #")?;
    (!note.starts_with([' ', '#', '-', '=', '!'])).then(|| rest[1..].trim_end())
}

/// Returns the comment after a plain text that ends at byte `end`, in any form.
pub(super) fn comment_after(text: &str, end: usize) -> Option<&str> {
    let rest = text.get(end..)?.split(['\n', '\r']).next()?;
    let note = rest.trim_start();
    (note.starts_with('#') && note.len() < rest.len()).then(|| rest.trim_end())
}

/// Returns true if a text has an unclosed quote.
pub(super) fn has_open_quote(text: &str) -> bool {
    let mut within = None;
    for c in text.chars() {
        match within {
            Some(quote) if quote == c => within = None,
            None if matches!(c, '\'' | '"') => within = Some(c),
            _ => {}
        }
    }
    within.is_some()
}

/// Returns true if a text has an unclosed parenthesis.
pub(super) fn has_open_parenthesis(text: &str) -> bool {
    text.matches('(').count() > text.matches(')').count()
}

/// Quotes a text as one YAML scalar.
pub(super) fn quoted(text: &str) -> String {
    match text.contains(['"', '\\']) {
        false => format!("\"{text}\""),
        true => format!("'{}'", text.replace('\'', "''")),
    }
}

/// Returns the text from byte `start` to the parenthesis that closes the first one, on one line.
pub(super) fn to_closing_parenthesis(text: &str, start: usize) -> Option<&str> {
    let line = text.get(start..)?.split('\n').next()?;
    let mut depth = 0usize;
    let mut within = None;
    for (at, c) in line.char_indices() {
        match (c, within) {
            (c, Some(quote)) if c == quote => within = None,
            (_, Some(_)) => {}
            ('\'' | '"', None) => within = Some(c),
            ('(', None) => depth += 1,
            (')', None) if depth <= 1 => {
                // Text up to the end of the entry belongs to it: `f(a, b) || c`.
                let rest = &line[at + 1..];
                let more = rest.find([',', '}', ']']).unwrap_or(rest.len());
                return (depth == 1).then(|| line[..at + 1 + more].trim_end());
            }
            (')', None) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Returns the mistake that made the parser stop at byte `stopped`: its place, length, description and fix.
pub(super) fn cause_of_error(
    text: &str,
    stopped: usize,
    open_bracket: Option<usize>,
) -> Option<(usize, usize, String, String)> {
    let lines = lines_before(text, stopped);
    confusable_character(&lines)
        .or_else(|| placeholder(&lines))
        .or_else(|| braces(&lines))
        .or_else(|| missing_space(&lines))
        .or_else(|| after_quote(&lines, stopped).filter(|_| open_bracket.is_none()))
        .or_else(|| unfit_start(text, stopped, open_bracket))
        .or_else(|| comment_in_brackets(text, open_bracket?))
        .or_else(|| commas(text, stopped, open_bracket?))
}

type Slip = (usize, usize, String, String);

/// Returns the line of a byte and up to two above it, the nearest first, with their byte offsets.
fn lines_before(text: &str, stopped: usize) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if start > stopped {
            break;
        }
        lines.push((start, line.trim_end_matches(['\n', '\r'])));
        start += line.len();
    }
    lines.into_iter().rev().filter(|(_, line)| !line.trim_start().starts_with('#')).take(3).collect()
}

fn confusable_character(lines: &[(usize, &str)]) -> Option<Slip> {
    lines.iter().take(2).find_map(|(start, line)| {
        let (at, c) = super::characters::in_line(line)?;
        // Visible characters are a cause only at the start of a text.
        let begins = at == line.len() - line.trim_start().len() || value_at(line) == Some(at);
        let seen = super::characters::confusable(c).is_some_and(|found| found.visible);
        if seen && !begins && c != '：' {
            return None;
        }
        let what = format!("{} is on this line", super::characters::named(c));
        Some((start + at, c.len_utf8(), what, super::characters::fix(c)))
    })
}

/// Finds `name: {slot:%Y}.csv`, `name: {{ ds }}.csv`.
fn braces(lines: &[(usize, &str)]) -> Option<Slip> {
    lines.iter().find_map(|(start, line)| {
        let (at, value) = line.match_indices(": {").find_map(|(colon, _)| {
            let rest = &line[colon + 2..];
            let close = rest
                .find('}')
                .map(|close| close + rest[close..].len() - rest[close..].trim_start_matches('}').len())?;
            let more = rest[close..].find([' ', ',', '}', ']']).unwrap_or(rest.len() - close);
            // A table has spaces, a placeholder of this program has none.
            let placeholder = rest.starts_with("{{") || !rest[..close].contains(' ');
            (placeholder && more > 0).then(|| (colon + 2, &rest[..close + more]))
        })?;
        if value.starts_with("{{") {
            let what = "`{{ … }}` is not filled in here";
            let hint = "write the text itself; in a name, the slot's time is `\"{slot:%Y%m%d}.csv\"`";
            return Some((start + at, value.len(), what.to_owned(), hint.to_owned()));
        }
        let what = "a text that begins with `{` is parsed as a table";
        Some((start + at, value.len(), what.to_owned(), format!("put it in quotes: `{}`", quoted(value))))
    })
}

/// Finds `{path: ${ENV}/in}`: a placeholder of another program, and a bracket to YAML.
fn placeholder(lines: &[(usize, &str)]) -> Option<Slip> {
    let (start, line) = lines.first()?;
    let line = line.split(" #").next()?;
    let found = expand::find(line, Braces::Ours)?;
    let text = line.get(found.offset..found.offset + found.len)?;
    let what = format!("`{text}` is not filled in here");
    let hint =
        "write the text itself; a secret is written `{env: NAME}`, the slot in a name `{slot:%Y%m%d}`".to_owned();
    ["${", "$(", "#{", "@{", "%{", "{%"]
        .iter()
        .any(|open| text.starts_with(open))
        .then(|| (start + found.offset, found.len, what, hint))
}

/// Finds `filter: "Status" = 'x'`: the quotes of a name are taken for the text's.
fn after_quote(lines: &[(usize, &str)], stopped: usize) -> Option<Slip> {
    let (start, line) = lines.first()?;
    let at = value_at(line)?;
    let value = line[at..].trim_end();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = value[1..].replace("''", "  ");
    let close = 1 + inner.find(quote)?;
    let rest = value.get(close + 1..)?.trim_start();
    let what = "something follows the closing quote";
    let is_cause = stopped > start + at + close;
    (is_cause && !rest.is_empty() && !rest.starts_with('#'))
        .then(|| (start + at, value.len(), what.to_owned(), format!("quote the whole text: `{}`", quoted(value))))
}

/// Finds `csv: {delimiter: |, …}`: characters that cannot begin a text.
fn unfit_start(text: &str, stopped: usize, open_bracket: Option<usize>) -> Option<Slip> {
    let rest = text.get(stopped..)?.split(['\n', '\r']).next()?;
    rest.chars().next().filter(|c| "|>@`%".contains(*c))?;
    if let Some(start) = open_bracket.map(|open| entry_start(text, open, stopped)).filter(|start| *start < stopped) {
        let line = text.get(start..)?.split(['\n', '\r']).next()?;
        let value = to_closing_parenthesis(text, start).or_else(|| line.split([',', '}', ']']).next())?.trim_end();
        let what = "a text that begins with a quote ends with it";
        return Some((start, value.len(), what.to_owned(), format!("quote the whole text: `{}`", quoted(value))));
    }
    let end = match open_bracket {
        Some(_) => rest.find([',', '}', ']']).unwrap_or(rest.len()),
        None => rest.find(" #").unwrap_or(rest.len()),
    };
    let value = rest[..end].trim_end();
    let what = format!("a text cannot begin with `{}`", &value[..1]);
    Some((stopped, value.len(), what, format!("put it in quotes: `{}`", quoted(value))))
}

/// Returns the start of the bracket's entry that contains byte `stopped`.
fn entry_start(text: &str, open: usize, stopped: usize) -> usize {
    let mut start = open + 1;
    let mut within = None;
    let inside = text.get(open + 1..stopped).unwrap_or_default();
    for (at, c) in inside.char_indices() {
        match within {
            Some(quote) if quote == c => within = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => within = Some(c),
            None if matches!(c, ',' | '{' | '[') || inside[at..].starts_with(": ") => start = open + 2 + at,
            None => {}
        }
    }
    let rest = text.get(start..stopped).unwrap_or_default();
    start + rest.len() - rest.trim_start().len()
}

/// Finds `{course: Course #, done: Done}`: the rest of the line is a comment.
fn comment_in_brackets(text: &str, open: usize) -> Option<Slip> {
    let line = text.get(open..)?.split(['\n', '\r']).next()?;
    let hash = line.find(" #").filter(|at| !has_open_quote(&line[..*at]))?;
    let close = if line.starts_with('[') { ']' } else { '}' };
    let end = hash + line[hash..].rfind(close).and_then(|_| line[hash..].find([',', ']', '}']))?;
    let before = &line[..hash];
    let start = before.rfind([',', '{', '[']).map_or(0, |at| at + 1).max(before.rfind(": ").map_or(0, |at| at + 2));
    let start = start + line[start..].len() - line[start..].trim_start().len();
    let value = line.get(start..end)?.trim_end();
    let what = "a `#` after a space begins a comment: the rest of the line is cut off";
    Some((open + start, value.len(), what.to_owned(), format!("put it in quotes: `{}`", quoted(value))))
}

/// Finds `timezone:America/New_York`.
fn missing_space(lines: &[(usize, &str)]) -> Option<Slip> {
    lines.iter().find_map(|(start, line)| {
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        let (key, value) = line[indent..].split_once(':')?;
        let is_key = key.starts_with(|c: char| c.is_ascii_lowercase())
            && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let joined = value.starts_with(|c: char| !c.is_whitespace() && c != ':') && !value.starts_with("//");
        let hint = format!("write `{key}: {}`", value.trim_end());
        (is_key && joined).then(|| (start + indent, key.len() + 1, format!("a space is missing after `{key}:`"), hint))
    })
}

/// Finds `set: {d: f(a, 'x', 'y')}`: the first comma ends the entry.
fn commas(text: &str, stopped: usize, open: usize) -> Option<Slip> {
    let inside = text.get(open + 1..stopped.max(open + 1))?;
    let entry = has_open_parenthesis(inside).then(|| inside.find('('))??;
    let before = &inside[..entry];
    let start = before.rfind([',', '{', '[']).map_or(0, |at| at + 1).max(before.rfind(": ").map_or(0, |at| at + 2));
    let start = open + 1 + start + (inside[start..].len() - inside[start..].trim_start().len());
    let value = to_closing_parenthesis(text, start)?;
    let what = "commas separate the entries of `{…}` and `[…]`: this text is cut at its first comma";
    Some((start, value.len(), what.to_owned(), format!("put it in quotes: `{}`", quoted(value))))
}

/// Returns the start of the value of a line's key.
fn value_at(line: &str) -> Option<usize> {
    let colon = line.find(": ")?;
    let rest = &line[colon + 1..];
    Some(colon + 1 + rest.len() - rest.trim_start().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_what_has_more_space() {
        let cut = |text: &str| cut_off(text, "path: Inbound".len()).map(str::to_owned);
        assert_eq!(cut("path: Inbound #1\n").as_deref(), Some("#1"));
        assert_eq!(cut("path: Inbound #").as_deref(), Some("#"));
        for comment in [
            "path: Inbound # the first",
            "path: Inbound  #1",
            "path: Inbound\n",
            "path: Inbound #------",
            "path: Inbound ## x",
        ] {
            assert_eq!(cut(comment), None, "{comment}");
        }
        assert_eq!(comment_after("s = 'Level #1'", 10), Some(" #1'"));
        assert_eq!(comment_after("s = 'Level#1'", 10), None);
        assert!(has_open_quote("s = 'Level") && !has_open_quote("s = 'L\"x'"));
    }

    #[test]
    fn texts_are_quoted_as_yaml_reads_them() {
        assert_eq!(quoted("f(a, 'x')"), "\"f(a, 'x')\"");
        assert_eq!(quoted("\"a\" = 'x'"), "'\"a\" = ''x'''");
        assert_eq!(to_closing_parenthesis("{d: f(a, g(')'), 'y') || b, e: c}", 4), Some("f(a, g(')'), 'y') || b"));
        assert_eq!(to_closing_parenthesis("f(a", 0), None);
    }
}

//! Characters that word processors and web pages put into expressions, with their names and replacements.

use super::ExprProblem;

/// Returns the name of such a character and its replacement, which is empty if it should be deleted.
fn lookalike(c: char) -> Option<(&'static str, &'static str)> {
    Some(match c {
        '‘' | '’' | '‚' | '‛' | '′' | '´' | '`' => ("a typographic quote", "'"),
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => ("a typographic quote", "'"),
        '\u{a0}' | '\u{202f}' | '\u{2007}' => ("a no-break space", " "),
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{205f}' | '\u{3000}' => ("a space that is not the plain one", " "),
        '\0' => ("a NUL character", ""),
        '\u{200b}' => ("a zero-width space", ""),
        '\u{200c}' | '\u{200d}' | '\u{2060}' | '\u{ad}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' => {
            ("an invisible character", "")
        }
        '\u{feff}' => ("a byte order mark", ""),
        '–' | '—' | '−' | '‐' | '‑' => ("a dash that is not the minus sign", "-"),
        '≠' => ("the sign", "<>"),
        '≤' => ("the sign", "<="),
        '≥' => ("the sign", ">="),
        '×' => ("the sign", "*"),
        '÷' => ("the sign", "/"),
        '，' => ("a full-width comma", ","),
        '（' => ("a full-width parenthesis", "("),
        '）' => ("a full-width parenthesis", ")"),
        '＝' => ("a full-width sign", "="),
        '＜' => ("a full-width sign", "<"),
        '＞' => ("a full-width sign", ">"),
        c if c.is_control() && !matches!(c, '\n' | '\r' | '\t') => ("a control character", ""),
        _ => return None,
    })
}

/// Refuses the first character outside of quotes that no expression can contain; inside quotes, only NUL.
pub(super) fn refuse(text: &str) -> Result<(), ExprProblem> {
    let mut quote = None;
    for (offset, c) in text.char_indices() {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (Some(_), '\0') => {}
            (Some(_), _) => continue,
            (None, '\'' | '"') => quote = Some(c),
            (None, _) => {}
        }
        if matches!(c, '{' | '}') {
            let what = format!("`{c}` has no meaning in an expression");
            let hint = "nothing is filled in here: write the value itself, a text in single quotes".to_owned();
            return Err(ExprProblem { offset, len: 1, what, hint: Some(hint) });
        }
        let Some((name, by)) = lookalike(c) else { continue };
        let shown = if c.is_control() || by.is_empty() || by == " " { String::new() } else { format!(" {c}") };
        let hint = match by {
            "" => "delete it".to_owned(),
            " " => "write a plain space for it".to_owned(),
            "'" if "“”„‟″«»".contains(c) => {
                "write `'` around a text, `\"` around the name of a column".to_owned()
            }
            by => format!("write `{by}` for it"),
        };
        let what = format!("there is {name}{shown} (U+{:04X}) in the expression", u32::from(c));
        return Err(ExprProblem { offset, len: c.len_utf8(), what, hint: Some(hint) });
    }
    Ok(())
}

/// Returns unquoted names with a minus, such as `employee-id`, which SQL reads as differences.
pub(super) fn hyphenated(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut quote = None;
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, _) if c.is_alphanumeric() || c == '_' || c == '-' => {
                word.push(c);
                continue;
            }
            (None, _) => {}
        }
        let is_name = |part: &str| part.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if word.contains('-') && word.split('-').all(is_name) {
            found.push(word.clone());
        }
        word.clear();
    }
    found
}

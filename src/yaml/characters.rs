//! Characters that are invisible, or that look like others: no-break spaces, curly quotes, NUL.

/// The name of such a character, and its replacement.
pub struct Confusable {
    pub name: &'static str,
    pub instead: &'static str,
    pub visible: bool,
}

/// Returns the description of an invisible or confusable character, or `None` for any other.
pub fn confusable(c: char) -> Option<Confusable> {
    let hidden = |name, instead| Some(Confusable { name, instead, visible: false });
    let looks = |name, instead| Some(Confusable { name, instead, visible: true });
    match c {
        '\t' | '\n' | '\r' => None,
        '\0' => hidden("a NUL character", ""),
        '\u{a0}' => hidden("a no-break space", " "),
        '\u{202f}' => hidden("a narrow no-break space", " "),
        '\u{2000}'..='\u{200a}' | '\u{205f}' => hidden("a typographic space", " "),
        '\u{3000}' => hidden("an ideographic space", " "),
        '\u{200b}' => hidden("a zero-width space", ""),
        '\u{200c}' | '\u{200d}' | '\u{2060}' => hidden("a zero-width character", ""),
        '\u{feff}' => hidden("a byte order mark", ""),
        '\u{ad}' => hidden("a soft hyphen", ""),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            hidden("a mark for the direction of writing", "")
        }
        '\u{85}' | '\u{2028}' | '\u{2029}' => hidden("a line separator", ""),
        c if c.is_control() => hidden("a control character", ""),
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' => looks("a curly quote", "\""),
        '‘' | '’' | '‚' | '‛' | '′' | '´' => looks("a curly quote", "'"),
        '‐' | '‑' | '‒' | '–' | '—' | '−' => looks("a typographic dash", "-"),
        '\u{ff01}'..='\u{ff5e}' => looks("a full-width character", ""),
        _ => None,
    }
}

/// Names a character: `a no-break space (U+00A0)`.
pub fn named(c: char) -> String {
    let name = confusable(c).map_or("the character", |found| found.name);
    format!("{name} (U+{:04X})", u32::from(c))
}

/// Returns the hint that fixes it.
pub fn fix(c: char) -> String {
    // Full-width characters are ASCII at an offset.
    if let Some(ascii) = u32::from(c).checked_sub(0xfee0).filter(|_| matches!(c, '\u{ff01}'..='\u{ff5e}')) {
        return format!("write `{}` in its place", char::from_u32(ascii).unwrap_or(' '));
    }
    match confusable(c).map_or("", |found| found.instead) {
        " " => "write an ordinary space in its place, or none".to_owned(),
        "" => "remove it".to_owned(),
        instead => format!("write `{instead}` in its place"),
    }
}

/// Returns the first invisible character and its byte offset.
pub fn hidden(text: &str) -> Option<(usize, char)> {
    text.char_indices().find(|(_, c)| confusable(*c).is_some_and(|found| !found.visible))
}

/// Returns a curly quote around a text that was meant to be quoted.
pub fn curly_quote(text: &str) -> Option<(usize, char)> {
    let is_quote = |c: &char| confusable(*c).is_some_and(|found| found.visible && matches!(found.instead, "\"" | "'"));
    let first = text.chars().next().filter(is_quote).map(|c| (0, c));
    first.or_else(|| text.char_indices().next_back().filter(|(_, c)| is_quote(c)))
}

/// Returns the first such character of a line of YAML outside of its comment.
pub fn in_line(line: &str) -> Option<(usize, char)> {
    let end = line.find(" #").unwrap_or(line.len());
    line[..end].char_indices().find(|(_, c)| confusable(*c).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_named_with_their_code_point_and_what_to_type() {
        assert_eq!(named('\u{a0}'), "a no-break space (U+00A0)");
        assert_eq!(named('”'), "a curly quote (U+201D)");
        assert_eq!((named('\0').as_str(), fix('\0').as_str()), ("a NUL character (U+0000)", "remove it"));
        assert_eq!(fix('’'), "write `'` in its place");
        assert_eq!(fix('：'), "write `:` in its place");
        assert!(["é", "ß", "日本", "’s", "a – b", "\t"].iter().all(|text| hidden(text).is_none()));
        assert_eq!(hidden("a\u{200b}b"), Some((1, '\u{200b}')));
        assert_eq!(curly_quote("“out.csv”"), Some((0, '“')));
        assert_eq!(curly_quote("L’Oréal.csv"), None);
        assert_eq!(in_line("a: b # “note”"), None);
    }
}

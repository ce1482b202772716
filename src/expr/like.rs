//! SQL `LIKE` patterns: `%` is any run of characters, `_` is one; compared byte for byte otherwise.

use memchr::memmem;

/// One piece between two `%`: consecutive characters to match.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    parts: Vec<PatternPart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternPart {
    Bytes(Vec<u8>),
    AnyOne,
}

/// A compiled pattern. Pieces are matched leftmost, one after the other: no backtracking beyond one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LikePattern {
    /// At least one; a `%` separates adjacent pieces.
    pieces: Vec<Piece>,
}

impl LikePattern {
    /// Compiles a pattern; fails if it ends with its escape character.
    pub(crate) fn compile(pattern: &str, escape: Option<char>) -> Result<Self, String> {
        let mut pieces = vec![Piece { parts: Vec::new() }];
        let mut rest = pattern.chars();
        while let Some(c) = rest.next() {
            let parts = &mut pieces.last_mut().ok_or("a pattern has a piece")?.parts;
            let literal = if Some(c) == escape {
                rest.next().ok_or_else(|| "the pattern ends with its escape character".to_owned())?
            } else if c == '_' {
                parts.push(PatternPart::AnyOne);
                continue;
            } else if c == '%' {
                pieces.push(Piece { parts: Vec::new() });
                continue;
            } else {
                c
            };
            if !matches!(parts.last(), Some(PatternPart::Bytes(_))) {
                parts.push(PatternPart::Bytes(Vec::new()));
            }
            if let Some(PatternPart::Bytes(bytes)) = parts.last_mut() {
                bytes.extend_from_slice(literal.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        Ok(Self { pieces })
    }

    /// Returns true if `text` (UTF-8) matches the pattern.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let Some((first, others)) = self.pieces.split_first() else { return false };
        let Some(mut at) = first.match_at(text, 0) else { return false };
        let Some((last, middle)) = others.split_last() else { return at == text.len() };
        for piece in middle {
            let Some(end) = piece.find(text, at) else { return false };
            at = end;
        }
        last.start_of_end(text, at).is_some_and(|start| last.match_at(text, start) == Some(text.len()))
    }
}

fn next_char(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at + 1;
    text.get(at)?;
    while text.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
        end += 1;
    }
    Some(end)
}

impl Piece {
    /// Returns the end of the piece if it matches at `at`.
    fn match_at(&self, text: &[u8], mut at: usize) -> Option<usize> {
        for part in &self.parts {
            at = match part {
                PatternPart::Bytes(bytes) => text[at..].starts_with(bytes).then_some(at + bytes.len())?,
                PatternPart::AnyOne => next_char(text, at)?,
            };
        }
        Some(at)
    }

    /// Returns the start and end of the leftmost match at or after `from`.
    fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        if let [PatternPart::Bytes(bytes)] = self.parts.as_slice() {
            return memmem::find(&text[from..], bytes).map(|found| from + found + bytes.len());
        }
        let mut at = from;
        loop {
            if let Some(end) = self.match_at(text, at) {
                return Some(end);
            }
            at = next_char(text, at)?;
        }
    }

    /// Returns the start of a match that ends with the text, if there is space for it after `from`.
    fn start_of_end(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut start = text.len();
        for part in self.parts.iter().rev() {
            let least = from + 1;
            start = match part {
                PatternPart::Bytes(bytes) => start.checked_sub(bytes.len())?,
                PatternPart::AnyOne => {
                    let mut at = start.checked_sub(1)?;
                    while at >= least && text[at] & 0xC0 == 0x80 {
                        at -= 1;
                    }
                    at
                }
            };
        }
        (start >= from).then_some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match() {
        for (text, pattern, escape, expected) in [
            ("abc", "a%", None, true),
            ("abc", "%c", None, true),
            ("abc", "%b%", None, true),
            ("abc", "abc", None, true),
            ("abc", "ab", None, false),
            ("abc", "a_c", None, true),
            ("a", "a%a", None, false),
            ("aa", "a%a", None, true),
            ("aXbXc", "a%b%c", None, true),
            ("é", "_", None, true),
            ("né", "n_", None, true),
            ("né", "%_", None, true),
            ("né", "%é", None, true),
            ("", "%", None, true),
            ("", "_", None, false),
            ("", "%_%", None, false),
            ("a\nb", "a%b", None, true),
            ("a%c", "a!%c", Some('!'), true),
            ("abc", "a!%c", Some('!'), false),
            ("a!c", "a!!c", Some('!'), true),
            ("a\\c", "a\\c", None, true),
            ("abab", "%ab", None, true),
            ("aab", "%_b", None, true),
            ("xyzxyw", "%xy_%w", None, true),
        ] {
            let compiled = LikePattern::compile(pattern, escape).unwrap();
            assert_eq!(compiled.matches(text.as_bytes()), expected, "{text:?} like {pattern:?}");
        }
        assert!(LikePattern::compile("a!", Some('!')).is_err());
    }
}

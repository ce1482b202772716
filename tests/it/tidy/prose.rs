//! The words in a source file that people read: comments, doc comments and strings, each as one text.

use super::source::Source;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Doc,
    Comment,
    Text,
}

pub(super) struct Prose {
    pub kind: Kind,
    /// Line breaks and indentation are single spaces.
    pub text: String,
    /// Where in `text` each line begins, in bytes, with its number.
    starts: Vec<(usize, usize)>,
}

impl Prose {
    fn new(kind: Kind, line: usize, text: &str) -> Self {
        let mut prose = Prose { kind, text: String::new(), starts: Vec::new() };
        for (number, part) in text.lines().enumerate() {
            prose.push(line + number, part.trim_end_matches('\\'));
        }
        prose
    }

    fn push(&mut self, line: usize, part: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.starts.push((self.text.len(), line));
        self.text.push_str(part.trim());
    }

    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.starts.iter().rev().find(|(start, _)| *start <= offset).map_or(0, |(_, line)| *line)
    }
}

/// Returns the paragraphs of a page: blank lines, list items and table rows separate them.
pub(super) fn of_page(text: &str) -> Vec<Prose> {
    let mut found: Vec<Prose> = Vec::new();
    let mut ended = true;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start().trim_start_matches('#');
        if line.trim().is_empty() {
            ended = true;
            continue;
        }
        if ended || line.starts_with(['-', '|', '*']) {
            found.push(Prose::new(Kind::Text, number + 1, ""));
        }
        ended = false;
        if let Some(last) = found.last_mut() {
            last.push(number + 1, line);
        }
    }
    found
}

/// Line comments that follow each other are one text, and so is each string.
pub(super) fn of_source(source: &Source) -> Vec<Prose> {
    let text = source.text.as_bytes();
    let mut found: Vec<Prose> = Vec::new();
    let mut comment_ended = 0; // the line of the last comment
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let rest = &source.text[at..];
        let length = if rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            let (comment, is_doc) = comment(&rest[..length]);
            let kind = if is_doc { Kind::Doc } else { Kind::Comment };
            match found.last_mut() {
                Some(last) if last.kind == kind && comment_ended + 1 == line && !comment.trim().is_empty() => {
                    last.push(line, comment);
                    comment_ended = line;
                }
                _ if comment.trim().is_empty() => {}
                _ => {
                    found.push(Prose::new(kind, line, comment));
                    comment_ended = line;
                }
            }
            length
        } else if let Some(end) = raw_string(rest) {
            found.push(Prose::new(Kind::Text, line, &rest[..end]));
            end
        } else if rest.starts_with('"') {
            let end = quoted(rest);
            found.push(Prose::new(Kind::Text, line, &rest[1..end - 1]));
            end
        } else if let Some(end) = character(rest) {
            end
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

fn comment(line: &str) -> (&str, bool) {
    let text = line.trim_start_matches('/');
    let slashes = line.len() - text.len();
    match text.strip_prefix('!') {
        Some(text) if slashes == 2 => (text, true),
        _ => (text, slashes == 3),
    }
}

/// The length of a string that begins here.
fn quoted(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].strip_prefix('"')?;
    let closing = format!("\"{}", "#".repeat(hashes));
    let start = hashes + 2;
    text[start..].find(&closing).map(|end| start + end + closing.len())
}

/// The length of a character literal; a lifetime has none.
fn character(text: &str) -> Option<usize> {
    let mut letters = text.strip_prefix('\'')?.char_indices();
    let (_, first) = letters.next()?;
    if first == '\\' {
        return text[3..].find('\'').map(|end| end + 4);
    }
    let (at, second) = letters.next()?;
    (second == '\'').then_some(at + 2)
}

//! Formats of Java, .NET, Oracle and spreadsheets → strftime, for hints.

/// The strftime format that a format without `%` most likely means: `%m/%d/%Y` for `MM/dd/yyyy`. `None` where there is
/// nothing of a date or a time in it.
pub(super) fn to_strftime(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut seen = Seen::default();
    // A letter that touches a part of a date is of a word, and the word is none: `date`, `foo`.
    let (mut after_token, mut after_letter) = (false, false);
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (literal, after) = quoted.split_once('\'')?;
            out.push_str(literal);
            rest = after;
            (after_token, after_letter) = (false, false);
        } else if let Some((directive, length)) = token(rest, &mut seen) {
            if after_letter {
                return None;
            }
            out.push_str(directive);
            rest = &rest[length..];
            after_token = true;
        } else if first == '"' {
            rest = &rest[1..];
            (after_token, after_letter) = (false, false);
        } else {
            out.push(first);
            // A word is copied whole: the `d` of `and` is no day.
            let is_separator = first == 'T' && rest[1..].starts_with(['H', 'h']);
            let is_letter = first.is_ascii_alphabetic() && !is_separator;
            if is_letter && after_token {
                return None;
            }
            let word = if is_letter {
                rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len()
            } else {
                first.len_utf8()
            };
            out.push_str(&rest[first.len_utf8()..word]);
            rest = &rest[word..];
            (after_token, after_letter) = (false, is_letter);
        }
    }
    (seen.is_time).then_some(out)
}

#[derive(Default)]
struct Seen {
    /// A part that a date or a time of day cannot do without.
    is_time: bool,
    hour: bool,
    month: bool,
    second: bool,
    /// The token before was an hour or a minute: what comes next is of the time of day.
    in_clock: bool,
}

/// Words that are compared without regard to case, longest first.
const WORDS: &[(&str, &str)] = &[
    ("month", "%B"),
    ("hh24", "%H"),
    ("hh12", "%I"),
    ("tzh:tzm", "%:z"),
    ("am/pm", "%p"),
    ("a.m.", "%p"),
    ("p.m.", "%p"),
    ("mon", "%b"),
    ("day", "%A"),
    ("mi", "%M"),
    ("am", "%p"),
    ("pm", "%p"),
    ("tt", "%p"),
    ("dy", "%a"),
];

fn token(text: &str, seen: &mut Seen) -> Option<(&'static str, usize)> {
    for (word, directive) in WORDS {
        if text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)) {
            seen.is_time |= directive.ends_with(['B', 'b', 'H', 'I', 'M']);
            seen.hour |= directive.ends_with(['H', 'I']);
            seen.in_clock = directive.ends_with(['H', 'I', 'M']) && *directive != "%M" || *word == "mi";
            seen.month |= matches!(*directive, "%B" | "%b");
            return Some((directive, word.len()));
        }
    }
    let letter = text.chars().next()?;
    let count = text.len() - text.trim_start_matches(letter).len();
    let directive = match (letter, count) {
        ('y' | 'Y' | 'u', 3..) => "%Y",
        ('y' | 'Y' | 'u', 2) => "%y",
        ('y' | 'Y' | 'u', 1) if !next_is_letter(text, 1) => "%Y",
        ('M' | 'm', 4..) => "%B",
        ('M' | 'm', 3) => "%b",
        ('M' | 'm', 1 | 2) if is_minute(letter, text, count, seen) => {
            if count == 1 {
                "%-M"
            } else {
                "%M"
            }
        }
        ('M' | 'm', 2) => "%m",
        ('M' | 'm', 1) => "%-m",
        ('d' | 'D', 4) | ('E', 4..) => "%A",
        ('d' | 'D', 3) | ('E', 1..=3) => "%a",
        ('d' | 'D', 2) => "%d",
        ('d' | 'D', 1) => "%-d",
        ('H' | 'k', 2) => "%H",
        ('H' | 'k', 1) => "%-H",
        ('h' | 'K', 2) => {
            if is_half_day(text) {
                "%I"
            } else {
                "%H"
            }
        }
        ('h' | 'K', 1) => {
            if is_half_day(text) {
                "%-I"
            } else {
                "%-H"
            }
        }
        ('s', 2) => "%S",
        ('s', 1) => "%-S",
        ('S', 2) if !seen.second => "%S",
        ('S' | 'f' | 'F', 3) => "%3f",
        ('S' | 'f' | 'F', 6) => "%6f",
        ('S' | 'f' | 'F', 1..=9) => "%f",
        ('a' | 'A', 1) => "%p",
        ('Z', 1) => "%z",
        ('Z', 2) | ('X' | 'x', 2..=3) => "%:z",
        ('z', 3) | ('X' | 'x', 1) => "%:z",
        _ => return None,
    };
    seen.is_time |= !matches!(letter, 'S' | 'f' | 'F' | 'a' | 'A' | 'Z' | 'z' | 'X' | 'x' | 'E');
    seen.hour |= matches!(letter, 'H' | 'h' | 'k' | 'K');
    seen.month |= matches!(directive, "%m" | "%-m" | "%b" | "%B");
    seen.second |= matches!(directive, "%S" | "%-S");
    seen.in_clock = matches!(letter, 'H' | 'h' | 'k' | 'K') || matches!(directive, "%M" | "%-M");
    Some((directive, count))
}

fn next_is_letter(text: &str, at: usize) -> bool {
    text[at..].chars().next().is_some_and(char::is_alphabetic)
}

/// `MM` is the minute behind an hour, or where the month is known already.
fn is_minute(letter: char, text: &str, count: usize, seen: &Seen) -> bool {
    let before_seconds = text[count..].trim_start_matches([':', '.']).starts_with(['s', 'S']);
    seen.in_clock || (letter == 'm' && before_seconds) || (seen.month && seen.hour)
}

/// Whether a format says morning or afternoon: `hh` is then an hour from 1 to 12.
fn is_half_day(rest: &str) -> bool {
    let rest = rest.to_ascii_lowercase();
    rest.contains("am") || rest.contains("a.m") || rest.contains("tt") || rest.ends_with('a') || rest.contains(" a ")
}

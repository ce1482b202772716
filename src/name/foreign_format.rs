//! Date formats of other programs (Java, .NET, Oracle, spreadsheets, PHP) → strftime's directives, for hints.

/// Returns true if a strftime format writes any part of a time: it contains a directive other than `%%`, `%n` and `%t`.
pub fn has_directive(format: &str) -> bool {
    pieces(format).iter().any(|piece| matches!(piece, Piece::Directive(text) if !matches!(*text, "%%" | "%n" | "%t")))
}

/// Returns the first word outside of directives that other programs would replace: the `MM` of `%Y-MM-dd`. A word that
/// has other letters too (`add`) is literal text.
pub fn left_as_written(format: &str) -> Option<&str> {
    pieces(format).into_iter().find_map(|piece| match piece {
        Piece::Text(text) => text.split(|c: char| !c.is_alphabetic()).find(|word| {
            let runs = runs(word);
            runs.iter().any(|run| KNOWN.contains(run)) && runs.iter().all(|run| KNOWN.contains(run) || *run == "T")
        }),
        Piece::Directive(_) => None,
    })
}

/// Returns the format with strftime's directives in place of other programs' letters; `None` if it has no part of a
/// date or time, or a letter without a known meaning.
pub fn translated(format: &str) -> Option<String> {
    let mut seen = FormatParts::default();
    let pieces = pieces(format).into_iter().map(|piece| match piece {
        Piece::Directive(text) => Some(text.to_owned()),
        Piece::Text(text) => php(text, &mut seen).or_else(|| translated_text(text, &mut seen)),
    });
    let translated = pieces.collect::<Option<String>>()?;
    seen.is_time.then_some(translated)
}

/// Translates PHP's `Ymd`: one letter for each part.
fn php(text: &str, seen: &mut FormatParts) -> Option<String> {
    let letters: Vec<&str> =
        runs(text).into_iter().filter(|run| run.starts_with(|c: char| c.is_alphabetic())).collect();
    let is_php =
        letters.len() > 1 && letters.iter().all(|run| php_directive(run).is_some()) && text.contains(['Y', 'y', 'H']);
    seen.is_time |= is_php;
    is_php.then(|| runs(text).into_iter().map(|run| php_directive(run).unwrap_or(run)).collect())
}

/// Letter sequences that are never intended as literal text.
const KNOWN: [&str; 11] = ["yyyy", "YYYY", "yy", "YY", "MM", "dd", "DD", "HH", "hh", "mm", "ss"];

/// Returns the directives of a format of fixed width, whose output can be parsed back; `None` for other formats.
pub fn widths_are_fixed(format: &str) -> Option<Vec<&str>> {
    let directives = pieces(format).into_iter().filter_map(|piece| match piece {
        Piece::Directive(text) => Some(text),
        Piece::Text(_) => None,
    });
    directives.map(|directive| FIXED.contains(&directive).then_some(directive)).collect()
}

/// Directives of fixed width.
const FIXED: [&str; 12] = ["%Y", "%m", "%d", "%j", "%H", "%M", "%S", "%F", "%T", "%R", "%z", "%:z"];

enum Piece<'a> {
    /// `%Y`, `%-d`, `%:z`.
    Directive(&'a str),
    Text(&'a str),
}

fn pieces(format: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        let flags = rest[at + 1..].find(|c: char| !"-_0^#:.".contains(c) && !c.is_ascii_digit());
        let letter =
            flags.and_then(|flags| rest[at + 1 + flags..].chars().next().map(|c| at + 1 + flags + c.len_utf8()));
        let (directive, after) = rest[at..].split_at(letter.map_or(rest.len() - at, |end| end - at));
        pieces.push(Piece::Directive(directive));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Splits a text into runs of one letter each, with single characters between them; a text in single quotes is one run.
fn runs(text: &str) -> Vec<&str> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let quoted = rest.strip_prefix('\'').and_then(|inner| inner.find('\'')).map(|end| end + 2);
        let same = rest.find(|c: char| c != first).unwrap_or(rest.len());
        let length = match quoted {
            Some(length) => length,
            None if first.is_ascii_alphabetic() => same,
            None => first.len_utf8(),
        };
        let (run, after) = rest.split_at(length);
        runs.push(run);
        rest = after;
    }
    runs
}

/// Translates the letters of Java, .NET, Oracle and spreadsheets.
fn translated_text(text: &str, seen: &mut FormatParts) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    // A letter next to a date token makes both part of a word that is not a token: `date`, `foo`.
    let (mut after_token, mut after_letter) = (false, false);
    while let Some(first) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (literal, after) = quoted.split_once('\'')?;
            out.push_str(literal);
            rest = after;
            (after_token, after_letter) = (false, false);
        } else if let Some((directive, length)) = token(rest, seen) {
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
            // A word is copied whole: the `d` of `and` is not a day.
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
    Some(out)
}

#[derive(Default)]
struct FormatParts {
    /// Contains a part that every date or time of day has.
    is_time: bool,
    hour: bool,
    month: bool,
    second: bool,
    /// The previous token was an hour or a minute: the next one belongs to the time of day.
    in_clock: bool,
}

/// Words compared without regard to case, longest first.
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

fn token(text: &str, seen: &mut FormatParts) -> Option<(&'static str, usize)> {
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

/// Returns true if `MM` is a minute: it follows an hour, or the month is already known.
fn is_minute(letter: char, text: &str, count: usize, seen: &FormatParts) -> bool {
    let before_seconds = text[count..].trim_start_matches([':', '.']).starts_with(['s', 'S']);
    seen.in_clock || (letter == 'm' && before_seconds) || (seen.month && seen.hour)
}

/// Returns true if a format contains AM or PM: `hh` is then an hour from 1 to 12.
fn is_half_day(rest: &str) -> bool {
    let rest = rest.to_ascii_lowercase();
    rest.contains("am") || rest.contains("a.m") || rest.contains("tt") || rest.ends_with('a') || rest.contains(" a ")
}

fn php_directive(run: &str) -> Option<&'static str> {
    Some(match run {
        "Y" => "%Y",
        "y" => "%y",
        "m" => "%m",
        "n" => "%-m",
        "d" => "%d",
        "j" => "%-d",
        "H" => "%H",
        "i" => "%M",
        "s" => "%S",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f07_letters_of_other_programs_become_directives() {
        for (letters, directives) in [
            ("YYYYMMDD", "%Y%m%d"),
            ("yyyy-MM-dd", "%Y-%m-%d"),
            ("yyyymmdd", "%Y%m%d"),
            ("yyyyMMddHHmmss", "%Y%m%d%H%M%S"),
            ("yyyyMMdd'T'HHmm", "%Y%m%dT%H%M"),
            ("YYYY-MM-DDTHH:MM", "%Y-%m-%dT%H:%M"),
            ("dd.MM.yy", "%d.%m.%y"),
            ("MMM_yyyy", "%b_%Y"),
            ("Ymd", "%Y%m%d"),
            ("Y-m-d_Hi", "%Y-%m-%d_%H%M"),
            ("%Y-MM-dd", "%Y-%m-%d"),
        ] {
            assert_eq!(translated(letters).as_deref(), Some(directives), "{letters}");
        }
        for unknown in ["date", "today", "%Y%m%d", "2026", ""] {
            assert_eq!(translated(unknown), None, "{unknown}");
        }
        assert!(has_directive("%Y") && has_directive("x%-d") && has_directive("%:z"));
        assert!(!has_directive("YYYY") && !has_directive("100%%") && !has_directive(""));
        assert_eq!(left_as_written("%Y-MM-dd"), Some("MM"));
        assert_eq!(left_as_written("%YMMdd"), Some("MMdd"));
        for own in ["%Y%m%dT%H%MZ", "add_%Y%m%d", "%Y_summer"] {
            assert_eq!(left_as_written(own), None, "{own}");
        }
    }
}

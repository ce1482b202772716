//! Date formats as other programs write them (`yyyy-MM-dd`, `YYYYMMDD`, PHP's `Ymd`) → strftime's directives, for hints.

/// Returns true if a strftime format writes anything of a time: it holds a directive other than `%%`, `%n` and `%t`.
pub fn has_directive(format: &str) -> bool {
    pieces(format).iter().any(|piece| matches!(piece, Piece::Directive(text) if !matches!(*text, "%%" | "%n" | "%t")))
}

/// Returns the first word beside the directives that other programs would fill in: the `MM` of `%Y-MM-dd`. A word that has
/// other letters too (`add`) stands for itself.
pub fn left_as_written(format: &str) -> Option<&str> {
    pieces(format).into_iter().find_map(|piece| match piece {
        Piece::Text(text) => text.split(|c: char| !c.is_alphabetic()).find(|word| {
            let runs = runs(word);
            runs.iter().any(|run| KNOWN.contains(run)) && runs.iter().all(|run| KNOWN.contains(run) || *run == "T")
        }),
        Piece::Directive(_) => None,
    })
}

/// Returns the format with strftime's directives in the place of letters; `None` where a letter has no known meaning.
pub fn translated(format: &str) -> Option<String> {
    let pieces = pieces(format);
    let text =
        |piece: &Piece<'_>| matches!(piece, Piece::Text(text) if text.contains(|c: char| c.is_ascii_alphabetic()));
    if !pieces.iter().any(text) {
        return None;
    }
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Directive(text) => Some((*text).to_owned()),
            Piece::Text(text) => translated_text(text),
        })
        .collect()
}

/// Runs that nobody writes for their own sake.
const KNOWN: [&str; 11] = ["yyyy", "YYYY", "yy", "YY", "MM", "dd", "DD", "HH", "hh", "mm", "ss"];

/// The directives of a format that always writes as many characters, so that what is written can be read back; `None`
/// where a directive's width varies or is not known.
pub fn widths_are_fixed(format: &str) -> Option<Vec<&str>> {
    let directives = pieces(format).into_iter().filter_map(|piece| match piece {
        Piece::Directive(text) => Some(text),
        Piece::Text(_) => None,
    });
    directives.map(|directive| FIXED.contains(&directive).then_some(directive)).collect()
}

/// Directives that always write as many characters.
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

/// A text in runs of one letter each, and what stands between them one by one; a text in single quotes is one run.
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

fn translated_text(text: &str) -> Option<String> {
    let runs = runs(text);
    let letters: Vec<&str> =
        runs.iter().copied().filter(|run| run.starts_with(|c: char| c.is_ascii_alphabetic())).collect();
    let php = letters.len() > 1 && letters.iter().all(|run| run.len() == 1 && "YymdHisjn".contains(run));
    let has_hour = letters.iter().any(|run| run.starts_with(['H', 'h']));
    let mut out = String::new();
    let mut before = "";
    for run in runs {
        let directive = match run {
            _ if php => php_directive(run),
            // Minutes and months are mixed up often: after an hour it is minutes, where there is no hour it is months.
            "MM" if before.starts_with(['H', 'h']) => Some("%M"),
            "mm" if !has_hour => Some("%m"),
            run => directive_of(run),
        };
        match directive {
            Some(directive) => out.push_str(directive),
            None if run == "T" => out.push('T'),
            None if run.len() > 1 && run.starts_with('\'') => out.push_str(run.trim_matches('\'')),
            None if run.starts_with(|c: char| c.is_ascii_alphabetic()) => return None,
            None => out.push_str(run),
        }
        if run.starts_with(|c: char| c.is_ascii_alphabetic()) {
            before = run;
        }
    }
    Some(out)
}

fn directive_of(run: &str) -> Option<&'static str> {
    Some(match run {
        "yyyy" | "YYYY" | "uuuu" | "y" => "%Y",
        "yy" | "YY" => "%y",
        "MMMM" => "%B",
        "MMM" => "%b",
        "MM" => "%m",
        "M" => "%-m",
        "dd" | "DD" => "%d",
        "d" | "D" => "%-d",
        "DDD" | "DDDD" => "%j",
        "EEEE" | "dddd" => "%A",
        "EEE" | "ddd" => "%a",
        "ww" | "WW" => "%V",
        "HH" => "%H",
        "H" => "%-H",
        "hh" => "%I",
        "h" => "%-I",
        "mm" => "%M",
        "m" => "%-M",
        "ss" | "SS" => "%S",
        "s" => "%-S",
        "SSS" | "fff" => "%3f",
        "a" | "A" | "tt" => "%p",
        "Z" | "ZZ" | "XX" | "xx" => "%z",
        "XXX" | "xxx" | "zzz" => "%:z",
        _ => return None,
    })
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

//! Parser of a format's directives: `%d`, `%-d`, `%3f`, `%:z`.

use super::{FormatProblem, Item, Pad, TimePart};

fn push_literal(items: &mut Vec<Item>, piece: &[u8]) {
    match items.last_mut() {
        Some(Item::Literal(bytes)) => bytes.extend_from_slice(piece),
        _ => items.push(Item::Literal(piece.to_vec())),
    }
}

pub(super) fn compile_into(text: &str, items: &mut Vec<Item>) -> Result<(), FormatProblem> {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        if at > 0 {
            push_literal(items, &rest.as_bytes()[..at]);
        }
        rest = directive(&rest[at + 1..], items)?;
    }
    if !rest.is_empty() {
        push_literal(items, rest.as_bytes());
    }
    Ok(())
}

/// Returns the part of a directive that is a number, its width, and how it is padded without a flag.
fn number(letter: char) -> Option<(TimePart, u8, Pad)> {
    Some(match letter {
        'Y' => (TimePart::Year, 4, Pad::Zero),
        'y' => (TimePart::YearOfCentury, 2, Pad::Zero),
        'C' => (TimePart::Century, 2, Pad::Zero),
        'q' => (TimePart::Quarter, 1, Pad::None),
        'm' => (TimePart::Month, 2, Pad::Zero),
        'd' => (TimePart::Day, 2, Pad::Zero),
        'e' => (TimePart::Day, 2, Pad::Space),
        'j' => (TimePart::DayOfYear, 3, Pad::Zero),
        'H' => (TimePart::Hour, 2, Pad::Zero),
        'k' => (TimePart::Hour, 2, Pad::Space),
        'I' => (TimePart::Hour12, 2, Pad::Zero),
        'l' => (TimePart::Hour12, 2, Pad::Space),
        'M' => (TimePart::Minute, 2, Pad::Zero),
        'S' => (TimePart::Second, 2, Pad::Zero),
        'u' => (TimePart::Weekday, 1, Pad::None),
        'w' => (TimePart::WeekdayFromSunday, 1, Pad::None),
        'G' => (TimePart::IsoYear, 4, Pad::Zero),
        'g' => (TimePart::IsoYearOfCentury, 2, Pad::Zero),
        'V' => (TimePart::IsoWeek, 2, Pad::Zero),
        'U' => (TimePart::WeekFromSunday, 2, Pad::Zero),
        'W' => (TimePart::WeekFromMonday, 2, Pad::Zero),
        _ => return None,
    })
}

/// Compiles one directive, from after its `%`. Returns the rest of the text.
fn directive<'a>(text: &'a str, items: &mut Vec<Item>) -> Result<&'a str, FormatProblem> {
    let flags = text.len() - text.trim_start_matches(['-', '_', '0', '^']).len();
    let (flags, rest) = text.split_at(flags);
    let pad = match flags.chars().rfind(|flag| *flag != '^') {
        Some('-') => Some(Pad::None),
        Some('_') => Some(Pad::Space),
        Some(_) => Some(Pad::Zero),
        None => None,
    };
    let is_upper = flags.contains('^');
    let (dot, rest) = rest.strip_prefix('.').map_or((false, rest), |rest| (true, rest));
    let precision = rest.chars().next().filter(|c| c.is_ascii_digit() && flags.is_empty());
    let rest = if precision.is_some() { &rest[1..] } else { rest };
    let precision = precision.and_then(|c| c.to_digit(10)).map(|digits| digits as u8);
    let colons = rest.len() - rest.trim_start_matches(':').len();
    let (colons, rest) = (colons as u8, &rest[colons..]);
    let Some(letter) = rest.chars().next() else {
        return Err(FormatProblem::new("the format ends with a `%`", "write `%%` for a percent sign"));
    };
    let mut end = text.len() - rest.len() + letter.len_utf8();
    if letter == '#' {
        end += rest[1..].chars().next().map_or(0, char::len_utf8);
    }
    let is_plain = !dot && precision.is_none() && colons == 0;
    if let (true, Some((part, width, usual))) = (is_plain, number(letter)) {
        items.push(Item::Number { part, pad: pad.unwrap_or(usual), width });
        return Ok(&text[end..]);
    }
    let item = match letter {
        'f' if colons == 0 && flags.is_empty() => Item::Fraction { dot, precision },
        'N' if is_plain && flags.is_empty() => Item::Fraction { dot: false, precision: Some(9) },
        'z' if !dot && precision.is_none() && flags.is_empty() && colons <= 3 => Item::Offset { colons },
        _ if !is_plain => return Err(unknown(&text[..end])),
        'B' => Item::MonthName { is_short: false, is_upper },
        'b' | 'h' => Item::MonthName { is_short: true, is_upper },
        'A' => Item::WeekdayName { is_short: false, is_upper },
        'a' => Item::WeekdayName { is_short: true, is_upper },
        _ if !flags.is_empty() => return Err(unknown(&text[..end])),
        'p' => Item::Meridiem { is_lower: false },
        'P' => Item::Meridiem { is_lower: true },
        's' => Item::Epoch,
        'Z' => Item::Abbreviation,
        'Q' => Item::ZoneName,
        'F' => return expand("%Y-%m-%d", items, &text[end..]),
        'D' => return expand("%m/%d/%y", items, &text[end..]),
        'T' => return expand("%H:%M:%S", items, &text[end..]),
        'R' => return expand("%H:%M", items, &text[end..]),
        'r' => return expand("%I:%M:%S %p", items, &text[end..]),
        '%' | 'n' | 't' => {
            push_literal(
                items,
                match letter {
                    'n' => b"\n",
                    't' => b"\t",
                    _ => b"%",
                },
            );
            return Ok(&text[end..]);
        }
        _ => return Err(unknown(&text[..end])),
    };
    items.push(item);
    Ok(&text[end..])
}

fn expand<'a>(text: &str, items: &mut Vec<Item>, rest: &'a str) -> Result<&'a str, FormatProblem> {
    compile_into(text, items)?;
    Ok(rest)
}

fn unknown(directive: &str) -> FormatProblem {
    let what = format!("there is no format directive %{directive}");
    let hint = match directive {
        "i" => "minutes are %M".to_owned(),
        "L" | "F3" => "milliseconds are %3f".to_owned(),
        "c" | "x" | "X" => "write the parts of the date one by one, as in %Y-%m-%d %H:%M:%S".to_owned(),
        "E" | "O" | "+" => "write the directive without it, as in %Y-%m-%d".to_owned(),
        _ => match directive.strip_prefix('#') {
            Some(letter) => format!("a number without leading zeros is %-{letter}"),
            None => "the directives are those of strftime, as in %Y-%m-%d %H:%M:%S; `%%` is a percent sign".to_owned(),
        },
    };
    FormatProblem::new(what, hint)
}

//! Formats that are valid but cannot be intended, found before there are rows.

use super::{FormatProblem, Item, TimePart};
use crate::expr::shorten;
use crate::name::foreign_format;

/// Refuses a format without any part of a date or time, or with one in place of another.
pub(super) fn check(text: &str, items: &[Item]) -> Result<(), FormatProblem> {
    if items.iter().all(|item| matches!(item, Item::Literal(_))) {
        let what = format!("the format {:?} has no directive, so every value would be this text", shorten(text));
        return Err(match foreign_format::translated(text).filter(|meant| meant.len() <= 100) {
            Some(meant) => FormatProblem::new(what, format!("write `{meant}`")),
            None => FormatProblem::new(what, "a format is made of directives, as in `%Y-%m-%d`"),
        });
    }
    let has = |wanted: &[TimePart]| {
        items.iter().any(|item| matches!(item, Item::Number { part, .. } if wanted.contains(part)))
    };
    let hours = [TimePart::Hour, TimePart::Hour12];
    let swap = |wrong: &str, right: &str, what: &str| {
        Err(FormatProblem::new(what, format!("write `{}`", bounded(text.replacen(wrong, right, 1), right))))
    };
    if text.contains("%h:%M") {
        return swap("%h:%M", "%H:%M", "%h is the month's name, not the hour; the hour is %H");
    }
    if has(&[TimePart::Minute]) && !has(&hours) && !items.contains(&Item::Epoch) {
        let what = "%M is the minute, and there is no hour in this format; the month is %m";
        return if has(&[TimePart::Month]) {
            Err(FormatProblem::new(what, "write the hour before it, as in `%H:%M`"))
        } else {
            swap("%M", "%m", what)
        };
    }
    for (wrong, right) in
        [("%H:%m", "%H:%M"), ("%I:%m", "%I:%M"), ("%k:%m", "%k:%M"), ("%l:%m", "%l:%M"), ("%-I:%m", "%-I:%M")]
    {
        if text.contains(wrong) {
            return swap(wrong, right, "%m is the month, not the minute; the minute is %M");
        }
    }
    if text.contains("%M:%s") {
        return swap("%M:%s", "%M:%S", "%s is the seconds since 1970, not the second; the second is %S");
    }
    if text.contains("%D") && (text.contains("%Y") || text.contains("%y") || text.contains("%m")) {
        return swap("%D", "%d", "%D is a whole date (%m/%d/%y), not the day; the day is %d");
    }
    if has(&[TimePart::Hour12])
        && !has(&[TimePart::Hour])
        && !items.iter().any(|item| matches!(item, Item::Meridiem { .. }))
    {
        let what = "%I is an hour from 1 to 12, and nothing in this format is AM or PM";
        let meant = text.replace("%I", "%H").replace("%-I", "%-H").replace("%l", "%k");
        return Err(FormatProblem::new(what, format!("write `{}`, or add %p", bounded(meant, "%H"))));
    }
    for item in items {
        let Item::Literal(bytes) = item else { continue };
        if let Some(token) = foreign_token(&String::from_utf8_lossy(bytes)) {
            let what = format!("the format {:?} holds {:?} as plain text", shorten(text), shorten(&token));
            let whole = foreign_format::translated(&text.replace('%', "")).filter(|meant| meant.len() <= 100);
            let hint = match whole {
                Some(meant) => format!("write `{meant}`"),
                None => "every part of a date is a directive, as in `%Y-%m-%d`".to_owned(),
            };
            return Err(FormatProblem::new(what, hint));
        }
    }
    Ok(())
}

/// Returns the intended format, or the given part of it if it is too long to show.
fn bounded(meant: String, part: &str) -> String {
    if meant.len() <= 100 { meant } else { part.to_owned() }
}

/// Returns a word such as `yyyy`, `MM` or `ss` that other systems use for a part of a date.
fn foreign_token(literal: &str) -> Option<String> {
    let is_foreign = |word: &&str| {
        let first = word.chars().next().unwrap_or(' ');
        word.len() >= 2 && "yYMmdDHhsS".contains(first) && word.chars().all(|c| c == first)
    };
    literal.split(|c: char| !c.is_alphanumeric()).find(is_foreign).map(str::to_owned)
}

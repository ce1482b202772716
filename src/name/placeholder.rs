//! The text between the braces of a name template → a part of it, or a problem with a fix.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::foreign_format;
use super::{DIGEST_DIGITS, TemplatePart, unfit_character};
use crate::yaml::problem::did_you_mean;

const PLACEHOLDERS: &[&str] = &["slot", "pipeline", "run", "name", "stem", "part", "var", "count", "sha256"];

/// The largest number of digits of `{part:3}`: a group has at most 999 files.
const NUMBER_DIGITS_MAX: usize = 6;

/// The largest number of digits of `{count:6}`.
const COUNT_DIGITS_MAX: usize = 12;

/// Other programs' names for the number of rows.
const COUNTS: [&str; 7] = ["rows", "row_count", "rowcount", "num_rows", "records", "record_count", "lines"];

/// Other programs' names for a digest.
const DIGESTS: [&str; 8] = ["hash", "digest", "checksum", "md5", "sha", "sha1", "sha512", "crc32"];

/// Other programs' names for the slot, with their equivalents here.
const DATES: [(&str, &str); 18] = [
    ("date", "%Y%m%d"),
    ("today", "%Y%m%d"),
    ("yyyymmdd", "%Y%m%d"),
    ("ds", "%Y-%m-%d"),
    ("ds_nodash", "%Y%m%d"),
    ("execution_date", "%Y%m%d"),
    ("run_date", "%Y%m%d"),
    ("slot_date", "%Y%m%d"),
    ("datetime", "%Y%m%d_%H%M"),
    ("timestamp", "%Y%m%d_%H%M"),
    ("now", "%Y%m%d_%H%M"),
    ("ts", "%Y%m%d_%H%M"),
    ("time", "%H%M"),
    ("year", "%Y"),
    ("month", "%m"),
    ("day", "%d"),
    ("hour", "%H"),
    ("week", "%G%V"),
];

/// A problem and its fix.
pub(super) type PlaceholderProblem = (String, Option<String>);

/// Parses the text between braces.
pub(super) fn read(inner: &str) -> Result<TemplatePart, PlaceholderProblem> {
    if inner.trim() != inner {
        let hint = format!("write `{{{}}}`", inner.trim());
        return Err(("a placeholder has no spaces around it".to_owned(), Some(hint)));
    }
    let (name, format) = match inner.split_once(':') {
        Some((name, format)) => (name, Some(format)),
        None => (inner, None),
    };
    match (name, format) {
        ("slot", Some(format)) if !format.is_empty() => slot(format),
        ("slot", _) => Err(("the slot needs a format".to_owned(), Some("write `{slot:%Y%m%d}`".to_owned()))),
        ("pipeline", None) => Ok(TemplatePart::Pipeline),
        ("run", None) => Ok(TemplatePart::Run),
        ("name", None) => Ok(TemplatePart::Name),
        ("stem", None) => Ok(TemplatePart::Stem),
        ("part", None) => Ok(TemplatePart::Number(1)),
        ("part", Some(text)) => {
            digits(text, NUMBER_DIGITS_MAX, "`{part:3}` gives 001, 002, …").map(TemplatePart::Number)
        }
        ("count", None) => Ok(TemplatePart::Count(1)),
        ("count", Some(text)) => {
            digits(text, COUNT_DIGITS_MAX, "`{count:6}` gives 000142 for 142 rows").map(TemplatePart::Count)
        }
        ("sha256", None) => Ok(TemplatePart::Digest(DIGEST_DIGITS)),
        ("sha256", Some(text)) => digits(text, DIGEST_DIGITS, "`{sha256:8}` gives 1f3a9c02").map(TemplatePart::Digest),
        ("var", Some(var)) if !var.is_empty() => Ok(TemplatePart::Var(var.to_owned())),
        ("var", _) => {
            Err(("the name of a value is missing".to_owned(), Some("write `{var:NAME}`, a name of `vars`".to_owned())))
        }
        ("pipeline" | "run" | "name" | "stem", Some(_)) => {
            Err((format!("{name} takes no format"), Some(format!("write `{{{name}}}`"))))
        }
        _ => Err(unknown(name, format)),
    }
}

/// Parses a number of digits; `example` shows one.
fn digits(text: &str, most: usize, example: &str) -> Result<usize, PlaceholderProblem> {
    match text.parse() {
        Ok(digits) if (1..=most).contains(&digits) => Ok(digits),
        _ => Err((format!("{text:?} is not a number of digits, 1 to {most}"), Some(example.to_owned()))),
    }
}

fn slot(format: &str) -> Result<TemplatePart, PlaceholderProblem> {
    let instead = || foreign_format::translated(format).map(|format| format!("write `{{slot:{format}}}`"));
    if format.trim() != format {
        let what = format!("the format {format:?} begins or ends with a space, and so would the name");
        return Err((what, Some(format!("write `{{slot:{}}}`", format.trim()))));
    }
    if !foreign_format::has_directive(format) {
        let what = format!("the format {format:?} has no `%` directive: every slot would have the same name");
        return Err((what, instead().or_else(|| Some("write `{slot:%Y%m%d}`".to_owned()))));
    }
    if let Some(run) = foreign_format::left_as_written(format) {
        let what = format!("{run:?} in the format {format:?} is not filled in: it would appear in the name");
        return Err((what, instead()));
    }
    let sample = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    let shown = strtime::format(format, &sample)
        .map_err(|cause| (format!("{format:?} is not a time format: {cause}"), Some("write `{slot:%Y%m%d}`".into())))?;
    match shown.chars().find_map(unfit_character) {
        Some(what) => {
            Err((format!("the time would be written {shown:?}: {what}"), Some("write `{slot:%Y%m%d}`".into())))
        }
        None => Ok(TemplatePart::Slot(format.to_owned())),
    }
}

fn unknown(name: &str, format: Option<&str>) -> PlaceholderProblem {
    let what = format!("there is no placeholder {{{name}}}");
    let lower = name.to_lowercase();
    let known = |near: &str| match format {
        Some(format) if near == "slot" => format!("write `{{slot:{format}}}`"),
        None if near == "slot" => "write `{slot:%Y%m%d}`".to_owned(),
        Some(var) if near == "var" => format!("write `{{var:{var}}}`"),
        Some(digits) if near == "count" || near == "sha256" => format!("write `{{{near}:{digits}}}`"),
        None if near == "sha256" => "write `{sha256:8}`".to_owned(),
        _ => format!("write `{{{near}}}`"),
    };
    let hint = if let Some((_, usual)) = DATES.iter().find(|(date, _)| *date == lower) {
        let own = format.map(|format| match foreign_format::has_directive(format) {
            true => Some(format.to_owned()),
            false => foreign_format::translated(format),
        });
        format!("write `{{slot:{}}}`", own.flatten().unwrap_or_else(|| (*usual).to_owned()))
    } else if let Some(format) = foreign_format::left_as_written(name).and_then(|_| foreign_format::translated(name)) {
        format!("write `{{slot:{format}}}`")
    } else if foreign_format::has_directive(name) {
        format!("write `{{slot:{name}}}`")
    } else if COUNTS.contains(&lower.as_str()) {
        known("count")
    } else if DIGESTS.contains(&lower.as_str()) {
        known("sha256")
    } else if let Some(near) = PLACEHOLDERS.iter().find(|near| did_you_mean(&lower, [**near]).is_some()) {
        known(near)
    } else {
        "there are `{slot:%Y%m%d}`, `{pipeline}`, `{run}`, `{part}`, `{count}`, `{sha256:8}`, `{var:NAME}` and `{name}`"
            .to_owned()
    };
    (what, Some(hint))
}

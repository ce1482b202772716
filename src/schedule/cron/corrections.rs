//! Corrections of invalid schedules, for the syntax of other programs.
//!
//! Each rule names its fault and rewrites the text; rules are applied until the text is valid, so that every
//! replacement in a hint is a valid schedule.

use super::field::{MONTHS, WEEKDAYS};
use super::{Cron, CronProblem};

/// A fault of a text, and the corrected text.
struct Fault {
    offset: usize,
    len: usize,
    what: String,
    fixed: String,
    /// An addition to the hint, after the replacement.
    addition: String,
}

/// Rules, in the order in which they are tried.
const RULES: [fn(&str) -> Option<Fault>; 10] =
    [assignment, comment, wrapped, spaced_list, keyword, time_of_day, trailing_zone, too_many, other_programs, names];

/// The largest number of faults in one text.
const FAULTS_MAX: usize = 12;

/// Returns the problem of `text` as the matching rule explains it, with the whole replacement; else `problem` itself.
pub(super) fn explain(text: &str, problem: CronProblem) -> CronProblem {
    let Some(first) = RULES.iter().find_map(|habit| habit(text)) else { return problem };
    let mut fixed = first.fixed.clone();
    let mut addition = first.addition.clone();
    for _ in 0..FAULTS_MAX {
        if Cron::parse_exactly(&fixed).is_ok() {
            break;
        }
        let next = RULES.iter().find_map(|habit| habit(&fixed)).or_else(|| replaced_item(&fixed));
        let Some(next) = next else { break };
        if addition.is_empty() {
            addition = next.addition;
        }
        fixed = next.fixed;
    }
    let hint = match Cron::parse_exactly(&fixed) {
        Ok(_) => Some(format!("write `{fixed}`{addition}")),
        Err(_) if addition.is_empty() => problem.hint.clone(),
        Err(_) => Some(addition.trim_start_matches([',', ' ']).to_owned()),
    };
    CronProblem { offset: first.offset, len: first.len, what: first.what, hint }
}

/// Applies a field's own problem whose hint is the replacement of the item.
fn replaced_item(text: &str) -> Option<Fault> {
    let problem = Cron::parse_exactly(text).err()?;
    let item = problem.hint.as_deref()?.strip_prefix("write `")?.split('`').next()?;
    let (before, rest) = text.split_at_checked(problem.offset)?;
    let start = before.rfind([' ', ',', '\t']).map_or(0, |at| at + 1);
    let end = rest.find([' ', ',', '\t']).map_or(text.len(), |end| problem.offset + end);
    fault(start, end - start, problem.what, format!("{}{item}{}", text.get(..start)?, text.get(end..)?), "")
}

fn fault(offset: usize, len: usize, what: String, fixed: String, addition: impl Into<String>) -> Option<Fault> {
    Some(Fault { offset, len, what, fixed, addition: addition.into() })
}

/// Splits a text into words with their byte offsets.
fn split_words(text: &str) -> Vec<(usize, &str)> {
    text.split_whitespace().map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word)).collect()
}

fn joined<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// Corrects `CRON_TZ=America/New_York 30 5 * * *`, and other assignments of a crontab.
fn assignment(text: &str) -> Option<Fault> {
    let words = split_words(text);
    let (offset, first) = *words.first()?;
    let (name, value) = first.split_once('=')?;
    let fixed = joined(words.iter().skip(1).map(|(_, word)| *word));
    let is_zone = matches!(name.to_uppercase().as_str(), "CRON_TZ" | "TZ" | "TIMEZONE");
    let addition =
        if is_zone { format!(", and the zone as `timezone: {}`", value.trim_matches('"')) } else { String::new() };
    let what = match is_zone {
        true => format!("`{name}=` is not read in a schedule: the zone has a key of its own"),
        false => format!("`{name}=` belongs to a crontab, not to a schedule"),
    };
    fault(offset, first.len(), what, fixed, addition)
}

/// Corrects `30 5 * * * # nightly`.
fn comment(text: &str) -> Option<Fault> {
    let at = text.find(" #").or_else(|| text.find("\t#"))?;
    let what = "a comment within the schedule is parsed as part of it".to_owned();
    fault(at + 1, text.len() - at - 1, what, text[..at].trim().to_owned(), ", and the comment outside of the quotes")
}

/// Corrects `cron(30 5 ? * MON-FRI *)`.
fn wrapped(text: &str) -> Option<Fault> {
    let inner = text.trim().strip_suffix(')')?;
    let (name, inner) = inner.split_once('(')?;
    fault(
        0,
        text.len(),
        format!("`{name}(…)` is another program's way to write schedules"),
        inner.trim().to_owned(),
        "",
    )
}

/// Corrects `0 5 * * mon, wed`.
fn spaced_list(text: &str) -> Option<Fault> {
    let at = [", ", " ,", " - ", "- "].iter().filter_map(|pair| text.find(pair)).min()?;
    if split_words(text).len() <= 5 {
        return None;
    }
    let mut fixed = text.to_owned();
    for (spaced, tight) in [(" ,", ","), (", ", ","), (" - ", "-"), ("- ", "-"), (" -", "-")] {
        fixed = fixed.replace(spaced, tight);
    }
    fault(at, 2, "a space within a field makes two fields of it".to_owned(), fixed, "")
}

/// Corrects `daily`, `@every 15m`, `@weekdays`, `@daily 05:30`.
fn keyword(text: &str) -> Option<Fault> {
    let words = split_words(text);
    let (offset, first) = *words.first()?;
    let lower = first.trim_start_matches('@').to_lowercase();
    let rest = words.get(1).map(|(_, word)| *word);
    let whole = |fixed: &str, addition: &str| {
        fault(
            offset,
            text.trim().len(),
            format!("`{}` is not a schedule here", text.trim()),
            fixed.to_owned(),
            addition,
        )
    };
    let timed = rest.and_then(clock);
    match (lower.as_str(), timed) {
        ("every", _) => every(rest?).and_then(|fixed| whole(&fixed, "")),
        ("reboot" | "startup", _) => {
            whole("", "a pipeline is due at times, not at starts: write five fields, or leave `schedule` out")
        }
        ("daily" | "midnight", Some((hour, minute))) => whole(&format!("{minute} {hour} * * *"), ""),
        ("yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly", None) if rest.is_none() => {
            whole(&format!("@{lower}"), "").filter(|_| !first.starts_with('@'))
        }
        ("weekday" | "weekdays" | "workdays", None) => whole("0 0 * * mon-fri", ""),
        ("weekend" | "weekends", None) => whole("0 0 * * sat,sun", ""),
        ("quarterly", None) => whole("0 0 1 1,4,7,10 *", ""),
        ("noon", None) => whole("0 12 * * *", ""),
        ("minutely", None) => whole("* * * * *", ""),
        _ => None,
    }
}

/// Converts `15m` to `*/15 * * * *`, if the hour or the day is a multiple of it.
fn every(length: &str) -> Option<String> {
    let length = crate::yaml::scalars::parse_length(length).ok()?.as_secs();
    match (length / 60, length / 3600) {
        _ if length % 60 != 0 => None,
        (1, _) => Some("* * * * *".to_owned()),
        (minutes @ 2..=30, _) if 60 % minutes == 0 => Some(format!("*/{minutes} * * * *")),
        (60, _) => Some("0 * * * *".to_owned()),
        (minutes, hours @ 2..=12) if minutes % 60 == 0 && 24 % hours == 0 => Some(format!("0 */{hours} * * *")),
        (1440, _) => Some("0 0 * * *".to_owned()),
        _ => None,
    }
}

/// Corrects `05:30`.
fn time_of_day(text: &str) -> Option<Fault> {
    let (hour, minute) = clock(text.trim())?;
    let what = format!("`{}` is a time of day, not a schedule", text.trim());
    fault(0, text.len(), what, format!("{minute} {hour} * * *"), "")
}

fn clock(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| digits.parse::<u8>().ok().filter(|_| digits.len() <= 2);
    Some((number(hour).filter(|hour| *hour < 24)?, number(minute).filter(|minute| *minute < 60)?))
}

/// Corrects `30 5 * * * Europe/Rome`.
fn trailing_zone(text: &str) -> Option<Fault> {
    let words = split_words(text);
    let (offset, last) = *words.get(5..)?.last()?;
    let is_zone = last.parse::<u16>().is_err() && crate::schedule::zone::parse(last).is_ok();
    let fixed = joined(words[..words.len() - 1].iter().map(|(_, word)| *word));
    let what = format!("`{last}` is a time zone, which has a key of its own");
    is_zone.then(|| fault(offset, last.len(), what, fixed, format!(", and `timezone: {last}`")))?
}

/// Corrects six or seven fields: seconds before, or a year, a user or a command after the five.
fn too_many(text: &str) -> Option<Fault> {
    let words = split_words(text);
    let (sixth, last) = *words.get(5)?;
    let only: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
    let is_field = |word: &str| {
        word.chars().all(|c| c.is_ascii_digit() || "*/,-?LW#".contains(c))
            || word.split([',', '-', '#']).all(|name| abbreviation(name).is_some())
    };
    let is_year = last.split([',', '-']).all(|year| year.len() == 4 && year.parse::<u16>().is_ok());
    let rest_len = text.trim_end().len() - sixth;
    if !is_field(last) {
        let what = format!(
            "a schedule has five fields: `{}` after them is a user name or a command",
            &text[sixth..].trim_end()
        );
        return fault(sixth, rest_len, what, joined(only[..5].iter().copied()), "");
    }
    // In Quartz and similar programs, Sunday is 1; a year, or `?` with a sixth `*`, is at the end.
    let year_only = only.len() == 6 && (is_year || only[0] != "0" && last == "*" && text.contains('?'));
    let (what, kept) = match (only.len(), year_only) {
        (6, true) => {
            (format!("a schedule has five fields, this has 6: there is none for the year, `{last}`"), &only[..5])
        }
        (6, false) => {
            (format!("a schedule has five fields, this has 6: there is none for seconds, `{}`", only[0]), &only[1..])
        }
        (7, _) => {
            ("a schedule has five fields, this has 7: there are none for seconds and years".to_owned(), &only[1..6])
        }
        _ => return None,
    };
    let mut kept: Vec<String> = kept.iter().map(|word| (*word).to_owned()).collect();
    if text.contains('?')
        && let Some(weekday) = kept.last_mut()
    {
        *weekday = named_days(weekday);
    }
    let (offset, len) = if year_only { (sixth, last.len()) } else { (words[0].0, only[0].len()) };
    fault(offset, len, what, joined(kept.iter().map(String::as_str)), "")
}

/// Converts the days of a week that begins with 1 to names.
fn named_days(field: &str) -> String {
    let name = |c: char| c.to_digit(10).and_then(|day| WEEKDAYS.get((day as usize).checked_sub(1)?));
    match field.contains(['/', '#', 'L']) {
        true => field.to_owned(),
        false => field.chars().map(|c| name(c).map_or(c.to_string(), |name| (*name).to_owned())).collect(),
    }
}

/// Corrects `L`, `W`, `#`, `?`, Jenkins' `H`, hour 24 and minute 60.
fn other_programs(text: &str) -> Option<Fault> {
    let words = split_words(text);
    if words.len() != 5 {
        return None;
    }
    let foreign = "is not part of cron as Debian reads it";
    for (index, (offset, word)) in words.iter().enumerate() {
        let upper = word.to_uppercase();
        let nth = word.split_once('#').map(|(day, _)| day.to_owned());
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (what, item, addition): (String, String, &str) = match (index, upper.as_str()) {
            (2 | 4, "?") => (format!("`?` {foreign}"), "*".into(), ""),
            (2, "L" | "LW") => (
                format!("`{word}`, the last day of the month, {foreign}"),
                "28".into(),
                ", a day that every month has, or `1` for the day after the last",
            ),
            (2, _) if upper.starts_with("L-") => {
                (format!("`{word}` {foreign}"), "28".into(), ", a day that every month has")
            }
            (2, _) if upper.strip_suffix('W').is_some_and(digits) => (
                format!("`{word}`, the working day nearest to it, {foreign}"),
                upper.trim_end_matches('W').into(),
                ", or a day of the week",
            ),
            (4, "L") => (format!("`L` {foreign}"), "sat".into(), ""),
            (4, _) if nth.is_some() || word.len() > 1 && word.ends_with(['l', 'L']) => {
                let day = nth.unwrap_or_else(|| word.trim_end_matches(['l', 'L']).to_owned());
                (format!("`{word}`, one such day in a month, {foreign}"), day, ", which is every such day")
            }
            (0 | 1, "H") => (
                "`H` is Jenkins': the time is written out here".into(),
                "0".into(),
                ", and `jitter` for starts that are spread",
            ),
            (_, _) if upper.starts_with("H/") => {
                ("`H` is Jenkins': the time is written out here".into(), upper.replacen('H', "*", 1), "")
            }
            (1, "24") => ("there is no hour 24: a day begins with hour 0".into(), "0".into(), ""),
            (0, "60") => ("there is no minute 60: an hour begins with minute 0".into(), "0".into(), ""),
            _ => continue,
        };
        let mut fixed: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
        fixed[index] = &item;
        return fault(*offset, word.len(), what, joined(fixed), addition);
    }
    // What remains are steps and ranges that a field refuses with its own replacement.
    replaced_item(text)
}

/// Corrects `monday`, and names of months and days in other fields.
fn names(text: &str) -> Option<Fault> {
    let words = split_words(text);
    if words.len() != 5 {
        return None;
    }
    for (index, (offset, word)) in words.iter().enumerate() {
        let mut fixed: Vec<String> = words.iter().map(|(_, word)| (*word).to_owned()).collect();
        let named: Vec<Option<&str>> = word.split([',', '-', '/']).map(abbreviation).collect();
        let Some(name) = named.iter().flatten().next() else { continue };
        let home = if WEEKDAYS.contains(name) { 4 } else { 3 };
        if home != index {
            let what = match home {
                4 => format!("`{word}` is a day of the week, which is the fifth field"),
                _ => format!("`{word}` is a month, which is the fourth field"),
            };
            fixed.swap(index, home);
            return fault(*offset, word.len(), what, joined(fixed.iter().map(String::as_str)), "");
        }
        let long =
            word.split([',', '-', '/']).find(|token| abbreviation(token).is_some_and(|name| name.len() != token.len()));
        if let Some(long) = long {
            let short = abbreviation(long)?;
            fixed[index] = word.replace(long, short);
            return fault(
                *offset,
                word.len(),
                format!("names are written in three letters, not `{long}`"),
                joined(fixed.iter().map(String::as_str)),
                "",
            );
        }
    }
    None
}

/// Returns the three letters of a full or partial name of a month or a day of the week.
fn abbreviation(token: &str) -> Option<&'static str> {
    const LONG: [&str; 19] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let lower = token.trim_end_matches('.').to_lowercase();
    let long = LONG
        .iter()
        .find(|long| lower.len() >= 3 && (long.starts_with(&lower) || **long == lower.trim_end_matches('s')))?;
    WEEKDAYS.iter().chain(&MONTHS).find(|name| long.starts_with(**name)).copied()
}

#[cfg(test)]
mod tests;

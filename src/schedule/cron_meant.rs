//! A schedule that cannot be read → what was meant, where other programs' habits are recognised.
//!
//! Each habit names its fault and rewrites the text; they are applied until the text can be read, so that every
//! replacement that a hint gives is a schedule.

use super::cron::{Cron, CronProblem};
use super::field::{MONTHS, WEEKDAYS};

/// A fault of a text, and the text without it.
struct Fault {
    offset: usize,
    len: usize,
    what: String,
    fixed: String,
    /// What else there is to do, behind the replacement.
    beside: String,
}

/// Habits, in the order in which they are looked for.
const HABITS: [fn(&str) -> Option<Fault>; 10] =
    [assignment, note, wrapped, spaced, word, time_of_day, zone_behind, too_many, other_programs, names];

/// Faults in one text, at most.
const FAULTS_MAX: usize = 12;

/// The problem of `text` in the words of the habit behind it, with the whole replacement; else `problem` itself.
pub fn explain(text: &str, problem: CronProblem) -> CronProblem {
    let Some(first) = HABITS.iter().find_map(|habit| habit(text)) else { return problem };
    let mut fixed = first.fixed.clone();
    let mut beside = first.beside.clone();
    for _ in 0..FAULTS_MAX {
        if Cron::parse_exactly(&fixed).is_ok() {
            break;
        }
        let next = HABITS.iter().find_map(|habit| habit(&fixed)).or_else(|| replaced_item(&fixed));
        let Some(next) = next else { break };
        if beside.is_empty() {
            beside = next.beside;
        }
        fixed = next.fixed;
    }
    let hint = match Cron::parse_exactly(&fixed) {
        Ok(_) => Some(format!("write `{fixed}`{beside}")),
        Err(_) if beside.is_empty() => problem.hint.clone(),
        Err(_) => Some(beside.trim_start_matches([',', ' ']).to_owned()),
    };
    CronProblem { offset: first.offset, len: first.len, what: first.what, hint }
}

/// A field's own problem whose hint is the item to write in its place.
fn replaced_item(text: &str) -> Option<Fault> {
    let problem = Cron::parse_exactly(text).err()?;
    let item = problem.hint.as_deref()?.strip_prefix("write `")?.split('`').next()?;
    let (before, rest) = text.split_at_checked(problem.offset)?;
    let start = before.rfind([' ', ',', '\t']).map_or(0, |at| at + 1);
    let end = rest.find([' ', ',', '\t']).map_or(text.len(), |end| problem.offset + end);
    fault(start, end - start, problem.what, format!("{}{item}{}", text.get(..start)?, text.get(end..)?), "")
}

fn fault(offset: usize, len: usize, what: String, fixed: String, beside: impl Into<String>) -> Option<Fault> {
    Some(Fault { offset, len, what, fixed, beside: beside.into() })
}

/// The words of a text and where they begin.
fn words(text: &str) -> Vec<(usize, &str)> {
    text.split_whitespace().map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word)).collect()
}

fn joined<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}

/// `CRON_TZ=America/New_York 30 5 * * *`, and other assignments of a crontab.
fn assignment(text: &str) -> Option<Fault> {
    let words = words(text);
    let (offset, first) = *words.first()?;
    let (name, value) = first.split_once('=')?;
    let fixed = joined(words.iter().skip(1).map(|(_, word)| *word));
    let is_zone = matches!(name.to_uppercase().as_str(), "CRON_TZ" | "TZ" | "TIMEZONE");
    let beside =
        if is_zone { format!(", and the zone as `timezone: {}`", value.trim_matches('"')) } else { String::new() };
    let what = match is_zone {
        true => format!("`{name}=` is not read in a schedule: the zone has a key of its own"),
        false => format!("`{name}=` belongs to a crontab, not to a schedule"),
    };
    fault(offset, first.len(), what, fixed, beside)
}

/// `30 5 * * * # nightly`.
fn note(text: &str) -> Option<Fault> {
    let at = text.find(" #").or_else(|| text.find("\t#"))?;
    let what = "a note within the schedule is read as part of it".to_owned();
    fault(at + 1, text.len() - at - 1, what, text[..at].trim().to_owned(), ", and the note outside of the quotes")
}

/// `cron(30 5 ? * MON-FRI *)`.
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

/// `0 5 * * mon, wed`.
fn spaced(text: &str) -> Option<Fault> {
    let at = [", ", " ,", " - ", "- "].iter().filter_map(|pair| text.find(pair)).min()?;
    if words(text).len() <= 5 {
        return None;
    }
    let mut fixed = text.to_owned();
    for (spaced, tight) in [(" ,", ","), (", ", ","), (" - ", "-"), ("- ", "-"), (" -", "-")] {
        fixed = fixed.replace(spaced, tight);
    }
    fault(at, 2, "a space within a field makes two fields of it".to_owned(), fixed, "")
}

/// `daily`, `@every 15m`, `@weekdays`, `@daily 05:30`.
fn word(text: &str) -> Option<Fault> {
    let words = words(text);
    let (offset, first) = *words.first()?;
    let lower = first.trim_start_matches('@').to_lowercase();
    let rest = words.get(1).map(|(_, word)| *word);
    let whole = |fixed: &str, beside: &str| {
        fault(offset, text.trim().len(), format!("`{}` is not a schedule here", text.trim()), fixed.to_owned(), beside)
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

/// `15m` → `*/15 * * * *`, where the hour or the day is a multiple of it.
fn every(length: &str) -> Option<String> {
    let length = crate::pipeline::scalars::parse_length(length).ok()?.as_secs();
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

/// `05:30` alone.
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

/// `30 5 * * * Europe/Rome`.
fn zone_behind(text: &str) -> Option<Fault> {
    let words = words(text);
    let (offset, last) = *words.get(5..)?.last()?;
    let is_zone = last.parse::<u16>().is_err() && super::zone::parse(last).is_ok();
    let fixed = joined(words[..words.len() - 1].iter().map(|(_, word)| *word));
    let what = format!("`{last}` is a time zone, which has a key of its own");
    is_zone.then(|| fault(offset, last.len(), what, fixed, format!(", and `timezone: {last}`")))?
}

/// Six or seven fields: seconds before, a year, a user or a command behind.
fn too_many(text: &str) -> Option<Fault> {
    let words = words(text);
    let (sixth, last) = *words.get(5)?;
    let only: Vec<&str> = words.iter().map(|(_, word)| *word).collect();
    let is_field = |word: &str| {
        word.chars().all(|c| c.is_ascii_digit() || "*/,-?LW#".contains(c))
            || word.split([',', '-', '#']).all(|name| short(name).is_some())
    };
    let is_year = last.split([',', '-']).all(|year| year.len() == 4 && year.parse::<u16>().is_ok());
    let behind = text.trim_end().len() - sixth;
    if !is_field(last) {
        let what = format!(
            "a schedule has five fields: `{}` behind them is a user's name or a command",
            &text[sixth..].trim_end()
        );
        return fault(sixth, behind, what, joined(only[..5].iter().copied()), "");
    }
    // In Quartz and its like, Sunday is 1; a year, or `?` with a sixth `*`, is at the end.
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

/// The days of a week that begins with 1, by name.
fn named_days(field: &str) -> String {
    let name = |c: char| c.to_digit(10).and_then(|day| WEEKDAYS.get((day as usize).checked_sub(1)?));
    match field.contains(['/', '#', 'L']) {
        true => field.to_owned(),
        false => field.chars().map(|c| name(c).map_or(c.to_string(), |name| (*name).to_owned())).collect(),
    }
}

/// `L`, `W`, `#`, `?` and Jenkins' `H`; hour 24 and minute 60.
fn other_programs(text: &str) -> Option<Fault> {
    let words = words(text);
    if words.len() != 5 {
        return None;
    }
    let foreign = "is not part of cron as Debian reads it";
    for (index, (offset, word)) in words.iter().enumerate() {
        let upper = word.to_uppercase();
        let nth = word.split_once('#').map(|(day, _)| day.to_owned());
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (what, item, beside): (String, String, &str) = match (index, upper.as_str()) {
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
        return fault(*offset, word.len(), what, joined(fixed), beside);
    }
    // Left are steps and ranges that a field refuses with a replacement of its own.
    replaced_item(text)
}

/// `monday`, and names of months and days in fields that have none.
fn names(text: &str) -> Option<Fault> {
    let words = words(text);
    if words.len() != 5 {
        return None;
    }
    for (index, (offset, word)) in words.iter().enumerate() {
        let mut fixed: Vec<String> = words.iter().map(|(_, word)| (*word).to_owned()).collect();
        let named: Vec<Option<&str>> = word.split([',', '-', '/']).map(short).collect();
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
        let long = word.split([',', '-', '/']).find(|token| short(token).is_some_and(|name| name.len() != token.len()));
        if let Some(long) = long {
            let short = short(long)?;
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

/// The three letters of a month or a day of the week that is written out, or in part.
fn short(token: &str) -> Option<&'static str> {
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

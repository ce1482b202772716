//! A cron expression in plain English.

use std::collections::BTreeSet;

use super::Cron;
use super::field::Field;

/// Times of day that are listed; more are described by their minutes and hours.
const TIMES_MAX: usize = 6;

const WEEKDAY_NAMES: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTH_NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Cron {
    /// Returns the schedule in English: `at 05:30, Monday to Friday`.
    ///
    /// ```
    /// use reportferry::schedule::cron::Cron;
    ///
    /// let said = |text| Cron::parse(text).unwrap().describe();
    /// assert_eq!(said("30 5 * * mon-fri"), "at 05:30, Monday to Friday");
    /// assert_eq!(said("*/15 * * * *"), "every 15 minutes, every day");
    /// ```
    pub fn describe(&self) -> String {
        let [minute, hour, day, month, weekday] = &self.fields;
        let months = if month.is_all() {
            String::new()
        } else {
            format!(", in {}", list(&month.set, |number| name(&MONTH_NAMES, number.saturating_sub(1))))
        };
        format!("{}, {}{months}", times(minute, hour), days(day, weekday))
    }
}

fn times(minute: &Field, hour: &Field) -> String {
    if minute.set.len() * hour.set.len() <= TIMES_MAX {
        let times =
            hour.set.iter().flat_map(|hour| minute.set.iter().map(move |minute| format!("{hour:02}:{minute:02}")));
        return format!("at {}", joined(&times.collect::<Vec<_>>()));
    }
    let minutes = match (minute.is_all(), step(&minute.set, 60)) {
        (true, _) => "every minute".to_owned(),
        (false, Some(step)) => format!("every {step} minutes"),
        (false, None) => {
            let plural = if minute.set.len() == 1 { "" } else { "s" };
            format!("at minute{plural} {}", list(&minute.set, |number| number.to_string()))
        }
    };
    match (hour.is_all(), minutes.starts_with("every")) {
        (true, true) => minutes,
        (true, false) => format!("{minutes} of every hour"),
        (false, _) => {
            let plural = if hour.set.len() == 1 { "" } else { "s" };
            format!("{minutes} of the hour{plural} {}", list(&hour.set, |number| number.to_string()))
        }
    }
}

/// Returns the step of a set such as 0, 15, 30, 45 that begins anew at `end` without a break.
fn step(set: &BTreeSet<u8>, end: u8) -> Option<u8> {
    let count = u8::try_from(set.len()).ok().filter(|count| *count > 1)?;
    let step = (end.is_multiple_of(count)).then(|| end / count)?;
    set.iter().copied().eq((0..count).map(|nth| nth * step)).then_some(step)
}

fn days(day: &Field, weekday: &Field) -> String {
    let of_month = || {
        let plural = if day.set.len() == 1 { "" } else { "s" };
        format!("on day{plural} {} of the month", list(&day.set, |number| number.to_string()))
    };
    let of_week = || match run(&weekday.set) {
        Some((first, last)) => format!("{} to {}", name(&WEEKDAY_NAMES, first), name(&WEEKDAY_NAMES, last)),
        None => format!("on {}", list(&weekday.set, |number| name(&WEEKDAY_NAMES, number))),
    };
    match (day.is_all(), weekday.is_all()) {
        (true, true) => "every day".to_owned(),
        (true, false) => of_week(),
        (false, true) => of_month(),
        // As cron: either is enough, unless one of the fields begins with a star.
        (false, false) if day.starts_with_star || weekday.starts_with_star => {
            format!("{} that {} also {}", of_month(), if day.set.len() == 1 { "is" } else { "are" }, of_week())
        }
        (false, false) => format!("{}, and also {}", of_month(), of_week()),
    }
}

/// Returns the first and last of three or more successive numbers.
fn run(set: &BTreeSet<u8>) -> Option<(u8, u8)> {
    let (first, last) = (*set.first()?, *set.last()?);
    (set.len() > 2 && usize::from(last - first) + 1 == set.len()).then_some((first, last))
}

fn name(names: &[&str], number: u8) -> String {
    names.get(usize::from(number)).map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

fn list(set: &BTreeSet<u8>, name: impl Fn(u8) -> String) -> String {
    joined(&set.iter().map(|number| name(*number)).collect::<Vec<_>>())
}

fn joined(parts: &[String]) -> String {
    match parts {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => parts.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::Cron;

    #[test]
    fn schedules_are_english() {
        for (text, english) in [
            ("@daily", "at 00:00, every day"),
            ("0 18 * * fri", "at 18:00, on Friday"),
            ("15 */4 * * *", "at 00:15, 04:15, 08:15, 12:15, 16:15 and 20:15, every day"),
            ("15 */2 * * *", "at minute 15 of the hours 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 and 22, every day"),
            ("* * * * *", "every minute, every day"),
            ("5,35 * * * *", "at minutes 5 and 35 of every hour, every day"),
            (
                "*/10 9-17 * * 1-5",
                "every 10 minutes of the hours 9, 10, 11, 12, 13, 14, 15, 16 and 17, Monday to Friday",
            ),
            ("0 6 1,15 * *", "at 06:00, on days 1 and 15 of the month"),
            ("0 6 1 * mon", "at 06:00, on day 1 of the month, and also on Monday"),
            ("0 6 */10 * mon", "at 06:00, on days 1, 11, 21 and 31 of the month that are also on Monday"),
            ("0 6 1 jan,jul *", "at 06:00, on day 1 of the month, in January and July"),
            ("0 6 * * 0,6", "at 06:00, on Sunday and Saturday"),
        ] {
            assert_eq!(Cron::parse(text).unwrap().describe(), english, "{text}");
        }
    }
}

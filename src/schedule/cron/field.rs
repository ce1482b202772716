//! One field of a cron expression → the set of its values.

use std::collections::BTreeSet;

use super::CronProblem;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

/// The values of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    kind: FieldKind,
    /// Weekdays are 0 (Sunday) to 6.
    pub set: BTreeSet<u8>,
    /// As in cron: the field is unrestricted, even if it is `*/2`.
    pub starts_with_star: bool,
}

pub(super) const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
pub(super) const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Field {
    /// Returns true if every value is in the set.
    pub(super) fn is_all(&self) -> bool {
        let (min, max) = self.kind.range();
        let values = if self.kind == FieldKind::Weekday { 7 } else { max - min + 1 };
        self.set.len() == usize::from(values)
    }
}

impl FieldKind {
    pub(super) const ALL: [FieldKind; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Month, Self::Weekday];

    fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day of month",
            Self::Month => "month",
            Self::Weekday => "day of week",
        }
    }

    /// Returns the smallest and largest value; in the day of week, 7 is Sunday too.
    fn range(self) -> (u8, u8) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::Day => (1, 31),
            Self::Month => (1, 12),
            Self::Weekday => (0, 7),
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::Weekday => &WEEKDAYS,
            _ => &[],
        }
    }
}

pub(super) fn parse(kind: FieldKind, text: &str) -> Result<Field, CronProblem> {
    let mut set = BTreeSet::new();
    let mut offset = 0;
    for item in text.split(',') {
        parse_item(kind, item, &mut set)
            .map_err(|problem| CronProblem { offset: problem.offset + offset, ..problem })?;
        offset += item.len() + 1;
    }
    Ok(Field { kind, set, starts_with_star: text.starts_with('*') })
}

/// Parses `*`, `a`, `a-b`, and a step after `*` and `a-b`.
fn parse_item(kind: FieldKind, item: &str, set: &mut BTreeSet<u8>) -> Result<(), CronProblem> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some((range.len() + 1, step))),
        None => (item, None),
    };
    let (min, max) = kind.range();
    let (first, last) = match range.split_once('-') {
        _ if range == "*" => (min, if kind == FieldKind::Weekday { 6 } else { max }),
        Some((from, to)) => {
            let first = value(kind, from, 0)?;
            let last = value(kind, to, from.len() + 1)?;
            if first > last {
                return Err(backwards(kind, range, first, last));
            }
            (first, last)
        }
        None => {
            let value = value(kind, range, 0)?;
            if let Some((_, step)) = step {
                let end = if kind == FieldKind::Weekday { 6 } else { max };
                return Err(CronProblem {
                    offset: 0,
                    len: item.len(),
                    what: format!("a step follows `*` or a range, not the single {} `{range}`", kind.name()),
                    hint: Some(format!("write `{range}-{end}/{step}`")),
                });
            }
            (value, value)
        }
    };
    let step = match step {
        None => 1,
        Some((offset, text)) => {
            let step = parse_step(text, offset)?;
            if range == "*" && step > usize::from(max) {
                let what = format!("the step `{text}` is beyond the field: only {} {first} would be due", kind.name());
                let hint = format!("write `{first}`");
                return Err(CronProblem { offset, len: text.len(), what, hint: Some(hint) });
            }
            step
        }
    };
    let values = (first..=last).step_by(step);
    set.extend(values.map(|value| if kind == FieldKind::Weekday { value % 7 } else { value }));
    Ok(())
}

fn backwards(kind: FieldKind, range: &str, first: u8, last: u8) -> CronProblem {
    let (min, max) = kind.range();
    let hint = match (kind, last) {
        (FieldKind::Weekday, 0) => format!("write `{first}-7`: Sunday is 7 as well"),
        _ => format!("write `{first}-{max},{min}-{last}`"),
    };
    let what = format!("the {} range `{range}` runs backwards", kind.name());
    CronProblem { offset: 0, len: range.len(), what, hint: Some(hint) }
}

fn parse_step(text: &str, offset: usize) -> Result<usize, CronProblem> {
    match text.parse::<usize>() {
        Ok(step) if step > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(step),
        _ => Err(CronProblem {
            offset,
            len: text.len(),
            what: format!("the step `{text}` is not a whole number from 1 up"),
            hint: None,
        }),
    }
}

fn value(kind: FieldKind, text: &str, offset: usize) -> Result<u8, CronProblem> {
    let problem = |what: String, hint: Option<String>| CronProblem { offset, len: text.len(), what, hint };
    let (min, max) = kind.range();
    let name = kind.name();
    if let Some(index) = kind.names().iter().position(|known| known.eq_ignore_ascii_case(text)) {
        return u8::try_from(index)
            .map(|index| index + min)
            .map_err(|_| problem(format!("{text} is out of range"), None));
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return match text.parse::<u8>() {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            _ => Err(problem(format!("{name} `{text}` is out of range: {min} to {max} is allowed"), None)),
        };
    }
    if text.contains(['L', 'W', '#', '?']) && !text.chars().all(char::is_alphabetic) || matches!(text, "L" | "W" | "?")
    {
        let what =
            format!("`{text}` is not part of cron as Debian reads it: `L`, `W`, `#` and `?` are other programs'");
        return Err(problem(what, Some("write `*` for any day, or the days themselves".into())));
    }
    if text.is_empty() {
        return Err(problem(
            format!("{} {name} is missing here", if kind == FieldKind::Hour { "an" } else { "a" }),
            Some("remove the extra comma or dash".into()),
        ));
    }
    let hint = crate::yaml::problem::did_you_mean(text, kind.names().iter().copied()).or_else(|| match kind {
        FieldKind::Month => Some("months are 1 to 12 or `jan` to `dec`".into()),
        FieldKind::Weekday => Some("days of the week are 0 to 7 (0 and 7 are Sunday) or `sun` to `sat`".into()),
        _ => None,
    });
    Err(problem(format!("`{text}` is not {} {name}", if kind == FieldKind::Hour { "an" } else { "a" }), hint))
}

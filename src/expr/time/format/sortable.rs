//! Formats whose texts are in the order of time.

use crate::expr::unit::Unit;

use super::{Item, Pad, TimeFormat, TimePart};

/// Returns the unit that a number counts; `None` if texts of it are not in the order of time: `%y`, `%I`.
fn unit_of(part: TimePart) -> Option<Unit> {
    Some(match part {
        TimePart::Year | TimePart::IsoYear => Unit::Year,
        TimePart::Quarter => Unit::Quarter,
        TimePart::Month => Unit::Month,
        TimePart::IsoWeek | TimePart::WeekFromSunday | TimePart::WeekFromMonday => Unit::Week,
        TimePart::Day | TimePart::DayOfYear | TimePart::Weekday | TimePart::WeekdayFromSunday => Unit::Day,
        TimePart::Hour => Unit::Hour,
        TimePart::Minute => Unit::Minute,
        TimePart::Second => Unit::Second,
        TimePart::YearOfCentury | TimePart::Century | TimePart::IsoYearOfCentury | TimePart::Hour12 => return None,
    })
}

impl TimeFormat {
    /// Returns true if formatted texts, compared byte by byte, are in the order of their times: the largest unit comes
    /// first, every number has a fixed width. Names may follow the day that they repeat; zones and offsets may follow.
    pub(crate) fn is_sortable(&self) -> bool {
        let mut smallest = None;
        for item in &self.items {
            let is_day_known = smallest >= Some(Unit::Day);
            let unit = match item {
                Item::Literal(_) | Item::Offset { .. } | Item::Abbreviation | Item::ZoneName => continue,
                Item::WeekdayName { .. } if is_day_known => continue,
                Item::Number { part: TimePart::Weekday | TimePart::WeekdayFromSunday, .. } if is_day_known => continue,
                Item::Number { part, pad, width } if *width == 1 || *pad != Pad::None => unit_of(*part),
                Item::Fraction { .. } => Some(Unit::Microsecond),
                Item::Number { .. }
                | Item::MonthName { .. }
                | Item::WeekdayName { .. }
                | Item::Meridiem { .. }
                | Item::Epoch => None,
            };
            if unit.is_none() || smallest >= unit {
                return false;
            }
            smallest = unit;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_with_the_largest_unit_first_sort() {
        for (text, is_sortable) in [
            ("%Y-%m-%d", true),
            ("%Y-%m-%d %H:%M:%S", true),
            ("%FT%T%.f", true),
            ("%FT%T.%3fZ", true),
            ("%F %T%z", true),
            ("%Y%m%d", true),
            ("%Y%j", true),
            ("%Y-%m-%e", true),
            ("%Y-%m-%d %a", true),
            ("%G-W%V-%u", true),
            ("%Y-Q%q", true),
            ("%H:%M", true),
            ("%m/%d/%Y", false),
            ("%d.%m.%Y", false),
            ("%d/%m/%Y %H:%M", false),
            ("%y-%m-%d", false),
            ("%Y-%-m-%-d", false),
            ("%Y-%b-%d", false),
            ("%a %Y-%m-%d", false),
            ("%F %I:%M %p", false),
            ("%H:%M %F", false),
            ("%s", false),
        ] {
            assert_eq!(TimeFormat::compile(text).unwrap().is_sortable(), is_sortable, "{text}");
        }
    }
}

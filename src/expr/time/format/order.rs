//! The order of formatted times as texts, beside the order of the times.

use super::{Item, Pad, TimeFormat, TimePart};

impl TimeFormat {
    /// Returns true if it has a time of day, or more than a date: an instant.
    pub(crate) fn has_time_of_day(&self) -> bool {
        self.items.iter().any(|item| match item {
            Item::Number { part, .. } => {
                matches!(part, TimePart::Hour | TimePart::Hour12 | TimePart::Minute | TimePart::Second)
            }
            Item::Meridiem { .. } | Item::Fraction { .. } | Item::Offset { .. } | Item::Epoch => true,
            Item::Literal(_)
            | Item::MonthName { .. }
            | Item::WeekdayName { .. }
            | Item::Abbreviation
            | Item::ZoneName => false,
        })
    }

    /// Returns true if texts of this format are in the order of their times: the largest unit first, each with all its
    /// digits.
    pub(crate) fn is_in_order_of_time(&self) -> bool {
        let mut last = None;
        for item in &self.items {
            let rank = match item {
                Item::Literal(_) => continue,
                Item::Number { pad: Pad::None, .. } => return false,
                Item::Number { part, .. } => match part {
                    TimePart::Year | TimePart::YearOfCentury | TimePart::IsoYear | TimePart::IsoYearOfCentury => 0,
                    TimePart::Month | TimePart::DayOfYear | TimePart::IsoWeek => 1,
                    TimePart::Day | TimePart::Weekday => 2,
                    TimePart::Hour => 3,
                    TimePart::Minute => 4,
                    TimePart::Second => 5,
                    _ => return false,
                },
                Item::Fraction { .. } => 6,
                Item::Epoch => return self.items.len() == 1,
                // The same for all rows, or nearly so.
                Item::Offset { .. } | Item::Abbreviation | Item::ZoneName => 7,
                Item::MonthName { .. } | Item::WeekdayName { .. } | Item::Meridiem { .. } => return false,
            };
            if rank < last.unwrap_or(rank) || last.is_none() && rank > 0 {
                return false;
            }
            last = Some(rank);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_in_the_order_of_times_with_the_largest_unit_first() {
        for (format, is_in_order, has_time) in [
            ("%Y-%m-%d", true, false),
            ("%Y%m%d%H%M%S", true, true),
            ("%Y-%m-%dT%H:%M:%S%.f%:z", true, true),
            ("%y%m%d", true, false),
            ("%Y-%j", true, false),
            ("%m/%d/%Y", false, false),
            ("%d.%m.%Y %H:%M", false, true),
            ("%Y-%d-%m", false, false),
            ("%Y-%-m-%-d", false, false),
            ("%Y %b %d", false, false),
            ("%Y-%m-%d %I:%M %p", false, true),
        ] {
            let compiled = TimeFormat::compile(format).unwrap();
            assert_eq!(
                (compiled.is_in_order_of_time(), compiled.has_time_of_day()),
                (is_in_order, has_time),
                "{format}"
            );
        }
    }
}

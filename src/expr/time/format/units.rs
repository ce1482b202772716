//! The units that a format has.

use super::{Item, TimeFormat, TimePart};

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
}

//! The units of dates and times.

/// The units of `date_trunc`, `date_diff`, intervals and formats, in the order of their lengths, the longest first. Weeks
/// begin on Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
}

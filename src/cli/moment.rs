//! Moments as people give them: RFC 3339, a date, or how long ago.

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::pipeline::scalars::parse_length;

/// A moment, or a length of time that is counted back from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    At(Timestamp),
    /// The start of a day, in a zone that is known later.
    Day(jiff::civil::Date),
    Ago(SignedDuration),
}

impl Moment {
    /// `2026-11-23T05:30:00-05:00`, `2026-11-23`, `12h`, `2d`.
    ///
    /// # Errors
    /// It is none of these, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::At(at));
        }
        if let Ok(day) = text.parse::<jiff::civil::Date>() {
            return Ok(Self::Day(day));
        }
        let ago = parse_length(text).ok().and_then(|length| SignedDuration::try_from(length).ok());
        ago.map(Self::Ago).ok_or_else(|| {
            format!("{text:?} is no moment: write 2026-11-23T05:30:00-05:00, or 2026-11-23, or how long ago: 12h, 2d")
        })
    }

    pub fn timestamp(self, clock: &Clock, zone: &jiff::tz::TimeZone) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Day(day) => day.to_zoned_datetime(zone.clone()).map_or(Timestamp::MAX, |at| at.timestamp()),
            Self::Ago(ago) => clock.now().saturating_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }
}

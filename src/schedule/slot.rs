//! One moment at which a pipeline is due, and the identity of the work that it asks for.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit, ZonedDateTime};
use sha2::{Digest, Sha256};

/// A pipeline and the instant it is due, in whole milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub pipeline: String,
    pub at: ZonedDateTime,
}

impl Slot {
    pub fn new(pipeline: impl Into<String>, at: Timestamp, zone: TimeZone) -> Self {
        let at = at.round(Unit::Millisecond).unwrap_or(at);
        Self { pipeline: pipeline.into(), at: at.to_zoned_datetime(zone) }
    }

    /// The id of this slot's run: 16 hexadecimal digits, the same for the same slot for ever.
    pub fn run_id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.pipeline.as_bytes());
        hash.update([0]);
        hash.update(self.at_ms().to_be_bytes());
        hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn at_ms(&self) -> i64 {
        self.at.timestamp().as_millisecond()
    }

    /// RFC 3339 with the zone's offset: `2026-11-23T05:30:00-05:00`.
    pub fn rfc3339(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
    }
}

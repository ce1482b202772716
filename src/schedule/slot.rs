//! One moment at which a pipeline is due, and the identity of its run.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit, ZonedDateTime};
use sha2::{Digest, Sha256};

use crate::name::NameFields;

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

    /// Returns the id of this slot's run: 16 hexadecimal digits, always the same for the same slot.
    pub fn run_id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.pipeline.as_bytes());
        hash.update([0]);
        hash.update(self.at_ms().to_be_bytes());
        crate::digest::hex(&hash.finalize()[..8])
    }

    /// Returns the fields for rendering file names of this slot.
    pub fn name_fields(&self) -> NameFields<'_> {
        NameFields { at: &self.at, pipeline: &self.pipeline, run: self.run_id() }
    }

    pub fn at_ms(&self) -> i64 {
        self.at.timestamp().as_millisecond()
    }

    /// Formats the slot in RFC 3339 with the zone's offset: `2026-11-23T05:30:00-05:00`.
    pub fn rfc3339(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
    }
}

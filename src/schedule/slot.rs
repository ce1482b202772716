//! One moment at which a pipeline is due, and the identity of its run.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit, ZonedDateTime};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::name::NameFields;

/// A pipeline and the instant it is due, in whole milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub pipeline: String,
    pub at: ZonedDateTime,
    /// The file that a person has run in place of the source. Such a run is not the slot's own.
    pub input: Option<InputFile>,
}

/// A file whose rows a run takes in place of the source's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputFile {
    /// Absolute.
    pub path: String,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

impl Slot {
    pub fn new(pipeline: impl Into<String>, at: Timestamp, zone: TimeZone) -> Self {
        let at = at.round(Unit::Millisecond).unwrap_or(at);
        Self { pipeline: pipeline.into(), at: at.to_zoned_datetime(zone), input: None }
    }

    /// Returns the same slot, run with the rows of a file; `None` is the source.
    #[must_use]
    pub fn with_input(self, input: Option<InputFile>) -> Self {
        Self { input, ..self }
    }

    /// Returns the id of this slot's run: 16 hexadecimal digits, always the same for the same slot and input file.
    pub fn run_id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.pipeline.as_bytes());
        hash.update([0]);
        hash.update(self.at_ms().to_be_bytes());
        if let Some(input) = &self.input {
            hash.update(&input.sha256);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_a_file_is_never_the_slots_own() {
        let slot = Slot::new("p", "2026-11-23T10:30:00Z".parse().unwrap(), TimeZone::UTC);
        let input = |path: &str, sha256: &str| Some(InputFile { path: path.to_owned(), sha256: sha256.to_owned() });
        let id = |input| slot.clone().with_input(input).run_id();
        assert_eq!(id(None), slot.run_id());
        assert_ne!(id(input("/a.csv", "ab")), slot.run_id());
        assert_eq!(id(input("/a.csv", "ab")), id(input("/b.csv", "ab")), "the content counts");
        assert_ne!(id(input("/a.csv", "ab")), id(input("/a.csv", "ac")));
    }
}

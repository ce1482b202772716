//! A delivery request: the artifact, the plan's delivery, and what the receiver gets to know about them.

use std::time::Instant;

use jiff::Timestamp;

use super::{IntendedFile, Intent, Leftover, names};
use crate::encode::Artifact;
use crate::pipeline::plan::{DeliveryPlan, Existing};
use crate::settings::ModifiedTime;

/// Facts about the artifact that the receiver gets to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryMeta {
    pub pipeline: String,
    /// RFC 3339 in the pipeline's zone.
    pub slot: String,
    /// Other destinations that have it: destination, address, path.
    pub delivered_to: Vec<(String, String, String)>,
}

/// One artifact for one destination.
#[derive(Clone, Copy)]
pub struct DeliveryRequest<'a> {
    /// The run's id: 16 hexadecimal digits.
    pub run: &'a str,
    pub artifact: &'a Artifact,
    pub plan: &'a DeliveryPlan,
    pub about: &'a DeliveryMeta,
    /// What the replaced delivery has and this one has not.
    pub leftover: Option<&'a Leftover>,
    /// End of the attempt.
    pub until: Option<Instant>,
}

impl<'a> DeliveryRequest<'a> {
    /// A request that gives the receiver nothing but the bytes.
    pub fn new(run: &'a str, artifact: &'a Artifact, plan: &'a DeliveryPlan) -> Self {
        static NOTHING: DeliveryMeta =
            DeliveryMeta { pipeline: String::new(), slot: String::new(), delivered_to: Vec::new() };
        Self { run, artifact, plan, about: &NOTHING, leftover: None, until: None }
    }
}

impl DeliveryRequest<'_> {
    /// Returns the modification time that the destination's `mtime` asks for; `None` if it asks for none, or none is known.
    pub(super) fn modified(&self, wanted: Option<ModifiedTime>) -> Option<Timestamp> {
        match wanted? {
            ModifiedTime::Slot => self.about.slot.parse().ok(),
            ModifiedTime::Artifact => {
                let made = std::fs::metadata(&self.artifact.path).and_then(|there| there.modified()).ok()?;
                Timestamp::try_from(made).ok()
            }
        }
    }

    pub(super) fn replacing(&self) -> bool {
        self.plan.existing == Existing::Replace
    }
}

/// Age in seconds at which no process still writes one of our temporary files.
pub(super) const ORPHAN_AGE_S: i64 = 24 * 60 * 60;

/// Returns true if a sweep may remove the file `name`, last modified at `modified_s`.
pub(super) fn may_sweep(
    delivery: &DeliveryRequest<'_>,
    intent: &Intent,
    name: &str,
    modified_s: Option<i64>,
    now: Timestamp,
) -> bool {
    let Some((inner, run)) = names::temporary_parts(name) else { return false };
    let last = |path: &str| path.rsplit('/').next() == Some(name);
    let intended = intent.files.iter().any(|file| !file.is_direct() && last(&file.temporary));
    let final_name = |file: &IntendedFile| file.final_path.rsplit('/').next() == Some(inner);
    // A file that was moved aside belongs to readers: remove it only when this run's own file is in its place.
    let moved_aside = inner.strip_suffix(".old");
    let inner = moved_aside.unwrap_or(inner);
    let ours = || delivery.artifact.data_files().iter().any(|file| names::belongs_to(inner, file.name));
    // In a folder, earlier attempts had other temporary names.
    let earlier = run == delivery.run && (ours() || intent.files.iter().any(final_name));
    let is_old = |modified_s: i64| now.as_second().saturating_sub(modified_s) > ORPHAN_AGE_S;
    let orphaned = moved_aside.is_none() && modified_s.is_some_and(is_old);
    intended || earlier || orphaned
}

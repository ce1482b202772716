//! The row balance: accounts for every extracted row.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::pipeline::operator::RowShare;

/// The row counts: `extracted` plus the rows that steps added equals `written` plus those that they dropped or merged.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Balance {
    pub extracted: u64,
    /// The steps that may change the number of rows.
    pub steps: Vec<StepRows>,
    pub written: u64,
}

/// One step's share: `{"step": 2, "kind": "filter", "dropped": 880}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRows {
    /// The step number, from 1, in the order of the pipeline file.
    pub step: usize,
    pub kind: &'static str,
    pub share: RowShare,
    pub rows: u64,
}

impl Serialize for StepRows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", &self.step)?;
        map.serialize_entry("kind", self.kind)?;
        map.serialize_entry(self.share.name(), &self.rows)?;
        map.end()
    }
}

impl Balance {
    /// Returns true if no row is unaccounted for.
    pub(super) fn is_even(&self) -> bool {
        let sum = |shares: &[RowShare]| -> u64 {
            self.steps.iter().filter(|step| shares.contains(&step.share)).map(|step| step.rows).sum()
        };
        self.extracted + sum(&[RowShare::Added]) == self.written + sum(&[RowShare::Dropped, RowShare::Merged])
    }
}

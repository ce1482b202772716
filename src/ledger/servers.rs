//! Records about destinations: results of `doctor`, and the runs blocked at them.

use super::runs::json;
use super::state::DeliveryState;
use super::store::params;
use super::{Ledger, LedgerError};
use crate::deliver::doctor::Probe;
use crate::fault::FaultStep;

/// Probes kept per destination.
const PROBES_MAX: i64 = 20;
/// Blocked runs that are named.
const BLOCKED_MAX: i64 = 100;

/// The result of a probe, and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProbe {
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub probe: Probe,
}

impl Ledger {
    /// Stores the result of a probe, and deletes all but the newest twenty. Returns its time.
    pub async fn note_probe(&self, probe: &Probe) -> Result<i64, LedgerError> {
        let (destination, ok, text) = (probe.destination.clone(), probe.ok, json(probe)?);
        let now = self.clock.now_ms();
        self.write(FaultStep::new("ledger.probe"), "record the probe", move |tx| {
            tx.execute(
                "INSERT INTO probes (destination, at_ms, ok, probe_json) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (destination, at_ms) DO UPDATE SET ok = excluded.ok, probe_json = excluded.probe_json",
                params![&destination, now, ok, &text],
            )?;
            tx.execute(
                "DELETE FROM probes WHERE destination = $1 AND at_ms NOT IN \
                 (SELECT at_ms FROM probes WHERE destination = $1 ORDER BY at_ms DESC LIMIT $2)",
                params![&destination, PROBES_MAX],
            )?;
            Ok(now)
        })
        .await
    }

    /// Returns the result of a destination's last probe.
    ///
    /// # Errors
    /// The ledger cannot be read, or a newer version wrote the probe.
    pub async fn last_probe(&self, destination: &str) -> Result<Option<StoredProbe>, LedgerError> {
        let destination = destination.to_owned();
        self.read("read the probe", move |tx| {
            let found = tx.query_opt(
                "SELECT at_ms, probe_json FROM probes WHERE destination = $1 ORDER BY at_ms DESC LIMIT 1",
                params![&destination],
            )?;
            let Some(row) = found else { return Ok(None) };
            let at_ms = row.get("at_ms")?;
            Ok(row.json("probe_json")?.map(|probe| StoredProbe { at_ms, probe }))
        })
        .await
    }

    /// Returns the runs blocked at a destination, oldest first.
    pub async fn blocked_at(&self, destination: &str) -> Result<Vec<String>, LedgerError> {
        let destination = destination.to_owned();
        self.read("read the blocked deliveries", move |tx| {
            let blocked = tx.query(
                "SELECT run_id FROM deliveries WHERE destination = $1 AND state = $2 \
                 ORDER BY since_ms NULLS LAST, run_id LIMIT $3",
                params![&destination, DeliveryState::Blocked.name(), BLOCKED_MAX],
            )?;
            blocked.iter().map(|row| row.get("run_id")).collect()
        })
        .await
    }
}

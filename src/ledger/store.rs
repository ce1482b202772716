//! What is written of a run: each method is one transaction and one promise kept.

use serde::Serialize;

use super::query::text;
use super::record::{ArtifactFacts, ExtractFacts, Run};
use super::state::{DeliveryState, RunState};
use super::{Ledger, LedgerError};

use crate::encode::Artifact;
use crate::fault;
use crate::schedule::slot::Slot;

pub(super) use super::writer::Tx;

pub(super) fn sql(operation: &'static str) -> impl FnOnce(sqlx::Error) -> LedgerError {
    move |source| LedgerError::Sql { operation, source }
}

pub(super) fn json(value: &impl Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|error| LedgerError::Unreadable { what: error.to_string() })
}

/// When there is next something to do for a run that comes to this state, as SQL over its row; `$3` is now.
pub(super) fn wake(to: RunState) -> &'static str {
    match to {
        RunState::Due | RunState::Extracting | RunState::Shaping => "COALESCE(wake_ms, $3)",
        // What is delivered may have destinations left that it did not wait for.
        RunState::Delivering | RunState::Delivered => {
            "(SELECT CAST(MIN(COALESCE(due_ms, $3)) AS BIGINT) FROM deliveries \
             WHERE run_id = runs.id AND state IN ('due', 'publishing', 'waiting'))"
        }
        RunState::Skipped | RunState::Held | RunState::Failed | RunState::Rejected => "NULL",
    }
}

impl Ledger {
    /// Enters the slot once: whoever comes second finds the first one's run.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn enter(&self, slot: &Slot, plan_digest: &str) -> Result<Run, LedgerError> {
        const OPERATION: &str = "enter the slot";
        let id = slot.run_id();
        // What the worker entered needs no writing again.
        if let Some(run) = self.run(&id).await? {
            return Ok(run);
        }
        fault::step_async("ledger.enter", async || {
            let now = self.clock.now_ms();
            let mut tx = self.begin(OPERATION).await?;
            let entered = sqlx::query(
                "INSERT INTO runs (id, pipeline, slot_ms, slot, state, plan_digest, entered_ms, updated_ms, origin, wake_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 'person', $7) ON CONFLICT DO NOTHING",
            )
            .bind(&id)
            .bind(&slot.pipeline)
            .bind(slot.at_ms())
            .bind(slot.rfc3339())
            .bind(RunState::Due.name())
            .bind(plan_digest)
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?
            .rows_affected();
            if entered == 1 {
                sqlx::query("INSERT INTO pipelines (name, cursor_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                    .bind(&slot.pipeline)
                    .bind(now)
                    .execute(&mut *tx)
                    .await
                    .map_err(sql(OPERATION))?;
                self.event(&mut tx, &id, "entered", &slot.rfc3339()).await?;
            }
            tx.commit().await.map_err(sql(OPERATION))
        })
        .await?;
        self.run(&id).await?.ok_or_else(|| LedgerError::Unreadable { what: format!("no run {id} after entering it") })
    }

    /// Moves a run on. The state it is in must be the one that the caller knows.
    ///
    /// # Errors
    /// An illegal move, or another process moved it first.
    pub async fn advance(&self, run: &mut Run, to: RunState, reason: Option<&str>) -> Result<(), LedgerError> {
        let step = if to.is_end() { "ledger.finish" } else { "ledger.advance" };
        let known = &*run;
        fault::step_async(step, async || self.advance_once(known, to, reason).await).await?;
        run.state = to;
        run.reason = reason.map(str::to_owned);
        Ok(())
    }

    async fn advance_once(&self, run: &Run, to: RunState, reason: Option<&str>) -> Result<(), LedgerError> {
        const OPERATION: &str = "move the run on";
        let illegal = || LedgerError::IllegalMove { run: run.id.clone(), from: run.state.name(), to: to.name() };
        if run.state != to && !run.state.may_become(to) {
            return Err(illegal());
        }
        let mut tx = self.begin(OPERATION).await?;
        // Already there: the answer to the same move was lost. That is no second move.
        let moved = sqlx::query(text(format!(
            "UPDATE runs SET state = $1, reason = $2, updated_ms = $3, wake_ms = {} \
             WHERE id = $4 AND state IN ($5, $1)",
            wake(to)
        )))
        .bind(to.name())
        .bind(reason)
        .bind(self.clock.now_ms())
        .bind(&run.id)
        .bind(run.state.name())
        .execute(&mut *tx)
        .await
        .map_err(sql(OPERATION))?
        .rows_affected();
        if moved != 1 {
            return Err(illegal());
        }
        if run.state != to {
            self.event(&mut tx, &run.id, to.name(), reason.unwrap_or_default()).await?;
        }
        tx.commit().await.map_err(sql(OPERATION))
    }

    /// Writes the source's execution down, before it is first asked about.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn note_ticket(&self, run: &mut Run, ticket: Option<&str>) -> Result<(), LedgerError> {
        const OPERATION: &str = "note the export's execution";
        let id = run.id.as_str();
        fault::step_async("ledger.ticket", async || {
            let mut tx = self.begin(OPERATION).await?;
            sqlx::query("UPDATE runs SET ticket = $1, extract_json = NULL, updated_ms = $2 WHERE id = $3")
                .bind(ticket)
                .bind(self.clock.now_ms())
                .bind(id)
                .execute(&mut *tx)
                .await
                .map_err(sql(OPERATION))?;
            let what = if ticket.is_some() { "export started" } else { "export lapsed" };
            self.event(&mut tx, id, what, ticket.unwrap_or_default()).await?;
            tx.commit().await.map_err(sql(OPERATION))
        })
        .await?;
        run.ticket = ticket.map(str::to_owned);
        run.extract = None;
        Ok(())
    }

    /// Writes down what lies in the spool as the run's extract.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn note_extract(&self, run: &mut Run, facts: ExtractFacts) -> Result<(), LedgerError> {
        const OPERATION: &str = "note the extract";
        let id = run.id.as_str();
        let text = json(&facts)?;
        fault::step_async("ledger.extract", async || {
            let mut tx = self.begin(OPERATION).await?;
            sqlx::query("UPDATE runs SET extract_json = $1, updated_ms = $2 WHERE id = $3")
                .bind(&text)
                .bind(self.clock.now_ms())
                .bind(id)
                .execute(&mut *tx)
                .await
                .map_err(sql(OPERATION))?;
            let detail = format!("{} bytes, sha256 {}", facts.bytes, facts.sha256);
            self.event(&mut tx, id, "extracted", &detail).await?;
            tx.commit().await.map_err(sql(OPERATION))
        })
        .await?;
        run.extract = Some(facts);
        Ok(())
    }

    /// Writes the artifact and its row balance down, and the destinations it is due at.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn note_artifact(
        &self,
        run: &mut Run,
        plan_digest: &str,
        artifact: &Artifact,
        rows: serde_json::Value,
        destinations: &[(&str, bool)],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "note the artifact";
        let id = run.id.as_str();
        let facts = ArtifactFacts::of(artifact);
        let text = json(&facts)?;
        fault::step_async("ledger.artifact", async || {
            let mut tx = self.begin(OPERATION).await?;
            sqlx::query(
                "UPDATE runs SET artifact_json = $1, rows_json = $2, plan_digest = $3, updated_ms = $4 WHERE id = $5",
            )
            .bind(&text)
            .bind(rows.to_string())
            .bind(plan_digest)
            .bind(self.clock.now_ms())
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?;
            for (destination, required) in destinations {
                sqlx::query(
                    "INSERT INTO deliveries (run_id, destination, required, state, attempts, failures) \
                     VALUES ($1, $2, $3, $4, 0, 0) ON CONFLICT DO NOTHING",
                )
                .bind(id)
                .bind(*destination)
                .bind(i64::from(*required))
                .bind(DeliveryState::Due.name())
                .execute(&mut *tx)
                .await
                .map_err(sql(OPERATION))?;
            }
            let detail = format!("{}, {} rows, {} bytes, sha256 {}", facts.name, facts.rows, facts.bytes, facts.sha256);
            self.event(&mut tx, id, "shaped", &detail).await?;
            tx.commit().await.map_err(sql(OPERATION))
        })
        .await?;
        run.artifact = Some(facts);
        run.plan_digest = plan_digest.to_owned();
        run.rows = Some(rows);
        Ok(())
    }

    /// Lets a held run pass its holds.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn release(&self, run: &mut Run, by: &str) -> Result<(), LedgerError> {
        const OPERATION: &str = "release the run";
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query("UPDATE runs SET released_by = $1, updated_ms = $2 WHERE id = $3")
            .bind(by)
            .bind(self.clock.now_ms())
            .bind(&run.id)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?;
        self.event(&mut tx, &run.id, "released", by).await?;
        tx.commit().await.map_err(sql(OPERATION))?;
        run.released_by = Some(by.to_owned());
        Ok(())
    }

    /// Ends a held run: a person says that it is never to be delivered.
    ///
    /// # Errors
    /// The run is not held (any more), or the ledger cannot be written.
    pub async fn reject(&self, run: &mut Run, by: &str, why: &str) -> Result<(), LedgerError> {
        const OPERATION: &str = "reject the run";
        let mut tx = self.begin(OPERATION).await?;
        let rejected = sqlx::query(
            "UPDATE runs SET state = $1, rejected_by = $2, reason = $3, updated_ms = $4 WHERE id = $5 AND state = $6",
        )
        .bind(RunState::Rejected.name())
        .bind(by)
        .bind(why)
        .bind(self.clock.now_ms())
        .bind(&run.id)
        .bind(RunState::Held.name())
        .execute(&mut *tx)
        .await
        .map_err(sql(OPERATION))?
        .rows_affected();
        if rejected != 1 {
            return Err(LedgerError::IllegalMove {
                run: run.id.clone(),
                from: run.state.name(),
                to: RunState::Rejected.name(),
            });
        }
        self.event(&mut tx, &run.id, "rejected", &format!("by {by}: {why}")).await?;
        tx.commit().await.map_err(sql(OPERATION))?;
        run.state = RunState::Rejected;
        run.rejected_by = Some(by.to_owned());
        run.reason = Some(why.to_owned());
        Ok(())
    }

    /// Adds a line to the run's story.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn note(&self, run_id: &str, what: &str, detail: &str) -> Result<(), LedgerError> {
        let mut tx = self.begin("note an event").await?;
        self.event(&mut tx, run_id, what, detail).await?;
        tx.commit().await.map_err(sql("note an event"))
    }

    pub(super) async fn event(&self, tx: &mut Tx, run_id: &str, what: &str, detail: &str) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO events (run_id, number, at_ms, what, detail) \
             SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4 FROM events WHERE run_id = $1",
        )
        .bind(run_id)
        .bind(self.clock.now_ms())
        .bind(what)
        .bind(detail)
        .execute(&mut **tx)
        .await
        .map_err(sql("note an event"))?;
        Ok(())
    }
}

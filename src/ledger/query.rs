//! What is read.

use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::pickups::pickup_from;
use super::record::{Attempt, Delivery, Event, Origin, Run, StoredReceipt};
use super::state::{DeliveryState, RunState};
use super::{Ledger, LedgerError};

/// Which runs to list; what is `None` does not narrow.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub pipeline: Option<String>,
    /// Empty: in any state.
    pub states: Vec<RunState>,
    /// Slots at this moment or later, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Slots at this moment or earlier.
    pub until_ms: Option<i64>,
    pub limit: u32,
}

/// What is known of a delivery that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// Attempts that ended so.
    pub refused: u32,
    /// The destination took a delivery before.
    pub delivered: bool,
}

pub(super) type Statement<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

const RUN_COLUMNS: &str = "id, pipeline, slot_ms, slot, state, reason, released_by, rejected_by, plan_digest, ticket, extract_json, \
                           rows_json, artifact_json, origin, wake_ms, deadline_ms, entered_ms, updated_ms";

fn read(operation: &'static str) -> impl FnOnce(sqlx::Error) -> LedgerError {
    move |source| LedgerError::Sql { operation, source }
}

pub(super) fn text(sql: String) -> sqlx::AssertSqlSafe<String> {
    // Put together from constants of this file alone; values are bound.
    sqlx::AssertSqlSafe(sql)
}

impl Ledger {
    /// # Errors
    /// The ledger cannot be read.
    pub async fn run(&self, id: &str) -> Result<Option<Run>, LedgerError> {
        sqlx::query(text(format!("SELECT {RUN_COLUMNS} FROM runs WHERE id = $1")))
            .bind(id)
            .fetch_optional(&mut *self.reader("read a run").await?)
            .await
            .map_err(read("read a run"))?
            .as_ref()
            .map(run_from)
            .transpose()
    }

    /// The runs whose id begins with `prefix`, at most two: enough to tell "none", "this one" and "not clear".
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn runs_by_prefix(&self, prefix: &str) -> Result<Vec<Run>, LedgerError> {
        sqlx::query(text(format!("SELECT {RUN_COLUMNS} FROM runs WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 2")))
            .bind(prefix)
            // Ids are hexadecimal: `g` comes after them all.
            .bind(format!("{prefix}g"))
            .fetch_all(&self.pool)
            .await
            .map_err(read("look a run up"))?
            .iter()
            .map(run_from)
            .collect()
    }

    /// Newest slot first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, LedgerError> {
        let states: Vec<String> = filter.states.iter().map(|state| format!("'{}'", state.name())).collect();
        let states = if states.is_empty() { String::new() } else { format!("AND state IN ({})", states.join(", ")) };
        let of = if filter.pipeline.is_some() { "pipeline = $1" } else { "$1 = ''" };
        let tail = format!("WHERE {of} {states} AND slot_ms BETWEEN $2 AND $3 ORDER BY slot_ms DESC, id LIMIT $4");
        self.select(&tail, |query| {
            query
                .bind(filter.pipeline.clone().unwrap_or_default())
                .bind(filter.since_ms.unwrap_or(i64::MIN))
                .bind(filter.until_ms.unwrap_or(i64::MAX))
                .bind(i64::from(filter.limit))
        })
        .await
    }

    /// The runs that `tail` (of constants alone) selects with the values that `bind` gives it.
    pub(super) async fn select<'q>(
        &self,
        tail: &str,
        bind: impl FnOnce(Statement<'q>) -> Statement<'q>,
    ) -> Result<Vec<Run>, LedgerError> {
        bind(sqlx::query(text(format!("SELECT {RUN_COLUMNS} FROM runs {tail}"))))
            .fetch_all(&self.pool)
            .await
            .map_err(read("list the runs"))?
            .iter()
            .map(run_from)
            .collect()
    }

    /// The run's deliveries by destination, with their receipts.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn deliveries(&self, run_id: &str) -> Result<Vec<Delivery>, LedgerError> {
        sqlx::query(
            "SELECT d.run_id, d.destination, d.required, d.state, d.reason, d.attempts, d.failures, d.since_ms, d.due_ms, \
             d.intent_json, r.receipt_json, r.attempt, r.rows, r.started_ms, r.ended_ms, p.sign, p.state AS pickup_state, \
             p.due_ms AS pickup_due_ms, p.look_ms, p.at_ms, p.reason AS pickup_reason \
             FROM deliveries d LEFT JOIN receipts r ON r.run_id = d.run_id AND r.destination = d.destination \
             LEFT JOIN pickups p ON p.run_id = d.run_id AND p.destination = d.destination \
             WHERE d.run_id = $1 ORDER BY d.destination",
        )
        .bind(run_id)
        .fetch_all(&mut *self.reader("read the deliveries").await?)
        .await
        .map_err(read("read the deliveries"))?
        .iter()
        .map(delivery_from)
        .collect()
    }

    /// # Errors
    /// The ledger cannot be read.
    pub async fn delivery(&self, run_id: &str, destination: &str) -> Result<Option<Delivery>, LedgerError> {
        Ok(self.deliveries(run_id).await?.into_iter().find(|delivery| delivery.destination == destination))
    }

    /// How often a delivery was refused so far, and whether the destination has taken one before: any, or the pipeline's.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn refusals(
        &self,
        run_id: &str,
        destination: &str,
        pipeline: Option<&str>,
    ) -> Result<Refusals, LedgerError> {
        const OPERATION: &str = "count the refusals";
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM attempts WHERE run_id = $1 AND destination = $2 AND verdict = 'refused') \
             AS refused, (SELECT COUNT(*) FROM (SELECT 1 FROM receipts r JOIN runs ON runs.id = r.run_id \
             WHERE r.destination = $2 AND (runs.pipeline = $3 OR $3 = '') LIMIT 1) AS one) AS delivered",
        )
        .bind(run_id)
        .bind(destination)
        .bind(pipeline.unwrap_or_default())
        .fetch_one(&self.pool)
        .await
        .map_err(read(OPERATION))?;
        let number = |name: &str| row.try_get::<i64, _>(name).map_err(read(OPERATION));
        let refused = u32::try_from(number("refused")?).unwrap_or(u32::MAX);
        Ok(Refusals { refused, delivered: number("delivered")? > 0 })
    }

    /// In the order they were begun, by destination.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn attempts(&self, run_id: &str) -> Result<Vec<Attempt>, LedgerError> {
        sqlx::query(
            "SELECT destination, number, started_ms, ended_ms, verdict, reason FROM attempts WHERE run_id = $1 \
             ORDER BY destination, number",
        )
        .bind(run_id)
        .fetch_all(&self.pool)
        .await
        .and_then(|rows| {
            let attempt = |row: &AnyRow| {
                Ok(Attempt {
                    destination: row.try_get("destination")?,
                    number: u32::try_from(row.try_get::<i64, _>("number")?).unwrap_or(u32::MAX),
                    started_ms: row.try_get("started_ms")?,
                    ended_ms: row.try_get("ended_ms")?,
                    verdict: row.try_get("verdict")?,
                    reason: row.try_get("reason")?,
                })
            };
            rows.iter().map(attempt).collect()
        })
        .map_err(read("read the attempts"))
    }

    /// The run's story, oldest first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn events(&self, run_id: &str) -> Result<Vec<Event>, LedgerError> {
        let rows: Vec<(i64, String, String)> =
            sqlx::query_as("SELECT at_ms, what, detail FROM events WHERE run_id = $1 ORDER BY number")
                .bind(run_id)
                .fetch_all(&self.pool)
                .await
                .map_err(read("read the story"))?;
        Ok(rows.into_iter().map(|(at_ms, what, detail)| Event { at_ms, what, detail }).collect())
    }
}

pub(super) fn from_json<T: DeserializeOwned>(column: &str, text: Option<String>) -> Result<Option<T>, LedgerError> {
    text.map(|text| {
        serde_json::from_str(&text)
            .map_err(|error| LedgerError::Unreadable { what: format!("{column} {text:?} ({error})") })
    })
    .transpose()
}

fn run_from(row: &AnyRow) -> Result<Run, LedgerError> {
    let text = |name: &str| row.try_get::<String, _>(name).map_err(read("read a run"));
    let optional = |name: &str| row.try_get::<Option<String>, _>(name).map_err(read("read a run"));
    let number = |name: &str| row.try_get::<i64, _>(name).map_err(read("read a run"));
    let maybe = |name: &str| row.try_get::<Option<i64>, _>(name).map_err(read("read a run"));
    let (id, state, origin) = (text("id")?, text("state")?, text("origin")?);
    let state = RunState::from_name(&state)
        .ok_or_else(|| LedgerError::Unreadable { what: format!("the run state {state:?} of {id}") })?;
    Ok(Run {
        id,
        pipeline: text("pipeline")?,
        slot_ms: number("slot_ms")?,
        slot: text("slot")?,
        state,
        reason: optional("reason")?,
        released_by: optional("released_by")?,
        rejected_by: optional("rejected_by")?,
        plan_digest: text("plan_digest")?,
        ticket: optional("ticket")?,
        extract: from_json("extract", optional("extract_json")?)?,
        rows: from_json("rows", optional("rows_json")?)?,
        artifact: from_json("artifact", optional("artifact_json")?)?,
        origin: Origin::from_name(&origin)
            .ok_or_else(|| LedgerError::Unreadable { what: format!("the origin {origin:?} of a run") })?,
        wake_ms: maybe("wake_ms")?,
        deadline_ms: maybe("deadline_ms")?,
        entered_ms: number("entered_ms")?,
        updated_ms: number("updated_ms")?,
    })
}

fn delivery_from(row: &AnyRow) -> Result<Delivery, LedgerError> {
    let text = |name: &str| row.try_get::<String, _>(name).map_err(read("read a delivery"));
    let maybe_text = |name: &str| row.try_get::<Option<String>, _>(name).map_err(read("read a delivery"));
    let number = |name: &str| row.try_get::<i64, _>(name).map_err(read("read a delivery"));
    let maybe_number = |name: &str| row.try_get::<Option<i64>, _>(name).map_err(read("read a delivery"));
    let count = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
    let state = text("state")?;
    let state = DeliveryState::from_name(&state)
        .ok_or_else(|| LedgerError::Unreadable { what: format!("the delivery state {state:?}") })?;
    let receipt = match from_json("receipt", maybe_text("receipt_json")?)? {
        Some(receipt) => Some(StoredReceipt {
            receipt,
            attempt: count(number("attempt")?),
            rows: u64::try_from(number("rows")?).unwrap_or_default(),
            started_ms: number("started_ms")?,
            ended_ms: number("ended_ms")?,
        }),
        None => None,
    };
    Ok(Delivery {
        run_id: text("run_id")?,
        destination: text("destination")?,
        required: number("required")? != 0,
        state,
        reason: maybe_text("reason")?,
        attempts: count(number("attempts")?),
        failures: count(number("failures")?),
        since_ms: maybe_number("since_ms")?,
        due_ms: maybe_number("due_ms")?,
        intent: from_json("intent", maybe_text("intent_json")?)?,
        receipt,
        pickup: pickup_from(row)?,
    })
}

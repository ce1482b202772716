//! Records about tenants: refused credentials, and what their accounts could reach.

use jiff::Timestamp;

use super::runs::json;
use super::store::{Tx, params};
use super::{Ledger, LedgerError};
use crate::extract::{RefusedCredentials, ScopeCheck};
use crate::fault::FaultStep;

/// Checks kept per tenant.
const CHECKS_MAX: i64 = 20;

/// The result of a scope check, and its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredScope {
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub check: ScopeCheck,
    /// What changed since the check before.
    pub changes: Vec<String>,
}

impl Ledger {
    /// Records that a tenant's credentials were refused; `None` once they are accepted.
    pub async fn note_refused(&self, tenant: &str, refused: Option<&RefusedCredentials>) -> Result<(), LedgerError> {
        let (tenant, refused) = (tenant.to_owned(), refused.cloned());
        self.write(FaultStep::new("ledger.refused"), "record the refused credentials", move |tx| {
            tx.execute("DELETE FROM refused_credentials WHERE tenant = $1", params![&tenant])?;
            if let Some(refused) = &refused {
                let (at_ms, until_ms) = (refused.at.as_millisecond(), refused.until.as_millisecond());
                tx.execute(
                    "INSERT INTO refused_credentials (tenant, refused_ms, until_ms, digest, reason) \
                     VALUES ($1, $2, $3, $4, $5)",
                    params![&tenant, at_ms, until_ms, &refused.digest, &refused.reason],
                )?;
            }
            Ok(())
        })
        .await
    }

    /// Returns the refusal of a tenant's credentials, if they were refused last.
    pub async fn refused(&self, tenant: &str) -> Result<Option<RefusedCredentials>, LedgerError> {
        let tenant = tenant.to_owned();
        self.read("read the refused credentials", move |tx| {
            let found = tx.query_opt(
                "SELECT refused_ms, until_ms, digest, reason FROM refused_credentials WHERE tenant = $1",
                params![&tenant],
            )?;
            let Some(row) = found else { return Ok(None) };
            let moment = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MIN);
            Ok(Some(RefusedCredentials {
                digest: row.get("digest")?,
                at: moment(row.get("refused_ms")?),
                until: moment(row.get("until_ms")?),
                reason: row.get("reason")?,
            }))
        })
        .await
    }

    /// Stores a scope check with what changed since the one before, and deletes all but the newest twenty.
    pub async fn note_scope(&self, check: &ScopeCheck, changes: &[String]) -> Result<(), LedgerError> {
        let (tenant, text) = (check.tenant.clone(), json(check)?);
        let changes = if changes.is_empty() { None } else { Some(json(&changes)?) };
        let now = self.clock.now_ms();
        self.write(FaultStep::new("ledger.scope"), "record the scope check", move |tx| {
            tx.execute(
                "INSERT INTO scope_checks (tenant, at_ms, scope_json, changes_json) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (tenant, at_ms) DO UPDATE SET scope_json = excluded.scope_json, \
                 changes_json = excluded.changes_json",
                params![&tenant, now, &text, &changes],
            )?;
            tx.execute(
                "DELETE FROM scope_checks WHERE tenant = $1 AND at_ms NOT IN \
                 (SELECT at_ms FROM scope_checks WHERE tenant = $1 ORDER BY at_ms DESC LIMIT $2)",
                params![&tenant, CHECKS_MAX],
            )?;
            Ok(())
        })
        .await
    }

    /// Returns a tenant's last scope check.
    ///
    /// # Errors
    /// The ledger cannot be read, or a newer version wrote the check.
    pub async fn last_scope(&self, tenant: &str) -> Result<Option<StoredScope>, LedgerError> {
        let tenant = tenant.to_owned();
        self.read("read the scope check", move |tx| {
            let found = tx.query_opt(
                "SELECT at_ms, scope_json, changes_json FROM scope_checks WHERE tenant = $1 ORDER BY at_ms DESC LIMIT 1",
                params![&tenant],
            )?;
            let Some(row) = found else { return Ok(None) };
            let (at_ms, changes) = (row.get("at_ms")?, row.json("changes_json")?.unwrap_or_default());
            Ok(row.json("scope_json")?.map(|check| StoredScope { at_ms, check, changes }))
        })
        .await
    }
}

/// Returns tenants whose scope changed since `since_ms`, without an alert: the tenant, what changed, and when.
pub(super) fn scope_changes(tx: &mut Tx, since_ms: i64) -> Result<Vec<(String, String, i64)>, LedgerError> {
    let rows = tx.query(
        "SELECT c.tenant, c.at_ms, c.changes_json FROM scope_checks c WHERE c.at_ms >= $1 AND c.changes_json IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = 'scope_changed:' || c.tenant || ':' || CAST(c.at_ms AS TEXT)) \
         ORDER BY c.at_ms LIMIT 1000",
        params![since_ms],
    )?;
    let change = |row: &super::store::Row| {
        let changes: Vec<String> = row.json("changes_json")?.unwrap_or_default();
        Ok((row.get("tenant")?, changes.join("; "), row.get("at_ms")?))
    };
    rows.iter().map(change).collect()
}

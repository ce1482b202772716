//! The tenants in use: HTTP client, token and budget, shared by all pipelines of a tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use reqwest::Url;

use super::ExtractError;
use super::budget::{Budget, Remaining};
use super::guard;
use super::identity::Identity;
use super::refused::CredentialMemory;
use crate::clock::Clock;
use crate::http;
use crate::secret::Secret;
use crate::settings::{Tenant, read_blocking};

/// The tenants in use, each with one token and one budget. Clones share them.
#[derive(Clone)]
pub struct Tenants {
    clock: Clock,
    /// Remembers refused credentials over restarts.
    memory: Option<Arc<dyn CredentialMemory>>,
    known: Arc<Mutex<HashMap<String, Arc<TenantState>>>>,
}

pub(super) struct TenantState {
    pub settings: Arc<Tenant>,
    pub base: Url,
    pub http: reqwest::Client,
    /// The way of `http`, with the proxy's password at the time.
    egress: http::Egress,
    pub budget: Arc<Budget>,
    /// Locked while a token is fetched, so that many callers make one request.
    pub token: tokio::sync::Mutex<TokenState>,
    /// The account, once it is identified and allowed.
    pub identified: Mutex<Option<Identity>>,
    pub clock: Clock,
    pub memory: Option<Arc<dyn CredentialMemory>>,
    /// Before this moment the account's assignments are not requested again: they were refused.
    pub assignments_refused_until: Mutex<Option<Timestamp>>,
}

#[derive(Default)]
pub(super) struct TokenState {
    pub bearer: Option<Bearer>,
    pub refresh: Option<Secret>,
    pub refused: Option<RefusedPassword>,
}

#[derive(Clone)]
pub(super) struct Bearer {
    pub text: Secret,
    /// The number of this token, which distinguishes a stale one from its replacement.
    pub generation: u64,
    pub renew_at: Timestamp,
}

pub(super) struct RefusedPassword {
    /// The digest of the refused credentials.
    pub digest: [u8; 32],
    pub until: Timestamp,
    pub what: String,
}

impl Tenants {
    /// Remembers refused credentials in this process alone.
    pub fn new(clock: Clock) -> Self {
        Self { clock, memory: None, known: Arc::default() }
    }

    /// Remembers refused credentials in `memory` too.
    pub fn remembering(clock: Clock, memory: Arc<dyn CredentialMemory>) -> Self {
        Self { memory: Some(memory), ..Self::new(clock) }
    }

    /// Returns the state of `tenant`. Reloaded settings and a new proxy password get a new state, which keeps the spent
    /// budget if its limits are unchanged.
    pub(super) async fn of(&self, tenant: &Arc<Tenant>) -> Result<Arc<TenantState>, ExtractError> {
        let (tenants, tenant) = (self.clone(), tenant.clone());
        read_blocking(move || tenants.open(&tenant)).await
    }

    fn open(&self, tenant: &Arc<Tenant>) -> Result<Arc<TenantState>, ExtractError> {
        let egress = tenant.egress.read().map_err(|error| refused(tenant, format!("the proxy's password: {error}")))?;
        let mut known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = known.get(&tenant.name);
        if let Some(state) = before
            && Arc::ptr_eq(&state.settings, tenant)
            && state.egress.has_same_account(&egress)
        {
            return Ok(state.clone());
        }
        let base = guard::base_of(&tenant.name, &tenant.base)?;
        let budget = before
            .filter(|state| state.base == base && state.budget.settings() == tenant.budget)
            .map(|state| state.budget.clone())
            .unwrap_or_else(|| Arc::new(Budget::new(tenant.budget, &self.clock)));
        let state = Arc::new(TenantState {
            settings: tenant.clone(),
            base,
            http: client(tenant, &egress)?,
            egress,
            budget,
            token: Default::default(),
            identified: Mutex::default(),
            clock: self.clock.clone(),
            memory: self.memory.clone(),
            assignments_refused_until: Mutex::default(),
        });
        known.insert(tenant.name.clone(), state.clone());
        Ok(state)
    }

    /// Returns what is left of a tenant's budget; `None` for a tenant not used yet.
    pub fn remaining(&self, tenant: &str) -> Option<Remaining> {
        let known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.get(tenant).map(|state| state.budget.remaining())
    }
}

fn refused(tenant: &Tenant, what: String) -> ExtractError {
    ExtractError::Refused { what: format!("tenant {}: {what}", tenant.name), hint: None }
}

/// Creates the HTTP client of a tenant.
fn client(tenant: &Tenant, egress: &http::Egress) -> Result<reqwest::Client, ExtractError> {
    egress
        .client(None)
        .map_err(|error| refused(tenant, error.to_string()))?
        .http1_only()
        // By default reqwest repeats some requests; only `attempt` may.
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(tenant.timeouts.connect)
        .read_timeout(tenant.timeouts.idle)
        .build()
        .map_err(|error| ExtractError::Refused {
            what: format!("tenant {}: the HTTP client cannot be created: {error}", tenant.name),
            hint: Some("the system's root certificates may be missing".into()),
        })
}

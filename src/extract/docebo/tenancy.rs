//! One platform and account, shared by all its pipelines: connections, token and budget.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use reqwest::Url;

use super::budget::{Budget, Remaining};
use super::guard;
use super::token::TokenKeeper;
use crate::clock::Clock;
use crate::extract::ExtractError;
use crate::settings::Tenant;

/// The tenants in use, each with one token and one budget, whatever the number of pipelines. Clones share them.
#[derive(Clone)]
pub struct Tenants {
    clock: Clock,
    known: Arc<Mutex<HashMap<String, Arc<Tenancy>>>>,
}

pub(super) struct Tenancy {
    pub settings: Arc<Tenant>,
    pub base: Url,
    pub http: reqwest::Client,
    pub budget: Arc<Budget>,
    pub token: TokenKeeper,
    /// Whether the account was asked who it is, and may be used.
    pub identified: AtomicBool,
    pub clock: Clock,
}

impl Tenants {
    pub fn new(clock: Clock) -> Self {
        Self { clock, known: Arc::default() }
    }

    /// The tenancy for `tenant`: the one in use, unless the settings were read anew since; then what was spent of an
    /// unchanged budget stays spent.
    pub(super) fn of(&self, tenant: &Arc<Tenant>) -> Result<Arc<Tenancy>, ExtractError> {
        let mut known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = known.get(&tenant.name);
        if let Some(tenancy) = before
            && Arc::ptr_eq(&tenancy.settings, tenant)
        {
            return Ok(tenancy.clone());
        }
        let base = guard::base_of(&tenant.name, &tenant.base)?;
        let budget = before
            .filter(|tenancy| tenancy.base == base && tenancy.budget.settings() == tenant.budget)
            .map(|tenancy| tenancy.budget.clone())
            .unwrap_or_else(|| Arc::new(Budget::new(tenant.budget, &self.clock)));
        let tenancy = Arc::new(Tenancy {
            settings: tenant.clone(),
            base,
            http: client(tenant)?,
            budget,
            token: TokenKeeper::default(),
            identified: AtomicBool::new(false),
            clock: self.clock.clone(),
        });
        known.insert(tenant.name.clone(), tenancy.clone());
        Ok(tenancy)
    }

    /// What is left of a tenant's budget; none for a tenant that nothing was asked of yet.
    pub fn remaining(&self, tenant: &str) -> Option<Remaining> {
        let known = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        known.get(tenant).map(|tenancy| tenancy.budget.remaining())
    }
}

/// The one HTTP client of a tenant: no redirect is followed, no proxy of the environment is used.
fn client(tenant: &Tenant) -> Result<reqwest::Client, ExtractError> {
    // Taken already where another room installed it: it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    crate::http::lenient(reqwest::Client::builder())
        .user_agent(concat!("reportferry/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        // A client of reqwest repeats some requests by itself; only `attempt` may.
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(tenant.timeouts.connect)
        .read_timeout(tenant.timeouts.idle)
        .build()
        .map_err(|error| ExtractError::Refused {
            what: format!("tenant {}: the HTTP client cannot be made: {error}", tenant.name),
            hint: Some("the system's root certificates may be missing".into()),
        })
}

//! A tenant's account without a pipeline: who it is, and which reports it sees.

use std::sync::Arc;

use super::paths;
use super::report::{self, ListedReport};
use super::session;
use crate::extract::ExtractError;
use crate::extract::client::ApiClient;
use crate::extract::identity::Identity;
use crate::extract::request_log::RequestLog;
use crate::extract::tenants::Tenants;
use crate::settings::{Limits, Tenant};

/// The account of a tenant. Sends the token's POST, and GETs of the account and of the list of reports.
pub struct Account {
    client: ApiClient,
    subject: String,
}

impl Account {
    /// # Errors
    /// The tenant's address is not a URL, or its HTTP client cannot be created.
    pub async fn new(tenant: &Arc<Tenant>, limits: &Limits, tenants: &Tenants) -> Result<Self, ExtractError> {
        let state = tenants.of(tenant).await?;
        let guard = paths::account_guard(state.base.clone());
        let client = ApiClient { tenant: state, guard, log: RequestLog::default(), limits: *limits };
        Ok(Self { client, subject: format!("tenant {}", tenant.name) })
    }

    /// Signs in and returns the account.
    ///
    /// # Errors
    /// `Refused`, also for an account that the settings do not allow, or `Later`.
    pub async fn identify(&self) -> Result<Identity, ExtractError> {
        session::identify(&self.client).await
    }

    /// Lists the reports that the account sees, in the platform's order.
    ///
    /// # Errors
    /// `Refused` or `Later`.
    pub async fn reports(&self) -> Result<Vec<ListedReport>, ExtractError> {
        report::list(&self.client, &self.subject).await
    }
}

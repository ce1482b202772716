//! The secrets of a tenant's grant → the form of a token request.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::assertion::{self, Claims};
use crate::extract::ExtractError;
use crate::extract::client::ApiClient;
use crate::secret::Secret;
use crate::settings::{Grant, GrantKind, SecretRef, Tenant, read_blocking};

/// The texts with which a tenant's token is requested, as they are now.
pub(super) struct Credentials {
    pub kind: GrantKind,
    client_id: String,
    username: String,
    /// Empty for `jwt_bearer`.
    client_secret: Secret,
    /// The password or the private key; empty for `client_credentials`.
    own: Secret,
}

impl Credentials {
    /// Reads the secrets off the async threads.
    pub(super) async fn read(tenant: &Arc<Tenant>) -> Result<Self, ExtractError> {
        let tenant = tenant.clone();
        read_blocking(move || Self::read_now(&tenant)).await
    }

    fn read_now(tenant: &Tenant) -> Result<Self, ExtractError> {
        let read = |what: &str, secret: &SecretRef| {
            secret.read().map_err(|error| ExtractError::Refused {
                what: format!("tenant {}: {what} cannot be read: {error}", tenant.name),
                hint: None,
            })
        };
        let none = || Secret::new("");
        let (client_secret, own) = match &tenant.grant {
            Grant::Password { client_secret, password, .. } => {
                (read("client_secret", client_secret)?, read("password", password)?)
            }
            Grant::JwtBearer { key, .. } => (none(), read("key", key)?),
            Grant::ClientCredentials { client_secret } => (read("client_secret", client_secret)?, none()),
        };
        let username = tenant.username().unwrap_or_default().to_owned();
        Ok(Self { kind: tenant.grant.kind(), client_id: tenant.client_id.clone(), username, client_secret, own })
    }

    /// Returns true if a refresh token can be used: that needs the client's secret.
    pub(super) fn can_refresh(&self) -> bool {
        self.kind != GrantKind::JwtBearer
    }

    /// Returns what distinguishes these credentials from others.
    pub(super) fn parts(&self) -> [&str; 5] {
        let secret = self.client_secret.expose();
        [self.kind.name(), &self.client_id, &self.username, secret, self.own.expose()]
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in self.parts() {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// Redacts the secrets in `text`, should the platform repeat them.
    pub(super) fn redact(&self, text: &str, refresh: Option<&Secret>) -> String {
        let secrets = [Some(&self.client_secret), Some(&self.own), refresh];
        secrets
            .into_iter()
            .flatten()
            .map(Secret::expose)
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
    }

    /// Returns the form of a token request, as a query: by the refresh token if given, otherwise by the grant.
    pub(super) fn form(&self, client: &ApiClient, refresh: Option<&Secret>) -> Result<Secret, ExtractError> {
        let app = [("client_id", self.client_id.as_str()), ("client_secret", self.client_secret.expose())];
        let mut encoded = client.tenant.base.clone();
        let mut form = encoded.query_pairs_mut();
        match (refresh, self.kind) {
            (Some(refresh), _) => {
                form.extend_pairs(app);
                form.extend_pairs([("grant_type", "refresh_token"), ("refresh_token", refresh.expose())]);
            }
            (None, GrantKind::Password) => {
                form.extend_pairs(app);
                form.extend_pairs([("grant_type", "password"), ("scope", "api")]);
                form.extend_pairs([("username", self.username.as_str()), ("password", self.own.expose())]);
            }
            (None, GrantKind::ClientCredentials) => {
                form.extend_pairs(app);
                form.extend_pairs([("grant_type", "client_credentials"), ("scope", "api")]);
            }
            (None, GrantKind::JwtBearer) => {
                let assertion = self.assertion(client)?;
                form.extend_pairs([("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")]);
                form.extend_pairs([("assertion", assertion.expose())]);
            }
        }
        drop(form);
        Ok(Secret::new(encoded.query().unwrap_or_default()))
    }

    fn assertion(&self, client: &ApiClient) -> Result<Secret, ExtractError> {
        let base = &client.tenant.base;
        let host = base.host_str().unwrap_or_default();
        let host = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let claims = Claims { client_id: &self.client_id, username: &self.username, host: &host };
        assertion::sign(&claims, &self.own, client.clock().now()).map_err(|how| {
            ExtractError::refused(
                format!("tenant {}: cannot sign in: the private key of `key` {how}", client.tenant.settings.name),
                "write the RSA key whose public half the OAuth2 app has: `openssl genrsa -out KEY 2048` makes one",
            )
        })
    }

    /// Returns the hint for credentials that the platform does not accept.
    pub(super) fn hint_refused(&self) -> &'static str {
        match self.kind {
            GrantKind::Password => {
                "the username or password is wrong, or the account is not active; it is not tried again, because Docebo \
                 may lock the account"
            }
            GrantKind::JwtBearer => {
                "the assertion is not accepted: check that the OAuth2 app has the public half of `key`, that the account \
                 `username` exists and is active, and this machine's clock; it is not tried again"
            }
            GrantKind::ClientCredentials => {
                "client_id or client_secret is wrong for the OAuth2 app of this platform; it is not tried again"
            }
        }
    }

    /// Returns the hint for a grant that is not switched on.
    pub(super) fn hint_unsupported(&self) -> String {
        let name = match self.kind {
            GrantKind::Password => "Resource Owner Password Credentials",
            GrantKind::JwtBearer => "JWT Bearer",
            GrantKind::ClientCredentials => "Client Credentials",
        };
        format!("switch on the grant \"{name}\" for the OAuth2 app (Admin, API and SSO, API credentials)")
    }
}

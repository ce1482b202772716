//! One Docebo platform: its address, its account, and what that account may be.

use std::time::{Duration, Instant};

use super::{Budget, Egress, HttpTimeouts, SecretRef, secrets};
use crate::attempt::Backoff;
use crate::yaml::read::scalar;
use crate::yaml::tree::Node;

/// One Docebo platform and its account.
pub struct Tenant {
    pub name: String,
    /// Scheme, host and port, without a path: `https://acme.docebosaas.com`.
    pub base: String,
    pub client_id: String,
    pub grant: Grant,
    /// What the account may be.
    pub level: AllowedLevel,
    pub budget: Budget,
    /// The backoff between polls of an export's status.
    pub poll: Backoff,
    pub timeouts: HttpTimeouts,
    /// The backoff of one request that is safe to repeat.
    pub retry: Backoff,
    pub egress: Egress,
    /// Changes to the list of endpoints that `scope` tries.
    pub scope: ScopeList,
    /// How often the worker checks what the account may reach; `None` for never.
    pub scope_check: Option<Duration>,
}

/// The way in which a token is requested (RFC 6749; RFC 7523).
#[derive(Clone)]
pub enum Grant {
    Password {
        client_secret: SecretRef,
        username: String,
        password: SecretRef,
    },
    /// An assertion that an RSA key signs.
    JwtBearer {
        username: String,
        key: SecretRef,
    },
    /// No account is named: the identity check finds which one it is.
    ClientCredentials {
        client_secret: SecretRef,
    },
}

impl Tenant {
    /// Returns the account's name, if the settings have it.
    pub fn username(&self) -> Option<&str> {
        match &self.grant {
            Grant::Password { username, .. } | Grant::JwtBearer { username, .. } => Some(username),
            Grant::ClientCredentials { .. } => None,
        }
    }

    /// Drops what the commands of its secrets printed before `began`, because it was refused. Returns true if that may have
    /// been the reason.
    pub fn forget_secrets(&self, began: Instant) -> bool {
        let secrets = match &self.grant {
            Grant::Password { client_secret, password, .. } => vec![client_secret, password],
            Grant::JwtBearer { key: secret, .. } | Grant::ClientCredentials { client_secret: secret } => vec![secret],
        };
        secrets::forget_all(secrets.into_iter().chain(self.egress.secret()), began)
    }
}

impl Grant {
    pub fn kind(&self) -> GrantKind {
        match self {
            Self::Password { .. } => GrantKind::Password,
            Self::JwtBearer { .. } => GrantKind::JwtBearer,
            Self::ClientCredentials { .. } => GrantKind::ClientCredentials,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GrantKind {
    #[default]
    Password,
    JwtBearer,
    ClientCredentials,
}

impl GrantKind {
    /// Returns the word in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::JwtBearer => "jwt_bearer",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// Returns true if the grant uses this key of a tenant.
    pub(super) fn uses(self, key: &str) -> bool {
        match key {
            "username" => self != Self::ClientCredentials,
            "password" => self == Self::Password,
            "client_secret" => self != Self::JwtBearer,
            "key" => self == Self::JwtBearer,
            _ => true,
        }
    }

    /// Returns the grant that a tenant's table names.
    pub(super) fn of(table: &Node) -> Self {
        match table.get("grant").and_then(|node| scalar(node, "", &mut Vec::new())) {
            Some(("jwt_bearer", _)) => Self::JwtBearer,
            Some(("client_credentials", _)) => Self::ClientCredentials,
            _ => Self::Password,
        }
    }
}

/// The level that an account may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllowedLevel {
    /// At most a Power User.
    #[default]
    PowerUser,
    /// Also a Superadmin, and a level that is unknown.
    Any,
}

/// Changes to the built-in list of endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeList {
    /// Further paths.
    pub include: Vec<String>,
    /// Paths that are not tried.
    pub skip: Vec<String>,
}

crate::words!(GrantKind {
    "password" => GrantKind::Password, "jwt_bearer" => GrantKind::JwtBearer,
    "client_credentials" => GrantKind::ClientCredentials,
});
crate::words!(AllowedLevel { "power_user" => AllowedLevel::PowerUser, "any" => AllowedLevel::Any });

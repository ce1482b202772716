//! A tenant as configured.

use super::super::address::Address;
use super::super::egress::WebProxyFile;
use super::super::secrets::SecretFile;
use super::super::tenant::{AllowedLevel, GrantKind};
use super::super::{Budget, HttpTimeouts};
use super::BackoffFile;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, OneOrMore, table};
use crate::yaml::scalars::Length;
use crate::yaml::tree::Node;

/// A key that some grants need and the others do not have.
pub struct Relevant<T>(pub Option<T>);

impl<T: FromNode> FromNode for Relevant<T> {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        T::from_node(node, problems).map(|value| Self(Some(value)))
    }

    fn missing(table: &Node, key: &str, problems: &mut Vec<Problem>) -> Option<Self> {
        match GrantKind::of(table).uses(key) {
            true => T::missing(table, key, problems).map(|value| Self(Some(value))),
            false => Some(Self(None)),
        }
    }
}

crate::table! {
    /// One Docebo platform and its account.
    pub struct TenantFile {
        /// Scheme and host, without a path: `https://acme.docebosaas.com`.
        #[schemars(with = "String")]
        docebo: Lenient<At<Address>>,
        /// How a token is requested: password, jwt_bearer, client_credentials. Default: password.
        grant: Option<At<GrantKind>>,
        /// The OAuth2 app's client id.
        client_id: String,
        /// Not with `grant: jwt_bearer`.
        #[schemars(with = "Option<SecretFile>")]
        client_secret: Relevant<SecretFile>,
        /// A Power User with report permissions only. Not with `grant: client_credentials`.
        #[schemars(with = "Option<String>")]
        username: Relevant<At<String>>,
        /// Only with `grant: password`.
        #[schemars(with = "Option<SecretFile>")]
        password: Relevant<SecretFile>,
        /// The RSA private key (PEM) of `grant: jwt_bearer`.
        #[schemars(with = "Option<SecretFile>")]
        key: Relevant<SecretFile>,
        /// The level that the account may have: power_user, any. Default: power_user.
        level (was allow_superadmin): Option<AllowedLevel>,
        /// Changes to the list of endpoints that `scope` tries.
        scope: Option<ScopeFile>,
        /// How often the worker checks what the account may reach. Default: never.
        scope_check: Option<At<Length>>,
        /// Requests, for all pipelines of the tenant.
        budget: Option<Budget>,
        /// The backoff between polls of an export's status.
        poll: Option<At<BackoffFile>>,
        timeouts: Option<HttpTimeouts>,
        /// The backoff of one request that is safe to repeat.
        retry: Option<At<BackoffFile>>,
        /// Certificates (PEM) that replace the system's.
        ca: Option<String>,
        proxy: Option<WebProxyFile>,
        /// Accept plain http beyond loopback. Default: false.
        insecure: Option<bool>,
    }
}

/// Changes to the list of endpoints that `scope` tries.
pub struct ScopeFile {
    pub include: Option<OneOrMore<At<String>>>,
    pub skip: Option<OneOrMore<At<String>>>,
}

impl FromNode for ScopeFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        // `try` is a keyword, which `table!` cannot have as a field.
        let node = table(node, &["try", "skip"], &[], problems)?;
        let include = FromNode::from_key(&node, "try", problems);
        let skip = FromNode::from_key(&node, "skip", problems);
        Some(Self { include: include?, skip: skip? })
    }
}

crate::schema_as!(ScopeFile, |generator| {
    let paths = generator.subschema_for::<OneOrMore<At<String>>>();
    schemars::json_schema!({
        "type": "object",
        "description": "Changes to the list of endpoints that `scope` tries: `/manage/v1/orgchart`.",
        "properties": {"try": paths, "skip": paths},
        "additionalProperties": false,
    })
});

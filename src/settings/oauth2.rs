//! OAuth2 client credentials (RFC 6749, 4.4), as configured and as used.

use super::SecretRef;
use super::secrets::SecretFile;
use crate::yaml::read::At;

/// The account of a client at an authorization server.
pub struct ClientCredentials {
    pub token_url: String,
    pub client_id: String,
    pub client_secret: SecretRef,
    /// Separated by spaces.
    pub scope: Option<String>,
    pub audience: Option<String>,
    pub auth: ClientAuth,
}

/// The place of the client's id and secret in a token request (RFC 6749, 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `Authorization: Basic`.
    Basic,
    /// Parameters of the body.
    Body,
}

crate::words!(ClientAuth { "basic" => ClientAuth::Basic, "body" => ClientAuth::Body });

crate::table! {
    /// OAuth2 client credentials: a token is fetched, and renewed before it expires.
    pub struct ClientCredentialsFile {
        /// The token endpoint: `https://login.example/oauth2/token`.
        token_url: At<String>,
        client_id: String,
        client_secret: SecretFile,
        /// The permissions to request, separated by spaces, where the server requires them.
        scope: Option<String>,
        /// The API that the token is for, where the server requires it.
        audience: Option<String>,
        /// Where the client's id and secret are sent: the header `Authorization` (`basic`), or the `body`. Default: basic.
        auth: Option<ClientAuth>,
    }
}

//! Webhook destinations as configured → as used.

use std::path::PathBuf;

use reqwest::Url;

use super::Check;
use crate::clock::Clock;
use crate::settings::egress::{WebProxyFile, allowed};
use crate::settings::oauth2::ClientCredentialsFile;
use crate::settings::secrets::SecretFile;
use crate::settings::webhook::{BasicFile, Batch, BodyWord, ClientFile, WebTimeouts, WebhookFile};
use crate::settings::{
    ClientAuth, ClientCredentials, Compress, Egress, SecretRef, WebProxy, Webhook, WebhookAuth, WebhookBody,
};
use crate::tls::client_certificate;
use crate::yaml::read::At;
use crate::yaml::scalars::Whole;
use crate::yaml::tree::{Key, Origin};

/// An address of a web server, as messages describe it.
struct Address {
    /// How to write one.
    usual: &'static str,
    /// What requests to it carry.
    carries: &'static str,
}

const WEBHOOK: Address = Address { usual: "write it like `https://bi.example/hooks/learning`", carries: "the rows" };
const TOKENS: Address =
    Address { usual: "write it like `https://login.example/oauth2/token`", carries: "the client's secret" };

impl Check<'_> {
    pub(super) fn webhook(&mut self, key: &Key, written: WebhookFile) -> Option<Webhook> {
        let url = self.web_address(&written.url, written.insecure.unwrap_or(false), WEBHOOK);
        let secrets: Vec<_> = written
            .secret
            .map(|secrets| secrets.0)
            .unwrap_or_default()
            .into_iter()
            .map(|one| self.secret(one))
            .collect();
        let word = written.body.as_ref().map_or(BodyWord::Rows, |body| body.value);
        if written.batch.is_some() && word != BodyWord::Rows {
            self.problems.push(key.origin.error("`batch` has no effect without `body: rows`").hint("remove it"));
        }
        let insecure = written.insecure.unwrap_or(false);
        let auth = self.webhook_auth(written.bearer, written.basic, written.oauth2, insecure);
        let mut headers = Vec::new();
        for (name, value) in written.headers.map(|named| named.0).unwrap_or_default() {
            self.header_name(&name.text, &name.origin);
            headers.push((name.text, self.secret(value)));
        }
        let Batch { rows, bytes } = written.batch.unwrap_or_default();
        let WebTimeouts { connect, total } = written.timeouts.unwrap_or_default();
        let webhook = Webhook {
            url: url?,
            secrets,
            body: match word {
                BodyWord::Rows => WebhookBody::Rows { rows, bytes },
                BodyWord::File => WebhookBody::File,
                BodyWord::Notice => WebhookBody::Notice,
            },
            auth,
            headers,
            egress: self.egress(written.ca, written.proxy),
            client: written.client.map(|client| self.client_certificate(client)),
            retry_statuses: self.retry_statuses(written.retry_statuses.map(|statuses| statuses.0).unwrap_or_default()),
            compress: written.compress.unwrap_or(Compress::None),
            per_minute: written.per_minute.map(Into::into),
            in_flight: written.in_flight.map_or(4, Into::into),
            connect,
            total,
            allow: allowed(written.allow),
            has_body: written.body.is_some() || written.batch.is_some(),
        };
        if !webhook.is_authenticated() {
            let problem = key.origin.warning("requests are not signed: the receiver cannot verify their sender");
            self.problems.push(problem.hint("write `secret: {env: NAME}`, with `whsec_` and base64 as its value"));
        }
        Some(webhook)
    }

    fn webhook_auth(
        &mut self,
        bearer: Option<SecretFile>,
        basic: Option<At<BasicFile>>,
        oauth2: Option<At<ClientCredentialsFile>>,
        insecure: bool,
    ) -> Option<WebhookAuth> {
        match (bearer, basic, oauth2) {
            (None, None, None) => None,
            (Some(token), None, None) => Some(WebhookAuth::Bearer(self.secret(token))),
            (None, Some(At { value: BasicFile { username, password }, .. }), None) => {
                Some(WebhookAuth::Basic { username, password: self.secret(password) })
            }
            (None, None, Some(oauth2)) => self.client_credentials(oauth2.value, insecure),
            (_, Some(At { origin, .. }), _) | (_, None, Some(At { origin, .. })) => {
                let problem = origin.error("`bearer`, `basic` and `oauth2` are mutually exclusive");
                self.problems.push(problem.hint("keep one of them"));
                None
            }
        }
    }

    fn client_credentials(&mut self, written: ClientCredentialsFile, insecure: bool) -> Option<WebhookAuth> {
        let ClientCredentialsFile { token_url, client_id, client_secret, scope, audience, auth } = written;
        let client_secret = self.secret(client_secret);
        let token_url = self.web_address(&token_url, insecure, TOKENS)?;
        let auth = auth.unwrap_or(ClientAuth::Basic);
        let credentials = ClientCredentials { token_url, client_id, client_secret, scope, audience, auth };
        Some(WebhookAuth::OAuth2(Box::new(credentials)))
    }

    /// Checks the files if they can be read now; each delivery reads them again.
    fn client_certificate(&mut self, written: ClientFile) -> (PathBuf, SecretRef) {
        let path = self.folder.join(written.cert.value);
        let key = self.secret(written.key);
        // Commands run for deliveries only.
        if !matches!(key, SecretRef::Command(_))
            && let (Ok(chain), Ok(text)) = (std::fs::read(&path), key.read())
        {
            let flaws = match client_certificate::check(&chain, text.expose(), Clock::System.now()) {
                Ok(warnings) => warnings,
                Err(flaw) => vec![flaw],
            };
            // Warnings only: the files change while the settings are in use, and other destinations continue.
            for flaw in flaws {
                let problem = written.cert.origin.warning(format!("{}: {}", path.display(), flaw.what));
                self.problems.push(problem.hint(flaw.hint));
            }
        }
        (path, key)
    }

    fn retry_statuses(&mut self, written: Vec<At<Whole<0, 999>>>) -> Vec<u16> {
        let mut statuses = Vec::new();
        for At { value, origin } in written {
            match u16::try_from(value.0) {
                Ok(410) => {
                    let problem = origin.error("410 means that the receiver is gone for good: it is never retried");
                    self.problems.push(problem.hint("remove it; `retry` starts deliveries to it again"));
                }
                Ok(status @ 400..=599) => statuses.push(status),
                _ => {
                    let problem = origin.error(format!("{} is not an error status", value.0));
                    self.problems.push(problem.hint("write statuses from 400 to 599"));
                }
            }
        }
        statuses
    }

    fn web_address(&mut self, written: &At<String>, insecure: bool, address: Address) -> Option<String> {
        let mut wrong = |what: &str, hint: &str| {
            self.problems.push(written.origin.error(what).hint(hint));
            None
        };
        let Address { usual, carries } = address;
        // The text is not shown: it may contain a password before an `@`.
        let Ok(url) = Url::parse(&written.value) else { return wrong("this is not a web address", usual) };
        if !url.username().is_empty() || url.password().is_some() {
            return wrong(
                "an address contains no user or password",
                "write `basic: {username: …, password: {env: …}}`",
            );
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if loopback || insecure => {}
            "http" => {
                let what = format!("plain http would send {carries} unencrypted");
                return wrong(&what, "write `https://`; if it must be, add `insecure: true`");
            }
            _ => return wrong("an address begins with `https://`", usual),
        }
        if url.fragment().is_some() {
            return wrong("what follows `#` is never sent", "remove it");
        }
        Some(url.to_string())
    }

    pub(super) fn egress(&mut self, ca: Option<String>, proxy: Option<WebProxyFile>) -> Egress {
        Egress { ca: ca.map(|path| self.folder.join(path)), proxy: proxy.and_then(|proxy| self.web_proxy(proxy)) }
    }

    fn web_proxy(&mut self, written: WebProxyFile) -> Option<WebProxy> {
        let url = Url::parse(&written.url.value).ok().filter(|url| url.scheme() == "http" && url.has_host());
        if !url.is_some_and(|url| url.username().is_empty() && url.password().is_none()) {
            let problem = written.url.origin.error("this is not a proxy's address");
            self.problems
                .push(problem.hint("write `http://`, host and port; `username` and `password` are keys of their own"));
            return None;
        }
        let password = written.password.map(|secret| self.secret(secret));
        Some(WebProxy { url: written.url.value, username: written.username, password })
    }

    /// Refuses headers that the delivery itself sets.
    fn header_name(&mut self, name: &str, origin: &Origin) {
        const OURS: [&str; 6] =
            ["host", "content-length", "content-type", "content-encoding", "transfer-encoding", "authorization"];
        let lower = name.to_ascii_lowercase();
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            self.problems.push(origin.error(format!("{name:?} cannot be a header's name")));
        } else if OURS.contains(&lower.as_str()) || lower.starts_with("webhook-") {
            let problem = origin.error(format!("`{name}` is set by the delivery itself"));
            self.problems
                .push(problem.hint("`bearer` and `basic` set `Authorization`; the others follow from the body"));
        }
    }
}

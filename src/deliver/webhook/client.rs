//! The HTTP client of one receiver: certificates, proxy, and permitted addresses.

use std::path::Path;
use std::sync::Arc;

use reqwest::{Certificate, Client, Identity, Proxy};

use super::address_guard::GuardedResolver;
use super::rejected;
use crate::clock::Clock;
use crate::deliver::Verdict;
use crate::secret::Secret;
use crate::settings::Webhook;
use crate::tls::client_certificate;

pub(super) fn build(
    webhook: &Webhook,
    client_key: Option<Secret>,
    proxy_password: Option<Secret>,
) -> Result<Client, Verdict> {
    // Fails if another module installed the same provider before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = crate::http::lenient(Client::builder())
        .user_agent(concat!("reportferry/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .tls_info(true)
        .connect_timeout(webhook.connect)
        .pool_max_idle_per_host(webhook.in_flight);
    if let Some(path) = &webhook.ca {
        let certificates = Certificate::from_pem_bundle(&read(path)?)
            .map_err(|error| rejected(format!("{} holds no certificate: {error}", path.display())))?;
        if certificates.is_empty() {
            return Err(rejected(format!("{} holds no certificate: PEM is expected", path.display())));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let (Some((path, _)), Some(key)) = (&webhook.client, client_key) {
        builder = builder.identity(identity(path, &key)?);
    }
    builder = match &webhook.proxy {
        // The proxy resolves the name, so it decides what may be reached.
        Some(proxy) => {
            let mut through = Proxy::all(&proxy.url).map_err(|error| rejected(format!("the proxy: {error}")))?;
            if let (Some(username), Some(password)) = (&proxy.username, &proxy_password) {
                through = through.basic_auth(username, password.expose());
            }
            builder.proxy(through)
        }
        None => builder.dns_resolver(Arc::new(GuardedResolver(webhook.allow))),
    };
    builder.build().map_err(|error| rejected(format!("cannot prepare to send: {error}")))
}

fn identity(path: &Path, key: &Secret) -> Result<Identity, Verdict> {
    let mut pem = read(path)?;
    client_certificate::check(&pem, key.expose(), Clock::System.now()).map_err(|flaw| Verdict::Rejected {
        reason: format!("{}: {}", path.display(), flaw.what),
        hint: Some(flaw.hint),
    })?;
    pem.push(b'\n');
    pem.extend_from_slice(key.expose().as_bytes());
    Identity::from_pem(&pem)
        .map_err(|_| rejected(format!("{} and its key do not make a client identity", path.display())))
}

/// Reads a certificate file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Verdict> {
    std::fs::read(path).map_err(|error| rejected(format!("{}: {error}", path.display())))
}

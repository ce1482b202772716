//! The HTTP client of one receiver: certificates, proxy, and permitted addresses.

use std::path::Path;

use reqwest::{Client, Identity};

use super::rejected;
use crate::clock::Clock;
use crate::deliver::Verdict;
use crate::http;
use crate::secret::Secret;
use crate::settings::Webhook;
use crate::tls::client_certificate;

pub(super) fn build(webhook: &Webhook, client_key: Option<Secret>) -> Result<Client, Verdict> {
    let egress = webhook.egress.read().map_err(|error| rejected(error.to_string()))?;
    let mut builder = egress
        .client(Some(webhook.allow))
        .map_err(|error| rejected(error.to_string()))?
        .http1_only()
        .tls_info(true)
        .connect_timeout(webhook.connect)
        .pool_max_idle_per_host(webhook.in_flight);
    if let (Some((path, _)), Some(key)) = (&webhook.client, client_key) {
        builder = builder.identity(identity(path, &key)?);
    }
    builder.build().map_err(|error| rejected(format!("cannot prepare to send: {error}")))
}

fn identity(path: &Path, key: &Secret) -> Result<Identity, Verdict> {
    let mut pem = http::pem(path).map_err(|error| rejected(error.to_string()))?;
    client_certificate::check(&pem, key.expose(), Clock::System.now()).map_err(|flaw| Verdict::Rejected {
        reason: format!("{}: {}", path.display(), flaw.what),
        hint: Some(flaw.hint),
    })?;
    pem.push(b'\n');
    pem.extend_from_slice(key.expose().as_bytes());
    Identity::from_pem(&pem)
        .map_err(|_| rejected(format!("{} and its key do not make a client identity", path.display())))
}

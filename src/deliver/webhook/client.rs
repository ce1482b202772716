//! What speaks to one receiver: made once for a destination, so that connections are used again.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, Weak};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity, Proxy, Url};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::guard;
use super::sign::Key;
use crate::clock::Clock;
use crate::deliver::Verdict;
use crate::secret::Secret;
use crate::settings::{Destination, SecretRef, Webhook, WebhookAuth};
use crate::tls::client_certificate;

/// One receiver, ready. Holds secrets, and so has no `Debug`.
pub struct Receiver {
    pub client: Client,
    pub url: Url,
    /// `host:port`.
    pub address: String,
    pub headers: HeaderMap,
    pub keys: Vec<Key>,
    /// What must not be shown if the receiver repeats it.
    pub secrets: Vec<String>,
    rate: Option<DefaultDirectRateLimiter>,
    /// Requests that may be under way at once, of all deliveries together.
    places: Semaphore,
    /// Connections that may be kept open: one for each answer, at most as many as are kept.
    kept: AtomicUsize,
    kept_max: usize,
    material: Vec<Vec<u8>>,
}

type Known = HashMap<String, (Weak<Destination>, Arc<Receiver>)>;

/// The receivers in use, by destination. Settings that are read anew make new ones.
static RECEIVERS: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

impl Receiver {
    /// The receiver of a destination: the one in use, unless the settings were read anew since.
    ///
    /// # Errors
    /// `Rejected`: a secret or certificate cannot be read, or is none.
    pub fn of(destination: &Arc<Destination>, webhook: &Webhook) -> Result<Arc<Self>, Verdict> {
        let mut known = RECEIVERS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((of, receiver)) = known.get(&destination.name)
            && of.upgrade().is_some_and(|of| Arc::ptr_eq(&of, destination))
            // A secret or certificate that was renewed in its file takes effect at the next attempt.
            && receiver.material == material(webhook)?
        {
            return Ok(receiver.clone());
        }
        let receiver = Arc::new(Self::new(webhook)?);
        known.insert(destination.name.clone(), (Arc::downgrade(destination), receiver.clone()));
        Ok(receiver)
    }

    /// A receiver of its own, for whoever only looks.
    ///
    /// # Errors
    /// As [`Receiver::of`].
    pub fn new(webhook: &Webhook) -> Result<Self, Verdict> {
        let url = Url::parse(&webhook.url).map_err(|error| rejected(format!("the address: {error}")))?;
        let mut secrets = Vec::new();
        let mut read = |secret: &SecretRef| {
            let secret = secret.read().map_err(|error| rejected(error.to_string()))?;
            secrets.push(secret.expose().to_owned());
            Ok::<Secret, Verdict>(secret)
        };
        let mut keys = Vec::new();
        for secret in &webhook.secrets {
            keys.push(Key::parse(&read(secret)?).map_err(|error| rejected(error.to_string()))?);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &webhook.headers {
            let name: HeaderName = name.parse().map_err(|_| rejected(format!("{name:?} is no header's name")))?;
            headers.insert(name, confidential(&read(value)?)?);
        }
        // A receiver that repeats its headers repeats this.
        let mut encoded = None;
        match &webhook.auth {
            Some(WebhookAuth::Bearer(token)) => {
                let value = Secret::new(format!("Bearer {}", read(token)?.expose()));
                headers.insert(AUTHORIZATION, confidential(&value)?);
            }
            Some(WebhookAuth::Basic { username, password }) => {
                let pair = format!("{username}:{}", read(password)?.expose());
                let value = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair);
                headers.insert(AUTHORIZATION, confidential(&Secret::new(format!("Basic {value}")))?);
                encoded = Some(value);
            }
            None => {}
        }
        let client_key = webhook.client.as_ref().map(|(cert, key)| Ok((cert, read(key)?))).transpose()?;
        let proxy_password =
            webhook.proxy.as_ref().and_then(|proxy| proxy.password.as_ref()).map(&mut read).transpose()?;
        let client = client(webhook, client_key, proxy_password)?;
        secrets.extend(encoded);
        let host = url.host_str().unwrap_or_default();
        let address = format!("{host}:{}", url.port_or_known_default().unwrap_or_default());
        let rate = webhook.per_minute.and_then(NonZeroU32::new).map(|most| {
            // A bucket that refills while it is emptied lets twice as many through in the first minute.
            let burst = NonZeroU32::new(most.get().div_ceil(10)).unwrap_or(NonZeroU32::MIN);
            let refill = NonZeroU32::new(most.get() - burst.get()).unwrap_or(NonZeroU32::MIN);
            RateLimiter::direct(Quota::per_minute(refill).allow_burst(burst))
        });
        let places = Semaphore::new(webhook.in_flight);
        let material = material(webhook)?;
        let (kept, kept_max) = (AtomicUsize::new(0), webhook.in_flight);
        Ok(Self { client, url, address, headers, keys, secrets, rate, places, kept, kept_max, material })
    }

    /// Waits until one more request may be sent. It is under way until what comes back is dropped.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        if let Some(rate) = &self.rate {
            rate.until_ready().await;
        }
        self.places.acquire().await.ok() // never closed
    }

    /// Notes that an answer came: its connection may be kept open for the next request.
    pub fn note_kept(&self) {
        let more = |kept: usize| (kept < self.kept_max).then_some(kept + 1);
        self.kept.fetch_update(Relaxed, Relaxed, more).ok();
    }

    /// Returns true if a connection that ended without an answer may have been a kept one, and counts it as gone.
    pub fn take_kept(&self) -> bool {
        self.kept.fetch_update(Relaxed, Relaxed, |kept| kept.checked_sub(1)).is_ok()
    }
}

/// All that is read from outside the settings, to tell whether it has changed.
fn material(webhook: &Webhook) -> Result<Vec<Vec<u8>>, Verdict> {
    let mut all = Vec::new();
    for secret in webhook.all_secrets() {
        let secret = secret.read().map_err(|error| rejected(error.to_string()))?;
        all.push(secret.expose().as_bytes().to_vec());
    }
    for path in webhook.ca.iter().chain(webhook.client.as_ref().map(|(cert, _)| cert)) {
        all.push(std::fs::read(path).map_err(|error| rejected(format!("{}: {error}", path.display())))?);
    }
    Ok(all)
}

fn client(
    webhook: &Webhook,
    client_key: Option<(&std::path::PathBuf, Secret)>,
    proxy_password: Option<Secret>,
) -> Result<Client, Verdict> {
    // Taken already where another room installed it: it is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = crate::http::lenient(Client::builder())
        .user_agent(concat!("reportferry/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .tls_info(true)
        .connect_timeout(webhook.connect)
        .pool_max_idle_per_host(webhook.in_flight);
    let cannot_read = |path: &std::path::Path, error: std::io::Error| rejected(format!("{}: {error}", path.display()));
    if let Some(path) = &webhook.ca {
        let pem = std::fs::read(path).map_err(|error| cannot_read(path, error))?;
        let certificates = Certificate::from_pem_bundle(&pem)
            .map_err(|error| rejected(format!("{} holds no certificate: {error}", path.display())))?;
        if certificates.is_empty() {
            return Err(rejected(format!("{} holds no certificate: PEM is expected", path.display())));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some((cert, key)) = client_key {
        let mut pem = std::fs::read(cert).map_err(|error| cannot_read(cert, error))?;
        client_certificate::examine(&pem, key.expose(), Clock::System.now()).map_err(|flaw| Verdict::Rejected {
            reason: format!("{}: {}", cert.display(), flaw.what),
            hint: Some(flaw.hint),
        })?;
        pem.push(b'\n');
        pem.extend_from_slice(key.expose().as_bytes());
        let identity = Identity::from_pem(&pem)
            .map_err(|_| rejected(format!("{} and its key do not make a client's identity", cert.display())))?;
        builder = builder.identity(identity);
    }
    builder = match &webhook.proxy {
        // The proxy looks the name up: what it may reach is its own to guard.
        Some(proxy) => {
            let mut through = Proxy::all(&proxy.url).map_err(|error| rejected(format!("the proxy: {error}")))?;
            if let (Some(username), Some(password)) = (&proxy.username, &proxy_password) {
                through = through.basic_auth(username, password.expose());
            }
            builder.proxy(through)
        }
        None => builder.dns_resolver(guard::resolver(webhook.allow)),
    };
    builder.build().map_err(|error| rejected(format!("cannot prepare to send: {error}")))
}

fn confidential(value: &Secret) -> Result<HeaderValue, Verdict> {
    let mut value: HeaderValue =
        value.expose().parse().map_err(|_| rejected("a secret holds what no header may hold".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn rejected(reason: String) -> Verdict {
    Verdict::Rejected { reason, hint: None }
}

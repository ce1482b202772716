//! Tests a receiver step by step: name, addresses, connection, TLS, a signed test event.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::AUTHORIZATION;
use reqwest::tls::TlsInfo;
use tokio::net::TcpStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::error::failed;
use super::request::blocking;
use super::token::Bearer;
use super::{WebhookTarget, response, signature};
use crate::deliver::Verdict;
use crate::deliver::probe::{Advice, DoctorReport, DoctorStep, Probe, Scope, StepOutcome, Visit};
use crate::http::address_guard::{admit_any, special};
use crate::settings::Webhook;

/// Remaining validity below which a certificate is reported.
const SOON_DAYS: i64 = 21;

/// A failed step after which the test cannot continue.
struct Over;

/// Tests a receiver step by step.
pub async fn probe(name: &str, webhook: &Arc<Webhook>, visit: &Visit, mut report: DoctorReport) -> Probe {
    let mut advice = Vec::new();
    let (opening, settings) = (name.to_owned(), webhook.clone());
    let opened = blocking(move || Ok(WebhookTarget::open(&opening, &settings))).await;
    let opened = opened.unwrap_or_else(|error| Err(super::rejected(error.to_string())));
    let whole = match opened {
        Ok(target) => {
            let (report, advice) = (&mut report, &mut advice);
            Prober { target: &target, visit, report, advice }.steps().await.is_ok()
        }
        Err(verdict) => {
            report.record(DoctorStep::failed("settings", Duration::ZERO, &verdict));
            false
        }
    };
    let plan = match whole {
        true => "Each attempt signs its requests again; repeats have the same `webhook-id`.",
        false => "Nothing is delivered there until the failed step is fixed.",
    };
    if !webhook.is_authenticated() {
        let why = "without a signature the receiver cannot verify who sent a request";
        advice.push(advise("secret", "{env: NAME}", why.to_owned()));
    }
    Probe {
        destination: name.to_owned(),
        kind: "webhook".to_owned(),
        address: webhook.url.split('?').next().unwrap_or_default().to_owned(),
        ok: whole && !report.has_failed(),
        steps: report.steps,
        plan: vec![plan.to_owned()],
        advice,
        left_behind: Vec::new(),
    }
}

fn advise(key: &str, value: &str, why: String) -> Advice {
    Advice { scope: Scope::Destination, key: key.to_owned(), value: value.to_owned(), why, must: false }
}

struct Prober<'a> {
    target: &'a WebhookTarget,
    visit: &'a Visit,
    report: &'a mut DoctorReport,
    advice: &'a mut Vec<Advice>,
}

impl Prober<'_> {
    async fn steps(&mut self) -> Result<(), Over> {
        match &self.target.webhook.egress.proxy {
            Some(proxy) => self.done("proxy", Duration::ZERO, format!("{}, which resolves the name", proxy.url)),
            None => {
                let found = self.look_up().await?;
                self.connect(&found).await?;
            }
        }
        self.send().await
    }

    async fn look_up(&mut self) -> Result<Vec<SocketAddr>, Over> {
        let (started, WebhookTarget { url, webhook, .. }) = (Instant::now(), self.target);
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or_default();
        let found = tokio::time::timeout(webhook.connect, tokio::net::lookup_host((host.as_str(), port))).await;
        let found: Vec<SocketAddr> = match found {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(self.failed("name", started, error.to_string())),
            Err(_) => return Err(self.failed("name", started, "the name was not resolved in time".to_owned())),
        };
        let mut step = DoctorStep::done("name", started.elapsed(), format!("{host} has {} addresses", found.len()));
        for address in &found {
            let kind = special(address.ip()).map_or("public".to_owned(), |special| format!("{special:?}"));
            step = step.with(&address.ip().to_string(), kind);
        }
        self.report.record(step);
        let admitted = admit_any(&host, found, webhook.allow);
        let admitted = admitted.map_err(|refused| self.failed("addresses", started, refused.to_string()))?;
        self.done("addresses", Duration::ZERO, format!("{} may be reached", admitted.len()));
        Ok(admitted)
    }

    async fn connect(&mut self, found: &[SocketAddr]) -> Result<(), Over> {
        let started = Instant::now();
        let mut message = "the name has no address".to_owned();
        for address in found {
            match tokio::time::timeout(self.target.webhook.connect, TcpStream::connect(address)).await {
                Ok(Ok(_)) => {
                    self.done("tcp", started.elapsed(), address.to_string());
                    return Ok(());
                }
                Ok(Err(error)) => message = format!("{address}: {error}"),
                Err(_) => message = format!("{address} does not take the connection in time"),
            }
        }
        Err(self.failed("tcp", started, message))
    }

    async fn send(&mut self) -> Result<(), Over> {
        let (started, target) = (Instant::now(), self.target);
        let id = format!("test-{:016x}", fastrand::u64(..));
        let now = self.visit.now;
        let event = serde_json::json!({"type": "reportferry.test", "timestamp": now.to_string(), "data": {}});
        let body = event.to_string();
        let signature = signature::sign(&target.keys, &id, now.as_second(), body.as_bytes());
        let mut headers = target.headers(&id, now.as_second(), &signature, "application/json");
        let secure = target.url.scheme() == "https";
        let bearer = self.token().await?;
        if let Some(bearer) = &bearer {
            headers.insert(AUTHORIZATION, bearer.header.clone());
        }
        let request = target.client.post(target.url.clone()).headers(headers).timeout(target.webhook.total).body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let step = if secure && error.is_connect() { "tls" } else { "test event" };
                let verdict = failed(error, target.webhook.client.is_some()).verdict("");
                self.report.record(DoctorStep::failed(step, started.elapsed(), &verdict));
                return Err(Over);
            }
        };
        if secure {
            let der = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate).map(<[u8]>::to_vec);
            self.tls(der.as_deref(), started.elapsed());
        }
        match response::read(response, now, target, bearer.as_ref(), (None, None)).await {
            Ok(accepted) => {
                let signed = if target.keys.is_empty() { "not signed" } else { "signed" };
                let colon = if accepted.message.is_empty() { "" } else { ": " };
                let message = format!("{signed}, answered {}{colon}{}", accepted.status, accepted.message);
                self.report.record(DoctorStep::done("test event", started.elapsed(), message).with("webhook-id", id));
                Ok(())
            }
            Err(error) => {
                let mut verdict = error.verdict("");
                if let Verdict::Rejected { hint: hint @ None, .. } = &mut verdict {
                    let may = "a receiver may refuse event types that it does not know: ask its operator";
                    *hint = Some(may.to_owned());
                }
                self.report.record(DoctorStep::failed("test event", started.elapsed(), &verdict));
                Err(Over)
            }
        }
    }

    /// Fetches the token, with OAuth2.
    async fn token(&mut self) -> Result<Option<Bearer>, Over> {
        let started = Instant::now();
        match self.target.bearer(None).await {
            Ok(None) => Ok(None),
            Ok(bearer) => {
                self.done("token", started.elapsed(), "the token endpoint issued a token".to_owned());
                Ok(bearer)
            }
            Err(error) => {
                self.report.record(DoctorStep::failed("token", started.elapsed(), &error.verdict("")));
                Err(Over)
            }
        }
    }

    fn tls(&mut self, der: Option<&[u8]>, took: Duration) {
        let Some((_, certificate)) = der.and_then(|der| X509Certificate::from_der(der).ok()) else {
            return self.done("tls", took, "the certificate is trusted".to_owned());
        };
        let validity = certificate.validity();
        let days = (validity.not_after.timestamp() - self.visit.now.as_second()) / 86_400;
        let step = DoctorStep::done("tls", took, format!("the certificate is trusted, and good for {days} days"))
            .with("subject", certificate.subject())
            .with("issuer", certificate.issuer())
            .with("not after", validity.not_after);
        self.report.record(step);
        if days < SOON_DAYS {
            let why = format!("the receiver's certificate expires in {days} days: inform its operator");
            self.advice.push(advise("url", "unchanged", why));
        }
    }

    fn done(&mut self, step: &str, took: Duration, message: String) {
        self.report.record(DoctorStep::done(step, took, message));
    }

    fn failed(&mut self, step: &str, started: Instant, message: String) -> Over {
        self.report.record(DoctorStep::new(step, StepOutcome::Failed, started.elapsed(), message));
        Over
    }
}

//! A receiver, tried step by step: name, addresses, connection, TLS, a signed test event.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use reqwest::tls::TlsInfo;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::answer;
use super::body::header_values;
use super::client::Receiver;
use super::guard::{admit, special};
use super::sign;
use crate::deliver::Verdict;
use crate::deliver::doctor::{Advice, Outcome, Probe, Report, Scope, Step, Visit};
use crate::settings::{Destination, Webhook};

/// A certificate that ends sooner than this is told.
const SOON_DAYS: i64 = 21;

/// A step failed, and no other can follow.
struct Over;

/// Looks at a receiver. Blocks; the runtime that it stands beside does the waiting.
pub fn probe(destination: &Destination, webhook: &Webhook, visit: &Visit, mut report: Report) -> Probe {
    let mut advice = Vec::new();
    let whole = match Receiver::new(webhook) {
        Ok(receiver) => {
            let steps = Handle::current().block_on(steps(&receiver, webhook, visit, &mut report, &mut advice));
            steps.is_ok()
        }
        Err(verdict) => {
            report.tell(Step::failed("settings", Duration::ZERO, &verdict));
            false
        }
    };
    let plan = match whole {
        true => "Requests are signed afresh at each attempt; the receiver tells them apart by `webhook-id`.",
        false => "Nothing is delivered there until the step that failed is mended.",
    };
    if webhook.secrets.is_empty() {
        advice.push(Advice {
            scope: Scope::Destination,
            key: "secret".to_owned(),
            value: "{env: NAME}".to_owned(),
            why: "without a signature the receiver cannot tell these requests from anybody's".to_owned(),
            must: false,
        });
    }
    Probe {
        destination: destination.name.clone(),
        kind: "webhook".to_owned(),
        address: webhook.url.split('?').next().unwrap_or_default().to_owned(),
        ok: whole && !report.has_failed(),
        steps: report.steps,
        plan: vec![plan.to_owned()],
        advice,
        left_behind: Vec::new(),
    }
}

async fn steps(
    receiver: &Receiver,
    webhook: &Webhook,
    visit: &Visit,
    report: &mut Report,
    advice: &mut Vec<Advice>,
) -> Result<(), Over> {
    match &webhook.proxy {
        Some(proxy) => {
            report.tell(Step::done("proxy", Duration::ZERO, format!("{}, which looks the name up", proxy.url)))
        }
        None => {
            let found = look_up(receiver, webhook, report).await?;
            connect(&found, webhook, report).await?;
        }
    }
    send(receiver, webhook, visit, report, advice).await
}

async fn look_up(receiver: &Receiver, webhook: &Webhook, report: &mut Report) -> Result<Vec<SocketAddr>, Over> {
    let begun = Instant::now();
    let host = receiver.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = receiver.url.port_or_known_default().unwrap_or_default();
    let found = tokio::time::timeout(webhook.connect, tokio::net::lookup_host((host.as_str(), port))).await;
    let found: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => return Err(fail(report, "name", begun, error.to_string())),
        Err(_) => return Err(fail(report, "name", begun, "the name is not looked up in time".to_owned())),
    };
    let mut step = Step::done("name", begun.elapsed(), format!("{host} has {} addresses", found.len()));
    for address in &found {
        let kind = special(address.ip()).map_or("public".to_owned(), |special| format!("{special:?}"));
        step = step.with(&address.ip().to_string(), kind);
    }
    report.tell(step);
    let mut admitted = Vec::new();
    let mut refused = None;
    for address in found {
        match admit(&host, address.ip(), webhook.allow) {
            Ok(()) => admitted.push(address),
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(refused) if admitted.is_empty() => Err(fail(report, "addresses", begun, refused.to_string())),
        _ => {
            report.tell(Step::done("addresses", Duration::ZERO, format!("{} may be reached", admitted.len())));
            Ok(admitted)
        }
    }
}

async fn connect(found: &[SocketAddr], webhook: &Webhook, report: &mut Report) -> Result<(), Over> {
    let begun = Instant::now();
    let mut said = "the name has no address".to_owned();
    for address in found {
        match tokio::time::timeout(webhook.connect, TcpStream::connect(address)).await {
            Ok(Ok(_)) => {
                report.tell(Step::done("tcp", begun.elapsed(), address.to_string()));
                return Ok(());
            }
            Ok(Err(error)) => said = format!("{address}: {error}"),
            Err(_) => said = format!("{address} does not take the connection in time"),
        }
    }
    Err(fail(report, "tcp", begun, said))
}

async fn send(
    receiver: &Receiver,
    webhook: &Webhook,
    visit: &Visit,
    report: &mut Report,
    advice: &mut Vec<Advice>,
) -> Result<(), Over> {
    let begun = Instant::now();
    let id = format!("test-{:016x}", fastrand::u64(..));
    let body =
        serde_json::json!({"type": "reportferry.test", "timestamp": visit.now.to_string(), "data": {}}).to_string();
    let timestamp = visit.now.as_second();
    let signature = sign::sign(&receiver.keys, &id, timestamp, body.as_bytes());
    let mut headers = receiver.headers.clone();
    header_values(
        &mut headers,
        &[
            ("webhook-id", &id),
            ("webhook-timestamp", &timestamp.to_string()),
            ("webhook-signature", &signature),
            ("content-type", "application/json"),
        ],
    );
    let secure = receiver.url.scheme() == "https";
    let response = match receiver
        .client
        .post(receiver.url.clone())
        .headers(headers)
        .timeout(webhook.total)
        .body(body)
        .send()
        .await
    {
        Ok(response) => response,
        Err(error) => {
            let step = if secure && error.is_connect() { "tls" } else { "test event" };
            let verdict = answer::failed(error, webhook.client.is_some()).verdict("");
            report.tell(Step::failed(step, begun.elapsed(), &verdict));
            return Err(Over);
        }
    };
    if secure {
        let der = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate).map(<[u8]>::to_vec);
        tls(der.as_deref(), visit, begun.elapsed(), report, advice);
    }
    match answer::read(response, visit.now, &receiver.secrets, &webhook.retry_statuses).await {
        Ok(taken) => {
            let signed = if receiver.keys.is_empty() { "not signed" } else { "signed" };
            let words = if taken.said.is_empty() { String::new() } else { format!(": {}", taken.said) };
            let said = format!("{signed}, answered {}{words}", taken.status);
            report.tell(Step::done("test event", begun.elapsed(), said).with("webhook-id", id));
            Ok(())
        }
        Err(trouble) => {
            let verdict = trouble.verdict("");
            let verdict = match verdict {
                Verdict::Rejected { reason, hint } => Verdict::Rejected {
                    reason,
                    hint: hint
                        .or(Some("a receiver may refuse event types that it does not know: ask its people".to_owned())),
                },
                other => other,
            };
            report.tell(Step::failed("test event", begun.elapsed(), &verdict));
            Err(Over)
        }
    }
}

fn tls(der: Option<&[u8]>, visit: &Visit, took: Duration, report: &mut Report, advice: &mut Vec<Advice>) {
    let Some((_, certificate)) = der.and_then(|der| X509Certificate::from_der(der).ok()) else {
        report.tell(Step::new("tls", Outcome::Done, took, "the certificate is trusted"));
        return;
    };
    let left_s = certificate.validity().not_after.timestamp() - visit.now.as_second();
    let days = left_s / 86_400;
    let step = Step::done("tls", took, format!("the certificate is trusted, and good for {days} days"))
        .with("subject", certificate.subject())
        .with("issuer", certificate.issuer())
        .with("not after", certificate.validity().not_after);
    report.tell(step);
    if days < SOON_DAYS {
        advice.push(Advice {
            scope: Scope::Destination,
            key: "url".to_owned(),
            value: "unchanged".to_owned(),
            why: format!("the receiver's certificate ends in {days} days: tell its people"),
            must: false,
        });
    }
}

fn fail(report: &mut Report, step: &str, begun: Instant, said: String) -> Over {
    report.tell(Step::new(step, Outcome::Failed, begun.elapsed(), said));
    Over
}

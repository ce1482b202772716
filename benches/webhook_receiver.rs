//! The receiver of `benches/webhook.py`: fast, so that it is not what is measured, and mistrustful.
//!
//! usage: webhook_receiver SECRET [PORT]
//!
//! Every body is hashed: an id that comes again with another body is answered 409. One signature in sixteen is verified.
//! Rows whose first column counts (`n`, from 0) are looked at: each batch must hold consecutive ones. Prints its port;
//! `GET` answers what it has seen, as JSON; `DELETE` forgets it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reportferry::clock::Clock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One request in so many has its signature verified.
const SAMPLE: u64 = 16;
/// Seconds that a timestamp may be off, as the published libraries have it.
const TOLERANCE: u64 = 300;

#[derive(Default)]
struct RemoteState {
    requests: u64,
    verified: u64,
    /// An id that came again with the same body.
    repeated: u64,
    /// What was refused, and why.
    refused: Vec<String>,
    bodies: HashMap<String, [u8; 32]>,
    /// First row and number of rows, by the number of the batch.
    batches: HashMap<u64, (u64, u64)>,
}

struct Receiver {
    key: Vec<u8>,
    seen: Mutex<RemoteState>,
}

impl Receiver {
    fn take(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        let digest: [u8; 32] = Sha256::digest(body).into();
        let rows = rows(body)?;
        let Ok(mut seen) = self.seen.lock() else { return Err("a fault of the receiver".to_owned()) };
        seen.requests += 1;
        if seen.requests % SAMPLE == 1 {
            self.verify(id, timestamp, header("webhook-signature"), body)?;
            seen.verified += 1;
        }
        match seen.bodies.entry(id.to_owned()) {
            Entry::Occupied(known) if *known.get() != digest => return Err(format!("{id} came with another body")),
            Entry::Occupied(_) => seen.repeated += 1,
            Entry::Vacant(new) => {
                new.insert(digest);
            }
        }
        if let Some((number, first, count)) = rows {
            seen.batches.insert(number, (first, count));
        }
        Ok(())
    }

    fn verify(&self, id: &str, timestamp: &str, signature: &str, body: &[u8]) -> Result<(), String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|error| error.to_string())?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let now = Clock::System.now().as_second();
        let fresh = timestamp.parse::<i64>().is_ok_and(|timestamp| timestamp.abs_diff(now) <= TOLERANCE);
        match fresh && signature.split(' ').any(|signature| signature == expected) {
            true => Ok(()),
            false => Err(format!("{id} is not signed as it should be")),
        }
    }
}

/// The number of the batch, its first row and how many there are, of bodies that have such rows.
fn rows(body: &[u8]) -> Result<Option<(u64, u64, u64)>, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let (Some(rows), Some(number)) = (body["data"]["rows"].as_array(), body["data"]["batch"]["number"].as_u64()) else {
        return Ok(None);
    };
    let counted: Option<Vec<u64>> = rows.iter().map(|row| row["n"].as_str()?.parse().ok()).collect();
    let Some(counted) = counted else { return Ok(None) };
    let Some(first) = counted.first().copied() else { return Ok(None) };
    match counted.iter().zip(first..).all(|(row, expected)| *row == expected) {
        true => Ok(Some((number, first, counted.len() as u64))),
        false => Err(format!("batch {number} is not in order")),
    }
}

/// What was seen. `whole` is how many rows there are from 0 on without a gap or a double, in the order of the batches.
fn told(seen: &RemoteState) -> Value {
    let mut batches: Vec<_> = seen.batches.iter().collect();
    batches.sort();
    let whole =
        batches.iter().fold(0, |whole, (_, (first, count))| if *first == whole { whole + count } else { whole });
    json!({"requests": seen.requests, "ids": seen.bodies.len(), "verified": seen.verified, "repeated": seen.repeated,
           "refused": seen.refused, "batches": batches.len(), "whole": whole})
}

async fn answer(
    State(receiver): State<Arc<Receiver>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    if method == Method::POST {
        return match receiver.take(&headers, &body) {
            Ok(()) => (StatusCode::OK, "taken".to_owned()),
            Err(why) => {
                if let Ok(mut seen) = receiver.seen.lock() {
                    seen.refused.push(why.clone());
                }
                (StatusCode::CONFLICT, why)
            }
        };
    }
    let Ok(mut seen) = receiver.seen.lock() else { return (StatusCode::INTERNAL_SERVER_ERROR, String::new()) };
    let told = told(&seen);
    if method == Method::DELETE {
        *seen = RemoteState::default();
    }
    (StatusCode::OK, told.to_string())
}

#[allow(clippy::print_stdout)] // its port
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let secret = arguments.next().ok_or("usage: webhook_receiver SECRET [PORT]")?;
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let key = STANDARD.decode(secret.strip_prefix("whsec_").ok_or("a secret begins with whsec_")?)?;
    let receiver = Arc::new(Receiver { key, seen: Mutex::default() });
    let router =
        Router::new().fallback(answer).layer(axum::extract::DefaultBodyLimit::max(64 << 20)).with_state(receiver);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        println!("{}", listener.local_addr()?.port());
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true); // as servers do
        });
        axum::serve(listener, router).await
    })?;
    Ok(())
}

//! Delivery by webhook: signed POST requests (Standard Webhooks) that carry the rows, the file, or a notice of it.
//!
//! A delivery has one id, and each of its batches another, the same in every attempt: a receiver that has seen an id
//! answers 2xx and does nothing. That is how a lost answer is made good: the same id goes again.

/// What an answer means.
pub mod answer;
/// The rows as JSON, in batches.
pub mod batch;
mod client;
/// A receiver, tried step by step.
pub mod doctor;
/// Which addresses may be reached.
pub mod guard;
/// Signatures.
pub mod sign;

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::sync::Arc;

use futures_util::StreamExt;
use reqwest::Body;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::runtime::Handle;
use tokio_util::io::ReaderStream;

use super::paced::TOO_LONG;
use super::{FinalName, IntendedFile, Intent, Put, Receipt, Role, Seen, SeenFile, Verdict};
use crate::clock::Clock;
use crate::fault;
use crate::progress::Meter;
use crate::settings::{Compress, Destination, DestinationKind, Webhook, WebhookBody};
use answer::{Taken, Trouble};
use batch::Batches;
use client::Receiver;
use guard::admit;
use sign::Key;

/// Steps at which the fault tests strike.
pub const WEBHOOK_FAULT_STEPS: &[&str] = &["webhook.send", "ledger.parts"];

/// Batches whose acknowledgements are kept in one go.
const GROUP: usize = 64;

/// A receiver that requests can be sent to.
pub struct WebhookDrop {
    destination: Arc<Destination>,
    receiver: Arc<Receiver>,
}

impl WebhookDrop {
    /// Reads secrets and certificates. Nothing is sent.
    ///
    /// # Errors
    /// `Rejected`: settings that cannot work, or an address that may not be reached.
    pub fn open(destination: &Arc<Destination>, webhook: &Webhook) -> Result<Self, Verdict> {
        let receiver = Receiver::of(destination, webhook)?;
        // Addresses that stand in the URL itself are never looked up, so no resolver sees them.
        let host = receiver.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if let (Ok(address), None) = (host.parse(), &webhook.proxy) {
            admit(host, address, webhook.allow)
                .map_err(|refused| Verdict::Rejected { reason: refused.to_string(), hint: None })?;
        }
        Ok(Self { destination: destination.clone(), receiver })
    }

    /// The id of the delivery.
    pub fn prepare(&self, put: &Put<'_>) -> Result<Intent, Verdict> {
        let id = format!("{}-{}", put.run, self.destination.name);
        let artifact = put.artifact;
        let file = IntendedFile {
            role: Role::Data,
            temporary: String::new(),
            final_path: id,
            bytes: artifact.bytes,
            sha256: artifact.sha256.clone(),
        };
        Ok(Intent { files: vec![file] })
    }

    /// There is nothing to look at: the id is what tells a second attempt from a second delivery.
    pub fn look(&self, intent: &Intent) -> Seen {
        let seen = |_: &IntendedFile| SeenFile { final_name: FinalName::Absent, temporary: false };
        Seen { files: intent.files.iter().map(seen).collect() }
    }

    /// What a receiver keeps is its own.
    pub fn hidden(&self, intent: &Intent) -> Seen {
        let why = "a webhook's receiver does not say what it has".to_owned();
        let seen = |_: &IntendedFile| SeenFile { final_name: FinalName::Hidden { why: why.clone() }, temporary: false };
        Seen { files: intent.files.iter().map(seen).collect() }
    }

    /// Sends what is to be sent. Blocks; the runtime that it stands beside does the waiting.
    pub fn publish(&self, put: &Put<'_>, intent: &Intent, meter: &Meter) -> Verdict {
        let id = intent.files.first().map(|file| file.final_path.clone());
        let (DestinationKind::Webhook(webhook), Some(id)) = (&self.destination.kind, id) else {
            return Verdict::Rejected { reason: "this is no webhook's intent".to_owned(), hint: None };
        };
        let send = Send { webhook, receiver: &self.receiver, put, id: &id, clock: Clock::System };
        let sending = async {
            match webhook.body {
                WebhookBody::Rows { rows, bytes } => send.batches(rows, bytes, meter).await,
                WebhookBody::File => send.file(meter).await,
                WebhookBody::Notice => send.notice(meter).await,
            }
        };
        let sent = Handle::current().block_on(async {
            match put.until {
                None => sending.await,
                Some(until) => tokio::time::timeout_at(until.into(), sending)
                    .await
                    .unwrap_or_else(|_| Err(Verdict::Unknown { reason: TOO_LONG.to_owned() })),
            }
        });
        match sent {
            Ok(taken) => Verdict::Delivered(self.receipt(put, &id, taken)),
            Err(verdict) => verdict,
        }
    }

    fn receipt(&self, put: &Put<'_>, id: &str, taken: Taken) -> Receipt {
        Receipt {
            address: self.receiver.address.clone(),
            path: self.receiver.url.path().to_owned(),
            bytes: put.artifact.bytes,
            sha256: put.artifact.sha256.clone(),
            host_key: None,
            verified: format!("status {}", taken.status),
            published: format!("webhook-id {id}"),
            answer: Some(taken.said).filter(|said| !said.is_empty()),
        }
    }
}

/// One delivery being sent.
struct Send<'a> {
    webhook: &'a Webhook,
    receiver: &'a Receiver,
    put: &'a Put<'a>,
    id: &'a str,
    clock: Clock,
}

/// What goes over the wire.
enum Carried {
    Bytes(Vec<u8>),
    /// A file of so many bytes.
    File(File, u64),
}

impl Send<'_> {
    async fn batches(&self, rows: usize, bytes: usize, meter: &Meter) -> Result<Taken, Verdict> {
        let (artifact, about) = (self.put.artifact, self.put.about);
        let total = Batches::count(artifact, about, rows, bytes).map_err(unreadable)?;
        let acknowledged = self.put.parts.acknowledged();
        let batches = Batches::open(artifact, about, rows, bytes).map_err(unreadable)?;
        // After a failure nothing new is begun, and what is under way comes to its answer: it need not go again.
        let failed = Cell::new(false);
        let left = batches
            .take_while(|_| !failed.get())
            .filter(|batch| !batch.as_ref().is_ok_and(|batch| acknowledged.contains(&batch.number)));
        let sends = futures_util::stream::iter(left).map(async |batch| {
            let batch = batch.map_err(|error| (0, unsendable(error)))?;
            let number = batch.number;
            let body = batch::body(self.put, &batch, total).map_err(|error| (number, unsendable(error.into())))?;
            let body = self.packed(body).map_err(|error| (number, unsendable(error)))?;
            let id = format!("{}-{number}-of-{total}", self.id);
            let taken = self.post(&id, "application/json", Carried::Bytes(body)).await;
            taken.map(|taken| (number, taken)).map_err(|trouble| (number, trouble))
        });
        let mut groups = sends.buffer_unordered(self.webhook.in_flight).ready_chunks(GROUP);
        let mut done = acknowledged.len() as u64;
        let mut last = Taken { status: 200, said: String::new() };
        let mut verdict = None;
        while let Some(group) = groups.next().await {
            let (mut taken, mut trouble) = (Vec::new(), None);
            for outcome in group {
                match outcome {
                    Ok((number, answer)) => {
                        taken.push(number);
                        last = answer;
                    }
                    Err(failed) => trouble = trouble.or(Some(failed)),
                }
            }
            if !taken.is_empty() {
                match self.put.parts.acknowledge(&taken).await {
                    Ok(()) => done += taken.len() as u64,
                    Err(reason) => verdict = verdict.or(Some(Verdict::Unknown { reason })),
                }
                meter.set(artifact.bytes * done / total.max(1));
            }
            if let Some((number, trouble)) = trouble {
                let told = trouble.verdict(&format!("batch {number} of {total}: "));
                verdict = verdict.or(Some(told));
            }
            failed.set(verdict.is_some());
        }
        match verdict {
            Some(verdict) => Err(verdict),
            None => Ok(last),
        }
    }

    async fn file(&self, meter: &Meter) -> Result<Taken, Verdict> {
        if self.receiver.keys.iter().any(Key::needs_it_whole) {
            let reason = "an ed25519 signature needs the whole body at once, and a file may be of any size".to_owned();
            return Err(Verdict::Rejected { reason, hint: Some("use a `whsec_` secret with `body: file`".to_owned()) });
        }
        let opened = File::open(&self.put.artifact.path).map_err(unreadable)?;
        let (file, bytes) = match self.webhook.compress {
            Compress::None => (opened, self.put.artifact.bytes),
            // What is signed must be known before it is sent, so it is packed aside first.
            compress => pack_file(opened, compress).map_err(unreadable)?,
        };
        let taken = self.post(self.id, content_type(&self.put.artifact.name), Carried::File(file, bytes)).await;
        let taken = taken.map_err(|trouble| trouble.verdict(""))?;
        meter.set(self.put.artifact.bytes);
        Ok(taken)
    }

    async fn notice(&self, meter: &Meter) -> Result<Taken, Verdict> {
        let body = batch::notice(self.put).map_err(|error| unreadable(error.into()))?;
        let body = self.packed(body).map_err(unreadable)?;
        let taken = self.post(self.id, "application/json", Carried::Bytes(body)).await;
        let taken = taken.map_err(|trouble| trouble.verdict(""))?;
        meter.set(self.put.artifact.bytes);
        Ok(taken)
    }

    fn packed(&self, body: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut packed = Vec::new();
        match self.webhook.compress {
            Compress::None => return Ok(body),
            compress => pack(&body[..], &mut packed, compress)?,
        };
        Ok(packed)
    }

    /// One request, as the step that faults strike at. A body in memory may be sent twice by them.
    async fn post(&self, id: &str, kind: &'static str, carried: Carried) -> Result<Taken, Trouble> {
        self.receiver.turn().await;
        let carried = &carried;
        fault::step_async("webhook.send", async || self.post_once(id, kind, carried).await).await
    }

    async fn post_once(&self, id: &str, kind: &'static str, carried: &Carried) -> Result<Taken, Trouble> {
        let now = self.clock.now();
        let timestamp = now.as_second();
        let (signature, length, body) = match carried {
            Carried::Bytes(bytes) => {
                let signature = sign::sign(&self.receiver.keys, id, timestamp, bytes);
                (signature, bytes.len() as u64, Body::from(bytes.clone()))
            }
            Carried::File(file, length) => {
                let rewound = || -> io::Result<File> {
                    let mut file = file.try_clone()?;
                    io::Seek::rewind(&mut file)?;
                    Ok(file)
                };
                let signed = rewound().and_then(|file| sign::sign_stream(&self.receiver.keys, id, timestamp, file));
                let signature = signed.map_err(unsendable)?;
                let stream =
                    ReaderStream::with_capacity(tokio::fs::File::from_std(rewound().map_err(unsendable)?), 256 * 1024);
                (signature, *length, Body::wrap_stream(stream))
            }
        };
        let request = self.receiver.client.post(self.receiver.url.clone());
        let request = request.headers(self.headers(id, timestamp, &signature, kind, length)).body(body);
        let answered = request.send().await.map_err(answer::failed)?;
        answer::read(answered, self.clock.now(), &self.receiver.secrets).await
    }

    fn headers(&self, id: &str, timestamp: i64, signature: &str, kind: &'static str, length: u64) -> HeaderMap {
        let mut headers = self.receiver.headers.clone();
        let (timestamp, length) = (timestamp.to_string(), length.to_string());
        let mut values = vec![
            ("webhook-id", id),
            ("webhook-timestamp", &timestamp),
            ("webhook-signature", signature),
            ("content-type", kind),
            ("content-length", &length),
        ];
        match self.webhook.compress {
            Compress::None => {}
            Compress::Gzip => values.push(("content-encoding", "gzip")),
            Compress::Zstd => values.push(("content-encoding", "zstd")),
        }
        let digest = format!("sha-256=:{}:", base64_of_hex(&self.put.artifact.sha256));
        let name = header_text(&self.put.artifact.name);
        if self.webhook.body == WebhookBody::File {
            // RFC 9530: of what the receiver has once the content encoding is undone.
            values.extend([("repr-digest", digest.as_str()), ("x-artifact-name", name.as_str())]);
        }
        header_values(&mut headers, &values);
        headers
    }
}

/// Sets headers; an empty value sets none.
fn header_values(headers: &mut HeaderMap, values: &[(&'static str, &str)]) {
    for (name, value) in values {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
            headers.insert(*name, value);
        }
    }
}

fn pack(mut from: impl io::Read, to: impl io::Write, compress: Compress) -> io::Result<()> {
    match compress {
        Compress::None => Err(io::Error::other("nothing to pack")),
        Compress::Gzip => {
            let mut packer = flate2::write::GzEncoder::new(to, flate2::Compression::default());
            io::copy(&mut from, &mut packer)?;
            packer.finish().map(|_| ())
        }
        Compress::Zstd => zstd::stream::copy_encode(from, to, 0),
    }
}

fn pack_file(from: File, compress: Compress) -> io::Result<(File, u64)> {
    let packed = tempfile::tempfile()?;
    pack(io::BufReader::new(from), io::BufWriter::new(&packed), compress)?;
    let bytes = packed.metadata()?.len();
    Ok((packed, bytes))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "csv" | "txt")) => "text/csv; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn base64_of_hex(hex: &str) -> String {
    let bytes: Vec<u8> =
        (0..hex.len() / 2).filter_map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()).collect();
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

/// A name as a header carries it: what is not plain ASCII is percent-encoded (RFC 3986).
fn header_text(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%';
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn unreadable(error: io::Error) -> Verdict {
    unsendable(error).verdict("")
}

fn unsendable(error: io::Error) -> Trouble {
    Trouble::Again { reason: format!("the artifact in the spool cannot be read: {error}"), wait: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_digests_fit_into_headers() {
        assert_eq!(header_text("a b%ü.csv"), "a%20b%25%C3%BC.csv");
        assert_eq!(base64_of_hex("00ff10"), "AP8Q");
        assert_eq!(content_type("a.csv"), "text/csv; charset=utf-8");
        assert_eq!(content_type("a.bin"), "application/octet-stream");
    }
}

use std::cell::Cell;
use std::fs::File;
use std::io;

use futures_util::StreamExt;
use reqwest::Body;
use reqwest::header::HeaderMap;
use tokio_util::io::ReaderStream;

use super::answer::{self, Taken, Trouble};
use super::batch::{self, Batches};
use super::body::{Moved, base64_of_hex, content_type, header_text, header_values, pack, pack_file};
use super::client::Receiver;
use super::sign::{self, Key};
use crate::clock::Clock;
use crate::deliver::{Cutting, Put, Verdict};
use crate::fault;
use crate::progress::Meter;
use crate::settings::{Compress, Webhook, WebhookBody};

/// Batches whose acknowledgements are kept in one go.
const GROUP: usize = 64;

/// Bytes of a file that are read at a time.
const FILE_BLOCK: usize = 256 * 1024;

/// One delivery being sent.
pub(super) struct Send<'a> {
    pub(super) webhook: &'a Webhook,
    pub(super) receiver: &'a Receiver,
    pub(super) put: &'a Put<'a>,
    pub(super) id: &'a str,
    pub(super) clock: Clock,
}

/// What goes over the wire.
enum Carried {
    Bytes(Packed<Vec<u8>>),
    /// A file of so many bytes.
    File(Packed<File>, u64),
}

/// A body as it is sent, and as it was before it was packed.
///
/// Both are signed. Servers and frameworks undo a content encoding before they hand the body on, and some libraries verify
/// text only: whichever of the two a receiver has, it finds a signature that matches.
struct Packed<T> {
    sent: T,
    plain: Option<T>,
}

impl Send<'_> {
    pub(super) async fn batches(&self, cutting: Cutting, meter: &Meter) -> Result<Option<Taken>, Verdict> {
        let artifact = self.put.artifact;
        let mut batches = Batches::open(artifact, cutting).map_err(unreadable)?;
        let first = batches.next();
        // Most are one batch, and are read once.
        let total = if batches.is_over() { 1 } else { Batches::count(artifact, cutting).map_err(unreadable)? };
        let acknowledged = self.put.parts.acknowledged();
        // After a failure nothing new is begun, and what is under way comes to its answer: it need not go again.
        let failed = Cell::new(false);
        let left = first
            .into_iter()
            .chain(batches)
            .take_while(|_| !failed.get())
            .filter(|batch| !batch.as_ref().is_ok_and(|batch| acknowledged.contains(&batch.number)));
        let sends = futures_util::stream::iter(left).map(async |batch| {
            let batch = batch.map_err(|error| (0, unsendable(error)))?;
            let number = batch.number;
            let body = batch::body(self.put, &batch, total).map_err(|error| (number, unsendable(error.into())))?;
            let body = self.packed(body).map_err(|error| (number, unsendable(error)))?;
            let id = match cutting.edition {
                1 => format!("{}-{number}-of-{total}", self.id),
                // The same number stands for other rows than before.
                edition => format!("{}-{number}-of-{total}-cut-{edition}", self.id),
            };
            let taken = self.part(&id, &body, &failed).await;
            taken.map(|taken| (number, taken)).map_err(|trouble| (number, trouble))
        });
        let mut groups = sends.buffer_unordered(self.webhook.in_flight).ready_chunks(GROUP);
        let mut done = acknowledged.len() as u64;
        let mut last = None;
        let mut verdict = None;
        while let Some(group) = groups.next().await {
            let (mut taken, mut trouble) = (Vec::new(), None);
            for outcome in group {
                match outcome {
                    Ok((number, answer)) => {
                        taken.push(number);
                        last = Some(answer);
                    }
                    Err(failed) => trouble = trouble.or(Some(failed)),
                }
            }
            if !taken.is_empty() && total == 1 {
                // What is acknowledged is the whole: its receipt says so in the next moment.
                done += 1;
            } else if !taken.is_empty() {
                match self.put.parts.acknowledge(&taken).await {
                    Ok(()) => done += taken.len() as u64,
                    Err(reason) => verdict = verdict.or(Some(Verdict::Unknown { reason })),
                }
            }
            meter.set(artifact.bytes * done / total.max(1));
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

    /// Sends one batch, again where it fails while others are taken, unless the attempt is over.
    async fn part(&self, id: &str, body: &Carried, is_over: &Cell<bool>) -> Result<Taken, Trouble> {
        let parts = self.put.parts;
        let mut failed = 0;
        loop {
            parts.ready().await;
            let trouble = match self.post(id, "application/json", body).await {
                Ok(taken) => {
                    parts.succeeded();
                    return Ok(taken);
                }
                Err(trouble) => trouble,
            };
            failed += 1;
            let is_again = match trouble.may_pass() {
                Some(asked) => !is_over.get() && parts.again(failed, asked).await && !is_over.get(),
                None => false,
            };
            if !is_again {
                // At once: the next batch is begun before this failure is looked at.
                is_over.set(true);
                return Err(trouble);
            }
            tracing::debug!(id, failed, reason = trouble.reason(), "batch sent again");
        }
    }

    pub(super) async fn file(&self, meter: &Meter) -> Result<Taken, Verdict> {
        if self.receiver.keys.iter().any(Key::needs_it_whole) {
            let reason = "an ed25519 signature needs the whole body at once, and a file may be of any size".to_owned();
            return Err(Verdict::Rejected { reason, hint: Some("use a `whsec_` secret with `body: file`".to_owned()) });
        }
        let opened = File::open(&self.put.artifact.path).map_err(unreadable)?;
        let file = match self.webhook.compress {
            Compress::None => Carried::File(Packed { sent: opened, plain: None }, self.put.artifact.bytes),
            // What is signed must be known before it is sent, so it is packed aside first.
            compress => {
                let plain = opened.try_clone().map_err(unreadable)?;
                let (sent, bytes) = pack_file(opened, compress).map_err(unreadable)?;
                Carried::File(Packed { sent, plain: Some(plain) }, bytes)
            }
        };
        let taken = self.post(self.id, content_type(&self.put.artifact.name), &file).await;
        let taken = taken.map_err(|trouble| trouble.verdict(""))?;
        meter.set(self.put.artifact.bytes);
        Ok(taken)
    }

    pub(super) async fn notice(&self, meter: &Meter) -> Result<Taken, Verdict> {
        let body = batch::notice(self.put).map_err(|error| unreadable(error.into()))?;
        let body = self.packed(body).map_err(unreadable)?;
        let taken = self.post(self.id, "application/json", &body).await;
        let taken = taken.map_err(|trouble| trouble.verdict(""))?;
        meter.set(self.put.artifact.bytes);
        Ok(taken)
    }

    fn packed(&self, body: Vec<u8>) -> io::Result<Carried> {
        Ok(Carried::Bytes(match self.webhook.compress {
            Compress::None => Packed { sent: body, plain: None },
            compress => {
                let mut sent = Vec::new();
                pack(&body[..], &mut sent, compress)?;
                Packed { sent, plain: Some(body) }
            }
        }))
    }

    /// One request, as the step that faults strike at. A body in memory may be sent twice by them.
    async fn post(&self, id: &str, kind: &'static str, carried: &Carried) -> Result<Taken, Trouble> {
        fault::step_async("webhook.send", async || self.post_fresh(id, kind, carried).await).await
    }

    /// A kept connection that the receiver was closing says nothing about the request, which goes again at once, under
    /// the same id. Each answer leaves one connection at most, and allows for one such request.
    async fn post_fresh(&self, id: &str, kind: &'static str, carried: &Carried) -> Result<Taken, Trouble> {
        loop {
            let turn = self.receiver.turn().await;
            let sent = self.post_once(id, kind, carried).await;
            drop(turn);
            match sent {
                Err(Trouble::Dropped { reason }) if self.receiver.take_kept() => {
                    tracing::debug!(id, reason, "the kept connection was closed, sent again");
                }
                other => return other,
            }
        }
    }

    async fn post_once(&self, id: &str, kind: &'static str, carried: &Carried) -> Result<Taken, Trouble> {
        let timestamp = self.clock.now().as_second();
        let moved = Moved::default();
        let signature = self.signature(id, timestamp, carried).map_err(unsendable)?;
        let (length, body) = match carried {
            Carried::Bytes(bytes) => (bytes.sent.len() as u64, Body::from(bytes.sent.clone())),
            Carried::File(file, length) => {
                let file = tokio::fs::File::from_std(rewound(&file.sent).map_err(unsendable)?);
                let moved = moved.clone();
                let stream = ReaderStream::with_capacity(file, FILE_BLOCK).inspect(move |_| moved.note());
                (*length, Body::wrap_stream(stream))
            }
        };
        let request = self.receiver.client.post(self.receiver.url.clone());
        let request = request.headers(self.headers(id, timestamp, &signature, kind, length)).body(body);
        let failed = |error| answer::failed(error, self.webhook.client.is_some());
        let answered = match carried {
            Carried::Bytes(_) => request.timeout(self.webhook.total).send().await.map_err(failed)?,
            // A file of any size may take its time, as long as it moves.
            Carried::File(..) => tokio::select! {
                answered = request.send() => answered.map_err(failed)?,
                () = moved.has_stood_still(self.webhook.total) => return Err(answer::stuck(self.webhook.total)),
            },
        };
        self.receiver.note_kept();
        let (secrets, statuses) = (&self.receiver.secrets, &self.webhook.retry_statuses);
        let read = answer::read(answered, self.clock.now(), secrets, statuses);
        tokio::time::timeout(self.webhook.total, read).await.unwrap_or_else(|_| Err(answer::stuck(self.webhook.total)))
    }

    /// Signatures by each key: of what is sent, then of what it was before it was packed.
    fn signature(&self, id: &str, timestamp: i64, carried: &Carried) -> io::Result<String> {
        let keys = &self.receiver.keys;
        let (sent, plain) = match carried {
            Carried::Bytes(bytes) => {
                let sign = |bytes: &Vec<u8>| sign::sign(keys, id, timestamp, bytes);
                (sign(&bytes.sent), bytes.plain.as_ref().map(sign))
            }
            Carried::File(file, _) => {
                let sign = |file: &File| sign::sign_stream(keys, id, timestamp, rewound(file)?);
                (sign(&file.sent)?, file.plain.as_ref().map(sign).transpose()?)
            }
        };
        Ok([sent, plain.unwrap_or_default()].join(" ").trim().to_owned())
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

fn rewound(file: &File) -> io::Result<File> {
    let mut file = file.try_clone()?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

fn unreadable(error: io::Error) -> Verdict {
    unsendable(error).verdict("")
}

fn unsendable(error: io::Error) -> Trouble {
    Trouble::Again { reason: format!("the artifact in the spool cannot be read: {error}"), wait: None }
}

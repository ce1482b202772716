//! Exports: start, status, downloads and pages.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use futures_util::{StreamExt, stream};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::SandboxOptions;
use super::content::Content;
use super::misbehave::Misbehaviour;
use super::packing::{self, Packed};
use super::paging;
use super::reply::{self, Reply};
use super::reports::Report;

/// Bytes of one piece of a buffered body.
const PIECE_BYTES: usize = 16 << 10;
/// Position at which a stream of unknown length is cut.
const CUT_BYTES: u64 = 128 << 10;

/// The started exports.
#[derive(Default)]
pub(super) struct Exports {
    pub(super) started: HashMap<String, Execution>,
}

pub(super) struct Execution {
    report: &'static str,
    polls_left: u32,
    early_left: u32,
    cuts_left: u32,
    hangs_left: u32,
}

/// Endings of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    /// Half way, with a broken connection.
    Cut,
    /// Half way, without an error.
    Hung,
}

impl Exports {
    /// `GET …/export/csv`: starts a new execution, every time.
    pub(super) fn start(&mut self, options: &SandboxOptions, wrong: &Misbehaviour, report: &'static Report) -> Reply {
        let digest = Sha256::digest(format!("execution {} {}", options.seed, self.started.len()));
        let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let uuid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
        let id = wrong.export.execution_id.clone().unwrap_or(uuid);
        let execution = Execution {
            report: report.id,
            polls_left: options.polls,
            early_left: wrong.export.early_results_400,
            cuts_left: wrong.body.cut,
            hangs_left: wrong.body.hang,
        };
        self.started.insert(id.clone(), execution);
        reply::data(json!({ "executionId": id }))
    }

    fn of(&mut self, report: &Report, id: &str) -> Result<&mut Execution, Box<Reply>> {
        let execution = self.started.get_mut(id).filter(|execution| execution.report == report.id);
        execution.ok_or_else(|| Box::new(reply::error(404, "Execution not found")))
    }

    /// `GET …/exports/{id}`.
    pub(super) fn status(&mut self, wrong: &Misbehaviour, report: &Report, id: &str) -> Reply {
        let execution = match self.of(report, id) {
            Ok(execution) => execution,
            Err(missing) => return *missing,
        };
        let end = wrong.export.final_word.as_deref().unwrap_or("SUCCEEDED");
        let running = execution.polls_left > 0 || end == "never";
        execution.polls_left = execution.polls_left.saturating_sub(1);
        let word = if running { wrong.export.status_word.as_deref().unwrap_or("RUNNING") } else { end };
        reply::data(json!({ "status": word }))
    }

    /// Returns how this download is to end; an execution that is not done has no download.
    pub(super) fn download(&mut self, report: &Report, id: &str) -> Result<Ending, Box<Reply>> {
        let execution = self.of(report, id)?;
        if execution.polls_left > 0 {
            return Err(Box::new(reply::error(400, "The export is not ready")));
        }
        if execution.cuts_left > 0 {
            execution.cuts_left -= 1;
            return Ok(Ending::Cut);
        }
        if execution.hangs_left > 0 {
            execution.hangs_left -= 1;
            return Ok(Ending::Hung);
        }
        Ok(Ending::Whole)
    }

    /// `GET …/exports/{id}/results`.
    pub(super) fn results(
        &mut self,
        wrong: &Misbehaviour,
        report: &Report,
        id: &str,
        query: &HashMap<String, String>,
        content: &Content,
    ) -> Reply {
        let execution = match self.of(report, id) {
            Ok(execution) => execution,
            Err(missing) => return *missing,
        };
        if execution.polls_left > 0 || execution.early_left > 0 {
            execution.early_left = execution.early_left.saturating_sub(1);
            return reply::error(400, "Results are not ready");
        }
        paging::page(wrong, query, content)
    }
}

/// Returns the response to a download.
pub(super) fn body(content: Content, report: &Report, wrong: &Misbehaviour, ending: Ending) -> Reply {
    let (packed, kind) = match packing::pack(content, report.short, wrong.body.packing) {
        Ok(packed) => packed,
        Err(error) => return reply::error(500, &error.to_string()),
    };
    let (length, pieces) = match packed {
        Packed::Whole(body) => {
            let body = Bytes::from(body);
            let length = body.len();
            let pieces =
                (0..length).step_by(PIECE_BYTES).map(move |at| Ok(body.slice(at..length.min(at + PIECE_BYTES))));
            (Some(length as u64), stream::iter(pieces).boxed())
        }
        Packed::Stream(mut chunks) => (None, stream::poll_fn(move |context| chunks.poll_recv(context)).boxed()),
    };
    let max = if ending == Ending::Whole { u64::MAX } else { length.map_or(CUT_BYTES, |length| length / 2) };
    let mut reply = reply::with(200, kind, Body::from_stream(cut_at(pieces, max, ending, wrong.body.pace)));
    if let Some(length) = length {
        reply.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    reply
}

type Pieces = stream::BoxStream<'static, io::Result<Bytes>>;

/// Streams the pieces, no faster than `pace` bytes per second; after `max` bytes, `ending` follows.
fn cut_at(pieces: Pieces, max: u64, ending: Ending, pace: Option<u64>) -> Pieces {
    stream::unfold((pieces, max), move |(mut pieces, left)| async move {
        if left == 0 {
            if ending == Ending::Hung {
                return std::future::pending().await;
            }
            return Some((Err(io::Error::other("cut")), (stream::empty().boxed(), 1)));
        }
        let mut piece = pieces.next().await?;
        if let Ok(bytes) = &mut piece {
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            if let Some(pace) = pace {
                tokio::time::sleep(Duration::from_secs_f64(bytes.len() as f64 / pace.max(1) as f64)).await;
            }
        }
        let left = left - piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Some((piece, (pieces, left)))
    })
    .boxed()
}

//! A finished export's JSON pages → one CSV in the spool, one page in memory at a time.
//!
//! Pages follow one another by `nextToken`, or, if the platform has none, by `page`. `paging` chooses each request and
//! refuses the results if their end cannot be determined, so that missing rows are never overlooked.

mod paging;
mod sheet;

use std::path::Path;

use self::paging::{Next, PageRef, Paging, PagingError, Proof};
use self::sheet::Sheet;
use super::call::Call;
use super::page::Page;
use super::paths;
use super::refusal::ApiStep;
use super::report::{Export, next_wait};
use crate::extract::client::{ApiClient, CallError};
use crate::extract::save::Saving;
use crate::extract::sniff::SourceKind;
use crate::extract::{Extract, ExtractError};
use crate::fault::FaultStep;
use crate::pipeline::plan::Via;
use crate::progress::Progress;

/// Rows requested per page.
const PAGE_ROWS: usize = 1000;
const BY_DOWNLOAD: &str = "use `via: download` for the report";

/// Fetches the export's rows, page by page.
pub(super) async fn results(
    client: &ApiClient,
    export: &Export,
    into: &Path,
    progress: &Progress,
    subject: &str,
) -> Result<Extract, ExtractError> {
    progress.extract.set(0);
    let mut pages = Pages { client, export, subject, progress, received: 0 };
    let mut paging = Paging::new(PAGE_ROWS);
    let saving = Saving::begin(into);
    let mut sheet = Sheet::new(subject, client.limits.rows);
    let refused = |PagingError(why)| {
        let what = format!("{subject}: its results may be incomplete: {why}");
        ExtractError::refused(what, BY_DOWNLOAD)
    };
    loop {
        let page = pages.get(&paging.at, paging.size).await?;
        let mut next = paging.advance(&page).map_err(refused)?;
        if let Next::Prove(proof) = next {
            let digests = page.digests();
            next = match pages.prove(digests.len(), proof).await? {
                Proven::Whole => {
                    let is_first = paging.at == PageRef::First;
                    paging.proven(digests).map_err(refused)?;
                    if is_first { Next::End } else { Next::EndBefore }
                }
                Proven::ByTokens(size) => Next::Restart(size),
                Proven::Not if proof == Proof::ByToken => paging.next_by_number(&page, digests).map_err(refused)?,
                Proven::Not => return Err(refused(PagingError("the same page was received twice".to_owned()))),
            };
        }
        match next {
            Next::Continue => saving.feed(sheet.add(page.rows)?).await,
            Next::End => {
                saving.feed(sheet.add(page.rows)?).await;
                break;
            }
            Next::EndBefore => break,
            // Only the first page restarts, so no rows were saved yet.
            Next::Restart(size) => paging = paging.restart(size),
            Next::Prove(_) => return Err(refused(PagingError("the pages are inconsistent".to_owned()))),
        }
    }
    if sheet.header.is_empty() {
        return Err(ExtractError::refused(
            format!("{subject}: its results have no rows, and so no header"),
            "use `via: download`, whose CSV has a header even without rows",
        ));
    }
    let extract = saving.finish(&client.limits, SourceKind::Docebo).await;
    extract.map_err(|error| error.into_extract(&format!("{subject}: the results cannot be used")))
}

/// The result of a test whether the first page held all rows.
enum Proven {
    Whole,
    /// There are more rows, by token, with pages of this size.
    ByTokens(usize),
    Not,
}

/// The pages of one export.
struct Pages<'a> {
    client: &'a ApiClient,
    export: &'a Export,
    subject: &'a str,
    progress: &'a Progress,
    received: u64,
}

impl Pages<'_> {
    /// Tests whether a first page of `rows` rows was all, by reading it again in two halves.
    async fn prove(&mut self, rows: usize, proof: Proof) -> Result<Proven, ExtractError> {
        let half = rows.div_ceil(2);
        let first = self.get(&PageRef::First, half).await?;
        match (proof, &first.hints.token) {
            (Proof::ByToken, None) => Ok(Proven::Not),
            (Proof::ByToken, Some(token)) => {
                let rest = self.get(&PageRef::Token(token.clone()), half).await?;
                let is_end = rest.hints.token.is_none() && rest.hints.more != Some(true);
                let is_whole = is_end && first.rows.len() + rest.rows.len() == rows;
                Ok(if is_whole { Proven::Whole } else { Proven::ByTokens(half) })
            }
            // It returns the same rows whatever is requested, and states that there are no more.
            (Proof::ByPage, None) if first.hints.ends && first.rows.len() == rows => Ok(Proven::Whole),
            (Proof::ByPage, _) => {
                let rest = self.get(&PageRef::Page(2), half).await?;
                let beyond = self.get(&PageRef::Page(3), half).await?;
                let digests = rest.digests();
                let is_end = beyond.rows.is_empty() || beyond.digests() == digests;
                let is_whole = is_end
                    && first.rows.len() + rest.rows.len() == rows
                    && first.digests() != digests
                    && beyond.hints.more != Some(true);
                Ok(if is_whole { Proven::Whole } else { Proven::Not })
            }
        }
    }

    /// Fetches one page. A 400 to the first request means that the results are not ready; it is repeated until
    /// `poll.give_up_after`.
    async fn get(&mut self, at: &PageRef, rows: usize) -> Result<Page, ExtractError> {
        let (client, subject) = (self.client, self.subject);
        let (rows, number) =
            (rows.to_string(), if let PageRef::Page(number) = at { number.to_string() } else { String::new() });
        let mut query = vec![("pageSize", rows.as_str())];
        match at {
            PageRef::First => {}
            PageRef::Token(token) => query.push(("nextToken", token)),
            PageRef::Page(_) => query.push(("page", &number)),
        }
        let call = Call { step: ApiStep::Results, path: self.export.path(paths::tail(Via::Results)), query, subject };
        let poll = client.tenant.settings.poll;
        let begun = client.clock().now();
        let mut wait = poll.initial;
        let (headers, body) = loop {
            let refused = match client.reply(FaultStep::new("extract.download"), &call).await {
                Ok(reply) => break reply,
                Err(CallError::BadRequest(error)) => error,
                Err(other) => return Err(other.into_error()),
            };
            if self.received > 0 {
                return Err(ExtractError::refused(refused.to_string(), BY_DOWNLOAD));
            }
            let spent = client.clock().now().duration_since(begun).unsigned_abs();
            if spent.saturating_add(wait) > poll.give_up_after {
                return Err(ExtractError::later(format!("{refused}; it is still not ready after poll.give_up_after")));
            }
            client.clock().sleep(wait).await;
            wait = next_wait(wait, poll.max);
        };
        self.progress.extract.add(body.len() as u64);
        self.received += body.len() as u64;
        let max = client.limits.download_bytes;
        if self.received > max {
            let what = format!("{subject}: its results are over limits.download_bytes ({max})");
            return Err(ExtractError::refused(what, "narrow the report, or raise limits.download_bytes"));
        }
        super::call::page(&headers, &body, ApiStep::Results, subject)
    }
}

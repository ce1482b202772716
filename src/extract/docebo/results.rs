//! A finished export's JSON pages → one CSV in the spool, one page in memory at a time.
//!
//! Pages follow one another by `nextToken`, or, where the platform has none, by `page`. Fewer rows than the platform holds
//! never pass for all of them: [`course`] decides what is asked for, and refuses where the end cannot be known.

mod course;
mod page;
mod sheet;

use std::path::Path;

use reqwest::header::HeaderMap;

use self::course::{At, Course, Next, PagingError, Proof};
use self::page::Page;
use self::sheet::Sheet;
use super::line::{Call, Line, Trouble};
use super::refusal::{self, Step};
use super::report::{Export, next_wait};
use crate::extract::save::Saving;
use crate::extract::sniff::SourceKind;
use crate::extract::{Extract, ExtractError};
use crate::progress::Progress;

/// Rows asked for in one page.
const PAGE_ROWS: usize = 1000;
const BY_DOWNLOAD: &str = "take the report by `via: download`";

/// Brings the export's rows, page by page.
pub(super) async fn results(
    line: &Line,
    export: &Export,
    into: &Path,
    progress: &Progress,
    subject: &str,
) -> Result<Extract, ExtractError> {
    progress.extract.set(0);
    let mut pages = Pages { line, export, subject, progress, received: 0 };
    let mut course = Course::new(PAGE_ROWS);
    let saving = Saving::begin(into);
    let mut sheet = Sheet::new(subject, line.limits.rows);
    let refused = |PagingError(why)| {
        let what = format!("{subject}: it cannot be known whether its results came whole: {why}");
        ExtractError::refused(what, BY_DOWNLOAD)
    };
    loop {
        let page = pages.get(&course.at, course.size).await?;
        let mut next = course.advance(&page).map_err(refused)?;
        if let Next::Prove(proof) = next {
            let digests = page.digests();
            next = match pages.prove(digests.len(), proof).await? {
                Proven::Whole => {
                    let is_first = course.at == At::First;
                    course.proven(digests).map_err(refused)?;
                    if is_first { Next::End } else { Next::EndBefore }
                }
                Proven::ByTokens(size) => Next::Again(size),
                Proven::Not if proof == Proof::ByToken => course.beyond(&page, digests).map_err(refused)?,
                Proven::Not => return Err(refused(PagingError("the same page came twice".to_owned()))),
            };
        }
        match next {
            Next::Go => saving.feed(sheet.add(page.rows)?).await,
            Next::End => {
                saving.feed(sheet.add(page.rows)?).await;
                break;
            }
            Next::EndBefore => break,
            // Nothing was taken yet: what is begun again is the first page.
            Next::Again(size) => course = course.again(size),
            Next::Prove(_) => return Err(refused(PagingError("the pages do not add up".to_owned()))),
        }
    }
    if sheet.header.is_empty() {
        return Err(ExtractError::refused(
            format!("{subject}: its results have no rows, and so no header"),
            "take it by `via: download`, whose CSV has a header without rows, too",
        ));
    }
    let extract = saving.finish(&line.limits, SourceKind::Docebo).await;
    extract.map_err(|error| error.into_extract(&format!("{subject}: the results cannot be used")))
}

/// Whether a first page was all.
enum Proven {
    Whole,
    /// There is more, and it comes by token with pages of this size.
    ByTokens(usize),
    Not,
}

/// The pages of one export.
struct Pages<'a> {
    line: &'a Line,
    export: &'a Export,
    subject: &'a str,
    progress: &'a Progress,
    received: u64,
}

impl Pages<'_> {
    /// Reads a first page of `rows` rows once more in two halves: they must be all there is.
    async fn prove(&mut self, rows: usize, proof: Proof) -> Result<Proven, ExtractError> {
        let half = rows.div_ceil(2);
        let first = self.get(&At::First, half).await?;
        match (proof, &first.signs.token) {
            (Proof::ByToken, None) => Ok(Proven::Not),
            (Proof::ByToken, Some(token)) => {
                let rest = self.get(&At::Token(token.clone()), half).await?;
                let is_end = rest.signs.token.is_none() && rest.signs.more != Some(true);
                let is_whole = is_end && first.rows.len() + rest.rows.len() == rows;
                Ok(if is_whole { Proven::Whole } else { Proven::ByTokens(half) })
            }
            // It gives the same rows whatever is asked for, and says in words that there are no more.
            (Proof::ByPage, None) if first.signs.ends && first.rows.len() == rows => Ok(Proven::Whole),
            (Proof::ByPage, _) => {
                let rest = self.get(&At::Page(2), half).await?;
                let beyond = self.get(&At::Page(3), half).await?;
                let digests = rest.digests();
                let is_end = beyond.rows.is_empty() || beyond.digests() == digests;
                let is_whole = is_end
                    && first.rows.len() + rest.rows.len() == rows
                    && first.digests() != digests
                    && beyond.signs.more != Some(true);
                Ok(if is_whole { Proven::Whole } else { Proven::Not })
            }
        }
    }

    /// One page. A 400 to the first request means that the results are not ready, for as long as `poll.within`.
    async fn get(&mut self, at: &At, rows: usize) -> Result<Page, ExtractError> {
        let (line, subject) = (self.line, self.subject);
        let (rows, number) =
            (rows.to_string(), if let At::Page(number) = at { number.to_string() } else { String::new() });
        let mut query = vec![("pageSize", rows.as_str())];
        match at {
            At::First => {}
            At::Token(token) => query.push(("nextToken", token)),
            At::Page(_) => query.push(("page", &number)),
        }
        let call = Call { step: Step::Results, path: self.export.path("/results"), query, subject };
        let poll = line.tenancy.settings.poll;
        let begun = line.clock().now();
        let mut wait = poll.first;
        let (headers, body) = loop {
            let refused = match line.reply("extract.download", &call).await {
                Ok(reply) => break reply,
                Err(Trouble::BadRequest(error)) => error,
                Err(other) => return Err(other.into_error()),
            };
            if self.received > 0 {
                return Err(ExtractError::refused(refused.to_string(), BY_DOWNLOAD));
            }
            let spent = line.clock().now().duration_since(begun).unsigned_abs();
            if spent.saturating_add(wait) > poll.within {
                return Err(ExtractError::later(format!(
                    "{refused}; it may not be ready yet, but poll.within is over"
                )));
            }
            line.clock().sleep(wait).await;
            wait = next_wait(wait, poll.max);
        };
        self.progress.extract.add(body.len() as u64);
        self.received += body.len() as u64;
        let most = line.limits.download_bytes;
        if self.received > most {
            let what = format!("{subject}: its results are over limits.download_bytes ({most})");
            return Err(ExtractError::refused(what, "narrow the report, or raise limits.download_bytes"));
        }
        read(&headers, &body, subject)
    }
}

fn read(headers: &HeaderMap, body: &[u8], subject: &str) -> Result<Page, ExtractError> {
    match Page::read(body) {
        Ok(mut page) if !page.is_refusal => {
            page.signs.note_headers(headers);
            Ok(page)
        }
        unusable => {
            // Why it is no page, in the platform's words if it has any.
            let refused = super::report::data(body, Step::Results, subject).err();
            let why = unusable.err().unwrap_or_else(|| "it says that it failed".to_owned());
            Err(refused.unwrap_or_else(|| ExtractError::Refused {
                what: format!("{subject}: a page of results cannot be read: {}", refusal::quiet(&why)),
                hint: None,
            }))
        }
    }
}

//! A list endpoint's pages → one CSV in the spool, each record once, in memory that does not grow with the records.
//!
//! Nothing is delivered before the list was read whole, so a process that is interrupted starts the list anew.

mod key_sort;
mod paging;
mod rows;

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;

use self::paging::{Next, PageRequest, Paging, PagingError};
use self::rows::Rows;
use super::call::{self, Call};
use super::page::Page;
use super::paths;
use super::refusal::ApiStep;
use crate::disk;
use crate::extract::client::{ApiClient, CallError};
use crate::extract::save::Saving;
use crate::extract::sniff::SourceKind;
use crate::extract::{ExecutionId, Extract, ExtractError, SourceFacts};
use crate::fault::FaultStep;
use crate::http;
use crate::pipeline::plan::{EnrollmentFilter, RecordList, RecordsPull};
use crate::pipeline::records::platform_time;
use crate::progress::Progress;

/// Records requested per page, the most that the platform gives.
const PAGE_ROWS: usize = 200;

/// A platform's clock that differs by more than this is not believed.
const CLOCK_SKEW_MAX: SignedDuration = SignedDuration::from_hours(24);

/// The part of a list that one run reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The kind of records.
    pub word: &'static str,
    /// Records changed since; `None` for all.
    pub updated_from: Option<String>,
    /// The digest of the source.
    pub digest: String,
}

impl Window {
    pub(super) fn execution_id(&self) -> ExecutionId {
        ExecutionId(format!("{}/{}/{}", self.word, self.updated_from.as_deref().unwrap_or(ALL), self.digest))
    }

    /// Returns the window of this source that was begun with this ID; `None` if it was another source's.
    pub(super) fn begun(self, execution_id: &ExecutionId) -> Option<Self> {
        let (rest, digest) = execution_id.0.rsplit_once('/')?;
        let (word, from) = rest.split_once('/')?;
        let updated_from = (from != ALL).then(|| from.to_owned());
        (word == self.word && digest == self.digest).then_some(Self { updated_from, ..self })
    }
}

/// In an execution ID, the window of all records.
const ALL: &str = "all";

/// Reads the list, page by page.
pub(super) async fn records(
    client: &ApiClient,
    pull: &RecordsPull,
    window: Window,
    into: &Path,
    progress: &Progress,
    subject: &str,
) -> Result<Extract, ExtractError> {
    progress.extract.set(0);
    let refused = |error: PagingError| error.into_extract(subject);
    let folder = into.to_owned();
    let (fields, list) = (pull.fields.clone(), pull.list.clone());
    let mut rows = on_disk(subject, move || {
        disk::create_private_folder(&folder)?;
        Rows::create(&folder, fields, &list)
    })
    .await?;
    let mut pages =
        Pages { client, list: &pull.list, window: &window, subject, progress, received: 0, watermark: None };
    let mut paging = Paging::new(PAGE_ROWS);
    loop {
        let page = pages.get(&paging.request, PAGE_ROWS).await?;
        let next = paging.advance(&page).map_err(refused)?;
        if paging.received > client.limits.rows {
            let what = format!("{subject}: there are more than {} records (limits.rows)", client.limits.rows);
            return Err(ExtractError::refused(what, "narrow the records, or raise limits.rows"));
        }
        let unusable;
        (rows, unusable) = on_disk(subject, move || {
            let unusable = rows.add(page.rows)?;
            Ok((rows, unusable))
        })
        .await?;
        if let Some(what) = unusable {
            return Err(ExtractError::Refused { what: format!("{subject}: {what}"), hint: None });
        }
        if next == Next::End {
            break;
        }
    }
    let watermark = pages.watermark.map(platform_time);
    if pull.fields_are_listed
        && let Some((what, hint)) = rows.missing_field()
    {
        return Err(ExtractError::refused(format!("{subject}: {what}"), hint));
    }
    let kept = on_disk(subject, move || rows.finish()).await?.map_err(|what| {
        ExtractError::refused(
            format!("{subject}: {what}"),
            "read the records with fewer pages: narrow them by a filter",
        )
    })?;
    let stated = paging.complete(kept.count()).map_err(refused)?;
    let mut extract = save(client, kept, into, subject).await?;
    let (updated_from, digest) = (window.updated_from, Some(window.digest));
    extract.source = SourceFacts { rows: stated, watermark, updated_from, digest, ..SourceFacts::default() };
    Ok(extract)
}

/// Reads one record.
pub(super) async fn probe(client: &ApiClient, pull: &RecordsPull, subject: &str) -> Result<(), ExtractError> {
    let window = Window { word: pull.list.word(), updated_from: None, digest: String::new() };
    let progress = &Progress::default();
    let mut pages =
        Pages { client, list: &pull.list, window: &window, subject, progress, received: 0, watermark: None };
    pages.get(&PageRequest::first(), 1).await.map(|_| ())
}

/// Writes the kept records as the extract.
async fn save(client: &ApiClient, mut kept: rows::Kept, into: &Path, subject: &str) -> Result<Extract, ExtractError> {
    let saving = Saving::begin(into);
    loop {
        let chunk;
        (kept, chunk) = on_disk(subject, move || {
            let chunk = kept.next_chunk()?;
            Ok((kept, chunk))
        })
        .await?;
        if chunk.is_empty() {
            break;
        }
        saving.feed(chunk).await;
    }
    let extract = saving.finish(&client.limits, SourceKind::Docebo).await;
    extract.map_err(|error| error.into_extract(&format!("{subject}: the records cannot be used")))
}

/// Runs work on files off the async threads.
async fn on_disk<T: Send + 'static>(
    subject: &str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ExtractError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other);
    done.and_then(|done| done).map_err(|error| {
        let what = format!("{subject}: the records cannot be kept in the spool: {error}");
        if disk::is_full(&error) { ExtractError::DiskFull { what } } else { ExtractError::later(what) }
    })
}

/// The pages of one list.
struct Pages<'a> {
    client: &'a ApiClient,
    list: &'a RecordList,
    window: &'a Window,
    subject: &'a str,
    progress: &'a Progress,
    /// Bytes.
    received: u64,
    /// The moment before the first request was sent, by the platform's clock.
    watermark: Option<Timestamp>,
}

impl Pages<'_> {
    async fn get(&mut self, request: &PageRequest, size: usize) -> Result<Page, ExtractError> {
        let (client, subject) = (self.client, self.subject);
        let (number, size) = (request.page.to_string(), size.to_string());
        let filter = filter_of(self.list);
        let mut query = vec![("page", number.as_str()), ("page_size", &size), ("get_cursor", "1")];
        query.extend(request.cursor.as_deref().map(|cursor| ("cursor", cursor)));
        query.extend(self.window.updated_from.as_deref().map(|from| ("updated_from", from)));
        query.extend(filter.iter().map(|(name, value)| (*name, value.as_str())));
        let call = Call { step: ApiStep::Records, path: paths::records(self.list).to_owned(), query, subject };
        let sent = client.clock().now();
        let reply = client.reply(FaultStep::new("extract.records"), &call).await;
        let (headers, body) = reply.map_err(CallError::into_error)?;
        self.watermark.get_or_insert_with(|| moment_sent(&headers, sent, client.clock().now()));
        self.progress.extract.add(body.len() as u64);
        self.received += body.len() as u64;
        let max = client.limits.download_bytes;
        if self.received > max {
            let what = format!("{subject}: its pages are over limits.download_bytes ({max})");
            return Err(ExtractError::refused(what, "narrow the records, or raise limits.download_bytes"));
        }
        call::page(&headers, &body, ApiStep::Records, subject)
    }
}

/// Returns the moment at which a request was sent, by the platform's clock if that is near ours, and never later: its
/// `Date` is of the response, and the request took at most the time between `sent` and `received`.
fn moment_sent(headers: &HeaderMap, sent: Timestamp, received: Timestamp) -> Timestamp {
    let took = received.duration_since(sent).max(SignedDuration::ZERO);
    match http::server_time(headers) {
        Some(date) if date.duration_since(received).abs() <= CLOCK_SKEW_MAX => {
            date.saturating_sub(took).unwrap_or(sent)
        }
        _ => sent,
    }
}

/// Returns the query of a filter.
fn filter_of(list: &RecordList) -> Vec<(&'static str, String)> {
    let RecordList::CourseEnrollments(EnrollmentFilter { courses, users, statuses }) = list else { return Vec::new() };
    let courses = courses.iter().map(|id| ("course_id[]", id.to_string()));
    let users = users.iter().map(|id| ("user_id[]", id.to_string()));
    courses.chain(users).chain(statuses.iter().map(|status| ("enrollment_status[]", status.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{DATE, HeaderValue};

    use super::*;

    #[test]
    fn a_window_is_continued_by_its_own_source_only() {
        let window = |from: Option<&str>, digest: &str| Window {
            word: "users",
            updated_from: from.map(str::to_owned),
            digest: digest.to_owned(),
        };
        let begun = window(Some("2026-11-23 04:30:00"), "ab").execution_id();
        assert_eq!(begun.0, "users/2026-11-23 04:30:00/ab");
        assert_eq!(window(None, "ab").begun(&begun), Some(window(Some("2026-11-23 04:30:00"), "ab")));
        assert_eq!(window(None, "cd").begun(&begun), None);
        assert_eq!(window(None, "ab").begun(&window(None, "ab").execution_id()), Some(window(None, "ab")));
        for other in ["", "courses/all/ab", "619bf79c/e1", "users/ab"] {
            assert_eq!(window(None, "ab").begun(&ExecutionId(other.to_owned())), None, "{other}");
        }
    }

    #[test]
    fn the_moment_of_a_request_is_never_later_than_it_was_sent() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let headers = |date: &'static str| HeaderMap::from_iter([(DATE, HeaderValue::from_static(date))]);
        let (sent, received) = (at("2026-11-23T05:30:00.5Z"), at("2026-11-23T05:30:03.5Z"));
        for (date, expected) in [
            ("Mon, 23 Nov 2026 05:30:02 GMT", "2026-11-23 05:29:59"),
            // Its clock is three hours behind, or ahead.
            ("Mon, 23 Nov 2026 02:30:02 GMT", "2026-11-23 02:29:59"),
            ("Mon, 23 Nov 2026 08:30:02 GMT", "2026-11-23 08:29:59"),
            ("Tue, 24 Nov 2026 05:30:04 GMT", "2026-11-23 05:30:00"),
            ("Fri, 23 Nov 2018 05:30:02 GMT", "2026-11-23 05:30:00"),
            ("yesterday", "2026-11-23 05:30:00"),
        ] {
            assert_eq!(platform_time(moment_sent(&headers(date), sent, received)), expected, "{date}");
        }
        assert_eq!(platform_time(moment_sent(&HeaderMap::new(), sent, received)), "2026-11-23 05:30:00");
    }
}

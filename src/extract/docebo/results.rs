//! A finished export's JSON pages → one CSV in the spool, one page in memory at a time.
//!
//! Pages follow one another by `nextToken`, or, where the platform has none, by `page`.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::line::{Call, Line, Trouble};
use super::refusal::{self, Step};
use super::report::{Export, next_wait};
use crate::extract::save::Saving;
use crate::extract::sniff::Giver;
use crate::extract::{Extract, ExtractError};
use crate::progress::Progress;

/// Rows asked for in one page.
const PAGE_ROWS: usize = 1000;

/// One row, in the order in which it came; a name that comes twice stays twice.
struct Row(Vec<(String, String)>);

#[derive(Deserialize)]
struct Page {
    data: Vec<Row>,
    /// Absent, null or empty at the end.
    #[serde(default, rename = "nextToken", deserialize_with = "present")]
    next: Next,
}

/// What a page says of the next one.
#[derive(Default, PartialEq, Eq, Debug)]
enum Next {
    /// It does not say: the platform may count pages instead.
    #[default]
    Unsaid,
    End,
    Token(String),
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Next, D::Error> {
    Ok(match Option::<String>::deserialize(from)? {
        Some(token) if !token.is_empty() => Next::Token(token),
        _ => Next::End,
    })
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Cells;
        impl<'de> Visitor<'de> for Cells {
            type Value = Row;
            fn expecting(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
                to.write_str("a row: an object of header and cell")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Row, M::Error> {
                let mut cells = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((header, cell)) = map.next_entry::<String, Value>()? {
                    let text = match cell {
                        Value::String(text) => text,
                        Value::Null => String::new(),
                        other => other.to_string(),
                    };
                    cells.push((header, text));
                }
                Ok(Row(cells))
            }
        }
        from.deserialize_map(Cells)
    }
}

/// Brings the export's rows, page by page.
pub(super) async fn results(
    line: &Line,
    export: &Export,
    into: &Path,
    progress: &Progress,
    subject: &str,
) -> Result<Extract, ExtractError> {
    progress.extract.set(0);
    let saving = Saving::begin(into);
    let mut sheet = Sheet::new(subject, line.limits.rows);
    let mut course = Course::default();
    let mut received = 0;
    loop {
        let body = page(line, export, &course, PAGE_ROWS, subject).await?;
        progress.extract.add(body.len() as u64);
        received += body.len() as u64;
        if received > line.limits.download_bytes {
            let what =
                format!("{subject}: its results are over limits.download_bytes ({})", line.limits.download_bytes);
            return Err(ExtractError::refused(what, "narrow the report, or raise limits.download_bytes"));
        }
        let page = read(&body, subject)?;
        let onward = course.advance(&page, Sha256::digest(&body).into());
        if onward == Onward::SamePage && course.page == 2 && knows_tokens(line, export, subject).await? {
            // One full page was all there is, and page 2 was page 1 once more.
            break;
        }
        if let Onward::SamePage | Onward::SameToken = onward {
            return Err(ExtractError::refused(
                format!("{subject}: its results give the same {} twice: they would never end", onward.what()),
                "take the report by `via: download`",
            ));
        }
        saving.feed(sheet.add(page.data)?).await;
        if onward == Onward::End {
            break;
        }
    }
    if sheet.header.is_empty() {
        return Err(ExtractError::refused(
            format!("{subject}: its results have no rows, and so no header"),
            "take it by `via: download`, whose CSV has a header without rows, too",
        ));
    }
    let extract = saving.finish(&line.limits, Giver::Docebo).await;
    extract.map_err(|error| error.into_extract(&format!("{subject}: the results cannot be used")))
}

/// One page's body. A 400 means that the results are not ready, for as long as `poll.within`.
async fn page(
    line: &Line,
    export: &Export,
    course: &Course,
    rows: usize,
    subject: &str,
) -> Result<Vec<u8>, ExtractError> {
    let (rows, number) = (rows.to_string(), course.page.to_string());
    let mut query = vec![("pageSize", rows.as_str())];
    match &course.token {
        Some(token) => query.push(("nextToken", token)),
        None if course.page > 1 => query.push(("page", &number)),
        None => {}
    }
    let call = Call { step: Step::Results, path: export.path("/results"), query, subject };
    let poll = line.tenancy.settings.poll;
    let begun = line.clock().now();
    let mut wait = poll.first;
    loop {
        let refused = match line.body("extract.download", &call).await {
            Ok(body) => return Ok(body),
            Err(Trouble::BadRequest(error)) => error,
            Err(other) => return Err(other.into_error()),
        };
        let spent = line.clock().now().duration_since(begun).unsigned_abs();
        if spent.saturating_add(wait) > poll.within {
            return Err(ExtractError::later(format!("{refused}; it may not be ready yet, but poll.within is over")));
        }
        line.clock().sleep(wait).await;
        wait = next_wait(wait, poll.max);
    }
}

fn read(body: &[u8], subject: &str) -> Result<Page, ExtractError> {
    serde_json::from_slice(body).map_err(|error| {
        // Why it is no page, in the platform's words if it has any.
        match super::report::data(body, Step::Results, subject) {
            Err(refused) => refused,
            Ok(_) => ExtractError::Refused {
                what: format!("{subject}: a page of results cannot be read: {}", refusal::quiet(&error.to_string())),
                hint: None,
            },
        }
    })
}

/// Whether the platform gives a `nextToken` when there is more: asked where a full first page came without one and
/// `page=2` brought it again. If so, that page was all; if not, there may be more that cannot be reached.
async fn knows_tokens(line: &Line, export: &Export, subject: &str) -> Result<bool, ExtractError> {
    let half = page(line, export, &Course::default(), PAGE_ROWS / 2, subject).await?;
    Ok(matches!(read(&half, subject)?.next, Next::Token(_)))
}

/// Which page comes next.
struct Course {
    token: Option<String>,
    page: u64,
    /// Digests of the tokens followed: one that comes again would turn for ever.
    seen: HashSet<[u8; 32]>,
    /// Digest of the page before, where pages are counted.
    before: Option<[u8; 32]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Onward {
    Next,
    End,
    SameToken,
    SamePage,
}

impl Onward {
    fn what(self) -> &'static str {
        if self == Self::SameToken { "nextToken" } else { "page" }
    }
}

impl Default for Course {
    fn default() -> Self {
        Self { token: None, page: 1, seen: HashSet::new(), before: None }
    }
}

impl Course {
    fn advance(&mut self, page: &Page, digest: [u8; 32]) -> Onward {
        match &page.next {
            Next::Token(token) => {
                if !self.seen.insert(Sha256::digest(token).into()) {
                    return Onward::SameToken;
                }
                self.token = Some(token.clone());
                Onward::Next
            }
            Next::End => Onward::End,
            Next::Unsaid if self.token.is_some() || page.data.len() < PAGE_ROWS => Onward::End,
            Next::Unsaid if self.before == Some(digest) => Onward::SamePage,
            Next::Unsaid => {
                self.before = Some(digest);
                self.page += 1;
                Onward::Next
            }
        }
    }
}

/// The CSV as it grows.
struct Sheet<'a> {
    header: Vec<String>,
    subject: &'a str,
    rows: u64,
    rows_max: u64,
}

impl<'a> Sheet<'a> {
    fn new(subject: &'a str, rows_max: u64) -> Self {
        Self { header: Vec::new(), subject, rows: 0, rows_max }
    }

    /// The page's rows as CSV, in the order of the first row's headers.
    fn add(&mut self, rows: Vec<Row>) -> Result<Vec<u8>, ExtractError> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let unwritable =
            |error: String| ExtractError::later(format!("{}: the CSV cannot be written: {error}", self.subject));
        if self.header.is_empty()
            && let Some(Row(first)) = rows.first()
        {
            self.header = header(first, self.subject)?;
            csv.write_record(&self.header).map_err(|error| unwritable(error.to_string()))?;
        }
        self.rows += rows.len() as u64;
        if self.rows > self.rows_max {
            let what = format!("{}: its results have more than {} rows (limits.rows)", self.subject, self.rows_max);
            return Err(ExtractError::refused(what, "narrow the report, or raise limits.rows"));
        }
        for (index, row) in rows.into_iter().enumerate() {
            let cells = arrange(&self.header, row.0).map_err(|how| ExtractError::Refused {
                what: format!("{}: the header drifts within the results: page row {} {how}", self.subject, index + 1),
                hint: Some("the report was changed while it was read, or its columns differ: run again".into()),
            })?;
            csv.write_record(&cells).map_err(|error| unwritable(error.to_string()))?;
        }
        csv.into_inner().map_err(|error| unwritable(error.to_string()))
    }
}

fn header(first: &[(String, String)], subject: &str) -> Result<Vec<String>, ExtractError> {
    let header: Vec<String> = first.iter().map(|(name, _)| name.clone()).collect();
    let mut seen = HashSet::new();
    if let Some(twice) = header.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(ExtractError::refused(
            format!("{subject}: two columns are called {twice:?}, which JSON results cannot tell apart"),
            "rename one in the report, or take it by `via: download`",
        ));
    }
    if header.is_empty() {
        return Err(ExtractError::Refused { what: format!("{subject}: its results have no columns"), hint: None });
    }
    Ok(header)
}

/// The row's cells in the header's order.
fn arrange(header: &[String], mut row: Vec<(String, String)>) -> Result<Vec<String>, String> {
    let in_order = header.len() == row.len() && header.iter().zip(&row).all(|(name, (own, _))| name == own);
    if in_order {
        return Ok(row.into_iter().map(|(_, cell)| cell).collect());
    }
    let mut cells = Vec::with_capacity(header.len());
    for name in header {
        match row.iter().position(|(own, _)| own == name) {
            Some(at) => cells.push(row.swap_remove(at).1),
            None => return Err(format!("lacks {name:?}")),
        }
    }
    match row.first() {
        Some((extra, _)) => Err(format!("has {extra:?} besides")),
        None => Ok(cells),
    }
}

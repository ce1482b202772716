//! Received pages → the next page to request, or the end. Pure.
//!
//! Every sign of more is followed: `has_more_data`, totals and page counts; without any sign, pages until one is empty. A
//! list that ends with fewer records than the platform states is never complete.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::extract::ExtractError;
use crate::extract::docebo::page::{Hints, Page};

/// The maximum number of consecutive empty pages.
const EMPTY_MAX: u32 = 10;

/// The maximum number of pages.
const PAGES_MAX: u64 = 1_000_000;

/// The page to request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageRequest {
    /// From 1.
    pub page: u64,
    /// The platform's last cursor.
    pub cursor: Option<String>,
}

impl PageRequest {
    pub(super) fn first() -> Self {
        Self { page: 1, cursor: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Take its records and request the next page.
    Continue,
    /// Take its records: it is the last page.
    End,
}

/// The reason for which the records cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PagingError {
    /// The platform contradicts itself: reading again would not help.
    Incomplete(String),
    /// The list changed while it was read.
    Changed(String),
}

impl PagingError {
    pub(super) fn into_extract(self, subject: &str) -> ExtractError {
        match self {
            Self::Incomplete(why) => ExtractError::refused(
                format!("{subject}: the list may be incomplete: {why}"),
                "nothing was delivered; `retry` reads the list again, and a report has the same rows in one file",
            ),
            Self::Changed(why) => ExtractError::later(format!("{subject}: the list changed while it was read: {why}")),
        }
    }
}

pub(super) struct Paging {
    pub request: PageRequest,
    /// Records received, repeated ones included.
    pub received: u64,
    /// Records requested per page.
    size: usize,
    /// Consecutive empty pages.
    empty: u32,
    /// Digests of the pages received.
    seen: HashSet<u64>,
    /// The totals stated, in order.
    first_total: Option<u64>,
    largest_total: Option<u64>,
    totals_differ: bool,
    stated_pages: Option<u64>,
}

impl Paging {
    pub(super) fn new(size: usize) -> Self {
        Self {
            request: PageRequest::first(),
            received: 0,
            size,
            empty: 0,
            seen: HashSet::new(),
            first_total: None,
            largest_total: None,
            totals_differ: false,
            stated_pages: None,
        }
    }

    /// Returns the next step after `page`, the response to the requested page.
    pub(super) fn advance(&mut self, page: &Page) -> Result<Next, PagingError> {
        let (hints, number) = (&page.hints, self.request.page);
        self.check_number(hints)?;
        self.note_totals(hints);
        if page.rows.is_empty() {
            self.empty += 1;
        } else {
            self.empty = 0;
            if !self.seen.insert(digest(page)) {
                return Err(PagingError::Incomplete(format!(
                    "page {number} repeats the records of an earlier page, after {} records{}",
                    self.received,
                    self.stated()
                )));
            }
        }
        self.received += page.rows.len() as u64;
        if !self.has_more(page) {
            return Ok(Next::End);
        }
        if self.empty > EMPTY_MAX {
            let what = format!("{} pages in a row are empty, and more are promised{}", self.empty, self.stated());
            return Err(PagingError::Incomplete(what));
        }
        if number == PAGES_MAX {
            return Err(PagingError::Incomplete(format!("there are more than {PAGES_MAX} pages")));
        }
        let cursor = hints.cursor.clone().or(self.request.cursor.take());
        self.request = PageRequest { page: number + 1, cursor };
        Ok(Next::Continue)
    }

    /// Checks that the page is the one that was requested. With a cursor, the platform need not count pages.
    fn check_number(&self, hints: &Hints) -> Result<(), PagingError> {
        let number = self.request.page;
        match hints.current {
            Some(current) if current != number && hints.cursor.is_none() && self.request.cursor.is_none() => {
                let what = format!("page {number} was requested, and page {current} came");
                Err(PagingError::Incomplete(what))
            }
            _ => Ok(()),
        }
    }

    fn note_totals(&mut self, hints: &Hints) {
        for total in &hints.totals {
            let first = *self.first_total.get_or_insert(*total);
            self.totals_differ |= first != *total;
            self.largest_total = self.largest_total.max(Some(*total));
        }
        self.stated_pages = self.stated_pages.max(hints.pages);
    }

    fn has_more(&self, page: &Page) -> bool {
        let hints = &page.hints;
        if hints.more == Some(true) {
            return true;
        }
        // Beyond the last record pages are empty: no promise is left to follow.
        if page.rows.is_empty() {
            return false;
        }
        let lacks_rows = self.largest_total.is_some_and(|total| self.received < total);
        let lacks_pages = self.stated_pages.is_some_and(|pages| self.request.page < pages);
        let is_full = page.rows.len() >= self.size;
        let is_open = match hints.more {
            Some(_) => false,
            // Nothing states the end: a full page, and a short one that may be capped, can be followed by more.
            None => self.largest_total.is_none() && (self.stated_pages.is_none() || is_full),
        };
        lacks_rows || lacks_pages || is_open
    }

    /// Checks that nothing is missing of a list with this many different records. Returns the number of records that the
    /// platform states; of a list that grew while it was read, those that are there.
    pub(super) fn complete(&self, different: u64) -> Result<Option<u64>, PagingError> {
        let Some((first, largest)) = self.first_total.zip(self.largest_total) else {
            return match self.stated_pages {
                Some(pages) if pages > self.request.page && self.received > 0 => Err(PagingError::Incomplete(format!(
                    "the platform states {pages} pages, and page {} is the last one with {} records in all",
                    self.request.page, self.received
                ))),
                _ => Ok(None),
            };
        };
        // Records that were added meanwhile have changed since the watermark: the next run reads them.
        if self.received >= largest && different >= first {
            return Ok(Some(if self.totals_differ { different } else { first }));
        }
        let what = format!(
            "{different} different records came, and the platform states {}",
            match self.totals_differ {
                true => format!("{first} at first and up to {largest} later"),
                false => first.to_string(),
            }
        );
        Err(if self.totals_differ { PagingError::Changed(what) } else { PagingError::Incomplete(what) })
    }

    fn stated(&self) -> String {
        self.largest_total.map_or_else(String::new, |total| format!(" of {total}"))
    }
}

fn digest(page: &Page) -> u64 {
    let mut hasher = DefaultHasher::new();
    page.digests().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;

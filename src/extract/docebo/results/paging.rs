//! Received pages → the next page to request, or the end. Pure.
//!
//! A short page is not taken for the end, because the platform may cap pages. If the completeness of the rows cannot be
//! determined, the results are refused.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::extract::docebo::page::{Hints, Page};

/// The maximum number of consecutive empty pages.
const EMPTY_MAX: u32 = 10;

/// The maximum number of consecutive empty pages that state a total but not whether there are more.
const EMPTY_TOTAL_ONLY_MAX: u32 = 3;

/// The page to request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageRef {
    First,
    Token(String),
    Page(u64),
}

/// The next step after a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Take its rows and request the next page.
    Continue,
    /// Take its rows: it is the last page.
    End,
    /// Ignore it: the page before was the last.
    EndBefore,
    /// Restart from the first page with pages of this size.
    Restart(usize),
    /// It is the first page and may be all: test with smaller pages.
    Prove(Proof),
}

/// The test whether a first page is all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// A page of half the size should have a token.
    ByToken,
    /// Page 2 repeated page 1: pages of half the size should have a page 2, but no page 3.
    ByPage,
}

/// The reason for which the rows may be incomplete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PagingError(pub String);

fn refuse<T>(why: impl Into<String>) -> Result<T, PagingError> {
    Err(PagingError(why.into()))
}

pub(super) struct Paging {
    pub at: PageRef,
    /// Rows requested per page.
    pub size: usize,
    rows: u64,
    /// Pages with rows.
    pages: u64,
    empty: u32,
    /// Restarted with smaller pages.
    restarted: bool,
    /// The tokens followed; a repeated one would loop forever.
    tokens: HashSet<String>,
    /// Digests of the pages accepted.
    accepted: HashSet<u64>,
    /// Row digests of the previous page.
    previous: Vec<u64>,
    totals: Vec<u64>,
    stated_pages: Option<u64>,
    /// Rows repeat across a page boundary, but rows repeat within pages too.
    maybe_overlaps: bool,
}

impl Paging {
    pub(super) fn new(size: usize) -> Self {
        Self {
            at: PageRef::First,
            size,
            rows: 0,
            pages: 0,
            empty: 0,
            restarted: false,
            tokens: HashSet::new(),
            accepted: HashSet::new(),
            previous: Vec::new(),
            totals: Vec::new(),
            stated_pages: None,
            maybe_overlaps: false,
        }
    }

    /// Returns the state for a restart with pages of another size.
    pub(super) fn restart(&self, size: usize) -> Self {
        Self { restarted: true, ..Self::new(size) }
    }

    /// Returns the next step after `page`, the response to the requested page.
    pub(super) fn advance(&mut self, page: &Page) -> Result<Next, PagingError> {
        let next = self.step(page)?;
        if matches!(next, Next::End | Next::EndBefore) {
            self.check_complete()?;
        }
        Ok(next)
    }

    fn step(&mut self, page: &Page) -> Result<Next, PagingError> {
        let (hints, digests) = (&page.hints, page.digests());
        self.totals.extend(&hints.totals);
        self.stated_pages = self.stated_pages.max(hints.pages);
        if let (PageRef::Page(asked), Some(current)) = (&self.at, hints.current)
            && *asked != current
        {
            return refuse(format!("page {asked} was requested and page {current} received"));
        }
        if digests.is_empty() {
            return self.empty_page(hints);
        }
        if let PageRef::Page(number) = self.at
            && digests == self.previous
        {
            return self.repeated_page(number, hints);
        }
        if !self.accepted.insert(page_digest(&digests)) && !are_all_equal(&digests) {
            return refuse("an earlier page was received again");
        }
        self.overlap(&digests)?;
        self.empty = 0;
        if let Some(token) = &hints.token {
            if self.may_be_capped(digests.len()) {
                return Ok(Next::Restart(digests.len()));
            }
            self.accept(digests);
            return self.follow(token);
        }
        let has_no_hints = hints.more.is_none() && self.totals.is_empty();
        if self.at == PageRef::First && has_no_hints && digests.len() > 1 && !self.restarted {
            return Ok(Next::Prove(Proof::ByToken));
        }
        self.next_by_number(page, digests)
    }

    /// Returns true if a first page is shorter than requested: the platform may cap pages but compute offsets from the
    /// requested size. Requesting the received size avoids that.
    fn may_be_capped(&self, rows: usize) -> bool {
        self.at == PageRef::First && rows < self.size && !self.restarted
    }

    /// Returns the next step after a page with rows and without a token: pages by number.
    pub(super) fn next_by_number(&mut self, page: &Page, digests: Vec<u64>) -> Result<Next, PagingError> {
        let is_all = self.is_all(&page.hints, digests.len());
        if !is_all && self.may_be_capped(digests.len()) {
            return Ok(Next::Restart(digests.len()));
        }
        self.accept(digests);
        match self.at {
            _ if is_all => Ok(Next::End),
            PageRef::Token(_) if page.hints.more == Some(true) => {
                refuse("it states that there are more rows, without a nextToken")
            }
            PageRef::Token(_) => Ok(Next::End),
            PageRef::First => {
                // `current` is 0 on platforms that number pages from 0.
                self.at = PageRef::Page(page.hints.current.unwrap_or(1) + 1);
                Ok(Next::Continue)
            }
            PageRef::Page(number) => {
                self.at = PageRef::Page(number + 1);
                Ok(Next::Continue)
            }
        }
    }

    /// Accepts the first page, which proved to be all.
    pub(super) fn proven(&mut self, digests: Vec<u64>) -> Result<(), PagingError> {
        if self.at == PageRef::First {
            self.accept(digests);
        }
        self.check_complete()
    }

    fn accept(&mut self, digests: Vec<u64>) {
        self.rows += digests.len() as u64;
        self.pages += 1;
        self.previous = digests;
    }

    fn follow(&mut self, token: &str) -> Result<Next, PagingError> {
        if !self.tokens.insert(token.to_owned()) {
            return refuse("the same nextToken was received twice, which would loop forever");
        }
        self.at = PageRef::Token(token.to_owned());
        Ok(Next::Continue)
    }

    /// Returns the next step after a page without rows. It is the end unless a hint contradicts; a single empty page
    /// among numbered ones is not the end either.
    fn empty_page(&mut self, hints: &Hints) -> Result<Next, PagingError> {
        self.empty += 1;
        let rows_missing = self.totals.iter().any(|total| *total > self.rows);
        let may_continue = match self.at {
            PageRef::First => rows_missing,
            PageRef::Token(_) => false,
            PageRef::Page(_) => self.empty < if rows_missing { EMPTY_TOTAL_ONLY_MAX } else { 2 },
        };
        let states_more = hints.token.is_some() || hints.more == Some(true);
        if states_more && self.empty > EMPTY_MAX {
            return refuse(format!("{EMPTY_MAX} pages without rows were received, and it states that there are more"));
        }
        match (&hints.token, &self.at) {
            (Some(token), _) => self.follow(token),
            (None, PageRef::Token(_)) if states_more => {
                refuse("it states that there are more rows, without a nextToken")
            }
            (None, PageRef::First) if states_more || (may_continue && hints.more.is_none()) => {
                self.at = PageRef::Page(hints.current.unwrap_or(1) + 1);
                Ok(Next::Continue)
            }
            (None, PageRef::Page(number)) if states_more || (may_continue && hints.more.is_none()) => {
                self.at = PageRef::Page(number + 1);
                Ok(Next::Continue)
            }
            (None, _) => Ok(Next::EndBefore),
        }
    }

    /// Returns the next step after a repeated page: the platform returns its last page for all later numbers, or
    /// ignores page numbers.
    fn repeated_page(&mut self, number: u64, hints: &Hints) -> Result<Next, PagingError> {
        let received = self.previous.len();
        let has_stated_total = !self.totals.is_empty() && self.totals.iter().all(|total| *total == self.rows);
        match () {
            () if hints.more == Some(true) => {
                refuse("the same page was received twice, and it states that there are more")
            }
            () if has_stated_total || (self.pages > 1 && received < self.size) => Ok(Next::EndBefore),
            () if self.pages == 1 && received == 1 => Ok(Next::EndBefore),
            () if self.pages == 1 => Ok(Next::Prove(Proof::ByPage)),
            () => refuse(format!("page {number} is the same as the page before, which was full")),
        }
    }

    /// Returns true if the page's own hints show that nothing follows.
    fn is_all(&self, hints: &Hints, rows: usize) -> bool {
        let all = self.rows + rows as u64;
        let by_rows = !self.totals.is_empty() && self.totals.iter().all(|total| *total == all);
        match hints.more {
            Some(true) => false,
            _ if by_rows => true,
            _ if self.may_be_capped(rows) => false,
            Some(false) => true,
            None => self.totals.is_empty() && self.stated_pages == Some(self.pages + 1),
        }
    }

    fn overlap(&mut self, digests: &[u64]) -> Result<(), PagingError> {
        let shared = overlap_len(&self.previous, digests);
        if shared == 0 {
            return Ok(());
        }
        let rows_repeat = has_duplicates(&self.previous) || has_duplicates(digests);
        if are_all_equal(&digests[..shared]) && rows_repeat {
            self.maybe_overlaps |= !matches!(self.at, PageRef::Token(_));
            return Ok(());
        }
        refuse(format!("a page starts with the last {shared} rows of the page before"))
    }

    /// Compares the stated totals with what was received.
    fn check_complete(&self) -> Result<(), PagingError> {
        if let Some(total) = self.totals.iter().find(|total| **total != self.rows) {
            return refuse(format!("it states {total} rows, and {} were received", self.rows));
        }
        if let Some(pages) = self.stated_pages.filter(|pages| *pages > self.pages) {
            return refuse(format!("it states {pages} pages, and {} with rows were received", self.pages));
        }
        if self.maybe_overlaps && self.totals.is_empty() {
            return refuse("a page starts with the last row of the page before, which may be the same row");
        }
        Ok(())
    }
}

fn page_digest(digests: &[u64]) -> u64 {
    let mut hasher = DefaultHasher::new();
    digests.hash(&mut hasher);
    hasher.finish()
}

fn are_all_equal(digests: &[u64]) -> bool {
    digests.windows(2).all(|pair| pair[0] == pair[1])
}

fn has_duplicates(digests: &[u64]) -> bool {
    let mut seen = HashSet::new();
    digests.iter().any(|digest| !seen.insert(*digest))
}

/// Returns the number of rows at the end of one page that start the next.
fn overlap_len(previous: &[u64], page: &[u64]) -> usize {
    // The lengths of the prefixes of `page` with which `previous` ends so far, longest first.
    let mut open: VecDeque<usize> = VecDeque::new();
    for digest in previous {
        open.push_back(0);
        open.retain_mut(|length| {
            let matches = page.get(*length) == Some(digest);
            *length += 1;
            matches
        });
    }
    open.front().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;

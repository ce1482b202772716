//! Pages as they come → which one is asked for next, and whether the last one was the last: purely.
//!
//! Nothing that a platform leaves out is taken for the end: a page may be short because the platform caps pages. Where it
//! cannot be known whether all rows came, the answer is a refusal.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::page::{Page, Signs};

/// Pages without rows that may follow one another.
const EMPTY_MAX: u32 = 10;

/// As [`EMPTY_MAX`], where the pages say how many rows there are and not whether there is more.
const EMPTY_UNSAID_MAX: u32 = 3;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    First,
    Token(String),
    Page(u64),
}

/// What follows from a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Take its rows and ask for the next page.
    Go,
    /// Take its rows: these are all.
    End,
    /// Leave it: what was taken before is all.
    EndBefore,
    /// Leave it, forget what was taken, and begin again with pages of this size.
    Again(usize),
    /// It is the first page, and nothing shows that it is all: ask by smaller pages.
    Prove(Proof),
}

/// How it is found out whether a first page is all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Half of it should come with a token.
    ByToken,
    /// Page 2 was page 1 once more: half of it should have a page 2, and no page 3.
    ByPage,
}

/// Why it cannot be known that all rows came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PagingError(pub String);

fn refuse<T>(why: impl Into<String>) -> Result<T, PagingError> {
    Err(PagingError(why.into()))
}

pub(super) struct Course {
    pub at: At,
    /// Rows asked for in a page.
    pub size: usize,
    /// Rows taken.
    rows: u64,
    /// Pages with rows.
    pages: u64,
    empty: u32,
    /// Begun again with smaller pages.
    restarted: bool,
    /// The tokens followed: one that comes again would turn for ever.
    tokens: HashSet<String>,
    /// The pages taken, each as its rows' digests page_digest.
    taken: HashSet<u64>,
    before: Vec<u64>,
    totals: Vec<u64>,
    pages_said: Option<u64>,
    /// Rows repeat at a page's edge, in a report whose rows repeat anyway.
    maybe_overlaps: bool,
}

impl Course {
    pub fn new(size: usize) -> Self {
        Self {
            at: At::First,
            size,
            rows: 0,
            pages: 0,
            empty: 0,
            restarted: false,
            tokens: HashSet::new(),
            taken: HashSet::new(),
            before: Vec::new(),
            totals: Vec::new(),
            pages_said: None,
            maybe_overlaps: false,
        }
    }

    /// The same, from the beginning, with pages of another size.
    pub fn again(&self, size: usize) -> Self {
        Self { restarted: true, ..Self::new(size) }
    }

    /// What follows from `page`, which came for what was asked.
    pub fn advance(&mut self, page: &Page) -> Result<Next, PagingError> {
        let next = self.step(page)?;
        if matches!(next, Next::End | Next::EndBefore) {
            self.all_came()?;
        }
        Ok(next)
    }

    fn step(&mut self, page: &Page) -> Result<Next, PagingError> {
        let (signs, digests) = (&page.signs, page.digests());
        self.totals.extend(&signs.totals);
        self.pages_said = self.pages_said.max(signs.pages);
        if let (At::Page(asked), Some(current)) = (&self.at, signs.current)
            && *asked != current
        {
            return refuse(format!("page {asked} was asked for and page {current} came"));
        }
        if digests.is_empty() {
            return self.nothing(signs);
        }
        if let At::Page(number) = self.at
            && digests == self.before
        {
            return self.repeated(number, signs);
        }
        if !self.taken.insert(page_digest(&digests)) && !is_one_row(&digests) {
            return refuse("a page came that came before");
        }
        self.overlap(&digests)?;
        self.empty = 0;
        if let Some(token) = &signs.token {
            if self.may_be_capped(digests.len()) {
                return Ok(Next::Again(digests.len()));
            }
            self.took(digests);
            return self.follow(token);
        }
        let says_nothing = signs.more.is_none() && self.totals.is_empty();
        if self.at == At::First && says_nothing && digests.len() > 1 && !self.restarted {
            return Ok(Next::Prove(Proof::ByToken));
        }
        self.beyond(page, digests)
    }

    /// Whether a first page is shorter than was asked for: the platform may cap pages, and count what it leaves out by
    /// the size that was asked for. With pages of the size that came, both are the same.
    fn may_be_capped(&self, rows: usize) -> bool {
        self.at == At::First && rows < self.size && !self.restarted
    }

    /// Goes on behind a page that has rows and no token, by its number.
    pub fn beyond(&mut self, page: &Page, digests: Vec<u64>) -> Result<Next, PagingError> {
        let is_all = self.is_all(&page.signs, digests.len());
        if !is_all && self.may_be_capped(digests.len()) {
            return Ok(Next::Again(digests.len()));
        }
        self.took(digests);
        match self.at {
            _ if is_all => Ok(Next::End),
            At::Token(_) if page.signs.more == Some(true) => refuse("it says that there is more, without a nextToken"),
            At::Token(_) => Ok(Next::End),
            At::First => {
                // A platform that counts pages from 0 says so here.
                self.at = At::Page(page.signs.current.unwrap_or(1) + 1);
                Ok(Next::Go)
            }
            At::Page(number) => {
                self.at = At::Page(number + 1);
                Ok(Next::Go)
            }
        }
    }

    /// Takes the first page, which was found to be all.
    pub fn proven(&mut self, digests: Vec<u64>) -> Result<(), PagingError> {
        if self.at == At::First {
            self.took(digests);
        }
        self.all_came()
    }

    fn took(&mut self, digests: Vec<u64>) {
        self.rows += digests.len() as u64;
        self.pages += 1;
        self.before = digests;
    }

    fn follow(&mut self, token: &str) -> Result<Next, PagingError> {
        if !self.tokens.insert(token.to_owned()) {
            return refuse("the same nextToken came twice: it would never end");
        }
        self.at = At::Token(token.to_owned());
        Ok(Next::Go)
    }

    /// A page without rows: the end only where nothing says otherwise, and not for a single one among counted pages.
    fn nothing(&mut self, signs: &Signs) -> Result<Next, PagingError> {
        self.empty += 1;
        let lacks = self.totals.iter().any(|total| *total > self.rows);
        let may_go_on = match self.at {
            At::First => lacks,
            At::Token(_) => false,
            At::Page(_) => self.empty < if lacks { EMPTY_UNSAID_MAX } else { 2 },
        };
        let goes_on = signs.token.is_some() || signs.more == Some(true);
        if goes_on && self.empty > EMPTY_MAX {
            return refuse(format!("{EMPTY_MAX} pages without rows came, and it says that there is more"));
        }
        match (&signs.token, &self.at) {
            (Some(token), _) => self.follow(token),
            (None, At::Token(_)) if goes_on => refuse("it says that there is more, without a nextToken"),
            (None, At::First) if goes_on || (may_go_on && signs.more.is_none()) => {
                self.at = At::Page(signs.current.unwrap_or(1) + 1);
                Ok(Next::Go)
            }
            (None, At::Page(number)) if goes_on || (may_go_on && signs.more.is_none()) => {
                self.at = At::Page(number + 1);
                Ok(Next::Go)
            }
            (None, _) => Ok(Next::EndBefore),
        }
    }

    /// The page before once more: the platform gives its last page for all beyond, or does not count pages at all.
    fn repeated(&mut self, number: u64, signs: &Signs) -> Result<Next, PagingError> {
        let came = self.before.len();
        let said_all = !self.totals.is_empty() && self.totals.iter().all(|total| *total == self.rows);
        match () {
            () if signs.more == Some(true) => refuse("the same page came twice, and it says that there is more"),
            () if said_all || (self.pages > 1 && came < self.size) => Ok(Next::EndBefore),
            () if self.pages == 1 && came == 1 => Ok(Next::EndBefore),
            () if self.pages == 1 => Ok(Next::Prove(Proof::ByPage)),
            () => refuse(format!("page {number} is the same page as the one before, which was full")),
        }
    }

    /// Whether the page says by itself that nothing follows it.
    fn is_all(&self, signs: &Signs, rows: usize) -> bool {
        let all = self.rows + rows as u64;
        let by_rows = !self.totals.is_empty() && self.totals.iter().all(|total| *total == all);
        match signs.more {
            Some(true) => false,
            _ if by_rows => true,
            _ if self.may_be_capped(rows) => false,
            Some(false) => true,
            None => self.totals.is_empty() && self.pages_said == Some(self.pages + 1),
        }
    }

    fn overlap(&mut self, digests: &[u64]) -> Result<(), PagingError> {
        let shared = overlap_len(&self.before, digests);
        if shared == 0 {
            return Ok(());
        }
        let repeats_anyway = has_doubles(&self.before) || has_doubles(digests);
        if is_one_row(&digests[..shared]) && repeats_anyway {
            self.maybe_overlaps |= !matches!(self.at, At::Token(_));
            return Ok(());
        }
        refuse(format!("a page begins with the {shared} rows that the one before it ends with"))
    }

    /// Compares what was said with what came.
    fn all_came(&self) -> Result<(), PagingError> {
        if let Some(total) = self.totals.iter().find(|total| **total != self.rows) {
            return refuse(format!("it says that there are {total} rows, and {} came", self.rows));
        }
        if let Some(pages) = self.pages_said.filter(|pages| *pages > self.pages) {
            return refuse(format!("it says that there are {pages} pages, and {} with rows came", self.pages));
        }
        if self.maybe_overlaps && self.totals.is_empty() {
            return refuse("a page begins with the row that the one before it ends with, which may be the same one");
        }
        Ok(())
    }
}

fn page_digest(digests: &[u64]) -> u64 {
    let mut hasher = DefaultHasher::new();
    digests.hash(&mut hasher);
    hasher.finish()
}

fn is_one_row(digests: &[u64]) -> bool {
    digests.windows(2).all(|pair| pair[0] == pair[1])
}

fn has_doubles(digests: &[u64]) -> bool {
    let mut seen = HashSet::new();
    digests.iter().any(|digest| !seen.insert(*digest))
}

/// How many rows at the end of one page are those at the beginning of the next.
fn overlap_len(before: &[u64], page: &[u64]) -> usize {
    // The lengths at which what was read of `before` ends with a beginning of `page`, longest first.
    let mut open: VecDeque<usize> = VecDeque::new();
    for digest in before {
        open.push_back(0);
        open.retain_mut(|length| {
            let goes_on = page.get(*length) == Some(digest);
            *length += 1;
            goes_on
        });
    }
    open.front().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;

//! Misbehaviours of the sandbox, for all reports or for one. Only tests request them.

/// `--misbehave`.
#[cfg(feature = "fault-injection")]
mod rules;

use std::collections::BTreeMap;

use super::area::Area;

#[cfg(feature = "fault-injection")]
pub use rules::HELP;

/// Misbehaviours of one report.
#[derive(Clone, Debug, Default)]
pub struct Misbehaviour {
    pub faults: Vec<Fault>,
    pub sign_in: SignIn,
    /// Value of `user_level`.
    pub level: Option<String>,
    pub hidden: bool,
    pub name_twice: bool,
    pub export: Export,
    pub body: Body,
    pub records: Records,
    pub access: AccessRules,
}

#[derive(Clone, Debug, Default)]
pub struct SignIn {
    pub grant_off: bool,
    pub no_refresh_token: bool,
    pub refresh_refused: bool,
    pub token_seconds: Option<u64>,
    pub expire_token_after: Option<u32>,
    pub echo_secrets: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Export {
    pub status_word: Option<String>,
    pub final_word: Option<String>,
    pub execution_id: Option<String>,
    pub early_results_400: u32,
    pub paging: Paging,
    pub drift: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Body {
    pub packing: Packing,
    pub cut: u32,
    pub hang: u32,
    pub pace: Option<u64>,
    pub bom: bool,
    pub crlf: bool,
    pub header_only: bool,
    pub duplicate_header: bool,
    pub rename: Option<(String, String)>,
    /// Percent.
    pub fewer_rows: u64,
}

/// ReplyKind of the body of a download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packing {
    #[default]
    One,
    Stored,
    None,
    Two,
    Plain,
    Mac,
    Truncated,
    Corrupt,
    Bomb,
    Xlsx,
    Encrypted,
    NotCsv,
    Empty,
    Html,
    Json,
    Gzip,
    Utf16,
}

#[derive(Clone, Debug, Default)]
pub struct Records {
    pub numeric_ids: bool,
    pub empty_page: bool,
    pub cursors: Cursors,
    /// Maximum rows of a page.
    pub cap: Option<u64>,
    pub short_first: bool,
    pub no_more_flag: bool,
    pub no_totals: bool,
    /// The stated total is this much larger.
    pub more_total: u64,
    pub lost: u64,
    pub repeats: bool,
    pub grows: bool,
    pub shrinks: bool,
    /// Responses that end half way.
    pub cut: u32,
}

/// Cursors of the pages of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cursors {
    #[default]
    None,
    /// Each page has another, without which the next one is refused.
    Each,
    /// All pages have the same.
    Same,
    /// All pages have the same, and it leads to the first one for ever.
    Stuck,
}

/// Rules about areas, of `--misbehave`.
#[derive(Clone, Debug, Default)]
pub struct AccessRules {
    /// Denied to every account, in this way.
    pub denied: BTreeMap<Area, ReplyKind>,
    /// Allowed to every account.
    pub allowed: Vec<Area>,
    /// Numbers of assigned users and courses.
    pub assigned_users: Option<u64>,
    pub assigned_courses: Option<u64>,
    /// A further permission of every account.
    pub permission: Option<String>,
}

/// A step that fails.
#[derive(Clone, Debug)]
pub struct Fault {
    pub step: ApiStep,
    pub kind: ReplyKind,
    /// Fails only the first so many times; `None` means always.
    pub times: Option<u32>,
}

/// Kinds of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiStep {
    Token,
    Session,
    Reports,
    Start,
    Status,
    Results,
    Download,
    Records,
    Assignments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    Status(u16),
    /// With `Retry-After`: 1 second.
    RetrySeconds(u16),
    RetryDate(u16),
    Html,
    Redirect,
    Unsuccessful,
    Garbage,
    Empty,
    Reset,
    Stall,
    Lost,
}

/// Rules for all reports, and for single ones.
#[derive(Clone, Debug, Default)]
pub struct Misbehaviours {
    all: Misbehaviour,
    single: BTreeMap<&'static str, Misbehaviour>,
}

impl Misbehaviours {
    /// Returns the rules of the report with this short name; those for all reports if there is none.
    pub fn of(&self, report: Option<&str>) -> &Misbehaviour {
        report.and_then(|report| self.single.get(report)).unwrap_or(&self.all)
    }

    /// Returns true if any connection is to be reset.
    pub fn resets(&self) -> bool {
        let resets = |one: &Misbehaviour| {
            one.faults.iter().any(|fault| matches!(fault.kind, ReplyKind::Reset | ReplyKind::Lost))
        };
        resets(&self.all) || self.single.values().any(resets)
    }
}

/// Paging of results.
#[derive(Clone, Debug, Default)]
pub struct Paging {
    pub by: By,
    pub cap: Option<u64>,
    pub gap: bool,
    pub overlap: bool,
    pub empty_between: bool,
    pub counts: bool,
    pub lost: u64,
    pub json_types: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    #[default]
    Token,
    Number,
    Page,
    Stuck,
    Same,
    Clamp,
    Whole,
}

//! Parses `--misbehave` into [`Misbehaviours`].
//!
//! Rules are separated by commas: `level=super_admin,start=429*2,sessions:zip=two`. A rule that begins with a report's
//! short name and a colon applies to that report only.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{AccessRules, ApiStep, Fault, Misbehaviour, Misbehaviours, Packing, ReplyKind};
use super::{By, Cursors, Paging, Records};
use crate::sandbox::area::Area;
use crate::sandbox::reports;

/// All rules, for `--help`.
pub const HELP: &str = "\
What to do wrong: rules, separated by commas; `REPORT:` before a rule keeps it to one report (compliance, enrollments,
progress, sessions, certifications, catalog).

Any step fails: STEP=KIND, or STEP=KIND*N for the first N times.
  STEP  token session reports start status results download records assignments
  KIND  a status (400 401 403 404 429 500 502 503 504); 429_seconds 429_date 503_seconds 503_date (with Retry-After);
        html (a sign-in page, 200); redirect (302 to it); unsuccessful (200, \"success\": false); garbage (not JSON);
        empty; reset (the connection); stall (no answer, ever); lost (done, but the answer is not sent)
Sign-in
  grant=off                the password grant is not switched on
  no_refresh_token         none is given
  refresh=refused          the refresh token is not taken
  token_seconds=N          expires_in
  expire_token_after=N     each token is good for N requests, whatever it says
  echo_secrets             errors repeat what was sent
Account
  level=WORD               user_level, as written
  deny_AREA=KIND           no account may read the area (users courses enrollments reports learning_plans groups
                           power_users settings commerce certifications); KIND as above: 401, 403, html, redirect
  allow_AREA               every account may read the area
  assigned_users=N, assigned_courses=N   the account's assignments
  permission=CODE          one more permission among them
Reports
  hidden                   the account does not see them
  name_twice               another report has the same name
Export
  status_word=WORD         status while it runs (default RUNNING)
  final_word=WORD          status at its end (default SUCCEEDED); never = it never ends
  execution_id=WORD        the id that the start gives
  early_results_400=N      the first N reads of the results answer 400
  paging=token|number|page|stuck|same|clamp|whole   nextToken, as a text or a number; page=N; the same nextToken for
                           ever; pages ignored; the last page for every page beyond it; all rows, whatever is asked for
  page_cap=N               no page has more than N rows, whatever is asked for
  page_gap                 offsets are counted by the size that was asked for, although fewer rows come
  overlap                  the last page is filled up with rows of the one before
  empty_between            the second page has no rows
  counts                   the envelope says total_count, current_page and has_more_data
  lost_rows=N              the last N rows never come
  json_types               cells that are whole numbers come as JSON numbers with two zeros behind the point
  drift                    from the second page on, a column has another name
Body
  zip=one|stored|none|two|plain|mac|truncated|corrupt|bomb|xlsx|encrypted|not_csv|empty|html|json|gzip|utf16
  cut=N                    the first N downloads end half way
  hang=N                   the first N downloads stop half way and never go on
  pace=N                   bytes a second
  bom, crlf, header_only, duplicate_header
  rename=OLD>NEW           a column's header
  fewer_rows=N             N percent fewer
Records
  ids=number|string        how ids are written (default string)
  empty_page               a page without items that says has_more_data
  cursor=each|same|stuck   another cursor for each page, which is required; the same for all; one that leads to the first
                           page for ever
  records_cap=N            no page has more than N records, whatever is asked for
  short_first              the first page has half the records
  no_more_flag, no_totals  has_more_data, or total_count and total_page_count, are left out
  more_total=N             total_count says N more than there are
  lost_records=N           the last N records never come
  repeats                  each page begins with the last record of the one before
  grows, shrinks           after the first page a record is added at the start of the list, or removed from there
  cut_pages=N              the first N pages end half way";

impl FromStr for Misbehaviours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rules: Vec<&str> = text.split(',').map(str::trim).filter(|rule| !rule.is_empty()).collect();
        let mut all = Misbehaviour::default();
        let mut single = BTreeMap::new();
        for rule in rules.iter().filter(|rule| report_of(rule).is_none()) {
            all.apply(rule)?;
        }
        for rule in &rules {
            if let Some((report, rule)) = report_of(rule) {
                single.entry(report).or_insert_with(|| all.clone()).apply(rule)?;
            }
        }
        Ok(Self { all, single })
    }
}

fn report_of(rule: &str) -> Option<(&'static str, &str)> {
    let (short, rest) = rule.split_once(':')?;
    Some((reports::by_short(short)?.short, rest))
}

impl Misbehaviour {
    fn apply(&mut self, rule: &str) -> Result<(), String> {
        let (key, value) = rule.split_once('=').unwrap_or((rule, ""));
        if let Ok(step) = key.parse() {
            self.faults.push(Fault::read(step, value)?);
            return Ok(());
        }
        if let Some(applied) = self.export.paging.apply(key, value).or_else(|| self.records.apply(key, value)) {
            return applied;
        }
        if let Some(applied) = self.access.apply(key, value) {
            return applied;
        }
        let word = || if value.is_empty() { Err(format!("{key} needs a word")) } else { Ok(value.to_owned()) };
        match key {
            "grant" if value == "off" => self.sign_in.grant_off = true,
            "no_refresh_token" => self.sign_in.no_refresh_token = true,
            "refresh" if value == "refused" => self.sign_in.refresh_refused = true,
            "token_seconds" => self.sign_in.token_seconds = Some(number(key, value)?),
            "expire_token_after" => self.sign_in.expire_token_after = Some(number(key, value)?),
            "echo_secrets" => self.sign_in.echo_secrets = true,
            "level" => self.level = Some(value.to_owned()),
            "hidden" => self.hidden = true,
            "name_twice" => self.name_twice = true,
            "status_word" => self.export.status_word = Some(value.to_owned()),
            "final_word" => self.export.final_word = Some(word()?),
            "execution_id" => self.export.execution_id = Some(value.to_owned()),
            "early_results_400" => self.export.early_results_400 = number(key, value)?,
            "drift" => self.export.drift = true,
            "zip" => self.body.packing = value.parse()?,
            "cut" => self.body.cut = number(key, value)?,
            "hang" => self.body.hang = number(key, value)?,
            "pace" => self.body.pace = Some(number(key, value)?),
            "bom" => self.body.bom = true,
            "crlf" => self.body.crlf = true,
            "header_only" => self.body.header_only = true,
            "duplicate_header" => self.body.duplicate_header = true,
            "rename" => {
                let (old, new) = value.split_once('>').ok_or("rename wants OLD>NEW")?;
                self.body.rename = Some((old.to_owned(), new.to_owned()));
            }
            "fewer_rows" => self.body.fewer_rows = number::<u64>(key, value)?.min(100),
            _ => return Err(format!("{rule:?} is not a misbehaviour; `sandbox --help` lists them")),
        }
        Ok(())
    }
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{key} needs a number, not {value:?}"))
}

impl Fault {
    fn read(step: ApiStep, text: &str) -> Result<Self, String> {
        let (kind, times) = match text.split_once('*') {
            Some((kind, times)) => (kind, Some(number("the times of a fault", times)?)),
            None => (text, None),
        };
        Ok(Self { step, kind: kind.parse()?, times })
    }
}

impl FromStr for ReplyKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        use ReplyKind::*;
        Ok(match text {
            "429_seconds" => RetrySeconds(429),
            "429_date" => RetryDate(429),
            "503_seconds" => RetrySeconds(503),
            "503_date" => RetryDate(503),
            "html" => Html,
            "redirect" => Redirect,
            "unsuccessful" => Unsuccessful,
            "garbage" => Garbage,
            "empty" => Empty,
            "reset" => Reset,
            "stall" => Stall,
            "lost" => Lost,
            status => match status.parse() {
                Ok(status @ 400..=599) => Status(status),
                _ => return Err(format!("{status:?} is not a kind of failure")),
            },
        })
    }
}

impl AccessRules {
    /// Parses a rule about what accounts may read; `None` for any other rule.
    fn apply(&mut self, key: &str, value: &str) -> Option<Result<(), String>> {
        let area = |name: &str| Area::ALL.iter().copied().find(|area| area.name() == name);
        let outcome = match (key.strip_prefix("deny_").map(area), key.strip_prefix("allow_").map(area), key) {
            (Some(Some(area)), ..) => value.parse().map(|kind| self.denied.extend([(area, kind)])),
            (_, Some(Some(area)), _) => {
                self.allowed.push(area);
                Ok(())
            }
            (.., "assigned_users") => number(key, value).map(|count| self.assigned_users = Some(count)),
            (.., "assigned_courses") => number(key, value).map(|count| self.assigned_courses = Some(count)),
            (.., "permission") if !value.is_empty() => {
                self.permission = Some(value.to_owned());
                Ok(())
            }
            _ => return None,
        };
        Some(outcome)
    }
}

impl FromStr for ApiStep {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "token" => Self::Token,
            "session" => Self::Session,
            "reports" => Self::Reports,
            "start" => Self::Start,
            "status" => Self::Status,
            "results" => Self::Results,
            "download" => Self::Download,
            "records" => Self::Records,
            "assignments" => Self::Assignments,
            _ => return Err(()),
        })
    }
}

impl FromStr for Packing {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "one" => Self::One,
            "stored" => Self::Stored,
            "none" => Self::None,
            "two" | "two_csvs" => Self::Two,
            "plain" => Self::Plain,
            "mac" => Self::Mac,
            "truncated" => Self::Truncated,
            "corrupt" => Self::Corrupt,
            "bomb" => Self::Bomb,
            "xlsx" => Self::Xlsx,
            "encrypted" => Self::Encrypted,
            "not_csv" => Self::NotCsv,
            "empty" => Self::Empty,
            "html" => Self::Html,
            "json" => Self::Json,
            "gzip" => Self::Gzip,
            "utf16" => Self::Utf16,
            _ => return Err(format!("{text:?} is not a kind of zip")),
        })
    }
}

impl Paging {
    /// Parses a rule about paging; `None` for any other rule.
    pub fn apply(&mut self, key: &str, value: &str) -> Option<Result<(), String>> {
        let number = || value.parse().map_err(|_| format!("{key} needs a number, not {value:?}"));
        match (key, value) {
            ("paging", _) => {
                self.by = match value {
                    "token" => By::Token,
                    "number" => By::Number,
                    "page" => By::Page,
                    "stuck" => By::Stuck,
                    "same" => By::Same,
                    "clamp" => By::Clamp,
                    "whole" => By::Whole,
                    _ => return Some(Err(format!("{value:?} is not a kind of paging"))),
                }
            }
            ("page_cap", _) => match number() {
                Ok(cap) => self.cap = Some(std::cmp::max(cap, 1)),
                Err(error) => return Some(Err(error)),
            },
            ("lost_rows", _) => match number() {
                Ok(lost) => self.lost = lost,
                Err(error) => return Some(Err(error)),
            },
            ("page_gap", "") => self.gap = true,
            ("overlap", "") => self.overlap = true,
            ("empty_between", "") => self.empty_between = true,
            ("counts", "") => self.counts = true,
            ("json_types", "") => self.json_types = true,
            _ => return None,
        }
        Some(Ok(()))
    }
}

impl Records {
    /// Parses a rule about records; `None` for any other rule.
    fn apply(&mut self, key: &str, value: &str) -> Option<Result<(), String>> {
        let set = |to: &mut u64| number(key, value).map(|number| *to = number);
        match (key, value) {
            ("ids", "number") => self.numeric_ids = true,
            ("ids", "string") => self.numeric_ids = false,
            ("cursor", "each") => self.cursors = Cursors::Each,
            ("cursor", "same") => self.cursors = Cursors::Same,
            ("cursor", "stuck") => self.cursors = Cursors::Stuck,
            ("empty_page", "") => self.empty_page = true,
            ("short_first", "") => self.short_first = true,
            ("no_more_flag", "") => self.no_more_flag = true,
            ("no_totals", "") => self.no_totals = true,
            ("repeats", "") => self.repeats = true,
            ("grows", "") => self.grows = true,
            ("shrinks", "") => self.shrinks = true,
            ("records_cap", _) => return Some(number(key, value).map(|cap| self.cap = Some(cap))),
            ("cut_pages", _) => return Some(number(key, value).map(|cut| self.cut = cut)),
            ("more_total", _) => return Some(set(&mut self.more_total)),
            ("lost_records", _) => return Some(set(&mut self.lost)),
            _ => return None,
        }
        Some(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_for_all_or_for_one() {
        let read: Misbehaviours = "start=429*2, sessions:zip=two ,level=/framework/level/admin,bom".parse().unwrap();
        assert_eq!(read.of(None).body.packing, Packing::One);
        let sessions = read.of(Some("sessions"));
        assert_eq!((sessions.body.packing, sessions.body.bom), (Packing::Two, true));
        assert_eq!(sessions.level.as_deref(), Some("/framework/level/admin"));
        assert_eq!((sessions.faults[0].kind, sessions.faults[0].times), (ReplyKind::Status(429), Some(2)));
        assert!(read.of(Some("progress")).body.bom);
    }

    #[test]
    fn what_is_no_rule_is_said() {
        for bad in ["x", "zip=three", "start=200", "start=429*x", "cut=half", "grant=on", "nowhere:bom", "rename=a"] {
            assert!(bad.parse::<Misbehaviours>().is_err(), "{bad}");
        }
    }
}

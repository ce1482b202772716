//! One page of an export's results, with the misbehaviours of `--misbehave`.

use std::collections::HashMap;

use serde_json::json;

use super::content::Content;
use super::misbehave::{By, Misbehaviour, Paging};
use super::reply::{self, Reply};

/// Start of a page.
struct PageStart {
    from: u64,
    is_first: bool,
    is_empty: bool,
    number: u64,
}

/// `GET …/exports/{id}/results`.
pub(super) fn page(wrong: &Misbehaviour, query: &HashMap<String, String>, content: &Content) -> Reply {
    let rules = &wrong.export.paging;
    let asked = query.get("pageSize").and_then(|size| size.parse().ok()).unwrap_or(100).clamp(1, 1000);
    let asked = if rules.by == By::Whole { content.rows().max(1) } else { asked };
    let size = rules.cap.map_or(asked, |cap| asked.min(cap));
    let step = if rules.gap { asked } else { size };
    let held = content.rows().saturating_sub(rules.lost);
    let Some(place) = place(rules, query, step, held) else { return reply::error(400, "Invalid nextToken") };
    let mut from = place.from;
    if rules.overlap && from < held && from + size > held {
        from = held.saturating_sub(size);
    }
    let rows = if place.is_empty { 0 } else { size.min(held.saturating_sub(from)) };
    let after = if place.is_empty { from } else { from + step };
    let mut body = format!("{{\"data\":[{}]", written(wrong, content, from, rows));
    let hole = if rules.empty_between && place.is_first { "e" } else { "" };
    match rules.by {
        By::Stuck => body.push_str(&format!(",\"nextToken\":{}", json!(token_of("", size)))),
        By::Token if after < held => body.push_str(&format!(",\"nextToken\":{}", json!(token_of(hole, after)))),
        By::Number if after < held => body.push_str(&format!(",\"nextToken\":{after}")),
        By::Whole => body.push_str(",\"nextToken\":null"),
        By::Token | By::Number | By::Page | By::Same | By::Clamp => {}
    }
    if rules.counts {
        let total = content.rows();
        let more = after < held;
        body.push_str(&format!(",\"total_count\":{total},\"current_page\":{},\"has_more_data\":{more}", place.number));
    }
    body.push('}');
    reply::with(200, "application/json; charset=utf-8", body.into())
}

/// Returns what is requested; `None` if the token is invalid.
fn place(rules: &Paging, query: &HashMap<String, String>, step: u64, held: u64) -> Option<PageStart> {
    let page: u64 = query.get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let index = page.saturating_sub(1);
    let at = |from: u64, is_empty: bool| PageStart { from, is_first: from == 0, is_empty, number: page };
    Some(match rules.by {
        By::Same | By::Whole => PageStart { number: 1, ..at(0, false) },
        By::Page if rules.empty_between && page == 2 => at(step, true),
        By::Page if rules.empty_between => at(index.saturating_sub(u64::from(index > 0)) * step, false),
        By::Page => at(index.saturating_mul(step), false),
        By::Clamp => at(index.min(held.saturating_sub(1) / step) * step, false),
        By::Number => at(query.get("nextToken").map_or(Some(0), |token| token.parse().ok())?, false),
        By::Token | By::Stuck => match query.get("nextToken") {
            None => at(0, false),
            Some(token) => {
                let inner = token.strip_prefix("AQ+/=")?.strip_suffix("&==")?;
                let offset = inner.strip_prefix('e');
                at(offset.unwrap_or(inner).parse().ok()?, offset.is_some())
            }
        },
    })
}

/// Returns an opaque token, which is wrong unless it is percent-encoded.
fn token_of(hole: &str, offset: u64) -> String {
    format!("AQ+/={hole}{offset}&==")
}

/// Writes the rows as JSON by hand, because a duplicate header must stay duplicate.
fn written(wrong: &Misbehaviour, content: &Content, from: u64, rows: u64) -> String {
    let row = |cells: Vec<String>| {
        let pairs = content.headers().iter().zip(cells).enumerate().map(|(at, (header, cell))| {
            let drifts = wrong.export.drift && from > 0 && at == 1;
            let header = if drifts { format!("{header} (new)") } else { header.clone() };
            let is_number = wrong.export.paging.json_types && !cell.is_empty() && !cell.starts_with('0');
            let is_number = is_number && cell.bytes().all(|byte| byte.is_ascii_digit());
            let value = if is_number { format!("{cell}.00") } else { json!(cell).to_string() };
            format!("{}:{value}", json!(header))
        });
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
    };
    content.page(from, rows).into_iter().map(row).collect::<Vec<_>>().join(",")
}

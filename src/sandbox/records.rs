//! The list endpoints: users, courses, enrollments, in their envelope, with records that change.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::header;
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::SandboxOptions;
use super::misbehave::{Cursors, Records};
use super::reply::{self, Reply};
use super::samples::{COURSES, PEOPLE};

/// Maximum rows of one page.
const PAGE_ROWS_MAX: u64 = 200;

/// The last change of every record that has not changed since.
const UNCHANGED: &str = "2024-10-01 12:00:00";

/// Kinds of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum List {
    Users,
    Courses,
    Enrollments,
    /// The enrollments once more, with filters and names of their own.
    CourseEnrollments,
}

impl List {
    /// Returns the list with the same records.
    fn base_list(self) -> Self {
        if self == Self::CourseEnrollments { Self::Enrollments } else { self }
    }
}

/// The state of the lists.
#[derive(Default)]
pub(super) struct State {
    /// Changed and added records by their index.
    changes: BTreeMap<(List, u64), Change>,
    /// Responses that were cut.
    cut: u32,
}

/// The changes of one record.
struct Change {
    at: String,
    times: u64,
}

impl State {
    /// Changes a record, or adds those up to it.
    #[cfg(feature = "fault-injection")]
    pub(super) fn change(&mut self, list: List, index: u64, at: jiff::Timestamp) {
        let change = self.changes.entry((list, index)).or_insert(Change { at: String::new(), times: 0 });
        change.at = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        change.times += 1;
    }

    fn of(&self, list: List) -> impl DoubleEndedIterator<Item = (u64, &Change)> {
        let list = list.base_list();
        self.changes.range((list, 0)..=(list, u64::MAX)).map(|((_, index), change)| (*index, change))
    }
}

/// A query, in which names may repeat.
pub(super) struct Query(pub Vec<(String, String)>);

impl Query {
    fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// The indexes of the records that a query selects.
enum Selected {
    All(u64),
    Some(Vec<u64>),
}

impl Selected {
    fn new(list: List, options: &SandboxOptions, state: &State, query: &Query) -> Self {
        let users = options.rows.div_ceil(8).max(1);
        let there = match list {
            List::Users => users,
            List::Courses => COURSES.len() as u64,
            List::Enrollments | List::CourseEnrollments => users * 2,
        };
        let total = state.of(list).next_back().map_or(there, |(last, _)| there.max(last + 1));
        let from = query.text("updated_from").unwrap_or_default();
        let changed = |(index, change): (u64, &Change)| (change.at.as_str() >= from).then_some(index);
        let selected = match from <= UNCHANGED {
            true => Self::All(total),
            false => Self::Some(state.of(list).filter_map(changed).collect()),
        };
        let filters = ["course_id[]", "user_id[]", "enrollment_status[]"];
        if list != List::CourseEnrollments || !filters.iter().any(|name| query.text(name).is_some()) {
            return selected;
        }
        let fits = |index: &u64| {
            let values = [course_of(*index).to_string(), user_of(*index).to_string(), status_of(*index).to_owned()];
            filters.iter().zip(values).all(|(name, value)| {
                let mut wanted = query.all(name).peekable();
                wanted.peek().is_none() || wanted.any(|wanted| wanted == value)
            })
        };
        Self::Some((0..selected.len()).map(|at| selected.index(at)).filter(fits).collect())
    }

    fn len(&self) -> u64 {
        match self {
            Self::All(total) => *total,
            Self::Some(indexes) => indexes.len() as u64,
        }
    }

    fn index(&self, at: u64) -> u64 {
        match self {
            Self::All(_) => at,
            Self::Some(indexes) => indexes[at as usize],
        }
    }
}

/// Returns one page of a list.
pub(super) fn list(list: List, options: &SandboxOptions, wrong: &Records, query: &Query, state: &mut State) -> Reply {
    let selected = Selected::new(list, options, state, query);
    let asked = query.number("page_size").unwrap_or(PAGE_ROWS_MAX).clamp(1, PAGE_ROWS_MAX);
    let size = wrong.cap.map_or(asked, |cap| asked.min(cap.max(1)));
    let page = query.number("page").unwrap_or(1).max(1);
    let has_cursors = query.text("get_cursor") == Some("1") && wrong.cursors != Cursors::None;
    if wrong.cursors == Cursors::Each && page > 1 && query.text("cursor") != Some(&cursor_of(page)) {
        return reply::error(400, "Invalid cursor");
    }
    let total = selected.len();
    let held = total.saturating_sub(wrong.lost);
    let (from, to) = bounds(wrong, page, size, held);
    let is_empty = wrong.empty_page && page == 2;
    let to = if is_empty { from } else { to };
    let items: Vec<Value> = (from..to).map(|at| item(list, selected.index(at), wrong.numeric_ids, state)).collect();
    let mut data = Map::new();
    if !wrong.no_more_flag {
        let is_endless = wrong.cursors == Cursors::Stuck;
        data.insert("has_more_data".into(), (is_empty || is_endless || to < held).into());
    }
    data.insert("count".into(), items.len().into());
    data.insert("items".into(), items.into());
    if has_cursors {
        let cursor = if wrong.cursors == Cursors::Each { cursor_of(page + 1) } else { cursor_of(0) };
        data.insert("cursor".into(), cursor.into());
    } else {
        data.insert("current_page".into(), page.into());
        data.insert("current_page_size".into(), size.into());
    }
    if !wrong.no_totals {
        // A record is added or removed after the first page.
        let later = page > 1;
        let stated = total + wrong.more_total + u64::from(wrong.grows && later) - u64::from(wrong.shrinks && later);
        data.insert("total_count".into(), stated.into());
        data.insert("total_page_count".into(), stated.div_ceil(size).into());
    }
    let body = json!({ "data": data });
    if state.cut < wrong.cut {
        state.cut += 1;
        return cut(&body);
    }
    reply::json(200, &body)
}

/// Returns the first and the end of a page's records.
fn bounds(wrong: &Records, page: u64, size: u64, held: u64) -> (u64, u64) {
    let number = match page {
        _ if wrong.cursors == Cursors::Stuck => 1,
        // The empty page is the second; the others move back by one.
        3.. if wrong.empty_page => page - 1,
        page => page,
    };
    let mut from = (number - 1).saturating_mul(size);
    let mut rows = size;
    if wrong.short_first {
        let short = size.div_ceil(2);
        (from, rows) = if number == 1 { (0, short) } else { (from - (size - short), size) };
    }
    if number > 1 {
        from -= u64::from(wrong.repeats || wrong.grows).min(from);
        from += u64::from(wrong.shrinks);
        // The repeated record comes on top.
        rows += u64::from(wrong.repeats || wrong.grows);
    }
    let from = from.min(held);
    (from, from.saturating_add(rows).min(held))
}

fn cursor_of(page: u64) -> String {
    format!("c+/{page}=")
}

/// Returns a response that ends half way.
fn cut(body: &Value) -> Reply {
    let body = Bytes::from(body.to_string());
    let half = [Ok(body.slice(..body.len() / 2)), Err(std::io::Error::other("cut"))];
    let mut reply = reply::with(200, "application/json; charset=utf-8", Body::from_stream(stream::iter(half)));
    reply.headers_mut().insert(header::CONTENT_LENGTH, body.len().into());
    reply
}

fn course_of(index: u64) -> u64 {
    300 + index % COURSES.len() as u64
}

fn user_of(index: u64) -> u64 {
    20_000 + index / 2
}

fn status_of(index: u64) -> &'static str {
    if index.is_multiple_of(3) { "completed" } else { "in_progress" }
}

fn item(list: List, index: u64, numeric: bool, state: &State) -> Value {
    let id = |number: u64| if numeric { json!(number) } else { json!(number.to_string()) };
    let change = state.changes.get(&(list.base_list(), index));
    let (changed_at, times) = change.map_or((UNCHANGED, 0), |change| (change.at.as_str(), change.times));
    let (course, title) = COURSES[index as usize % COURSES.len()];
    let completed = if index.is_multiple_of(3) { json!(UNCHANGED) } else { Value::Null };
    match list {
        List::Users => {
            let (firsts, lasts) = PEOPLE[index as usize % PEOPLE.len()];
            json!({
                "user_id": id(20_000 + index), "username": format!("user{:06}", index + 1),
                "first_name": firsts[index as usize % firsts.len()], "last_name": lasts[index as usize % lasts.len()].trim_matches('"'),
                "email": format!("user{:06}@acme.example", index + 1), "level": "user", "status": "1",
                "last_access_date": UNCHANGED, "last_update": changed_at, "expiration_date": null,
                "field_12": format!("Cost centre {}", 100 + times),
            })
        }
        List::Courses => json!({
            "id_course": id(300 + index), "name": title.trim_matches('"').replace("\"\"", "\""), "course_type": "elearning",
            "code": course, "date_last_updated": changed_at,
        }),
        List::Enrollments => json!({
            "id": id(course_of(index)), "user_id": id(user_of(index)), "username": format!("user{:06}", index / 2 + 1),
            "status": status_of(index), "score": 80 + times, "course_complete_date": completed,
            "enroll_begin_date": null, "enroll_end_date": null, "date_last_updated": changed_at,
        }),
        List::CourseEnrollments => json!({
            "course_id": id(course_of(index)), "user_id": id(user_of(index)), "enrollment_status": status_of(index),
            "enrollment_completion_date": completed, "enrollment_score": 80 + times, "enrollment_time_spent": 3600,
            "enrollment_date_last_updated": changed_at,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list to its end, as a client does; returns the ids and the number of pages.
    async fn read(list: List, wrong: &Records, state: &mut State, more: &str) -> (Vec<Value>, u64) {
        let options = SandboxOptions { rows: 3300, ..SandboxOptions::default() };
        let (mut ids, mut page) = (Vec::new(), 1);
        loop {
            let mut query = vec![("page".to_owned(), page.to_string()), ("page_size".to_owned(), "200".to_owned())];
            let pairs = more.split('&').filter_map(|pair| pair.split_once('='));
            query.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            let body = super::list(list, &options, wrong, &Query(query), state).into_body();
            let answer: Value = serde_json::from_slice(&axum::body::to_bytes(body, 1 << 20).await.unwrap()).unwrap();
            let data = &answer["data"];
            let key = match list {
                List::Users => "user_id",
                List::Courses => "id_course",
                List::Enrollments => "id",
                List::CourseEnrollments => "course_id",
            };
            ids.extend(data["items"].as_array().unwrap().iter().map(|item| item[key].clone()));
            if data["has_more_data"] == false {
                return (ids, page);
            }
            page += 1;
        }
    }

    #[tokio::test]
    async fn lists_are_whole_in_spite_of_an_empty_or_a_short_page() {
        let state = &mut State::default();
        let (plain, pages) = read(List::Users, &Records::default(), state, "").await;
        assert_eq!((plain.len(), pages, &plain[0]), (413, 3, &json!("20000")));
        let odd = Records { numeric_ids: true, empty_page: true, ..Records::default() };
        let (numbers, pages) = read(List::Users, &odd, state, "").await;
        assert_eq!((numbers.len(), pages, &numbers[412]), (413, 4, &json!(20412)));
        let short = Records { short_first: true, ..Records::default() };
        assert_eq!(read(List::Users, &short, state, "").await, (plain, 3));
        assert_eq!(read(List::Courses, &Records::default(), state, "").await.0.len(), COURSES.len());
        let some = "course_id[]=300&course_id[]=301&enrollment_status[]=completed";
        let (ids, _) = read(List::CourseEnrollments, &Records::default(), state, some).await;
        assert!(ids.len() > 10 && ids.iter().all(|id| *id == "300"), "{ids:?}");
    }

    #[tokio::test]
    async fn changes_are_found_by_their_time() {
        let state = &mut State::default();
        state.change(List::Users, 7, "2026-11-23T05:30:00Z".parse().unwrap());
        state.change(List::Users, 413, "2026-11-23T05:30:01Z".parse().unwrap());
        let mut since =
            async |from: &str| read(List::Users, &Records::default(), state, &format!("updated_from={from}")).await.0;
        assert_eq!(since("2024-10-01 12:00:00").await.len(), 414);
        assert_eq!(since("2026-11-23 05:30:00").await, [json!("20007"), json!("20413")]);
        assert_eq!(since("2026-11-23 05:30:01").await, [json!("20413")]);
    }
}

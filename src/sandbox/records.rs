//! The list endpoints: users, courses, enrollments, in their envelope.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::SandboxOptions;
use super::misbehave::Records;
use super::reply::{self, Reply};
use super::samples::{COURSES, PEOPLE};

/// Maximum rows of one page.
const PAGE_ROWS_MAX: u64 = 200;

/// Kinds of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Users,
    Courses,
    Enrollments,
}

/// Returns one page of a list.
pub(super) fn list(list: List, options: &SandboxOptions, wrong: &Records, query: &HashMap<String, String>) -> Reply {
    let number = |key: &str| query.get(key).and_then(|text| text.parse::<u64>().ok());
    let size = number("page_size").unwrap_or(PAGE_ROWS_MAX).clamp(1, PAGE_ROWS_MAX);
    let page = number("page").unwrap_or(1).max(1);
    let users = options.rows.div_ceil(8).max(1);
    let total = match list {
        List::Users => users,
        List::Courses => COURSES.len() as u64,
        List::Enrollments => users * 2,
    };
    // The empty page is the second; the others move back by one.
    let empty = wrong.empty_page && page == 2;
    let counted = if wrong.empty_page && page > 2 { page - 1 } else { page };
    let from = (counted - 1).saturating_mul(size).min(total);
    let to = if empty { from } else { from.saturating_add(size).min(total) };
    let items: Vec<Value> = (from..to).map(|index| item(list, index, wrong.numeric_ids)).collect();
    reply::data(json!({
        "count": items.len(), "items": items, "has_more_data": empty || to < total,
        "current_page": page, "current_page_size": size,
        "total_page_count": total.div_ceil(size), "total_count": total,
    }))
}

fn item(list: List, index: u64, numeric: bool) -> Value {
    let id = |number: u64| if numeric { json!(number) } else { json!(number.to_string()) };
    let (course, title) = COURSES[index as usize % COURSES.len()];
    match list {
        List::Users => {
            let (firsts, lasts) = PEOPLE[index as usize % PEOPLE.len()];
            json!({
                "user_id": id(20_000 + index), "username": format!("user{:06}", index + 1),
                "first_name": firsts[index as usize % firsts.len()], "last_name": lasts[index as usize % lasts.len()].trim_matches('"'),
                "email": format!("user{:06}@acme.example", index + 1), "level": "user", "status": "1",
                "last_access_date": "2026-11-20 08:15:00", "last_update": "2026-11-20 08:15:00", "expiration_date": null,
            })
        }
        List::Courses => json!({
            "id_course": id(300 + index), "name": title.trim_matches('"').replace("\"\"", "\""), "course_type": "elearning",
            "code": course, "date_last_updated": "2026-06-01 00:00:00",
        }),
        List::Enrollments => json!({
            "id": id(300 + index % COURSES.len() as u64), "user_id": id(20_000 + index / 2),
            "username": format!("user{:06}", index / 2 + 1),
            "status": if index.is_multiple_of(3) { "completed" } else { "in_progress" }, "score": 80,
            "course_complete_date": if index.is_multiple_of(3) { json!("2026-10-01 12:00:00") } else { Value::Null },
            "enroll_begin_date": null, "enroll_end_date": null, "date_last_updated": "2026-10-01 12:00:00",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list to its end, as a client does; returns the ids and the number of pages.
    async fn read(list: List, wrong: &Records) -> (Vec<Value>, u64) {
        let options = SandboxOptions { rows: 3300, ..SandboxOptions::default() };
        let (mut ids, mut page) = (Vec::new(), 1);
        loop {
            let query =
                HashMap::from([("page".to_owned(), page.to_string()), ("page_size".to_owned(), "200".to_owned())]);
            let body = super::list(list, &options, wrong, &query).into_body();
            let answer: Value = serde_json::from_slice(&axum::body::to_bytes(body, 1 << 20).await.unwrap()).unwrap();
            let data = &answer["data"];
            let key = if list == List::Users { "user_id" } else { "id_course" };
            ids.extend(data["items"].as_array().unwrap().iter().map(|item| item[key].clone()));
            if data["has_more_data"] == false {
                return (ids, page);
            }
            page += 1;
        }
    }

    #[tokio::test]
    async fn lists_are_whole_in_spite_of_an_empty_page() {
        let (plain, pages) = read(List::Users, &Records::default()).await;
        assert_eq!((plain.len(), pages, &plain[0]), (413, 3, &json!("20000")));
        let odd = Records { numeric_ids: true, empty_page: true };
        let (numbers, pages) = read(List::Users, &odd).await;
        assert_eq!((numbers.len(), pages, &numbers[412]), (413, 4, &json!(20412)));
        assert_eq!(read(List::Courses, &Records::default()).await.0.len(), COURSES.len());
    }
}

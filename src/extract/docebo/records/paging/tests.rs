use super::*;
use crate::extract::docebo::page::Row;

const SIZE: usize = 3;

fn page(ids: std::ops::Range<u64>, hints: Hints) -> Page {
    let row = |id: u64| Row(vec![("id".to_owned(), id.to_string())]);
    Page { rows: ids.map(row).collect(), hints, is_refusal: false }
}

fn more(more: bool) -> Hints {
    Hints { more: Some(more), ..Hints::default() }
}

fn total(total: u64) -> Hints {
    Hints { totals: vec![total], ..Hints::default() }
}

/// Follows pages to the end, as many as are there. Returns the requests and the end.
fn follow(pages: Vec<Page>) -> (Vec<u64>, Result<Option<u64>, PagingError>) {
    let mut paging = Paging::new(SIZE);
    let mut requested = Vec::new();
    let mut different = HashSet::new();
    for page in pages {
        requested.push(paging.request.page);
        different.extend(page.digests());
        match paging.advance(&page) {
            Ok(Next::Continue) => {}
            Ok(Next::End) => return (requested, paging.complete(different.len() as u64)),
            Err(error) => return (requested, Err(error)),
        }
    }
    panic!("more pages are requested than there are: {requested:?}");
}

#[test]
fn every_sign_of_more_is_followed() {
    let empty = || page(0..0, Hints::default());
    let cases: Vec<(&str, Vec<Page>, usize, Option<u64>)> = vec![
        ("has_more_data", vec![page(0..3, more(true)), page(3..4, more(false))], 2, None),
        (
            "an empty page between",
            vec![page(0..3, more(true)), page(0..0, more(true)), page(3..4, more(false))],
            3,
            None,
        ),
        ("a short first page", vec![page(0..1, more(true)), page(1..4, more(false))], 2, None),
        (
            "nothing is stated: until a page is empty",
            vec![page(0..3, Hints::default()), page(3..4, Hints::default()), empty()],
            3,
            None,
        ),
        (
            "a total against has_more_data",
            vec![page(0..3, Hints { more: Some(false), ..total(4) }), page(3..4, total(4))],
            2,
            Some(4),
        ),
        ("a total alone", vec![page(0..2, total(4)), page(2..4, total(4))], 2, Some(4)),
        (
            "a page count",
            vec![
                page(0..3, Hints { pages: Some(2), ..Hints::default() }),
                page(3..4, Hints { pages: Some(2), ..Hints::default() }),
            ],
            2,
            None,
        ),
        ("an empty list", vec![empty()], 1, None),
        ("an empty list with its total", vec![page(0..0, total(0))], 1, Some(0)),
        ("a list that grows at its end", vec![page(0..3, total(4)), page(3..6, total(6))], 2, Some(6)),
        ("a list that grows at its start", vec![page(0..3, total(4)), page(2..4, total(5))], 2, Some(4)),
    ];
    for (case, pages, requests, stated) in cases {
        let (requested, end) = follow(pages);
        assert_eq!((requested.len(), end), (requests, Ok(stated)), "{case}");
    }
}

#[test]
fn a_list_that_may_be_incomplete_is_refused_with_its_numbers() {
    let cases: Vec<(&str, Vec<Page>, &str)> = vec![
        (
            "fewer than the total",
            vec![page(0..3, total(5)), page(3..4, total(5)), page(0..0, total(5))],
            "4 different records came, and the platform states 5",
        ),
        (
            "fewer than the pages",
            vec![
                page(0..3, Hints { pages: Some(3), ..Hints::default() }),
                page(0..0, Hints { pages: Some(3), ..Hints::default() }),
            ],
            "states 3 pages, and page 2 is the last",
        ),
        (
            "the same page again",
            vec![page(0..3, more(true)), page(0..3, more(true))],
            "page 2 repeats the records of an earlier page",
        ),
        (
            "another page",
            vec![page(0..3, more(true)), page(3..6, Hints { current: Some(1), ..more(true) })],
            "page 2 was requested, and page 1 came",
        ),
        ("only empty pages", (0..12).map(|_| page(0..0, more(true))).collect(), "11 pages in a row are empty"),
        (
            "repeated records in place of others",
            vec![page(0..3, total(5)), page(1..3, total(5))],
            "3 different records came",
        ),
    ];
    for (case, pages, words) in cases {
        match follow(pages).1 {
            Err(PagingError::Incomplete(why)) => assert!(why.contains(words), "{case}: {why}"),
            other => panic!("{case}: {other:?}"),
        }
    }
    let shrunk = vec![page(0..3, total(5)), page(3..4, total(4)), page(0..0, total(4))];
    assert!(matches!(follow(shrunk).1, Err(PagingError::Changed(why)) if why.contains("5 at first")));
}

#[test]
fn a_cursor_is_sent_back_with_the_number_of_the_next_page() {
    let with =
        |cursor: Option<&str>, more| Hints { cursor: cursor.map(str::to_owned), more: Some(more), ..Hints::default() };
    let mut paging = Paging::new(SIZE);
    let mut requests = Vec::new();
    // One that stays the same names the list; one that is not repeated is still good.
    for (ids, cursor) in [(0..3, Some("a")), (3..6, Some("b")), (6..9, Some("b")), (9..12, None)] {
        assert_eq!(paging.advance(&page(ids, with(cursor, true))), Ok(Next::Continue));
        requests.push((paging.request.page, paging.request.cursor.clone().unwrap()));
    }
    let expected = [(2, "a"), (3, "b"), (4, "b"), (5, "b")].map(|(page, cursor)| (page, cursor.to_owned()));
    assert_eq!(requests, expected);
    // A cursor that leads back to a page is found out.
    assert!(matches!(paging.advance(&page(3..6, with(Some("a"), true))), Err(PagingError::Incomplete(_))));
}

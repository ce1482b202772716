use super::*;
use crate::extract::docebo::page::Row;

/// A platform with rows numbered from 0 and the given behaviour; reads it by following [`Paging`], as `results` does.
#[derive(Clone)]
struct Platform {
    rows: u64,
    /// The maximum number of rows per page, whatever is requested.
    cap: usize,
    tokens: bool,
    /// Offsets are computed from the requested size, although fewer rows are returned.
    gap: bool,
    ignores_page: bool,
    ignores_size: bool,
    clamps: bool,
    overlaps: bool,
    states_total: bool,
    states_more: bool,
    /// Rows at the end that are never returned.
    lost: u64,
    empty_second: bool,
    from_zero: bool,
    /// All rows are identical.
    alike: bool,
}

const ASKED: usize = 10;

fn platform(rows: u64) -> Platform {
    Platform {
        rows,
        cap: usize::MAX,
        tokens: false,
        gap: false,
        ignores_page: false,
        ignores_size: false,
        clamps: false,
        overlaps: false,
        states_total: false,
        states_more: false,
        lost: 0,
        empty_second: false,
        from_zero: false,
        alike: false,
    }
}

impl Platform {
    fn page(&self, at: &PageRef, asked: usize) -> Page {
        let size = if self.ignores_size { self.cap } else { asked.min(self.cap) } as u64;
        let step = if self.gap { asked as u64 } else { size };
        let held = self.rows - self.lost;
        let zero = u64::from(!self.from_zero);
        let (index, is_hole) = match at {
            PageRef::First => (0, false),
            PageRef::Token(token) => {
                (token.trim_start_matches('e').parse::<u64>().unwrap() / step, token.starts_with('e'))
            }
            PageRef::Page(_) if self.ignores_page => (0, false),
            PageRef::Page(page) if self.empty_second && *page == 2 => (1, true),
            PageRef::Page(page) => (page - zero - u64::from(self.empty_second), false),
        };
        let last = held.saturating_sub(1) / step;
        let index = if self.clamps { index.min(last) } else { index };
        let mut from = index * step;
        if self.overlaps && from < held && from + size > held {
            from = held.saturating_sub(size);
        }
        let until = if is_hole { from } else { (from + size).min(held).max(from) };
        let number = |n: u64| if self.alike { "x".to_owned() } else { n.to_string() };
        let rows = (from..until).map(|n| Row(vec![("n".to_owned(), number(n))])).collect();
        let next = if is_hole { from } else { from + step };
        let more = next < held;
        let token = (self.tokens && more)
            .then(|| if self.empty_second && !is_hole && index == 0 { format!("e{next}") } else { next.to_string() });
        let hints = Hints {
            token,
            more: self.states_more.then_some(more),
            totals: if self.states_total { vec![self.rows] } else { Vec::new() },
            current: self.from_zero.then_some(match at {
                PageRef::Page(page) => *page,
                _ => 0,
            }),
            pages: None,
            cursor: None,
            ends: false,
        };
        Page { rows, hints, is_refusal: false }
    }

    /// Returns the number of rows accepted, or the reason for none.
    fn read(&self) -> Result<u64, String> {
        let mut paging = Paging::new(ASKED);
        let mut taken = Vec::new();
        for _ in 0..1_000 {
            let page = self.page(&paging.at, paging.size);
            let mut next = paging.advance(&page).map_err(|error| error.0)?;
            if let Next::Prove(proof) = next {
                let digests = page.digests();
                let half = digests.len().div_ceil(2);
                let first = self.page(&PageRef::First, half);
                next = match (proof, first.hints.token.clone()) {
                    (Proof::ByToken, Some(token)) => {
                        let rest = self.page(&PageRef::Token(token), half);
                        let is_whole =
                            rest.hints.token.is_none() && first.rows.len() + rest.rows.len() == digests.len();
                        if is_whole {
                            paging.proven(digests).map_err(|error| error.0)?;
                            Next::End
                        } else {
                            Next::Restart(half)
                        }
                    }
                    (Proof::ByToken, None) => paging.next_by_number(&page, digests).map_err(|error| error.0)?,
                    (Proof::ByPage, _) => {
                        let (rest, beyond) = (self.page(&PageRef::Page(2), half), self.page(&PageRef::Page(3), half));
                        let is_end = beyond.rows.is_empty() || beyond.digests() == rest.digests();
                        let is_whole = is_end
                            && first.digests() != rest.digests()
                            && first.rows.len() + rest.rows.len() == digests.len();
                        if !is_whole {
                            return Err("the same page twice".to_owned());
                        }
                        paging.proven(digests).map_err(|error| error.0)?;
                        Next::EndBefore
                    }
                };
            }
            let cells = page.rows.into_iter().map(|row| row.0[0].1.clone());
            match next {
                Next::Continue => taken.extend(cells),
                Next::End => {
                    taken.extend(cells);
                    return Ok(self.whole(&taken));
                }
                Next::EndBefore => return Ok(self.whole(&taken)),
                Next::Restart(size) => paging = paging.restart(size),
                Next::Prove(_) => return Err("asked to prove twice".to_owned()),
            }
        }
        Err("it does not end".to_owned())
    }

    fn whole(&self, taken: &[String]) -> u64 {
        if !self.alike {
            let expected: Vec<String> = (0..taken.len()).map(|n| n.to_string()).collect();
            assert_eq!(taken, expected, "rows are missing or doubled");
        }
        taken.len() as u64
    }
}

/// Whatever the platform does, the result is all of its rows, or a reason for none.
#[test]
fn every_behaviour_gives_all_rows_or_none() {
    let (mut whole, mut refused) = (0, 0);
    for rows in [1, 2, 5, 9, 10, 11, 20, 29, 30, 31] {
        for cap in [3, 4, 10, usize::MAX] {
            for bits in 0..1 << 9 {
                let bit = |at: u32| bits >> at & 1 == 1;
                let platform = Platform {
                    rows,
                    cap,
                    tokens: bit(0),
                    gap: bit(1),
                    ignores_page: bit(2),
                    clamps: bit(3),
                    overlaps: bit(4),
                    states_total: bit(5),
                    states_more: bit(6),
                    empty_second: bit(7),
                    lost: u64::from(bit(8) && rows > 1),
                    ..platform(0)
                };
                let is_known = platform.states_total;
                let about = format!("{rows} rows, cap {cap}, bits {bits:09b}");
                match platform.read() {
                    Ok(taken) if platform.lost == 0 => {
                        assert_eq!(taken, rows, "{about}");
                        whole += 1;
                    }
                    // Rows missing without any hint cannot be detected.
                    Ok(taken) => assert!(!is_known && taken == rows - platform.lost, "{about}: {taken}"),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(whole > 5_000 && refused > 1_000, "{whole} whole, {refused} refused");
}

#[test]
fn usual_platforms_are_read_whole() {
    for rows in [1, 2, 9, 10, 11, 30] {
        for (about, platform) in [
            ("tokens", Platform { tokens: true, ..platform(rows) }),
            ("pages", platform(rows)),
            ("capped tokens", Platform { tokens: true, cap: 3, ..platform(rows) }),
            ("capped pages", Platform { cap: 3, ..platform(rows) }),
            ("capped pages, offsets by requested size", Platform { cap: 3, gap: true, ..platform(rows) }),
            ("states if there are more", Platform { states_more: true, ..platform(rows) }),
            ("states the total", Platform { states_total: true, ..platform(rows) }),
            ("an empty page between, by token", Platform { tokens: true, empty_second: true, ..platform(rows) }),
            ("counts from 0, and states it", Platform { from_zero: true, ..platform(rows) }),
        ] {
            assert_eq!(platform.read(), Ok(rows), "{about}, {rows} rows");
        }
    }
    let between = Platform { empty_second: true, states_total: true, ..platform(30) };
    assert_eq!(between.read(), Ok(30));
    let alike = Platform { alike: true, tokens: true, ..platform(25) };
    assert_eq!(alike.read(), Ok(25), "identical rows are not an overlap if there are tokens");
    // It returns its last page for all later numbers: the end if that page is short, otherwise halves show it.
    assert_eq!(Platform { clamps: true, ..platform(25) }.read(), Ok(25));
    assert_eq!(Platform { clamps: true, ..platform(7) }.read(), Ok(7));
}

#[test]
fn possibly_incomplete_rows_are_refused_with_the_reason() {
    for (platform, why) in [
        (Platform { ignores_page: true, ..platform(30) }, "the same page twice"),
        (Platform { ignores_page: true, ignores_size: true, cap: 5, ..platform(5) }, "the same page twice"),
        (Platform { ignores_page: true, states_total: true, ..platform(30) }, "same page"),
        (Platform { clamps: true, ..platform(30) }, "which was full"),
        (Platform { overlaps: true, ..platform(25) }, "starts with the last 5 rows"),
        (Platform { overlaps: true, tokens: true, ..platform(25) }, "starts with the last 5 rows"),
        (Platform { lost: 5, states_total: true, ..platform(30) }, "states 30 rows, and 25 were received"),
        (
            Platform { lost: 5, states_total: true, tokens: true, ..platform(30) },
            "states 30 rows, and 25 were received",
        ),
        (Platform { alike: true, ..platform(25) }, "same page"),
    ] {
        let error = platform.read().unwrap_err();
        assert!(error.contains(why), "{why}: {error}");
    }
    let page = |hints: Hints, rows: u64| {
        let rows = (0..rows).map(|n| Row(vec![("n".to_owned(), n.to_string())])).collect();
        Page { rows, hints, is_refusal: false }
    };
    let token = |token: &str| Hints { token: Some(token.to_owned()), ..Hints::default() };
    let mut paging = Paging::new(2);
    assert_eq!(paging.advance(&page(token("a"), 2)), Ok(Next::Continue));
    let more = Hints { more: Some(true), ..Hints::default() };
    assert!(paging.advance(&page(more, 1)).unwrap_err().0.contains("without a nextToken"));
    let mut paging = Paging::new(2);
    assert_eq!(paging.advance(&page(token("a"), 0)), Ok(Next::Continue));
    assert!(paging.advance(&page(token("a"), 0)).unwrap_err().0.contains("nextToken was received twice"));
    let mut paging = Paging::new(2);
    let error = (0..20).map(|n| paging.advance(&page(token(&n.to_string()), 0))).find_map(Result::err);
    assert!(error.unwrap().0.contains("pages without rows"));
    let mut paging = Paging::new(2);
    assert_eq!(paging.advance(&page(Hints { more: Some(true), ..Hints::default() }, 2)), Ok(Next::Continue));
    let other = Hints { current: Some(1), ..Hints::default() };
    assert!(paging.advance(&page(other, 1)).unwrap_err().0.contains("page 2 was requested and page 1 received"));
    let mut paging = Paging::new(2);
    let stated = Hints { pages: Some(3), more: Some(false), ..Hints::default() };
    assert!(paging.advance(&page(stated, 2)).unwrap_err().0.contains("3 pages, and 1 with rows were received"));
}

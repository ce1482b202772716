//! The number of rows against what is usual.

use super::*;

fn earlier(rows: &[(&str, u64)]) -> Baseline {
    let run =
        |(day, rows): &(&str, u64)| EarlierRows { run: "r".into(), slot: format!("{day}T05:30:00-05:00"), rows: *rows };
    Baseline { rows: rows.iter().map(run).collect(), ..Baseline::default() }
}

fn change(keys: &str, rows: u64, baseline: &[(&str, u64)]) -> Option<String> {
    let csv = format!("a\n{}", "1\n".repeat(rows as usize));
    let checked = checked_within(keys, &csv, earlier(baseline), 1 << 20, |ended| ended);
    checked.findings.first().map(|finding| finding.message.clone())
}

#[test]
fn rows_are_compared_with_what_is_usual_on_that_weekday() {
    let mondays = [("2026-11-22", 5), ("2026-11-16", 100), ("2026-11-14", 5), ("2026-11-09", 100), ("2026-11-02", 100)];
    let keys = "{rows: {change: 30%}}";
    for (rows, expected) in [
        (130, None),
        (70, None),
        (
            69,
            Some(
                "there are 69 rows, 31% fewer than usual: 100 in the last 3 runs on a Monday; a difference of 30 is allowed",
            ),
        ),
        (131, Some("31% more")),
    ] {
        let found = change(keys, rows, &mondays);
        assert!(
            found.as_deref().is_none_or(|found| expected.is_some_and(|part| found.contains(part)))
                && found.is_some() == expected.is_some(),
            "{rows}: {found:?}"
        );
    }
    // Until there is one: the same kind of day, with half as much again; weekends are of another kind.
    let others = [("2026-11-20", 100), ("2026-11-19", 100), ("2026-11-15", 5)];
    assert_eq!((change(keys, 55, &others), change(keys, 200, &others)), (None, None));
    assert!(change(keys, 54, &others).unwrap().contains(
        "100 in the last 2 runs from Monday to Friday, as there is none on this weekday; a difference of 45 is allowed"
    ));
    assert!(change(keys, 201, &others).unwrap().contains("a difference of 100 is allowed"));
    assert_eq!(change(keys, 1, &[("2026-11-21", 900), ("2026-11-22", 900)]), None);
    assert_eq!(change(keys, 1, &[]), None);
    // The last runs of any day.
    let any = "{rows: {change: {by: 30%, over: 2, same_weekday: false}}}";
    assert!(
        change(any, 1500, &[("2026-11-21", 1000), ("2026-11-20", 1000), ("2026-11-16", 1500)])
            .unwrap()
            .contains("the last 2 runs;")
    );
    assert!(change(any, 150, &[("2026-11-21", 100)]).unwrap().contains("in the last run;"));
}

#[test]
fn chance_in_small_numbers_is_no_difference() {
    let keys = "{rows: {change: {by: 10%, over: 5}}}";
    let numbers = |rows: [u64; 5]| -> Vec<(&str, u64)> {
        ["2026-11-16", "2026-11-09", "2026-11-02", "2026-10-26", "2026-10-19"].into_iter().zip(rows).collect()
    };
    // Fewer: 3.7 × √(100 × 1.2) = 40.5 is more than 10 % of 100 and than 3 × 2 ÷ 2.33.
    assert_eq!(change(keys, 60, &numbers([100, 99, 101, 100, 100])), None);
    assert!(change(keys, 59, &numbers([100, 99, 101, 100, 100])).is_some());
    // More: 3.7 × √(149 × 1.2) = 49.5.
    assert_eq!(change(keys, 149, &numbers([100, 99, 101, 100, 100])), None);
    assert!(change(keys, 150, &numbers([100, 99, 101, 100, 100])).is_some());
    // The same number each time leaves nothing to chance.
    assert!(change(keys, 18, &numbers([16; 5])).is_some());
    assert_eq!(change(keys, 17, &numbers([16; 5])), None);
    // 3 × 120 ÷ 2.33 = 154 is more than 3.7 × √(1150 × 1.2) = 137.4 and 10 %, but not more than 15 % is allowed by it.
    assert_eq!(change(keys, 1150, &numbers([1000, 940, 1060, 1000, 1000])), None);
    assert!(change(keys, 1151, &numbers([1000, 940, 1060, 1000, 1000])).is_some());
    // 3 × 110 ÷ 2.33 = 141.6.
    assert_eq!(change(keys, 1141, &numbers([1000, 945, 1055, 1000, 1000])), None);
    assert!(change(keys, 1142, &numbers([1000, 945, 1055, 1000, 1000])).is_some());
}

use std::path::Path;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::pipeline;
use crate::pipeline::plan::{CsvInput, Plan};
use crate::progress::Meter;
use crate::schedule::slot::Slot;
use crate::settings::{Limits, Settings};
use crate::transform::{Input, Transform};

/// A Monday.
const SLOT: &str = "2026-11-23T10:30:00Z";

fn plan(keys: &str) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let settings = write("reportferry.yaml", "destinations: {out: {local: {path: out}}}\n".into());
    let settings = Settings::load_with(Some(&settings), &[], std::iter::empty()).unwrap().0;
    let path = write(
        "p.yaml",
        format!(
            "source: {{file: {{path: in.csv}}}}\nartifact: {{name: a.csv}}\ndeliver: {{out: {{}}}}\nexpect: {keys}\n"
        ),
    );
    pipeline::load(&settings, &path).map(|(plan, _)| plan).unwrap_or_else(|problems| panic!("{keys}: {problems:#?}"))
}

/// Checks a CSV, with memory for a sort; returns what the ledger keeps.
fn checked_within(
    keys: &str,
    csv: &str,
    baseline: Baseline,
    memory: usize,
    ended: impl FnOnce(Ended) -> Ended,
) -> Checked {
    let plan = plan(keys);
    let folder = tempfile::tempdir().unwrap();
    let slot = Slot::new("p", SLOT.parse().unwrap(), TimeZone::get("America/New_York").unwrap());
    let meter = Meter::default();
    let open = || {
        let read = Box::new(std::io::Cursor::new(csv.as_bytes().to_vec()));
        let (csv, stop) = (CsvInput::default(), CancellationToken::new());
        let (limits, step_inputs) = (Limits::default(), Default::default());
        let input = Input { read, csv, limits, folder: folder.path(), meter: &meter, stop, step_inputs };
        Transform::open(input, &[], &Default::default()).unwrap()
    };
    let transform = open();
    let opening = Opening {
        expect: &plan.expect,
        baseline,
        slot: &slot,
        header: transform.header(),
        columns: transform.columns(),
        folder: folder.path(),
        memory,
    };
    let (mut checker, mut records) = Checker::open(opening).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let balance = transform.run_observed(
        |record| records.record(record),
        |row| {
            checker.row(row).unwrap();
            Ok(())
        },
    );
    let ended = ended(Ended {
        extracted: balance.unwrap().balance.extracted,
        stated_rows: None,
        bytes: 0,
        scope: None,
        steps: Vec::new(),
        dropped: None,
    });
    let mut draft = checker.finish(records, ended).unwrap();
    if draft.wants_rows() {
        open()
            .run(|row| {
                draft.row(row);
                Ok(())
            })
            .unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    draft.finish()
}

fn checked(keys: &str, csv: &str) -> Checked {
    checked_within(keys, csv, Baseline::default(), 1 << 20, |ended| ended)
}

/// Returns the findings as `key: message`, with the numbers of the rows shown.
fn found(checked: &Checked) -> Vec<String> {
    let shown = checked.findings.iter().map(|finding| {
        let rows: Vec<String> = match &finding.difference {
            Some(Difference::Offending(rows)) => rows.rows.iter().map(|row| row.number.to_string()).collect(),
            _ => return format!("{}: {}", finding.expectation, finding.message),
        };
        format!("{}: {} [{}]", finding.expectation, finding.message, rows.join(" "))
    });
    shown.collect()
}

fn verdict(keys: &str, rows: u64) -> String {
    let csv = format!("a\n{}", "1\n".repeat(rows as usize));
    match checked(keys, &csv).verdict() {
        Verdict::Pass => "pass".into(),
        Verdict::Hold(reason) => format!("hold: {reason}"),
        Verdict::Skip(reason) => format!("skip: {reason}"),
        Verdict::Fail(reason) => format!("fail: {reason}"),
    }
}

#[test]
fn rows_are_judged_at_their_limits() {
    let unset = "hold: there are no rows, and `expect.when_empty` is `hold`";
    let skipped = "skip: there are no rows, and `when_empty` is `skip`";
    for (rows, keys, expected) in [
        (0, "{}", unset),
        (0, "{rows: {min: 1}}", unset),
        (0, "{when_empty: skip}", skipped),
        (0, "{when_empty: skip, rows: {min: 1}}", skipped),
        (0, "{when_empty: send}", "pass"),
        (0, "{when_empty: send, rows: {min: 1}}", "hold: there are no rows, at least 1 expected"),
        (1, "{rows: {min: 1}}", "pass"),
        (1, "{when_empty: skip, rows: {min: 2}}", "hold: there is 1 row, at least 2 expected"),
        (9, "{rows: {min: 10, max: 20}}", "hold: there are 9 rows, at least 10 expected"),
        (10, "{rows: {min: 10, max: 20}}", "pass"),
        (20, "{rows: {min: 10, max: 20}}", "pass"),
        (1021, "{rows: {max: 1020}}", "hold: there are 1,021 rows, at most 1,020 expected"),
        (1, "{rows: {min: 2}, severity: {rows: warn}}", "pass"),
        (1, "{rows: {min: 2}, severity: {rows: fail}}", "fail: there is 1 row, at least 2 expected"),
    ] {
        assert_eq!(verdict(keys, rows), expected, "{rows} rows, {keys}");
    }
}

#[test]
fn each_cell_is_judged_at_its_edge() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("{types: {a: integer}}", &["0", "-5", "+7", "9223372036854775807", ""], &["1.0", "x", "1e3", " "]),
        ("{types: {a: decimal}}", &["0", "-5.25", ".5", "12345678901234567890.5", ""], &["1e3", "1,5", "inf", "-"]),
        ("{types: {a: date}}", &["2026-02-28", ""], &["2026-02-29", "2026-02-28 00:00:00", "02/28/2026"]),
        ("{types: {a: boolean}}", &["true", "F", "1", ""], &["2", "truth", " "]),
        ("{types: {a: text}}", &["x", "", " "], &[]),
        ("{types: {a: datetime}}", &["2026-02-28 10:00:00", "2026-02-28T10:00Z", ""], &["2026-02-28", "10:00"]),
        ("{types: {a: {date: \"%m/%d/%Y\"}}}", &["02/28/2026", ""], &["02/29/2026", "2026-02-28", "02/28/26"]),
        ("{values: {a: [Yes, In Progress, no, 007]}}", &["Yes", "In Progress", "no", "007", ""], &["yes", "7", "Yes "]),
        (
            "{range: {a: {min: 0, max: 100}}}",
            &["0", "100", "100.0", "1e2", ""],
            &["-1", "101", "-0.1", "100.1", "1e3", "x"],
        ),
        ("{range: {a: {min: 0.5}}}", &["0.5", "1", "0.50", "99999999999999999999"], &["0.49", "0", "-1"]),
        ("{range: {a: {min: 9223372036854775808}}}", &["9223372036854775808"], &["9223372036854775807", "1"]),
        ("{range: {a: {max: -0.5}}}", &["-0.5", "-1", "-99999999999999999999"], &["-0.4", "0", "1"]),
        ("{match: {a: '^[0-9]{8}$'}}", &["00000001", ""], &["1", "000000001", "0000000a"]),
        ("{match: {a: 'b'}}", &["abc", "b"], &["ac"]),
        ("{match: {a: '^.{2}$'}}", &["éö", "ab"], &["é", "abc"]),
        ("{not_null: [a]}", &["x", " ", "0"], &[""]),
    ];
    for (keys, good, bad) in cases {
        let csv =
            |cells: &[&str]| format!("n,a\n{}", cells.iter().map(|cell| format!("1,\"{cell}\"\n")).collect::<String>());
        assert_eq!(found(&checked(keys, &csv(good))), Vec::<String>::new(), "{keys}");
        for cell in *bad {
            let found = found(&checked(keys, &csv(&[cell])));
            assert!(found.len() == 1 && found[0].contains(": 1 of 1 row has "), "{keys}: {cell:?}: {found:?}");
        }
        // Without rows there is nothing to judge.
        assert_eq!(
            found(&checked(&format!("{}, when_empty: send}}", &keys[..keys.len() - 1]), "n,a\n")),
            Vec::<String>::new()
        );
    }
}

#[test]
fn findings_count_their_rows_and_show_the_first_and_the_last() {
    let mut csv = "id,course\n".to_owned();
    for row in 1..=1_204 {
        csv.push_str(&if row % 100 == 0 { format!(",C{row}\n") } else { format!("{row},C{row}\n") });
    }
    let checked = checked("{not_null: id, types: {id: integer}, match: {course: '^C1?[0-9]{1,3}$'}}", &csv);
    assert_eq!(found(&checked), ["not_null: 12 of 1,204 rows have no id [100 200 300 400 500 800 900 1000 1100 1200]"]);
    let Some(Difference::Offending(rows)) = &checked.findings[0].difference else { panic!("{checked:?}") };
    assert_eq!((rows.total, rows.columns.as_slice()), (12, ["id".to_owned(), "course".to_owned()].as_slice()));
    assert_eq!(rows.rows[0].cells, ["", "C100"]);
    assert_eq!(
        checked.facts,
        Facts { header: vec!["id".into(), "course".into()], rows: 1_204, scope: None, delta: None }
    );
}

#[test]
fn the_most_severe_come_first_and_decide() {
    let keys = "{not_null: a, types: {b: integer}, values: {b: [1]}, severity: {types: fail, not_null: warn}}";
    let checked = checked(keys, "a,b\n,x\n");
    let order: Vec<&str> = checked.findings.iter().map(|finding| finding.expectation.as_str()).collect();
    assert_eq!(order, ["types", "values", "not_null"]);
    assert_eq!(checked.verdict(), Verdict::Fail("1 of 1 row has a value of b that is not a whole number".into()));
}

#[test]
fn keys_agree_with_a_naive_oracle_in_memory_and_on_disk() {
    for (seed, rows, memory) in [(1, 50, 1 << 20), (2, 300, 1 << 20), (3, 40_000, 1 << 20), (4, 5_000, 2 << 10)] {
        let mut random = fastrand::Rng::with_seed(seed);
        let range = rows as u64 * if seed == 1 { 3 } else { 40 };
        let mut csv = "a,b,ref\n".to_owned();
        let mut table = Vec::new();
        for _ in 0..rows {
            let (a, b) = (random.u64(..range), random.u64(..3));
            let reference = random.u64(..range * 2);
            let cells = [
                a.to_string(),
                "x".repeat(b as usize),
                if reference < range { reference.to_string() } else { String::new() },
            ];
            csv.push_str(&format!("{}\n", cells.join(",")));
            table.push(cells);
        }
        let mut count = std::collections::HashMap::new();
        for [a, b, _] in &table {
            *count.entry((a, b)).or_insert(0) += 1;
        }
        let known: std::collections::HashSet<&String> = table.iter().map(|[a, ..]| a).collect();
        let numbers = |is_wrong: &dyn Fn(&[String; 3]) -> bool| -> Vec<u64> {
            (1..).zip(&table).filter(|(_, cells)| is_wrong(cells)).map(|(number, _)| number).collect()
        };
        let twice = numbers(&|[a, b, _]| count[&(a, b)] > 1);
        let dangling = numbers(&|[.., reference]| !reference.is_empty() && !known.contains(reference));
        let checked =
            checked_within("{unique: [a, b], references: {ref: a}}", &csv, Baseline::default(), memory, |ended| ended);
        let keys = ["unique", "references"];
        assert!(!twice.is_empty() && !dangling.is_empty(), "the data has both");
        assert_eq!(checked.findings.len(), 2, "{seed}");
        for (finding, (key, expected)) in checked.findings.iter().zip(keys.into_iter().zip([twice, dangling])) {
            let Some(Difference::Offending(rows)) = &finding.difference else { panic!("{finding:?}") };
            let shown: Vec<u64> = rows.rows.iter().map(|row| row.number).collect();
            let expected_shown = match expected.len() {
                0..=10 => expected.clone(),
                all => [&expected[..5], &expected[all - 5..]].concat(),
            };
            assert_eq!(
                (finding.expectation.as_str(), rows.total, shown),
                (key, expected.len() as u64, expected_shown),
                "{seed}"
            );
            assert!(rows.rows.iter().all(|row| row.cells == table[row.number as usize - 1]), "{seed}: {rows:?}");
        }
    }
}

#[test]
fn values_next_to_each_other_are_not_confused() {
    assert!(found(&checked("{unique: [a, b]}", "a,b\nab,c\na,bc\n,abc\nabc,\n")).is_empty());
    let twice = found(&checked("{unique: [[a], [b]]}", "a,b\n1,2\n1,3\n2,2\n"));
    assert_eq!(
        twice,
        [
            "unique: 2 of 3 rows have the same a as another row [1 2]",
            "unique: 2 of 3 rows have the same b as another row [1 3]"
        ]
    );
    // Two empty keys are the same key; an empty reference refers to nothing.
    assert_eq!(found(&checked("{unique: a}", "a,b\n,1\n,2\n")).len(), 1);
    assert!(found(&checked("{references: {b: a}}", "a,b\n1,1\n2,\n,2\n")).is_empty());
    assert_eq!(
        found(&checked("{references: {b: a}}", "a,b\n1,3\n2,2\n")),
        ["references: 1 of 2 rows has a value of b that does not occur in a [1]"]
    );
    assert_eq!(
        found(&checked("{references: {b: a}}", "a,b\n,3\n,3\n")),
        ["references: 2 of 2 rows have a value of b that does not occur in a [1 2]"]
    );
}

#[test]
fn the_newest_value_is_compared_with_the_slot() {
    let csv = |cell: &str| format!("id,at\n1,2020-01-01\n2,{cell}\n3,\n");
    for (keys, cell, expected) in [
        ("max_age: 12h", "2026-11-22 22:30:00", None),
        (
            "max_age: 12h",
            "2026-11-22 22:29:59",
            Some("the newest at is 2026-11-22 22:29:59 UTC, 12h 1s before the slot; at most 12h expected"),
        ),
        ("max_age: 12h", "2026-12-31 00:00:00", None),
        ("max_age: 12h", "2026-11-22T17:30:00-05:00", None),
        ("max_age: 12h, timezone: America/New_York", "2026-11-22 17:30:00", None),
        ("max_age: 12h, timezone: America/New_York", "2026-11-22 17:29:00", Some("12h 1m before the slot")),
        ("max_age: 12h, timezone: America/New_York", "2026-11-22T22:30:00Z", None),
        // A date stands for the whole day.
        ("max_age: 11h", "2026-11-22", None),
        ("max_age: 10h", "2026-11-22", Some("10h 30m before the slot; at most 10h expected")),
        ("max_age: 6h, format: '%m/%d/%Y %H:%M'", "11/23/2026 04:30", None),
        (
            "max_age: 6h, format: '%m/%d/%Y %H:%M'",
            "2026-11-23",
            Some("none of the 2 values of at is a date that can be read"),
        ),
    ] {
        for column in ["source_column", "column"] {
            let found = found(&checked(&format!("{{fresh: {{{column}: at, {keys}}}}}"), &csv(cell)));
            match expected {
                None => assert!(found.is_empty(), "{keys} {cell}: {found:?}"),
                Some(part) => assert!(found.len() == 1 && found[0].contains(part), "{keys} {cell}: {found:?}"),
            }
        }
    }
    let fresh = "{fresh: {column: at, max_age: 1h}, when_empty: send}";
    assert!(found(&checked(fresh, "id,at\n")).is_empty());
    assert_eq!(
        found(&checked(fresh, "id,at\n1,\n")),
        ["fresh: no row has a at, so its age is unknown; at most 1h expected"]
    );
}

#[test]
fn the_source_the_size_and_the_account_are_compared() {
    let scope = |users, permission: &str| AccountScope {
        username: "svc".into(),
        level: "power_user".into(),
        assigned: [("users".to_owned(), users)].into(),
        permissions: vec![permission.into()],
    };
    let found_with = |keys: &str, baseline: Option<AccountScope>, ended: &dyn Fn(Ended) -> Ended| {
        let baseline = Baseline { scope: baseline, ..Baseline::default() };
        let checked = checked_within(keys, "a\n1\n2\n", baseline, 1 << 20, ended);
        let severity = checked.findings.first().map(|finding| finding.severity);
        (found(&checked).join("|"), severity)
    };
    let stated = |rows| move |ended| Ended { stated_rows: Some(rows), ..ended };
    assert_eq!(found_with("{}", None, &stated(2)), (String::new(), None));
    assert_eq!(found_with("{}", None, &stated(3)).0, "complete: the source states 3 rows, and 2 were read");
    assert_eq!(found_with("{complete: false}", None, &stated(3)).1, None);
    let bytes = |bytes| move |ended| Ended { bytes, ..ended };
    assert_eq!(found_with("{size: {max: 1KiB}}", None, &bytes(1024)).1, None);
    assert_eq!(
        found_with("{size: {max: 1KiB}}", None, &bytes(1025)).0,
        "size.max: the artifact has 1,025 bytes, at most 1,024 expected"
    );
    let with = |scope: Option<AccountScope>| move |ended| Ended { scope: scope.clone(), ..ended };
    let changed =
        "scope: the account's assignments changed: users: 1,200, now 80; permission added: b; permission removed: a";
    let accepted = Some(scope(1_200, "a"));
    assert_eq!(found_with("{}", accepted.clone(), &with(accepted.clone())).1, None);
    assert_eq!(found_with("{}", accepted.clone(), &with(Some(scope(80, "b")))), (changed.into(), Some(Severity::Warn)));
    assert_eq!(found_with("{}", accepted.clone(), &with(None)).1, None);
    assert_eq!(found_with("{}", None, &with(Some(scope(80, "b")))).1, None);
}

#[test]
fn a_missing_column_is_a_problem_with_a_suggestion() {
    let plan = plan("{not_null: [emploee_id], fresh: {source_column: Done, max_age: 1h}}");
    let slot = Slot::new("p", SLOT.parse().unwrap(), TimeZone::UTC);
    let columns = ["employee_id".to_owned(), "done".to_owned()];
    let opening = Opening {
        expect: &plan.expect,
        baseline: Baseline::default(),
        slot: &slot,
        header: &columns,
        columns: &columns,
        folder: Path::new("/"),
        memory: 1 << 20,
    };
    let problems = Checker::open(opening).map(|_| ()).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        told.len() == 2
            && told[0]
                .contains("expect.not_null[0]: there is no column \"emploee_id\" here (did you mean \"employee_id\"?"),
        "{told:?}"
    );
    assert!(told[1].contains("did you mean \"done\"?"), "{told:?}");
}

/// The change of the number of rows.
mod rows;
/// A year of reports without a fault.
mod year;

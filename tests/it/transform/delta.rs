//! `delta` against DuckDB: a full outer join by the key, with `is distinct from`, over several deliveries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use reportferry::pipeline::plan::{ChangeWords, Delta, FirstDelivery, RemovedRows};
use reportferry::transform::{DeltaInputs, DeltaRows, EarlierBaseline, Passed, Row, StepInputs, TransformError};

use super::*;

type Rows = Vec<Vec<String>>;

const NAMES: [&str; 5] = ["k", "a", "l", "b", "c"];

const JOIN: &str = r#"
import duckdb, json, sys
cases = json.load(sys.stdin)
out = [[] for _ in cases]
db = duckdb.connect()
groups = {}
for i, case in enumerate(cases):
    groups.setdefault((tuple(case["by"]), tuple(case["compare"]), case["keep"]), []).append(i)

def fill(name, rows):
    db.execute(f"create or replace table {name} (i integer, k varchar, a varchar, l varchar, b varchar, c varchar)")
    if rows:
        db.execute(f"insert into {name} select unnest(?::integer[])" + ", unnest(?::varchar[])" * 5, [list(c) for c in zip(*rows)])

for (key, compare, keep), members in groups.items():
  fill("old", [])
  for delivery in range(len(cases[0]["deliveries"])):
    fill("new", [[i] + [cell or None for cell in row] for i in members for row in cases[i]["deliveries"][delivery]])
    on = " and ".join(f"o.{c} = n.{c}" for c in ("i",) + key)
    differs = " or ".join(["false"] + [f"o.{c} is distinct from n.{c}" for c in compare])
    gone = "false" if keep else "n.k is null"
    cells = ", ".join(f"case when n.k is null then {'o.' + c if c in key else 'null'} else n.{c} end as {c}" for c in "kalbc")
    order = ", ".join(f"encode(coalesce(n.{c}, o.{c}))" for c in key)
    changes = {i: [] for i in members}
    for i, *row in db.execute(f"""
        select coalesce(n.i, o.i), {cells},
            case when o.k is null then 'added' when n.k is null then 'removed' else 'changed' end
        from old o full outer join new n on {on} where o.k is null or {gone} or (n.k is not null and ({differs}))
        order by coalesce(n.i, o.i), {order}
    """).fetchall():
        changes[i].append([cell or "" for cell in row])
    for i in members:
        out[i].append(changes[i])
    # The destination still has what nothing was sent of.
    if keep:
        db.execute(f"insert into new select o.* from old o anti join new n on {on}")
    db.execute("create or replace table old as select * from new")
json.dump(out, sys.stdout)
"#;

fn column(name: &str) -> Column {
    Column { name: name.to_owned(), at: place() }
}

fn delta(by: &[&str], compare: Option<&[&str]>) -> [TransformStep; 1] {
    delta_with(by, compare, RemovedRows::Send("removed".to_owned()))
}

fn delta_with(by: &[&str], compare: Option<&[&str]>, removed: RemovedRows) -> [TransformStep; 1] {
    let columns = |names: &[&str]| names.iter().map(|name| column(name)).collect::<Vec<_>>();
    let [added, changed] = ["added", "changed"].map(str::to_owned);
    [step(StepKind::Delta(Delta {
        by: columns(by),
        compare: compare.map(columns),
        op: column("change_type"),
        words: ChangeWords { added, changed, removed },
        initial: FirstDelivery::All,
    }))]
}

fn csv(names: &[&str], rows: &Rows) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(names).unwrap();
    rows.iter().for_each(|row| writer.write_record(row).unwrap());
    writer.into_inner().unwrap()
}

/// Compares rows with a baseline, and writes the next one.
fn compare(
    steps: &[TransformStep],
    (names, rows): (&[&str], &Rows),
    earlier: EarlierBaseline,
    next: &Path,
    memory: usize,
) -> Result<(Rows, Passed), TransformError> {
    let meter = Meter::default();
    let [run, slot] = ["1ce9631402faa34b", "2026-11-23T05:30:00-05:00"].map(str::to_owned);
    let delta = DeltaInputs { run, slot, earlier, next: Some(next.to_owned()) };
    let input = input(Cursor::new(csv(names, rows)), &meter);
    let limits = Limits { memory, ..input.limits };
    let input = Input { limits, step_inputs: StepInputs { delta: Some(delta), ..StepInputs::default() }, ..input };
    let mut out = Vec::new();
    let keep = |row: &Row<'_>| {
        out.push(row.cells().map(|cell| String::from_utf8(cell.bytes.to_vec()).unwrap()).collect());
        Ok(())
    };
    let passed = Transform::open(input, steps, &BTreeMap::new())?.run_observed(|_| (), keep)?;
    Ok((out, passed))
}

fn baseline(path: &Path) -> EarlierBaseline {
    EarlierBaseline::File(Arc::new(File::open(path).unwrap()))
}

/// Rows with different keys in any order. Few values, so that many keys and cells are the same in the next table.
fn table(random: &mut fastrand::Rng, by: &[usize]) -> Rows {
    const VALUES: [&str; 8] = ["a", "aa", "a\u{1}", "Ä", "z,\"", "\u{1}a", "b\n", "01"];
    let mut keys = BTreeSet::new();
    let mut rows = Vec::new();
    for _ in 0..random.usize(..40) {
        let mut row: Vec<String> = (0..NAMES.len())
            .map(|_| if random.bool() { VALUES[random.usize(..VALUES.len())].to_owned() } else { String::new() })
            .collect();
        for &key in by {
            row[key] = VALUES[random.usize(..VALUES.len())].to_owned() + &random.u8(..9).to_string();
        }
        if keys.insert(by.iter().map(|key| row[*key].clone()).collect::<Vec<_>>()) {
            rows.push(row);
        }
    }
    rows
}

/// The number of deliveries of each case: the rows that `keep` keeps may be gone in several of them, and come back.
const DELIVERIES: usize = 4;

#[test]
fn changes_are_those_of_a_full_outer_join() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let mut random = fastrand::Rng::with_seed(11);
    let (mut cases, mut results) = (Vec::new(), Vec::new());
    let (mut kept_rows, mut back) = (0, 0);
    for number in 0..600 {
        let by: &[&str] = if number % 3 == 0 { &["k"] } else { &["l", "k"] };
        let positions: Vec<usize> = by.iter().map(|name| NAMES.iter().position(|n| n == name).unwrap()).collect();
        let others: Vec<&str> = NAMES.iter().copied().filter(|name| !by.contains(name)).collect();
        let compared: Option<&[&str]> = [Some(&["c", "a"][..]), None, Some(&[]), None][number % 4];
        let memory = if number / 4 % 2 == 0 { 300 } else { 1 << 20 };
        let keep = number / 8 % 2 == 0;
        let removed = if keep { RemovedRows::Keep } else { RemovedRows::Send("removed".to_owned()) };
        let steps = delta_with(by, compared, removed);
        let deliveries: [Rows; DELIVERIES] = std::array::from_fn(|_| table(&mut random, &positions));
        let (mut earlier, mut before) = (EarlierBaseline::None, 0);
        let mut all = Vec::new();
        for new in &deliveries {
            let (changes, passed) = compare(&steps, (&NAMES, new), earlier, &second, memory).unwrap();
            let Passed { balance, findings, delta, .. } = passed;
            assert!(findings.is_empty());
            let result = delta.unwrap();
            let DeltaRows { added, changed, removed, unchanged, kept } = result.rows;
            let counted = |word: &str| changes.iter().filter(|row| row[5] == word).count() as u64;
            assert_eq!((added, changed, removed), (counted("added"), counted("changed"), counted("removed")));
            let rows = new.len() as u64;
            assert_eq!((added + changed + unchanged, before), (rows, removed + kept + changed + unchanged));
            assert_eq!(if keep { removed } else { kept }, 0);
            assert_eq!((balance.extracted, balance.written), (rows, changes.len() as u64));
            let written = result.baseline.unwrap();
            before = rows + kept;
            assert_eq!((written.keys, written.sha256), (before, reportferry::digest::of_file(&second).unwrap()));
            kept_rows += kept;
            back += u64::from(kept > 0 && unchanged + changed > 0);
            std::fs::rename(&second, &first).unwrap();
            earlier = baseline(&first);
            all.push(changes);
        }
        let compare = compared.unwrap_or(&others);
        cases.push(json!({"deliveries": deliveries, "by": by, "compare": compare, "keep": keep}));
        results.push(all);
    }
    assert!(kept_rows > 1_000 && back > 100, "{kept_rows}, {back}");
    let expected: Vec<Vec<Rows>> = serde_json::from_value(ask_python(JOIN, &Value::Array(cases.clone()))).unwrap();
    for ((case, expected), ours) in cases.iter().zip(expected).zip(results) {
        assert_eq!(ours, expected, "{case}");
    }
}

#[test]
fn a_row_that_is_gone_is_kept_as_it_was_whatever_is_sent_of_it_later() {
    let folder = tempfile::tempdir().unwrap();
    let [mut from, mut to] = ["first", "second"].map(|name| folder.path().join(name));
    let keep = |compare| delta_with(&["id"], compare, RemovedRows::Keep);
    let names = ["id", "course", "status"];
    let mut earlier = EarlierBaseline::None;
    let mut next = |steps: &[TransformStep], cells: &[[&str; 3]]| {
        let (out, passed) = compare(steps, (&names, &rows(cells)), earlier.clone(), &to, 1 << 20).unwrap();
        std::mem::swap(&mut from, &mut to);
        earlier = baseline(&from);
        let DeltaRows { kept, unchanged, .. } = passed.delta.unwrap().rows;
        (out.iter().map(|row| row.join(",")).collect::<Vec<_>>().join(";"), kept, unchanged)
    };
    let told = |text: &str, kept, unchanged| (text.to_owned(), kept, unchanged);
    assert_eq!(next(&keep(None), &[["1", "C", "x"], ["2", "C", "x"]]), told("1,C,x,added;2,C,x,added", 0, 0));
    assert_eq!(next(&keep(None), &[["2", "C", "x"]]), told("", 1, 1));
    assert_eq!(next(&keep(None), &[["2", "C", "x"]]), told("", 1, 1));
    assert_eq!(next(&keep(None), &[["1", "C", "x"]]), told("", 1, 1));
    assert_eq!(next(&keep(None), &[["1", "C", "x"], ["2", "C", "y"]]), told("2,C,y,changed", 0, 1));
    // What was kept is known to the destination: a pipeline that sends removed rows from now on sends it.
    assert_eq!(next(&keep(None), &[["1", "C", "x"]]), told("", 1, 1));
    assert_eq!(next(&delta(&["id"], None), &[["1", "C", "x"]]), told("2,,,removed", 0, 1));
}

fn rows(rows: &[[&str; 3]]) -> Rows {
    rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect()
}

#[test]
fn keys_are_unique_and_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |cells: &[[&str; 3]]| {
        let steps = delta(&["id", "course"], None);
        let table = (&["id", "course", "status"][..], &rows(cells));
        compare(&steps, table, EarlierBaseline::None, &folder.path().join("next"), 1 << 20).err().unwrap().to_string()
    };
    let twice = refused(&[["2", "C", "x"], ["1", "C", "x"], ["2", "C", "y"]]);
    assert_eq!(
        twice,
        "record 3 (line 4) has the same key as record 1 (line 2): id \"2\", course \"C\" (step); `delta` needs unique \
         keys: add `dedupe` before it, or columns to `by`"
    );
    let empty = refused(&[["1", "C", "x"], ["2", "", "x"]]);
    assert_eq!(
        empty,
        "record 2 (line 3), column \"course\": \"\" is empty, and `delta` needs a value in each column of `by` (step)"
    );
}

#[test]
fn what_cannot_be_compared_with_is_found_and_every_row_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let old = rows(&[["1", "C", "x"], ["2", "C", "x"]]);
    let names = ["id", "course", "status"];
    let by = ["id", "course"];
    compare(&delta(&by, None), (&names, &old), EarlierBaseline::None, &first, 1 << 20).unwrap();
    let found = |steps: &[TransformStep], names: [&str; 3], earlier: EarlierBaseline| {
        let (out, passed) = compare(steps, (&names, &old), earlier, &second, 1 << 20).unwrap();
        let added = out.iter().filter(|row| row[3] == "added").count();
        let found: Vec<String> = passed.findings.into_iter().map(|finding| finding.message).collect();
        (added, found.join("; "))
    };
    let told = "; all 2 rows are passed on as added, as if no file had been delivered before";
    let before = "the baseline, of run 1ce9631402faa34b (slot 2026-11-23T05:30:00-05:00), has other ";
    for (steps, names, difference) in [
        (delta(&["course", "id"], None), names, "key columns: the same in another order"),
        (delta(&["id"], None), names, "key columns: removed \"course\""),
        (delta(&by, None), ["id", "course", "state"], "compared columns: added \"state\"; removed \"status\""),
    ] {
        assert_eq!(found(&steps, names, baseline(&first)), (2, format!("{before}{difference}{told}")));
    }
    // The order of the columns means nothing.
    assert_eq!(found(&delta(&by, Some(&["status"])), names, baseline(&first)), (0, String::new()));
    assert_eq!(found(&delta(&by, None), names, EarlierBaseline::Lost("gone".into())), (2, format!("gone{told}")));
    let other = folder.path().join("other");
    std::fs::write(&other, "{\"format\":2}\n").unwrap();
    let told = format!("the baseline cannot be used: another version of reportferry wrote it{told}");
    assert_eq!(found(&delta(&by, None), names, baseline(&other)), (2, told));
}

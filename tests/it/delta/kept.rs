//! `removed: keep`: the destination keeps what is gone from the report, over SFTP.

use super::*;

const KEEP: &str = "source: {file: {path: in.csv}}
transform:
  - delta: {by: [id, course], compare: [status], removed: keep}
expect: {when_empty: skip}
artifact: {name: \"d_{slot:%d}.csv\"}
deliver: {hris: {path: inbound}}
";

/// Added, changed, removed, unchanged and kept rows.
fn all_counts(document: &Value) -> ([u64; 4], u64) {
    (counts(document), document["delta"]["kept"].as_u64().unwrap())
}

#[test]
fn a_row_that_is_gone_is_not_sent_and_is_not_new_when_it_is_back() {
    let days = Days::new(KEEP);
    let first = days.run(1, FIRST, 0);
    assert_eq!(all_counts(&first), ([3, 0, 0, 0], 0));

    // Gone, while another row is new: the baseline moves, and keeps it.
    let gone = days.run(2, "1,B,open,x\n1,C,open,x\n3,C,open,x\n", 0);
    assert_eq!((days.arrived(2), all_counts(&gone)), (vec!["3,C,open,x,added".to_owned()], ([1, 0, 0, 2], 1)));
    assert_eq!(gone["delta"]["baseline"]["keys"], 4);
    let steps = gone["rows"]["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &steps[0]["dropped"]), (1, &2.into()), "{gone:#}");
    let shown = days.rig.reportferry(&["show", id(&gone)]);
    let text = String::from_utf8(shown.stdout).unwrap();
    let line =
        format!("  delta     1 added, 0 changed, 0 removed, 2 unchanged, 1 kept; since run {}, slot", id(&first));
    assert!(text.contains(&line), "{text}");

    // A file with nothing in it but what is gone sends nothing, and forgets nothing.
    let skipped = days.run(3, "1,B,open,x\n", 0);
    assert_eq!((skipped["state"].as_str(), all_counts(&skipped)), (Some("skipped"), ([0, 0, 0, 1], 3)));

    let back = days.run(4, &format!("{FIRST}3,C,open,x\n"), 0);
    assert_eq!((back["state"].as_str(), all_counts(&back)), (Some("skipped"), ([0, 0, 0, 4], 0)));

    // Gone once more, and back with another value.
    days.run(5, "4,C,open,x\n", 0);
    let changed = days.run(6, "2,C,done,x\n4,C,open,x\n", 0);
    assert_eq!((days.arrived(6), all_counts(&changed)), (vec!["2,C,done,x,changed".to_owned()], ([0, 1, 0, 1], 3)));
    days.command(&["replay", id(&gone), "--as", "again.csv"], 0);
    assert_eq!(days.rig.read("again.csv"), days.rig.read("d_02.csv"));
    assert_eq!(all_counts(&days.run(7, "2,C,done,x\n", 0)), ([0, 0, 0, 1], 4));

    let explained = days.rig.reportferry(&["explain", "line"]);
    let text = String::from_utf8(explained.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("A row that is not there any more is not sent") && !text.contains("removed"), "{text}");

    // The destination still has them: a pipeline that sends removed rows from now on sends these too.
    days.pipeline(&KEEP.replace(", removed: keep", ""));
    assert_eq!(all_counts(&days.run(8, "2,C,done,x\n", 0)), ([0, 0, 4, 1], 0));
}

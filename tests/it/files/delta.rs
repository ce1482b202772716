//! `delta` in a pipeline file: its plan, its mistakes, and what it asks of the pipeline around it.

use reportferry::pipeline::plan::{FirstDelivery, RemovedRows};

use super::{Folder, PIPELINE, SETTINGS};

const STEP: &str = "  - delta: {by: [id, course]}\n";

/// The pipeline with steps at the end of its transform, and one destination.
fn pipeline(steps: &str) -> String {
    let text = PIPELINE.replace("expect:\n", &format!("{steps}expect:\n"));
    text.replace("  bi:\n", "")
}

fn told(text: &str) -> String {
    let folder = Folder::new(SETTINGS, text);
    match folder.load() {
        Ok((_, problems)) | Err(problems) => folder.told(&problems),
    }
}

#[test]
fn a_delta_is_read_to_its_last_default() {
    let folder = Folder::new(SETTINGS, &pipeline(STEP));
    let (plan, problems) = folder.load().unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
    assert!(problems.is_empty(), "{}", folder.told(&problems));
    let delta = plan.delta().unwrap();
    assert_eq!((delta.by.len(), delta.compare.is_none(), delta.op.name.as_str()), (2, true, "change_type"));
    assert_eq!((&delta.words.removed, delta.initial), (&RemovedRows::Send("removed".to_owned()), FirstDelivery::All));
    // The word for removed rows is free where none is sent, and `compare` may name nothing.
    let kept = pipeline("  - delta: {by: id, compare: [], removed: keep, words: {added: removed}}\n");
    let (plan, problems) = Folder::new(SETTINGS, &kept).load().unwrap_or_else(|_| panic!("{}", told(&kept)));
    let delta = plan.delta().unwrap();
    assert!(problems.is_empty() && delta.compare.as_ref().is_some_and(Vec::is_empty));
    assert_eq!(delta.words.removed, RemovedRows::Keep);
    assert_eq!(told(&pipeline("  - delta: {by: id, removed: send, words: {removed: gone}}\n")), "");
    assert_eq!(Folder::new(SETTINGS, &pipeline("")).load().unwrap().0.delta().map(|_| ()), None);
    let after = pipeline(&format!("{STEP}  - set: {{op: upper(change_type)}}\n  - drop: change_type\n"));
    assert_eq!(told(&after), "");
}

#[test]
fn mistakes_in_a_delta_are_shown_where_they_are() {
    for (step, what) in [
        ("{compare: [done]}", "`by` is missing"),
        ("{by: []}", "no column is named here: `by` identifies a row"),
        ("{by: [id], compare: [id]}", "the column \"id\" is one of `by`"),
        ("{by: [id, id]}", "the column \"id\" is named twice"),
        ("{by: [ids]}", "there is no column \"ids\" here"),
        ("{by: [id], compare: [state]}", "there is no column \"state\" here"),
        ("{by: [id], op: done}", "there is a column \"done\" already"),
        ("{by: [id], words: {added: X, removed: X}}", "the word for removed rows is \"X\""),
        ("{by: [id], words: {added: \"\"}}", "the word for added rows is \"\""),
        ("{by: [id], initial: send}", "`all` or `hold`"),
        ("{by: [id], removed: hold}", "`send` or `keep`"),
        (
            "{by: [id], removed: keep, words: {removed: gone}}",
            "`words.removed` and `removed: keep` are mutually exclusive: no removed row is sent",
        ),
    ] {
        let told = told(&pipeline(&format!("  - delta: {step}\n")));
        assert!(told.contains(what) && told.contains("transform[4].delta"), "{step}: {told}");
    }
}

#[test]
fn what_would_keep_changes_from_the_destination_is_refused() {
    for (after, what) in [
        ("filter: id <> '1'", "`filter` after `delta` would keep changes from the destination"),
        ("sort: id", "`sort` after `delta` would keep changes from the destination"),
        ("limit: 1", "`limit` after `delta` would keep changes from the destination"),
        (
            "{set: {id: cast(id as integer)}, on_error: drop_row}",
            "`set` after `delta` would keep changes from the destination",
        ),
        ("delta: {by: id, op: again}", "a pipeline has one `delta`"),
    ] {
        let told = told(&pipeline(&format!("{STEP}  - {after}\n")));
        assert!(told.contains(what), "{told}");
    }
    let two = told(&PIPELINE.replace("expect:\n", &format!("{STEP}expect:\n")));
    assert!(
        two.contains("a pipeline with `delta` has one destination") && two.contains("copy the pipeline file"),
        "{two}"
    );
    let test = "tests:\n  - {name: a, rows: [{Employee Number: x}], expect: {row_count: 1}, baseline: ";
    let baseline = |rows: &str| told(&format!("{}{test}{rows}}}\n", pipeline(STEP)));
    assert_eq!(baseline("[{Employee Number: x}]"), "");
    assert!(baseline("[]").contains("the rows of the source have no columns here"));
    assert!(baseline("{file: no.csv}").contains("warning: there is no file pipelines/no.csv"));
    let one_name = told(&pipeline(STEP).replace("completions_{slot:%Y%m%d}.csv", "completions.csv"));
    assert!(one_name.contains("warning: at `hris` a file with only the changes replaces the one before"), "{one_name}");
    let records = "    records: users\n    updated_since: last_delivered\n";
    let source = "    report: 619bf79c-970a-4a8e-be8a-dde48a05c652\n    via: download\n";
    let changes_only = told(&pipeline(STEP).replace(source, records));
    assert!(changes_only.contains("`delta` needs all rows"), "{changes_only}");
}

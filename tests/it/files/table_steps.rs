//! Steps on whole tables: their mistakes, their warnings, and the examples of the docs.

use super::{Folder, PIPELINE, SETTINGS};

/// A pipeline with these steps at the end of its transform.
fn pipeline(steps: &str) -> Folder {
    Folder::new(SETTINGS, &PIPELINE.replace("expect:\n", &format!("{steps}expect:\n")))
}

fn told(steps: &str) -> String {
    let folder = pipeline(steps);
    let problems = folder.load().map_or_else(|problems| problems, |(_, warnings)| warnings);
    folder.told(&problems)
}

#[test]
fn mistakes_in_table_steps_are_told_where_they_stand() {
    let mut all = String::new();
    for step in [
        "sort: []",
        "sort: [dne]",
        "sort: [done, {column: done, order: desc}]",
        "sort: [{colum: done}]",
        "sort: {column: done, order: down}",
        "sort: [{column: done, nulls: frist}]",
        "sort: [{column: done, as: timestamp}]",
        "sort: [{column: done, as: number}]",
        "sort: [{column: done, as: \"%m/%d/%Y\"}]",
        "sort: [{column: done, as: \"%m/%d/%Y %H:%M\"}]",
        "sort: [{column: done, as: {date: \"%m/%d/%Y %H:%M\"}}]",
        "sort: [{column: done, as: {datetime: \"%m/%d/%Y\"}}]",
        "sort: [{column: done, as: {date: \"%m/%d\"}}]",
        "sort: [{column: done, as: {}}]",
        "sort: [{column: done, as: {date: \"%d.%m.%Y\", datetime: \"%d.%m.%Y %H:%M\"}}]",
        "dedupe: [id]",
        "dedupe: {by: [], keep: first}",
        "dedupe: {by: [id, id], keep: first}",
        "dedupe: {by: [id, curse], keep: newest}",
        "dedupe: {by: id, keep: last, order: [don]}",
        "dedupe: {by: id}",
        "limit: 0",
        "limit: many",
        "unpivot: {columns: [], name: n, value: v}",
        "unpivot: {columns: [course, corse], name: course, value: done}",
        "unpivot: {columns: [course], name: n, value: n}",
        "unpivot: {columns: [course], name: n, value: v, nulls: skip}",
        "unpivot: {columns: [course], name: n, value: v}\n  - sort: course",
        "sort: {by: [id, done]}",
        "sort: {by: done, order: desc}",
        "sort: {by: [{column: done, order: desc}]}",
        "set: {course: null}",
        "set: {course: }",
        "set: {course: ''}",
    ] {
        let told = told(&format!("  - {step}\n"));
        assert!(!told.is_empty(), "{step}");
        all.push_str(&format!("{step}\n{told}"));
    }
    insta::assert_snapshot!(all);
    assert!(told("  - sort:\n").contains("no column to sort by is named here"));
}

#[test]
fn a_sort_by_formatted_times_is_warned_of() {
    let made = |format: &str, steps: &str| {
        told(&format!("  - set: {{made: \"format_time(done, '{format}', 'UTC')\"}}\n{steps}"))
    };
    for (format, steps, warned) in [
        ("%m/%d/%Y", "  - sort: made\n", true),
        ("%m/%d/%Y", "  - sort: [id, {column: made, order: desc}]\n", true),
        ("%d.%m.%Y %H:%M", "  - dedupe: {by: id, keep: last, order: made}\n", true),
        ("%m/%d/%Y", "  - rename: {on: made}\n  - filter: on > ''\n  - sort: on\n", true),
        ("%m/%d/%Y", "  - set: {copy: made}\n  - select: [copy]\n  - sort: copy\n", true),
        ("%m/%d/%Y", "  - sort: [{column: made, as: {date: \"%m/%d/%Y\"}}]\n", false),
        ("%m/%d/%Y", "  - sort: [id]\n", false),
        ("%m/%d/%Y", "  - set: {made: upper(made)}\n  - sort: made\n", false),
        ("%m/%d/%Y", "  - dedupe: {by: made, keep: last}\n", false),
        ("%Y-%m-%d", "  - sort: made\n", false),
        ("%Y%m%d%H%M%S", "  - sort: made\n", false),
    ] {
        let told = made(format, steps);
        assert_eq!(told.contains("is not in the order of time"), warned, "{format}\n{steps}{told}");
        assert_eq!(told.is_empty(), !warned, "{told}");
    }
    let told = made("%m/%d/%Y", "  - sort: made\n");
    assert!(told.contains("write `{column: made, as: {date: \"%m/%d/%Y\"}}`, or sort before"), "{told}");
}

#[test]
fn the_examples_of_the_docs_are_steps() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/steps.md")).unwrap();
    for name in ["sort", "dedupe", "limit", "unpivot"] {
        let (_, section) = page.split_once(&format!("\n## `{name}`\n")).unwrap();
        let (_, example) = section.split_once("```yaml\n").unwrap();
        let (example, _) = example.split_once("```").unwrap();
        let transform =
            "transform:\n  - rename: {id: Employee Number, course: Course Code, done: Completion Date, email: Email}\n";
        let (before, rest) = PIPELINE.split_once(transform).unwrap();
        let (_, after) = rest.split_once("expect:\n").unwrap();
        let steps: String = example.lines().map(|line| format!("  {line}\n")).collect();
        let folder = Folder::new(SETTINGS, &format!("{before}transform:\n{steps}expect:\n{after}"));
        let (plan, problems) = folder.load().unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
        assert!(problems.is_empty(), "{}", folder.told(&problems));
        assert_eq!(plan.steps[0].kind.declaration().kind, name);
    }
}

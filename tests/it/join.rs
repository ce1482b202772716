//! Joins and aggregates by the real binary: files beside the pipeline file, and runs that they hold.

use serde_json::json;

use crate::stage::rig::{Rig, both, document};

const ROWS: &str = "employee_id,course,status\n1,A,Completed\n2,A,In Progress\n3,B,Completed\n1,B,In Progress\n";

/// A pipeline with these steps, whose folder has `users.csv`.
fn rig(steps: &str) -> Rig {
    let rig = Rig::new(&format!(
        "schedule: {{cron: \"30 5 * * mon-fri\", timezone: America/New_York}}\nsource: {{file: {{path: in.csv}}}}\n\
         transform:\n{steps}artifact: {{name: a.csv}}\ndeliver: {{local: {{path: inbound}}}}\n"
    ));
    std::fs::write(rig.folder.path().join("in.csv"), ROWS).unwrap();
    std::fs::write(rig.folder.path().join("pipelines/users.csv"), "Number,Branch\n1,Berlin\n2,Oslo\n").unwrap();
    rig
}

const JOIN: &str =
    "  - join:\n      with: {file: users.csv}\n      match: {employee_id: Number}\n      columns: {branch: Branch}\n";

#[test]
fn rows_are_joined_with_a_file_and_aggregated() {
    let aggregate = "  - aggregate:\n      by: [branch]\n      columns:\n        n: count(*)\n        done: count(*) filter (where \
                     status = 'Completed')\n";
    let rig = rig(&format!("{JOIN}{aggregate}"));
    let output = rig.run();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    assert_eq!(String::from_utf8(rig.read("a.csv")).unwrap(), "branch,n,done\nBerlin,2,1\nOslo,1,0\n,1,1\n");
    let run = document(&output)["run"].as_str().unwrap().to_owned();
    let show = document(&rig.reportferry(&["show", &run, "--json"])).to_string();
    let balance = json!([
        {"step": 1, "kind": "join", "dropped": 0}, {"step": 1, "kind": "join", "added": 0},
        {"step": 2, "kind": "aggregate", "merged": 1}, {"step": 2, "kind": "aggregate", "added": 0}
    ]);
    assert!(show.contains(&balance.to_string()), "{show}");
}

#[test]
fn rows_without_a_match_hold_the_run() {
    let rig = rig(&format!("{JOIN}      unmatched: hold\n"));
    let output = rig.run();
    assert_eq!(output.status.code(), Some(4), "{}", both(&output));
    let text = document(&output).to_string();
    assert!(text.contains("1 row has no match in \\\"users.csv\\\""), "{text}");
    assert!(rig.arrived().is_empty());
}

/// The rows of operators have their cells next to each other, without the commas that those of a CSV have between them.
#[test]
fn rows_that_operators_made_are_written_with_a_comma_between_all_cells() {
    for (steps, expected) in [
        (
            JOIN,
            "employee_id,course,status,branch\n1,A,Completed,Berlin\n2,A,In Progress,Oslo\n3,B,Completed,\n1,B,In \
             Progress,Berlin\n",
        ),
        (
            "  - number: {column: line}\n",
            "employee_id,course,status,line\n1,A,Completed,1\n2,A,In Progress,2\n3,B,Completed,3\n1,B,In Progress,4\n",
        ),
        (
            "  - fill: {column: status, with: previous}\n  - select: [status, employee_id, course]\n",
            "status,employee_id,course\nCompleted,1,A\nIn Progress,2,A\nCompleted,3,B\nIn Progress,1,B\n",
        ),
    ] {
        let rig = rig(steps);
        let output = rig.run();
        assert_eq!(output.status.code(), Some(0), "{}", both(&output));
        assert_eq!(String::from_utf8(rig.read("a.csv")).unwrap(), expected, "{steps}");
    }
}

//! Slots out of order, and two runs of one pipeline at once.

use super::*;

#[test]
fn a_slot_older_than_the_delivered_one_fails_and_says_why() {
    let days = Days::new(PIPELINE);
    days.run(3, FIRST, 0);
    let baseline = days.baseline();
    let late = days.run(2, SECOND, 3);
    assert!(reason(&late).starts_with("a later slot was delivered: local has received run"), "{late}");
    let again = days.command(&["retry", id(&late)], 3);
    assert!(reason(&again).starts_with("a later slot was delivered"), "{again}");
    assert_eq!((days.rig.arrived(), days.baseline()), (vec!["d_03.csv".to_owned()], baseline));
}

#[test]
fn a_held_run_that_a_later_slot_overtook_is_void_once_it_is_released() {
    let days = Days::new(&PIPELINE.replace("{when_empty: skip}", "{when_empty: skip, rows: {max: 3}}"));
    days.run(1, FIRST, 0);
    let held = days.run(2, "7,C,open,x\n8,C,open,x\n9,C,open,x\n", 4);
    assert_eq!(counts(&held), [3, 0, 3, 0]);
    days.run(3, SECOND, 0);
    let released = days.command(&["release", id(&held)], 3);
    assert!(reason(&released).starts_with("a later slot was delivered"), "{released}");
    assert_eq!(days.rig.arrived(), ["d_01.csv", "d_03.csv"]);
    assert_eq!(days.run(4, SECOND, 0)["state"], "skipped");
}

#[test]
fn changes_to_what_the_destination_no_longer_has_are_computed_anew_by_a_retry() {
    let days = Days::new(PIPELINE);
    days.run(1, FIRST, 0);
    days.rows(SECOND);
    assert!(days.run_with(3, "ledger.attempt=kill_before", "5s").status.code().is_none());
    // An earlier slot comes between.
    days.run(2, "2,C,done,x\n", 0);
    let void = days.again(3, 3);
    assert!(reason(&void).contains("since the changes were computed") && reason(&void).contains("retry"), "{void}");
    assert_eq!(days.rig.arrived(), ["d_01.csv", "d_02.csv"]);
    days.rows(SECOND);
    let delivered = days.command(&["retry", id(&void)], 0);
    assert_eq!(counts(&delivered), [3, 0, 1, 0]);
    assert_eq!(days.run(4, SECOND, 0)["state"], "skipped");
}

#[test]
fn a_run_waits_for_the_end_of_one_that_may_have_been_published() {
    for fault in ["ledger.intent=kill_after", "ledger.verdict=kill_before"] {
        let days = Days::new(PIPELINE);
        days.run(1, FIRST, 0);
        days.rows(SECOND);
        assert!(days.run_with(2, fault, "5s").status.code().is_none(), "{fault}");
        days.rows("1,B,open,y\n");
        let waiting = ended(&days.run_with(3, "", "0s"), 6);
        let told = waiting["deliveries"][0]["reason"].as_str().unwrap();
        assert!(told.contains("was interrupted") && told.contains("cancel"), "{told}");
        let second = days.again(2, 0);
        assert_eq!(
            (second["state"].as_str(), days.arrived(2)),
            (Some("delivered"), CHANGES.map(str::to_owned).to_vec())
        );
        let void = days.again(3, 3);
        assert!(reason(&void).contains("since the changes were computed"), "{fault}: {void}");
        let delivered = days.command(&["retry", id(&void)], 0);
        assert_eq!(counts(&delivered), [0, 0, 2, 1], "{fault}");
    }
}

#[test]
fn an_attempt_that_begins_after_the_baseline_moved_publishes_nothing() {
    let days = Days::new(PIPELINE);
    days.run(1, FIRST, 0);
    days.rows(SECOND);
    // Two processes at once, of which each checks before it begins.
    let runs: Vec<_> = [2, 3, 4, 5]
        .map(|day| {
            let slot = format!("2026-11-{day:02}T05:30:00Z");
            let mut command = days.rig.command(&["run", "line", "--slot", &slot, "--json", "--wait", "20s"]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .into_iter()
        .map(|run| run.wait_with_output().unwrap())
        .collect();
    let delivered: Vec<Value> = runs.iter().map(document).filter(|run| run["state"] == "delivered").collect();
    assert_eq!(delivered.len(), 1, "{delivered:?}");
    assert_eq!(counts(&delivered[0]), [1, 1, 1, 1]);
    assert!(
        runs.iter()
            .map(document)
            .all(|run| ["delivered", "skipped", "failed"].contains(&run["state"].as_str().unwrap()))
    );
    assert_eq!(days.rig.arrived().len(), 2);
    assert_eq!(days.run(6, SECOND, 0)["state"], "skipped");
}

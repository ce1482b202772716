//! Acknowledgement files with an answer for each row: with a header, counts and a trailer, as payment platforms write them.

use super::*;

const ACK_ROWS: &str = r#"
    ack_rows:
      csv: {delimiter: ";", columns: [kind, line, status, message], skip: 1}
      lines: "kind = 'BODY'"
      match: {ours: line, theirs: line}
      accepted: "status = 'OK'"
      reason: message"#;

/// A pipeline whose rows are numbered, for one kind of destination.
fn numbered(destination: &str, artifact: &str, more: &str) -> Rig {
    let pipeline = PIPELINE
        .replace(
            "[employee_id, course, done, email]\n",
            "[employee_id, course, done, email]\n  - number: {column: line}\n",
        )
        .replace("artifact: {", &format!("artifact: {{{artifact}"))
        .replace(
            "hris: {path: inbound, existing: fail, done_file: \"{name}.done\"}",
            &format!("{destination}:\n    path: inbound\n    existing: fail{ACK_ROWS}{more}"),
        );
    let rig = Rig::new(&pipeline);
    let pickup = "{ack_file: {name: \"{name}.ack\", deadline: 4h, every: 1h}}";
    match destination {
        "hris" => says(&rig, pickup),
        _ => edit(&rig, "  local:\n", &format!("  local:\n    pickup: {pickup}\n")),
    }
    rig
}

/// Writes the file of the reader, which refuses some rows and has no line for those from `end` on.
fn acknowledge(rig: &Rig, name: &str, rows: std::ops::Range<u64>, refused: &[u64]) {
    let mut text = format!("HEADER;{name};1.0\nCOUNTS;{};{}\n", rows.end - rows.start, refused.len());
    // Not in the order of the file.
    for row in rows.clone().rev() {
        let answer = if refused.contains(&row) { "NOK;the \"user\" is unknown" } else { "OK;" };
        text += &format!("BODY;{row};{answer}\n");
    }
    text += "FOOTER;1\n";
    std::fs::write(inbound(rig, &format!("{name}.ack")), text).unwrap();
}

fn shown(looks: &Looks, run: &str) -> Value {
    document(&looks.rig.reportferry(&["show", run, "--json"]))
}

fn counts(shown: &Value) -> [u64; 4] {
    ["sent", "accepted", "refused", "unanswered"]
        .map(|name| shown["deliveries"][0]["rows"][name].as_u64().unwrap_or_else(|| panic!("{shown:#}")))
}

fn rows(rig: &Rig, run: &str) -> u64 {
    document(&rig.reportferry(&["show", run, "--json"]))["rows"]["written"].as_u64().unwrap()
}

#[test]
fn refused_rows_of_an_acknowledgement_fail_the_run_and_are_kept() {
    // Rows that cannot be read back from the file are kept beside it.
    for (destination, artifact) in [("hris", ""), ("local", "compress: gzip, ")] {
        let rig = numbered(destination, artifact, "\n");
        let run = delivered(&rig);
        let count = rows(&rig, &run);
        let shown_before = document(&rig.reportferry(&["show", &run, "--json"]));
        let name = shown_before["artifact"]["name"].as_str().unwrap().to_owned();
        let mut looks = Looks::new(rig);
        looks.after(HOUR);
        assert_eq!(looks.state(&run), "pending");
        // The reader is writing: some rows have no line yet.
        acknowledge(&looks.rig, &name, 1..count - 1, &[2]);
        looks.after(HOUR);
        assert_eq!((looks.state(&run).as_str(), shown(&looks, &run)["state"].as_str()), ("pending", Some("delivered")));
        acknowledge(&looks.rig, &name, 1..count + 1, &[2, count]);
        looks.after(HOUR);
        let after = shown(&looks, &run);
        assert_eq!(counts(&after), [count, count - 2, 2, 0]);
        assert_eq!((looks.state(&run).as_str(), after["state"].as_str()), ("picked_up", Some("failed")), "{after:#}");
        let delivery = &after["deliveries"][0];
        assert_eq!(delivery["state"], "partial");
        assert!(!delivery["receipt"].is_null(), "the file was delivered");
        assert!(after["next"].as_str().unwrap().contains(&format!("dismiss {run}")), "{after:#}");
        let file = looks.rig.folder.path().join("data").join(delivery["rows"]["files"][0].as_str().unwrap());
        let kept = std::fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = kept.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, "row,employee_id,course,done,email,line,reason"));
        assert!(lines[1].starts_with("2,") && lines[1].ends_with(",\"the \"\"user\"\" is unknown\""), "{kept}");

        // The file is not sent again, nor a part of it.
        let arrived = looks.rig.arrived();
        let again = looks.rig.reportferry(&["retry", &run, "--refused"]);
        assert_eq!(again.status.code(), Some(2), "{}", both(&again));
        assert!(both(&again).contains("cannot be sent again alone"), "{}", both(&again));
        let again = looks.rig.reportferry(&["retry", &run]);
        assert_eq!(again.status.code(), Some(3), "{}", both(&again));
        assert_eq!(looks.rig.arrived(), arrived);
        let attention = looks.rig.reportferry(&["status", "--attention"]);
        assert_eq!(attention.status.code(), Some(8), "{}", both(&attention));
        assert!(both(&attention).contains(&run), "{}", both(&attention));
        let dismissed = looks.rig.reportferry(&["dismiss", &run, "--because", "sent by hand"]);
        assert!(dismissed.status.success(), "{}", both(&dismissed));
    }
}

#[test]
fn rows_without_a_line_are_unanswered_once_the_deadline_has_passed() {
    let rig = numbered("local", "", "\n    refused_rows: {max: 50%}\n");
    let run = delivered(&rig);
    let count = rows(&rig, &run);
    let mut looks = Looks::new(rig);
    acknowledge(&looks.rig, ARTIFACT, 1..count, &[1]);
    looks.after(HOUR);
    looks.after(HOUR);
    assert_eq!(looks.state(&run), "pending");
    assert_eq!(verified(&looks.rig, &run, 0).first().unwrap(), "data picked_up");
    assert_eq!(looks.state(&run), "pending", "`verify` leaves the rows to the worker");
    looks.after(2 * HOUR);
    let after = shown(&looks, &run);
    assert_eq!((counts(&after), after["state"].as_str()), ([count, count - 2, 1, 1], Some("failed")), "{after:#}");
}

#[test]
fn as_many_as_are_allowed_may_be_refused() {
    let rig = numbered("local", "", "\n    refused_rows: {max: 2}\n");
    let run = delivered(&rig);
    let count = rows(&rig, &run);
    let mut looks = Looks::new(rig);
    std::fs::write(inbound(&looks.rig, &format!("{ARTIFACT}.ack")), "HEADER\nBODY;1;\u{0};\n\u{ff}").unwrap();
    looks.after(HOUR);
    assert_eq!(looks.state(&run), "pending");
    acknowledge(&looks.rig, ARTIFACT, 1..count + 1, &[1, 2]);
    looks.after(HOUR);
    let after = shown(&looks, &run);
    assert_eq!((counts(&after), after["state"].as_str()), ([count, count - 2, 2, 0], Some("delivered")), "{after:#}");
    assert_eq!(after["deliveries"][0]["state"], "delivered");
    assert!(looks.reason(&run).contains("2 refused"), "{}", looks.reason(&run));
}

#[test]
fn what_cannot_be_matched_is_a_problem() {
    for (from, to, what) in [
        ("ours: line", "ours: lin", "lin"),
        ("theirs: line", "theirs: lines", "column of the acknowledgement file"),
        ("status = 'OK'", "state = 'OK'", "column of the acknowledgement file"),
        ("\";\"", "\";;\"", "cannot separate cells"),
        ("status = 'OK'", "status", "not a condition"),
    ] {
        let rig = numbered("hris", "", "\n");
        let path = pipeline_file(&rig);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let output = rig.reportferry(&["check"]);
        assert_eq!(output.status.code(), Some(2), "{}", both(&output));
        assert!(both(&output).contains(what), "{what}: {}", both(&output));
    }
    let rig = numbered("hris", "", "\n");
    edit(&rig, ", deadline: 4h, every: 1h", "");
    let output = rig.reportferry(&["check"]);
    assert!(both(&output).contains("waits for no acknowledgement file"), "{}", both(&output));
}

fn pipeline_file(rig: &Rig) -> PathBuf {
    let folder = std::fs::read_dir(rig.folder.path().join("pipelines")).unwrap();
    folder.map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some_and(|kind| kind == "yaml")).unwrap()
}

use super::*;

/// Returns the replacement in the hint, which is a valid schedule.
fn meant(text: &str) -> String {
    let problem = Cron::parse(text).map(|_| ()).expect_err(text);
    let hint = problem.hint.clone().unwrap_or_else(|| panic!("{text}: {problem}"));
    assert!(text.get(problem.offset..problem.offset + problem.len).is_some(), "{text}: {problem:?}");
    let written = hint.strip_prefix("write `").and_then(|rest| rest.split('`').next());
    let written = written.unwrap_or_else(|| panic!("{text}: {problem} ({hint})")).to_owned();
    assert!(Cron::parse(&written).is_ok(), "{text}: {hint}");
    written
}

#[test]
fn habits_of_other_programs_are_named_with_the_replacement() {
    for (given, right) in [
        ("CRON_TZ=America/New_York 30 5 * * *", "30 5 * * *"),
        ("TZ=UTC 30 5 * * * # nightly", "30 5 * * *"),
        ("30 5 * * * # note", "30 5 * * *"),
        ("30 5 * * *\t# note", "30 5 * * *"),
        ("30 5 * * * Europe/Rome", "30 5 * * *"),
        ("0 30 5 * * *", "30 5 * * *"),
        ("0 30 5 * * mon-fri", "30 5 * * mon-fri"),
        ("0 30 5 ? * 2-6", "30 5 * * mon-fri"),
        ("0 0 12 * * ? 2027", "0 12 * * *"),
        ("30 5 * * * 2027", "30 5 * * *"),
        ("cron(30 5 ? * MON-FRI *)", "30 5 * * MON-FRI"),
        ("30 5 * * * root", "30 5 * * *"),
        ("30 5 * * * /usr/bin/x --all", "30 5 * * *"),
        ("30 5 * * mon, wed", "30 5 * * mon,wed"),
        ("30 5 * * mon - fri", "30 5 * * mon-fri"),
        ("*/70 * * * *", "0 * * * *"),
        ("*/60 5 * * *", "0 5 * * *"),
        ("0 */36 * * *", "0 0 * * *"),
        ("5/15 * * * *", "5-59/15 * * * *"),
        ("daily", "@daily"),
        ("@every 15m", "*/15 * * * *"),
        ("@every 1h", "0 * * * *"),
        ("@every 6h", "0 */6 * * *"),
        ("@weekdays", "0 0 * * mon-fri"),
        ("@quarterly", "0 0 1 1,4,7,10 *"),
        ("@daily 05:30", "30 5 * * *"),
        ("05:30", "30 5 * * *"),
        ("30 5 mon-fri * *", "30 5 * * mon-fri"),
        ("30 5 * mon-fri *", "30 5 * * mon-fri"),
        ("30 5 * * jan", "30 5 * jan *"),
        ("30 5 1 january *", "30 5 1 jan *"),
        ("30 5 * * monday-friday", "30 5 * * mon-fri"),
        ("30 5 * * tues", "30 5 * * tue"),
        ("30 5 L * *", "30 5 28 * *"),
        ("30 5 LW * *", "30 5 28 * *"),
        ("30 5 15W * *", "30 5 15 * *"),
        ("30 5 * * 5L", "30 5 * * 5"),
        ("30 5 * * fri#2", "30 5 * * fri"),
        ("30 5 ? * mon", "30 5 * * mon"),
        ("30 24 * * *", "30 0 * * *"),
        ("H H * * *", "0 0 * * *"),
        ("H/15 * * * *", "*/15 * * * *"),
        ("30 5 * * fri-sun", "30 5 * * 5-7"),
    ] {
        assert_eq!(meant(given), right, "{given}");
    }
    let zone = Cron::parse("CRON_TZ=Asia/Tokyo 0 5 * * *").expect_err("zone").hint;
    assert_eq!(zone.as_deref(), Some("write `0 5 * * *`, and the zone as `timezone: Asia/Tokyo`"));
}

#[test]
fn what_has_no_replacement_says_so() {
    let problem = |text: &str| Cron::parse(text).map(|_| ()).expect_err(text);
    assert!(problem("@reboot").hint.is_some_and(|hint| hint.contains("not at starts")));
    assert!(problem("@every 7m").what.contains("@every 7m"));
    for text in [
        "@",
        "@every",
        "=",
        "#",
        " # ",
        "cron(",
        "a(b)",
        "? ? ? ? ?",
        "* * * * * * * *",
        "é é é é é é",
        "0 5 * * ﬂ",
        "0 5 ﬂW * *",
        "ﬂ",
        "@ﬂ 5",
        "0 5 * * #",
    ] {
        problem(text);
    }
}

#[test]
fn steps_within_their_field_stay() {
    for text in [
        "*/59 * * * *",
        "*/45 * * * *",
        "0 */23 * * *",
        "0 0 */30 * *",
        "0 0 * * */6",
        "0 0 * */11 *",
        "0-10/20 * * * *",
        "0 0 */31 */12 *",
    ] {
        assert!(Cron::parse(text).is_ok(), "{text}");
    }
}

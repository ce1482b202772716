//! The status as text: times in one zone, lines of at most 120 columns.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp, ZonedDateTime};

use super::{AttentionDocument, PipelineDocument, Status, WorkerDocument, tenants};
use crate::cli::{WIDTH, text::table};
use crate::ledger::WorkerState;

/// Columns of a pipeline's name in the table.
const NAME_MAX: usize = 40;
/// Columns of today's summary.
const TODAY_MAX: usize = 52;
/// Overdue pickups of a pipeline; the JSON has all of them.
const PICKUPS_MAX: usize = 3;

/// Renders the status. `attention`: only what needs a person was asked for.
pub(super) fn text(status: &Status, attention: bool, now: &ZonedDateTime) -> String {
    let worker = status.worker.as_ref().map(|worker| describe_worker(worker, now));
    let worker = worker.unwrap_or_else(|| "never started: `reportferry work` starts it".to_owned());
    let mut text = format!(
        "worker  {worker}\ntimes   {}, now {}\nzones   {}\n{}\n",
        status.zone,
        now.strftime("%a %-d %b %Y %H:%M"),
        status.zones,
        tenants::text(&status.tenants, |time| at(time, now))
    );
    if attention && status.pipelines.is_empty() {
        text.push_str("no pipeline needs attention\n");
        return text;
    }
    if !attention {
        let rows: Vec<Vec<String>> = status
            .pipelines
            .iter()
            .map(|pipeline| {
                let name = shorten(&pipeline.pipeline, NAME_MAX);
                vec![name, shorten(&today(pipeline, now), TODAY_MAX), next(pipeline, now)]
            })
            .collect();
        text.push_str(&table(&["PIPELINE", "TODAY", "NEXT SLOT"], &rows));
    }
    for (index, pipeline) in status.pipelines.iter().filter(|pipeline| !pipeline.attention.is_empty()).enumerate() {
        if index > 0 || !attention {
            text.push('\n');
        }
        let _ = writeln!(text, "{}", pipeline.pipeline);
        write_attention(&mut text, &pipeline.attention, now);
    }
    text
}

fn describe_worker(worker: &WorkerDocument, now: &ZonedDateTime) -> String {
    let process = format!("process {}, version {}", worker.pid, worker.version);
    match worker.state {
        WorkerState::Starting => "starting".to_owned(),
        WorkerState::Running => format!("running since {} ({process})", at(&worker.started, now)),
        WorkerState::Hanging => format!("hangs since {}: restart it ({process})", at(&worker.seen, now)),
        WorkerState::Killed => {
            format!("was killed, seen last {}: `reportferry work` starts it ({process})", at(&worker.seen, now))
        }
        WorkerState::Stopped => {
            let stopped = worker.stopped.as_deref().unwrap_or_default();
            format!("stopped {}: `reportferry work` starts it", at(stopped, now))
        }
    }
}

/// Describes the newest slot, and today's if there are several: `delivered 05:31, 549 rows`.
fn today(pipeline: &PipelineDocument, now: &ZonedDateTime) -> String {
    let (Some(state), Some(since)) = (pipeline.state, pipeline.since.as_deref()) else { return "-".to_owned() };
    let since = at(since, now);
    let mut text = match (state, &pipeline.continues, &pipeline.reason) {
        ("delivered", ..) => format!("delivered {since}, {} rows", pipeline.rows.unwrap_or_default()),
        ("skipped", _, Some(reason)) => format!("skipped {since}: {reason}"),
        ("delivering", Some(continues), Some(_)) => format!("not delivered yet, next attempt {}", at(continues, now)),
        // It waits for a decision on an earlier run.
        ("due", _, Some(reason)) => format!("due {}, {reason}", at(pipeline.slot.as_deref().unwrap_or_default(), now)),
        ("due", Some(continues), _) => format!("due {}", at(continues, now)),
        ("due" | "extracting" | "transforming" | "delivering", ..) => format!("{state} since {since}"),
        _ => match &pipeline.delivered {
            Some(delivered) => format!("{state} {since}, last delivered {}", at(delivered, now)),
            None => format!("{state} {since}"),
        },
    };
    if pipeline.today.slots > 1 {
        let _ = write!(text, "; {} of {} slots", pipeline.today.delivered, pipeline.today.slots);
    }
    text
}

fn next(pipeline: &PipelineDocument, now: &ZonedDateTime) -> String {
    let Some(next) = &pipeline.next else { return "-".to_owned() };
    let next = at(next, now);
    pipeline.jitter.map_or_else(|| next.clone(), |seconds| format!("{next} +{seconds}s"))
}

fn write_attention(text: &mut String, attention: &[AttentionDocument], now: &ZonedDateTime) {
    let mut pickups = 0;
    for entry in attention {
        if entry.kind == "pickup_overdue" {
            pickups += 1;
            if pickups > PICKUPS_MAX {
                continue;
            }
        }
        let _ = writeln!(text, "  {}", shorten(&one_line(&describe(entry, now)), WIDTH - 2));
        for line in broken(&entry.next, WIDTH - 4) {
            let _ = writeln!(text, "    {line}");
        }
    }
    if pickups > PICKUPS_MAX {
        let _ = writeln!(text, "  and {} more not picked up", pickups - PICKUPS_MAX);
    }
}

/// Describes what needs a person: `2 slots failed since Mon 23 Nov 05:30: connection refused`.
fn describe(entry: &AttentionDocument, now: &ZonedDateTime) -> String {
    let since = entry.since.as_deref().map(|since| at(since, now)).unwrap_or_default();
    let text = match (entry.kind, entry.count, &entry.run) {
        ("late", ..) => format!("late since {since}"),
        ("pickup_overdue", ..) => {
            format!("not picked up at {} by {since}", entry.destination.as_deref().unwrap_or_default())
        }
        ("paused", ..) => format!("paused since {since}"),
        ("invalid_file", ..) => String::new(),
        ("held", count, None) => format!("{count} more held since {since}"),
        (state, 1, _) => format!("{state}, slot {since}"),
        (state, count, _) => format!("{count} slots {state} since {since}"),
    };
    match (&entry.reason, entry.kind) {
        (Some(reason), "paused") => format!("{text} {reason}"),
        (Some(reason), "invalid_file") => reason.clone(),
        (Some(reason), _) => format!("{text}: {reason}"),
        (None, _) => text,
    }
}

/// Renders a time in the zone of `now`: the time alone if it is today, else with the day.
fn at(rfc3339: &str, now: &ZonedDateTime) -> String {
    let Ok(at) = rfc3339.parse::<Timestamp>() else { return rfc3339.to_owned() };
    let at = at.to_zoned_datetime(now.time_zone().clone());
    let is_near = at.duration_since(now).abs() < SignedDuration::from_hours(24 * 300);
    let format = match is_near {
        true if at.date() == now.date() => "%H:%M",
        true => "%a %-d %b %H:%M",
        false => "%Y-%m-%d %H:%M",
    };
    at.strftime(format).to_string()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shorten(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Breaks a chain of commands between two of them, where it is wider than `columns`. A command itself stays whole, to be
/// copied.
fn broken(next: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in next.split_inclusive(", ") {
        match lines.last_mut() {
            Some(line) if line.chars().count() + part.trim_end().chars().count() <= columns => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_one_zone_and_as_short_as_they_are_clear() {
        let now: ZonedDateTime = "2026-11-23T12:00:00-05:00[America/New_York]".parse().unwrap();
        for (time, expected) in [
            ("2026-11-23T10:31:07Z", "05:31"),
            ("2026-11-23T23:30:00+01:00", "17:30"),
            ("2026-11-23T04:59:00Z", "Sun 22 Nov 23:59"),
            ("2026-11-24T10:30:00Z", "Tue 24 Nov 05:30"),
            ("2025-11-24T10:30:00Z", "2025-11-24 05:30"),
        ] {
            assert_eq!(at(time, &now), expected);
        }
    }

    #[test]
    fn commands_are_broken_between_and_never_within() {
        let next = "fix the cause, then reportferry retry 1ce96314, or reportferry dismiss 1ce96314 --because TEXT";
        assert_eq!(broken(next, 120), [next]);
        let lines = broken(next, 50);
        assert_eq!(
            lines,
            ["fix the cause, then reportferry retry 1ce96314,", "or reportferry dismiss 1ce96314 --because TEXT"]
        );
        assert_eq!(shorten("abcdef", 4), "abc…");
    }
}

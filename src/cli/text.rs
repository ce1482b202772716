//! Runs as text, for people.

use std::fmt::Write as _;

use crate::expect::{DeltaFacts, DroppedExample};
use crate::ledger::record::Attempt;
use crate::ledger::state::PickupState;
use crate::ledger::{Event, RunEvent};
use crate::run::document::{DeliveryDocument, Document, DroppedDocument, PickupDocument, RowsDocument, utc};

/// Renders a run in a few lines.
pub(super) fn run(document: &Document) -> String {
    let mut text = format!(
        "{}  slot {}  {}\n  run       {}, origin {}\n",
        document.pipeline,
        document.slot,
        document.state.name(),
        document.run,
        document.origin,
    );
    if let Some(input) = &document.input {
        let _ = writeln!(text, "  input     {}  sha256 {}, in place of the source", input.path, input.sha256);
    }
    if let Some(reason) = document.reason.as_deref().filter(|reason| !reason.is_empty()) {
        let _ = writeln!(text, "  reason    {reason}");
    }
    if let Some(records) = &document.records {
        let from = records.updated_from.as_ref().map_or("all".to_owned(), |from| format!("changed from {from}"));
        let _ = writeln!(text, "  records   {from}, until {}", records.watermark);
    }
    text.push_str(&findings(document));
    if let Some(rows) = &document.rows {
        let _ = writeln!(text, "  rows      {}", self::rows(rows));
    }
    if let Some(delta) = &document.delta {
        let since = delta.compared_with.as_ref().map(|with| format!("since run {}, slot {}", with.run, with.slot));
        let since = since.unwrap_or_else(|| "the first delivery".to_owned());
        let DeltaFacts { added, changed, removed, unchanged, kept, .. } = delta;
        let kept = if *kept > 0 { format!(", {kept} kept") } else { String::new() };
        let _ = writeln!(
            text,
            "  delta     {added} added, {changed} changed, {removed} removed, {unchanged} unchanged{kept}; {since}"
        );
    }
    for dropped in document.dropped_rows.iter().chain(document.dropped_rows_of.values()) {
        text.push_str(&self::dropped(dropped));
    }
    if let Some(artifact) = &document.artifact {
        let _ = writeln!(text, "  artifact  {}  {}  sha256 {}", artifact.name, bytes(artifact.bytes), artifact.sha256);
        for file in artifact.files.iter().chain(&artifact.entries) {
            let _ =
                writeln!(text, "    {}  {} rows  {}  sha256 {}", file.name, file.rows, bytes(file.bytes), file.sha256);
        }
    }
    if let Some(decision) = &document.decision {
        let because = decision.because.as_deref().map(|because| format!(": {because}")).unwrap_or_default();
        let _ = writeln!(text, "  {}  by {} at {}{because}", decision.decision, decision.by, decision.at);
    }
    for delivery in &document.deliveries {
        text.push_str(&self::delivery(delivery));
    }
    if let Some(mark) = &document.dismissed {
        let _ = writeln!(text, "  dismissed by {} at {}: {}", mark.by, mark.at, mark.because);
    }
    if let Some(run) = &document.superseded_by {
        let _ = writeln!(text, "  superseded by run {run}, which replaced its content");
    }
    if let Some(next) = &document.next {
        let _ = writeln!(text, "  next      {next}");
    }
    text
}

/// Renders what was found about the artifact: the expectation, the message where the reason does not have it, and the
/// difference.
fn findings(document: &Document) -> String {
    let mut text = String::new();
    let reason = document.reason.as_deref().unwrap_or_default();
    for finding in &document.findings {
        let message = if reason.contains(&finding.message) { String::new() } else { format!(": {}", finding.message) };
        let _ = writeln!(text, "  {:<9} {}{message}", finding.label(), finding.expectation);
        for line in finding.lines() {
            let _ = writeln!(text, "            {line}");
        }
        if let Some(option) = finding.accept_option().filter(|_| document.next.is_some()) {
            let _ = writeln!(text, "            to accept this: reportferry accept {} {option}", document.run);
        }
    }
    text
}

/// Renders the row balance: `1000 extracted, 880 dropped by filter (step 2), 120 written, 120 delivered`.
pub(super) fn rows(rows: &serde_json::Value) -> String {
    let counted = |name: &str| rows[name].as_u64().map(|count| format!("{count} {name}"));
    let step = |step: &serde_json::Value| {
        let (share, count) =
            step.as_object()?.iter().find(|(name, _)| !matches!(name.as_str(), "step" | "kind" | "artifact"))?;
        let of = step["artifact"].as_str().map(|key| format!(" of {key}")).unwrap_or_default();
        Some(format!("{count} {share} by {} (step {}{of})", step["kind"].as_str()?, step["step"]))
    };
    let steps = rows["steps"].as_array().into_iter().flatten().filter_map(step);
    let parts = counted("extracted").into_iter().chain(steps).chain(counted("written")).chain(counted("delivered"));
    parts.collect::<Vec<_>>().join(", ")
}

/// Renders the rows that were dropped for their values, and the first of them.
fn dropped(dropped: &DroppedDocument) -> String {
    let DroppedDocument { rows, kept, file, first } = dropped;
    let kept = if kept == rows { "kept".to_owned() } else { format!("{kept} kept") };
    let mut text = format!("  dropped   {rows} by on_error, {kept} in {file} of the data folder\n");
    for DroppedExample { record, line, step, column, reason } in first {
        let _ = writeln!(text, "            record {record} (line {line}), column {column:?}: {reason} ({step})");
    }
    text
}

fn delivery(delivery: &DeliveryDocument) -> String {
    let mut text = format!("  -> {}  {}", delivery.destination, delivery.state.name());
    if delivery.attempts > 1 {
        let _ = write!(text, ", {} attempts", delivery.attempts);
    }
    if let Some(reason) = &delivery.reason {
        let _ = write!(text, ": {reason}");
    }
    text.push('\n');
    if let Some(RowsDocument { sent, accepted, refused, unanswered, files }) = &delivery.rows {
        let _ = writeln!(
            text,
            "     rows {sent} sent: {accepted} accepted, {refused} refused, {unanswered} unanswered{}",
            if files.is_empty() { String::new() } else { format!("; in {} of the data folder", files.join(" and ")) },
        );
    }
    if let Some(receipt) = &delivery.receipt {
        let _ = writeln!(
            text,
            "     receipt {} {}{}  {}  {}",
            receipt.address,
            receipt.path,
            if receipt.files.is_empty() { String::new() } else { format!(" (first of {})", receipt.files.len()) },
            bytes(receipt.bytes),
            receipt.at
        );
        if let Some(host_key) = &receipt.host_key {
            let _ = writeln!(text, "     host key {host_key}");
        }
        for note in &receipt.notes {
            let _ = writeln!(text, "     note {note}");
        }
    }
    if let Some(pickup) = &delivery.pickup {
        let _ = writeln!(text, "     {}", self::pickup(pickup));
    }
    text
}

/// Renders a pickup: `picked up, seen at …: the file was removed`, `pending until …`, `not picked up by …: …`.
pub(super) fn pickup(pickup: &PickupDocument) -> String {
    let (due, at) = (pickup.due.as_deref(), pickup.at.as_deref().unwrap_or_default());
    let state = match (pickup.state, due) {
        (PickupState::Pending, Some(due)) => format!("pending until {due}"),
        (PickupState::Pending, None) => "pending, without a deadline".to_owned(),
        (PickupState::PickedUp, _) => format!("picked up, seen at {at}"),
        (PickupState::Overdue, _) => format!("not picked up by {}", due.unwrap_or_default()),
        (PickupState::Superseded, _) => format!("superseded at {at}"),
    };
    match &pickup.reason {
        Some(reason) => format!("{state}: {reason}"),
        None => state,
    }
}

/// Renders how long the run waited to start and how long the last pass through each stage took, including waits between
/// retries: `waited 3.0s, extract 12.0s, transform 3.1s`.
fn stages(events: &[Event]) -> String {
    let first = |name: &str| events.iter().find(|event| event.event.name() == name).map(|event| event.at_ms);
    let waited = first("entered").zip(first("extracting")).map(|(from, to)| format!("waited {}", length(to - from)));
    let took = |name: &str, from: &str, to: &str| {
        let end = events.iter().rposition(|event| event.event.name() == to)?;
        let start = events[..end].iter().rfind(|event| event.event.name() == from)?;
        Some(format!("{name} {}", length(events[end].at_ms - start.at_ms)))
    };
    let stages = [
        waited,
        took("extract", "extracting", "transforming"),
        took("transform", "transforming", "transformed"),
        took("deliver", "delivering", "delivered"),
    ];
    stages.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Renders the run's history: stage durations, events, then attempts.
pub(super) fn history(events: &[Event], attempts: &[Attempt]) -> String {
    let mut text = String::new();
    let stages = stages(events);
    if !stages.is_empty() {
        let _ = writeln!(text, "  took      {stages}");
    }
    text.push_str("  history\n");
    let mut before = None;
    // An attempt is one line, below.
    for event in events.iter().filter(|event| !matches!(event.event, RunEvent::AttemptEnded { .. })) {
        let took = before.map_or(String::new(), |before| format!("+{}", length(event.at_ms - before)));
        let _ =
            writeln!(text, "    {}  {took:>8}  {:<20} {}", utc(event.at_ms), event.event.name(), event.event.detail());
        before = Some(event.at_ms);
    }
    if !attempts.is_empty() {
        text.push_str("  attempts\n");
    }
    for attempt in attempts {
        let verdict = attempt.verdict.as_deref().unwrap_or("interrupted");
        let took = attempt.ended_ms.map(|ended| format!("{} ms", ended - attempt.started_ms)).unwrap_or_default();
        let reason = attempt.reason.as_deref().unwrap_or_default();
        let _ = writeln!(
            text,
            "    {}  {} #{}  {verdict} {took} {reason}",
            utc(attempt.started_ms),
            attempt.destination,
            attempt.number
        );
    }
    text
}

/// Renders milliseconds as 12ms, 3.4s, 12m, 5.0h.
fn length(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms}ms"),
        1_000..100_000 => format!("{:.1}s", ms as f64 / 1e3),
        100_000..6_000_000 => format!("{}m", ms / 60_000),
        _ => format!("{:.1}h", ms as f64 / 3.6e6),
    }
}

/// Renders bytes as 999 B, 15.7 KB, 1.5 GB (powers of ten).
pub(super) fn bytes(count: u64) -> String {
    let mut amount = count as f64;
    for unit in ["B", "KB", "MB", "GB"] {
        if amount < 1000.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{amount:.1} {unit}") };
        }
        amount /= 1000.0;
    }
    format!("{amount:.1} TB")
}

/// Renders a table with aligned columns.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(head.to_vec());
    for row in rows {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        for (count, text) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (15_731, "15.7 KB"), (1_500_000_000, "1.5 GB")]
        {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn stages_are_measured_by_their_last_pass() {
        use RunEvent as E;
        let text = String::new;
        let history = [
            (0, E::Entered { slot: text() }),
            (100, E::Extracting),
            (5_000, E::Failed { reason: text() }),
            (60_000, E::Extracting),
            (61_000, E::ExportStarted { execution_id: text() }),
            (72_500, E::Extracted { bytes: 1, sha256: text() }),
            (72_600, E::Transforming),
            (72_650, E::Transformed { name: text(), rows: 1, bytes: 1, sha256: text() }),
            (72_700, E::Delivering { reason: None }),
        ];
        let history = history.map(|(at_ms, event)| Event { at_ms, event });
        assert_eq!(stages(&history), "waited 100ms, extract 12.6s, transform 50ms");
        assert_eq!(stages(&[]), "");
    }

    #[test]
    fn tables_line_up() {
        let rows = vec![vec!["long-name".into(), "x".into()], vec!["b".into(), "y".into()]];
        assert_eq!(table(&["a", "b"], &rows), "a          b\nlong-name  x\nb          y\n");
    }
}

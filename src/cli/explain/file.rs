//! The file, and what is checked before it is delivered, in sentences.

use jiff::Timestamp;

use super::Fact;
use crate::pipeline::plan::{ArtifactPlan, CsvDialect, Expect, Header, Plan, QuoteStyle, RecordEnd, WhenEmpty};
use crate::schedule::slot::Slot;

pub(super) fn expect(expect: &Expect) -> Vec<Fact> {
    let Expect { when_empty, rows_min, rows_max } = expect;
    let mut facts = Vec::new();
    let held = "the run is held: nothing is sent until a person releases or rejects it";
    if let Some(min) = rows_min {
        let rows = if *min == 1 { "row" } else { "rows" };
        facts.push(Fact::new(format!("With fewer than {min} {rows}, {held}.")));
    }
    if let Some(max) = rows_max {
        let rows = if *max == 1 { "row" } else { "rows" };
        facts.push(Fact::new(format!("With more than {max} {rows}, {held}.")));
    }
    facts.push(Fact::new(match when_empty {
        WhenEmpty::Send => "Without any row, the empty file is sent.".to_owned(),
        WhenEmpty::Skip => "Without any row, nothing is sent, and the run ends as skipped.".to_owned(),
        WhenEmpty::Hold => format!("Without any row, {held}."),
    }));
    facts
}

pub(super) fn artifact(plan: &Plan, artifact: &ArtifactPlan, now: Timestamp) -> Vec<Fact> {
    let ArtifactPlan { at: _, name, csv, split } = artifact;
    let next = plan.schedule.as_ref().and_then(|schedule| schedule.cron.next_after(now, &plan.zone));
    let slot = Slot::new(&plan.name, next.unwrap_or(now), plan.zone.clone());
    let mut facts = vec![Fact::new(match artifact.first_name(&slot) {
        Ok(example) => format!("It is a CSV file called {name}: for the next time, {example}."),
        Err(error) => format!("It is a CSV file called {name}, which gives no usable name for the next time: {error}."),
    })];
    if let Some(rows) = split {
        facts.push(Fact::new(format!("It is split: a new file begins after {rows} rows.")));
    }
    facts.extend(dialect(csv));
    facts
}

fn dialect(csv: &CsvDialect) -> Vec<Fact> {
    let CsvDialect { delimiter, quote, record_end, header, bom, formula_guard } = csv;
    let end = match record_end {
        RecordEnd::Lf => "a line feed (Unix)".to_owned(),
        RecordEnd::CrLf => "carriage return and line feed (Windows)".to_owned(),
        RecordEnd::Text(text) => format!("{text:?}"),
    };
    let quotes = match quote {
        QuoteStyle::Necessary => "Cells have quotes where they need them.",
        QuoteStyle::Always => "Every cell has quotes.",
    };
    let mut facts = vec![
        Fact::new(format!("Between the cells is {:?}, and each record ends with {end}.", char::from(*delimiter))),
        Fact::new(format!("{quotes} The text is in UTF-8.")),
        match header {
            Header::Names => Fact::new("The first record has the columns' names."),
            Header::Upper => Fact::new("The first record has the columns' names in upper case."),
            Header::None => Fact::new("There is no header: the first record is a row."),
            Header::List(names) => Fact::new(format!("The first record is: {}.", names.join(", "))),
        },
    ];
    if *bom {
        facts.push(Fact::new("It begins with a byte order mark."));
    }
    facts.push(Fact::new(match formula_guard {
        true => "Cells that a spreadsheet would run as a formula get an apostrophe.",
        false => "Cells that a spreadsheet would run as a formula are delivered as they are.",
    }));
    facts
}

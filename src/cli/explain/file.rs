//! The file in sentences.

mod tree;

use jiff::Timestamp;

use super::Fact;
use crate::pipeline::plan::{ArtifactPlan, CsvDialect, Format, Header, Plan, QuoteStyle, RecordEnd};
use crate::schedule::slot::Slot;

pub(super) fn artifact(plan: &Plan, artifact: &ArtifactPlan, now: Timestamp) -> Vec<Fact> {
    let ArtifactPlan { at: _, name, format, keeps_rows: _, split } = artifact;
    let next = plan.schedule.as_ref().and_then(|schedule| schedule.cron.next_after(now, &plan.zone));
    let slot = Slot::new(&plan.name, next.unwrap_or(now), plan.zone.clone());
    let kind = match format {
        Format::Csv(_) => "a CSV",
        Format::Json(_) => "a JSON",
        Format::Ndjson(_) => "a newline-delimited JSON",
        Format::Xml(_) => "an XML",
    };
    let mut facts = vec![Fact::new(match artifact.first_name(&slot) {
        Ok(example) => format!("It is {kind} file called {name}: for the next time, {example}."),
        Err(error) => {
            format!("It is {kind} file called {name}, which gives no usable name for the next time: {error}.")
        }
    })];
    if let Some(rows) = split {
        facts.push(Fact::new(format!("It is split: a new file begins after {rows} rows.")));
    }
    facts.extend(match format {
        Format::Csv(csv) => dialect(csv),
        Format::Json(content) => tree::document(content),
        Format::Ndjson(content) => tree::lines(content),
        Format::Xml(written) => tree::xml(written),
    });
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

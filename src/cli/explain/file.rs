//! The file in sentences.

use jiff::Timestamp;

use super::{Fact, text_format as text};
use crate::pipeline::plan::{
    ArtifactPlan, CsvDialect, DecimalPoint, EncodedFormat, Escape, EscapedLineEnds, Format, Header, Plan, QuoteStyle,
};
use crate::schedule::slot::Slot;

pub(super) fn artifact(plan: &Plan, artifact: &ArtifactPlan, now: Timestamp) -> Vec<Fact> {
    let ArtifactPlan { at: _, name, format, keeps_rows: _, split } = artifact;
    let next = plan.schedule.as_ref().and_then(|schedule| schedule.cron.next_after(now, &plan.zone));
    let slot = Slot::new(&plan.name, next.unwrap_or(now), plan.zone.clone());
    let kind = kind(format);
    let mut facts = vec![Fact::new(match artifact.first_name(&slot) {
        Ok(example) => format!("It is a {kind} file called {name}: for the next time, {example}."),
        Err(error) => {
            format!("It is a {kind} file called {name}, which gives no usable name for the next time: {error}.")
        }
    })];
    if let Some(rows) = split {
        facts.push(Fact::new(format!("It is split: a new file begins after {rows} rows.")));
    }
    facts.extend(described(format));
    if !matches!(format, Format::Encoded(_)) {
        facts.push(Fact::new("The text is in UTF-8."));
    }
    facts
}

fn kind(format: &Format) -> &'static str {
    match format {
        Format::Csv(_) => "CSV",
        Format::Fixed(_) => "fixed-width",
        Format::Encoded(encoded) => kind(&encoded.format),
    }
}

fn described(format: &Format) -> Vec<Fact> {
    match format {
        Format::Csv(csv) => dialect(csv),
        Format::Fixed(fixed) => text::fixed(fixed),
        Format::Encoded(encoded) => {
            let EncodedFormat { format, charset: _, unmappable: _ } = &**encoded;
            let mut facts = described(format);
            facts.push(text::encoding(encoded));
            facts
        }
    }
}

fn dialect(csv: &CsvDialect) -> Vec<Fact> {
    let CsvDialect { delimiter, quote, record_end, header, bom, formula_guard, escape, null_text, decimal } = csv;
    let end = text::record_end_text(record_end);
    let quotes = match quote {
        QuoteStyle::Necessary => "Cells have quotes where they need them.",
        QuoteStyle::Always => "Every cell has quotes.",
        QuoteStyle::Never if escape.is_some() => "No cell has quotes.",
        QuoteStyle::Never => "No cell has quotes: one that would need them fails the run.",
        QuoteStyle::Text => "Cells have quotes, but not numbers and empty cells.",
    };
    let mut facts = vec![
        Fact::new(format!("Between the cells is {:?}, and each record ends with {end}.", char::from(*delimiter))),
        Fact::new(quotes),
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
    if let Some(Escape { character, line_ends }) = escape {
        let (character, line_ends) = (
            char::from(*character),
            match line_ends {
                EscapedLineEnds::Letters => "line ends are written as letters after it",
                EscapedLineEnds::Kept => "line ends follow it",
            },
        );
        facts.push(Fact::new(format!("Characters with a meaning are escaped by {character:?}; {line_ends}.")));
    }
    if !null_text.is_empty() {
        facts.push(Fact::new(format!("An empty cell is written {null_text:?}.")));
    }
    match decimal {
        DecimalPoint::Point => {}
        DecimalPoint::Comma => facts.push(Fact::new("Numbers have a decimal comma.")),
    }
    facts.push(Fact::new(match formula_guard {
        true => "Cells that a spreadsheet would run as a formula get an apostrophe.",
        false => "Cells that a spreadsheet would run as a formula are delivered as they are.",
    }));
    facts
}

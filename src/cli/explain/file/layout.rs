//! A layout of several record types in sentences.

use super::super::{Fact, text_format as text};
use crate::pipeline::plan::{
    FixedField, LayoutBase, LayoutFormat, LayoutGroup, LayoutHeader, LayoutKey, LayoutRecord, LayoutTotal, WidthUnit,
};

pub(super) fn layout(layout: &LayoutFormat) -> Vec<Fact> {
    let LayoutFormat { base, totals, header, group, row, trailer } = layout;
    let (mut facts, unit) = match base {
        LayoutBase::Csv(csv) => (super::dialect(csv), WidthUnit::Characters),
        LayoutBase::Fixed { record_end, unit } => {
            let end = text::record_end_text(record_end);
            (vec![Fact::new(format!("Each record ends with {end}."))], *unit)
        }
    };
    facts.extend(records("Before the first row there are these records:".to_owned(), header.records(), unit));
    if let LayoutHeader::After(_) = header {
        let what = "They read totals, which are known after the last row. So each file is written twice: first without \
                    them to a temporary file.";
        facts.push(Fact::new(what));
    }
    if let Some(LayoutGroup { by, totals, header, trailer }) = group {
        let by = by.iter().map(|LayoutKey { column, is_masked: _ }| format!("{:?}", column.name));
        let by = by.collect::<Vec<_>>().join(" and ");
        facts.push(Fact::new(format!("Rows must be sorted by {by}: rows with the same values are a group.")));
        facts.extend(records("Before the rows of each group there are these records:".to_owned(), header, unit));
        facts.extend(named_totals("Totals of each group:", totals));
        facts.extend(records("After the rows of each group there are these records:".to_owned(), trailer, unit));
    }
    match row {
        None => facts.push(Fact::new("Each row is a record with its columns.")),
        Some(row) => facts.extend(records("Each row is these records:".to_owned(), row, unit)),
    }
    facts.extend(named_totals("Totals of all rows of a file:", totals));
    facts.extend(records("After the last row there are these records:".to_owned(), trailer, unit));
    facts
}

fn named_totals(first: &str, totals: &[LayoutTotal]) -> Option<Fact> {
    let total =
        |LayoutTotal { name, text, function: _, argument: _, filter: _ }: &LayoutTotal| format!("{name:?} is {text}");
    (!totals.is_empty()).then(|| Fact::list(first.to_owned(), totals.iter().map(total)))
}

fn records(first: String, records: &[LayoutRecord], unit: WidthUnit) -> Option<Fact> {
    let record = |record: &LayoutRecord| match record {
        LayoutRecord::Cells(cells) => {
            cells.iter().map(|cell| cell.expr.text().to_owned()).collect::<Vec<_>>().join(" | ")
        }
        LayoutRecord::Fields(fields) => {
            let unit = text::unit_word(unit);
            let field = |field: &FixedField| text::described(field, unit);
            fields.iter().map(field).collect::<Vec<_>>().join(" ")
        }
    };
    (!records.is_empty()).then(|| Fact::list(first, records.iter().map(record)))
}

//! A layout of several record types → its plan.

use std::collections::BTreeSet;

use super::fixed::{Delivered, Widths};
use super::*;
use crate::expr::aggregate::{AggregateCall, Function};
use crate::pipeline::aggregate_file::AggregateText;
use crate::pipeline::file::CsvFile;
use crate::pipeline::fixed_file::{FixedFieldFile, FixedFile};
use crate::pipeline::layout_file::{LayoutFile, LayoutGroupFile, RecordFile, RecordItem};
use crate::pipeline::masked::MaskedColumns;

/// The parts that records have.
#[derive(Clone, Copy)]
enum RecordShape {
    Cells,
    Fields(Widths),
}

/// The written totals of a file or group.
type TotalsFile = Option<Named<At<AggregateText>>>;

impl Check<'_> {
    /// Returns the layout of a CSV or fixed-width file.
    pub(super) fn layout(
        &mut self,
        At { value: written, origin }: At<Box<LayoutFile>>,
        (csv, fixed): (Option<At<CsvFile>>, Option<At<FixedFile>>),
        charset: Option<Charset>,
        delivered: &mut Delivered<'_>,
    ) -> LayoutFormat {
        let LayoutFile { totals, header, group, row, trailer } = *written;
        let (base, shape, row) = match fixed {
            Some(fixed) => self.fixed_base(fixed, charset, row, &origin),
            None => (LayoutBase::Csv(self.csv_base(csv)), RecordShape::Cells, row),
        };
        let totals = self.layout_totals(totals, &[], delivered);
        let group = group.map(|group| self.layout_group(group.value, shape, delivered));
        let row = row.map(|row| {
            if row.value.is_empty() {
                let problem = row.origin.error("a row has no record here, and would be lost");
                self.problems.push(problem.hint("write one, as in `row: [[\"'3'\", name]]`, or remove the key"));
            }
            self.layout_records(row.value, shape, delivered)
        });
        let header = self.layout_header(header.unwrap_or_default(), shape, &totals);
        let masked = masked_totals(&totals).collect();
        let names = LayoutFormat::trailer_names(&totals);
        let trailer = self.made_up_records(trailer.unwrap_or_default(), shape, (&names, masked));
        LayoutFormat { base, totals, header, group, row, trailer }
    }

    /// Returns the dialect of the records, which has no header unless one is written.
    fn csv_base(&mut self, csv: Option<At<CsvFile>>) -> CsvDialect {
        let has_header = csv.as_ref().is_some_and(|csv| csv.value.header.is_some());
        let dialect = csv.map_or_else(CsvDialect::default, |csv| self.csv(csv.value));
        let header = if has_header { dialect.header.clone() } else { Header::None };
        CsvDialect { header, ..dialect }
    }

    /// Returns the base of fixed-width records, and the records of a row: `fields` if no others are written.
    fn fixed_base(
        &mut self,
        At { value: fixed, origin: fixed_origin }: At<FixedFile>,
        charset: Option<Charset>,
        row: Option<At<Vec<At<RecordFile>>>>,
        origin: &Origin,
    ) -> (LayoutBase, RecordShape, Option<At<Vec<At<RecordFile>>>>) {
        let FixedFile { length, record_end, unit, fields } = fixed;
        let widths = self.widths(length, unit, charset);
        let row = match (row, fields) {
            (Some(row), Some(fields)) => {
                let problem = fields.origin.error("`fields` and `layout.row` are mutually exclusive");
                self.problems.push(problem.hint("keep `layout.row`, which has the records of a row"));
                Some(row)
            }
            (Some(row), None) => Some(row),
            (None, Some(At { value: fields, origin })) => {
                let items =
                    fields.into_iter().map(|At { value, origin }| At { value: RecordItem::Field(value), origin });
                let record = At { value: RecordFile(items.collect()), origin: origin.clone() };
                Some(At { value: vec![record], origin })
            }
            (None, None) => {
                let problem = fixed_origin.error("the records of a row are missing");
                self.problems.push(problem.hint("write `fields` here, or `row` in `layout`"));
                Some(At { value: Vec::new(), origin: origin.clone() })
            }
        };
        let base = LayoutBase::Fixed { record_end: record_end.unwrap_or(RecordEnd::Lf), unit: widths.unit };
        (base, RecordShape::Fields(widths), row)
    }

    fn layout_group(
        &mut self,
        written: LayoutGroupFile,
        shape: RecordShape,
        delivered: &mut Delivered<'_>,
    ) -> LayoutGroup {
        let LayoutGroupFile { by, totals, header, trailer } = written;
        let masked = delivered.masked.before(delivered.steps).clone();
        let reserved = [LayoutFormat::ROWS, LayoutFormat::FILE_NAME, LayoutFormat::RECORDS];
        for name in by.0.iter().filter(|name| reserved.contains(&name.value.as_str())) {
            let problem = name.origin.error(format!("{:?} has a meaning of its own in records of groups", name.value));
            self.problems.push(problem.hint("rename the column in a step"));
        }
        let columns = self.columns(by.0);
        delivered.columns.require_each_once(&columns);
        let is_masked = |column: &Column| masked.contains(&column.name);
        let by: Vec<_> =
            columns.into_iter().map(|column| LayoutKey { is_masked: is_masked(&column), column }).collect();
        let names: Vec<&str> = by.iter().map(|key| key.column.name.as_str()).collect();
        let totals = self.layout_totals(totals, &names, delivered);
        let mut columns = delivered.columns.with_names(&LayoutFormat::group_header_names());
        let mut scope = Delivered { columns: &mut columns, masked: MaskedColumns::only(masked), steps: 0 };
        let header = self.layout_records(header.unwrap_or_default(), shape, &mut scope);
        self.problems.extend(columns.into_problems());
        let masked = by.iter().filter(|key| key.is_masked).map(|key| key.column.name.clone());
        let masked = masked.chain(masked_totals(&totals)).collect();
        let names = LayoutGroup::trailer_names(&by, &totals);
        let trailer = self.made_up_records(trailer.unwrap_or_default(), shape, (&names, masked));
        LayoutGroup { by, totals, header, trailer }
    }

    /// Returns totals, whose names are none of those that records read anyway.
    fn layout_totals(
        &mut self,
        written: TotalsFile,
        taken: &[&str],
        delivered: &mut Delivered<'_>,
    ) -> Vec<LayoutTotal> {
        let reserved = [LayoutFormat::ROWS, LayoutFormat::GROUPS, LayoutFormat::FILE_NAME, LayoutFormat::RECORDS];
        let mut totals = Vec::new();
        for (name, At { value: AggregateText { call, node }, origin }) in written.map_or_else(Vec::new, |named| named.0)
        {
            let AggregateCall { function, argument, filter, warnings: _ } = call;
            if reserved.contains(&name.text.as_str()) || taken.contains(&name.text.as_str()) {
                let problem = name.origin.error(format!("records read another value by the name {:?}", name.text));
                self.problems.push(problem.hint("give the total another name"));
            }
            if function == Function::CountDistinct {
                let problem = origin.error("`count(distinct …)` needs memory for each value, and a file may be large");
                let hint = "sort by the column, write `group: {by: …}`, and count `groups`";
                self.problems.push(problem.hint(hint));
            }
            let text = match &node.kind {
                crate::yaml::tree::NodeKind::Scalar(scalar) => scalar.text.clone(),
                _ => String::new(),
            };
            let mut part = |expr| self.field_value(Written { expr, node: node.clone() }, delivered);
            let (argument, filter) = (argument.map(&mut part), filter.map(&mut part));
            totals.push(LayoutTotal { name: name.text, text, function, argument, filter });
        }
        totals
    }

    /// Returns the records before the first row, which wait for the last one if they read totals.
    fn layout_header(
        &mut self,
        written: Vec<At<RecordFile>>,
        shape: RecordShape,
        totals: &[LayoutTotal],
    ) -> LayoutHeader {
        let early = LayoutFormat::header_names();
        let waits = written.iter().flat_map(|record| &record.value.0).any(|item| {
            let expr = match &item.value {
                RecordItem::Cell(cell) => &cell.0.expr,
                RecordItem::Field(field) => &field.value.expr,
            };
            expr.columns().any(|name| !early.iter().any(|known| known == name))
        });
        let names = LayoutFormat::trailer_names(totals);
        let records = self.made_up_records(written, shape, (&names, masked_totals(totals).collect()));
        if waits { LayoutHeader::After(records) } else { LayoutHeader::Before(records) }
    }

    /// Returns records that read these names, some of whose values must not be shown.
    fn made_up_records(
        &mut self,
        written: Vec<At<RecordFile>>,
        shape: RecordShape,
        (names, masked): (&[String], BTreeSet<String>),
    ) -> Vec<LayoutRecord> {
        let mut columns = Columns::of_header(names);
        let mut scope = Delivered { columns: &mut columns, masked: MaskedColumns::only(masked), steps: 0 };
        let records = self.layout_records(written, shape, &mut scope);
        self.problems.extend(columns.into_problems());
        records
    }

    fn layout_records(
        &mut self,
        written: Vec<At<RecordFile>>,
        shape: RecordShape,
        scope: &mut Delivered<'_>,
    ) -> Vec<LayoutRecord> {
        written.into_iter().map(|record| self.layout_record(record, shape, scope)).collect()
    }

    fn layout_record(
        &mut self,
        At { value: RecordFile(items), origin }: At<RecordFile>,
        shape: RecordShape,
        scope: &mut Delivered<'_>,
    ) -> LayoutRecord {
        if items.is_empty() {
            let problem = origin.error("this record has no parts");
            self.problems.push(problem.hint("write expressions: `[\"'1'\", name]`"));
        }
        let widths = match shape {
            RecordShape::Cells => {
                let cells = items.into_iter().filter_map(|item| self.record_cell(item));
                let cells: Vec<Written> = cells.collect();
                return LayoutRecord::Cells(cells.into_iter().map(|cell| self.field_value(cell, scope)).collect());
            }
            RecordShape::Fields(widths) => widths,
        };
        let count = items.len();
        let fields: Vec<At<FixedFieldFile>> = items.into_iter().filter_map(|item| self.record_field(item)).collect();
        // Without all fields, their sum means nothing.
        let length = widths.length.filter(|_| fields.len() == count);
        LayoutRecord::Fields(self.fixed_record(fields, &origin, Widths { length, ..widths }, scope))
    }

    fn record_cell(&mut self, At { value, origin }: At<RecordItem>) -> Option<Written> {
        match value {
            RecordItem::Cell(CellExpression(cell)) => Some(cell),
            RecordItem::Field(_) => {
                let problem = origin.error("a field with a width is part of a `fixed` file");
                self.problems.push(problem.hint("write the expression alone, or `fixed` in place of `csv`"));
                None
            }
        }
    }

    fn record_field(&mut self, At { value, origin }: At<RecordItem>) -> Option<At<FixedFieldFile>> {
        match value {
            RecordItem::Field(field) => Some(At { value: field, origin }),
            RecordItem::Cell(CellExpression(cell)) => {
                let problem = origin.error("a part of a `fixed` record has a width");
                let text = cell.expr.text();
                self.problems.push(problem.hint(format!("write `{{value: \"{text}\", width: 10}}`")));
                None
            }
        }
    }
}

/// Returns the totals whose values must not be shown.
fn masked_totals(totals: &[LayoutTotal]) -> impl Iterator<Item = String> {
    let is_masked = |total: &&LayoutTotal| total.argument.as_ref().is_some_and(|value| value.is_masked);
    totals.iter().filter(is_masked).map(|total| total.name.clone())
}

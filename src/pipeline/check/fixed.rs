//! Fixed-width records, and the expressions of records.

use super::Check;
use crate::pipeline::columns::Columns;
use crate::pipeline::fixed_file::{FixedFieldFile, FixedFile};
use crate::pipeline::masked::MaskedColumns;
use crate::pipeline::plan::*;
use crate::pipeline::scalars::Expression as Written;
use crate::yaml::read::At;
use crate::yaml::scalars::Whole;
use crate::yaml::tree::Origin;

/// The columns that an artifact's records are made of.
pub(super) struct Delivered<'a> {
    /// The columns after all steps.
    pub(super) columns: &'a mut Columns,
    pub(super) masked: MaskedColumns,
    pub(super) steps: usize,
}

impl<'a> Delivered<'a> {
    pub(super) fn of(columns: &'a mut Columns, steps: &[TransformStep]) -> Self {
        Self { columns, masked: MaskedColumns::of(steps), steps: steps.len() }
    }
}

/// The widths of the fields of records, and what they must add up to.
#[derive(Clone, Copy)]
pub(super) struct Widths {
    pub(super) length: Option<u64>,
    pub(super) unit: WidthUnit,
}

impl Check<'_> {
    /// Returns the value of an expression over the delivered columns.
    pub(super) fn field_value(&mut self, written: Written, delivered: &mut Delivered<'_>) -> FieldValue {
        let written = self.with_vars(written);
        let origin = written.node.origin.clone();
        let at = self.place(&origin);
        if let Some(secret) = written.expr.secrets().next() {
            let problem = origin.error(format!("the secret {secret:?} cannot be used in the artifact"));
            self.problems.push(problem.hint("compute the value in a `set` step, and name its column here"));
        }
        let expression = Expression::new(written.expr.clone(), |column| self.place(&written.origin_of(column)));
        delivered.columns.read(&expression);
        let masked = delivered.masked.before(delivered.steps);
        let hidden = written.expr.columns().find(|column| masked.contains(*column));
        let column = hidden.or(written.expr.columns().next()).unwrap_or(written.expr.text()).to_owned();
        let is_masked = hidden.is_some();
        FieldValue { at, expr: written.expr, column, is_masked }
    }

    pub(super) fn fixed(
        &mut self,
        At { value: written, origin }: At<FixedFile>,
        charset: Option<Charset>,
        delivered: &mut Delivered<'_>,
    ) -> FixedFormat {
        let FixedFile { length, record_end, unit, fields } = written;
        let widths = self.widths(length, unit, charset);
        let at = fields.as_ref().map_or(&origin, |fields| &fields.origin).clone();
        let fields = fields.map(|fields| fields.value).unwrap_or_default();
        if fields.is_empty() {
            let problem = at.error("no field is written here");
            self.problems.push(problem.hint("write at least one: `fields: [{value: employee_id, width: 10}]`"));
        }
        let fields = self.fixed_record(fields, &at, widths, delivered);
        FixedFormat { record_end: record_end.unwrap_or(RecordEnd::Lf), unit: widths.unit, fields }
    }

    pub(super) fn widths(
        &mut self,
        length: Option<At<Whole<1, 65_536>>>,
        unit: Option<At<WidthUnit>>,
        charset: Option<Charset>,
    ) -> Widths {
        // One byte for each character: no difference is left to decide.
        let unit = match (unit, charset) {
            (Some(At { value: WidthUnit::Bytes, origin }), Some(charset)) if charset.is_unicode() => {
                let problem = origin.error(format!("widths of {} are in characters", charset.name()));
                self.problems.push(problem.hint("remove `unit`"));
                WidthUnit::Characters
            }
            (Some(At { value: WidthUnit::Bytes, .. }), None) => WidthUnit::Bytes,
            _ => WidthUnit::Characters,
        };
        Widths { length: length.map(|length| length.value.0), unit }
    }

    /// Returns the fields of a record, whose widths must add up to its length.
    pub(super) fn fixed_record(
        &mut self,
        written: Vec<At<FixedFieldFile>>,
        origin: &Origin,
        widths: Widths,
        delivered: &mut Delivered<'_>,
    ) -> Vec<FixedField> {
        let sum: u64 = written.iter().map(|field| field.value.width.value.0).sum();
        if let Some(length) = widths.length.filter(|length| *length != sum && !written.is_empty()) {
            let problem = origin.error(format!("the widths add up to {sum}, and `length` is {length}"));
            let by = length.abs_diff(sum);
            let hint = match sum < length {
                true => format!("{by} are missing: a last field `{{value: \"''\", width: {by}}}` has spaces only"),
                false => format!("{by} are too many"),
            };
            self.problems.push(problem.hint(hint));
        }
        written.into_iter().map(|field| self.fixed_field(field.value, widths, delivered)).collect()
    }

    fn fixed_field(&mut self, written: FixedFieldFile, widths: Widths, delivered: &mut Delivered<'_>) -> FixedField {
        let FixedFieldFile { value, width, align, fill, overflow } = written;
        if let Some(At { value: fill, origin }) = &fill
            && widths.unit == WidthUnit::Bytes
            && !fill.0.is_ascii()
        {
            let problem = origin.error(format!("{:?} has several bytes, and widths are in bytes", fill.0));
            self.problems.push(problem.hint("fill with an ASCII character"));
        }
        FixedField {
            value: self.field_value(value, delivered),
            width: width.value.into(),
            align: align.unwrap_or(Align::Left),
            fill: fill.map_or(' ', |fill| fill.value.0),
            overflow: overflow.unwrap_or(Overflow::Fail),
        }
    }
}

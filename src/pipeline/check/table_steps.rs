//! Steps on whole tables → the plan's.

use super::Check;
use crate::expr::time::TimeFormat;
use crate::expr::value_source::ValueSource;
use crate::pipeline::plan::*;
use crate::pipeline::table_steps_file::{DedupeFile, SortFile, SortKeyFile, SortKeyTable, UnpivotFile};
use crate::pipeline::value_type::ValueType;
use crate::yaml::problem::Problem;

impl Check<'_> {
    pub(super) fn sort(&self, written: SortFile) -> StepKind {
        StepKind::Sort(Sort { keys: self.sort_keys(written, NullsPosition::Last) })
    }

    /// `nulls` is the default.
    fn sort_keys(&self, written: SortFile, nulls: NullsPosition) -> Vec<SortKey> {
        let key = |SortKeyFile(SortKeyTable { column, order, r#as, nulls: written })| SortKey {
            column: self.column(column),
            value_type: r#as.unwrap_or(ValueType::Text),
            direction: order.unwrap_or(Direction::Ascending),
            nulls: written.unwrap_or(nulls),
        };
        written.0.into_iter().map(key).collect()
    }

    pub(super) fn dedupe(&mut self, written: DedupeFile) -> StepKind {
        let DedupeFile { by, keep, order } = written;
        if by.value.0.is_empty() {
            let problem = by.origin.error("no column is written here");
            self.problems.push(problem.hint("name the columns that identify a row: `[employee_id, course]`"));
        }
        // A row without a value is kept only if no row has one.
        let nulls = match keep {
            Keep::First => NullsPosition::Last,
            Keep::Last => NullsPosition::First,
        };
        let order = order.map(|order| self.sort_keys(order, nulls)).unwrap_or_default();
        StepKind::Dedupe(Dedupe { by: self.columns(by.value.0), keep, order })
    }

    pub(super) fn unpivot(&mut self, written: UnpivotFile) -> StepKind {
        let UnpivotFile { columns, name, value, nulls } = written;
        if columns.value.0.is_empty() {
            self.problems.push(columns.origin.error("no column to unpivot is named here"));
        }
        StepKind::Unpivot(Unpivot {
            columns: self.columns(columns.value.0),
            name: self.column(name),
            value: self.column(value),
            nulls: nulls.unwrap_or(UnpivotNulls::Drop),
        })
    }

    /// Warns if the last step sorts texts that `format_time` made, whose order is not that of their times.
    pub(super) fn warn_of_order(&mut self, steps: &[TransformStep]) {
        let Some((last, before)) = steps.split_last() else { return };
        let keys = match &last.kind {
            StepKind::Sort(sort) => &sort.keys,
            StepKind::Dedupe(dedupe) => &dedupe.order,
            _ => return,
        };
        for SortKey { column, value_type, .. } in keys {
            let ValueType::Text = value_type else { continue };
            let Some(format) = format_of(before, &column.name).filter(|format| !format.is_sortable()) else {
                continue;
            };
            let (name, text) = (&column.name, format.text());
            let what =
                format!("{name:?} is compared as text, and a format such as {text:?} is not in the order of time");
            let word = if format.has_time_of_day() { "datetime" } else { "date" };
            let hint = match format.reads_a_date() {
                Ok(()) => format!(
                    "write `{{column: {name}, as: {{{word}: \"{text}\"}}}}`, or sort before the format is applied"
                ),
                Err(_) => "sort before the format is applied".to_owned(),
            };
            self.problems.push(Problem::warning(column.at.clone(), what).hint(hint));
        }
    }
}

/// Returns the format with which the steps made a column, if it still has those texts.
fn format_of<'a>(steps: &'a [TransformStep], column: &'a str) -> Option<&'a TimeFormat> {
    let mut name = column;
    for step in steps.iter().rev() {
        match &step.kind {
            StepKind::Rename(renames) => {
                if let Some(rename) = renames.iter().find(|rename| rename.to.name == name) {
                    name = &rename.from.name;
                }
            }
            StepKind::Set(assigns) => {
                let Some(assign) = assigns.iter().find(|assign| assign.column == name) else { continue };
                match assign.value.expr.value_source() {
                    ValueSource::FormatTime(format) => return Some(format),
                    ValueSource::Column(other) => name = other,
                    ValueSource::Other => return None,
                }
            }
            StepKind::Select(_)
            | StepKind::Drop(_)
            | StepKind::Filter(_)
            | StepKind::Sort(_)
            | StepKind::Dedupe(_)
            | StepKind::Limit(_) => {}
            // Other steps may make the column themselves.
            _ => return None,
        }
    }
    None
}

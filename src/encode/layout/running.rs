//! Totals of the rows that a layout writes.

use std::collections::BTreeSet;
use std::io;

use crate::encode::values::{CellList, Values};
use crate::expr::value::CellRef;
use crate::pipeline::masked::MASKED;
use crate::pipeline::plan::LayoutTotal;
use crate::transform::{Record, Row, RowError, TotalColumn, Totals};

/// Totals, and the values that are added to them.
pub(super) struct RunningTotals {
    totals: Totals,
    /// The arguments and filters.
    values: Values,
    cells: CellList,
    outputs: Vec<CellRef>,
    /// The totals whose values must not be shown.
    masked: BTreeSet<String>,
}

impl RunningTotals {
    /// `step` is the key of the totals in the pipeline file.
    pub(super) fn new(step: &str, totals: &[LayoutTotal], columns: &[String]) -> io::Result<Self> {
        let values = totals.iter().flat_map(|total| total.argument.iter().chain(&total.filter));
        let values = Values::bind(values, columns)?;
        let is_masked = |total: &&LayoutTotal| total.argument.as_ref().is_some_and(|value| value.is_masked);
        let masked = totals.iter().filter(is_masked).map(|total| total.name.clone()).collect();
        let columns = totals.iter().map(|LayoutTotal { name, text: _, function, argument, filter }| TotalColumn {
            name,
            function: *function,
            has_argument: argument.is_some(),
            has_filter: filter.is_some(),
        });
        let outputs = (0..values.count() as u32).map(CellRef::Input).collect();
        Ok(Self { totals: Totals::new(step, columns), values, cells: CellList::default(), outputs, masked })
    }

    /// Begins anew.
    pub(super) fn reset(&mut self) {
        self.totals.reset();
    }

    /// Adds a row, whose cells are these.
    pub(super) fn add(&mut self, row: &Row<'_>, row_cells: &CellList) -> Result<(), RowError> {
        let Self { totals, values, cells, outputs, masked } = self;
        values.compute(row_cells).map_err(|bad| bad.in_row(row))?;
        cells.clear();
        values.all(row_cells).for_each(|value| cells.push(value));
        let record = Record { cells: cells.cells(), is_plain: false, ..row.record() };
        totals.add(&Row::of_record(outputs, record)).map_err(|error| match masked.contains(&error.column) {
            true => RowError { value: MASKED.to_owned(), ..error },
            false => error,
        })
    }

    /// Appends the value of each total.
    pub(super) fn push_to(&mut self, cells: &mut CellList) {
        self.totals.each(|value| cells.push(value));
    }
}

//! Running totals of rows that are written to a file.

use super::groups::{Begin, Groups};
use super::{Computed, ResultRow, Shape};
use crate::expr::aggregate::Function;
use crate::transform::error::RowError;
use crate::transform::program::Row;

/// Aggregates over the rows since the last reset.
pub(crate) struct Totals {
    shape: Shape,
    groups: Groups,
    result: ResultRow,
}

/// An aggregate of [`Totals`]. Rows have a cell for each argument and filter, in this order.
pub(crate) struct TotalColumn<'a> {
    pub(crate) name: &'a str,
    pub(crate) function: Function,
    pub(crate) has_argument: bool,
    pub(crate) has_filter: bool,
}

impl Totals {
    /// `step` is the key in the pipeline file that errors name.
    pub(crate) fn new<'a>(step: &str, columns: impl Iterator<Item = TotalColumn<'a>>) -> Self {
        let mut cells = 0..;
        let computed = columns.map(|TotalColumn { name, function, has_argument, has_filter }| {
            Computed::new(name, function, (has_argument, has_filter), &mut cells)
        });
        let shape = Shape { step: step.to_owned(), by: 0, computed: computed.collect() };
        let mut totals = Self { shape, groups: Groups::new(), result: ResultRow::default() };
        totals.reset();
        totals
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self) {
        self.groups.clear();
        self.groups.group(&self.shape, &[], Begin::default());
    }

    /// Adds a row of cells of arguments and filters.
    ///
    /// # Errors
    /// A value that cannot be added; the error names the total as its column.
    pub(crate) fn add(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        self.groups.add(&self.shape, 0, row)
    }

    /// Passes on the value of each total.
    pub(crate) fn each(&mut self, mut on_value: impl FnMut(&[u8])) {
        self.result.begin(&[]);
        self.groups.print(&self.shape, 0, &mut self.result);
        let ResultRow { bytes, bounds } = &self.result;
        bounds.iter().for_each(|(start, end)| on_value(&bytes[*start as usize..*end as usize]));
    }
}

//! Rows and stored records as examples of a finding.

use super::finding::Examples;
use super::program::Row;
use super::record::Record;

impl Examples {
    /// Adds a row.
    pub(super) fn add(&mut self, row: &Row<'_>) {
        self.add_cells(row.origin().0, || row.cells().map(|cell| text(cell.bytes)).collect());
    }

    /// Adds a row that was stored.
    pub(super) fn add_record(&mut self, record: &Record<'_>) {
        let columns = self.columns.len();
        self.add_cells(record.number, || (0..columns).map(|column| text(record.cell(column))).collect());
    }
}

fn text(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).into_owned()
}

//! Rows as several record types: a header, groups with records around them, and a trailer with totals.

mod group;
mod record;
mod running;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::group::Group;
use self::record::{RecordWriter, Writers};
use self::running::RunningTotals;
use super::csv::CsvFormat;
use super::values::{BadValue, CellList};
use super::{FileNames, RowFormat};
use crate::pipeline::plan::{CsvDialect, Header, LayoutBase, LayoutFormat, LayoutHeader, LayoutTotal};
use crate::transform::{Row, RowError};

/// Encodes rows as the records of a layout.
pub(super) struct LayoutRows(Mutex<State>);

/// The file that is being written. Rows come one by one, in their order.
struct State {
    csv: Arc<CsvFormat>,
    header: HeaderWriter,
    group: Option<Group>,
    row: Option<Vec<RecordWriter>>,
    trailer: Vec<RecordWriter>,
    totals: RunningTotals,
    names: FileNames,
    /// Files begun.
    files: usize,
    written: Progress,
    /// The cells of the row, and those of the record that is being written.
    row_cells: CellList,
    cells: CellList,
}

/// Writes the records before the first row.
enum HeaderWriter {
    Before(Vec<RecordWriter>),
    After {
        records: Vec<RecordWriter>,
        /// Records of the file before them.
        earlier: u64,
    },
}

/// The names and numbers that records read.
#[derive(Default)]
struct Progress {
    file_name: String,
    rows: u64,
    groups: u64,
    /// Records written.
    records: u64,
}

impl LayoutRows {
    /// `names` returns the name of each file, from 1.
    pub(super) fn new(layout: &LayoutFormat, columns: &[String], names: FileNames) -> io::Result<Self> {
        let LayoutFormat { base, totals, header, group, row, trailer } = layout;
        let dialect = match base {
            LayoutBase::Csv(dialect) => dialect.clone(),
            // Writes none of the records.
            LayoutBase::Fixed { .. } => CsvDialect { header: Header::None, ..CsvDialect::default() },
        };
        let csv = Arc::new(CsvFormat::new(&dialect, columns));
        let writers = Writers { base, csv: &csv };
        let state = State {
            header: HeaderWriter::new(header, totals, &writers)?,
            group: group.as_ref().map(|group| Group::new(group, &writers, columns)).transpose()?,
            row: row.as_ref().map(|row| writers.bind(row, columns)).transpose()?,
            trailer: writers.bind(trailer, &LayoutFormat::trailer_names(totals))?,
            totals: RunningTotals::new("artifact.layout.totals", totals, columns)?,
            csv,
            names,
            files: 0,
            written: Progress::default(),
            row_cells: CellList::default(),
            cells: CellList::default(),
        };
        Ok(Self(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RowFormat for LayoutRows {
    fn head(&self, columns: &[String], out: &mut Vec<u8>) -> io::Result<()> {
        self.state().begin_file(columns, out)
    }

    fn row(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        self.state().row(row, out)
    }

    fn end(&self, out: &mut Vec<u8>) -> io::Result<()> {
        self.state().end_file(out).map_err(BadValue::outside_rows)
    }

    fn is_ordered(&self) -> bool {
        true
    }

    fn late_records(&self) -> usize {
        match &self.state().header {
            HeaderWriter::Before(_) => 0,
            HeaderWriter::After { records, .. } => records.len(),
        }
    }

    fn late_record(&self, index: usize, out: &mut Vec<u8>) -> io::Result<()> {
        self.state().late_record(index, out).map_err(BadValue::outside_rows)
    }

    fn before_replacing(&self, row: &Row<'_>) -> Result<(), RowError> {
        match &mut self.state().group {
            Some(group) => group.compare(row),
            None => Ok(()),
        }
    }
}

impl State {
    fn begin_file(&mut self, columns: &[String], out: &mut Vec<u8>) -> io::Result<()> {
        let Self { csv, header, totals, names, files, written, cells, .. } = self;
        *files += 1;
        *written = Progress { file_name: names(*files)?, ..Progress::default() };
        totals.reset();
        let start = out.len();
        csv.head(columns, out)?;
        written.records += u64::from(csv.has_header() && out.len() > start);
        match header {
            HeaderWriter::Before(header) => {
                cells.clear();
                cells.push(written.file_name.as_bytes());
                written.write(header, cells, out).map_err(BadValue::outside_rows)
            }
            HeaderWriter::After { records, earlier } => {
                *earlier = written.records;
                written.records += records.len() as u64;
                Ok(())
            }
        }
    }

    fn late_record(&mut self, index: usize, out: &mut Vec<u8>) -> Result<(), BadValue> {
        let Self { header: HeaderWriter::After { records, earlier }, totals, written, cells, .. } = self else {
            return Ok(());
        };
        written.totals_to(totals, cells);
        cells.push_number(*earlier + index as u64 + 1);
        records.get_mut(index).map_or(Ok(()), |record| record.write(cells, out))
    }

    fn row(&mut self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        let Self { csv, group, row: records, totals, written, row_cells, cells, .. } = self;
        row_cells.copy(row);
        if let Some(group) = group {
            group.begin_row(row, row_cells, written, cells, out)?;
        }
        match records {
            None => {
                csv.row(row, out)?;
                written.records += 1;
            }
            Some(records) => {
                for record in records {
                    record.write(row_cells, out).map_err(|bad| bad.in_row(row))?;
                    written.records += 1;
                }
            }
        }
        written.rows += 1;
        totals.add(row, row_cells)?;
        match group {
            Some(group) => group.add(row, row_cells),
            None => Ok(()),
        }
    }

    fn end_file(&mut self, out: &mut Vec<u8>) -> Result<(), BadValue> {
        let Self { group, trailer, totals, written, cells, .. } = self;
        if let Some(group) = group {
            group.end(written, cells, out)?;
        }
        written.totals_to(totals, cells);
        written.write(trailer, cells, out)
    }
}

impl HeaderWriter {
    fn new(header: &LayoutHeader, totals: &[LayoutTotal], writers: &Writers<'_>) -> io::Result<Self> {
        Ok(match header {
            LayoutHeader::Before(records) => Self::Before(writers.bind(records, &LayoutFormat::header_names())?),
            LayoutHeader::After(records) => {
                let records = writers.bind(records, &LayoutFormat::trailer_names(totals))?;
                Self::After { records, earlier: 0 }
            }
        })
    }
}

impl Progress {
    /// Replaces the cells by what records read after the last row, but for their own number.
    fn totals_to(&self, totals: &mut RunningTotals, cells: &mut CellList) {
        cells.clear();
        totals.push_to(cells);
        cells.push_number(self.rows);
        cells.push_number(self.groups);
        cells.push(self.file_name.as_bytes());
    }

    /// Appends records, whose cells are these and the number of records including each.
    fn write(&mut self, records: &mut [RecordWriter], cells: &mut CellList, out: &mut Vec<u8>) -> Result<(), BadValue> {
        let count = cells.len();
        for record in records {
            self.records += 1;
            cells.truncate(count);
            cells.push_number(self.records);
            record.write(cells, out)?;
        }
        Ok(())
    }
}

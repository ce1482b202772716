//! `join`: rows looked up in a table, which is kept in memory while it fits; else both are sorted by the key. Our rows
//! keep their order either way.

mod fork;
mod on_disk;
mod theirs;

use std::sync::Arc;

use tracing::info;

use self::fork::Fork;
use self::on_disk::OnDisk;
use self::theirs::{Found, InMemory, Theirs};
use super::keys::{read_cell, write_non_null};
use super::spill::Spill;
use super::{Next, Resources, TableOperator};
use crate::expr::shorten;
use crate::expr::value::{Bounds, Cells};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Column, Join, JoinKind, Lookup, Severity, TransformStep};
use crate::transform::error::{RowError, TransformError};
use crate::transform::finding::{Examples, StepFinding};
use crate::transform::program::Row;
use crate::transform::record::Record;
use crate::yaml::problem::Problem;

pub(super) struct JoinRows {
    theirs: Theirs,
    state: State,
    rows: OurRows,
    spill: Spill,
    memory: usize,
}

/// The table's rows.
enum State {
    Unread,
    InMemory(Arc<InMemory>),
    OnDisk(Box<OnDisk>),
}

/// Our rows, one at a time.
struct OurRows {
    /// The positions of our matched columns.
    keys: Vec<usize>,
    /// The number of columns that are added.
    added: usize,
    rules: Rules,
    tally: Tally,
    key: Vec<u8>,
    joined: Joined,
}

/// The rows that are passed on.
#[derive(Clone)]
struct Rules {
    /// The table's name.
    table: String,
    /// The key of the step in the pipeline file.
    step: String,
    /// The names of our matched columns.
    columns: String,
    kind: KeptRows,
    many: bool,
}

/// The longest row of the table, in bytes of added cells, up to which blocks of our rows are joined on several threads.
const FORKED_ROW_BYTES_MAX: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
enum KeptRows {
    Left,
    Inner,
    Semi,
    Anti,
}

/// The rows without a match, and the row balance.
#[derive(Default)]
struct Tally {
    unmatched: u64,
    dropped: u64,
    added: u64,
    /// Those without a match, if they hold the run.
    examples: Option<Examples>,
}

/// The record that is passed on: our cells, then those that are added.
#[derive(Default)]
struct Joined {
    bytes: Vec<u8>,
    bounds: Vec<Bounds>,
}

impl JoinRows {
    /// Opens the table. Returns `None` with problems in `columns`, which are our columns, if the join does not fit its
    /// header.
    pub(super) fn open(
        step: &TransformStep,
        join: &Join,
        columns: &mut Columns,
        resources: &Resources<'_>,
    ) -> Result<Option<Self>, TransformError> {
        let name = join.with.name();
        let Some(table) = resources.step_inputs.tables.get(name).cloned() else {
            columns.report(Problem::error(step.at.clone(), format!("the table {name:?} is not at hand here")));
            return Ok(None);
        };
        let (kind, lookup) = match &join.kind {
            JoinKind::Left(lookup) => (KeptRows::Left, Some(lookup)),
            JoinKind::Inner(lookup) => (KeptRows::Inner, Some(lookup)),
            JoinKind::Semi => (KeptRows::Semi, None),
            JoinKind::Anti => (KeptRows::Anti, None),
        };
        let added: Vec<&Column> = lookup.iter().flat_map(|lookup| &lookup.columns).map(|added| &added.from).collect();
        let theirs = match Theirs::open(join, &added, table, resources.limits, resources.stop.clone())? {
            Ok(theirs) => theirs,
            Err(problems) => {
                problems.into_iter().for_each(|problem| columns.report(problem));
                return Ok(None);
            }
        };
        let hold = lookup.is_some_and(|lookup: &Lookup| lookup.hold);
        let examples = hold.then(|| Examples::new(columns.cells().0));
        let names: Vec<&str> = join.matches.iter().map(|pair| pair.ours.name.as_str()).collect();
        let many = lookup.is_some_and(|lookup| lookup.many);
        let (table, step) = (name.to_owned(), step.at.key.clone());
        let rows = OurRows {
            keys: names.iter().map(|name| columns.position_of(name)).collect(),
            added: theirs.added.len(),
            rules: Rules { table, step, columns: names.join(", "), kind, many },
            tally: Tally { examples, ..Tally::default() },
            key: Vec::new(),
            joined: Joined::default(),
        };
        Ok(Some(Self {
            theirs,
            state: State::Unread,
            rows,
            // Theirs, ours, and the rows that are joined.
            spill: Spill::new(resources, 3),
            memory: resources.memory,
        }))
    }

    /// Reads the table if that was not done, into memory or beyond that into a sorter.
    fn read_theirs(&mut self) -> Result<(), TransformError> {
        let State::Unread = self.state else { return Ok(()) };
        let (mut table, mut on_disk): (_, Option<Box<OnDisk>>) = (InMemory::new(), None);
        self.theirs.read(|key, row| {
            match &mut on_disk {
                None => table.push(key, row),
                Some(on_disk) => return on_disk.their_row(key, row),
            }
            // Half, as what grows may take twice as much.
            if table.bytes() > self.memory / 2 {
                let on_disk = on_disk.insert(Box::new(OnDisk::new(&self.spill)));
                std::mem::replace(&mut table, InMemory::new()).drain(|key, row| on_disk.their_row(key, row))?;
            }
            Ok(())
        })?;
        self.state = on_disk.map_or_else(|| State::InMemory(Arc::new(table)), State::OnDisk);
        Ok(())
    }
}

impl TableOperator for JoinRows {
    fn row(&mut self, row: &Row<'_>, next: &mut Next<'_>) -> Result<(), TransformError> {
        if let State::Unread = self.state {
            self.read_theirs()?;
        }
        match &mut self.state {
            State::InMemory(table) => self.rows.join(table, row, next),
            State::OnDisk(on_disk) => on_disk.our_row(self.rows.key_of(row), row),
            State::Unread => Ok(()),
        }
    }

    fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        let Self { theirs, state, rows: OurRows { rules, tally, .. }, spill, .. } = self;
        if let State::OnDisk(on_disk) = std::mem::replace(state, State::Unread) {
            on_disk.finish(theirs, rules, tally, spill, next)?;
        }
        if let (KeptRows::Left, 1..) = (rules.kind, tally.unmatched) {
            info!(step = rules.step, table = rules.table, rows = tally.unmatched, "rows without a match");
        }
        Ok(())
    }

    fn counts(&self) -> Vec<u64> {
        vec![self.rows.tally.dropped, self.rows.tally.added]
    }

    fn fork(&mut self) -> Result<Option<Box<dyn TableOperator>>, TransformError> {
        self.read_theirs()?;
        let OurRows { keys, added, rules, tally, .. } = &self.rows;
        Ok(match &self.state {
            // The examples are those of the first rows; many matches, or large ones, may need much memory.
            State::InMemory(table)
                if tally.examples.is_none() && !rules.many && table.longest_row() <= FORKED_ROW_BYTES_MAX =>
            {
                Some(Box::new(Fork::new(table.clone(), keys.clone(), *added, rules.clone())))
            }
            State::InMemory(_) | State::OnDisk(_) | State::Unread => None,
        })
    }

    fn add_tally(&mut self, tally: Vec<u64>) {
        let Tally { unmatched, dropped, added, .. } = &mut self.rows.tally;
        [unmatched, dropped, added].into_iter().zip(tally).for_each(|(count, more)| *count += more);
    }

    fn findings(&mut self) -> Vec<StepFinding> {
        let OurRows { rules, tally, .. } = &mut self.rows;
        let examples = tally.examples.take().filter(|examples| examples.total > 0);
        let finding = examples.map(|examples| StepFinding {
            key: rules.step.clone(),
            severity: Severity::Hold,
            message: match examples.total {
                1 => format!("1 row has no match in {:?}", rules.table),
                rows => format!("{rows} rows have no match in {:?}", rules.table),
            },
            examples,
        });
        finding.into_iter().collect()
    }
}

impl OurRows {
    /// Returns the key of a row, which is empty if a cell is null.
    #[inline]
    fn key_of(&mut self, row: &Row<'_>) -> &[u8] {
        write_non_null(self.keys.iter().map(|column| row.cell(*column)), &mut self.key);
        &self.key
    }

    /// Joins a row with a table in memory.
    fn join(&mut self, table: &InMemory, row: &Row<'_>, next: &mut Next<'_>) -> Result<(), TransformError> {
        self.key_of(row);
        let Self { keys: _, added, rules, tally, key, joined } = self;
        // No row of theirs has the empty key.
        let mut matches = table.matches(key);
        let first = matches.clone().next();
        let is_kept = tally.count(rules.kind, first.is_some());
        if first.is_none()
            && let Some(examples) = &mut tally.examples
        {
            examples.add(row);
        }
        if !is_kept {
            return Ok(());
        }
        let (number, line) = row.origin();
        let is_plain = joined.begin(row);
        let Some(first) = matches.next().filter(|_| rules.adds()) else {
            (0..*added).for_each(|_| joined.add(&[]));
            return next(joined.record(is_plain, number, line));
        };
        if !rules.many
            && let Some(second) = matches.clone().next()
        {
            return Err(rules.multiplied(key, [first, second], (number, line)));
        }
        let ours = (joined.bytes.len(), joined.bounds.len());
        for (found, count) in std::iter::once(first).chain(matches).map(Found::new).zip(0..) {
            tally.added += u64::from(count > 0);
            joined.bytes.truncate(ours.0);
            joined.bounds.truncate(ours.1);
            found.cells().for_each(|cell| joined.add(cell));
            next(joined.record(is_plain && found.is_plain(), number, line))?;
        }
        Ok(())
    }
}

impl Rules {
    /// Returns true if columns are added.
    fn adds(&self) -> bool {
        matches!(self.kind, KeptRows::Left | KeptRows::Inner)
    }

    /// Returns the error for a row with two matches.
    #[cold]
    fn multiplied(&self, key: &[u8], found: [&[u8]; 2], row: (u64, u64)) -> TransformError {
        let [first, second] = found.map(|row| Found::new(row).number());
        let what = format!(
            "occurs more than once in {}, in records {first} and {second}; remove one there, or write `many: true` \
             if each match is to be a row",
            self.table
        );
        self.error(key, row, what)
    }

    #[cold]
    fn error(&self, key: &[u8], (number, line): (u64, u64), what: String) -> TransformError {
        let (mut at, mut cells) = (0, Vec::new());
        while at < key.len() {
            cells.push(String::from_utf8_lossy(read_cell(key, &mut at)).into_owned());
        }
        let (column, value, step) = (self.columns.clone(), shorten(&cells.join(", ")), self.step.clone());
        RowError { number, line, column, value, what, step }.into()
    }
}

impl Tally {
    /// Counts a row. Returns true if it is passed on.
    #[inline]
    fn count(&mut self, kind: KeptRows, is_matched: bool) -> bool {
        let is_kept = match kind {
            KeptRows::Left => true,
            KeptRows::Inner | KeptRows::Semi => is_matched,
            KeptRows::Anti => !is_matched,
        };
        self.unmatched += u64::from(!is_matched);
        self.dropped += u64::from(!is_kept);
        is_kept
    }
}

impl Joined {
    /// Begins with our cells. Returns true if they are all known to be plain.
    #[inline]
    fn begin(&mut self, row: &Row<'_>) -> bool {
        self.bytes.clear();
        self.bounds.clear();
        self.add_ours(row)
    }

    #[inline]
    fn add_ours(&mut self, row: &Row<'_>) -> bool {
        let mut is_plain = true;
        for cell in row.cells() {
            is_plain &= cell.is_plain;
            self.add(cell.bytes);
        }
        is_plain
    }

    #[inline]
    fn add(&mut self, cell: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(cell);
        self.bounds.push((start, self.bytes.len() as u32));
    }

    fn record(&self, is_plain: bool, number: u64, line: u64) -> Record<'_> {
        Record { cells: Cells { bytes: &self.bytes, bounds: &self.bounds }, is_plain, number, line }
    }
}

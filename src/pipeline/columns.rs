//! The columns between two steps of a transform, as the operators declare them, with or without a header.
//!
//! Before there is data the source's columns are unknown: every name may be one of them, until a `select` closes the
//! set. Columns that a step renamed or dropped are gone in either case.

mod more;
mod unpivot;

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Assign, Column, Expression, Rename, Source};
use crate::expr::value::CellRef;
use crate::yaml::problem::{Place, Problem, did_you_mean};

/// A column of the source before its header is read, or a missing one.
const UNKNOWN: CellRef = CellRef::Input(u32::MAX);
/// A column without cells, as no later step reads it.
const LEFT_OUT: CellRef = CellRef::Input(u32::MAX - 1);

/// The use of a row's cells until the next row begins.
pub(crate) struct RowUse {
    /// The positions of the cells that steps read.
    read: BTreeSet<u32>,
    /// The cell of each column at the end.
    columns: Vec<CellRef>,
}

/// The columns at one point of the chain, in order, and every problem of the steps so far.
#[derive(Default)]
pub struct Columns {
    known: Vec<(String, CellRef)>,
    /// True if there are no other columns.
    is_closed: bool,
    /// Columns that do not exist any more, and the reason.
    gone: BTreeMap<String, String>,
    /// The number of cells created by steps.
    made: u32,
    /// The positions of the row's cells that steps have read.
    read: BTreeSet<u32>,
    problems: Vec<Problem>,
    /// The name of a table that a step reads besides the rows, if these are its columns.
    table: Option<String>,
}

impl Columns {
    /// Returns a source's columns. Names may be duplicated, as long as no step uses them.
    pub(crate) fn of_header(names: &[String]) -> Self {
        let known = names.iter().cloned().zip((0..).map(CellRef::Input)).collect();
        Self { known, is_closed: true, ..Self::default() }
    }

    /// Returns the columns of a table that a step reads besides the rows.
    pub(crate) fn of_table(name: &str, names: &[String]) -> Self {
        Self { table: Some(name.to_owned()), ..Self::of_header(names) }
    }

    /// Returns a source's columns, as far as they are known before it is read.
    pub fn of_source(source: &Source) -> Self {
        source.records().map(|(_, records)| Self::of_header(&records.fields)).unwrap_or_default()
    }

    /// Returns the names, if all are known.
    pub fn names(&self) -> Option<Vec<String>> {
        self.is_closed.then(|| self.known.iter().map(|(name, _)| name.clone()).collect())
    }

    /// Returns the number of cells that steps have created so far.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// Returns the source of a column's cells. Only [`Columns::read`] reports problems.
    pub(crate) fn cell(&self, name: &str) -> CellRef {
        let cell = self.known.iter().find(|(known, _)| known == name).map_or(UNKNOWN, |(_, cell)| *cell);
        debug_assert!(cell != LEFT_OUT, "{name:?} is read and was left out");
        cell
    }

    /// Returns the position of a column's cell in a row that [`Columns::settle`] began. One that is missing has a problem.
    pub(crate) fn position_of(&self, name: &str) -> usize {
        match self.cell(name) {
            CellRef::Input(position) => position as usize,
            CellRef::Made(_) => u32::MAX as usize,
        }
    }

    pub(crate) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Begins a new row, whose cells are those of the known columns. Returns the use of the one before.
    pub(crate) fn settle(&mut self) -> RowUse {
        let row = RowUse { read: std::mem::take(&mut self.read), columns: self.cells().1 };
        self.made = 0;
        let present = self.known.iter_mut().filter(|(_, cell)| *cell != LEFT_OUT);
        for ((_, cell), position) in present.zip(0..) {
            *cell = CellRef::Input(position);
        }
        row
    }

    /// Leaves out the columns that are not needed. No step reads them until one makes them anew.
    pub(crate) fn leave_out(&mut self, is_needed: &[bool]) {
        for ((_, cell), _) in self.known.iter_mut().zip(is_needed).filter(|(_, is_needed)| !**is_needed) {
            *cell = LEFT_OUT;
        }
    }

    /// Reads every column.
    pub(crate) fn read_all(&mut self) {
        let Self { known, read, .. } = self;
        known.iter().for_each(|(_, cell)| mark(*cell, read));
    }

    /// Returns the cells of the known columns, with their names, but not of those that are left out.
    pub(crate) fn cells(&self) -> (Vec<String>, Vec<CellRef>) {
        self.known.iter().filter(|(_, cell)| *cell != LEFT_OUT).cloned().unzip()
    }

    /// Makes every column uncertain, after a step that could not be read.
    pub(crate) fn forget(&mut self) {
        *self = Self { problems: std::mem::take(&mut self.problems), ..Self::default() };
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Returns the output's names and cells.
    ///
    /// # Errors
    /// Every problem of the steps, or else no columns or duplicate names, reported at `last`, the last step.
    pub(crate) fn finish(mut self, last: Option<&Place>) -> Result<(Vec<String>, Vec<CellRef>), Vec<Problem>> {
        if self.known.is_empty() {
            self.report(Problem::error(last.cloned(), "no column is left"));
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let mut names: Vec<&str> = self.known.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let mut twice: Vec<&str> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        twice.dedup();
        debug_assert!(self.known.iter().all(|(_, cell)| *cell != LEFT_OUT), "columns of the output were left out");
        if twice.is_empty() {
            return Ok(self.known.into_iter().unzip());
        }
        let problem = |name: &str| match name {
            "" => Problem::error(last.cloned(), "the output would have more than one column without a name")
                .hint("a delimiter at the end of the header line makes one: `select` the columns that are wanted"),
            name => Problem::error(last.cloned(), format!("the output would have more than one column {name:?}"))
                .hint("`select` the columns that are wanted: each of its names must be in the header once"),
        };
        Err(twice.into_iter().map(problem).collect())
    }

    /// Reports every missing column of an expression.
    pub(crate) fn read(&mut self, expression: &Expression) {
        for column in &expression.columns {
            let quotes = "a text is written in single quotes, a column in double quotes or none";
            let meant = expression.expr.hint_for_missing(&column.name);
            self.find(column, Some(meant.as_deref().unwrap_or(quotes)));
        }
    }

    /// Applies all renames of a step at once: `{a: b, b: a}` swaps.
    pub(crate) fn rename(&mut self, renames: &[Rename]) {
        for (index, Rename { to, from }) in renames.iter().enumerate() {
            self.find(from, None);
            if renames[..index].iter().any(|earlier| earlier.from.name == from.name) {
                let problem = from.error(format!("the column {:?} is renamed twice", from.name));
                self.report(problem.hint("keep one name here; `set` makes a copy of a column"));
            }
            let is_there = self.known.iter().any(|(known, _)| *known == to.name);
            if is_there && !renames.iter().any(|other| other.from.name == to.name) {
                let problem = to.error(format!("there is a column {:?} already", to.name));
                self.report(problem.hint("drop or rename that one first"));
                self.known.retain(|(known, _)| *known != to.name); // so that no later step reports it again
            }
        }
        let mut added = Vec::new();
        let places: Vec<_> = renames.iter().map(|rename| self.position(&rename.from.name)).collect();
        for (Rename { to, from }, place) in renames.iter().zip(places) {
            match place {
                Some(place) => self.known[place].0.clone_from(&to.name),
                None => added.push((to.name.clone(), UNKNOWN)),
            }
            self.gone.insert(from.name.clone(), format!("it was renamed to {:?}{}", to.name, on_line(&to.at)));
        }
        self.known.extend(added);
        for Rename { to, .. } in renames {
            self.gone.remove(&to.name);
        }
    }

    /// Keeps these columns, in this order.
    pub(crate) fn select(&mut self, columns: &[Column]) {
        let cells = self.find_each_once(columns);
        for column in columns {
            self.gone.remove(&column.name);
        }
        self.known = columns.iter().map(|column| column.name.clone()).zip(cells).collect();
        self.is_closed = true;
    }

    pub(crate) fn drop(&mut self, columns: &[Column]) {
        self.find_each_once(columns);
        for column in columns {
            self.known.retain(|(name, _)| *name != column.name);
            self.gone.insert(column.name.clone(), format!("it was dropped{}", on_line(&column.at)));
        }
    }

    /// Adds columns, or replaces them in place. Every expression reads the columns before the step.
    pub(crate) fn set(&mut self, assigns: &[Assign]) {
        for assign in assigns {
            self.read(&assign.value);
        }
        for Assign { column, at, .. } in assigns {
            self.put_cell(column, at);
        }
    }

    /// Makes a column of another one, or replaces it in place.
    pub(crate) fn make(&mut self, of: &Column, to: &Column) {
        self.find(of, None);
        self.put(to);
    }

    /// Replaces these columns in place. Each is read before the step.
    pub(crate) fn replace<'a>(&mut self, columns: impl Iterator<Item = &'a Column> + Clone) {
        columns.clone().for_each(|column| self.require(column));
        columns.for_each(|column| self.put(column));
    }

    /// Fills the empty cells of these columns.
    pub(crate) fn fill(&mut self, columns: &[Column]) {
        self.find_each_once(columns);
        columns.iter().for_each(|column| self.put(column));
    }

    /// Adds a column, or replaces it in place.
    pub(crate) fn put(&mut self, column: &Column) {
        self.put_cell(&column.name, &column.at);
    }

    fn put_cell(&mut self, name: &str, at: &Place) {
        let cell = CellRef::Made(self.made);
        self.made += 1;
        self.gone.remove(name);
        let mut places = self.known.iter_mut().filter(|(known, _)| known == name);
        match (places.next(), places.next()) {
            (Some(place), None) => place.1 = cell,
            (Some(_), Some(_)) => self.report(duplicate_column(name, at)),
            (None, _) => self.known.push((name.to_owned(), cell)),
        }
    }

    /// Adds a column of a step's own, whose cells are known once the next row begins. Reports one that exists already.
    pub(crate) fn add(&mut self, column: &Column, hint: &str) {
        if self.known.iter().any(|(known, _)| *known == column.name) {
            self.report(column.error(format!("there is a column {:?} already", column.name)).hint(hint));
            return;
        }
        self.gone.remove(&column.name);
        self.known.push((column.name.clone(), UNKNOWN));
    }

    /// Reports a column that cannot exist.
    pub(crate) fn require(&mut self, column: &Column) {
        self.find(column, None);
    }

    /// Reports columns that cannot exist or are named twice.
    pub(crate) fn require_each_once<'a>(&mut self, columns: impl IntoIterator<Item = &'a Column>) {
        self.find_each_once(columns);
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.known.iter().position(|(known, _)| known == name)
    }

    fn find_each_once<'a>(&mut self, columns: impl IntoIterator<Item = &'a Column>) -> Vec<CellRef> {
        let columns: Vec<&Column> = columns.into_iter().collect();
        let mut cells = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            if columns[..index].iter().any(|earlier| earlier.name == column.name) {
                let problem = column.error(format!("the column {:?} is named twice", column.name));
                self.report(problem.hint("keep one of them"));
                cells.push(UNKNOWN);
            } else {
                cells.push(self.find(column, None));
            }
        }
        cells
    }

    /// Returns the source of a column's cells, and reports the column if it cannot exist.
    fn find(&mut self, column: &Column, hint: Option<&str>) -> CellRef {
        let name = &column.name;
        let mut found = self.known.iter().filter(|(known, _)| known == name).map(|(_, cell)| *cell);
        match (found.next(), found.next()) {
            (Some(cell), None) => {
                mark(cell, &mut self.read);
                return cell;
            }
            (Some(cell), Some(_)) => {
                mark(cell, &mut self.read);
                let problem = match &self.table {
                    None => duplicate_column(name, &column.at),
                    Some(table) => column.error(format!("{table} has more than one column {name:?}")),
                };
                self.report(problem);
            }
            (None, _) => {
                if let Some(why) = self.gone.get(name) {
                    let problem = column.error(format!("there is no column {name:?} here any more"));
                    self.report(problem.hint(why.clone()));
                } else if self.is_closed {
                    let known = self.known.iter().map(|(known, _)| known.as_str());
                    let near = nearest(name, known.clone());
                    let there = format!("there are {}", list(known));
                    let hints = [near.as_deref(), hint, Some(there.as_str())].into_iter().flatten();
                    let hints = hints.collect::<Vec<_>>().join("; ");
                    let place = self.table.as_ref().map_or_else(|| "here".to_owned(), |table| format!("in {table}"));
                    self.report(column.error(format!("there is no column {name:?} {place}")).hint(hints));
                }
            }
        }
        UNKNOWN
    }
}

impl RowUse {
    /// Returns for each cell of the row if it is needed: a step reads it, or a column that is needed at the end has it.
    pub(crate) fn needed_cells(&self, cells: usize, is_needed: &[bool]) -> Vec<bool> {
        let mut read = self.read.clone();
        for (cell, _) in self.columns.iter().zip(is_needed).filter(|(_, is_needed)| **is_needed) {
            mark(*cell, &mut read);
        }
        (0..cells as u32).map(|position| read.contains(&position)).collect()
    }

    /// Returns the number of columns at the end.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }
}

fn mark(cell: CellRef, read: &mut BTreeSet<u32>) {
    if let CellRef::Input(position) = cell {
        read.insert(position);
    }
}

impl Column {
    fn error(&self, what: String) -> Problem {
        Problem::error(self.at.clone(), what)
    }
}

fn duplicate_column(name: &str, at: &Place) -> Problem {
    Problem::error(at.clone(), format!("the header has more than one column {name:?}"))
        .hint("give the columns of the report different names in the LMS")
}

fn on_line(place: &Place) -> String {
    format!(" on line {}", place.line)
}

/// Returns the most similar column; one that differs by spaces around it or by case comes first.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    let plain = |name: &str| name.trim().to_lowercase();
    let same = known.clone().find(|known| plain(known) == plain(name));
    let Some(same) = same else { return did_you_mean(name, known) };
    let spaces = if same.trim() == same { "" } else { " with the spaces that the header has" };
    Some(format!("did you mean {same:?}{spaces}?"))
}

/// Lists names for a hint, limited to a line or two.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN_MAX: usize = 30;
    let names: Vec<&str> = names.collect();
    let described = |name: &&str| match name.is_empty() {
        true => "one without a name (a delimiter at the end of the header line makes one)".to_owned(),
        false => format!("{name:?}"),
    };
    let mut shown = names.iter().take(SHOWN_MAX).map(described).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX {
        shown.push_str(&format!(" and {} more", names.len() - SHOWN_MAX));
    }
    shown
}

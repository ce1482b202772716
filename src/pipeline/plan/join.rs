//! The plan of a `join`, and of the table that it reads.

use super::{Column, CsvInput, Rename, StepKind, TableFile};

/// A table that a step reads besides the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableRef {
    /// Another source of the pipeline, by its name.
    Source(String),
    /// A file beside the pipeline file, and its format.
    File(TableFile, CsvInput),
}

impl TableRef {
    /// Returns its key in the inputs of steps, and its name in messages.
    pub fn name(&self) -> &str {
        match self {
            Self::Source(name) => name,
            Self::File(file, _) => &file.name,
        }
    }
}

/// A join of the rows with another table.
pub struct Join {
    pub with: TableRef,
    /// At least one.
    pub matches: Vec<Match>,
    pub kind: JoinKind,
}

impl Join {
    /// Returns the columns that it adds: new names, and the table's own.
    pub fn renames(&self) -> &[Rename] {
        match &self.kind {
            JoinKind::Left(lookup) | JoinKind::Inner(lookup) => lookup.columns.as_slice(),
            JoinKind::Semi | JoinKind::Anti => &[],
        }
    }

    /// Returns the columns that it adds.
    pub fn added(&self) -> impl Iterator<Item = &Column> {
        self.renames().iter().map(|rename| &rename.to)
    }

    /// Returns the columns of the rows that are equal to a column of the table.
    pub fn equal_to<'a>(&'a self, theirs: &Column) -> impl Iterator<Item = &'a Column> {
        let name = theirs.name.clone();
        self.matches.iter().filter(move |pair| pair.theirs.name == name).map(|pair| &pair.ours)
    }
}

/// Two columns whose values must be equal. An empty value equals nothing.
pub struct Match {
    pub ours: Column,
    pub theirs: Column,
}

/// The rows that a join keeps.
pub enum JoinKind {
    /// All rows, each with its match where there is one.
    Left(Lookup),
    /// The rows that have a match, with it.
    Inner(Lookup),
    /// The rows that have a match, as they are.
    Semi,
    /// The rows that have none, as they are.
    Anti,
}

/// The treatment of matches.
pub struct Lookup {
    /// The columns that are added: new names, and the table's own.
    pub columns: Vec<Rename>,
    /// Allows several matches of a row, each of which makes a row.
    pub many: bool,
    /// Holds the run if rows have no match.
    pub hold: bool,
}

impl Join {
    /// Returns true if rows without a match hold the run.
    pub fn holds_unmatched(&self) -> bool {
        match &self.kind {
            JoinKind::Left(lookup) | JoinKind::Inner(lookup) => lookup.hold,
            JoinKind::Semi | JoinKind::Anti => false,
        }
    }
}

impl StepKind {
    /// Returns the table that the step reads besides the rows.
    pub fn table(&self) -> Option<&TableRef> {
        match self {
            Self::Join(join) => Some(&join.with),
            Self::Rename(_) | Self::Select(_) | Self::Drop(_) | Self::Filter(_) | Self::Set(_) => None,
            Self::Map(_) | Self::Mask(_) | Self::Fill(_) | Self::Number(_) | Self::Limit(_) | Self::Unpivot(_) => None,
            Self::Sort(_) | Self::Dedupe(_) | Self::Aggregate(_) | Self::Pivot(_) | Self::Delta(_) => None,
        }
    }
}

//! An operator on whole tables and the program after it, and the way of a row through several.

use std::collections::BTreeSet;

use super::error::TransformError;
use super::program::{Found, Program, Row};
use super::record::Record;
use super::table::TableOperator;

pub(super) struct Link {
    pub(super) operator: Box<dyn TableOperator>,
    /// The columns before the operator whose values must not be shown.
    pub(super) masked: BTreeSet<String>,
    pub(super) program: Program,
}

/// The beginning of a chain, for some of the records on a thread of its own.
pub(super) struct Fork {
    pub(super) program: Program,
    pub(super) links: Vec<Link>,
}

/// The findings and counts of a fork.
pub(super) struct ForkFound {
    program: Found,
    links: Vec<(Vec<u64>, Found)>,
}

impl Fork {
    /// Returns the first program with as many operators after it as several threads can run.
    ///
    /// # Errors
    /// A table that an operator reads cannot be read.
    pub(super) fn of(program: &Program, rest: &mut [Link]) -> Result<Self, TransformError> {
        let mut links = Vec::new();
        for Link { operator, masked, program } in rest {
            let Some(operator) = operator.fork()? else { break };
            links.push(Link { operator, masked: masked.clone(), program: program.clone() });
        }
        Ok(Self { program: program.clone(), links })
    }

    /// Returns what it found since the last call.
    pub(super) fn take_found(&mut self) -> ForkFound {
        let Self { program, links } = self;
        let links = links.iter_mut().map(|link| (link.operator.take_tally(), link.program.take_found())).collect();
        ForkFound { program: program.take_found(), links }
    }
}

impl ForkFound {
    /// Adds it to the chain.
    pub(super) fn add_to(self, first: &mut Program, rest: &mut [Link]) {
        let Self { program, links } = self;
        first.add_found(program);
        for (link, (tally, found)) in rest.iter_mut().zip(links) {
            link.operator.add_tally(tally);
            link.program.add_found(found);
        }
    }
}

/// Takes the rows at the end.
pub(super) type OnRow<'a> = dyn FnMut(&Row<'_>) -> Result<(), TransformError> + 'a;

/// Passes a row of a program through the operators and programs after it.
#[inline]
pub(super) fn pass_on(row: &Row<'_>, rest: &mut [Link], on_row: &mut OnRow<'_>) -> Result<(), TransformError> {
    match rest.split_first_mut() {
        None => on_row(row),
        Some((Link { operator, masked: _, program }, rest)) => {
            operator.row(row, &mut |record| pass(program, rest, record, on_row))
        }
    }
}

/// Passes a record through a program and the operator and programs after it.
#[inline]
pub(super) fn pass(
    program: &mut Program,
    rest: &mut [Link],
    record: Record<'_>,
    on_row: &mut OnRow<'_>,
) -> Result<(), TransformError> {
    match program.row(record)? {
        Some(row) => pass_on(&row, rest, on_row),
        None => Ok(()),
    }
}

/// Ends the operators, from the first one to the last.
pub(super) fn finish(mut rest: &mut [Link], on_row: &mut OnRow<'_>) -> Result<(), TransformError> {
    while let Some((Link { operator, masked: _, program }, after)) = rest.split_first_mut() {
        operator.finish(&mut |record| pass(program, after, record, on_row))?;
        rest = after;
    }
    Ok(())
}

//! The beginning of a chain on several threads: blocks of records → rows, in the order of the records.
//!
//! One thread finds the records of each block, two or more run the program and the operators that follow on a block each
//! and encode its rows, and the caller takes the results in turn. Every channel is short, so memory does not grow.

mod joined;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use self::joined::JoinedRows;
use super::error::TransformError;
use super::link::{Fork, ForkFound, finish, pass};
use super::program::{Encode, Program, Row};
use super::record::batch::Batch;
use super::record::{Record, Records};
use crate::expr::value::Span;

/// The records of a block, and the rows that were made of them.
#[derive(Default)]
pub(super) struct Piece {
    batch: Batch,
    /// The records that are left, by their position in the batch.
    rows: Vec<u32>,
    /// The computed cells of these, and their bytes.
    made: Vec<Span>,
    arena: Vec<u8>,
    /// The rows instead, if an operator on whole tables made them.
    joined: JoinedRows,
    /// The number of rows.
    row_count: u64,
    encoded: Vec<u8>,
    error: Option<TransformError>,
}

/// The parts of the work that the caller needs.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    /// The rows one by one, not only encoded.
    pub rows: bool,
    /// The rows encoded.
    pub encoded: bool,
}

/// Threads that run the program, at most; more wait for those that read and write.
const WORKERS_MAX: usize = 4;

/// Returns the number of threads that run the program.
pub(super) fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(1, WORKERS_MAX)
}

/// Runs one of `forks` on each block of records. `take` gets the pieces in order, with what the fork found in it.
///
/// # Errors
/// The first one of the records, of the program, or of `take`.
pub(super) fn run(
    records: Records<'_>,
    forks: Vec<Fork>,
    encode: &Encode<'_>,
    needs: Needs,
    mut take: impl FnMut(&mut Piece, ForkFound) -> Result<(), TransformError>,
) -> Result<(), TransformError> {
    let used: Mutex<Vec<Piece>> = Mutex::default();
    let lend = || used.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    std::thread::scope(|scope| {
        let (mut to_workers, mut done) = (Vec::new(), Vec::new());
        for fork in forks {
            let (send, pieces) = sync_channel(2);
            let (finished, results) = sync_channel(2);
            scope.spawn(move || work(fork, encode, needs, &pieces, &finished));
            to_workers.push(send);
            done.push(results);
        }
        scope.spawn(move || distribute(records, lend, &to_workers));
        let taken = collect(&done, &used, &mut take);
        drop(done); // threads that still work end with their next piece
        taken
    })
}

/// Reads the records and gives each worker a block in turn.
fn distribute(records: Records<'_>, lend: impl Fn() -> Piece, workers: &[SyncSender<Piece>]) {
    let mut turn = workers.iter().cycle();
    let spare: std::cell::RefCell<Vec<Piece>> = Default::default();
    let empty = || {
        let mut piece = lend();
        let batch = std::mem::take(&mut piece.batch);
        spare.borrow_mut().push(piece);
        batch
    };
    let send = |batch| {
        let rest = spare.borrow_mut().pop().unwrap_or_default();
        turn.next().is_some_and(|worker| worker.send(Piece { batch, ..rest }).is_ok())
    };
    records.read_batches(empty, send);
}

/// Runs the fork on one piece after the other, until there are no more or nobody takes them.
fn work(
    mut fork: Fork,
    encode: &Encode<'_>,
    needs: Needs,
    pieces: &Receiver<Piece>,
    finished: &SyncSender<(Piece, ForkFound)>,
) {
    for mut piece in pieces {
        piece.run(&mut fork, encode, needs);
        if finished.send((piece, fork.take_found())).is_err() {
            return;
        }
    }
}

/// Takes the results in the order in which the blocks were given out.
fn collect(
    done: &[Receiver<(Piece, ForkFound)>],
    used: &Mutex<Vec<Piece>>,
    take: &mut impl FnMut(&mut Piece, ForkFound) -> Result<(), TransformError>,
) -> Result<(), TransformError> {
    for results in done.iter().cycle() {
        // The worker whose turn it is has no more pieces, so no one has.
        let Ok((mut piece, found)) = results.recv() else { return Ok(()) };
        take(&mut piece, found)?;
        if let Some(error) = piece.error.take() {
            return Err(error);
        }
        used.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
    }
    Ok(())
}

impl Piece {
    fn run(&mut self, fork: &mut Fork, encode: &Encode<'_>, needs: Needs) {
        self.rows.clear();
        self.made.clear();
        self.arena.clear();
        self.joined.clear();
        self.encoded.clear();
        self.row_count = 0;
        self.error = self.batch.error.take();
        let mut index = 0;
        let ran = match fork.links.is_empty() {
            true => self.each(&mut index, |piece, index| piece.record(index, &mut fork.program, encode, needs)),
            false => self.each(&mut index, |piece, index| piece.record_joined(index, fork, encode, needs)),
        };
        if let Err(found) = ran {
            self.batch.truncate(index + 1);
            self.error = Some(found);
        }
        // Rows that wait in an operator come before an error of the program.
        if let Err(found) = self.finish_joined(fork, encode, needs) {
            self.error = Some(found);
        }
    }

    /// Takes the records one after the other; `index` is that of the last one.
    #[inline]
    fn each(
        &mut self,
        index: &mut usize,
        mut take: impl FnMut(&mut Self, usize) -> Result<(), TransformError>,
    ) -> Result<(), TransformError> {
        for next in 0..self.batch.len() {
            *index = next;
            take(self, next)?;
        }
        Ok(())
    }

    /// Runs the program on a record.
    #[inline]
    fn record(
        &mut self,
        index: usize,
        program: &mut Program,
        encode: &Encode<'_>,
        needs: Needs,
    ) -> Result<(), TransformError> {
        let Self { batch, rows, made, arena, row_count, encoded, .. } = self;
        let Some(row) = program.row(batch.get(index))? else { return Ok(()) };
        *row_count += 1;
        if needs.rows {
            rows.push(index as u32);
            row.keep_made(made, arena);
        }
        if needs.encoded {
            encode(&row, encoded)?;
        }
        Ok(())
    }

    /// Runs the program and the operators after it on a record.
    fn record_joined(
        &mut self,
        index: usize,
        fork: &mut Fork,
        encode: &Encode<'_>,
        needs: Needs,
    ) -> Result<(), TransformError> {
        let Self { batch, joined, row_count, encoded, .. } = self;
        pass(&mut fork.program, &mut fork.links, batch.get(index), &mut |row| {
            *row_count += 1;
            take(row, joined, encoded, encode, needs)
        })
    }

    /// Ends the operators after the program.
    fn finish_joined(&mut self, fork: &mut Fork, encode: &Encode<'_>, needs: Needs) -> Result<(), TransformError> {
        let Self { joined, row_count, encoded, .. } = self;
        finish(&mut fork.links, &mut |row| {
            *row_count += 1;
            take(row, joined, encoded, encode, needs)
        })
    }

    /// Returns the records.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.batch.len()).map(|index| self.batch.get(index))
    }

    /// Returns the number of records.
    pub(super) fn len(&self) -> usize {
        self.batch.len()
    }

    /// Returns the number of rows.
    pub(super) fn row_count(&self) -> u64 {
        self.row_count
    }

    /// Returns the rows, if [`Needs::rows`] asks for them. `program` is the first one.
    pub(super) fn rows<'a>(&'a self, program: &'a Program) -> impl Iterator<Item = Row<'a>> {
        let cells = program.made_cells();
        let of_program = self.rows.iter().enumerate().map(move |(row, index)| {
            program.row_of(self.batch.get(*index as usize), &self.made[row * cells..(row + 1) * cells], &self.arena)
        });
        of_program.chain(self.joined.rows())
    }

    /// Returns the encoded rows, to be taken or swapped for an empty buffer.
    pub(super) fn encoded(&mut self) -> &mut Vec<u8> {
        &mut self.encoded
    }
}

/// Keeps a row as far as it is needed.
fn take(
    row: &Row<'_>,
    joined: &mut JoinedRows,
    encoded: &mut Vec<u8>,
    encode: &Encode<'_>,
    needs: Needs,
) -> Result<(), TransformError> {
    if needs.rows {
        joined.push(row);
    }
    if needs.encoded {
        encode(row, encoded)?;
    }
    Ok(())
}

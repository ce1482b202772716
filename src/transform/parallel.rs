//! A row program on several threads: blocks of records → rows, in the order of the records.
//!
//! One thread finds the records of each block, two or more run the program on a block each and encode its rows, and the
//! caller takes the results in turn. Every channel is short, so memory does not grow.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use super::error::TransformError;
use super::program::{Found, Program, Row};
use super::record::batch::Batch;
use super::record::{Record, Records};
use crate::expr::value::Span;

/// The records of a block, and what the program made of them.
#[derive(Default)]
pub(super) struct Piece {
    batch: Batch,
    /// The records that are left, by their position in the batch.
    rows: Vec<u32>,
    /// The computed cells of these, and their bytes.
    made: Vec<Span>,
    arena: Vec<u8>,
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

/// Runs `program` on all records. `take` gets the pieces in order, with the program to read their rows.
///
/// # Errors
/// The first one of the records, of the program, or of `take`.
pub(super) fn run(
    records: Records<'_>,
    program: &mut Program,
    encode: &(dyn Fn(&Row<'_>, &mut Vec<u8>) + Sync),
    needs: Needs,
    mut take: impl FnMut(&Program, &mut Piece) -> Result<(), TransformError>,
) -> Result<(), TransformError> {
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(1, WORKERS_MAX);
    let used: Mutex<Vec<Piece>> = Mutex::default();
    let lend = || used.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    std::thread::scope(|scope| {
        let (mut to_workers, mut done) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (send, pieces) = sync_channel(2);
            let (finished, results) = sync_channel(2);
            let program = program.clone();
            scope.spawn(move || work(program, encode, needs, &pieces, &finished));
            to_workers.push(send);
            done.push(results);
        }
        scope.spawn(move || distribute(records, lend, &to_workers));
        let taken = collect(program, &done, &used, &mut take);
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

/// Runs the program on one piece after the other, until there are no more or nobody takes them.
fn work(
    mut program: Program,
    encode: &(dyn Fn(&Row<'_>, &mut Vec<u8>) + Sync),
    needs: Needs,
    pieces: &Receiver<Piece>,
    finished: &SyncSender<(Piece, Found)>,
) {
    for mut piece in pieces {
        piece.run(&mut program, encode, needs);
        if finished.send((piece, program.take_found())).is_err() {
            return;
        }
    }
}

/// Takes the results in the order in which the blocks were given out.
fn collect(
    program: &mut Program,
    done: &[Receiver<(Piece, Found)>],
    used: &Mutex<Vec<Piece>>,
    take: &mut impl FnMut(&Program, &mut Piece) -> Result<(), TransformError>,
) -> Result<(), TransformError> {
    for results in done.iter().cycle() {
        // The worker whose turn it is has no more pieces, so no one has.
        let Ok((mut piece, found)) = results.recv() else { return Ok(()) };
        program.add_found(found);
        take(program, &mut piece)?;
        if let Some(error) = piece.error.take() {
            return Err(error);
        }
        used.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
    }
    Ok(())
}

impl Piece {
    fn run(&mut self, program: &mut Program, encode: &(dyn Fn(&Row<'_>, &mut Vec<u8>) + Sync), needs: Needs) {
        let Self { batch, rows, made, arena, encoded, error } = self;
        rows.clear();
        made.clear();
        arena.clear();
        encoded.clear();
        *error = batch.error.take();
        for index in 0..batch.len() {
            match program.row(batch.get(index)) {
                Ok(None) => {}
                Ok(Some(row)) => {
                    rows.push(index as u32);
                    if needs.rows {
                        row.keep_made(made, arena);
                    }
                    if needs.encoded {
                        encode(&row, encoded);
                    }
                }
                Err(found) => {
                    batch.truncate(index + 1);
                    *error = Some(found.into());
                    return;
                }
            }
        }
    }

    /// Returns the records.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.batch.len()).map(|index| self.batch.get(index))
    }

    /// Returns the number of records.
    pub(super) fn len(&self) -> usize {
        self.batch.len()
    }

    /// Returns the number of records that are left.
    pub(super) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Returns the rows, as [`Needs::rows`] asks for.
    pub(super) fn rows<'a>(&'a self, program: &'a Program) -> impl Iterator<Item = Row<'a>> {
        let cells = program.made_cells();
        self.rows.iter().enumerate().map(move |(row, index)| {
            program.row_of(self.batch.get(*index as usize), &self.made[row * cells..(row + 1) * cells], &self.arena)
        })
    }

    /// Returns the encoded rows, to be taken or swapped for an empty buffer.
    pub(super) fn encoded(&mut self) -> &mut Vec<u8> {
        &mut self.encoded
    }
}

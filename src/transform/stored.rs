//! Rows as bytes, for operators that keep them: number, line, and each cell with its length before it.

use super::program::Row;
use super::record::Record;
use crate::expr::value::{Bounds, Cells};

/// Appends a row.
pub(super) fn write(row: &Row<'_>, out: &mut Vec<u8>) {
    let (number, line) = row.origin();
    write_number(number, out);
    write_number(line, out);
    for cell in row.cells() {
        write_cell(cell.bytes, out);
    }
}

/// Appends a cell, which a row ends with or another follows.
pub(super) fn write_cell(cell: &[u8], out: &mut Vec<u8>) {
    write_number(cell.len() as u64, out);
    out.extend_from_slice(cell);
}

/// Reads stored rows, one at a time.
#[derive(Default)]
pub(super) struct Reader {
    bounds: Vec<Bounds>,
}

impl Reader {
    /// Returns the stored row as a record.
    pub(super) fn read<'a>(&'a mut self, bytes: &'a [u8]) -> Record<'a> {
        let mut at = 0;
        let (number, line) = (read_number(bytes, &mut at), read_number(bytes, &mut at));
        self.bounds.clear();
        while at < bytes.len() {
            let length = read_number(bytes, &mut at) as usize;
            self.bounds.push((at as u32, (at + length) as u32));
            at += length;
        }
        Record { cells: Cells { bytes, bounds: &self.bounds }, is_plain: false, number, line }
    }
}

/// Appends a number in LEB128: seven bits a byte, the lowest first.
pub(super) fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a number that [`write_number`] wrote.
pub(super) fn read_number(bytes: &[u8], at: &mut usize) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let Some(byte) = bytes.get(*at) {
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if *byte < 0x80 {
            break;
        }
    }
    number
}

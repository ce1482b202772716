//! Finds the end and the cells of a record by a block's marks.

use super::super::block::Block;
use super::Bounds;

/// The outcome of a walk along the marks.
pub(super) enum Walk {
    Record(Found),
    /// The record continues in the next block.
    Incomplete {
        /// The position of the unclosed quote.
        opened: Option<usize>,
        cell: usize,
        closed: Option<Bounds>,
        found: Found,
    },
    /// Text follows the quote that closes the one at `opened`, which RFC 4180 does not allow.
    Irregular {
        opened: usize,
        quote: usize,
    },
}

/// The end and the kind of a record.
#[derive(Clone, Copy, Default)]
pub(super) struct Found {
    pub next: usize,
    /// The first mark at or after `next`.
    pub mark: usize,
    /// True if it has no quotes.
    pub is_plain: bool,
    /// True if a quoted cell contains doubled quotes, which needs [`unescape_quotes`].
    pub has_escaped_quotes: bool,
}

/// Follows the marks from the start of the record to its end.
pub(super) fn walk(block: &Block, at: usize, first_mark: usize, delimiter: u8, bounds: &mut Vec<Bounds>) -> Walk {
    let bytes = &block.bytes;
    let (mut cell, mut mark, mut is_plain, mut has_escaped_quotes) = (at, first_mark, true, false);
    // A quoted cell whose closing quote has been seen.
    let mut closed: Option<Bounds> = None;
    bounds.clear();
    while let Some(&position) = block.marks.get(mark) {
        let position_at = position as usize;
        let byte = bytes[position_at];
        if byte == delimiter {
            bounds.push(closed.take().unwrap_or((cell as u32, position)));
            cell = position_at + 1;
            mark += 1;
            continue;
        }
        match byte {
            b'\n' => {
                bounds.push(closed.unwrap_or((cell as u32, position)));
                return Walk::Record(Found { next: position_at + 1, mark: mark + 1, is_plain, has_escaped_quotes });
            }
            b'\r' => {
                let following = bytes.get(position_at + 1);
                if following.is_none() && !block.is_last {
                    break;
                }
                let extra = usize::from(following == Some(&b'\n'));
                bounds.push(closed.unwrap_or((cell as u32, position)));
                return Walk::Record(Found {
                    next: position_at + 1 + extra,
                    mark: mark + 1 + extra,
                    is_plain,
                    has_escaped_quotes,
                });
            }
            _ if position_at != cell => {
                // A quote inside an unquoted cell is an ordinary character.
                is_plain = false;
                mark += 1;
            }
            _ => {
                is_plain = false;
                match closing_quote(block, mark, delimiter) {
                    Closing::At { quote, mark: behind, is_escaped } => {
                        closed = Some((position + 1, quote));
                        mark = behind;
                        has_escaped_quotes |= is_escaped;
                    }
                    Closing::Irregular { quote } => {
                        return Walk::Irregular { opened: position_at, quote: quote as usize };
                    }
                    Closing::Nowhere => {
                        let found = Found { next: bytes.len(), mark: block.marks.len(), is_plain, has_escaped_quotes };
                        return Walk::Incomplete { opened: Some(position_at), cell, closed: None, found };
                    }
                }
            }
        }
    }
    let found = Found { next: bytes.len(), mark: block.marks.len(), is_plain, has_escaped_quotes };
    Walk::Incomplete { opened: None, cell, closed, found }
}

enum Closing {
    /// The quote, and the first mark after it.
    At {
        quote: u32,
        mark: usize,
        is_escaped: bool,
    },
    Irregular {
        quote: u32,
    },
    Nowhere,
}

/// Finds the quote that closes the one at `opening`, an index into the marks.
fn closing_quote(block: &Block, opening: usize, delimiter: u8) -> Closing {
    let bytes = &block.bytes;
    let mut mark = opening + 1;
    let mut is_escaped = false;
    loop {
        let quotes = block.marks[mark..].iter().position(|at| bytes[*at as usize] == b'"');
        let Some(behind) = quotes else { return Closing::Nowhere };
        let quote = block.marks[mark + behind];
        mark += behind + 1;
        match bytes.get(quote as usize + 1) {
            Some(b'"') => {
                is_escaped = true;
                mark += 1;
            }
            Some(b'\n' | b'\r') | None => return Closing::At { quote, mark, is_escaped },
            Some(byte) if *byte == delimiter => return Closing::At { quote, mark, is_escaped },
            Some(_) => return Closing::Irregular { quote },
        }
    }
}

/// Unescapes the doubled quotes of the quoted cells in place, which shortens the cells.
pub(super) fn unescape_quotes(bytes: &mut [u8], at: usize, bounds: &mut [Bounds]) {
    for (start, end) in bounds {
        let (first, last) = (*start as usize, *end as usize);
        if first == at || bytes[first - 1] != b'"' {
            continue; // an unquoted cell has no escapes
        }
        let Some(mut read) = memchr::memchr(b'"', &bytes[first..last]).map(|quote| first + quote) else { continue };
        let mut write = read;
        while read < last {
            let is_quote = bytes[read] == b'"';
            bytes[write] = bytes[read];
            write += 1;
            read += if is_quote { 2 } else { 1 };
        }
        *end = write as u32;
    }
}

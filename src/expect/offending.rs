//! The rows that do not meet an expectation, by number, in constant memory.

use super::finding::OFFENDING_ROWS_MAX;

const HALF: usize = OFFENDING_ROWS_MAX / 2;

/// The number of offending rows, and the numbers of the first and the last ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offending {
    pub(super) total: u64,
    /// The smallest numbers, ascending; as many as there are in `last`.
    first: [u64; HALF],
    /// The largest numbers, ascending at the end.
    last: [u64; HALF],
}

impl Offending {
    /// Adds a row, in any order.
    #[inline]
    pub(super) fn add(&mut self, number: u64) {
        let kept = usize::try_from(self.total).unwrap_or(HALF).min(HALF);
        self.total += 1;
        insert(&mut self.first, kept, number);
        // Kept in descending order by negation, so that both are one operation.
        insert(&mut self.last, kept, u64::MAX - number);
    }

    /// Returns the numbers of the rows to show, ascending, each once.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let kept = usize::try_from(self.total).unwrap_or(HALF).min(HALF);
        let last = self.last[..kept].iter().map(|number| u64::MAX - number);
        let mut numbers: Vec<u64> = self.first[..kept].iter().copied().chain(last).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

/// Inserts into the sorted beginning of `numbers`, of which the largest is dropped.
#[inline]
fn insert(numbers: &mut [u64; HALF], kept: usize, number: u64) {
    if kept == HALF && numbers[HALF - 1] <= number {
        return;
    }
    let mut at = kept.min(HALF - 1);
    while at > 0 && numbers[at - 1] > number {
        numbers[at] = numbers[at - 1];
        at -= 1;
    }
    numbers[at] = number;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_are_kept_in_any_order() {
        let mut random = fastrand::Rng::with_seed(3);
        for count in [0, 1, 4, 5, 6, 9, 10, 11, 100] {
            let mut rows: Vec<u64> = (1..=count).map(|row| row * 3).collect();
            let expected: Vec<u64> = match rows.len() {
                0..=10 => rows.clone(),
                all => [&rows[..5], &rows[all - 5..]].concat(),
            };
            for _ in 0..20 {
                let mut offending = Offending::default();
                rows.iter().for_each(|row| offending.add(*row));
                assert_eq!((offending.total, offending.numbers()), (count, expected.clone()), "{rows:?}");
                random.shuffle(&mut rows);
            }
        }
    }
}

//! Two lists → the edits between them: the fewest, with pairs of similar items as changes.

/// One step from the expected list to the actual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Same(usize, usize),
    Changed(usize, usize),
    Missing(usize),
    Extra(usize),
}

/// The cost of an item without a counterpart. A pair that costs more than two of these becomes two edits.
const GAP: u32 = 600;
/// The largest table of costs; longer lists are paired by position.
const TABLE_MAX: usize = 4_000_000;

/// Aligns two lists of these lengths. `distance` is 0 for equal items, at most 1000 for similar ones, and `None` for others.
pub(super) fn align(expected: usize, actual: usize, distance: impl Fn(usize, usize) -> Option<u32>) -> Vec<Edit> {
    let shorter = expected.min(actual);
    let start = (0..shorter).take_while(|&at| distance(at, at) == Some(0)).count();
    let is_end = |back: &usize| distance(expected - back, actual - back) == Some(0);
    let end = (1..=shorter - start).take_while(is_end).count();
    let mut edits: Vec<Edit> = (0..start).map(|at| Edit::Same(at, at)).collect();
    let (rows, columns) = (expected - start - end, actual - start - end);
    let middle = |row: usize, column: usize| distance(start + row, start + column);
    let between = match (rows + 1).saturating_mul(columns + 1) {
        0..=TABLE_MAX => by_cost(rows, columns, middle),
        _ => by_position(rows, columns, middle),
    };
    edits.extend(between.into_iter().map(|edit| match edit {
        Edit::Same(row, column) => Edit::Same(start + row, start + column),
        Edit::Changed(row, column) => Edit::Changed(start + row, start + column),
        Edit::Missing(row) => Edit::Missing(start + row),
        Edit::Extra(column) => Edit::Extra(start + column),
    }));
    edits.extend((1..=end).rev().map(|back| Edit::Same(expected - back, actual - back)));
    edits
}

fn paired(cost: u32, row: usize, column: usize) -> Edit {
    if cost == 0 { Edit::Same(row, column) } else { Edit::Changed(row, column) }
}

fn by_cost(rows: usize, columns: usize, distance: impl Fn(usize, usize) -> Option<u32>) -> Vec<Edit> {
    // The cost from each pair of positions to the ends of both lists.
    let width = columns + 1;
    let mut costs = vec![0_u32; (rows + 1) * width];
    for row in (0..=rows).rev() {
        for column in (0..=columns).rev() {
            let missing = (row < rows).then(|| costs[(row + 1) * width + column] + GAP);
            let extra = (column < columns).then(|| costs[row * width + column + 1] + GAP);
            let pair = match row < rows && column < columns {
                true => distance(row, column).map(|cost| costs[(row + 1) * width + column + 1] + cost),
                false => None,
            };
            costs[row * width + column] = [missing, extra, pair].into_iter().flatten().min().unwrap_or(0);
        }
    }
    let (mut row, mut column, mut edits) = (0, 0, Vec::new());
    while row < rows || column < columns {
        let cost = costs[row * width + column];
        let pair = if row < rows && column < columns { distance(row, column) } else { None };
        match pair {
            Some(pair) if costs[(row + 1) * width + column + 1] + pair == cost => {
                edits.push(paired(pair, row, column));
                (row, column) = (row + 1, column + 1);
            }
            _ if row < rows && costs[(row + 1) * width + column] + GAP == cost => {
                edits.push(Edit::Missing(row));
                row += 1;
            }
            _ => {
                edits.push(Edit::Extra(column));
                column += 1;
            }
        }
    }
    edits
}

fn by_position(rows: usize, columns: usize, distance: impl Fn(usize, usize) -> Option<u32>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for at in 0..rows.max(columns) {
        match (at < rows, at < columns) {
            (true, true) => match distance(at, at) {
                Some(cost) => edits.push(paired(cost, at, at)),
                None => edits.extend([Edit::Missing(at), Edit::Extra(at)]),
            },
            (true, false) => edits.push(Edit::Missing(at)),
            (false, _) => edits.push(Edit::Extra(at)),
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Aligns words, of which those with the same first letter are similar.
    fn edits(expected: &str, actual: &str) -> String {
        let (expected, actual): (Vec<&str>, Vec<&str>) =
            (expected.split_whitespace().collect(), actual.split_whitespace().collect());
        let distance = |row: usize, column: usize| match (expected[row], actual[column]) {
            (one, other) if one == other => Some(0),
            (one, other) if one[..1] == other[..1] => Some(500),
            _ => None,
        };
        let text = |edit: Edit| match edit {
            Edit::Same(row, column) => {
                assert_eq!(expected[row], actual[column]);
                format!("={}", expected[row])
            }
            Edit::Changed(row, column) => format!("~{}/{}", expected[row], actual[column]),
            Edit::Missing(row) => format!("-{}", expected[row]),
            Edit::Extra(column) => format!("+{}", actual[column]),
        };
        align(expected.len(), actual.len(), distance).into_iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_fewest_edits_are_found() {
        for (expected, actual, edits_between) in [
            ("", "", ""),
            ("a b c", "a b c", "=a =b =c"),
            ("a b c", "a c", "=a -b =c"),
            ("a c", "a b c", "=a +b =c"),
            ("a b1 c", "a b2 c", "=a ~b1/b2 =c"),
            ("a b1 c d", "b2 c x d", "-a ~b1/b2 =c +x =d"),
            ("a a a", "a a", "=a =a -a"),
            ("a", "b", "-a +b"),
            ("", "b", "+b"),
            ("a", "", "-a"),
        ] {
            assert_eq!(edits(expected, actual), edits_between, "{expected} | {actual}");
        }
    }

    #[test]
    fn long_lists_are_paired_by_position() {
        let edits =
            align(3_000, 3_001, |row, column| (row == column && row != 1_500).then_some(u32::from(row % 2 == 1)));
        assert!(edits.contains(&Edit::Missing(1_500)) && edits.contains(&Edit::Extra(1_500)));
        assert_eq!(edits.last(), Some(&Edit::Extra(3_000)));
        assert_eq!(edits.len(), 3_002);
    }
}

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::pipeline::plan::{Column, Sort, StepKind};
use crate::yaml::problem::Place;

/// Returns the cells of the rows that are passed on until there are `rows_max`, the extracted rows, and if that is all.
fn first(steps: &[TransformStep], records_max: u64, rows_max: usize) -> (String, u64, bool) {
    let meter = Meter::default();
    let input = Input {
        read: Box::new(Cursor::new(b"a\n3\n1\n2\n".to_vec())),
        csv: CsvInput::default(),
        limits: Limits::default(),
        meter: &meter,
        stop: CancellationToken::new(),
        folder: &std::env::temp_dir(),
        step_inputs: StepInputs::default(),
    };
    let mut cells = Vec::new();
    let passed = Transform::open(input, steps, &BTreeMap::new()).unwrap().run_first(records_max, |row| {
        cells.push(String::from_utf8_lossy(row.cell(0)).into_owned());
        Ok(if cells.len() >= rows_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    let PassedFirst { balance, is_whole } = passed.unwrap();
    assert!(balance.is_even(), "{balance:?}");
    (cells.join(" "), balance.extracted, is_whole)
}

#[test]
fn the_first_records_are_passed_on_and_no_others() {
    let at = Place { file: Arc::new(PathBuf::from("p.yaml")), line: 1, column: 1, span: 0..0, key: "sort".to_owned() };
    let keys = vec![Column { name: "a".to_owned(), at: at.clone() }];
    let sort = [TransformStep { at, kind: StepKind::Sort(Sort { keys }) }];
    for (steps, records_max, rows_max, expected) in [
        (&[][..], 9, 9, ("3 1 2", 3, true)),
        (&[], 3, 9, ("3 1 2", 3, true)),
        (&[], 2, 9, ("3 1", 2, false)),
        (&[], 9, 2, ("3 1", 2, false)),
        (&[], 9, 3, ("3 1 2", 3, true)),
        (&[], 0, 9, ("", 0, false)),
        (&sort, 9, 1, ("1 2 3", 3, true)),
        (&sort, 2, 9, ("1 3", 2, false)),
    ] {
        let (cells, extracted, is_whole) = first(steps, records_max, rows_max);
        assert_eq!((cells.as_str(), extracted, is_whole), expected, "{records_max} {rows_max}");
    }
}

//! `delta` in sentences.

use super::{Content, Fact, Named, names};
use crate::pipeline::plan::{ChangeWords, Column, Delta, FirstDelivery};

pub(super) fn facts(number: usize, written: &Delta, named: &mut Named) -> Vec<Fact> {
    let Delta { by, compare, op: Column { name: op, at: _ }, words, initial } = written;
    let ChangeWords { added, changed, removed } = words;
    let compared = match compare {
        None => "any other column".to_owned(),
        Some(columns) => names(columns),
    };
    let happened = format!("{added:?}, {changed:?} or {removed:?}");
    named.put(op, Content::Computed(format!("what happened to the row: {happened}")));
    let items = [
        format!("{added:?}: no row had these values of {} before.", names(by)),
        format!("{changed:?}: the row has another value of {compared}."),
        format!("{removed:?}: the row is not there any more; only {} are filled.", names(by)),
    ];
    let initial = match initial {
        FirstDelivery::All => "The first file has every row, as added.",
        FirstDelivery::Hold => "The first file has every row, as added, and is held for a person.",
    };
    vec![
        Fact::list(
            format!(
                "Step {number}: only what has changed since the last file that the destination received is delivered, \
                 sorted by {}. The column {op:?} says what:",
                names(by)
            ),
            items,
        ),
        Fact::new(initial),
        Fact::new("If what the destination has is not known, every row is added, and the run is held for a person."),
    ]
}

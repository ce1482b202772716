//! `delta` in sentences.

use super::{Content, Fact, Named, names};
use crate::pipeline::plan::{ChangeWords, Column, Delta, FirstDelivery, RemovedRows};

pub(super) fn facts(number: usize, written: &Delta, named: &mut Named) -> Vec<Fact> {
    let Delta { by, compare, op: Column { name: op, at: _ }, words, initial } = written;
    let ChangeWords { added, changed, removed } = words;
    let mut happened = vec![added.as_str()];
    let mut items = vec![format!("{added:?}: no row had these values of {} before.", names(by))];
    let compared = match compare {
        None => Some("any other column".to_owned()),
        Some(columns) => (!columns.is_empty()).then(|| names(columns)),
    };
    if let Some(compared) = compared {
        happened.push(changed);
        items.push(format!("{changed:?}: the row has another value of {compared}."));
    }
    let kept = match removed {
        RemovedRows::Send(removed) => {
            happened.push(removed);
            items.push(format!("{removed:?}: the row is not there any more; only {} are filled.", names(by)));
            None
        }
        RemovedRows::Keep => Some(
            "A row that is not there any more is not sent, and is kept in what the destination has: if it comes back, it is \
             not new.",
        ),
    };
    let happened = happened.into_iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ");
    named.put(op, Content::Computed(format!("what happened to the row: {happened}")));
    let initial = match initial {
        FirstDelivery::All => "The first file has every row, as added.",
        FirstDelivery::Hold => "The first file has every row, as added, and is held for a person.",
    };
    let changes = format!(
        "Step {number}: only what has changed since the last file that the destination received is delivered, sorted by {}. \
         The column {op:?} says what:",
        names(by)
    );
    let unknown = "If what the destination has is not known, every row is added, and the run is held for a person.";
    let facts = [Fact::list(changes, items)].into_iter().chain(kept.map(Fact::new));
    facts.chain([Fact::new(initial), Fact::new(unknown)]).collect()
}

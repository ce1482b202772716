//! A `join` in sentences.

use super::{Content, Fact, Named};
use crate::pipeline::plan::{Column, Join, JoinKind, Lookup, Match, Rename, TableRef};

pub(super) fn join(number: usize, Join { with, matches, kind }: &Join, named: &mut Named) -> Vec<Fact> {
    let table = match with {
        TableRef::Source(name) => format!("the source {name:?}"),
        TableRef::File(file, _) => format!("the file {:?}", file.name),
    };
    let equal = |Match { ours, theirs }: &Match| format!("{} equals its {:?}", named.describe(&ours.name), theirs.name);
    let condition = matches.iter().map(equal).collect::<Vec<_>>().join(" and ");
    let place = format!("Step {number}: in {table}, the row is looked up whose key matches: {condition}.");
    let (rule, lookup) = match kind {
        JoinKind::Left(lookup) => ("Rows without a match remain, with the added columns empty.", Some(lookup)),
        JoinKind::Inner(lookup) => ("Rows without a match are left out.", Some(lookup)),
        JoinKind::Semi => ("Only rows with a match remain, as they are.", None),
        JoinKind::Anti => ("Only rows without a match remain, as they are.", None),
    };
    let mut facts = vec![Fact::new(place), Fact::new(format!("{rule} An empty cell matches nothing."))];
    if let Some(Lookup { columns, many, hold }) = lookup {
        let added = |Rename { to: Column { name: to, at: _ }, from: Column { name: from, at: _ } }: &Rename| {
            format!("{to:?} is {from:?} of {table}")
        };
        facts.push(Fact::list("These columns are added:", columns.iter().map(added)));
        facts.push(Fact::new(match many {
            true => "A row that matches several becomes as many rows.",
            false => "A row that matches several fails the run.",
        }));
        if *hold {
            facts.push(Fact::new("If any row has no match, the run is held until a person decides."));
        }
        for Rename { to, from } in columns {
            named.put(&to.name, Content::Computed(format!("{:?} of {table}", from.name)));
        }
    }
    facts
}

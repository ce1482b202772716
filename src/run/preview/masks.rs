//! Columns whose values a later step hides: they are not shown before it either.

use std::collections::HashSet;

use crate::pipeline::masked::MaskedColumns;
use crate::pipeline::plan::{StepKind, TransformStep};

/// Returns the names of the hidden columns after the first `done` steps.
pub(super) fn after(steps: &[TransformStep], done: usize) -> HashSet<String> {
    let mut hidden: HashSet<String> = HashSet::new();
    let masked = MaskedColumns::of(steps);
    for step in steps[done..].iter().rev() {
        match &step.kind {
            StepKind::Rename(renames) => {
                let from = |name: String| match renames.iter().find(|rename| rename.to.name == name) {
                    Some(rename) => rename.from.name.clone(),
                    None => name,
                };
                hidden = hidden.into_iter().map(from).collect();
            }
            StepKind::Set(assigns) => {
                // A hidden value that is computed hides what it is computed from.
                let sources: Vec<&str> = assigns
                    .iter()
                    .filter(|assign| hidden.contains(&assign.column))
                    .flat_map(|assign| assign.value.expr.columns())
                    .collect();
                let made: HashSet<&str> = assigns.iter().map(|assign| assign.column.as_str()).collect();
                hidden.retain(|name| !made.contains(name.as_str()));
                hidden.extend(sources.into_iter().map(str::to_owned));
            }
            // Other steps keep the names of columns.
            _ => {}
        }
        hidden.extend(step.kind.hidden_columns().into_iter().map(str::to_owned));
    }
    hidden.extend(masked.before(done).iter().cloned());
    hidden
}

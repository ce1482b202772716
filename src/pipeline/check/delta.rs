//! `delta`: written → plan, and what it asks of the pipeline around it.

use super::Check;
use crate::pipeline::delta_file::{ChangeWordsFile, DeltaFile, RemovedFile};
use crate::pipeline::plan::{
    ArtifactPlan, ChangeWords, Column, DeliveryPlan, Delta, Existing, FirstDelivery, RemovedRows, Source, StepKind,
    TransformStep,
};
use crate::yaml::problem::{Problem, Severity};
use crate::yaml::read::At;
use crate::yaml::tree::Origin;

impl Check<'_> {
    pub(super) fn delta(&mut self, At { value: written, origin }: At<Box<DeltaFile>>) -> StepKind {
        let DeltaFile { by, compare, op, words, initial, removed } = *written;
        if by.value.0.is_empty() {
            self.problems.push(by.origin.error("no column is named here: `by` identifies a row"));
        }
        if let Some(compare) = &compare {
            for column in &compare.value.0 {
                if by.value.0.iter().any(|key| key.value == column.value) {
                    let what = format!("the column {:?} is one of `by`: its change makes another row", column.value);
                    self.problems.push(column.origin.error(what).hint("remove it here"));
                }
            }
        }
        let op = match op {
            Some(op) => self.column(op),
            None => Column { name: "change_type".to_owned(), at: self.place(&origin) },
        };
        let words = self.change_words(words, removed, &origin);
        StepKind::Delta(Delta {
            by: self.columns(by.value.0),
            compare: compare.map(|compare| self.columns(compare.value.0)),
            op,
            words,
            initial: initial.unwrap_or(FirstDelivery::All),
        })
    }

    fn change_words(
        &mut self,
        written: Option<ChangeWordsFile>,
        policy: Option<At<RemovedFile>>,
        origin: &Origin,
    ) -> ChangeWords {
        let ChangeWordsFile { added, changed, removed } =
            written.unwrap_or(ChangeWordsFile { added: None, changed: None, removed: None });
        let added = self.change_word(added, "added", &[], origin);
        let changed = self.change_word(changed, "changed", &[], origin);
        let removed = match policy.map(|policy| policy.value) {
            None | Some(RemovedFile::Send) => {
                // A reader may know no difference between added and changed rows.
                RemovedRows::Send(self.change_word(removed, "removed", &[&added, &changed], origin))
            }
            Some(RemovedFile::Keep) => {
                if let Some(word) = removed {
                    let what = "`words.removed` and `removed: keep` are mutually exclusive: no removed row is sent";
                    self.problems.push(word.origin.error(what).hint("remove one of them"));
                }
                RemovedRows::Keep
            }
        };
        ChangeWords { added, changed, removed }
    }

    /// Returns the word for a kind of rows. It is not empty, and none of those that are taken.
    fn change_word(&mut self, written: Option<At<String>>, kind: &str, taken: &[&String], origin: &Origin) -> String {
        let (word, at) = written.map_or((kind.to_owned(), None), |at| (at.value, Some(at.origin)));
        if word.is_empty() || taken.contains(&&word) {
            let what = format!("the word for {kind} rows is {word:?}, which is empty or another one's");
            let problem = at.as_ref().unwrap_or(origin).error(what);
            self.problems.push(problem.hint("write a word, for removed rows one of their own"));
        }
        word
    }

    /// Checks what surrounds a `delta`: after it the rows stay as they are, so that the destination has what its baseline
    /// says; the source has all rows; there is one destination.
    pub(super) fn check_delta(
        &mut self,
        steps: &[TransformStep],
        source: Option<&Source>,
        artifact: Option<&ArtifactPlan>,
        deliveries: Option<&[DeliveryPlan]>,
    ) {
        let is_delta = |step: &TransformStep| matches!(step.kind, StepKind::Delta(_));
        let Some(index) = steps.iter().position(is_delta) else { return };
        let at = &steps[index].at;
        for step in &steps[index + 1..] {
            let declaration = step.kind.declaration();
            if is_delta(step) {
                let problem = Problem::error(step.at.clone(), "a pipeline has one `delta`");
                self.problems.push(problem.hint("keep the last one"));
            } else if step.kind.is_table() || !step.row_shares().is_empty() {
                let what = format!("`{}` after `delta` would keep changes from the destination", declaration.kind);
                let hint = "move it before `delta`: what follows it works on single rows, and keeps them all";
                self.problems.push(Problem::error(step.at.clone(), what).hint(hint));
            }
        }
        let records = source.and_then(Source::records);
        if records.is_some_and(|(_, records)| records.updated_since.is_incremental()) {
            let what = "`delta` needs all rows, and the source reads only those that have changed";
            let hint = "write `updated_since: never` for the source, or leave `delta` out";
            self.problems.push(Problem::error(at.clone(), what).hint(hint));
        }
        let Some(deliveries) = deliveries else { return };
        for delivery in deliveries.iter().skip(1) {
            let what = "a pipeline with `delta` has one destination: what changed depends on what it has received";
            let hint = "copy the pipeline file for the other destination, under a name of its own";
            self.problems.push(Problem::error(delivery.at.clone(), what).hint(hint));
        }
        let is_replaced = |delivery: &&DeliveryPlan| delivery.existing == Existing::Replace;
        let has_slot = artifact.is_none_or(|artifact| artifact.uses_slot());
        for delivery in deliveries.iter().filter(is_replaced).filter(|_| !has_slot) {
            let name = &delivery.destination.name;
            let what = format!("at `{name}` a file with only the changes replaces the one before");
            let problem = Problem { severity: Severity::Warning, ..Problem::error(delivery.at.clone(), what) };
            self.problems.push(problem.hint("write the slot into the artifact's name"));
        }
    }
}

//! Removal of the replaced delivery: its done files first, and in the end the files that the new one has not.
//!
//! A done file means that the files beside it are complete. So the old one is removed before the first of them is replaced,
//! and is absent until the new one is published.

use super::PublishTarget;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{FinalName, IntendedFile, Intent, Role, Verdict};

/// The old done files that are removed already, by their index in the intent.
pub(super) struct OldDoneFiles(Vec<bool>);

impl OldDoneFiles {
    pub(super) fn of(intent: &Intent) -> Self {
        OldDoneFiles(vec![false; intent.files.len()])
    }

    /// Removes the old done files that cover `file`, which is about to be replaced.
    ///
    /// # Errors
    /// One of them stays.
    pub(super) fn remove(
        &mut self,
        target: &mut impl PublishTarget,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        file: &IntendedFile,
    ) -> Result<(), Verdict> {
        if !delivery.replacing() || file.role == Role::Done {
            return Ok(());
        }
        for (done, removed) in intent.files.iter().zip(&mut self.0) {
            let covers = done.role == Role::Done && (done.of.is_none() || done.of == file.of);
            if covers && !*removed {
                target.remove_old_done_file(delivery, done, file)?;
                *removed = true;
            }
        }
        Ok(())
    }
}

/// Removes what the replaced delivery left, done files first. What is not, or no longer, ours stays, and is noted.
///
/// # Errors
/// Contact was lost.
pub(super) fn remove_leftover(target: &mut impl PublishTarget, delivery: &DeliveryRequest<'_>) -> Result<(), Verdict> {
    let Some(leftover) = delivery.leftover.filter(|leftover| leftover.address == target.endpoint().0) else {
        return Ok(());
    };
    for file in leftover.files.iter().rev() {
        let (path, of) = (&file.final_path, &leftover.run);
        let stays = match target.inspect_final_name(file)? {
            FinalName::Absent => continue,
            FinalName::Ours => match target.remove_leftover(file)? {
                None => {
                    target
                        .add_note(format!("removed {path}, which run {of} delivered and this delivery does not have"));
                    continue;
                }
                Some(refused) => refused,
            },
            FinalName::Other { .. } => "it was changed since".to_owned(),
            FinalName::SameSize { why } | FinalName::Hidden { why } => why,
        };
        target.add_note(format!(
            "{path}, which run {of} delivered, stays beside the new files: {stays}; remove it there"
        ));
    }
    Ok(())
}

//! Publishes an intent's files in order: the same for SFTP and for folders.

mod replaced;

use super::request::DeliveryRequest;
use super::{FinalName, IntendedFile, Intent, Receipt, ReceivedFile, RemoteFile, RemoteState, Role, Verdict};
use crate::progress::Meter;
use replaced::{OldDoneFiles, remove_leftover};

/// Operations of a destination on one file. After a failed step, the temporary file is removed if there is still contact.
pub(super) trait PublishTarget {
    /// Writes the whole file under its temporary name and verifies it. Returns how it was verified.
    ///
    /// # Errors
    /// The file could not be written or verified.
    fn write(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        file: &IntendedFile,
        seen: Option<&RemoteFile>,
        meter: &Meter,
    ) -> Result<String, Verdict>;

    /// Gives the written file its final name. Returns how.
    ///
    /// # Errors
    /// The file could not be renamed.
    fn commit_name(&mut self, delivery: &DeliveryRequest<'_>, file: &IntendedFile) -> Result<&'static str, Verdict>;

    /// Removes the temporary file, if it exists. Failures are ignored: a sweep removes it later.
    fn remove_temporary(&mut self, file: &IntendedFile);

    /// Removes the done file of an earlier delivery at the final name of `done`, before `replacing` replaces a file that it
    /// covers. A missing one is a success.
    ///
    /// # Errors
    /// It is there and cannot be removed; or it stays because the other file cannot be replaced.
    fn remove_old_done_file(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        done: &IntendedFile,
        replacing: &IntendedFile,
    ) -> Result<(), Verdict>;

    /// Compares the file at the final name with `file`, by size and digest.
    ///
    /// # Errors
    /// Contact was lost.
    fn inspect_final_name(&mut self, file: &IntendedFile) -> Result<FinalName, Verdict>;

    /// Removes a file of the replaced delivery. Returns why it stays, if it does.
    ///
    /// # Errors
    /// Contact was lost.
    fn remove_leftover(&mut self, file: &IntendedFile) -> Result<Option<String>, Verdict>;

    /// Adds a note to the receipt, once.
    fn add_note(&mut self, note: String);

    /// Takes the notes so far: what the destination refused without failing the delivery, and what became of replaced files.
    fn notes(&mut self) -> Vec<String>;

    /// Returns the address and the host key's fingerprint, for the receipt.
    fn endpoint(&self) -> (String, Option<String>);
}

/// Publishes the files of an intent in order. All data of a file group is written before its first file gets its final
/// name, so that earlier failures publish nothing.
pub(super) fn publish(
    target: &mut impl PublishTarget,
    delivery: &DeliveryRequest<'_>,
    intent: &Intent,
    seen: Option<&RemoteState>,
    meter: &Meter,
) -> Verdict {
    let seen_of = |index: usize| seen.and_then(|seen| seen.files.get(index));
    let published =
        |index: usize, file: &IntendedFile| seen_of(index).and_then(|seen| seen.published(file, delivery.replacing()));
    let mut written: Vec<Option<String>> = vec![None; intent.files.len()];
    if delivery.plan.publish_together {
        let data = intent.files.iter().enumerate().filter(|(_, file)| file.role == Role::Data && !file.is_direct());
        let mut some_published = false;
        for (index, file) in data {
            if published(index, file).is_some() {
                some_published = true;
                continue;
            }
            match target.write(delivery, intent, file, seen_of(index), meter) {
                Ok(verified) => written[index] = Some(verified),
                Err(verdict) => {
                    let done = intent.files.iter().zip(&written).filter(|(_, written)| written.is_some());
                    done.for_each(|(file, _)| target.remove_temporary(file));
                    return if some_published { verdict.after_data() } else { verdict };
                }
            }
        }
    }
    let mut old = OldDoneFiles::of(intent);
    let mut first = None;
    let mut is_cleared = false;
    for (index, file) in intent.files.iter().enumerate() {
        // A done file of the whole declares the group complete: nothing of the replaced one may be left then.
        if file.role == Role::Done && file.of.is_none() && !is_cleared {
            if let Err(verdict) = remove_leftover(target, delivery) {
                return verdict.after_data();
            }
            is_cleared = true;
        }
        let outcome = match (published(index, file), written[index].take()) {
            (Some(verified), _) => {
                if seen_of(index).is_some_and(|seen| seen.temporary) && !file.is_direct() {
                    target.remove_temporary(file);
                }
                Ok((verified, "found"))
            }
            (None, written) => {
                publish_file(target, (delivery, intent), file, (seen_of(index), written), &mut old, meter)
            }
        };
        match (outcome, &first) {
            (Ok(published), None) => first = Some(published),
            (Ok(_), Some(_)) => {}
            (Err(verdict), None) => return verdict,
            (Err(verdict), Some(_)) => return verdict.after_data(),
        }
    }
    if !is_cleared && let Err(verdict) = remove_leftover(target, delivery) {
        return verdict.after_data();
    }
    match (first, intent.files.first()) {
        (Some((verified, how)), Some(data)) => {
            let (address, host_key) = target.endpoint();
            let notes = target.notes();
            Verdict::Delivered(Receipt { notes, ..receipt(delivery, intent, data, address, host_key, verified, how) })
        }
        _ => Verdict::Rejected { reason: "the intent names no file".to_owned(), hint: None },
    }
}

/// Writes one file, unless it is `written`, and gives it its final name. Returns how it was verified and published.
fn publish_file(
    target: &mut impl PublishTarget,
    (delivery, intent): (&DeliveryRequest<'_>, &Intent),
    file: &IntendedFile,
    (seen, written): (Option<&RemoteFile>, Option<String>),
    old: &mut OldDoneFiles,
    meter: &Meter,
) -> Result<(String, &'static str), Verdict> {
    // Without a temporary name, writing already replaces the file.
    if file.is_direct() {
        old.remove(target, delivery, intent, file)?;
    }
    let verified = match written {
        Some(verified) => verified,
        None => target.write(delivery, intent, file, seen, meter)?,
    };
    if let Err(verdict) = old.remove(target, delivery, intent, file) {
        target.remove_temporary(file);
        return Err(verdict);
    }
    Ok((verified, target.commit_name(delivery, file)?))
}

fn receipt(
    delivery: &DeliveryRequest<'_>,
    intent: &Intent,
    data: &IntendedFile,
    address: String,
    host_key: Option<String>,
    verified: String,
    how: &str,
) -> Receipt {
    let received = |file: &IntendedFile| ReceivedFile {
        path: file.final_path.clone(),
        bytes: file.bytes,
        sha256: file.sha256.clone(),
    };
    let is_set = data.of.is_some();
    Receipt {
        address,
        path: data.final_path.clone(),
        bytes: if is_set { delivery.artifact.bytes } else { data.bytes },
        sha256: if is_set { delivery.artifact.sha256.clone() } else { data.sha256.clone() },
        files: if is_set { intent.data().map(received).collect() } else { Vec::new() },
        host_key,
        verified,
        published: how.to_owned(),
        answer: None,
        notes: Vec::new(),
        rows: None,
    }
}

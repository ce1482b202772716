//! Publishes an intent's files in order: the same for SFTP and for folders.

use super::request::DeliveryRequest;
use super::{IntendedFile, Intent, Receipt, ReceivedFile, RemoteFile, RemoteState, Role, Verdict};
use crate::progress::Meter;

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

    /// Takes what the destination refused so far without failing the delivery, as text.
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
    let mut first = None;
    for (index, file) in intent.files.iter().enumerate() {
        let outcome = match (published(index, file), written[index].take()) {
            (Some(verified), _) => {
                if seen_of(index).is_some_and(|seen| seen.temporary) && !file.is_direct() {
                    target.remove_temporary(file);
                }
                Ok((verified, "found"))
            }
            (None, Some(verified)) => target.commit_name(delivery, file).map(|how| (verified, how)),
            (None, None) => target
                .write(delivery, intent, file, seen_of(index), meter)
                .and_then(|verified| target.commit_name(delivery, file).map(|how| (verified, how))),
        };
        match (outcome, &first) {
            (Ok(published), None) => first = Some(published),
            (Ok(_), Some(_)) => {}
            (Err(verdict), None) => return verdict,
            (Err(verdict), Some(_)) => return verdict.after_data(),
        }
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
    }
}

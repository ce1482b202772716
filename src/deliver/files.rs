//! An intent's files, published in their order, at a destination that has names: the same for SFTP and for folders.

use super::session::Put;
use super::{IntendedFile, Intent, Receipt, ReceivedFile, Role, Seen, SeenFile, Verdict};
use crate::progress::Meter;

/// What a destination does with one file. After a step that failed, nothing of the file lies there under its temporary name
/// while there is contact.
pub(super) trait Files {
    /// Writes the file under its temporary name, whole and checked; says how it was checked.
    ///
    /// # Errors
    /// What keeps it from being there.
    fn write(
        &mut self,
        put: &Put<'_>,
        intent: &Intent,
        file: &IntendedFile,
        seen: Option<&SeenFile>,
        meter: &Meter,
    ) -> Result<String, Verdict>;

    /// Gives the written file its final name; says how.
    ///
    /// # Errors
    /// What keeps it from it.
    fn take_name(&mut self, put: &Put<'_>, file: &IntendedFile) -> Result<&'static str, Verdict>;

    /// Removes the temporary file, if it is there. A failure changes nothing: the sweep comes by again.
    fn remove_temporary(&mut self, file: &IntendedFile);

    /// What the destination refused since it was last asked and is no failure, in words.
    fn notes(&mut self) -> Vec<String>;

    /// The address, and the fingerprint of the host key, for the receipt.
    fn whereabouts(&self) -> (String, Option<String>);
}

/// Publishes the files of an intent one after the other. The data of a set is written whole before its first file gets its
/// name: what fails until then publishes nothing.
pub(super) fn publish(
    drop: &mut impl Files,
    put: &Put<'_>,
    intent: &Intent,
    seen: Option<&Seen>,
    meter: &Meter,
) -> Verdict {
    let seen_of = |index: usize| seen.and_then(|seen| seen.files.get(index));
    let known =
        |index: usize, file: &IntendedFile| seen_of(index).and_then(|seen| seen.published(file, put.replacing()));
    let mut written: Vec<Option<String>> = vec![None; intent.files.len()];
    if put.plan.set {
        let data = intent.files.iter().enumerate().filter(|(_, file)| file.role == Role::Data && !file.is_direct());
        let mut some_published = false;
        for (index, file) in data {
            if known(index, file).is_some() {
                some_published = true;
                continue;
            }
            match drop.write(put, intent, file, seen_of(index), meter) {
                Ok(verified) => written[index] = Some(verified),
                Err(verdict) => {
                    let done = intent.files.iter().zip(&written).filter(|(_, written)| written.is_some());
                    done.for_each(|(file, _)| drop.remove_temporary(file));
                    return if some_published { verdict.after_data() } else { verdict };
                }
            }
        }
    }
    let mut first = None;
    for (index, file) in intent.files.iter().enumerate() {
        let outcome = match (known(index, file), written[index].take()) {
            (Some(verified), _) => {
                if seen_of(index).is_some_and(|seen| seen.temporary) && !file.is_direct() {
                    drop.remove_temporary(file);
                }
                Ok((verified, "found"))
            }
            (None, Some(verified)) => drop.take_name(put, file).map(|how| (verified, how)),
            (None, None) => drop
                .write(put, intent, file, seen_of(index), meter)
                .and_then(|verified| drop.take_name(put, file).map(|how| (verified, how))),
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
            let (address, host_key) = drop.whereabouts();
            let notes = drop.notes();
            Verdict::Delivered(Receipt { notes, ..receipt(put, intent, data, address, host_key, verified, how) })
        }
        _ => Verdict::Rejected { reason: "the intent names no file".to_owned(), hint: None },
    }
}

fn receipt(
    put: &Put<'_>,
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
        bytes: if is_set { put.artifact.bytes } else { data.bytes },
        sha256: if is_set { put.artifact.sha256.clone() } else { data.sha256.clone() },
        files: if is_set { intent.data().map(received).collect() } else { Vec::new() },
        host_key,
        verified,
        published: how.to_owned(),
        answer: None,
        notes: Vec::new(),
    }
}

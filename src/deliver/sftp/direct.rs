//! `publish: direct`: cleans up after interrupted or failed attempts at the final name.
//!
//! Without a temporary name, an incomplete file at the final name could be anyone's. Only a partial upload of our own data
//! is removed there, and only if it is certainly ours: a cleanly closed file belongs to the reader, and so does one that
//! was there before.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::SftpTarget;
use super::error::SftpError;
use super::paths::AtPath;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{FinalName, IntendedFile, Intent, RemoteFile, RemoteState, Role, Verdict, companions};
use crate::digest::hex;
use crate::sftp::Transport;

impl<T: Transport> SftpTarget<T> {
    /// Removes obsolete files of an earlier attempt at `intent`, so that names can be chosen again.
    pub fn clear(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        seen: &RemoteState,
    ) -> Result<(), Verdict> {
        for (file, seen) in intent.files.iter().zip(&seen.files) {
            match file.is_direct() {
                true => self.remove_partial(delivery, intent, file, Some(seen))?,
                false if seen.temporary => self.try_remove(&file.temporary),
                false => {}
            }
        }
        Ok(())
    }

    /// Removes the partial upload of `file` that an earlier attempt left at its final name.
    pub(super) fn remove_partial(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        file: &IntendedFile,
        seen: Option<&RemoteFile>,
    ) -> Result<(), Verdict> {
        let Some(RemoteFile { final_name: FinalName::Other { bytes: Some(bytes) }, .. }) = seen else { return Ok(()) };
        // If it may be replaced, opening it truncates it.
        if !file.is_direct() || delivery.replacing() {
            return Ok(());
        }
        let path = &file.final_path;
        match self.is_partial_upload(delivery, intent, file, *bytes) {
            Ok(true) => {
                self.client.doing("remove", path, |client| client.remove(path)).map_err(SftpError::before_publishing)
            }
            Ok(false) => Ok(()), // the exclusive open reports that the name is taken
            Err(lost) => Err(lost.before_publishing()),
        }
    }

    /// Removes what a failed attempt wrote. `is_partial`: not all of it was written. `before`: size of the file at the
    /// final name when a direct delivery began.
    pub(super) fn discard(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        file: &IntendedFile,
        is_partial: bool,
        before: Option<u64>,
    ) {
        let path = &file.temporary;
        if !file.is_direct() {
            return self.try_remove(path);
        }
        if self.client.is_closed() {
            return;
        }
        let there = self.at_target(path);
        let bytes = match there {
            Ok(AtPath::There(there)) => there.size,
            Ok(AtPath::Hidden) => None,
            Ok(AtPath::Absent) | Err(_) => return,
        };
        let ours = match (delivery.replacing(), bytes) {
            // It was opened exclusively, so it is ours.
            (false, None) => is_partial,
            (false, Some(bytes)) => is_partial || bytes < file.bytes,
            // The old file may still be there, or again.
            (true, None) => false,
            (true, Some(bytes)) if before == Some(bytes) => false,
            (true, Some(bytes)) => self.is_partial_upload(delivery, intent, file, bytes).unwrap_or(false),
        };
        if ours {
            self.try_remove(path);
        }
    }

    /// Returns the size of the file that a direct delivery is about to replace, if it exists.
    pub(super) fn size_before(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
    ) -> Result<Option<u64>, Verdict> {
        if !file.is_direct() || !delivery.replacing() {
            return Ok(None);
        }
        let path = &file.final_path;
        match self.at_target(path).map_err(SftpError::before_publishing)? {
            AtPath::There(there) => Ok(there.size),
            AtPath::Absent | AtPath::Hidden => Ok(None),
        }
    }

    /// Returns true if the `bytes` bytes at the final name are a partial upload of `file`.
    fn is_partial_upload(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        file: &IntendedFile,
        bytes: u64,
    ) -> Result<bool, SftpError> {
        if bytes >= file.bytes {
            return Ok(false);
        }
        match self.digest_of(&file.final_path, bytes) {
            Ok(found) => Ok(found.bytes == bytes
                && prefix_digest(delivery, intent, file, bytes).is_ok_and(|sha256| sha256 == found.sha256)),
            Err(lost) if lost.is_lost() => Err(lost),
            Err(_) => Ok(false), // not to be recognised
        }
    }
}

/// Returns the digest of a file's first `bytes`.
fn prefix_digest(
    delivery: &DeliveryRequest<'_>,
    intent: &Intent,
    file: &IntendedFile,
    bytes: u64,
) -> io::Result<String> {
    let mut hash = Sha256::new();
    if file.role != Role::Data {
        let made = companions::content_of(delivery, file, intent);
        let max = usize::try_from(bytes).unwrap_or(usize::MAX).min(made.len());
        return Ok(hex(&Sha256::digest(&made[..max])));
    }
    let (source, _, max) = delivery.artifact.open_data(file.of.unwrap_or(0))?;
    let mut source = source.take(bytes.min(max));
    let mut block = vec![0; 64 * 1024];
    loop {
        let read = source.read(&mut block)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&block[..read]);
    }
}

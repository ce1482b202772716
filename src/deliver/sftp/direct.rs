//! `publish: direct`: what an attempt that was cut short, or failed, left at the final name.
//!
//! Without a temporary name, half a file at the final name looks like anybody's. Only a beginning of what we deliver is
//! removed there, and only where it is certain to be ours: what was closed cleanly is the reader's, and so is a file that
//! was there before.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::SftpDrop;
use super::client::Wire;
use super::paths::AtPath;
use super::trouble::Trouble;
use crate::deliver::names::hex;
use crate::deliver::session::Put;
use crate::deliver::{FinalName, IntendedFile, Intent, Role, Seen, SeenFile, Verdict, side};

impl<W: Wire> SftpDrop<W> {
    /// Removes what an earlier attempt at `intent` left and nobody needs, so that names can be chosen afresh.
    ///
    /// # Errors
    /// `Unreached` when contact is lost.
    pub fn clear(&mut self, put: &Put<'_>, intent: &Intent, seen: &Seen) -> Result<(), Verdict> {
        for (file, seen) in intent.files.iter().zip(&seen.files) {
            match file.is_direct() {
                true => self.clear_own_beginning(put, intent, file, Some(seen))?,
                false if seen.temporary => self.remove_quietly(&file.temporary),
                false => {}
            }
        }
        Ok(())
    }

    /// Removes the beginning of `file` that an earlier attempt left at its final name.
    pub(super) fn clear_own_beginning(
        &mut self,
        put: &Put<'_>,
        intent: &Intent,
        file: &IntendedFile,
        seen: Option<&SeenFile>,
    ) -> Result<(), Verdict> {
        let Some(SeenFile { final_name: FinalName::Other { bytes: Some(bytes) }, .. }) = seen else { return Ok(()) };
        // Where it may be replaced, opening it truncates it.
        if !file.is_direct() || put.replacing() {
            return Ok(());
        }
        let path = &file.final_path;
        match self.is_own_beginning(put, intent, file, *bytes) {
            Ok(true) => {
                self.client.doing("remove", path, |client| client.remove(path)).map_err(Trouble::before_publishing)
            }
            Ok(false) => Ok(()), // the exclusive open will say that the name is taken
            Err(lost) => Err(lost.before_publishing()),
        }
    }

    /// Removes what a failed attempt wrote. `is_partial` says that not all of it was written; `before` is the size of the
    /// file that was at the final name when a direct put began.
    pub(super) fn abandon(
        &mut self,
        put: &Put<'_>,
        intent: &Intent,
        file: &IntendedFile,
        is_partial: bool,
        before: Option<u64>,
    ) {
        let path = &file.temporary;
        if !file.is_direct() {
            return self.remove_quietly(path);
        }
        if self.client.is_over() {
            return;
        }
        let there = self.client.doing("stat", path, |client| client.behind(path));
        let bytes = match there {
            Ok(AtPath::There(there)) => there.size,
            Ok(AtPath::Hidden) => None,
            Ok(AtPath::Absent) | Err(_) => return,
        };
        let ours = match (put.replacing(), bytes) {
            // It was opened as a file that had not been there.
            (false, None) => is_partial,
            (false, Some(bytes)) => is_partial || bytes < file.bytes,
            // The old file may be there still, or again.
            (true, None) => false,
            (true, Some(bytes)) if before == Some(bytes) => false,
            (true, Some(bytes)) => self.is_own_beginning(put, intent, file, bytes).unwrap_or(false),
        };
        if ours {
            self.remove_quietly(path);
        }
    }

    /// The size of the file that a direct put is about to replace, where there is one.
    pub(super) fn size_before(&mut self, put: &Put<'_>, file: &IntendedFile) -> Result<Option<u64>, Verdict> {
        if !file.is_direct() || !put.replacing() {
            return Ok(None);
        }
        let path = &file.final_path;
        match self.client.doing("stat", path, |client| client.behind(path)).map_err(Trouble::before_publishing)? {
            AtPath::There(there) => Ok(there.size),
            AtPath::Absent | AtPath::Hidden => Ok(None),
        }
    }

    /// Whether what is at the final name, of `bytes` bytes, is a beginning of `file` and not the whole of it.
    fn is_own_beginning(
        &mut self,
        put: &Put<'_>,
        intent: &Intent,
        file: &IntendedFile,
        bytes: u64,
    ) -> Result<bool, Trouble> {
        if bytes >= file.bytes {
            return Ok(false);
        }
        match self.digest_of(&file.final_path, bytes) {
            Ok(found) => {
                Ok(found.bytes == bytes
                    && beginning(put, intent, file, bytes).is_ok_and(|sha256| sha256 == found.sha256))
            }
            Err(lost) if lost.is_lost() => Err(lost),
            Err(_) => Ok(false), // not to be recognised
        }
    }
}

/// The digest of a file's first `bytes`.
fn beginning(put: &Put<'_>, intent: &Intent, file: &IntendedFile, bytes: u64) -> io::Result<String> {
    let mut hash = Sha256::new();
    if file.role != Role::Data {
        let made = side::content_of(put, file, intent);
        let most = usize::try_from(bytes).unwrap_or(usize::MAX).min(made.len());
        return Ok(hex(&Sha256::digest(&made[..most])));
    }
    let (source, _, most) = put.artifact.open_data(file.of.unwrap_or(0))?;
    let mut source = source.take(bytes.min(most));
    let mut block = vec![0; 64 * 1024];
    loop {
        let read = source.read(&mut block)?;
        if read == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&block[..read]);
    }
}

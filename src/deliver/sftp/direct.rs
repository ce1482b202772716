//! `publish: direct`: what an attempt that was cut short left at the final name.
//!
//! Without a temporary name, half a file at the final name looks like anybody's. It is ours when it is a beginning of
//! what we deliver, at a name that was free when the intent was written; only then is it removed to start again.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

use super::SftpDrop;
use super::client::Wire;
use super::trouble::Trouble;
use crate::deliver::names::hex;
use crate::deliver::session::Put;
use crate::deliver::{FinalName, IntendedFile, SeenFile, Verdict};

impl<W: Wire> SftpDrop<W> {
    /// Removes the beginning of `file` that an earlier attempt left at its final name.
    pub(super) fn clear_own_beginning(
        &mut self,
        put: &Put<'_>,
        file: &IntendedFile,
        seen: Option<&SeenFile>,
    ) -> Result<(), Verdict> {
        let Some(SeenFile { final_name: FinalName::Other { bytes: Some(bytes) }, .. }) = seen else { return Ok(()) };
        // Where it may be replaced, opening it truncates it.
        if !file.is_direct() || put.replacing() || *bytes >= file.bytes {
            return Ok(());
        }
        let path = &file.final_path;
        let found = match self.digest_of(path, *bytes) {
            Ok(found) => found,
            Err(trouble) if trouble.is_lost() => return Err(trouble.before_publishing()),
            Err(_) => return Ok(()), // not to be recognised: the exclusive open will say that the name is taken
        };
        if found.bytes == *bytes && beginning(put, file.of, *bytes).is_ok_and(|sha256| sha256 == found.sha256) {
            self.client.doing("remove", path, |client| client.remove(path)).map_err(Trouble::before_publishing)?;
        }
        Ok(())
    }
}

/// The digest of a data file's first `bytes`.
fn beginning(put: &Put<'_>, of: Option<usize>, bytes: u64) -> io::Result<String> {
    let mut hash = Sha256::new();
    let (source, _, most) = put.artifact.open_data(of.unwrap_or(0))?;
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

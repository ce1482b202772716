//! Inspects the names of an intent, by size and digest.

use super::SftpTarget;
use super::error::SftpError;
use super::paths::AtPath;
use crate::deliver::remote_state::NOT_READ;
use crate::deliver::{FinalName, IntendedFile, Intent, PathState, RemoteFile, RemoteState, Stamp, Verdict};
use crate::settings::Verify;
use crate::sftp::{Transport, open};

/// Reason why a file cannot be recognised by its size.
const NOT_MEASURED: &str = "sizes are not reliable there (`verify: none`)";

impl<T: Transport> SftpTarget<T> {
    pub fn inspect(&mut self, intent: &Intent) -> Result<RemoteState, Verdict> {
        self.check(intent, true)
    }

    pub fn check(&mut self, intent: &Intent, read: bool) -> Result<RemoteState, Verdict> {
        let mut files = Vec::with_capacity(intent.files.len());
        for file in &intent.files {
            files.push(self.inspect_file(file, read).map_err(SftpError::before_publishing)?);
        }
        Ok(RemoteState { files })
    }

    pub fn path_state(&mut self, path: &str) -> Result<PathState, Verdict> {
        match self.client.doing("stat", path, |client| client.lstat(path)) {
            Ok(there) => Ok(PathState::There(Stamp { bytes: there.size, modified: there.modified_s.map(i64::from) })),
            Err(error) if error.is_lost() => Err(error.before_publishing()),
            Err(error) if error.source.is_not_found() => Ok(PathState::Absent),
            Err(error) => Ok(PathState::Hidden { why: error.to_string() }),
        }
    }

    /// Reads the first bytes of a file: `max`, and at least one more if it has more.
    pub fn read_file(&mut self, path: &str, max: u64) -> Result<Vec<u8>, Verdict> {
        const CHUNK: u32 = 32_000;
        let read = self.client.doing("read", path, |client| {
            let handle = client.open(path, open::READ)?;
            let mut bytes = Vec::new();
            while bytes.len() as u64 <= max {
                match client.read_at(&handle, bytes.len() as u64, CHUNK) {
                    Ok(chunk) if chunk.is_empty() => break,
                    Ok(chunk) => bytes.extend_from_slice(&chunk),
                    Err(error) if error.is_end_of_file() => break,
                    Err(error) => return Err(error),
                }
            }
            client.close(&handle)?;
            Ok(bytes)
        });
        read.map_err(SftpError::before_publishing)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn inspect_file(&mut self, file: &IntendedFile, read: bool) -> Result<RemoteFile, SftpError> {
        let final_name = self.final_name(file, read)?;
        let temporary = !file.is_direct() && matches!(self.at(&file.temporary)?, AtPath::There(_));
        Ok(RemoteFile { final_name, temporary })
    }

    pub(super) fn final_name(&mut self, file: &IntendedFile, read: bool) -> Result<FinalName, SftpError> {
        let path = &file.final_path;
        let attributes = match self.client.doing("stat", path, |client| client.lstat(path)) {
            Ok(attributes) => attributes,
            Err(error) if error.is_lost() => return Err(error),
            Err(error) if error.source.is_not_found() => return Ok(FinalName::Absent),
            Err(error) => return Ok(FinalName::Hidden { why: error.to_string() }),
        };
        let measures = self.verify != Verify::None;
        if attributes.is_directory() == Some(true)
            || (measures && attributes.size.is_some_and(|bytes| bytes != file.bytes))
        {
            return Ok(FinalName::Other { bytes: attributes.size });
        }
        if !read && !measures {
            return Ok(FinalName::Hidden { why: format!("{path}: {NOT_MEASURED}") });
        }
        if !read && attributes.size.is_some() {
            return Ok(FinalName::SameSize { why: NOT_READ.to_owned() });
        }
        match self.digest_of(path, file.bytes) {
            Ok(found) if found.sha256 == file.sha256 => Ok(FinalName::Ours),
            Ok(_) if !measures => {
                Ok(FinalName::Hidden { why: format!("{path} reads back as other bytes; {NOT_MEASURED}") })
            }
            Ok(found) => Ok(FinalName::Other { bytes: Some(found.bytes) }),
            Err(error) if error.is_lost() => Err(error),
            // Removed in between.
            Err(error) if error.source.is_not_found() => Ok(FinalName::Absent),
            Err(error) if measures && attributes.size.is_some() => Ok(FinalName::SameSize { why: error.to_string() }),
            Err(error) => Ok(FinalName::Hidden { why: error.to_string() }),
        }
    }
}

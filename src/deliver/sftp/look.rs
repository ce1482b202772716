//! What lies at the names of an intent, by size and by digest.

use super::SftpDrop;
use super::client::Wire;
use super::paths::AtPath;
use super::trouble::{Trouble, is_absent};
use crate::deliver::found::NOT_READ;
use crate::deliver::{FinalName, IntendedFile, Intent, Lies, Seen, SeenFile, Stamp, Verdict};
use crate::settings::Verify;

/// Why a file cannot be recognised where the server reports other sizes.
const NOT_MEASURED: &str = "sizes say nothing there (`verify: none`)";

impl<W: Wire> SftpDrop<W> {
    pub fn look(&mut self, intent: &Intent) -> Result<Seen, Verdict> {
        self.check(intent, true)
    }

    pub fn check(&mut self, intent: &Intent, read: bool) -> Result<Seen, Verdict> {
        let mut files = Vec::with_capacity(intent.files.len());
        for file in &intent.files {
            files.push(self.look_at(file, read).map_err(Trouble::before_publishing)?);
        }
        Ok(Seen { files })
    }

    pub fn lies_at(&mut self, path: &str) -> Result<Lies, Verdict> {
        match self.client.doing("stat", path, |client| client.lstat(path)) {
            Ok(there) => Ok(Lies::There(Stamp { bytes: there.size, modified: there.modified_s.map(i64::from) })),
            Err(trouble) if trouble.is_lost() => Err(trouble.before_publishing()),
            Err(trouble) if is_absent(&trouble.failure) => Ok(Lies::Absent),
            Err(trouble) => Ok(Lies::Hidden { why: trouble.to_string() }),
        }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn look_at(&mut self, file: &IntendedFile, read: bool) -> Result<SeenFile, Trouble> {
        let final_name = self.look_at_final(file, read)?;
        let temporary = !file.is_direct() && matches!(self.at(&file.temporary)?, AtPath::There(_));
        Ok(SeenFile { final_name, temporary })
    }

    fn look_at_final(&mut self, file: &IntendedFile, read: bool) -> Result<FinalName, Trouble> {
        let path = &file.final_path;
        let attributes = match self.client.doing("stat", path, |client| client.lstat(path)) {
            Ok(attributes) => attributes,
            Err(trouble) if trouble.is_lost() => return Err(trouble),
            Err(trouble) if is_absent(&trouble.failure) => return Ok(FinalName::Absent),
            Err(trouble) => return Ok(FinalName::Hidden { why: trouble.to_string() }),
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
            Err(trouble) if trouble.is_lost() => Err(trouble),
            // Taken away between the two looks.
            Err(trouble) if is_absent(&trouble.failure) => Ok(FinalName::Absent),
            Err(trouble) if measures && attributes.size.is_some() => {
                Ok(FinalName::SameSize { why: trouble.to_string() })
            }
            Err(trouble) => Ok(FinalName::Hidden { why: trouble.to_string() }),
        }
    }
}

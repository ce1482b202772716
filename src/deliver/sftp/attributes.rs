//! Permissions and times of a file that was written: asked for by the settings, and no failure where the server refuses.

use super::SftpDrop;
use super::client::{Failure, Wire};
use super::requests::SetAttributes;
use super::trouble::Trouble;
use crate::deliver::session::Put;
use crate::deliver::{IntendedFile, Role, Verdict};
use crate::fault;
use crate::settings::Sftp;

impl<W: Wire> SftpDrop<W> {
    /// Sets the mode and the times that the settings ask for; what the server refuses goes into the receipt.
    pub(super) fn set_attributes(&mut self, put: &Put<'_>, sftp: &Sftp, file: &IntendedFile) -> Result<(), Verdict> {
        let path = &file.temporary;
        // Mode and times are two requests: a server that takes the one may refuse the other.
        let times = put.modified(sftp.mtime).and_then(|at| u32::try_from(at.as_second()).ok());
        let posted = match times {
            Some(seconds) => {
                let post = self.client.doing("set the times of", path, |client| {
                    client.post_attributes(path, SetAttributes::Times(seconds))
                });
                Some(post.map_err(Trouble::before_publishing)?)
            }
            None => None,
        };
        if let Some(mode) = sftp.mode {
            let set = self.client.doing("set the mode of", path, |client| {
                let mut set = || client.set_attributes(path, SetAttributes::Mode(mode));
                if file.role == Role::Data { fault::step("sftp.setstat", set) } else { set() }
            });
            self.note_refused(&format!("the mode {mode:04o}"), set)?;
        }
        if let Some(ticket) = posted {
            let set = self.client.doing("set the times of", path, |client| client.attributes_set(ticket));
            self.note_refused("the modification time", set)?;
        }
        Ok(())
    }

    fn note_refused(&mut self, what: &str, set: Result<(), Trouble>) -> Result<(), Verdict> {
        match set {
            Ok(()) => Ok(()),
            Err(Trouble { failure: Failure::Refused(status), .. }) => {
                self.note(format!("the server refused {what}: {status}"));
                Ok(())
            }
            Err(lost) => Err(lost.before_publishing()),
        }
    }
}

//! Permissions and times of a written file, as the settings request; if the server refuses, the delivery does not fail.

use super::SftpTarget;
use super::error::SftpError;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{IntendedFile, Role, Verdict};
use crate::fault;
use crate::settings::Sftp;
use crate::sftp::{self, SetAttributes, Transport};

impl<T: Transport> SftpTarget<T> {
    /// Sets the mode and times that the settings request. Refusals become part of the receipt.
    pub(super) fn set_attributes(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        sftp: &Sftp,
        file: &IntendedFile,
    ) -> Result<(), Verdict> {
        let path = &file.temporary;
        // Mode and times are two requests: a server may accept one and refuse the other.
        let times = delivery.modified(sftp.mtime).and_then(|at| u32::try_from(at.as_second()).ok());
        let submitted = match times {
            Some(seconds) => {
                let submit = self.client.doing("set the times of", path, |client| {
                    client.submit_attributes(path, SetAttributes::Times(seconds))
                });
                Some(submit.map_err(SftpError::before_publishing)?)
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
        if let Some(id) = submitted {
            let set = self.client.doing("set the times of", path, |client| client.finish(id));
            self.note_refused("the modification time", set)?;
        }
        Ok(())
    }

    fn note_refused(&mut self, what: &str, set: Result<(), SftpError>) -> Result<(), Verdict> {
        match set {
            Ok(()) => Ok(()),
            Err(SftpError { source: sftp::Error::Refused(status), .. }) => {
                self.note(format!("the server refused {what}: {status}"));
                Ok(())
            }
            Err(lost) => Err(lost.before_publishing()),
        }
    }
}

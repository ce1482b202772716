//! Names decided: the first ones that are free by the delivery's rule.

use super::SftpDrop;
use super::client::Wire;
use super::paths::{AtPath, directory_in_the_way};
use super::publish::{rejected, settings, taken};
use super::trouble::Trouble;
use crate::deliver::names::{self, NUMBER_MAX};
use crate::deliver::session::Put;
use crate::deliver::side;
use crate::deliver::{IntendedFile, Intent, Role, Verdict};
use crate::pipeline::plan::Existing;
use crate::settings::Publish;

impl<W: Wire> SftpDrop<W> {
    pub fn prepare(&mut self, put: &Put<'_>) -> Result<Intent, Verdict> {
        let path_rejected =
            |reason: String| rejected(reason, "correct the delivery's `path`, `done_file` or the artifact's `name`");
        let sftp = settings(put.plan)?;
        let directory = names::remote_directory(&sftp.base, &put.plan.directory).map_err(path_rejected)?;
        let staging = match &sftp.staging {
            Some(staging) => names::remote_directory(&sftp.base, staging).map_err(path_rejected)?,
            None => directory.clone(),
        };
        let numbers = if put.plan.existing == Existing::Number { NUMBER_MAX } else { 0 };
        for candidate in side::candidates(put, numbers) {
            let file = |named: side::Named| {
                let final_path = names::remote_path(&directory, &named.name);
                let temporary = match sftp.publish {
                    Publish::Rename => names::remote_path(&staging, &names::temporary(&named.name, put.run)),
                    Publish::Direct => final_path.clone(),
                };
                let (bytes, sha256) = (named.bytes, named.sha256);
                IntendedFile { role: named.role, of: named.of, temporary, final_path, bytes, sha256 }
            };
            let files: Vec<IntendedFile> = candidate.map_err(path_rejected)?.into_iter().map(file).collect();
            match self.first_taken(put, &files)? {
                None => return Ok(Intent { files, cutting: None, acks: Vec::new() }),
                Some(_) if put.plan.existing == Existing::Number => {}
                Some(file) if put.plan.existing == Existing::Keep && file.role != Role::Data => {
                    return Err(taken(Existing::Fail, &file.final_path));
                }
                Some(file) => return Err(taken(put.plan.existing, &file.final_path)),
            }
        }
        Err(rejected(
            format!("{} and its numbers up to {NUMBER_MAX} are all taken in {directory:?}", put.artifact.name),
            "clear the directory, or put the slot into the artifact's name",
        ))
    }

    fn first_taken<'f>(
        &mut self,
        put: &Put<'_>,
        files: &'f [IntendedFile],
    ) -> Result<Option<&'f IntendedFile>, Verdict> {
        if put.replacing() {
            return Ok(None);
        }
        for file in files {
            match self.at(&file.final_path).map_err(Trouble::before_publishing)? {
                found if found.is_directory() && put.plan.existing != Existing::Number => {
                    return Err(directory_in_the_way(&file.final_path));
                }
                AtPath::There(_) => return Ok(Some(file)),
                AtPath::Absent | AtPath::Hidden => {}
            }
        }
        Ok(None)
    }
}

//! The intent: the first free names under the delivery's `existing` rule.

use super::SftpTarget;
use super::error::SftpError;
use super::paths::{AtPath, directory_in_the_way};
use super::publish::settings;
use crate::deliver::companions::{choose_names, path_rejected};
use crate::deliver::names;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{Intent, Verdict};
use crate::pipeline::plan::Existing;
use crate::settings::Publish;
use crate::sftp::Transport;

impl<T: Transport> SftpTarget<T> {
    pub fn prepare(&mut self, delivery: &DeliveryRequest<'_>) -> Result<Intent, Verdict> {
        let sftp = settings(delivery.plan)?;
        let directory = names::remote_directory(&sftp.base, &delivery.plan.directory).map_err(path_rejected)?;
        let staging = match &sftp.staging {
            Some(staging) => names::remote_directory(&sftp.base, staging).map_err(path_rejected)?,
            None => directory.clone(),
        };
        let locate = |name: &str| {
            let final_path = names::remote_path(&directory, name);
            let temporary = match sftp.publish {
                Publish::Rename => names::remote_path(&staging, &names::temporary(name, delivery.run)),
                Publish::Direct => final_path.clone(),
            };
            Ok((temporary, final_path))
        };
        choose_names(delivery, &format!("{directory:?}"), locate, |path| {
            if delivery.replacing() {
                return Ok(false);
            }
            match self.at(path).map_err(SftpError::before_publishing)? {
                found if found.is_directory() && delivery.plan.existing != Existing::Number => {
                    Err(directory_in_the_way(path))
                }
                AtPath::There(_) => Ok(true),
                AtPath::Absent | AtPath::Hidden => Ok(false),
            }
        })
    }
}

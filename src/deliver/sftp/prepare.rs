//! The intent: the first free names under the delivery's `existing` rule.

use super::SftpTarget;
use super::error::SftpError;
use super::paths::{AtPath, directory_in_the_way};
use super::publish::settings;
use crate::deliver::companions::{choose_names, path_rejected, upload_rejected};
use crate::deliver::names;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{Intent, Role, Verdict};
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
        let locate = |role: Role, name: &str| {
            let final_path = names::remote_path(&directory, name);
            let temporary = match (sftp.publish, &delivery.plan.upload_as) {
                (Publish::Direct, _) => final_path.clone(),
                (Publish::Rename, Some(template)) if role == Role::Data => {
                    let upload = template.render_done(name).map_err(|error| upload_rejected(error.to_string()))?;
                    if upload == name {
                        return Err(upload_rejected(format!("{name:?} is written and published under one name")));
                    }
                    names::remote_path(&staging, &upload)
                }
                (Publish::Rename, _) => names::remote_path(&staging, &names::temporary(name, delivery.run)),
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

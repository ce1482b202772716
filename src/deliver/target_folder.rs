//! The folder that a delivery puts its files in, whatever its destination is called.

use std::fmt;

use super::names;
use crate::pipeline::plan::DeliveryPlan;
use crate::settings::{DestinationKind, Sftp, real_path};

/// Equal for two deliveries whose files are beside each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetFolder {
    /// `host:port`, after those of jump hosts; empty on this machine.
    server: String,
    /// Accounts of one server may have directories of their own behind the same path.
    account: String,
    directory: String,
}

impl fmt::Display for TargetFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directory = if self.directory.is_empty() { "." } else { &self.directory };
        match self.server.as_str() {
            "" => write!(f, "the folder {directory}"),
            server => write!(f, "{directory} at {server}"),
        }
    }
}

/// Returns the folder of a delivery; `None` for a webhook, and for a path that no delivery may use.
pub fn target_folder(delivery: &DeliveryPlan) -> Option<TargetFolder> {
    match &delivery.destination.kind {
        DestinationKind::Webhook(_) => None,
        DestinationKind::Sftp(sftp) => Some(TargetFolder {
            server: server(sftp),
            account: sftp.username.clone(),
            directory: names::remote_directory(&sftp.base, &delivery.directory).ok()?,
        }),
        DestinationKind::Local(local) => {
            let parts = names::components(&delivery.directory).ok()?;
            let path = parts.iter().fold(local.path.clone(), |path, part| path.join(part));
            let directory = real_path(&path).unwrap_or(path).display().to_string();
            Some(TargetFolder { server: String::new(), account: String::new(), directory })
        }
    }
}

fn server(sftp: &Sftp) -> String {
    let host = sftp.host.trim_end_matches('.').to_ascii_lowercase();
    let through = sftp.jump.as_deref().map(|jump| format!("{} → ", server(jump))).unwrap_or_default();
    format!("{through}{host}:{}", sftp.port)
}

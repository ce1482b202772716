//! An account at one of the servers: what settings say to reach it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reportferry::settings::{SecretRef, Sftp, SftpTimeouts};

#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub port: u16,
    pub username: String,
    /// The private key's file.
    pub key: PathBuf,
    /// The host key's fingerprint.
    pub pin: String,
}

impl Account {
    /// Settings with `base` as the directory that everything goes below.
    pub(crate) fn settings(&self, base: &Path) -> Sftp {
        let patience = Duration::from_secs(20);
        let mut sftp = Sftp::new("hris", "127.0.0.1", self.port, &self.username);
        sftp.key = Some(SecretRef::File(self.key.clone()));
        sftp.host_keys = vec![self.pin.clone()];
        sftp.base = base.display().to_string();
        sftp.in_flight = 64;
        sftp.timeouts = SftpTimeouts { connect: patience, idle: patience, rename: patience };
        sftp
    }

    /// The same as it stands in `reportferry.yaml`, between the braces of `sftp`.
    pub(crate) fn written(&self, base: &Path) -> String {
        format!(
            "host: 127.0.0.1, port: {}, username: {}, key: {{file: {:?}}}, host_keys: [\"{}\"], base: {base:?}",
            self.port, self.username, self.key, self.pin
        )
    }
}

//! A new server: `trust`, `doctor`, signing in, and the ways there.

mod doctor;
mod sign_in;
mod trust;
mod ways;

use std::path::Path;
use std::process::{Command, Output};

use crate::stage::sshd::Sshd;

/// A folder with settings of one destination, `hris`, and the binary that reads them.
pub(crate) struct Desk {
    pub folder: tempfile::TempDir,
}

impl Desk {
    /// `sftp` is what stands below `hris: sftp:`, in one line.
    pub(crate) fn new(sftp: &str) -> Self {
        Self::with(&format!("destinations:\n  hris:\n    sftp: {{{sftp}}}\n"))
    }

    pub(crate) fn with(settings: &str) -> Self {
        let folder = crate::stage::folder();
        std::fs::write(folder.path().join("reportferry.yaml"), settings).unwrap();
        Desk { folder }
    }

    /// Reaches a server by its account's key; nothing is pinned.
    pub(crate) fn at(sshd: &Sshd, more: &str) -> Self {
        Self::new(&format!("{}{more}", reached(sshd)))
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = crate::stage::reportferry();
        command.arg("--config").arg(self.folder.path().join("reportferry.yaml")).args(arguments);
        command
    }

    pub(crate) fn reportferry(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

pub(crate) fn reached(sshd: &Sshd) -> String {
    format!(
        "host: 127.0.0.1, port: {}, username: {}, key: {{file: {:?}}}, base: {:?}",
        sshd.port,
        sshd.username,
        sshd.user_key(),
        sshd.root(),
    )
}

/// What a tool of OpenSSH's prints.
fn ssh_keygen(arguments: &[&str], file: &Path) -> String {
    let output = Command::new("ssh-keygen").args(arguments).arg("-f").arg(file).output();
    String::from_utf8(output.expect("there is no ssh-keygen: run tests/tools").stdout).unwrap()
}

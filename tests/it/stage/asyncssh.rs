//! An SFTP server that is not OpenSSH: asyncssh's, for passwords and for a second opinion. Installed by `tests/tools`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reportferry::settings::{SecretRef, Sftp, SftpTimeouts};
use tempfile::TempDir;

use super::sshd::{fingerprint, keygen};

/// What the server asks of whoever signs in. The account is `acme`, its password `correct horse`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Methods {
    Password,
    Interactive,
    /// The password and a verification code, which is `246810`.
    Code,
    /// First the key, then the password.
    KeyAndPassword,
}

/// A running server; killed when dropped.
pub struct Asyncssh {
    child: Child,
    home: TempDir,
    root: PathBuf,
    port: u16,
    fingerprint: String,
}

impl Asyncssh {
    pub fn start(methods: Methods) -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let root = at("drop");
        fs::create_dir(&root).unwrap();
        keygen(&["-t", "ed25519", "-N", ""], &at("host"));
        keygen(&["-t", "ed25519", "-N", ""], &at("user"));
        let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
        assert!(Path::new(python).exists(), "{python} is missing: run tests/tools");
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stage/asyncssh_server.py"))
            .arg(at("host"))
            .arg(&root)
            .arg(match methods {
                Methods::Password => "password",
                Methods::Interactive => "interactive",
                Methods::Code => "code",
                Methods::KeyAndPassword => "key+password",
            })
            .arg(at("user.pub"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("asyncssh does not start: its error is above");
        let fingerprint = fingerprint(&at("host"));
        Asyncssh { child, home, root, port, fingerprint }
    }

    /// The directory that is `/` to who signs in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Settings that reach the server, with its key and without a password.
    pub fn settings(&self) -> Sftp {
        let patience = Duration::from_secs(20);
        let mut sftp = Sftp::new("hris", "127.0.0.1", self.port, "acme");
        sftp.key = Some(SecretRef::File(self.home.path().join("user")));
        sftp.host_keys = vec![self.fingerprint.clone()];
        sftp.in_flight = 64;
        sftp.timeouts = SftpTimeouts { connect: patience, idle: patience, rename: patience };
        sftp
    }
}

impl Drop for Asyncssh {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

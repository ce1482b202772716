//! An SFTP server that is not OpenSSH: asyncssh's, for passwords and for a second opinion. Installed by `tests/tools`.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use reportferry::settings::Sftp;
use serde_json::Value;
use tempfile::TempDir;

use super::account::Account;
use super::sshd::{fingerprint, keygen};

/// What the server asks of whoever signs in. The account is `acme`, its password `correct horse`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Methods {
    Key,
    Password,
    Interactive,
    /// The password and a verification code, which is `246810`.
    Code,
    /// First the key, then the password.
    KeyAndPassword,
    /// The password, which must be changed.
    Expired,
    /// The same, by questions.
    ExpiredInteractive,
    /// The key, which is an RSA key, with SHA-1 signatures alone.
    Sha1,
}

/// A running server; killed when dropped.
pub(crate) struct Asyncssh {
    child: Child,
    home: TempDir,
    root: PathBuf,
    port: u16,
    fingerprint: String,
}

impl Asyncssh {
    pub(crate) fn start(methods: Methods) -> Self {
        Self::launch(methods, None)
    }

    /// Signs in by key, serves the whole machine by its own paths, and misbehaves no schedule.
    pub(crate) fn faulty() -> Self {
        Self::launch(Methods::Key, Some(Path::new("/")))
    }

    /// What the sessions from now on are in for, as `asyncssh_server.py` has it.
    pub(crate) fn misbehave(&self, faults: &Value) {
        fs::write(self.home.path().join("faults"), faults.to_string()).unwrap();
    }

    fn launch(methods: Methods, served: Option<&Path>) -> Self {
        let home = super::folder();
        let at = |name: &str| home.path().join(name);
        let root = at("drop");
        fs::create_dir(&root).unwrap();
        keygen(&["-t", "ed25519", "-N", ""], &at("host"));
        keygen(&["-t", if methods == Methods::Sha1 { "rsa" } else { "ed25519" }, "-N", ""], &at("user"));
        let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
        assert!(Path::new(python).exists(), "{python} is missing: run tests/tools");
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stage/asyncssh_server.py"))
            .arg(at("host"))
            .arg(served.unwrap_or(&root))
            .arg(match methods {
                Methods::Key => "key",
                Methods::Password => "password",
                Methods::Interactive => "interactive",
                Methods::Code => "code",
                Methods::KeyAndPassword => "key+password",
                Methods::Expired => "expired",
                Methods::ExpiredInteractive => "expired-interactive",
                Methods::Sha1 => "sha1",
            })
            .arg(at("user.pub"))
            .arg(at("faults"))
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

    /// The directory to deliver to: `/` to who signs in, but for a faulty server.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a server that takes files away puts them.
    pub(crate) fn taken(&self) -> PathBuf {
        self.home.path().join("taken")
    }

    pub(crate) fn account(&self) -> Account {
        let (key, pin) = (self.home.path().join("user"), self.fingerprint.clone());
        Account { port: self.port, username: "acme".to_owned(), key, pin }
    }

    /// Settings that reach the server, with its key and without a password.
    pub(crate) fn settings(&self) -> Sftp {
        self.account().settings(Path::new(""))
    }
}

impl Drop for Asyncssh {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

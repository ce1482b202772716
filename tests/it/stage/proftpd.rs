//! A second SFTP server that people run: ProFTPD with mod_sftp, unpacked by `tests/tools` and started here on a port of
//! its own, as whoever runs the tests.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::account::Account;
use super::sshd::{children_of, fingerprint, free_port, keygen};

const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/proftpd");
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// A user of whom nothing is.
const NOBODY: &str = "65534";

/// Who may sign in, by key or by [`PASSWORD`].
pub const USER: &str = "acme";
pub const PASSWORD: &str = "correct horse";

/// A running server; killed when dropped, with the processes that serve connections.
pub struct Proftpd {
    child: Child,
    home: TempDir,
    port: u16,
    fingerprint: String,
}

impl Proftpd {
    /// `config` are further lines of its configuration: `SFTPExtensions -posixRename` offers no rename-over.
    pub fn start(config: &[&str]) -> Self {
        Self::launch(config, &id("-u"), &id("-g"))
    }

    /// The account is not root's, also where root runs the tests: then it is `nobody`'s, and [`Self::root`] is its `/`.
    /// An ordinary user can lock nobody up, and sees the whole machine.
    pub fn locked_up() -> Self {
        match id("-u").as_str() {
            "0" => Self::launch(&["DefaultRoot ~"], NOBODY, NOBODY),
            _ => Self::start(&[]),
        }
    }

    /// The directory to deliver to as a locked up account sees it.
    pub fn base(&self) -> PathBuf {
        if id("-u") == "0" { PathBuf::from("/") } else { self.root() }
    }

    /// Gives what lies at `path` to the account that is locked up.
    pub fn give(&self, path: &Path) {
        if id("-u") == "0" {
            let nobody = NOBODY.parse().ok();
            std::os::unix::fs::chown(path, nobody, nobody).unwrap();
        }
    }

    fn launch(config: &[&str], uid: &str, gid: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("drop")).unwrap();
        for name in ["host", "user"] {
            keygen(&["-t", "ed25519", "-N", ""], &at(name));
        }
        // It reads keys in the form of RFC 4716.
        let exported = Command::new("ssh-keygen").arg("-e").arg("-f").arg(at("user.pub")).output().unwrap();
        fs::write(at("keys"), exported.stdout).unwrap();
        let hashed = Command::new("openssl").args(["passwd", "-6", PASSWORD]).output();
        let hashed = String::from_utf8(hashed.expect("there is no openssl: run tests/tools").stdout).unwrap();
        let account = format!("{USER}:{}:{uid}:{gid}::{}:/bin/sh\n", hashed.trim(), at("drop").display());
        fs::write(at("passwd"), account).unwrap();
        fs::set_permissions(at("passwd"), fs::Permissions::from_mode(0o600)).unwrap();
        let fingerprint = fingerprint(&at("host"));
        let (child, port) = run(&home, &format!("{}\n{}\n", configuration(home.path()), config.join("\n")));
        Proftpd { child, home, port, fingerprint }
    }

    /// The directory to deliver to, as a path of this machine and of the server's.
    pub fn root(&self) -> PathBuf {
        self.home.path().join("drop")
    }

    pub fn account(&self) -> Account {
        Account {
            port: self.port,
            username: USER.to_owned(),
            key: self.home.path().join("user"),
            pin: self.fingerprint.clone(),
        }
    }

    /// What the server wrote so far, of itself and of SFTP.
    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.home.path().join(name)).unwrap_or_default();
        read("log") + &read("sftp_log")
    }
}

impl Drop for Proftpd {
    fn drop(&mut self) {
        for child in children_of(self.child.id()) {
            let _ = Command::new("kill").args(["-9", &child.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- proftpd's log ---\n{}", self.log());
        }
    }
}

fn id(what: &str) -> String {
    String::from_utf8(Command::new("id").arg(what).output().unwrap().stdout).unwrap().trim().to_owned()
}

/// One server, one account, SFTP alone, nothing outside `home`.
fn configuration(home: &Path) -> String {
    let (user, group, home) = (id("-un"), id("-gn"), home.display());
    format!(
        "ServerName tests\nServerType standalone\nDefaultAddress 127.0.0.1\nSocketBindTight on\nUseReverseDNS off\n\
         User {user}\nGroup {group}\nRootLogin on\nRequireValidShell off\nAuthOrder mod_auth_file.c\n\
         AuthUserFile {home}/passwd\nPidFile {home}/pid\nScoreboardFile {home}/scoreboard\nSystemLog {home}/log\n\
         TransferLog none\nWtmpLog off\nMaxInstances none\nAllowOverwrite on\nUmask 022\n\
         ModulePath {UNPACKED}/usr/lib/proftpd\nLoadModule mod_sftp.c\nSFTPEngine on\nSFTPLog {home}/sftp_log\n\
         SFTPHostKey {home}/host\nSFTPAuthMethods publickey password\nSFTPAuthorizedUserKeys file:{home}/keys\n\
         SFTPKeyBlacklist none"
    )
}

/// Starts the server on a free port. Another process may take the port in between: then another one is tried.
fn run(home: &TempDir, config: &str) -> (Child, u16) {
    let at = |name: &str| home.path().join(name);
    let program = format!("{UNPACKED}/usr/sbin/proftpd");
    assert!(Path::new(&program).exists(), "{program} is missing: run tests/tools");
    for _ in 0..5 {
        let port = free_port();
        fs::write(at("config"), format!("Port {port}\n{config}")).unwrap();
        let mut child = Command::new(&program)
            .arg("--nodaemon")
            .arg("--config")
            .arg(at("config"))
            .env("LD_LIBRARY_PATH", libraries())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("said")).unwrap())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + STARTS_WITHIN;
        while child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (child, port);
            }
            assert!(Instant::now() < deadline, "proftpd does not accept:\n{}", said(home));
            std::thread::yield_now();
        }
    }
    panic!("proftpd does not start:\n{}", said(home));
}

fn said(home: &TempDir) -> String {
    let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap_or_default();
    read("said") + &read("log")
}

/// Where its own libraries were unpacked: `usr/lib/x86_64-linux-gnu`, by the machine's name for itself.
fn libraries() -> String {
    let entries = fs::read_dir(format!("{UNPACKED}/usr/lib")).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.to_string_lossy().contains("-linux-"));
    folders.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}

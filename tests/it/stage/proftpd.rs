//! A second SFTP server that people run: ProFTPD with mod_sftp, unpacked by `tests/tools` and started here on a port of
//! its own, as whoever runs the tests.
//!
//! It is run as inetd would run it, a process for each connection: as a daemon it takes no connection for 0.4 s after
//! each one that has ended.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // a test ends where it cannot go on

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;

use tempfile::TempDir;

use super::account::Account;
use super::sshd::{fingerprint, keygen};

const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/proftpd");

/// A user of whom nothing is.
const NOBODY: &str = "65534";

/// Who may sign in, by key or by [`PASSWORD`].
pub(crate) const USER: &str = "acme";
pub(crate) const PASSWORD: &str = "correct horse";

/// A running server; killed when dropped, with the processes that serve connections.
pub(crate) struct Proftpd {
    home: TempDir,
    over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
    port: u16,
    fingerprint: String,
}

impl Proftpd {
    /// `config` are further lines of its configuration: `SFTPExtensions -posixRename` offers no rename-over.
    pub(crate) fn start(config: &[&str]) -> Self {
        Self::launch(config, &id("-u"), &id("-g"))
    }

    /// The account is not root's, also where root runs the tests: then it is `nobody`'s, and [`Self::root`] is its `/`.
    /// An ordinary user can lock nobody up, and sees the whole machine.
    pub(crate) fn locked_up() -> Self {
        match id("-u").as_str() {
            "0" => Self::launch(&["DefaultRoot ~"], NOBODY, NOBODY),
            _ => Self::start(&[]),
        }
    }

    /// The directory to deliver to as a locked up account sees it.
    pub(crate) fn base(&self) -> PathBuf {
        if id("-u") == "0" { PathBuf::from("/") } else { self.root() }
    }

    /// Gives what lies at `path` to the account that is locked up.
    pub(crate) fn give(&self, path: &Path) {
        if id("-u") == "0" {
            let nobody = NOBODY.parse().ok();
            std::os::unix::fs::chown(path, nobody, nobody).unwrap();
        }
    }

    fn launch(config: &[&str], uid: &str, gid: &str) -> Self {
        let home = super::folder();
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
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = format!("Port {port}\n{}\n{}\n", configuration(home.path()), config.join("\n"));
        fs::write(at("config"), config).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let command = command(&at("config"), &at("said"));
        let listening = std::thread::spawn({
            let over = over.clone();
            move || listen(&listener, command, &over)
        });
        Proftpd { home, over, listening: Some(listening), port, fingerprint }
    }

    /// The directory to deliver to, as a path of this machine and of the server's.
    pub(crate) fn root(&self) -> PathBuf {
        self.home.path().join("drop")
    }

    pub(crate) fn account(&self) -> Account {
        Account {
            port: self.port,
            username: USER.to_owned(),
            key: self.home.path().join("user"),
            pin: self.fingerprint.clone(),
        }
    }

    /// What the server wrote so far, of itself and of SFTP.
    pub(crate) fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.home.path().join(name)).unwrap_or_default();
        read("said") + &read("log") + &read("sftp_log")
    }
}

impl Drop for Proftpd {
    fn drop(&mut self) {
        self.over.store(true, SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
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
        "ServerName tests\nServerType inetd\nUseReverseDNS off\n\
         User {user}\nGroup {group}\nRootLogin on\nRequireValidShell off\nAuthOrder mod_auth_file.c\n\
         AuthUserFile {home}/passwd\nPidFile {home}/pid\nScoreboardFile none\nSystemLog {home}/log\n\
         TransferLog none\nWtmpLog off\nDelayEngine off\nAllowOverwrite on\nUmask 022\n\
         ModulePath {UNPACKED}/usr/lib/proftpd\nLoadModule mod_sftp.c\nSFTPEngine on\nSFTPLog {home}/sftp_log\n\
         SFTPHostKey {home}/host\nSFTPAuthMethods publickey password\nSFTPAuthorizedUserKeys file:{home}/keys\n\
         SFTPKeyBlacklist none"
    )
}

/// Serves one connection, which is its standard input.
fn command(config: &Path, said: &Path) -> Command {
    let program = format!("{UNPACKED}/usr/sbin/proftpd");
    assert!(Path::new(&program).exists(), "{program} is missing: run tests/tools");
    let mut command = Command::new(&program);
    command.arg("--config").arg(config).env("LD_LIBRARY_PATH", libraries());
    let mut test = Command::new(&program);
    let tested =
        test.arg("--configtest").arg("--config").arg(config).env("LD_LIBRARY_PATH", libraries()).output().unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
    command.stdout(Stdio::null()).stderr(fs::File::create(said).unwrap());
    command
}

/// A process for each connection, until it is `over`; then those that still serve are killed.
fn listen(listener: &TcpListener, mut command: Command, over: &AtomicBool) {
    let mut serving: Vec<Child> = Vec::new();
    for connection in listener.incoming() {
        if over.load(SeqCst) {
            break;
        }
        serving.retain_mut(|child| child.try_wait().unwrap().is_none());
        serving.push(command.stdin(OwnedFd::from(connection.unwrap())).spawn().unwrap());
        command.stdin(Stdio::null()); // or the connection stays open here
    }
    for mut child in serving {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Where its own libraries were unpacked: `usr/lib/x86_64-linux-gnu`, by the machine's name for itself.
fn libraries() -> String {
    let entries = fs::read_dir(format!("{UNPACKED}/usr/lib")).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.to_string_lossy().contains("-linux-"));
    folders.map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
}

//! A private OpenSSH server on loopback, never the system's: generated keys, its own configuration, a port of its own.
//!
//! Works as root and as a normal user: whoever runs the tests is the one who signs in, by key. Installed by
//! `tests/tools`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)] // a test ends where it cannot go on

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::account::Account;

/// How the server is set up. [`SshdOptions::default`] is a usual OpenSSH.
pub(crate) struct SshdOptions {
    /// Arguments of the built-in SFTP server: `-P posix-rename` denies a request, `-R` is read-only.
    pub sftp: &'static str,
    /// Lines for `sshd_config`.
    pub config: Vec<String>,
    /// Kinds of host key, as `ssh-keygen -t` calls them.
    pub host_keys: &'static [&'static str],
}

impl Default for SshdOptions {
    fn default() -> Self {
        SshdOptions { sftp: "", config: Vec::new(), host_keys: &["ed25519"] }
    }
}

/// A running server. Killed, with everything that it started, when dropped.
pub(crate) struct Sshd {
    child: Child,
    home: TempDir,
    pub port: u16,
    /// `SHA256:…`, one for each of the host keys.
    pub fingerprints: Vec<String>,
    /// Public halves of the host keys: `ssh-ed25519 AAAA…`.
    pub host_keys: Vec<String>,
    /// The account that may sign in.
    pub username: String,
}

const STARTS_WITHIN: Duration = Duration::from_secs(10);

impl Sshd {
    pub(crate) fn start(options: &SshdOptions) -> Self {
        let home = super::folder();
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("drop")).unwrap();
        keygen(&["-t", "ed25519", "-N", ""], &at("user"));
        fs::copy(at("user.pub"), at("authorized_keys")).unwrap();
        let mut config = String::new();
        let (mut fingerprints, mut host_keys) = (Vec::new(), Vec::new());
        for kind in options.host_keys {
            let file = at(&format!("host_{kind}"));
            keygen(&["-t", kind, "-N", ""], &file);
            config += &format!("HostKey {}\n", file.display());
            fingerprints.push(fingerprint(&file));
            let public = fs::read_to_string(file.with_extension("pub")).unwrap();
            host_keys.push(public.split(' ').take(2).collect::<Vec<_>>().join(" "));
        }
        if !options.config.iter().any(|line| line.starts_with("Subsystem")) {
            config += &format!("Subsystem sftp internal-sftp {}\n", options.sftp);
        }
        config += &format!(
            "AuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\nLogLevel VERBOSE\nMaxStartups 100:30:200\n",
            at("authorized_keys").display(),
        );
        for line in &options.config {
            // sshd takes the first of two lines for one key.
            config = format!("{line}\n{config}");
        }
        let (child, port) = run(&home, &config);
        Sshd { child, port, fingerprints, host_keys, username: whoami(), home }
    }

    /// The directory to deliver to, as a path of this machine and of the server's.
    pub(crate) fn root(&self) -> PathBuf {
        self.home.path().join("drop")
    }

    /// The listener's process; those that serve connections are its children.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The private key of the account: a file in OpenSSH's form, without a passphrase.
    pub(crate) fn user_key(&self) -> PathBuf {
        self.home.path().join("user")
    }

    /// The account that may sign in, and the first of the host keys.
    pub(crate) fn account(&self) -> Account {
        let pin = self.fingerprints[0].clone();
        Account { port: self.port, username: self.username.clone(), key: self.user_key(), pin }
    }

    /// Lets another key sign in: the public half lies beside `private` as `ssh-keygen` put it.
    pub(crate) fn authorize(&self, private: &Path) {
        let file = self.home.path().join("authorized_keys");
        let mut keys = fs::read_to_string(&file).unwrap();
        keys += &fs::read_to_string(format!("{}.pub", private.display())).unwrap();
        fs::write(file, keys).unwrap();
    }

    /// What the server wrote so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// Kills the processes that serve connections, and leaves the listener: contact is lost, and can be made again.
    pub(crate) fn cut_connections(&self) {
        for child in children_of(self.child.id()) {
            kill_tree(child);
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.cut_connections();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- sshd's log ---\n{}", self.log());
        }
    }
}

/// Starts the server on a free port. Another process may take the port in between: then another one is tried.
fn run(home: &TempDir, config: &str) -> (Child, u16) {
    let at = |name: &str| home.path().join(name);
    let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/libexec/sshd"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("there is no sshd: run tests/tools");
    if whoami() == "root" {
        fs::create_dir_all("/run/sshd").unwrap(); // where sshd locks up its unprivileged half
    }
    for _ in 0..5 {
        let port = free_port();
        fs::write(at("config"), format!("ListenAddress 127.0.0.1\nPort {port}\n{config}")).unwrap();
        let log = fs::File::create(at("log")).unwrap();
        // Where the size of files is limited, a write beyond it is an error and not the server's end.
        let mut child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", sshd, "-D", "-e", "-f"])
            .arg(at("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + STARTS_WITHIN;
        loop {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (child, port);
            }
            if child.try_wait().unwrap().is_some() {
                break;
            }
            assert!(Instant::now() < deadline, "sshd does not accept:\n{}", fs::read_to_string(at("log")).unwrap());
            thread::yield_now();
        }
    }
    panic!("sshd does not start:\n{}", fs::read_to_string(at("log")).unwrap());
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Makes a key pair: `file` and `file.pub`.
pub(crate) fn keygen(options: &[&str], file: &Path) {
    let made = Command::new("ssh-keygen").arg("-q").args(options).arg("-f").arg(file).output();
    let made = made.expect("there is no ssh-keygen: run tests/tools");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// `SHA256:…` as ssh-keygen says it.
pub(crate) fn fingerprint(key: &Path) -> String {
    let shown = Command::new("ssh-keygen").args(["-l", "-f"]).arg(key).output().unwrap();
    String::from_utf8(shown.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn children_of(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

fn kill_tree(pid: u32) {
    for child in children_of(pid) {
        kill_tree(child);
    }
    let _ = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
    // `kill` returns when the signal is queued; the sockets are closed when the process has ended.
    let deadline = Instant::now() + STARTS_WITHIN;
    while !has_ended(pid) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

/// True once the process is gone, or a zombie: its files and sockets are closed.
fn has_ended(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    // The state follows the name, which is in parentheses and may hold anything.
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

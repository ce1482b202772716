//! A private ssh-agent, killed when dropped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub struct Agent {
    child: Child,
    home: TempDir,
}

impl Agent {
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("agent");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
        let child = child.expect("there is no ssh-agent: run tests/tools");
        let deadline = Instant::now() + Duration::from_secs(10);
        while !socket.exists() {
            assert!(Instant::now() < deadline, "ssh-agent does not start");
            std::thread::yield_now();
        }
        Agent { child, home }
    }

    pub fn socket(&self) -> PathBuf {
        self.home.path().join("agent")
    }

    pub fn add(&self, key: &Path) {
        let added = Command::new("ssh-add").arg(key).env("SSH_AUTH_SOCK", self.socket()).output().unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

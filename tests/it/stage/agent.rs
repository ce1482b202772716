//! A private ssh-agent, killed when dropped.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

pub(crate) struct Agent {
    child: Child,
    home: TempDir,
}

impl Agent {
    pub(crate) fn start() -> Self {
        let home = super::folder();
        let socket = home.path().join("agent");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
        let child = child.expect("there is no ssh-agent: run tests/tools");
        super::eventually("ssh-agent has started", || socket.exists());
        Agent { child, home }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home.path().join("agent")
    }

    pub(crate) fn add(&self, key: &Path) {
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

/// Stands before an agent and passes on what it is asked, but what begins with the byte `holds`: to that it says nothing.
/// Without an agent it says nothing at all. Gives its socket.
pub(crate) fn silent_at(folder: &Path, agent: Option<PathBuf>, holds: u8) -> PathBuf {
    let path = folder.join("silent");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for caller in listener.incoming() {
            let mut caller = caller.unwrap();
            let Some(agent) = &agent else {
                held.push(caller);
                continue;
            };
            let Ok(request) = message(&mut caller) else { continue };
            if request[4] == holds {
                held.push(caller);
                continue;
            }
            let mut asked = UnixStream::connect(agent).unwrap();
            asked.write_all(&request).unwrap();
            caller.write_all(&message(&mut asked).unwrap()).unwrap();
        }
    });
    path
}

/// One message with its length.
fn message(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body)?;
    Ok([&length[..], &body].concat())
}

//! A private OpenSSH server on loopback with its own keys and configuration.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A running server, killed when dropped.
pub(super) struct PrivateSshd {
    pub port: u16,
    /// The only user that can sign in: the one that runs this process.
    pub user: String,
    /// `SHA256:…` of the host key.
    pub fingerprint: String,
    _process: Child,
}

/// Usual paths of the server, which must be started by its full path.
const PLACES: &[&str] = &["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd", "/sbin/sshd"];
const START_POLL: Duration = Duration::from_millis(50);
const START_POLLS_MAX: u32 = 100;

impl PrivateSshd {
    /// Starts the server with all its files in `folder/sshd` and waits until it accepts connections.
    pub(super) async fn start(folder: &Path) -> anyhow::Result<Self> {
        let sshd = PLACES.iter().map(Path::new).find(|path| path.is_file()).context("this machine has no sshd")?;
        let own = folder.join("sshd");
        fs::create_dir_all(&own)?;
        for key in ["host", "client"] {
            keygen(&own.join(key)).await?;
        }
        let user = output("id", &["-un"]).await?;
        if user == "root" {
            // Run by root, the server requires this empty folder.
            fs::create_dir_all("/run/sshd").context("cannot create /run/sshd")?;
        }
        let host_public = path_text(&own.join("host.pub"))?;
        let listed = output("ssh-keygen", &["-l", "-E", "sha256", "-f", &host_public]).await?;
        let fingerprint = listed.split(' ').nth(1).context("ssh-keygen shows no fingerprint")?.to_owned();
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let config = own.join("config");
        fs::write(&config, configuration(&own, port)?)?;
        let log = fs::File::create(own.join("log"))?;
        let mut process = Command::new(sshd)
            .args(["-D", "-e", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start sshd")?;
        for _ in 0..START_POLLS_MAX {
            if let Some(status) = process.try_wait()? {
                bail!("sshd ended at once ({status}): {}", fs::read_to_string(own.join("log"))?.trim());
            }
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(Self { port, user, fingerprint, _process: process });
            }
            tokio::time::sleep(START_POLL).await;
        }
        bail!("sshd does not answer on port {port}")
    }
}

fn configuration(own: &Path, port: u16) -> anyhow::Result<String> {
    let (host, client) = (path_text(&own.join("host"))?, path_text(&own.join("client.pub"))?);
    Ok(format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey \"{host}\"\nAuthorizedKeysFile \"{client}\"\nPidFile none\n\
         StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         Subsystem sftp internal-sftp\nForceCommand internal-sftp\nAllowTcpForwarding no\nX11Forwarding no\n"
    ))
}

async fn keygen(key: &Path) -> anyhow::Result<()> {
    if !key.is_file() {
        output("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &path_text(key)?]).await?;
    }
    Ok(())
}

fn path_text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned())
}

async fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output().await;
    let done = done.with_context(|| format!("cannot run {program}"))?;
    if !done.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8(done.stdout)?.trim().to_owned())
}

//! A Docebo to practise on: a platform on loopback, from options and a seed, that responds as the real one is known to, and
//! misbehaves on request.

mod access;
mod area;
mod content;
mod exports;
mod learning;
mod misbehave;
mod oauth;
mod packing;
mod paging;
mod platform;
mod records;
mod reply;
mod reports;
mod samples;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::area::Area;
#[cfg(feature = "fault-injection")]
pub use self::misbehave::HELP as MISBEHAVE_HELP;
pub use self::misbehave::Misbehaviours;
pub use self::oauth::{ACCOUNTS, Account};
use self::platform::Platform;
pub use self::reports::{REPORTS, Report};

/// Options of a sandbox.
#[derive(Clone)]
pub struct SandboxOptions {
    /// Address to listen on; loopback unless containers must reach it.
    pub host: IpAddr,
    /// 0 takes a free one.
    pub port: u16,
    /// Rows of every report.
    pub rows: u64,
    pub seed: u64,
    /// Number of "running" statuses before an export is done.
    pub polls: u32,
    pub client_id: String,
    pub client_secret: String,
    /// Password of every account.
    pub password: String,
    pub misbehave: Misbehaviours,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            rows: 1000,
            seed: 1,
            polls: 2,
            client_id: "reportferry".into(),
            client_secret: "sandbox-client-secret".into(),
            password: "sandbox-password".into(),
            misbehave: Misbehaviours::default(),
        }
    }
}

/// A running sandbox; it ends when dropped.
pub struct Sandbox {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    platform: Arc<Platform>,
    server: JoinHandle<()>,
}

impl Sandbox {
    /// Starts a platform in the background.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(options: SandboxOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::new(options.host, options.port)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let platform = Arc::new(Platform::new(options));
        let router = Router::new().fallback(platform::handle).with_state(platform.clone());
        let accepting = platform.clone();
        let listener = listener.tap_io(move |connection| {
            let _ = connection.set_nodelay(true);
            if accepting.misbehave().resets() {
                // A connection that the server drops then ends with RST instead of FIN.
                let _ = connection.set_zero_linger();
            }
        });
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, platform, server })
    }

    /// Returns the number of received requests.
    pub fn requests(&self) -> u64 {
        self.platform.requests()
    }

    /// Replaces the client secret and the password of every account. Issued tokens are no longer valid.
    pub fn rotate(&self, client_secret: &str, password: &str) {
        self.platform.rotate(client_secret.to_owned(), password.to_owned());
    }

    pub fn options(&self) -> &SandboxOptions {
        &self.platform.options
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

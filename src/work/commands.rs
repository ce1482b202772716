//! Commands to a worker, by signals. None is lost, however busy the worker is, and none is waited for.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

/// The commands, as the worker receives them. Clones receive the same ones.
#[derive(Clone)]
pub struct Commands {
    stops: watch::Receiver<u32>,
    reload: Arc<Notify>,
}

/// The commands, as they are given.
#[derive(Clone)]
pub struct Commander {
    stops: Arc<watch::Sender<u32>>,
    reload: Arc<Notify>,
}

impl Commands {
    pub fn new() -> (Commander, Self) {
        let ((sender, stops), reload) = (watch::channel(0), Arc::new(Notify::new()));
        (Commander { stops: Arc::new(sender), reload: reload.clone() }, Self { stops, reload })
    }

    /// Waits for the `nth` request to stop, which may have been made before.
    pub async fn stop(&self, nth: u32) {
        if self.stops.clone().wait_for(|stops| *stops >= nth).await.is_err() {
            std::future::pending().await // nobody can give commands any more
        }
    }

    /// Waits for a request to reload.
    pub(super) async fn reload(&self) {
        self.reload.notified().await;
    }
}

impl Commander {
    /// Stops the worker gracefully; the second time, at once.
    pub fn stop(&self) {
        self.stops.send_modify(|stops| *stops += 1);
    }

    /// Reloads the settings and all pipeline files.
    pub fn reload(&self) {
        self.reload.notify_one();
    }
}

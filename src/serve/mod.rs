//! One HTTP listener: `/healthz`, `/readyz`, `/metrics`. It reads, and changes nothing.

mod board;
/// What is looked up when metrics are asked for.
mod gather;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::extract::Tenants;
use crate::ledger::Ledger;
use crate::measure;
use crate::settings::Settings;

pub use board::Board;
use gather::Gather;

/// Who asks whether the worker is ready does not wait longer for the ledger.
const PATIENCE: Duration = Duration::from_secs(5);
/// A gauge that was not set for this long is left out.
const GAUGE_STALE: Duration = Duration::from_secs(5);
const FOLD: Duration = Duration::from_secs(30);

/// What the listener reads from.
pub struct Sources {
    pub settings: Arc<Settings>,
    pub ledger: Ledger,
    pub tenants: Tenants,
    pub clock: Clock,
    pub board: Board,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot keep metrics")]
    Metrics(#[from] BuildError),
}

/// A listener at work.
pub struct Listening {
    pub address: SocketAddr,
}

struct Shared {
    sources: Sources,
    gather: Gather,
    handle: PrometheusHandle,
}

/// Listens on the address until `stop`.
///
/// # Errors
/// The address is taken or not this machine's, or metrics are kept in this process already.
pub async fn start(address: SocketAddr, sources: Sources, stop: CancellationToken) -> Result<Listening, ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    // The loop is waited for from now on: reading ten thousand pipelines takes its time.
    sources.board.beat(sources.clock.now(), 0);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &measure::SECONDS)?
        // All gauges are set for each answer: one that was not is of a pipeline that is gone.
        .idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_STALE))
        .install_recorder()?;
    measure::describe();
    tokio::spawn(keep_small(handle.clone(), stop.clone()));
    let shared = Arc::new(Shared { gather: Gather::default(), sources, handle });
    let router = Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .with_state(shared.clone());
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(reason = error.to_string(), "the listener for health and metrics has ended");
        }
    });
    tracing::info!(address = %bound, "health and metrics");
    Ok(Listening { address: bound })
}

/// Folds what was timed into its buckets; where nobody asks for metrics it would pile up.
async fn keep_small(handle: PrometheusHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FOLD) => handle.run_upkeep(),
        }
    }
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    match shared.sources.board.hangs(shared.sources.clock.now()) {
        None => well(),
        Some(why) => unwell(why),
    }
}

async fn readiness(State(shared): State<Arc<Shared>>) -> Response {
    if let Some(why) = shared.sources.board.why_not_ready() {
        return unwell(why);
    }
    match tokio::time::timeout(PATIENCE, shared.sources.ledger.worker_seen()).await {
        Ok(Ok(_)) => well(),
        Ok(Err(error)) => unwell(error.to_string()),
        Err(_) => unwell(format!("the ledger does not answer within {PATIENCE:?}")),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    match shared.gather.all(&shared.sources).await {
        Ok(()) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shared.handle.render())
            .into_response(),
        Err(error) => unwell(error.to_string()),
    }
}

fn well() -> Response {
    (StatusCode::OK, "ok\n").into_response()
}

fn unwell(why: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
}

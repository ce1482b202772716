//! One HTTP listener: `/healthz`, `/readyz`, `/metrics`. It only reads.

/// Gauges, read when metrics are requested.
mod gather;
mod worker_health;

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

use gather::Gather;
pub use worker_health::WorkerHealth;

/// Timeout of the ledger for `/readyz`.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A gauge not set for this long is left out.
const GAUGE_STALE: Duration = Duration::from_secs(5);
const FOLD: Duration = Duration::from_secs(30);

/// Sources of the listener's responses.
pub struct Sources {
    pub settings: Arc<Settings>,
    pub ledger: Ledger,
    pub tenants: Tenants,
    pub clock: Clock,
    pub health: WorkerHealth,
}

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot keep metrics")]
    Metrics(#[from] BuildError),
}

/// A running listener.
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
/// The address is in use or not local, or this process has a metrics recorder already.
pub async fn start(address: SocketAddr, sources: Sources, stop: CancellationToken) -> Result<Listening, ServeError> {
    let failed = |source| ServeError::Listen { address, source };
    // The heartbeat counts from now on: reading ten thousand pipelines takes time.
    sources.health.beat(sources.clock.now(), 0);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &measure::SECONDS)?
        // All gauges are set for each response: one that was not belongs to a removed pipeline.
        .idle_timeout(MetricKindMask::GAUGE, Some(GAUGE_STALE))
        .install_recorder()?;
    measure::describe();
    tokio::spawn(run_upkeep(handle.clone(), stop.clone()));
    let shared = Arc::new(Shared { gather: Gather::default(), sources, handle });
    let router = Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics))
        .with_state(shared.clone());
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(reason = error.to_string(), "the listener for health and metrics stopped");
        }
    });
    tracing::info!(address = %bound, "health and metrics");
    Ok(Listening { address: bound })
}

/// Folds timings into their buckets; they would pile up if nobody requested metrics.
async fn run_upkeep(handle: PrometheusHandle, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FOLD) => handle.run_upkeep(),
        }
    }
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    match shared.sources.health.hangs(shared.sources.clock.now()) {
        None => healthy(),
        Some(why) => unhealthy(why),
    }
}

async fn readiness(State(shared): State<Arc<Shared>>) -> Response {
    if let Some(why) = shared.sources.health.why_not_ready() {
        return unhealthy(why);
    }
    match tokio::time::timeout(TIMEOUT, shared.sources.ledger.worker_record()).await {
        Ok(Ok(_)) => healthy(),
        Ok(Err(error)) => unhealthy(error.to_string()),
        Err(_) => unhealthy(format!("the ledger does not answer within {TIMEOUT:?}")),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    match shared.gather.all(&shared.sources).await {
        Ok(()) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shared.handle.render())
            .into_response(),
        Err(error) => unhealthy(error.to_string()),
    }
}

fn healthy() -> Response {
    (StatusCode::OK, "ok\n").into_response()
}

fn unhealthy(why: String) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
}

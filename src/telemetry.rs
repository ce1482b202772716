//! Logs on standard error: for people on a terminal, JSON lines for machines.

use tracing_subscriber::EnvFilter;

use crate::settings::{Log, LogFormat};

/// Starts logging for the rest of the process. A second call changes nothing.
///
/// # Errors
/// The filter cannot be read.
pub fn start(log: &Log, color: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|error| format!("log filter {:?}: {error}", log.filter))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second subscriber is refused: the first one stays.
    let _ = match log.format {
        LogFormat::Human => lines.with_ansi(color).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

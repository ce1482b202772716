//! Logs on standard error: for people on a terminal, JSON lines for machines.

use tracing_subscriber::EnvFilter;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

/// Starts logging for the rest of the process. A second call changes nothing.
///
/// # Errors
/// The filter (`info`, `reportferry=debug`) is invalid.
pub fn start(filter: &str, format: LogFormat, color: bool) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log filter {filter:?}: {error}"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second subscriber is refused; the first one stays.
    let _ = match format {
        LogFormat::Human => lines.with_ansi(color).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

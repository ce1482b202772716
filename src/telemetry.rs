//! Logs on standard error: for people on a terminal, JSON lines for machines.

/// The thread that writes standard error.
mod stderr;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;

use tracing_subscriber::EnvFilter;

pub use stderr::{flush, lost};

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
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| LogWriter).with_target(false);
    // A second subscriber is refused; the first one stays.
    let _ = match format {
        LogFormat::Human => lines.with_ansi(color).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// Writes text to standard error, in order with the log. Never blocks, and never fails: see [`lost`].
pub fn print(text: std::fmt::Arguments<'_>) {
    stderr::write(text.to_string().into_bytes());
}

/// Prints panics as the log is printed: the default would wait for whoever reads standard error.
pub fn print_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed").to_owned();
        match backtrace.status() {
            BacktraceStatus::Captured => print(format_args!("thread '{name}' {panic}\n{backtrace}\n")),
            _ => print(format_args!("thread '{name}' {panic}\n")),
        }
        flush(); // the process may end with it
    }));
}

/// Takes one event with each write.
struct LogWriter;

impl io::Write for LogWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        stderr::write(text.to_vec());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

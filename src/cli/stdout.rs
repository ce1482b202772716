//! Standard output, which interrupts no work when it cannot be written.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

/// The failure that prevents standard output from being written.
static STDOUT_FAILURE: OnceLock<String> = OnceLock::new();

/// Writes to standard output. Interrupts no work: a closed pipe is ignored, another failure is reported at the end.
pub(super) fn write(text: std::fmt::Arguments<'_>) {
    note(std::io::stdout().write_fmt(text));
}

/// Replaces what a terminal shows by `text`; elsewhere, adds it after an empty line. Returns false once nobody reads it.
pub(super) fn refresh(text: &str) -> std::io::Result<bool> {
    let mut output = std::io::stdout();
    let (before, after) = if output.is_terminal() { ("\x1b[H\x1b[2J", "") } else { ("", "\n") };
    match write!(output, "{before}{text}{after}").and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

fn note(written: std::io::Result<()>) {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            STDOUT_FAILURE.get_or_init(|| error.to_string());
        }
        _ => {}
    }
}

/// Writes what standard output has buffered. Returns false if anything could not be written, and reports it.
pub(super) fn flush() -> bool {
    note(std::io::stdout().flush());
    let Some(error) = STDOUT_FAILURE.get() else { return true };
    eprintln!("error: cannot write to standard output: {error}; what the command did is done");
    false
}

//! Standard output, which interrupts no work when it cannot be written.

use std::io::Write;
use std::sync::OnceLock;

/// The failure that prevents standard output from being written.
static STDOUT_FAILURE: OnceLock<String> = OnceLock::new();

/// Writes to standard output. Interrupts no work: a closed pipe is ignored, another failure is reported at the end.
pub(super) fn write(text: std::fmt::Arguments<'_>) {
    note(std::io::stdout().write_fmt(text));
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

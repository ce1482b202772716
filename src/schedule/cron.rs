//! Five-field cron as Debian reads it, on the `cron` crate behind a parser of our own.
pub struct Cron;

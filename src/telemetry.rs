//! Logs on standard error: for people on a terminal, JSON lines for machines.

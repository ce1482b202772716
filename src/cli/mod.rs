//! Arguments in, exit code out: one file per command, and the only place that prints.

//! One test binary: real servers on loopback, data in, what happened out.

// A test may stop at what it did not expect, say where it stands, and be told how long to soak.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods)]

mod artifacts;
mod attention;
mod cases;
mod commands;
mod content_names;
mod crash;
mod delta;
mod deploy;
mod environment;
mod expect;
mod extract;
mod feeds;
mod files;
mod holds;
mod in_place;
mod join;
mod layouts;
mod ledger;
mod line;
mod local;
mod operate;
mod pack;
mod pickup;
mod policies;
mod prove;
mod readers;
mod reading;
mod records;
mod replace;
mod schedule;
mod scope;
mod secrets;
mod servers;
mod set;
mod sftp;
mod sources;
mod tenant;
mod tidy;
mod transform;
mod trees;
mod vars;
mod waits;
mod watch;
mod webhook;
mod work;

/// Servers and folders that the tests stand on.
mod stage;

//! SFTP version 3 over any byte stream: requests with typed responses, directory listings, and uploads and downloads with
//! many requests in flight. Independent of the transport.
//!
//! [`Client::start`] exchanges INIT and VERSION over a [`Transport`]; each request is a method of [`Client`]. A request that
//! the server refuses is [`Error::Refused`] and leaves the session usable; after [`Error::Lost`] every request fails.

mod chunks;
mod client;
mod error;
mod listing;
mod packet;
mod read_ahead;
mod read_buffer;
mod requests;
mod response;
#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
mod transfer;

use std::time::Duration;

pub use chunks::{ChunkSource, Sequential};
pub use client::{Client, Extensions, Handle, RequestId};
pub use error::{Error, or_refusal};
pub use listing::Bounds;
pub use packet::{Request, code, kind, open};
pub use read_ahead::{ReadAhead, join_scoped, read_ahead};
pub use requests::{SetAttributes, Space};
pub use response::{Attributes, RefusedSync, Status};
pub use transfer::{ContentDigest, UploadError};

pub use crate::wire::Transport;

/// Parameters of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of one write request.
    pub write_bytes: usize,
    /// Requests in flight. `write_bytes × in_flight` bounds memory and should be at least 2 MiB (an SSH window).
    pub in_flight: usize,
    /// Bytes after which the server is asked to sync, if it can. That leaves little for the end, where a sync of all of a
    /// large file could exceed the timeout.
    pub fsync_every_bytes: Option<u64>,
    /// Maximum silence of the server.
    pub timeout: Duration,
    /// Maximum silence for slow requests: fsync, CLOSE, rename. An object store finishes the upload at CLOSE, and copies
    /// for a rename.
    pub slow_timeout: Duration,
}

//! The plan of requests to a receiver with an API of its own.

use std::sync::Arc;

use super::{Body, Column, ResponseRows};

/// Requests that carry the rows.
pub struct Request {
    pub method: Method,
    /// The path below the destination's address; empty is the address itself.
    pub path: Vec<PathPart>,
    /// Most rows of one request; 1 if the path names columns or the body is one row's.
    pub rows: usize,
    /// About the most bytes of one request's rows.
    pub bytes: usize,
    /// Literal headers, by valid names.
    pub headers: Vec<(String, String)>,
    pub body: Body,
    pub response: ResponseRules,
    /// The header that carries the request's id.
    pub idempotency_header: Option<String>,
    pub after_unknown: AfterUnknown,
    /// The answers for single rows in the response; `None` if a status is for all rows.
    pub response_rows: Option<Arc<ResponseRows>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Post,
    Put,
    Patch,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
        }
    }
}

/// A part of a path.
pub enum PathPart {
    Literal(String),
    /// The row's cell, percent-encoded.
    Column {
        column: Column,
        is_masked: bool,
    },
}

/// The meaning of statuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseRules {
    /// Empty means all from 200 to 299.
    pub accepted: Vec<u16>,
    pub already_accepted: Vec<u16>,
    pub retry: Vec<u16>,
}

/// The policy for a request whose response was lost: its effect is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterUnknown {
    /// The delivery is blocked until a person retries it.
    Hold,
    /// It is sent again.
    Resend,
}

impl Request {
    /// Returns true if a request may be sent again although it may have been taken.
    pub fn resends(&self) -> bool {
        self.after_unknown == AfterUnknown::Resend
    }

    /// Returns the columns that the path names.
    pub fn path_columns(&self) -> impl Iterator<Item = &Column> {
        self.path.iter().filter_map(|part| match part {
            PathPart::Literal(_) => None,
            PathPart::Column { column, is_masked: _ } => Some(column),
        })
    }
}

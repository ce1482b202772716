//! The request that carries rows to a receiver with an API of its own, as written.

use super::answers_file::ResponseRowsFile;
use super::plan::{AfterUnknown, Method};
use super::tree_file::TreeFile;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Named, OneOrMore, scalar};
use crate::yaml::scalars::{Size, Whole};
use crate::yaml::tree::Node;

crate::table! {
    /// A request for a webhook destination, in place of its `body`.
    pub struct RequestFile {
        /// `POST`, `PUT` or `PATCH`. Default: POST.
        method: Option<Method>,
        /// The path below the destination's address: `/statements`. With one row a request it may name columns:
        /// `/users/{employee_id}`. Default: the address itself.
        path: Option<At<RequestPath>>,
        /// The size of one request.
        batch: Option<At<RequestBatchFile>>,
        /// Headers, as they are sent.
        headers: Option<Named<At<String>>>,
        /// The body: `{each_row: …}` stands for the list of all rows; without it, a request carries one row.
        json: At<TreeFile>,
        /// The meaning of the receiver's statuses.
        response: Option<ResponseFile>,
        /// How the receiver recognises a repeat.
        idempotency: Option<IdempotencyFile>,
        /// The policy for a request whose response was lost: `hold` the delivery, or `resend` it. Default: resend where the
        /// receiver recognises a repeat (PUT, `idempotency`, `already_accepted`), else hold.
        after_unknown: Option<AfterUnknown>,
    }
}

crate::table! {
    pub struct IdempotencyFile {
        /// The header that carries the request's id, which stays the same over attempts: `Idempotency-Key`.
        header: At<String>,
    }
}

crate::table! {
    pub struct RequestBatchFile {
        /// Default: 1 without `each_row` or with columns in the path, else 1000.
        rows: Option<Whole<1, 1_000_000>>,
        /// Default: 1MiB.
        bytes: Option<Size>,
    }
}

crate::table! {
    pub struct ResponseFile {
        /// Statuses that accept the request: 200 to 299. Default: all of these.
        accepted: Option<OneOrMore<At<Whole<0, 999>>>>,
        /// Statuses by which the receiver shows that it has the row already: 400 to 499. Default: none.
        already_accepted: Option<OneOrMore<At<Whole<0, 999>>>>,
        /// Statuses that are retried, besides the destination's: 400 to 599, but not 410. They mean that nothing was done.
        retry: Option<OneOrMore<At<Whole<0, 999>>>>,
        /// The answers for single rows in the response to an accepted request. Default: none, the status is for all rows.
        rows: Option<ResponseRowsFile>,
    }
}

/// The text of a path, which may name columns.
pub struct RequestPath(pub String);

crate::schema_as!(RequestPath, {"type": "string"});

impl FromNode for RequestPath {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        scalar(node, "a path", problems).map(|(text, _)| Self(text.to_owned()))
    }
}

crate::words!(Method { "POST" => Method::Post, "PUT" => Method::Put, "PATCH" => Method::Patch });
crate::words!(AfterUnknown { "hold" => AfterUnknown::Hold, "resend" => AfterUnknown::Resend });

//! Concurrency, deadlines, limits and retention, as configured and as used.

use std::time::Duration;

use crate::yaml::problem::Problem;
use crate::yaml::read::FromNode;
use crate::yaml::scalars::{Length, Size, Whole};
use crate::yaml::tree::Node;

crate::options! {
    pub struct WorkLimits: Copy {
        /// Runs that extract or transform at once. Default: 8.
        runs: usize as Whole<1, 1_000> = 8,
        /// Delivery attempts at once. Default: 8.
        deliveries: usize as Whole<1, 1_000> = 8,
        /// Extracts of one tenant at once. Default: 2.
        per_tenant: usize as Whole<1, 1_000> = 2,
        /// Delivery attempts at one destination at once, unless it sets its own limit. Default: 2.
        per_destination: usize as Whole<1, 1_000> = 2,
        /// The time that active runs have to finish after a shutdown request. Default: 30s.
        grace: Duration as Length = Duration::from_secs(30),
        deadlines: Deadlines as Deadlines = Deadlines::default(),
    }
}

crate::options! {
    /// A stage that takes longer is aborted; the run fails or the attempt is retried.
    pub struct Deadlines: Copy {
        /// Default: 6h.
        extract: Duration as Length = hours(6),
        /// Default: 2h.
        transform (was shape): Duration as Length = hours(2),
        /// One delivery attempt. Default: 6h.
        attempt: Duration as Length = hours(6),
    }
}

crate::options! {
    pub struct Keep: Copy {
        /// Runs in the ledger, with their receipts. Default: 90d.
        runs: Duration as Kept = DAY * 90,
        /// Artifacts in the spool; until then, the same bytes can be sent again. Default: 30d.
        artifacts: Duration as Kept = DAY * 30,
        /// Extracts, with all their columns, of runs that have ended without being delivered. Default: 3d.
        extracts: Duration as Length = DAY * 3,
    }
}

crate::options! {
    /// Anything that exceeds a limit is refused.
    pub struct Limits: Copy {
        /// Rows of one extract.
        rows: u64 as Whole<1, { u64::MAX }> = 100_000_000,
        /// Bytes of one downloaded extract.
        download_bytes: u64 as Size = 20 << 30,
        /// Bytes of one unpacked extract.
        extract_bytes: u64 as Size = 100 << 30,
        /// Bytes of one CSV record.
        record_bytes: usize as Size = 1 << 20,
        /// Bytes of one JSON response.
        response_bytes (was answer_bytes): usize as Size = 64 << 20,
        /// Memory of one run's steps that need all rows, and as much for its expectations that do, at least 1 MiB; the rest
        /// goes through its spool folder.
        memory: usize as Memory = 64 << 20,
        /// Free disk space, below which a `low_space` alert is sent; at most a quarter of the disk. Default: 1GiB.
        free_space: u64 as Size = 1 << 30,
    }
}

impl Limits {
    /// Returns the limits of a source that may have at most `rows_max` rows.
    pub(crate) fn with_rows_max(self, rows_max: Option<u64>) -> Self {
        Self { rows: rows_max.map_or(self.rows, |max| max.min(self.rows)), ..self }
    }
}

const DAY: Duration = Duration::from_secs(86_400);

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// A duration of a day or more.
struct Kept(Length);

impl FromNode for Kept {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let length = Length::from_node(node, problems)?;
        if length.0 < DAY {
            let problem = node.error("finished runs are kept for at least a day");
            problems.push(problem.hint("write `1d` or more: they prevent slots from running twice"));
        }
        Some(Self(length))
    }
}

/// A size of 1 MiB or more.
struct Memory(Size);

const MEMORY_MIN: u64 = 1 << 20;

impl FromNode for Memory {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let size = Size::from_node(node, problems)?;
        if size.0 < MEMORY_MIN {
            problems.push(node.error("a sort needs at least 1 MiB").hint("write `1MiB` or more"));
        }
        Some(Self(size))
    }
}

crate::schema_as!(Memory, |generator| generator.subschema_for::<Size>());

impl From<Memory> for usize {
    fn from(memory: Memory) -> Self {
        memory.0.into()
    }
}

crate::schema_as!(Kept, |generator| generator.subschema_for::<Length>());

impl From<Kept> for Duration {
    fn from(kept: Kept) -> Self {
        kept.0.0
    }
}

//! `on_error`: the policy for a value without a result.

/// The consequence of a value for which a step has no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The run fails with the first such value.
    #[default]
    Fail,
    /// The cell becomes empty, and the run is held.
    Hold,
    /// The cell becomes empty, with a warning.
    Empty,
    /// The row is dropped, and kept beside the artifact.
    DropRow,
}

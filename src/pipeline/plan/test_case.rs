//! The tests of a pipeline, without defaults left to fill in.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::secret::Secret;
use crate::yaml::problem::Place;

/// Rows that go in, and what must come out.
pub struct TestCase {
    /// The place of its name.
    pub at: Place,
    pub name: String,
    pub slot: Timestamp,
    pub input: TestInput,
    /// The rows of each of the pipeline's other sources.
    pub others: BTreeMap<String, TestInput>,
    /// The values of all secrets that the pipeline uses.
    pub secrets: BTreeMap<String, Secret>,
    pub expected: Expected,
    /// The rows of the source at the delivery before; `None` if nothing was delivered.
    pub baseline: Option<TestInput>,
    /// The key of the artifact that is tested, if there are several.
    pub artifact: Option<String>,
}

/// Returns the value of a secret where a real one is not to be used: as long as a key should be, and always the same.
pub fn test_secret(name: &str) -> Secret {
    Secret::new(format!("the value of {name} in tests, not a secret"))
}

/// The rows of a test's source.
pub enum TestInput {
    Rows(TestRows),
    /// A CSV as the source has it.
    File(TestPath),
}

/// A file below the pipeline file's folder, which may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestPath {
    /// As it is written.
    pub name: String,
    pub path: PathBuf,
}

/// Rows that are written in the pipeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRows {
    /// The columns of all rows, in the order in which they are first written.
    pub columns: Vec<String>,
    /// Each with a cell of every column, which is `None` where the row does not have it.
    pub rows: Vec<Vec<Option<String>>>,
    /// Bytes of the file's text that `test --update` replaces; empty if that is unknown.
    pub span: Range<usize>,
}

/// The expected result of a test.
pub enum Expected {
    /// The run fails with an error that contains this text.
    Error(String),
    Output(Box<ExpectedOutput>),
}

/// The expected artifact. Everything that is set must hold.
#[derive(Default)]
pub struct ExpectedOutput {
    pub data: Option<ExpectedData>,
    /// The keys of the findings; if unset, none that stops a run.
    pub findings: Option<Vec<String>>,
    pub row_count: Option<u64>,
    pub columns: Option<Vec<String>>,
    pub contains: Option<TestRows>,
    pub balance: ExpectedBalance,
}

/// The whole expected artifact.
pub enum ExpectedData {
    /// All delivered rows, in their order.
    Rows(TestRows),
    /// The exact bytes.
    File(TestPath),
    /// The exact bytes, as written in the pipeline file.
    Text(String),
}

/// The expected numbers of rows; what is unset may be any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedBalance {
    pub extracted: Option<u64>,
    pub dropped: Option<u64>,
    pub merged: Option<u64>,
    pub added: Option<u64>,
    pub written: Option<u64>,
}

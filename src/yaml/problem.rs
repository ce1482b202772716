//! A problem in a file that a person wrote: its place, description and fix.

use std::path::PathBuf;
use std::sync::Arc;

/// A place in a file that a person wrote. Lines and columns count from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: Arc<PathBuf>,
    pub line: u32,
    pub column: u32,
    /// Bytes of the file's text that are underlined.
    pub span: std::ops::Range<usize>,
    /// The key's path, such as `transform[2].filter`.
    pub key: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// The severity of a problem: errors prevent the file from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}{}", place.as_ref().map(|p| format!("{p}: {}: ", p.key)).unwrap_or_default(), hint.as_ref().map(|h| format!(" ({h})")).unwrap_or_default())]
pub struct Problem {
    /// `None` if the cause is not in a file: an environment variable, an argument.
    pub place: Option<Place>,
    pub severity: Severity,
    /// One sentence without a full stop.
    pub what: String,
    /// The fix.
    pub hint: Option<String>,
}

impl Problem {
    pub fn error(place: impl Into<Option<Place>>, what: impl Into<String>) -> Self {
        Self { place: place.into(), severity: Severity::Error, what: what.into(), hint: None }
    }

    pub fn warning(place: impl Into<Option<Place>>, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(place, what) }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Returns `did you mean "x"?` if one of `known` is near `given`.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let given_lower = given.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&given_lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + given.chars().count().min(name.chars().count()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| format!("did you mean {name:?}?"))
}

/// Returns true if `given` differs from `known` by at most two edits, and fewer than half of its letters.
pub fn is_near(given: &str, known: &str) -> bool {
    let (given, known) = (given.to_lowercase(), known.to_lowercase());
    let distance = strsim::damerau_levenshtein(&given, &known);
    distance <= 2 && distance * 2 < given.chars().count().max(known.chars().count())
}

/// Returns true if one of these prevents its file from being used.
pub fn any_error(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}

/// Sorts in file order and removes duplicates; problems without a file come first.
pub fn sort(problems: &mut Vec<Problem>) {
    problems.sort_by_key(|problem| problem.place.as_ref().map(|place| (place.file.clone(), place.line, place.column)));
    problems.dedup();
}

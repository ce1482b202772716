//! Profiles of known readers: the parts of a pipeline file that a reader's public specification determines.

mod fill;
mod profiles;

pub use fill::fill_in;
pub use profiles::{NAMES, find};

use crate::yaml::problem::{Problem, did_you_mean};
use crate::yaml::read::{At, FromNode};
use crate::yaml::tree::Node;

/// The profile of a reader.
pub struct Reader {
    pub name: &'static str,
    /// The text of its profile: part of a pipeline's version.
    pub text: &'static str,
    /// A pipeline file for it, with comments.
    pub example: &'static str,
    pub title: String,
    /// The addresses of its specification.
    pub sources: Vec<String>,
    /// The month in which the specification was read: `2026-11`.
    pub read_on: String,
    pub confidence: Confidence,
    /// The keys that a pipeline cannot set: `artifact.csv`.
    pub fixed: Vec<String>,
    /// Advice that no key expresses.
    pub notes: Vec<String>,
    pub columns: Option<ReaderColumns>,
    /// The destination of its example, as the settings name one.
    pub destination: String,
    /// The keys of a pipeline that it fills in.
    pipeline: Option<Node>,
    /// The keys of each delivery that it fills in.
    delivery: Option<Node>,
}

/// The confidence in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// The whole specification was read.
    Specification,
    /// The copy of the specification that was read was not complete.
    Excerpt,
    /// Names of columns are examples: the specification leaves them to an agreement, or they were not read.
    FormatOnly,
}

/// The columns that a reader knows.
pub struct ReaderColumns {
    pub required: Vec<String>,
    pub optional: Vec<String>,
    /// True if it reads them by position: `required` in this order, then `optional`.
    pub in_order: bool,
}

crate::table! {
    pub struct ReaderFile {
        title: String,
        sources: Vec<String>,
        read_on: String,
        confidence: Confidence,
        fixed: Vec<String>,
        notes: Vec<String>,
        columns: Option<ColumnsFile>,
        destination: String,
        pipeline: Option<PipelinePart>,
        delivery: Option<PipelinePart>,
    }
}

crate::table! {
    pub struct ColumnsFile {
        required: Vec<String>,
        optional: Vec<String>,
        in_order: Option<bool>,
    }
}

/// A part of a pipeline file, as it is written.
pub struct PipelinePart(Node);

impl FromNode for PipelinePart {
    fn from_node(node: &Node, _: &mut Vec<Problem>) -> Option<Self> {
        Some(Self(node.clone()))
    }
}

crate::schema_as!(PipelinePart, {"type": "object"});
crate::words!(Confidence {
    "specification" => Confidence::Specification, "excerpt" => Confidence::Excerpt, "format_only" => Confidence::FormatOnly,
});

impl Confidence {
    /// Returns a word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Specification => "specification",
            Self::Excerpt => "excerpt",
            Self::FormatOnly => "format_only",
        }
    }

    /// Describes it.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Specification => "the whole specification was read",
            Self::Excerpt => "a part of the specification was read",
            Self::FormatOnly => "the format is the specification's; names of columns are examples",
        }
    }
}

/// Returns the reader of that name.
///
/// # Errors
/// There is none.
pub fn named(written: &At<String>) -> Result<&'static Reader, Problem> {
    find(&written.value).ok_or_else(|| {
        let problem = written.origin.error(format!("there is no reader {:?}", written.value));
        let near = did_you_mean(&written.value, NAMES.iter().copied());
        problem.hint(near.unwrap_or_else(|| "`reportferry readers` lists them".to_owned()))
    })
}

impl ReaderColumns {
    /// Returns the problems of delivered columns: what is wrong, and how to fix it.
    pub fn problems(&self, reader: &str, delivered: &[String]) -> Vec<(String, String)> {
        let known = || self.required.iter().chain(&self.optional);
        let is_delivered = |name: &&String| delivered.contains(name);
        let mut problems: Vec<(String, String)> = Vec::new();
        for name in delivered.iter().filter(|name| !known().any(|known| known == *name)) {
            let near = did_you_mean(name, known().map(String::as_str));
            let hint = near.unwrap_or_else(|| format!("it has {}", known().cloned().collect::<Vec<_>>().join(", ")));
            problems.push((format!("the reader {reader} has no column {name:?}"), hint));
        }
        for name in self.required.iter().filter(|name| !delivered.contains(name)) {
            let hint = format!("make it: `rename: {{{name}: …}}` or `set: {{{name}: …}}`, and name it in `select`");
            problems.push((format!("the reader {reader} requires the column {name:?}"), hint));
        }
        let expected: Vec<&String> = known().filter(is_delivered).collect();
        if self.in_order && problems.is_empty() && !expected.iter().copied().eq(delivered) {
            let order: Vec<&str> = expected.into_iter().map(String::as_str).collect();
            let hint = format!("end the steps with `select: [{}]`", order.join(", "));
            problems.push((format!("the reader {reader} reads columns by their position"), hint));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns true if the profile has this key.
    fn fills(reader: &Reader, key: &str) -> bool {
        let has = |part: &Option<Node>, path: &[&str]| {
            part.as_ref().is_some_and(|part| path.iter().try_fold(part, |node, key| node.get(key)).is_some())
        };
        match key.split('.').collect::<Vec<_>>().as_slice() {
            ["deliver", rest @ ..] => has(&reader.delivery, rest),
            path => has(&reader.pipeline, path),
        }
    }

    #[test]
    fn every_profile_can_be_read() {
        for name in NAMES {
            let reader = find(name).unwrap_or_else(|| panic!("{name}"));
            assert!(!reader.sources.is_empty() && !reader.title.is_empty(), "{name}");
            assert!(reader.example.contains(&format!("\nreader: {name}\n")), "{name}");
            assert!(reader.fixed.iter().all(|key| fills(reader, key)), "{name}: {:?}", reader.fixed);
        }
    }

    #[test]
    fn columns_are_compared_with_those_of_the_reader() {
        let [id, title, note] = ["UserID", "Title", "Note"].map(str::to_owned);
        let columns =
            ReaderColumns { required: vec![id.clone(), title.clone()], optional: vec![note.clone()], in_order: true };
        let problems = |delivered: &[&String]| {
            let delivered: Vec<String> = delivered.iter().map(|name| (*name).clone()).collect();
            columns
                .problems("r", &delivered)
                .into_iter()
                .map(|(what, hint)| format!("{what}: {hint}"))
                .collect::<Vec<_>>()
        };
        assert!(problems(&[&id, &title]).is_empty() && problems(&[&id, &title, &note]).is_empty());
        assert_eq!(
            problems(&[&id, &"Titel".to_owned()]),
            [
                "the reader r has no column \"Titel\": did you mean \"Title\"?",
                "the reader r requires the column \"Title\": make it: `rename: {Title: …}` or `set: {Title: …}`, and name it \
                 in `select`"
            ]
        );
        assert_eq!(
            problems(&[&title, &id]),
            ["the reader r reads columns by their position: end the steps with `select: [UserID, Title]`"]
        );
    }
}

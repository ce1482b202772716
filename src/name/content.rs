//! Content templates of done files, with `{name}`, `{pipeline}`, `{run}` and `{slot:%Y%m%d}`; deterministic for a slot.

use jiff::fmt::strtime;

use super::placeholder::PlaceholderProblem;
use super::{NameProblem, TemplatePart, read_parts, split_ending};
use crate::yaml::problem::did_you_mean;

/// The longest content, in bytes.
pub const CONTENT_BYTES_MAX: usize = 4 * 1024;

/// The longest output of a time format, in bytes.
const TIME_BYTES_MAX: usize = 200;

/// A checked text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentTemplate {
    parts: Vec<TemplatePart>,
}

/// Values for the placeholders.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// The data file's name; of a file group, the name of the whole.
    pub name: &'a str,
    /// RFC 3339 in the pipeline's zone.
    pub slot: &'a str,
    pub pipeline: &'a str,
    pub run: &'a str,
}

impl ContentTemplate {
    /// Parses a template. `{{` and `}}` are escaped braces.
    ///
    /// # Errors
    /// An unknown placeholder, an unbalanced brace, an unsupported time format, or a text that is too long.
    pub fn parse(text: &str) -> Result<Self, NameProblem> {
        if text.len() > CONTENT_BYTES_MAX {
            let what = format!("the content is longer than {CONTENT_BYTES_MAX} bytes");
            return Err(NameProblem { offset: 0, len: text.len(), what, hint: None });
        }
        Ok(Self { parts: read_parts(text, "content", |_| None, placeholder)? })
    }

    /// Returns the content. A newline is appended if it is missing; an empty text stays empty.
    ///
    /// # Errors
    /// The slot is not a valid time.
    pub fn render(&self, fields: Fields<'_>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Literal(literal) => text.push_str(literal),
                TemplatePart::Slot(format) => text.push_str(&time(format, fields.slot)?),
                TemplatePart::Name => text.push_str(fields.name),
                TemplatePart::Stem => text.push_str(split_ending(fields.name).0),
                TemplatePart::Pipeline => text.push_str(fields.pipeline),
                TemplatePart::Run => text.push_str(fields.run),
                TemplatePart::Number(_) | TemplatePart::Var(_) => {} // not allowed in a content
                TemplatePart::Count(_) | TemplatePart::Digest(_) => {}
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }
}

/// Formats a slot's RFC 3339 time, as a run's document holds it.
fn time(format: &str, slot: &str) -> Result<String, String> {
    let at = strtime::parse("%Y-%m-%dT%H:%M:%S%.f%:z", slot).map_err(|cause| format!("slot {slot:?}: {cause}"))?;
    at.to_string(format).map_err(|cause| format!("{format:?}: {cause}"))
}

/// Parses a placeholder without its braces.
fn placeholder(inner: &str) -> Result<TemplatePart, PlaceholderProblem> {
    match inner.split_once(':').map_or((inner, None), |(name, format)| (name, Some(format))) {
        ("slot", Some(format)) if format.contains('%') => match time(format, "1970-01-01T00:00:00+00:00") {
            Ok(shown) if shown.len() <= TIME_BYTES_MAX => Ok(TemplatePart::Slot(format.to_owned())),
            Ok(_) => Err((format!("the time format {format:?} gives more than {TIME_BYTES_MAX} bytes"), None)),
            Err(cause) => Err((format!("this is not a time format: {cause}"), None)),
        },
        ("slot", _) => Err(("the slot needs a format".to_owned(), Some("as in {slot:%Y-%m-%d}".to_owned()))),
        ("name", None) => Ok(TemplatePart::Name),
        ("stem", None) => Ok(TemplatePart::Stem),
        ("pipeline", None) => Ok(TemplatePart::Pipeline),
        ("run", None) => Ok(TemplatePart::Run),
        ("name" | "pipeline" | "run", Some(_)) => Err((format!("{{{inner}}} takes no format"), None)),
        (name, _) => {
            let near = did_you_mean(name, ["slot", "name", "pipeline", "run"]);
            let all = "there are {name}, {slot:%Y-%m-%d}, {pipeline} and {run}; {{ and }} are braces";
            Err((format!("there is no placeholder {{{name}}}"), near.or(Some(all.to_owned()))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields<'static> =
        Fields { name: "a.csv", slot: "2026-11-23T05:30:00-05:00", pipeline: "completions", run: "00112233445566ff" };

    #[test]
    fn d22_a_done_file_holds_what_is_asked_for_and_ends_with_a_newline() {
        for (text, expected) in [
            ("", ""),
            ("OK", "OK\n"),
            ("OK\n", "OK\n"),
            ("{name}", "a.csv\n"),
            ("{name};{slot:%d/%m/%Y %H:%M};{pipeline};{run}", "a.csv;23/11/2026 05:30;completions;00112233445566ff\n"),
            ("{{\"file\": \"{name}\"}}", "{\"file\": \"a.csv\"}\n"),
            ("größe\r\n", "größe\r\n"),
        ] {
            assert_eq!(ContentTemplate::parse(text).unwrap().render(FIELDS).as_deref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_pointed_at() {
        let long = "x".repeat(CONTENT_BYTES_MAX + 1);
        for (text, offset, part) in [
            ("a{nmae}", 1, "no placeholder {nmae}"),
            ("{rows}", 0, "no placeholder {rows}"),
            ("{slot}", 0, "needs a format"),
            ("{slot:YYYYMMDD}", 0, "needs a format"),
            ("{slot:%Q%}", 0, "not a time format"),
            ("{name:x}", 0, "takes no format"),
            ("a}", 1, "not opened"),
            ("a{", 1, "not closed"),
            (&long, 0, "longer than"),
        ] {
            let problem = ContentTemplate::parse(text).unwrap_err();
            assert!(problem.offset == offset && problem.what.contains(part), "{text:?}: {problem:?}");
        }
    }
}

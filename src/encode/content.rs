//! What a done file holds: text with `{name}`, `{pipeline}`, `{run}` and `{slot:%Y%m%d}`, the same for the same slot.

use jiff::fmt::strtime;

use super::name::NameProblem;
use crate::pipeline::problem::did_you_mean;

/// The longest content, in bytes.
pub const CONTENT_BYTES_MAX: usize = 4 * 1024;

/// The longest text that a time format may give.
const TIME_BYTES_MAX: usize = 200;

/// A checked text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Slot(String),
    Name,
    Pipeline,
    Run,
}

/// What placeholders are filled with.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// The data file's name; of a set, that of the whole.
    pub name: &'a str,
    /// RFC 3339 in the pipeline's zone.
    pub slot: &'a str,
    pub pipeline: &'a str,
    pub run: &'a str,
}

impl ContentTemplate {
    /// Reads a template. `{{` and `}}` are braces.
    ///
    /// # Errors
    /// An unknown placeholder, a lone brace, a time format that cannot be written, or a text that is too long.
    pub fn parse(text: &str) -> Result<Self, NameProblem> {
        let problem = |offset, len, what: String, hint: Option<&str>| NameProblem {
            offset,
            len,
            what,
            hint: hint.map(str::to_owned),
        };
        if text.len() > CONTENT_BYTES_MAX {
            return Err(problem(0, text.len(), format!("the content is longer than {CONTENT_BYTES_MAX} bytes"), None));
        }
        let (mut parts, mut literal, mut at) = (Vec::new(), String::new(), 0);
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(c);
                at += 2;
            } else if c == '}' {
                let what = "a brace closes that was not opened".to_owned();
                return Err(problem(at, 1, what, Some("write }} for a brace in the content")));
            } else if c == '{' {
                let Some(length) = rest.find('}') else {
                    let what = "a brace opens that is not closed".to_owned();
                    return Err(problem(at, rest.len(), what, Some("write {{ for a brace in the content")));
                };
                let (what, hint) = match placeholder(&rest[1..length]) {
                    Ok(part) => {
                        parts.extend((!literal.is_empty()).then(|| Part::Literal(std::mem::take(&mut literal))));
                        parts.push(part);
                        at += length + 1;
                        continue;
                    }
                    Err(problem) => problem,
                };
                return Err(NameProblem { offset: at, len: length + 1, what, hint });
            } else {
                literal.push(c);
                at += c.len_utf8();
            }
        }
        parts.extend((!literal.is_empty()).then_some(Part::Literal(literal)));
        Ok(Self { parts })
    }

    /// Returns the content. A newline is added at its end where there is none; an empty text stays empty.
    ///
    /// # Errors
    /// A slot that is no time, in words.
    pub fn render(&self, fields: Fields<'_>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Slot(format) => text.push_str(&time(format, fields.slot)?),
                Part::Name => text.push_str(fields.name),
                Part::Pipeline => text.push_str(fields.pipeline),
                Part::Run => text.push_str(fields.run),
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }
}

/// A slot, as a run's document writes it, in another form.
fn time(format: &str, slot: &str) -> Result<String, String> {
    let at = strtime::parse("%Y-%m-%dT%H:%M:%S%.f%:z", slot).map_err(|cause| format!("slot {slot:?}: {cause}"))?;
    at.to_string(format).map_err(|cause| format!("{format:?}: {cause}"))
}

/// What is between braces; what is wrong and the hint otherwise.
fn placeholder(inner: &str) -> Result<Part, (String, Option<String>)> {
    match inner.split_once(':').map_or((inner, None), |(name, format)| (name, Some(format))) {
        ("slot", Some(format)) if format.contains('%') => match time(format, "1970-01-01T00:00:00+00:00") {
            Ok(shown) if shown.len() <= TIME_BYTES_MAX => Ok(Part::Slot(format.to_owned())),
            Ok(_) => Err((format!("the time format {format:?} gives more than {TIME_BYTES_MAX} bytes"), None)),
            Err(cause) => Err((format!("this is no time format: {cause}"), None)),
        },
        ("slot", _) => Err(("the slot needs a format".to_owned(), Some("as in {slot:%Y-%m-%d}".to_owned()))),
        ("name", None) => Ok(Part::Name),
        ("pipeline", None) => Ok(Part::Pipeline),
        ("run", None) => Ok(Part::Run),
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
            ("{slot:%Q%}", 0, "no time format"),
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

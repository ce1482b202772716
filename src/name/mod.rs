//! Name templates: `completions_{slot:%Y%m%d}.csv`. The same slot always gives the same name.

/// Content templates of done files.
pub mod content;
/// Date formats of other programs → strftime's directives.
pub mod foreign_format;
/// Names that wait for the encoded file.
mod pending;
/// Parser of a single placeholder.
mod placeholder;
/// Templates with more distinct names, for hints.
mod suggestions;
/// Values of a pipeline's own in names.
pub mod vars;

use jiff::ZonedDateTime;
use jiff::fmt::strtime;

use pending::Piece;
pub use pending::{Content, PendingName};
use placeholder::{PlaceholderProblem, read as read_placeholder};

/// The longest name, in bytes: 255 is usual, and temporary names are longer than final ones.
pub const NAME_BYTES_MAX: usize = 200;

/// The digits of a whole SHA-256 in hexadecimal.
const DIGEST_DIGITS: usize = 64;

/// A checked name template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate {
    text: String,
    parts: Vec<TemplatePart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TemplatePart {
    Literal(String),
    /// The slot's instant in the pipeline's zone, in a strftime format.
    Slot(String),
    Pipeline,
    Run,
    /// The artifact's name, in done files.
    Name,
    /// The artifact's name without its ending, in done files.
    Stem,
    /// The number of a file of a group, from 1, with at least this many digits.
    Number(usize),
    /// A value of the pipeline's `vars`, by its name; replaced by its text before a name is rendered.
    Var(String),
    /// The number of data rows, with at least this many digits.
    Count(usize),
    /// So many digits of the content's SHA-256.
    Digest(usize),
}

/// The reason a text is not a valid name template: place, problem and fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct NameProblem {
    /// Byte offset in the template's text.
    pub offset: usize,
    pub len: usize,
    pub what: String,
    pub hint: Option<String>,
}

/// The reason a template gives no usable name for a slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name template {template:?} gives {name:?}: {what}")]
pub struct NameError {
    pub template: String,
    pub name: String,
    pub what: String,
}

/// Separators allowed between a name and the number of a file.
const SEPARATORS: &[char] = &['_', '-', '.', ' '];

/// The slots of whole minutes that are guaranteed distinct names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    All,
    /// All but those in the hour that is repeated when clocks are put back.
    ExceptRepeatedHour,
    Unknown,
}

/// The run that a name is rendered for.
#[derive(Clone, Debug)]
pub struct NameFields<'a> {
    /// The slot's instant, in the pipeline's zone.
    pub at: &'a ZonedDateTime,
    pub pipeline: &'a str,
    pub run: String,
}

/// The kind of file that a name is rendered for.
#[derive(Clone, Copy)]
enum FileKind<'a> {
    /// The artifact; of a file group, its common name without a number.
    Artifact(&'a NameFields<'a>),
    /// One file of a group.
    GroupFile(&'a NameFields<'a>, usize),
    /// A companion file of the file with this name.
    Companion(&'a str),
}

impl NameTemplate {
    /// Parses a template. `{{` and `}}` are escaped braces.
    ///
    /// ```
    /// use jiff::tz::TimeZone;
    /// use reportferry::name::NameTemplate;
    /// use reportferry::schedule::slot::Slot;
    ///
    /// let name = NameTemplate::parse("{pipeline}_{slot:%Y%m%d}.csv").unwrap();
    /// let slot = Slot::new("completions", "2026-11-23T10:30:00Z".parse().unwrap(), TimeZone::UTC);
    /// assert_eq!(name.render(&slot.name_fields()).unwrap().to_string(), "completions_20261123.csv");
    /// ```
    ///
    /// # Errors
    /// An unknown placeholder, an unsupported format, an unbalanced brace, or a literal that is not allowed in names.
    pub fn parse(text: &str) -> Result<Self, NameProblem> {
        let problem = |offset, len, what: &str| NameProblem { offset, len, what: what.to_owned(), hint: None };
        if text.is_empty() {
            return Err(problem(0, 0, "the name is empty"));
        }
        let parts = read_parts(text, "name", unfit_character, read_placeholder)?;
        let template = Self { text: text.to_owned(), parts };
        let literal = template.literal_text();
        if literal.len() > NAME_BYTES_MAX {
            let what = format!("the name would be longer than {NAME_BYTES_MAX} bytes");
            return Err(problem(0, text.len(), &what));
        }
        if template.parts.iter().all(|part| matches!(part, TemplatePart::Literal(_)))
            && matches!(literal.as_str(), "." | "..")
        {
            return Err(problem(0, text.len(), "this names a directory"));
        }
        Ok(template)
    }

    fn literal_text(&self) -> String {
        let literals = self.parts.iter().filter_map(|part| match part {
            TemplatePart::Literal(text) => Some(text.as_str()),
            _ => None,
        });
        literals.collect()
    }

    /// Returns true if two slots get two names.
    pub fn uses_slot(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, TemplatePart::Slot(_) | TemplatePart::Run))
    }

    /// Returns the slots that are guaranteed distinct names, judged from the template alone.
    pub fn uniqueness(&self) -> Uniqueness {
        if self.parts.contains(&TemplatePart::Run) {
            return Uniqueness::All;
        }
        let formats = self.parts.iter().filter_map(|part| match part {
            TemplatePart::Slot(format) => Some(foreign_format::widths_are_fixed(format)),
            _ => None,
        });
        let Some(written) = formats.collect::<Option<Vec<_>>>() else { return Uniqueness::Unknown };
        let has = |directive: &str| written.iter().flatten().any(|known| *known == directive);
        let date = has("%F") || has("%Y") && (has("%m") && has("%d") || has("%j"));
        let time = has("%R") || has("%T") || has("%H") && has("%M");
        match (date && time, has("%z") || has("%:z")) {
            (true, true) => Uniqueness::All,
            (true, false) => Uniqueness::ExceptRepeatedHour,
            _ => Uniqueness::Unknown,
        }
    }

    /// Returns true if it contains the artifact's name, as only a done file's can.
    pub fn uses_name(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, TemplatePart::Name | TemplatePart::Stem))
    }

    /// Returns true if the files of a group get different names.
    pub fn uses_number(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, TemplatePart::Number(_)))
    }

    /// Returns true if a name is complete only when its file is encoded.
    pub fn uses_content(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, TemplatePart::Count(_) | TemplatePart::Digest(_)))
    }

    /// Returns the artifact's name for a slot. A file group's is the common part of its files' names: `{part}` is left
    /// out, with the separator before it.
    ///
    /// # Errors
    /// The name is not a single path component, or may be too long, or contains `{name}`.
    pub fn render(&self, of: &NameFields<'_>) -> Result<PendingName, NameError> {
        self.render_for(FileKind::Artifact(of))
    }

    /// Returns the name of one file of a group, numbered from 1.
    ///
    /// # Errors
    /// As [`NameTemplate::render`].
    pub fn render_file(&self, of: &NameFields<'_>, number: usize) -> Result<PendingName, NameError> {
        self.render_for(FileKind::GroupFile(of, number))
    }

    /// Returns the done file's name for an artifact.
    ///
    /// # Errors
    /// The name is not a single path component, or contains a placeholder other than `{name}`.
    pub fn render_done(&self, artifact_name: &str) -> Result<String, NameError> {
        self.render_for(FileKind::Companion(artifact_name)).map(|name| name.to_string())
    }

    fn render_for(&self, of: FileKind<'_>) -> Result<PendingName, NameError> {
        let mut name = PendingName::default();
        for part in &self.parts {
            let piece = match (part, of) {
                (TemplatePart::Number(_), FileKind::Artifact(_)) => {
                    name.trim_one(SEPARATORS);
                    continue;
                }
                (TemplatePart::Count(digits), FileKind::Artifact(_) | FileKind::GroupFile(..)) => {
                    Ok(Piece::Count(*digits))
                }
                (TemplatePart::Digest(digits), FileKind::Artifact(_) | FileKind::GroupFile(..)) => {
                    Ok(Piece::Digest(*digits))
                }
                _ => text(part, of).map(Piece::Text),
            };
            name.push(piece.map_err(|what| self.error(&name, what))?);
        }
        check_component(&name.longest()).map_err(|what| self.error(&name, what))?;
        Ok(name)
    }

    fn error(&self, name: &PendingName, what: String) -> NameError {
        NameError { template: self.text.clone(), name: name.to_string(), what }
    }
}

impl std::fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Parses a text with placeholders. `subject` names the text in messages, `unfit` returns why a character is not
/// allowed in it, and `placeholder` parses the text between braces.
fn read_parts(
    text: &str,
    subject: &str,
    unfit: fn(char) -> Option<&'static str>,
    placeholder: fn(&str) -> Result<TemplatePart, PlaceholderProblem>,
) -> Result<Vec<TemplatePart>, NameProblem> {
    let problem = |offset, len, (what, hint): PlaceholderProblem| NameProblem { offset, len, what, hint };
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            push_literal(&mut parts, c);
            at += 2;
        } else if c == '}' {
            let hint = format!("write }}}} for a brace in the {subject}");
            return Err(problem(at, 1, ("a brace closes that was not opened".to_owned(), Some(hint))));
        } else if c == '{' {
            let Some(length) = rest.find('}') else {
                let hint = format!("write {{{{ for a brace in the {subject}");
                return Err(problem(at, rest.len(), ("a brace opens that is not closed".to_owned(), Some(hint))));
            };
            parts.push(placeholder(&rest[1..length]).map_err(|wrong| problem(at, length + 1, wrong))?);
            at += length + 1;
        } else {
            if let Some(what) = unfit(c) {
                return Err(problem(at, c.len_utf8(), (what.to_owned(), None)));
            }
            push_literal(&mut parts, c);
            at += c.len_utf8();
        }
    }
    Ok(parts)
}

/// Returns the text of a part that needs no content.
fn text(part: &TemplatePart, of: FileKind<'_>) -> Result<String, String> {
    match (part, of) {
        (TemplatePart::Literal(text), _) => Ok(text.clone()),
        (TemplatePart::Slot(format), FileKind::Artifact(of) | FileKind::GroupFile(of, _)) => {
            strtime::format(format, of.at).map_err(|cause| cause.to_string())
        }
        (TemplatePart::Pipeline, FileKind::Artifact(of) | FileKind::GroupFile(of, _)) => Ok(of.pipeline.to_owned()),
        (TemplatePart::Run, FileKind::Artifact(of) | FileKind::GroupFile(of, _)) => Ok(of.run.clone()),
        (TemplatePart::Number(digits), FileKind::GroupFile(_, number)) => {
            Ok(format!("{number:0width$}", width = *digits))
        }
        (TemplatePart::Name, FileKind::Companion(artifact)) => Ok(artifact.to_owned()),
        (TemplatePart::Var(var), _) => Err(format!("{{var:{var}}} has no value here")),
        (TemplatePart::Stem, FileKind::Companion(artifact)) => Ok(split_ending(artifact).0.to_owned()),
        (TemplatePart::Name | TemplatePart::Stem, _) => {
            Err("{name} and {stem} can be used in the names of done files only".to_owned())
        }
        (_, FileKind::Companion(_)) => Err("a done file's name is made of {name}, {stem} and text".to_owned()),
        (TemplatePart::Number(_) | TemplatePart::Count(_) | TemplatePart::Digest(_), _) => Ok(String::new()),
    }
}

fn push_literal(parts: &mut Vec<TemplatePart>, c: char) {
    match parts.last_mut() {
        Some(TemplatePart::Literal(text)) => text.push(c),
        _ => parts.push(TemplatePart::Literal(c.to_string())),
    }
}

/// Endings that may follow another one: `a.csv.gz` has the ending `.csv.gz`.
const OUTER_ENDINGS: &[&str] = &["gz", "zst", "gpg", "pgp", "age"];

/// Splits a file name before its ending, which begins with the dot; it is empty if the name has none.
pub fn split_ending(name: &str) -> (&str, &str) {
    let dot = |text: &str| text.rfind('.').filter(|&at| at > 0);
    let Some(mut at) = dot(name) else { return (name, "") };
    if OUTER_ENDINGS.contains(&&name[at + 1..])
        && let Some(inner) = dot(&name[..at])
    {
        at = inner;
    }
    name.split_at(at)
}

fn unfit_character(c: char) -> Option<&'static str> {
    match c {
        '/' | '\\' => Some("a name is one path component, without slashes; directories belong to `deliver`"),
        c if c.is_control() => Some("a name has no control characters"),
        _ => None,
    }
}

/// Checks that a name is one path component of at most [`NAME_BYTES_MAX`] bytes.
fn check_component(name: &str) -> Result<(), String> {
    if let Some(what) = name.chars().find_map(unfit_character) {
        return Err(what.to_owned());
    }
    match name {
        "" => Err("a name is not empty".to_owned()),
        "." | ".." => Err("this names a directory".to_owned()),
        _ if name.len() > NAME_BYTES_MAX => Err(format!("a name has at most {NAME_BYTES_MAX} bytes")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;

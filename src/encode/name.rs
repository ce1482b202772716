//! Name templates: `completions_{slot:%Y%m%d}.csv`. The same slot gives the same name, whenever it is worked on.

/// Templates that tell more slots apart.
mod finer;
/// Date formats of other programs, in strftime's directives.
pub mod letters;
/// What stands between braces.
mod placeholder;

use jiff::fmt::strtime;

use crate::schedule::slot::Slot;
use placeholder::read as read_placeholder;

/// The longest name, in bytes: 255 is usual, and temporary names are longer than final ones.
pub const NAME_BYTES_MAX: usize = 200;

/// A checked name template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// The slot's instant on the pipeline's clocks, by a strftime format.
    Slot(String),
    Pipeline,
    Run,
    /// The artifact's name, in done files.
    Name,
    /// Which file of a set it is, from 1 on, with as many digits at least.
    Number(usize),
}

/// Why a text is no name template: where, what, and the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct NameProblem {
    /// Bytes into the template's text.
    pub offset: usize,
    pub len: usize,
    pub what: String,
    pub hint: Option<String>,
}

/// Why a template gives no usable name for a slot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name template {template:?} gives {name:?}: {what}")]
pub struct NameError {
    pub template: String,
    pub name: String,
    pub what: String,
}

/// What may stand between a name and the number of a file.
const SEPARATORS: &[char] = &['_', '-', '.', ' '];

/// Which slots of whole minutes get names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    All,
    /// All but those whose time of day comes twice when clocks are put back.
    AllOnOneClock,
    Unknown,
}

/// What a name is made for.
#[derive(Clone, Copy)]
enum Of<'a> {
    /// The artifact; of a set, its name as a whole, without a number.
    Artifact(&'a Slot),
    /// One file of a set.
    File(&'a Slot, usize),
    /// A file beside the one of this name.
    Beside(&'a str),
}

impl NameTemplate {
    /// Reads a template. `{{` and `}}` are braces.
    ///
    /// # Errors
    /// An unknown placeholder, a format that cannot be written, a lone brace, or a literal part that no name may have.
    pub fn parse(text: &str) -> Result<Self, NameProblem> {
        let problem = |offset, len, what: &str| NameProblem { offset, len, what: what.to_owned(), hint: None };
        if text.is_empty() {
            return Err(problem(0, 0, "the name is empty"));
        }
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                push_literal(&mut parts, c);
                at += 2;
            } else if c == '}' {
                let hint = Some("write }} for a brace in the name".to_owned());
                return Err(NameProblem { hint, ..problem(at, 1, "a brace closes that was not opened") });
            } else if c == '{' {
                let Some(length) = rest.find('}') else {
                    let hint = Some("write {{ for a brace in the name".to_owned());
                    return Err(NameProblem { hint, ..problem(at, rest.len(), "a brace opens that is not closed") });
                };
                let part = read_placeholder(&rest[1..length]).map_err(|(what, hint)| NameProblem {
                    offset: at,
                    len: length + 1,
                    what,
                    hint,
                })?;
                parts.push(part);
                at += length + 1;
            } else {
                if let Some(what) = unfit_character(c) {
                    return Err(problem(at, c.len_utf8(), what));
                }
                push_literal(&mut parts, c);
                at += c.len_utf8();
            }
        }
        let template = Self { text: text.to_owned(), parts };
        let literal = template.literal_text();
        if literal.len() > NAME_BYTES_MAX {
            let what = format!("the name would be longer than {NAME_BYTES_MAX} bytes");
            return Err(problem(0, text.len(), &what));
        }
        if template.parts.iter().all(|part| matches!(part, Part::Literal(_))) && matches!(literal.as_str(), "." | "..")
        {
            return Err(problem(0, text.len(), "this names a directory"));
        }
        Ok(template)
    }

    fn literal_text(&self) -> String {
        let literals = self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            _ => None,
        });
        literals.collect()
    }

    /// Whether two slots get two names.
    pub fn uses_slot(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Slot(_) | Part::Run))
    }

    /// Which slots are sure to get names of their own, from the template alone.
    pub fn tells_apart(&self) -> Apart {
        if self.parts.contains(&Part::Run) {
            return Apart::All;
        }
        let formats = self.parts.iter().filter_map(|part| match part {
            Part::Slot(format) => Some(letters::widths_are_fixed(format)),
            _ => None,
        });
        let Some(written) = formats.collect::<Option<Vec<_>>>() else { return Apart::Unknown };
        let has = |directive: &str| written.iter().flatten().any(|known| *known == directive);
        let date = has("%F") || has("%Y") && (has("%m") && has("%d") || has("%j"));
        let time = has("%R") || has("%T") || has("%H") && has("%M");
        match (date && time, has("%z") || has("%:z")) {
            (true, true) => Apart::All,
            (true, false) => Apart::AllOnOneClock,
            _ => Apart::Unknown,
        }
    }

    /// Whether it stands on the artifact's name, as only a done file's can.
    pub fn uses_name(&self) -> bool {
        self.parts.contains(&Part::Name)
    }

    /// Whether the files of a set get different names.
    pub fn uses_number(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Number(_)))
    }

    /// The artifact's name for a slot. That of a set is what its files' names have in common: `{part}` is left out, with
    /// the separator before it.
    ///
    /// # Errors
    /// A name that is no single path component, or `{name}` in it.
    pub fn render(&self, slot: &Slot) -> Result<String, NameError> {
        self.render_for(Of::Artifact(slot))
    }

    /// The name of one file of a set, numbered from 1.
    ///
    /// # Errors
    /// As [`NameTemplate::render`].
    pub fn render_file(&self, slot: &Slot, number: usize) -> Result<String, NameError> {
        self.render_for(Of::File(slot, number))
    }

    /// The done file's name beside an artifact.
    ///
    /// # Errors
    /// A name that is no single path component, or a placeholder other than `{name}` in it.
    pub fn render_done(&self, artifact_name: &str) -> Result<String, NameError> {
        self.render_for(Of::Beside(artifact_name))
    }

    fn render_for(&self, of: Of<'_>) -> Result<String, NameError> {
        let mut name = String::new();
        for part in &self.parts {
            let piece = match (part, of) {
                (Part::Literal(text), _) => Ok(text.clone()),
                (Part::Slot(format), Of::Artifact(slot) | Of::File(slot, _)) => {
                    strtime::format(format, &slot.at).map_err(|cause| cause.to_string())
                }
                (Part::Pipeline, Of::Artifact(slot) | Of::File(slot, _)) => Ok(slot.pipeline.clone()),
                (Part::Run, Of::Artifact(slot) | Of::File(slot, _)) => Ok(slot.run_id()),
                (Part::Number(digits), Of::File(_, number)) => Ok(format!("{number:0width$}", width = *digits)),
                (Part::Number(_), Of::Artifact(_)) => {
                    name.truncate(name.strip_suffix(SEPARATORS).unwrap_or(&name).len());
                    Ok(String::new())
                }
                (Part::Name, Of::Beside(artifact)) => Ok(artifact.to_owned()),
                (Part::Name, _) => Err("{name} can be used in the names of done files only".to_owned()),
                (_, Of::Beside(_)) => Err("a done file's name is made of {name} and text".to_owned()),
            };
            name.push_str(&piece.map_err(|what| self.error(&name, what))?);
        }
        check_component(&name).map_err(|what| self.error(&name, what))?;
        Ok(name)
    }

    fn error(&self, name: &str, what: String) -> NameError {
        NameError { template: self.text.clone(), name: name.to_owned(), what }
    }
}

impl std::fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn push_literal(parts: &mut Vec<Part>, c: char) {
    match parts.last_mut() {
        Some(Part::Literal(text)) => text.push(c),
        _ => parts.push(Part::Literal(c.to_string())),
    }
}

/// Why a character cannot stand in a name.
fn unfit_character(c: char) -> Option<&'static str> {
    match c {
        '/' | '\\' => Some("a name is one path component, without slashes; directories belong to `deliver`"),
        c if c.is_control() => Some("a name has no control characters"),
        _ => None,
    }
}

/// # Errors
/// Why a text is not one path component of at most [`NAME_BYTES_MAX`] bytes.
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

//! Secrets in the settings: their notation, and reading them. They are read at each use, so that rotation takes effect.

use std::env::VarError;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::SecretRef;
use crate::secret::Secret;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode};
use crate::yaml::tree::{Node, NodeKind, Origin};

/// The largest secret's file, in bytes.
const SECRET_BYTES_MAX: u64 = 1 << 20;

/// The reason a secret cannot be read. Names its location, never its text.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable {0} is not set; it should contain a secret")]
    Unset(String),
    #[error("the environment variable {0} is empty; it should contain a secret")]
    EmptyVariable(String),
    #[error("the environment variable {0} is not text")]
    VariableNotText(String),
    #[error("the environment variable {0} contains white space only; it should contain a secret")]
    BlankVariable(String),
    #[error("cannot read the secret's file {path}: {cause}")]
    File { path: PathBuf, cause: String },
    #[error("the secret's file {0} contains white space only")]
    BlankFile(PathBuf),
    #[error("the secret's file {0} is empty")]
    EmptyFile(PathBuf),
    #[error("the secret's file {0} is not text")]
    FileNotText(PathBuf),
    #[error("the secret's file {0} is larger than 1 MiB; is it the right one?")]
    FileTooLarge(PathBuf),
}

impl SecretRef {
    /// Describes its location for messages.
    pub fn place(&self) -> String {
        match self {
            SecretRef::Env(name) => format!("the environment variable {name}"),
            SecretRef::File(path) => format!("the file {}", path.display()),
            SecretRef::Literal(_) => "written in the settings".to_owned(),
        }
    }

    /// Reads the secret's text. One newline at its end (`\n` or `\r\n`) is dropped, as editors and shells add it.
    ///
    /// # Errors
    /// It is missing, not text, or empty except for white space.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            SecretRef::Env(name) => read_variable(name),
            SecretRef::File(path) => read_file(path),
            // A literal was checked when the settings were read.
            SecretRef::Literal(secret) => Ok(secret.clone()),
        }
    }
}

#[allow(clippy::disallowed_methods)] // `settings` is the one module that may
fn read_variable(name: &str) -> Result<Secret, SecretError> {
    of_variable(name, std::env::var(name))
}

fn of_variable(name: &str, read: Result<String, VarError>) -> Result<Secret, SecretError> {
    match read {
        Ok(text) => secret_of(&text).ok_or_else(|| match text.is_empty() {
            true => SecretError::EmptyVariable(name.into()),
            false => SecretError::BlankVariable(name.into()),
        }),
        Err(VarError::NotPresent) => Err(SecretError::Unset(name.into())),
        Err(VarError::NotUnicode(_)) => Err(SecretError::VariableNotText(name.into())),
    }
}

fn read_file(path: &Path) -> Result<Secret, SecretError> {
    let cannot = |error: std::io::Error| {
        let cause = match error.kind() {
            ErrorKind::NotFound if path.is_symlink() => "it is a link to a file that does not exist".to_owned(),
            ErrorKind::NotFound => "it does not exist".to_owned(),
            ErrorKind::PermissionDenied => "this account may not read it".to_owned(),
            _ => error.to_string(),
        };
        SecretError::File { path: path.to_owned(), cause }
    };
    let mut bytes = Vec::new();
    let opened = crate::disk::open_regular(path).map_err(cannot)?;
    opened.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(SecretError::FileTooLarge(path.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretError::FileNotText(path.to_owned()))?;
    secret_of(&text).ok_or_else(|| match text.is_empty() {
        true => SecretError::EmptyFile(path.to_owned()),
        false => SecretError::BlankFile(path.to_owned()),
    })
}

/// Returns a secret's text without the newline at its end, or `None` if it is empty except for white space.
fn secret_of(text: &str) -> Option<Secret> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    (!text.trim().is_empty()).then(|| Secret::new(text))
}

crate::table! {
    /// The location of a secret's text.
    pub(super) struct SecretPlace {
        /// An environment variable; one newline at its end is dropped.
        env: Option<At<String>>,
        /// A file; one newline at its end is dropped.
        file: Option<At<String>>,
    }
}

/// A secret in the settings file: `{env: NAME}`, `{file: PATH}`, or the text itself.
pub struct SecretFile {
    pub secret: SecretRef,
    pub origin: Origin,
}

impl FromNode for SecretFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        // The problem points at the key, never at the text.
        let origin = node.named.clone().unwrap_or_else(|| node.origin.clone());
        let secret = match &node.kind {
            NodeKind::Scalar(scalar) => match secret_of(&scalar.text) {
                Some(secret) => SecretRef::Literal(secret),
                None => {
                    let what =
                        if scalar.text.is_empty() { "this secret is empty" } else { "this secret is white space only" };
                    problems.push(origin.error(what).hint("write `{env: NAME}` or `{file: PATH}`"));
                    return None;
                }
            },
            NodeKind::Table(_) => place_of_secret(node, &origin, problems)?,
            _ => {
                let problem = origin.error("a secret is expected here");
                problems.push(problem.hint("write `{env: NAME}` or `{file: PATH}`"));
                return None;
            }
        };
        Some(SecretFile { secret, origin })
    }
}

fn place_of_secret(node: &Node, origin: &Origin, problems: &mut Vec<Problem>) -> Option<SecretRef> {
    let SecretPlace { env, file } = SecretPlace::from_node(node, problems)?;
    let named = env.iter().chain(&file).find(|named: &&At<String>| named.value.is_empty());
    if let Some(empty) = named {
        problems.push(empty.origin.error("a name is expected here"));
        return None;
    }
    match (env, file) {
        (Some(env), None) => Some(SecretRef::Env(env.value)),
        (None, Some(file)) => Some(SecretRef::File(file.value.into())),
        (Some(_), Some(file)) => {
            problems.push(file.origin.error("`env` and `file` are mutually exclusive").hint("keep one of them"));
            None
        }
        (None, None) => {
            let problem = origin.error("missing: the location of this secret");
            problems.push(problem.hint("write `{env: NAME}` or `{file: PATH}`"));
            None
        }
    }
}

crate::schema_as!(SecretFile, |generator| {
    let place = generator.subschema_for::<SecretPlace>();
    schemars::json_schema!({"anyOf": [place, {"type": ["string", "number", "boolean"]}]})
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_at_the_end_of_a_secret_from_the_environment_is_dropped() {
        let read = |text: &str| {
            let secret = of_variable("NAME", Ok(text.to_owned()));
            secret.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string())
        };
        assert_eq!(read("hunter2\n"), Ok("hunter2".into()));
        assert_eq!(read("hunter2\r\n"), Ok("hunter2".into()));
        assert_eq!(read("hunter2\n\n"), Ok("hunter2\n".into()), "one newline only");
        assert_eq!(read(" hunter2 "), Ok(" hunter2 ".into()));
        assert_eq!(read(""), Err("the environment variable NAME is empty; it should contain a secret".into()));
        let blank = "the environment variable NAME contains white space only; it should contain a secret";
        assert_eq!(read(" \n"), Err(blank.into()));
    }
}

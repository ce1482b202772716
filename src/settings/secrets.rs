//! Where secrets are read: when they are needed, each time anew, so that a rotated one is taken up.

use std::env::VarError;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use super::SecretRef;
use crate::secret::Secret;

/// Bytes of a secret's file.
const SECRET_BYTES_MAX: u64 = 1 << 20;

/// Why a secret cannot be read. Names its place, never its text.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the environment variable {0} is not set; it should hold a secret")]
    Unset(String),
    #[error("the environment variable {0} is empty; it should hold a secret")]
    EmptyVariable(String),
    #[error("the environment variable {0} does not hold text")]
    VariableNotText(String),
    #[error("the environment variable {0} holds white space only; it should hold a secret")]
    BlankVariable(String),
    #[error("cannot read the secret's file {path}: {cause}")]
    File { path: PathBuf, cause: String },
    #[error("the secret's file {0} holds white space only")]
    BlankFile(PathBuf),
    #[error("the secret's file {0} is empty")]
    EmptyFile(PathBuf),
    #[error("the secret's file {0} does not hold text")]
    FileNotText(PathBuf),
    #[error("the secret's file {0} is larger than 1 MiB; is it the right one?")]
    FileTooLarge(PathBuf),
}

impl SecretRef {
    /// Where it is, for messages.
    pub fn place(&self) -> String {
        match self {
            SecretRef::Env(name) => format!("the environment variable {name}"),
            SecretRef::File(path) => format!("the file {}", path.display()),
            SecretRef::Literal(_) => "written in the settings".to_owned(),
        }
    }

    /// The secret's text. One newline at its end (`\n` or `\r\n`) is dropped, as editors and shells add it.
    ///
    /// # Errors
    /// It is not there, is not text, or holds nothing but white space.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            SecretRef::Env(name) => read_variable(name),
            SecretRef::File(path) => read_file(path),
            // What is written out was looked at when the settings were read.
            SecretRef::Literal(secret) => Ok(secret.clone()),
        }
    }
}

#[allow(clippy::disallowed_methods)] // `settings` is the one room that may
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

fn read_file(path: &PathBuf) -> Result<Secret, SecretError> {
    let cannot = |error: std::io::Error| {
        let cause = match error.kind() {
            ErrorKind::NotFound => "it is not there".to_owned(),
            ErrorKind::IsADirectory => "it is a directory".to_owned(),
            ErrorKind::PermissionDenied => "this account may not read it".to_owned(),
            _ => error.to_string(),
        };
        SecretError::File { path: path.clone(), cause }
    };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path).map_err(cannot)?;
    opened.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(SecretError::FileTooLarge(path.clone()));
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretError::FileNotText(path.clone()))?;
    secret_of(&text).ok_or_else(|| match text.is_empty() {
        true => SecretError::EmptyFile(path.clone()),
        false => SecretError::BlankFile(path.clone()),
    })
}

/// A secret's text without the newline at its end; `None` where nothing but white space is left.
pub(super) fn secret_of(text: &str) -> Option<Secret> {
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    (!text.trim().is_empty()).then(|| Secret::new(text))
}

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
        assert_eq!(read(""), Err("the environment variable NAME is empty; it should hold a secret".into()));
        let blank = "the environment variable NAME holds white space only; it should hold a secret";
        assert_eq!(read(" \n"), Err(blank.into()));
    }
}

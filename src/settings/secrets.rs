//! Where secrets are read: when they are needed, each time anew, so that a rotated one is taken up.

use std::io::Read;
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
    #[error("cannot read the secret's file {path}")]
    File { path: PathBuf, source: std::io::Error },
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

    /// The secret's text. One newline at the end of a file (`\n` or `\r\n`) is dropped, as editors add it.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            SecretRef::Env(name) => read_variable(name),
            SecretRef::File(path) => read_file(path),
            SecretRef::Literal(secret) => Ok(secret.clone()),
        }
    }
}

#[allow(clippy::disallowed_methods)] // `settings` is the one room that may
fn read_variable(name: &str) -> Result<Secret, SecretError> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Err(SecretError::EmptyVariable(name.into())),
        Ok(text) => Ok(Secret::new(text)),
        Err(std::env::VarError::NotPresent) => Err(SecretError::Unset(name.into())),
        Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::VariableNotText(name.into())),
    }
}

fn read_file(path: &PathBuf) -> Result<Secret, SecretError> {
    let cannot = |source| SecretError::File { path: path.clone(), source };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(path).map_err(cannot)?;
    opened.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(SecretError::FileTooLarge(path.clone()));
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretError::FileNotText(path.clone()))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    match text.is_empty() {
        true => Err(SecretError::EmptyFile(path.clone())),
        false => Ok(Secret::new(text)),
    }
}

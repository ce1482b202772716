//! Secrets in the settings: their notation, and reading them. They are read at each use, so that rotation takes effect.

/// Secrets printed by a command.
mod command;

use std::env::VarError;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SecretRef;
use crate::secret::Secret;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode};
use crate::yaml::scalars::Length;
use crate::yaml::tree::{Node, NodeKind, Origin};

pub use command::{CommandProblem, SecretCommand};

/// The largest secret's file, and the most that a command may print, in bytes.
const SECRET_BYTES_MAX: u64 = 1 << 20;
/// The longest time that a command may take, unless the settings set another.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// The time for which a command's result is used again, unless the settings set another.
const COMMAND_CACHE: Duration = Duration::from_secs(300);

const HOW_TO_WRITE: &str = "write `{env: NAME}` or `{file: PATH}`, or `{command: [PROGRAM, ARGUMENT]}`";

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
    #[error("the secret's command {name} {problem}")]
    Command { name: String, problem: CommandProblem },
}

/// The reason a text cannot be a secret.
enum NoSecret {
    NotText,
    Empty,
    Blank,
}

impl From<NoSecret> for CommandProblem {
    fn from(reason: NoSecret) -> Self {
        match reason {
            NoSecret::NotText => Self::NotText,
            NoSecret::Empty | NoSecret::Blank => Self::Empty,
        }
    }
}

impl SecretRef {
    /// Describes its location for messages.
    pub fn place(&self) -> String {
        match self {
            SecretRef::Env(name) => format!("the environment variable {name}"),
            SecretRef::File(path) => format!("the file {}", path.display()),
            SecretRef::Command(command) => format!("the command {}", command.name()),
            SecretRef::Literal(_) => "written in the settings".to_owned(),
        }
    }

    /// Reads the secret's text. One newline at its end (`\n` or `\r\n`) is dropped, as editors and shells add it. Blocks
    /// while a file is read or a command runs.
    ///
    /// # Errors
    /// It is missing, not text, or empty except for white space.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            SecretRef::Env(name) => read_variable(name),
            SecretRef::File(path) => read_file(path),
            SecretRef::Command(command) => command.read(),
            // A literal was checked when the settings were read.
            SecretRef::Literal(secret) => Ok(secret.clone()),
        }
    }

    /// Drops what a command printed before `began`, because the secret was refused. Returns true if there was such a result:
    /// the command may print another one now. Other secrets are read at each use anyway.
    pub fn forget(&self, began: Instant) -> bool {
        match self {
            SecretRef::Command(command) => command.forget(began),
            SecretRef::Env(_) | SecretRef::File(_) | SecretRef::Literal(_) => false,
        }
    }
}

/// Forgets each of these secrets, as [`SecretRef::forget`]. Returns true if any of them may have changed.
pub(super) fn forget_all<'a>(secrets: impl IntoIterator<Item = &'a SecretRef>, began: Instant) -> bool {
    secrets.into_iter().filter(|secret| secret.forget(began)).count() > 0
}

/// Reads secrets on a thread that may block.
pub async fn read_blocking<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(read).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(read) => read,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime is stopping, and with it the caller.
        Err(Err(_)) => std::future::pending().await,
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
    of_bytes(bytes).map_err(|reason| match reason {
        NoSecret::NotText => SecretError::FileNotText(path.to_owned()),
        NoSecret::Empty => SecretError::EmptyFile(path.to_owned()),
        NoSecret::Blank => SecretError::BlankFile(path.to_owned()),
    })
}

fn of_bytes(bytes: Vec<u8>) -> Result<Secret, NoSecret> {
    let text = String::from_utf8(bytes).map_err(|_| NoSecret::NotText)?;
    secret_of(&text).ok_or(if text.is_empty() { NoSecret::Empty } else { NoSecret::Blank })
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
        /// A program and its arguments, run without a shell; needs `secret_commands: true`. One newline at the end of what
        /// it prints is dropped.
        command: Option<At<Vec<String>>>,
        /// The longest time that the command may take. Default: 10s.
        timeout: Option<At<Length>>,
        /// The time for which what it printed is used again. Default: 5m.
        cache: Option<At<Length>>,
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
                    problems.push(origin.error(what).hint(HOW_TO_WRITE));
                    return None;
                }
            },
            NodeKind::Table(_) => place_of_secret(node, &origin, problems)?,
            _ => {
                let problem = origin.error("a secret is expected here");
                problems.push(problem.hint(HOW_TO_WRITE));
                return None;
            }
        };
        Some(SecretFile { secret, origin })
    }
}

fn place_of_secret(node: &Node, origin: &Origin, problems: &mut Vec<Problem>) -> Option<SecretRef> {
    let SecretPlace { env, file, command, timeout, cache } = SecretPlace::from_node(node, problems)?;
    let empty = env.iter().chain(&file).find(|named| named.value.is_empty()).map(|named| &named.origin);
    let no_program = command.iter().find(|command| command.value.first().is_none_or(String::is_empty));
    if let Some(empty) = empty.or(no_program.map(|command| &command.origin)) {
        problems.push(empty.error("a name is expected here"));
        return None;
    }
    if let (None, Some(option)) = (&command, timeout.as_ref().or(cache.as_ref())) {
        problems.push(option.origin.error("`timeout` and `cache` belong to a `command`").hint("remove it"));
        return None;
    }
    let written = [("env", env.as_ref().map(|env| &env.origin)), ("file", file.as_ref().map(|file| &file.origin))];
    let written = written.into_iter().chain([("command", command.as_ref().map(|command| &command.origin))]);
    let written: Vec<_> = written.filter_map(|(key, origin)| Some((key, origin?))).collect();
    if let [(first, _), (second, at), ..] = written.as_slice() {
        let problem = at.error(format!("`{first}` and `{second}` are mutually exclusive"));
        problems.push(problem.hint("keep one of them"));
        return None;
    }
    let or = |length: Option<At<Length>>, default| length.map_or(default, |length| length.value.0);
    let place = match (env, file, command) {
        (Some(env), ..) => Some(SecretRef::Env(env.value)),
        (_, Some(file), _) => Some(SecretRef::File(file.value.into())),
        (.., Some(command)) => {
            let mut words = command.value.into_iter();
            Some(SecretRef::Command(Arc::new(SecretCommand {
                program: words.next().unwrap_or_default().into(),
                arguments: words.collect(),
                timeout: or(timeout, COMMAND_TIMEOUT),
                cache: or(cache, COMMAND_CACHE),
                cached: Default::default(),
            })))
        }
        (None, None, None) => None,
    };
    if place.is_none() {
        problems.push(origin.error("missing: the location of this secret").hint(HOW_TO_WRITE));
    }
    place
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

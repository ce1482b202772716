//! age recipients (<https://age-encryption.org/v1>).

use std::io::{self, Write};

use super::KeyError;

/// A recipient with an X25519 key.
pub type Recipient = ::age::x25519::Recipient;

/// A writer that encrypts what it passes on.
pub type Encrypted<W> = ::age::stream::StreamWriter<W>;

/// Reads recipients, one a line. Empty lines and those that begin with `#` are left out.
///
/// # Errors
/// A line is something else, or there are none.
pub fn recipients(text: &str) -> Result<Vec<Recipient>, KeyError> {
    let lines = text.lines().map(str::trim).enumerate();
    let written = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let read = written.map(|(at, line)| {
        if line.to_ascii_uppercase().starts_with("AGE-SECRET-KEY") {
            return Err(KeyError::Private);
        }
        line.parse().map_err(|cause| KeyError::NotAge { line: at + 1, cause })
    });
    let recipients = read.collect::<Result<Vec<_>, _>>()?;
    if recipients.is_empty() { Err(KeyError::NoRecipient) } else { Ok(recipients) }
}

/// Writes the header, and returns the writer for the content.
///
/// # Errors
/// The header cannot be written.
pub fn encrypt<W: Write>(recipients: &[Recipient], to: W) -> io::Result<Encrypted<W>> {
    let recipients = recipients.iter().map(|recipient| recipient as &dyn ::age::Recipient);
    ::age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?.wrap_output(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    #[test]
    fn a_file_of_recipients_has_one_a_line() {
        let read = |text: &str| recipients(text).map(|recipients| recipients.len());
        assert_eq!(read(KEY), Ok(1));
        assert_eq!(read(&format!("# HR\n\n{KEY}\r\n  {KEY}\n")), Ok(2));
        assert_eq!(read("# none\n"), Err(KeyError::NoRecipient));
        assert_eq!(
            read(&format!("{KEY}\nage1x")).unwrap_err().to_string().split(':').next().unwrap(),
            "line 2 is not an age recipient (`age1…`)"
        );
        assert_eq!(read("AGE-SECRET-KEY-1QQQ"), Err(KeyError::Private));
    }
}

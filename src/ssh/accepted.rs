//! The `known_hosts` file of host keys that a person accepted.
//!
//! A file of our own, because settings are often mounted read-only while the data folder is writable, and OpenSSH's own
//! tools can read it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::host_key::fingerprint;
use super::known_hosts;
use super::{Endpoint, HostKey, HostKeys};
use crate::disk;

/// Returns true if the `known_hosts` file at `path` has a key for the server.
pub fn has_accepted(path: &Path, endpoint: &Endpoint) -> bool {
    let text = fs::read(path).unwrap_or_default();
    let entries = known_hosts::entries_for(&String::from_utf8_lossy(&text), endpoint);
    entries.iter().any(|entry| entry.marker == known_hosts::Marker::None)
}

/// Appends keys to the file, except those that it has already. `note` ends each line.
///
/// # Errors
/// The file cannot be read or written.
pub fn accept(host_keys: &HostKeys, endpoint: &Endpoint, keys: &[&HostKey], note: &str) -> io::Result<()> {
    let path = accepted(host_keys)?;
    let mut text = read_if_exists(path)?;
    let known = known_hosts::entries_for(&text, endpoint);
    let name = known_hosts::name_of(endpoint);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let is_known =
        |key: &HostKey| known.iter().any(|entry| entry.marker == known_hosts::Marker::None && entry.blob == key.blob);
    for key in keys.iter().filter(|key| !is_known(key)) {
        text.push_str(&format!("{name} {} {} {note}\n", key.kind_name(), STANDARD.encode(&key.blob)));
    }
    replace(path, &text)
}

/// Removes a key from the file; returns true if it was there.
///
/// # Errors
/// The file cannot be read or written.
pub fn forget(host_keys: &HostKeys, endpoint: &Endpoint, unwanted: &str) -> io::Result<bool> {
    let path = accepted(host_keys)?;
    let text = read_if_exists(path)?;
    let is_unwanted = |line: &str| {
        let entries = known_hosts::entries_for(line, endpoint);
        entries.iter().any(|entry| fingerprint(&entry.blob) == unwanted)
    };
    let kept: Vec<&str> = text.lines().filter(|line| !is_unwanted(line)).collect();
    let found = kept.len() < text.lines().count();
    if found {
        let text: String = kept.iter().map(|line| format!("{line}\n")).collect();
        replace(path, &text)?;
    }
    Ok(found)
}

fn accepted(host_keys: &HostKeys) -> io::Result<&Path> {
    host_keys.accepted.as_deref().ok_or_else(|| io::Error::other("there is no data folder to store keys in"))
}

fn read_if_exists(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// Writes the file atomically: concurrent readers see the old or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    disk::create_private_folder(folder)?;
    let mut file = tempfile::Builder::new().prefix(".known_hosts").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::Trust;

    fn key(fill: u8) -> HostKey {
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        blob.extend([fill; 32]);
        HostKey::parse(&blob).unwrap()
    }

    #[test]
    fn keys_are_appended_once_and_removed_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/known_hosts");
        let (endpoint, mut host_keys) = (Endpoint::new("H.example", 2222), HostKeys::default());
        assert!(accept(&host_keys, &endpoint, &[&key(1)], "x").is_err(), "there is no data folder");
        host_keys.accepted = Some(path.clone());
        assert!(!has_accepted(&path, &Endpoint::new("h.example", 2222)));
        accept(&host_keys, &endpoint, &[&key(1), &key(2)], "trust").unwrap();
        accept(&host_keys, &endpoint, &[&key(2)], "again").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.lines().all(|line| line.starts_with("[h.example]:2222 ssh-ed25519 AAAA") && line.ends_with(" trust"))
        );
        assert!(
            has_accepted(&path, &Endpoint::new("h.example", 2222))
                && !has_accepted(&path, &Endpoint::new("h.example", 22))
        );
        // Lines that a person wrote stay.
        fs::write(&path, format!("# mine\nother ssh-rsa YQ==\n{text}")).unwrap();
        assert!(forget(&host_keys, &endpoint, &key(1).fingerprint).unwrap());
        assert!(!forget(&host_keys, &endpoint, &key(1).fingerprint).unwrap());
        let left = fs::read_to_string(&path).unwrap();
        let trust = Trust::read(&host_keys, &endpoint).unwrap();
        assert!(left.starts_with("# mine\nother ssh-rsa YQ==\n[h.example]:2222"), "{left}");
        assert!(trust.accepts(&key(2)) && !trust.accepts(&key(1)));
    }
}

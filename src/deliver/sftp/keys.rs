//! Which host keys a server has, which of them are on file, and putting them there when a person says so.
//!
//! What a person accepts goes into a `known_hosts` file of our own in the data folder. The settings file is a person's and
//! is often mounted read-only; the data folder can be written wherever the worker runs, OpenSSH's own tools read the
//! file, and a delivery needs no ledger to know its server.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::connect::handshake;
use super::hostkey::{HostKey, KINDS, OnFile, Trust, fingerprint};
use super::line::endpoint;
use super::watch::Watch;
use super::{algorithms, known_hosts, offers};
use crate::deliver::Verdict;
use crate::settings::Sftp;

/// A server's host keys beside what is on file of it.
pub struct Shown {
    /// `host:port`.
    pub address: String,
    /// One of each kind that the server has and that we could check.
    pub keys: Vec<ShownKey>,
    pub on_file: Vec<OnFile>,
    /// Files with an `@cert-authority` line for the server, which is of no use here.
    pub authorities: Vec<std::path::PathBuf>,
}

pub struct ShownKey {
    pub key: HostKey,
    /// Where it is on file; `None` where it is not.
    pub source: Option<String>,
    pub revoked: bool,
}

/// Asks the server for all its host keys: one key exchange for each kind. Nobody signs in to it.
///
/// # Errors
/// The server cannot be reached, or it has no key of a kind that is known here.
pub fn show(sftp: &Sftp) -> Result<Shown, Verdict> {
    let trust = Trust::read(sftp)?;
    let server = offers::lists(sftp).and_then(|lists| lists.into_iter().nth(1));
    let mut keys: Vec<ShownKey> = Vec::new();
    let mut failed = None;
    for kind in algorithms::usable(sftp, &KINDS) {
        let ours = algorithms::offered(sftp, &[kind], algorithms::Offer::HostKey);
        let has_one = |list: &String| list.split(',').any(|name| ours.iter().any(|our| our == name));
        if server.as_ref().is_some_and(|list| !has_one(list)) {
            continue;
        }
        match handshake(sftp, &[kind], &mut Watch::none()) {
            Ok(transport) => {
                transport.line.cut();
                let key = transport.host_key;
                let source = trust.accepts(&key).then(|| trust.source(&key));
                keys.push(ShownKey { revoked: trust.is_revoked(&key), source, key });
            }
            // A jump host that refuses is not asked again for each kind.
            Err(verdict) if sftp.jump.is_some() && !matches!(verdict, Verdict::Unreached { .. }) => {
                return Err(verdict);
            }
            Err(verdict) => failed = Some(verdict),
        }
    }
    match (keys.is_empty(), failed) {
        (true, Some(verdict)) => return Err(verdict),
        // It offers no kind that we ask for: an ordinary key exchange says so with both lists.
        (true, None) => {
            return Err(handshake(sftp, &KINDS, &mut Watch::none())
                .err()
                .unwrap_or_else(|| super::connect::unreached(format!("{} shows no key of a known kind", sftp.host))));
        }
        (false, _) => {}
    }
    let address = endpoint(&sftp.host, sftp.port);
    Ok(Shown { address, keys, on_file: trust.on_file(), authorities: trust.authorities() })
}

/// Whether the `known_hosts` file at `path` has a key for the server.
pub fn is_on_file(path: &Path, host: &str, port: u16) -> bool {
    let text = fs::read(path).unwrap_or_default();
    let entries = known_hosts::entries_for(&String::from_utf8_lossy(&text), host, port);
    entries.iter().any(|entry| entry.marker == known_hosts::Marker::None)
}

/// Puts keys on file in the data folder; those that are there already stay once. `note` ends each line.
///
/// # Errors
/// The file cannot be read or written.
pub fn accept(sftp: &Sftp, keys: &[&HostKey], note: &str) -> io::Result<()> {
    let path = accepted(sftp)?;
    let mut text = read_or_nothing(path)?;
    let known = known_hosts::entries_for(&text, &sftp.host, sftp.port);
    let name = known_hosts::name_of(&sftp.host, sftp.port);
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let is_known =
        |key: &HostKey| known.iter().any(|entry| entry.marker == known_hosts::Marker::None && entry.blob == key.blob);
    for key in keys.iter().filter(|key| !is_known(key)) {
        text.push_str(&format!("{name} {} {} {note}\n", key.kind.name(), STANDARD.encode(&key.blob)));
    }
    write_whole(path, &text)
}

/// Takes a key off the file in the data folder; returns whether it was there.
///
/// # Errors
/// The file cannot be read or written.
pub fn forget(sftp: &Sftp, unwanted: &str) -> io::Result<bool> {
    let path = accepted(sftp)?;
    let text = read_or_nothing(path)?;
    let is_unwanted = |line: &str| {
        let entries = known_hosts::entries_for(line, &sftp.host, sftp.port);
        entries.iter().any(|entry| fingerprint(&entry.blob) == unwanted)
    };
    let kept: Vec<&str> = text.lines().filter(|line| !is_unwanted(line)).collect();
    let found = kept.len() < text.lines().count();
    if found {
        let text: String = kept.iter().map(|line| format!("{line}\n")).collect();
        write_whole(path, &text)?;
    }
    Ok(found)
}

fn accepted(sftp: &Sftp) -> io::Result<&Path> {
    sftp.accepted.as_deref().ok_or_else(|| io::Error::other("there is no data folder to keep keys in"))
}

fn read_or_nothing(path: &Path) -> io::Result<String> {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// A worker that reads the file at any moment sees the old one or the new one.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".known_hosts").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fill: u8) -> HostKey {
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        blob.extend([fill; 32]);
        HostKey::of(&blob).unwrap()
    }

    #[test]
    fn keys_are_put_on_file_once_and_taken_off_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/known_hosts");
        let mut sftp = Sftp::new("hris", "H.example", 2222, "me");
        assert!(accept(&sftp, &[&key(1)], "x").is_err(), "there is no data folder");
        sftp.accepted = Some(path.clone());
        assert!(!is_on_file(&path, "h.example", 2222));
        accept(&sftp, &[&key(1), &key(2)], "trust").unwrap();
        accept(&sftp, &[&key(2)], "again").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.lines().all(|line| line.starts_with("[h.example]:2222 ssh-ed25519 AAAA") && line.ends_with(" trust"))
        );
        assert!(is_on_file(&path, "h.example", 2222) && !is_on_file(&path, "h.example", 22));
        // A person's own lines stay.
        fs::write(&path, format!("# mine\nother ssh-rsa YQ==\n{text}")).unwrap();
        assert!(forget(&sftp, &key(1).fingerprint).unwrap());
        assert!(!forget(&sftp, &key(1).fingerprint).unwrap());
        let left = fs::read_to_string(&path).unwrap();
        let trust = Trust::read(&sftp).unwrap();
        assert!(left.starts_with("# mine\nother ssh-rsa YQ==\n[h.example]:2222"), "{left}");
        assert!(trust.accepts(&key(2)) && !trust.accepts(&key(1)));
    }
}

//! Refused credentials in the ledger, recognized by a digest that is worthless to whoever reads it.

use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::Sha256;

use crate::disk;
use crate::extract::{CredentialMemory, RefusedCredentials};
use crate::ledger::Ledger;

/// The file of the salt in the data folder.
const SALT: &str = "credentials.salt";
const SALT_BYTES: usize = 32;

/// The ledger's memory of refused credentials.
pub(super) struct LedgerMemory {
    ledger: Ledger,
    data: PathBuf,
}

impl LedgerMemory {
    pub(super) fn new(ledger: Ledger, data: PathBuf) -> Self {
        Self { ledger, data }
    }
}

impl CredentialMemory for LedgerMemory {
    /// Returns 16 bits of a keyed digest: a rotated password is tried at once, and a guessed one is confirmed by one in
    /// 65,536 of all others too.
    fn digest(&self, parts: &[&str]) -> Option<String> {
        let salt = match salt(&self.data) {
            Ok(salt) => salt,
            Err(error) => {
                let file = self.data.join(SALT).display().to_string();
                tracing::warn!(
                    file,
                    reason = error.to_string(),
                    "refused credentials are remembered in this process alone"
                );
                return None;
            }
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(&salt).ok()?;
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Some(crate::digest::hex(&mac.finalize().into_bytes()[..2]))
    }

    fn recall<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Option<RefusedCredentials>> {
        Box::pin(async move {
            let recalled = self.ledger.refused(tenant).await;
            recalled.inspect_err(|error| warn(tenant, error)).ok().flatten()
        })
    }

    fn remember<'a>(&'a self, tenant: &'a str, refused: Option<RefusedCredentials>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let noted = self.ledger.note_refused(tenant, refused.as_ref()).await;
            noted.inspect_err(|error| warn(tenant, error)).ok();
        })
    }
}

fn warn(tenant: &str, error: &crate::ledger::LedgerError) {
    let reason = super::with_causes(error);
    tracing::warn!(tenant, reason, "refused credentials are remembered in this process alone");
}

/// Returns the salt; creates it if there is none. Of two processes that do so at once, the first one's counts.
fn salt(data: &Path) -> io::Result<[u8; SALT_BYTES]> {
    let path = data.join(SALT);
    match read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        read => return read,
    }
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new().fill(&mut salt).map_err(|_| io::Error::other("no random bytes"))?;
    disk::create_private_folder(data)?;
    let temporary = data.join(format!("{SALT}.{}", std::process::id()));
    let written = disk::private_file().write(true).create(true).truncate(true).open(&temporary);
    let written = written.and_then(|mut file| file.write_all(&salt).and_then(|()| file.sync_all()));
    // A link fails where another process was first.
    let linked = written.and_then(|()| std::fs::hard_link(&temporary, &path));
    std::fs::remove_file(&temporary).ok();
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => read(&path),
    }
}

fn read(path: &Path) -> io::Result<[u8; SALT_BYTES]> {
    let mut salt = [0; SALT_BYTES];
    disk::open_regular(path)?.read_exact(&mut salt)?;
    Ok(salt)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_salt_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = salt(&data).unwrap();
        assert_eq!(salt(&data).unwrap(), first);
        assert_ne!(salt(&folder.path().join("other")).unwrap(), first);
        let mode = std::fs::metadata(data.join(SALT)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "no temporary file is left");
        std::fs::write(data.join(SALT), "short").unwrap();
        assert!(salt(&data).is_err());
    }
}

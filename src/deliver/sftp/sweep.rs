//! Temporary files that nobody will finish: ours, by their name, and nothing else.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::SftpDrop;
use super::client::Wire;
use crate::deliver::session::{Put, may_sweep};
use crate::deliver::{Intent, names};

/// Names of one directory that are looked at; a sweep of a larger one is left incomplete.
const ENTRIES_MAX: usize = 100_000;

impl<W: Wire> SftpDrop<W> {
    pub fn sweep(&mut self, put: &Put<'_>, intent: &Intent, now: Timestamp) -> Result<u32, String> {
        let renamed = intent.files.iter().filter(|file| !file.is_direct());
        let directories: BTreeSet<&str> = renamed.map(|file| names::remote_parent(&file.temporary)).collect();
        let mut removed = 0;
        for directory in directories {
            let listed = if directory.is_empty() { "." } else { directory };
            let entries = self
                .client
                .doing("list", listed, |client| client.list(listed, ENTRIES_MAX))
                .map_err(|trouble| trouble.to_string())?;
            for entry in entries {
                let Ok(name) = String::from_utf8(entry.name) else { continue };
                if !may_sweep(put, intent, &name, entry.attributes.modified_s.map(i64::from), now) {
                    continue;
                }
                let path = names::remote_path(directory, &name);
                self.client
                    .doing("remove", &path, |client| client.remove(&path))
                    .map_err(|trouble| trouble.to_string())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

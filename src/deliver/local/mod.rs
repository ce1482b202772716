//! Delivery into a directory of this machine, with the same guarantees as over SFTP.
//!
//! A path in a plan cannot leave the base. Symbolic links below the base are its administrator's choice.

mod attributes;
pub mod doctor;
mod error;
mod inspect;
mod prepare;
mod publish;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::publish_target::PublishTarget;
use super::request::{DeliveryRequest, may_sweep};
use super::{Intent, RemoteState, Verdict};
use crate::settings::{Local, ModifiedTime};
use error::before_publishing;

/// The base directory, which exists.
pub struct LocalTarget {
    base: PathBuf,
    mkdir: bool,
    mode: Option<u32>,
    directory_mode: Option<u32>,
    mtime: Option<ModifiedTime>,
    /// Refusals that did not fail the delivery; they become part of the receipt.
    notes: Vec<String>,
}

impl LocalTarget {
    /// # Errors
    /// The base is absent and `mkdir` is not set, or it cannot be created.
    pub fn open(local: &Local) -> Result<Self, Verdict> {
        if local.mkdir {
            attributes::make_directories(&local.path, local.directory_mode())?;
        }
        let base = fs::metadata(&local.path)
            .and_then(|there| if there.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) });
        base.map_err(|error| before_publishing("open the directory", &local.path, &error))?;
        // Absolute, because intents and receipts are read again from other working directories.
        let base = std::path::absolute(&local.path)
            .map_err(|error| before_publishing("find the directory", &local.path, &error))?;
        Ok(LocalTarget {
            base,
            mkdir: local.mkdir,
            mode: local.mode,
            directory_mode: local.directory_mode(),
            mtime: local.mtime,
            notes: Vec::new(),
        })
    }

    /// Removes the temporary files that an earlier attempt at `intent` left.
    pub fn clear(&mut self, intent: &Intent, seen: &RemoteState) {
        let left = intent.files.iter().zip(&seen.files).filter(|(_, seen)| seen.temporary);
        left.for_each(|(file, _)| self.remove_temporary(file));
    }

    pub fn sweep(&mut self, delivery: &DeliveryRequest<'_>, intent: &Intent, now: Timestamp) -> Result<u32, String> {
        let directories: BTreeSet<&Path> =
            intent.files.iter().filter_map(|file| Path::new(&file.temporary).parent()).collect();
        let mut removed = 0;
        for directory in directories {
            let failed = |error: io::Error| format!("sweep {}: {error}", directory.display());
            for entry in fs::read_dir(directory).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
                let modified = entry.metadata().and_then(|there| there.modified()).ok();
                let modified_s = modified.and_then(|time| Timestamp::try_from(time).ok()).map(|time| time.as_second());
                if may_sweep(delivery, intent, &name, modified_s, now) {
                    fs::remove_file(entry.path()).map_err(failed)?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

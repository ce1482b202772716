//! Destinations as written → destinations as used.

use super::{Check, length, secs};
use crate::attempt::Backoff;
use crate::pipeline::tree::Key;
use crate::settings::file::destination::{DestinationFile, LocalFile, SftpFile};
use crate::settings::{Destination, DestinationKind, Local, Publish, Sftp, SftpTimeouts, Verify};

impl Check<'_> {
    pub(super) fn destination(&mut self, key: &Key, written: DestinationFile) -> Option<Destination> {
        let retry = Backoff { first: secs(1), max: secs(900), within: secs(86_400) };
        let retry = self.backoff(written.retry, retry);
        let kind = match (written.sftp, written.local) {
            (Some(sftp), None) => self.sftp(key, sftp.0?).map(|sftp| DestinationKind::Sftp(Box::new(sftp))),
            (None, Some(local)) => self.local(local.0?).map(DestinationKind::Local),
            (None, None) => {
                let problem = key.origin.error("one of `sftp` and `local` is expected here");
                self.problems.push(problem.hint("write `sftp: {host: …}` or `local: {path: …}`"));
                None
            }
            (Some(_), Some(_)) => {
                let problem = key.origin.error("`sftp` and `local` cannot stand in one destination");
                self.problems.push(problem.hint("make two destinations of it; a pipeline may deliver to both"));
                None
            }
        };
        Some(Destination { name: key.text.clone(), kind: kind?, retry })
    }

    fn sftp(&mut self, key: &Key, written: SftpFile) -> Option<Sftp> {
        if written.password.is_none() && written.key.is_none() {
            let problem = key.origin.error("there is neither a `password` nor a `key` to sign in with");
            self.problems.push(problem.hint("write `key: {file: PATH}` or `password: {env: NAME}` below `sftp`"));
        }
        if written.passphrase.is_some() && written.key.is_none() {
            self.problems.push(key.origin.error("there is a `passphrase` without a `key`"));
        }
        let pins = written.host_keys.unwrap_or_default();
        if pins.is_empty() && written.known_hosts.is_none() {
            let problem = key.origin.error("there are neither `host_keys` nor `known_hosts` to know the server by");
            self.problems.push(problem.hint(
                "`ssh-keyscan HOST | ssh-keygen -lf -` shows the server's key: compare it with what its people say",
            ));
        }
        let timeouts = written.timeouts;
        let (connect, idle, rename) =
            timeouts.map_or((None, None, None), |given| (given.connect, given.idle, given.rename));
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Some(Sftp {
            port: written.port.and_then(|port| u16::try_from(port.0).ok()).unwrap_or(22),
            username: written.username,
            password: written.password.map(|secret| self.secret(secret)),
            key: written.key.map(|secret| self.secret(secret)),
            passphrase: written.passphrase.map(|secret| self.secret(secret)),
            host_keys: pins.into_iter().filter_map(|pin| pin.0).map(|pin| pin.0).collect(),
            known_hosts: written.known_hosts.map(|path| self.folder.join(path)),
            publish: written.publish.unwrap_or(Publish::Rename),
            verify: written.verify.unwrap_or(Verify::Size),
            mkdir: written.mkdir.unwrap_or(false),
            mode: written.mode.map(|mode| mode.0),
            write_bytes: written.write_bytes.map_or(32_000, |bytes| small(bytes.0)),
            in_flight: written.in_flight.map_or(128, |requests| small(requests.0)),
            timeouts: SftpTimeouts {
                connect: length(connect, secs(20)),
                idle: length(idle, secs(60)),
                rename: length(rename, secs(600)),
            },
            host: written.host.0,
            base: written.base.map_or(String::new(), |base| base.0),
            staging: written.staging.map(|staging| staging.0).filter(|staging| !staging.is_empty()),
        })
    }

    fn local(&mut self, written: LocalFile) -> Option<Local> {
        if written.path.value.is_empty() {
            self.problems.push(written.path.origin.error("a path is expected here"));
            return None;
        }
        Some(Local {
            path: self.folder.join(written.path.value),
            mkdir: written.mkdir.unwrap_or(false),
            mode: written.mode.map(|mode| mode.0),
        })
    }
}

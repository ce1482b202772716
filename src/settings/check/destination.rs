//! Destinations as configured → destinations as used.

use std::sync::Arc;

use super::reach::Credentials;
use super::{Check, length, secs};
use crate::attempt::Backoff;
use crate::settings::file::destination::{DestinationFile, LocalFile, SftpFile};
use crate::settings::{Destination, DestinationKind, Local, Sftp, SftpTimeouts};
use crate::yaml::tree::Key;

impl Check<'_> {
    pub(super) fn destination(&mut self, key: &Key, written: DestinationFile) -> Option<Destination> {
        let retry = Backoff { initial: secs(1), max: secs(900), give_up_after: secs(86_400) };
        let retry = self.backoff(written.retry, retry);
        let pickup = self.pickup(written.pickup, written.webhook.is_none());
        let kind = match (written.sftp, written.local, written.webhook) {
            (Some(sftp), None, None) => self.sftp(key, sftp.0?).map(|sftp| DestinationKind::Sftp(Box::new(sftp))),
            (None, Some(local), None) => self.local(local.0?).map(DestinationKind::Local),
            (None, None, Some(webhook)) => {
                self.webhook(key, *webhook.0?).map(|webhook| DestinationKind::Webhook(Arc::new(webhook)))
            }
            (None, None, None) => {
                let problem = key.origin.error("one of `sftp`, `webhook` and `local` is expected here");
                self.problems.push(problem.hint("write `sftp: {host: …}`, `webhook: {url: …}` or `local: {path: …}`"));
                None
            }
            _ => {
                let problem = key.origin.error("`sftp`, `webhook` and `local` are mutually exclusive");
                self.problems.push(problem.hint("make a destination of each; a pipeline may deliver to all of them"));
                None
            }
        };
        Some(Destination {
            name: key.text.clone(),
            kind: kind?,
            retry,
            pickup,
            alert_after: written.alert_after.or_default(),
        })
    }

    fn sftp(&mut self, key: &Key, written: SftpFile) -> Option<Sftp> {
        let credentials = Credentials {
            password: written.password,
            key: written.key,
            passphrase: written.passphrase,
            agent: written.agent,
            agent_key: written.agent_key,
            keyboard_interactive: written.keyboard_interactive,
        };
        let port = written.port.and_then(|port| u16::try_from(port.0).ok()).unwrap_or(22);
        let mut sftp = Sftp::new(&key.text, &written.host.0, port, &written.username);
        self.credentials(&key.origin, credentials, &mut sftp);
        self.host_keys(&key.origin, written.host_keys, written.known_hosts, &mut sftp);
        sftp.proxy = written.proxy.and_then(|proxy| self.proxy(proxy));
        sftp.jump = written.jump.map(|jump| Box::new(self.jump(&key.text, jump)));
        if let Some(jump) = &mut sftp.jump {
            // The proxy connects to the first server.
            jump.proxy = sftp.proxy.take();
        }
        sftp.algorithms = written.algorithms.map(|lists| self.algorithms(lists)).unwrap_or_default();
        sftp.keepalive = written.keepalive.map(|length| length.0);
        if let Some(timeouts) = written.timeouts {
            sftp.timeouts = SftpTimeouts {
                connect: length(timeouts.connect, sftp.timeouts.connect),
                idle: length(timeouts.idle, sftp.timeouts.idle),
                rename: length(timeouts.rename, sftp.timeouts.rename),
            };
        }
        if let Some(jump) = &mut sftp.jump {
            (jump.timeouts, jump.keepalive) = (sftp.timeouts, sftp.keepalive);
        }
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        sftp.base = written.base.map_or(String::new(), |base| base.0);
        sftp.staging = written.staging.map(|staging| staging.0).filter(|staging| !staging.is_empty());
        sftp.publish = written.publish.unwrap_or(sftp.publish);
        sftp.verify = written.verify.unwrap_or(sftp.verify);
        sftp.fsync = written.fsync.unwrap_or(sftp.fsync);
        sftp.mkdir = written.mkdir.unwrap_or(false);
        sftp.mode = written.mode.map(|mode| mode.0);
        sftp.dir_mode = written.dir_mode.map(|mode| mode.0);
        sftp.mtime = written.mtime;
        sftp.write_bytes = written.write_bytes.map_or(sftp.write_bytes, |bytes| small(bytes.0));
        sftp.in_flight = written.in_flight.map_or(sftp.in_flight, |requests| small(requests.0));
        sftp.bandwidth = written.bandwidth.map(|bytes| bytes.0);
        sftp.sessions = written.sessions.map_or(sftp.sessions, |sessions| sessions.0 as usize);
        sftp.keep_open = length(written.keep_open, sftp.keep_open);
        if let Some(split) = written.parallel {
            sftp.parallel = split.value.0;
            if sftp.parallel.is_some() && sftp.sessions == 1 {
                let problem = split.origin.error("`parallel` needs several sessions, and `sessions` is 1");
                self.problems.push(problem.hint("write `sessions: 2` or more, or remove `parallel`"));
            }
        }
        Some(sftp)
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
            dir_mode: written.dir_mode.map(|mode| mode.0),
            mtime: written.mtime,
        })
    }
}

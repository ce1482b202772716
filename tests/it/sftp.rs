//! Delivery over SFTP, to real servers on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

pub mod contract;
mod publish;
mod session;
mod several;
pub mod stand;

use std::sync::Arc;
use std::time::Duration;

use reportferry::pipeline::plan::{DeliveryPlan, Existing};
use reportferry::settings::{DestinationKind, SecretRef, Sftp, SftpTimeouts};

use crate::stage::sshd::{Sshd, SshdOptions};

/// Settings that reach a server: its first host key pinned, its account's key, its directory as the base.
pub fn settings(sshd: &Sshd) -> Sftp {
    let mut sftp = Sftp::new("hris", "127.0.0.1", sshd.port, &sshd.username);
    sftp.key = Some(SecretRef::File(sshd.user_key()));
    sftp.host_keys = vec![sshd.fingerprints[0].clone()];
    sftp.base = sshd.root().display().to_string();
    sftp.in_flight = 64;
    sftp.timeouts = timeouts();
    sftp
}

pub fn timeouts() -> SftpTimeouts {
    let patience = Duration::from_secs(20);
    SftpTimeouts { connect: patience, idle: patience, rename: patience }
}

pub fn plan(sftp: Sftp, existing: Existing) -> DeliveryPlan {
    stand::plan(&stand::destination(DestinationKind::Sftp(Box::new(sftp))), "", existing)
}

/// A plan to `sshd` with changed settings.
pub fn plan_with(sshd: &Sshd, existing: Existing, change: impl FnOnce(&mut Sftp)) -> DeliveryPlan {
    let mut sftp = settings(sshd);
    change(&mut sftp);
    plan(sftp, existing)
}

pub fn sshd(sftp: &'static str, config: &[&str]) -> Sshd {
    let config = config.iter().map(|line| (*line).to_owned()).collect();
    Sshd::start(&SshdOptions { sftp, config, ..SshdOptions::default() })
}

fn stand_on_sshd() -> stand::Stand {
    let sshd = Arc::new(sshd("", &[]));
    let root = sshd.root();
    let server = sshd.clone();
    let kind = move |wish: stand::Wish| {
        let mut sftp = settings(&server);
        sftp.mkdir = wish.mkdir;
        sftp.mode = wish.mode;
        DestinationKind::Sftp(Box::new(sftp))
    };
    stand::Stand { root, kind: Box::new(kind), _under: Box::new(sshd) }
}

contract::contract!(stand_on_sshd);

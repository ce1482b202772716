//! Delivery over SFTP, to real servers on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

pub(crate) mod contract;
mod faults;
mod full;
mod proftpd;
mod publish;
mod reported;
mod resets;
mod session;
mod several;
mod sign_in;
pub(crate) mod stand;

use std::sync::Arc;

use reportferry::pipeline::plan::{DeliveryPlan, Existing};
use reportferry::settings::{DestinationKind, Sftp};

use crate::stage::sshd::{Sshd, SshdOptions};

/// Settings that reach a server: its first host key pinned, its account's key, its directory as the base.
pub(crate) fn settings(sshd: &Sshd) -> Sftp {
    sshd.account().settings(&sshd.root())
}

pub(crate) fn plan(sftp: Sftp, existing: Existing) -> DeliveryPlan {
    stand::plan(&stand::destination(DestinationKind::Sftp(Box::new(sftp))), "", existing)
}

/// A plan to `sshd` with changed settings.
pub(crate) fn plan_with(sshd: &Sshd, existing: Existing, change: impl FnOnce(&mut Sftp)) -> DeliveryPlan {
    let mut sftp = settings(sshd);
    change(&mut sftp);
    plan(sftp, existing)
}

pub(crate) fn sshd(sftp: &'static str, config: &[&str]) -> Sshd {
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

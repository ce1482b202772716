//! The steps at which faults are injected, each list in the order in which a run reaches them.

pub(super) const EXTRACT: &[&str] = &[
    "extract.token",
    "extract.identity",
    "extract.reports",
    "extract.start",
    "extract.poll",
    "extract.download",
    "extract.save",
    "extract.assignments",
];

/// Of a run that is delivered.
pub(super) const LEDGER: &[&str] = &[
    "ledger.enter",
    "ledger.execution_id",
    "ledger.extract",
    "ledger.artifact",
    "ledger.attempt",
    "ledger.intent",
    "ledger.verdict",
];

pub(super) const SFTP: &[&str] = &[
    "sftp.connect",
    "sftp.open",
    "sftp.write",
    "sftp.fsync",
    "sftp.fstat",
    "sftp.close",
    "sftp.setstat",
    "sftp.lstat",
    "sftp.rename",
    "done.open",
    "done.write",
    "done.close",
    "done.rename",
];

/// Of the companion files, over SFTP; a local delivery has them too, except `close`.
pub(super) const COMPANIONS: &[&str] = &[
    "checksum.open",
    "checksum.write",
    "checksum.close",
    "checksum.rename",
    "manifest.open",
    "manifest.write",
    "manifest.close",
    "manifest.rename",
];

/// Of a delivery over several sessions.
pub(super) const SEVERAL: &[&str] =
    &["split.open", "split.write", "split.close", "sftp.connect", "sftp.write", "sftp.rename"];

pub(super) const LOCAL: &[&str] =
    &["local.open", "local.write", "local.fsync", "local.rename", "done.open", "done.write", "done.rename"];

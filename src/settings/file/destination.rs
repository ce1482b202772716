//! Destinations in the settings file.

use super::BackoffFile;
use super::pickup::PickupFile;
use super::reach::{AgentFile, AlgorithmsFile, JumpFile, PathsFile, ProxyFile};
use crate::settings::address::{Fingerprint, Host, Remote};
use crate::settings::secrets::SecretFile;
use crate::settings::webhook::WebhookFile;
use crate::settings::{AlertAfter, ModifiedTime, Publish, Verify};
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, Named, OneOrMore, scalar};
use crate::yaml::scalars::{Length, Size, Whole};
use crate::yaml::tree::Node;

crate::table! {
    /// One destination of artifacts: `sftp`, `webhook` or `local`.
    pub struct DestinationFile {
        /// A directory on an SFTP server.
        sftp: Option<Lenient<SftpFile>>,
        /// A receiver of POST requests.
        webhook: Option<Lenient<Box<WebhookFile>>>,
        /// A folder on this machine.
        local: Option<Lenient<LocalFile>>,
        /// The backoff of failed deliveries. Default: 1s doubling to 15m, for 24h.
        retry: Option<At<BackoffFile>>,
        /// The pickup of delivered files: they stay (none), their reader moves them away (moved) or writes an
        /// acknowledgement file (ack_file), or the server moves them away at once (immediate): then a file that is
        /// missing right after it was published is a success. `{moved: {deadline: 4h}}` and `{ack_file: {name:
        /// "{name}.ack", deadline: 4h}}` set a deadline for the reader. Default: none.
        pickup: Option<At<PickupFile>>,
        /// The time after which a delivery that is not done sends an alert; 0 for none. Default: 1h.
        #[schemars(with = "Option<AlertAfter>")]
        alert_after: AlertAfter,
    }
}

crate::table! {
    pub struct SftpFile {
        #[schemars(with = "String")]
        host: Host,
        /// Default: 22.
        port: Option<Whole<1, 65_535>>,
        username: String,
        password: Option<SecretFile>,
        /// The private key's text, OpenSSH or PEM.
        key: Option<SecretFile>,
        passphrase: Option<SecretFile>,
        /// An ssh-agent: `true` for the one of SSH_AUTH_SOCK, or its socket.
        agent: Option<AgentFile>,
        /// The agent's key to use, `SHA256:…`. Default: its first ones.
        #[schemars(with = "Option<String>")]
        agent_key: Option<Lenient<Fingerprint>>,
        /// Responses to a keyboard-interactive sign-in, by a part of the prompt; the password answers a hidden one.
        keyboard_interactive (was answers): Option<Named<SecretFile>>,
        /// `SHA256:…` fingerprints, one or a list, as `reportferry trust DESTINATION` shows them.
        #[schemars(with = "Option<OneOrMore<String>>")]
        host_keys: Option<OneOrMore<Lenient<Fingerprint>>>,
        /// A known_hosts file, or several.
        known_hosts: Option<PathsFile>,
        proxy: Option<At<ProxyFile>>,
        jump: Option<At<JumpFile>>,
        algorithms: Option<AlgorithmsFile>,
        /// A keepalive is sent after this long without data. Default: none.
        keepalive: Option<Length>,
        /// Deliveries stay below this directory. Default: the directory after sign-in, with absolute paths unchanged.
        #[schemars(with = "Option<String>")]
        base: Option<Remote>,
        /// The directory of temporary files, below the base. Default: that of the final name.
        #[schemars(with = "Option<String>")]
        staging: Option<Remote>,
        /// By a temporary name and rename, or directly to the final name. Default: rename.
        publish: Option<Publish>,
        /// By the size, by reading the file back, or not at all (none), for servers that change files or report other
        /// sizes. Default: size.
        verify: Option<Verify>,
        /// Sync data to the server's disk before publishing, if the server offers it. Default: true.
        fsync: Option<bool>,
        /// Create missing directories. Default: false.
        mkdir: Option<bool>,
        /// Permissions to set: "0640".
        mode: Option<Mode>,
        /// Permissions of created directories: "0750". Default: those of `mode`, enterable by everyone who may read.
        dir_mode: Option<DirectoryMode>,
        /// Set the modification time to that of the slot, or of the artifact's creation. Default: the server's.
        mtime: Option<ModifiedTime>,
        /// Bytes of one write request. Default: 32000.
        write_bytes: Option<Whole<32_000, 255_000>>,
        /// Write requests in flight. Default: 128.
        in_flight: Option<Whole<1, 1_024>>,
        /// Bytes per second that one delivery may send. Default: unlimited.
        bandwidth: Option<Size>,
        /// Connections signed in at once. Default: 2.
        sessions: Option<Whole<1, 16>>,
        /// The time that an idle session is kept for the next delivery; 0s closes it after each. Default: 30s.
        keep_open: Option<Length>,
        /// Write a large file over several sessions at once: true for one of 16MiB or more, or the smallest size. Some
        /// servers forbid it. Default: false.
        parallel (was split): Option<At<ParallelFile>>,
        timeouts: Option<SftpTimeoutsFile>,
    }
}

crate::table! {
    pub struct SftpTimeoutsFile {
        /// Default: 20s.
        connect: Option<Length>,
        /// The longest time without an acknowledgement. Default: 60s.
        idle: Option<Length>,
        /// The longest rename, CLOSE or fsync: an object store copies. A rename refused because the file is open is retried
    /// this long. Default: 10m.
    rename: Option<Length>,
    }
}

crate::table! {
    pub struct LocalFile {
        /// Deliveries stay below this directory.
        path: At<String>,
        /// Create missing directories. Default: false.
        mkdir: Option<bool>,
        /// Permissions to set: "0640".
        mode: Option<Mode>,
        /// Permissions of created directories: "0750". Default: those of `mode`, enterable by everyone who may read.
        dir_mode: Option<DirectoryMode>,
        /// Set the modification time to that of the slot, or of the artifact's creation. Default: the time of writing.
        mtime: Option<ModifiedTime>,
    }
}

crate::words!(ModifiedTime { "slot" => ModifiedTime::Slot, "artifact" => ModifiedTime::Artifact });
crate::words!(Publish { "rename" => Publish::Rename, "direct" => Publish::Direct });
crate::words!(Verify { "size" => Verify::Size, "read_back" => Verify::ReadBack, "none" => Verify::None });

/// The smallest size of a file that is sent over several sessions.
pub struct ParallelFile(pub Option<u64>);

/// The meaning of `parallel: true`.
const SPLIT_BYTES: u64 = 16 << 20;

impl FromNode for ParallelFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match scalar(node, "`true`, `false` or a size", problems)?.0 {
            "true" => Some(ParallelFile(Some(SPLIT_BYTES))),
            "false" => Some(ParallelFile(None)),
            _ => Size::from_node(node, problems).map(|size| ParallelFile(Some(size.0))),
        }
    }
}

crate::schema_as!(ParallelFile, {
    "anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]+([KMG]iB)?$"}]
});

/// Permission bits in octal.
pub struct Mode(pub u32);

/// Parses permission bits up to `most`.
fn permissions(node: &Node, most: u32, example: &str, problems: &mut Vec<Problem>) -> Option<u32> {
    let (text, _) = scalar(node, "permissions", problems)?;
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if octal && mode <= most => Some(mode),
        _ => {
            let hint = format!("write them in octal, in quotes: `{example}`");
            problems.push(node.error(format!("{text:?} are not permissions")).hint(hint));
            None
        }
    }
}

impl FromNode for Mode {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        permissions(node, 0o777, "\"0640\"", problems).map(Mode)
    }
}

/// Permission bits of a directory in octal: `"2775"` passes its group on.
pub struct DirectoryMode(pub u32);

/// The owner's permissions that the account itself needs: to read, write and enter the directory.
const OWNER_BITS: u32 = 0o700;

impl FromNode for DirectoryMode {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let mode = permissions(node, 0o7777, "\"0750\"", problems)?;
        if mode & OWNER_BITS != OWNER_BITS {
            let problem =
                node.error(format!("with mode {mode:04o}, the account could not write into the directory itself"));
            problems.push(problem.hint(format!("write `\"{:04o}\"`: the owner needs 7", mode | OWNER_BITS)));
            return None;
        }
        Some(DirectoryMode(mode))
    }
}

crate::schema_as!(DirectoryMode, |generator| generator.subschema_for::<Mode>());

crate::schema_as!(Mode, {"anyOf": [{"type": "string", "pattern": "^(0o)?[0-7]{3,4}$"}, {"type": "integer"}]});

//! Destinations, as they are written in the settings file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::pickup::PickupFile;
use super::reach::{AgentFile, AlgorithmsFile, JumpFile, PathsFile, ProxyFile};
use super::secret::SecretFile;
use super::webhook::WebhookFile;
use super::{BackoffFile, Fingerprint, Host, Remote};
use crate::pipeline::problem::Problem;
use crate::pipeline::read::{At, FromNode, Named, OneOrMore, Part, scalar};
use crate::pipeline::scalars::{Length, Size, Whole};
use crate::pipeline::tree::Node;
use crate::settings::{ModifiedTime, Publish, Verify};

crate::table! {
    /// One place that artifacts go to: `sftp`, `webhook` or `local`.
    pub struct DestinationFile {
        /// A server's SFTP drop.
        sftp: Option<Part<SftpFile>>,
        /// A receiver of POST requests.
        webhook: Option<Part<Box<WebhookFile>>>,
        /// A folder of this machine.
        local: Option<Part<LocalFile>>,
        /// When failed deliveries are tried again. Default: 1s doubling to 15m, for 24h.
        retry: Option<At<BackoffFile>>,
        /// Files stay where they were delivered (none), their reader takes them away (moved), or writes a file beside them
        /// (ack_file), or the server takes them at once (immediate): then a file that is not there right after it was
        /// published is success. `{moved: {within: 4h}}` and `{ack_file: {name: "{name}.ack", within: 4h}}` say how long
        /// the reader has. Default: none.
        pickup: Option<At<PickupFile>>,
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
        /// An ssh-agent: `true` for the one that SSH_AUTH_SOCK names, or its socket.
        agent: Option<AgentFile>,
        /// The agent's key to use, `SHA256:…`. Default: its first ones.
        #[schemars(with = "Option<String>")]
        agent_key: Option<Part<Fingerprint>>,
        /// Answers of an interactive sign-in, by a part of the question; the password answers one hidden question.
        answers: Option<Named<SecretFile>>,
        /// `SHA256:…` fingerprints, one or a list, as `reportferry trust DESTINATION` shows them.
        #[schemars(with = "Option<OneOrMore<String>>")]
        host_keys: Option<OneOrMore<Part<Fingerprint>>>,
        /// A known_hosts file, or several.
        known_hosts: Option<PathsFile>,
        proxy: Option<At<ProxyFile>>,
        jump: Option<At<JumpFile>>,
        algorithms: Option<AlgorithmsFile>,
        /// A sign of life after this long without one. Default: none.
        keepalive: Option<Length>,
        /// Deliveries stay below this directory. Default: where sign-in leads, and absolute paths are taken as they are.
        #[schemars(with = "Option<String>")]
        base: Option<Remote>,
        /// Where the temporary file is written, below the base. Default: beside the final name.
        #[schemars(with = "Option<String>")]
        staging: Option<Remote>,
        /// By a temporary name and rename, or straight to the final name. Default: rename.
        publish: Option<Publish>,
        /// By the size, by reading the file back, or not at all (none), for servers that change files or report other
        /// sizes. Default: size.
        verify: Option<Verify>,
        /// Have data written through to the server's disk before it takes its name, where the server offers it.
        /// Default: true.
        fsync: Option<bool>,
        /// Make directories that are not there. Default: false.
        mkdir: Option<bool>,
        /// Permissions to set: "0640".
        mode: Option<Mode>,
        /// Permissions of directories that are made: "0750". Default: those of `mode`, and who may read may enter.
        dir_mode: Option<DirectoryMode>,
        /// Set the modification time to that of the slot, or of the artifact's making. Default: the server's.
        mtime: Option<ModifiedTime>,
        /// Bytes of one write request. Default: 32000.
        write_bytes: Option<Whole<32_000, 255_000>>,
        /// Write requests under way. Default: 128.
        in_flight: Option<Whole<1, 1_024>>,
        /// Bytes in a second that one delivery may send. Default: as many as the line takes.
        bandwidth: Option<Size>,
        /// Connections that are signed in at once. Default: 2.
        sessions: Option<Whole<1, 16>>,
        /// How long a session is kept for the next delivery; 0s closes it after each. Default: 30s.
        keep_open: Option<Length>,
        /// Write a large file over several sessions at once: true for one of 16MiB or more, or from which size on. Some
        /// servers forbid it. Default: false.
        split: Option<At<SplitFile>>,
        timeouts: Option<SftpTimeoutsFile>,
    }
}

crate::table! {
    pub struct SftpTimeoutsFile {
        /// Default: 20s.
        connect: Option<Length>,
        /// No acknowledgement for this long. Default: 60s.
        idle: Option<Length>,
        /// A rename, a CLOSE or a fsync may take so long: an object store copies. A rename that is refused because the file
        /// is held is repeated for so long. Default: 10m.
        rename: Option<Length>,
    }
}

crate::table! {
    pub struct LocalFile {
        /// Deliveries stay below this directory.
        path: At<String>,
        /// Make directories that are not there. Default: false.
        mkdir: Option<bool>,
        /// Permissions to set: "0640".
        mode: Option<Mode>,
        /// Permissions of directories that are made: "0750". Default: those of `mode`, and who may read may enter.
        dir_mode: Option<DirectoryMode>,
        /// Set the modification time to that of the slot, or of the artifact's making. Default: when it is written.
        mtime: Option<ModifiedTime>,
    }
}

crate::words!(ModifiedTime { "slot" => ModifiedTime::Slot, "artifact" => ModifiedTime::Artifact });
crate::words!(Publish { "rename" => Publish::Rename, "direct" => Publish::Direct });
crate::words!(Verify { "size" => Verify::Size, "read_back" => Verify::ReadBack, "none" => Verify::None });

/// From which size on a file is split.
pub struct SplitFile(pub Option<u64>);

/// What `split: true` means.
const SPLIT_BYTES: u64 = 16 << 20;

impl FromNode for SplitFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match scalar(node, "`true`, `false` or a size", problems)?.0 {
            "true" => Some(SplitFile(Some(SPLIT_BYTES))),
            "false" => Some(SplitFile(None)),
            _ => Size::from_node(node, problems).map(|size| SplitFile(Some(size.0))),
        }
    }
}

crate::schema_as!([] SplitFile, "Split", |_generator| json_schema!({
    "anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]+([KMG]iB)?$"}]
}));

/// Permission bits in octal.
pub struct Mode(pub u32);

/// Reads permission bits up to `most`.
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

/// Permission bits of a directory in octal: `"2775"` hands its group on.
pub struct DirectoryMode(pub u32);

/// What the account itself needs in a directory that it makes: to read, write and enter it.
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

impl JsonSchema for DirectoryMode {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "DirectoryMode".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Mode::json_schema(generator)
    }
}

impl JsonSchema for Mode {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string", "pattern": "^(0o)?[0-7]{3,4}$"}, {"type": "integer"}]})
    }
}

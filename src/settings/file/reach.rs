//! How an SSH server is reached, as it is written in the settings file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::secret::SecretFile;
use super::{Endpoint, Fingerprint, Host};
use crate::pipeline::problem::Problem;
use crate::pipeline::read::{At, FromNode, Named, OneOrMore, Part, scalar};
use crate::pipeline::scalars::Whole;
use crate::pipeline::tree::{Kind, Node};

crate::table! {
    /// `http` or `socks5`. The proxy looks up the server's name.
    pub struct ProxyFile {
        /// Host and port of an HTTP proxy that takes CONNECT.
        #[schemars(with = "Option<String>")]
        http: Option<At<Endpoint>>,
        /// Host and port of a SOCKS5 proxy.
        #[schemars(with = "Option<String>")]
        socks5: Option<At<Endpoint>>,
        username: Option<String>,
        password: Option<SecretFile>,
    }
}

crate::table! {
    /// A server that is signed in to first, and that makes the connection.
    pub struct JumpFile {
        #[schemars(with = "String")]
        host: Host,
        /// Default: 22.
        port: Option<Whole<1, 65_535>>,
        username: String,
        password: Option<SecretFile>,
        key: Option<SecretFile>,
        passphrase: Option<SecretFile>,
        agent: Option<AgentFile>,
        #[schemars(with = "Option<String>")]
        agent_key: Option<Part<Fingerprint>>,
        answers: Option<Named<SecretFile>>,
        #[schemars(with = "Option<OneOrMore<String>>")]
        host_keys: Option<OneOrMore<Part<Fingerprint>>>,
        known_hosts: Option<PathsFile>,
    }
}

crate::table! {
    /// What may be agreed on, best first.
    pub struct AlgorithmsFile {
        kex: Option<Vec<At<String>>>,
        host_key: Option<Vec<At<String>>>,
        cipher: Option<Vec<At<String>>>,
        mac: Option<Vec<At<String>>>,
    }
}

/// `true`, `false`, or the agent's socket.
pub enum AgentFile {
    No,
    Environment,
    Socket(String),
}

impl FromNode for AgentFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match scalar(node, "`true` or an agent's socket", problems)?.0 {
            "true" => Some(AgentFile::Environment),
            "false" => Some(AgentFile::No),
            path if path.contains('/') => Some(AgentFile::Socket(path.to_owned())),
            other => {
                let problem = node.error(format!("{other:?} is not an agent's socket"));
                let hint = "write `true` for the one that SSH_AUTH_SOCK names, or the path of a socket";
                problems.push(problem.hint(hint));
                None
            }
        }
    }
}

/// One path, or a list of them.
pub struct PathsFile(pub Vec<String>);

impl FromNode for PathsFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let listed = match &node.kind {
            Kind::List(_) => true,
            Kind::Scalar(scalar) => scalar.text.trim_start().starts_with('['),
            _ => false,
        };
        match listed {
            true => Vec::from_node(node, problems).map(PathsFile),
            false => scalar(node, "a path", problems).map(|(path, _)| PathsFile(vec![path.to_owned()])),
        }
    }
}

impl JsonSchema for AgentFile {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Agent".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["boolean", "string"]})
    }
}

impl JsonSchema for PathsFile {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Paths".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
    }
}

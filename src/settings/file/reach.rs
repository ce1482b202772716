//! Connections to SSH servers in the settings file.

use crate::settings::address::{Endpoint, Fingerprint, Host};
use crate::settings::secrets::SecretFile;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, Named, OneOrMore, scalar};
use crate::yaml::scalars::Whole;
use crate::yaml::tree::{Node, NodeKind};

crate::table! {
    /// `http` or `socks5`. The proxy resolves the server's name.
    pub struct ProxyFile {
        /// Host and port of an HTTP proxy with CONNECT.
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
    /// A server to sign in to first, which makes the connection.
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
        agent_key: Option<Lenient<Fingerprint>>,
        keyboard_interactive (was answers): Option<Named<SecretFile>>,
        #[schemars(with = "Option<OneOrMore<String>>")]
        host_keys: Option<OneOrMore<Lenient<Fingerprint>>>,
        known_hosts: Option<PathsFile>,
    }
}

crate::table! {
    /// Algorithms to negotiate, best first.
    pub struct AlgorithmsFile {
        kex: Option<OneOrMore<At<String>>>,
        host_key: Option<OneOrMore<At<String>>>,
        cipher: Option<OneOrMore<At<String>>>,
        mac: Option<OneOrMore<At<String>>>,
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
            NodeKind::List(_) => true,
            NodeKind::Scalar(scalar) => scalar.text.trim_start().starts_with('['),
            _ => false,
        };
        match listed {
            true => Vec::from_node(node, problems).map(PathsFile),
            false => scalar(node, "a path", problems).map(|(path, _)| PathsFile(vec![path.to_owned()])),
        }
    }
}

crate::schema_as!(AgentFile, {"type": ["boolean", "string"]});

crate::schema_as!(PathsFile, {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});

//! Connections and sign-in to SSH servers, as configured → as used.

use super::Check;
use crate::settings::address::{Endpoint, Fingerprint};
use crate::settings::file::reach::{AgentFile, AlgorithmsFile, JumpFile, PathsFile, ProxyFile};
use crate::settings::reach::agent_socket;
use crate::settings::secrets::SecretFile;
use crate::settings::{Proxy, Sftp};
use crate::ssh::{Agent, AgentSocket, AlgorithmKind, Algorithms, ProxyKind, has_accepted, supported};
use crate::yaml::problem::did_you_mean;
use crate::yaml::read::{At, Lenient, Named, OneOrMore};
use crate::yaml::tree::Origin;

/// All credentials that can be configured.
pub(super) struct Credentials {
    pub password: Option<SecretFile>,
    pub key: Option<SecretFile>,
    pub passphrase: Option<SecretFile>,
    pub agent: Option<AgentFile>,
    pub agent_key: Option<Lenient<Fingerprint>>,
    pub keyboard_interactive: Option<Named<SecretFile>>,
}

impl Check<'_> {
    pub(super) fn credentials(&mut self, at: &Origin, written: Credentials, sftp: &mut Sftp) {
        let has_agent = written.agent.as_ref().is_some_and(|agent| !matches!(agent, AgentFile::No));
        let responses = written.keyboard_interactive.map(|responses| responses.0).unwrap_or_default();
        if written.password.is_none() && written.key.is_none() && !has_agent && responses.is_empty() {
            let problem = at.error("there is neither a `password` nor a `key` to sign in with");
            self.problems
                .push(problem.hint("write `key: {file: PATH}`, `password: {env: NAME}` or `agent: true` below `sftp`"));
        }
        if written.passphrase.is_some() && written.key.is_none() {
            self.problems.push(at.error("there is a `passphrase` without a `key`"));
        }
        if written.agent_key.is_some() && !has_agent {
            self.problems.push(at.error("there is an `agent_key` without an `agent`").hint("write `agent: true`"));
        }
        let key = written.agent_key.and_then(|key| key.0).map(|key| key.0);
        sftp.agent = match written.agent {
            None | Some(AgentFile::No) => None,
            Some(AgentFile::Environment) => Some(Agent { socket: AgentSocket::Environment(agent_socket()), key }),
            Some(AgentFile::Socket(path)) => Some(Agent { socket: AgentSocket::Path(self.folder.join(path)), key }),
        };
        sftp.password = written.password.map(|secret| self.secret(secret));
        sftp.key = written.key.map(|written_key| {
            let at = written_key.origin.clone();
            let key = self.secret(written_key);
            self.keys.push((at, key.clone(), written.passphrase.is_some()));
            key
        });
        sftp.passphrase = written.passphrase.map(|secret| self.secret(secret));
        sftp.keyboard_interactive =
            responses.into_iter().map(|(key, secret)| (key.text.to_lowercase(), self.secret(secret))).collect();
    }

    /// Collects the host keys of a server. Warns if there are none yet.
    pub(super) fn host_keys(
        &mut self,
        at: &Origin,
        pins: Option<OneOrMore<Lenient<Fingerprint>>>,
        files: Option<PathsFile>,
        sftp: &mut Sftp,
    ) {
        let given = pins.is_some() || files.is_some();
        sftp.host_keys =
            pins.map(|pins| pins.0).unwrap_or_default().into_iter().filter_map(|pin| pin.0).map(|pin| pin.0).collect();
        sftp.known_hosts =
            files.map(|files| files.0).unwrap_or_default().iter().map(|path| self.folder.join(path)).collect();
        sftp.accepted = self.accepted.clone();
        let known = sftp.accepted.as_ref().is_some_and(|file| has_accepted(file, &sftp.endpoint()));
        if !given && !known {
            let problem = at.warning("no host key accepted for this server yet: its deliveries will be blocked");
            self.problems.push(problem.hint(format!(
                "`reportferry trust {}` shows the server's keys: compare a fingerprint with the one that its administrator gives you, then `--accept` it",
                sftp.name
            )));
        }
    }

    pub(super) fn proxy(&mut self, written: At<ProxyFile>) -> Option<Proxy> {
        let At { value: ProxyFile { http, socks5, username, password }, origin } = written;
        let (kind, Endpoint((host, port))) = match (http, socks5) {
            (Some(http), None) => (ProxyKind::Http, http.value),
            (None, Some(socks5)) => (ProxyKind::Socks5, socks5.value),
            (Some(_), Some(socks5)) => {
                let problem = socks5.origin.error("`http` and `socks5` are mutually exclusive");
                self.problems.push(problem.hint("keep one of them"));
                return None;
            }
            (None, None) => {
                let problem = origin.error("missing: the kind of proxy");
                self.problems.push(problem.hint("write `http: HOST:PORT` or `socks5: HOST:PORT`"));
                return None;
            }
        };
        if username.is_some() != password.is_some() {
            let problem = origin.error("a proxy's `username` and `password` belong together");
            self.problems.push(problem.hint("write both, or neither"));
        }
        if username.as_ref().is_some_and(|name| name.len() > 255 || name.contains(':') && kind == ProxyKind::Http) {
            let what = "this user name cannot be sent to the proxy";
            self.problems.push(origin.error(what).hint("it has up to 255 bytes, and no `:` for an HTTP proxy"));
        }
        Some(Proxy { kind, host, port, username, password: password.map(|secret| self.secret(secret)) })
    }

    pub(super) fn jump(&mut self, name: &str, written: At<JumpFile>) -> Sftp {
        let At { value: written, origin } = written;
        let port = written.port.and_then(|port| u16::try_from(port.0).ok()).unwrap_or(22);
        let mut jump = Sftp::new(&format!("{name} --jump"), &written.host.0, port, &written.username);
        let credentials = Credentials {
            password: written.password,
            key: written.key,
            passphrase: written.passphrase,
            agent: written.agent,
            agent_key: written.agent_key,
            keyboard_interactive: written.keyboard_interactive,
        };
        self.credentials(&origin, credentials, &mut jump);
        self.host_keys(&origin, written.host_keys, written.known_hosts, &mut jump);
        jump
    }

    pub(super) fn algorithms(&mut self, written: AlgorithmsFile) -> Algorithms {
        Algorithms {
            kex: self.names(written.kex, AlgorithmKind::Kex),
            host_key: self.names(written.host_key, AlgorithmKind::HostKey),
            cipher: self.names(written.cipher, AlgorithmKind::Cipher),
            mac: self.names(written.mac, AlgorithmKind::Mac),
        }
    }

    fn names(&mut self, written: Option<OneOrMore<At<String>>>, of: AlgorithmKind) -> Vec<String> {
        let known = supported(of);
        let mut names = Vec::new();
        for At { value, origin } in written.map(|names| names.0).unwrap_or_default() {
            if known.contains(&value) {
                names.push(value);
                continue;
            }
            let hint = did_you_mean(&value, known.iter().map(String::as_str));
            let hint = hint.unwrap_or_else(|| format!("{} are known here", known.join(", ")));
            self.problems.push(origin.error(format!("{value:?} is not a known {}", of.name())).hint(hint));
        }
        names
    }
}

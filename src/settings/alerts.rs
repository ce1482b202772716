//! Who is told when something happens that a person must hear of.

use std::collections::BTreeMap;

use super::SecretRef;

/// What may happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKind {
    /// It failed, or a destination rejected it.
    Failed,
    Held,
    /// Its pipeline's `expected_by` has passed.
    Late,
    /// It was delivered, and its reader has not picked it up in time.
    Uncollected,
    /// Its pipeline delivers again, or its reader has picked it up after all.
    Recovered,
}

impl AlertKind {
    pub const ALL: [Self; 5] = [Self::Failed, Self::Held, Self::Late, Self::Uncollected, Self::Recovered];

    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Late => "late",
            Self::Uncollected => "uncollected",
            Self::Recovered => "recovered",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The channels, and what they carry where a pipeline says nothing else.
pub struct Alerts {
    pub on: Vec<AlertKind>,
    /// More than these at once to one channel are told in one message.
    pub most: usize,
    pub channels: BTreeMap<String, Channel>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { on: AlertKind::ALL.to_vec(), most: 20, channels: BTreeMap::new() }
    }
}

pub enum Channel {
    /// An incoming webhook of Slack, or of what speaks like it. Whoever knows the address may write there.
    Slack(SecretRef),
    /// A JSON document by POST.
    Webhook(SecretRef),
    Email(Box<Email>),
}

pub struct Email {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    pub username: Option<String>,
    pub password: Option<SecretRef>,
    pub from: String,
    /// At least one.
    pub to: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// TLS after STARTTLS (RFC 3207), and nothing without it.
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// In the clear: to loopback addresses only.
    None,
}

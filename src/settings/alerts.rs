//! Alerts: their events and channels, as configured and as used.

use std::collections::BTreeMap;

use super::SecretRef;
use super::address::Host;
use super::secrets::SecretFile;
use crate::yaml::read::{At, Lenient, Named, OneOrMore};
use crate::yaml::scalars::Whole;

/// Events of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKind {
    /// It failed, or a destination rejected it.
    Failed,
    Held,
    /// A delivery that it requires waits for a fix by a person.
    Blocked,
    /// Its pipeline's `expected_by` has passed.
    Late,
    /// It was delivered, and its reader has not picked it up in time.
    PickupOverdue,
    /// Its pipeline delivers again, or its reader has picked it up after all.
    Recovered,
}

impl AlertKind {
    pub const ALL: [Self; 6] =
        [Self::Failed, Self::Held, Self::Blocked, Self::Late, Self::PickupOverdue, Self::Recovered];

    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Blocked => "blocked",
            Self::Late => "late",
            Self::PickupOverdue => "pickup_overdue",
            Self::Recovered => "recovered",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The channels, and the default events of a pipeline.
pub struct Alerts {
    pub on: Vec<AlertKind>,
    /// More alerts than this to one channel are combined into one message.
    pub max_per_message: usize,
    pub channels: BTreeMap<String, Channel>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { on: AlertKind::ALL.to_vec(), max_per_message: 20, channels: BTreeMap::new() }
    }
}

pub enum Channel {
    /// An incoming webhook of Slack or a compatible service. Its address is a secret: anyone who knows it can post.
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
    /// TLS after STARTTLS (RFC 3207), which is required.
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// Unencrypted: to loopback addresses only.
    None,
}

crate::table! {
    /// Alerts: their events and channels.
    pub struct AlertsFile {
        /// Default: failed, held, blocked, late, pickup_overdue, recovered.
        on: Option<OneOrMore<AlertKind>>,
        /// More alerts than this to one channel are combined into one message. Default: 20.
        max_per_message (was most): Option<Whole<1, 1_000>>,
        /// Channels of alerts, by name.
        channels: Option<Lenient<Named<Lenient<At<ChannelFile>>>>>,
    }
}

crate::kinds! {
    pub enum ChannelFile {
        /// An incoming webhook of Slack or a compatible service. Its address is a secret.
        Slack = "slack": SecretFile,
        /// A JSON document by POST. The address is a secret.
        Webhook = "webhook": SecretFile,
        Email = "email": Box<EmailFile>,
    }
}

crate::table! {
    pub struct EmailFile {
        /// The mail server's name.
        #[schemars(with = "String")]
        host: Host,
        /// Default: 587, with `tls: tls` 465.
        port: Option<Whole<1, 65_535>>,
        /// Default: starttls.
        tls: Option<MailTls>,
        username: Option<String>,
        password: Option<SecretFile>,
        /// The sender: `reportferry@acme.example`.
        from: At<String>,
        to: At<OneOrMore<At<String>>>,
    }
}

crate::table! {
    /// The alerts of this pipeline, which override the settings'.
    pub struct PipelineAlertsFile {
        /// failed, held, blocked, late, pickup_overdue, recovered; an empty list disables alerts.
        on: Option<OneOrMore<AlertKind>>,
        /// Names of channels in the settings.
        channels: Option<OneOrMore<At<String>>>,
    }
}

crate::words!(AlertKind {
    "failed" => AlertKind::Failed, "held" => AlertKind::Held, "blocked" => AlertKind::Blocked, "late" => AlertKind::Late,
    "pickup_overdue" (was "uncollected") => AlertKind::PickupOverdue, "recovered" => AlertKind::Recovered,
});
crate::words!(MailTls { "starttls" => MailTls::StartTls, "tls" => MailTls::Tls, "none" => MailTls::None });

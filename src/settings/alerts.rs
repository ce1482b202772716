//! Alerts: their events and channels, as configured and as used.

use std::collections::BTreeMap;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::address::Host;
use super::egress::{AddressWord, WebProxyFile};
use super::secrets::{SecretFile, SecretPlace, forget_all};
use super::{Egress, SecretRef};
use crate::http::address_guard::AllowAddresses;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, Named, OneOrMore};
use crate::yaml::scalars::{Length, Whole};
use crate::yaml::tree::{Node, NodeKind};

/// The time after which a delivery that is not done sends an alert, unless another is set.
const ALERT_AFTER: Duration = Duration::from_secs(3_600);

/// The time after which a delivery that is not done sends an alert, where it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertAfter(Option<Option<Duration>>);

impl AlertAfter {
    /// Returns the time, by default one hour; `None` if there is no alert.
    pub(super) fn or_default(self) -> Option<Duration> {
        self.0.unwrap_or(Some(ALERT_AFTER))
    }

    /// Returns the time, by default `other`.
    pub(crate) fn or(self, other: Option<Duration>) -> Option<Duration> {
        self.0.unwrap_or(other)
    }
}

impl FromNode for AlertAfter {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            NodeKind::Null => Some(Self(Some(None))),
            NodeKind::Scalar(scalar) if matches!(scalar.text.as_str(), "0" | "null" | "") => Some(Self(Some(None))),
            _ => Length::from_node(node, problems).map(|Length(after)| Self(Some((!after.is_zero()).then_some(after)))),
        }
    }

    fn missing(_: &Node, _: &str, _: &mut Vec<Problem>) -> Option<Self> {
        Some(Self(None))
    }
}

crate::schema_as!(AlertAfter, |generator| {
    let length = generator.subschema_for::<Length>();
    schemars::json_schema!({"anyOf": [length, {"enum": [0, null]}]})
});

/// Events of a run or a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKind {
    /// It failed, or a destination rejected it.
    Failed,
    Held,
    /// A delivery that it requires waits for a fix by a person.
    Blocked,
    /// Its pipeline's `expected_by` has passed.
    Late,
    /// A delivery is not done `alert_after` its artifact was, or the artifact not `alert_after` its slot was due.
    NotDelivered,
    /// It was delivered, and its reader has not picked it up in time.
    PickupOverdue,
    /// The pipeline's file cannot be used.
    PipelineInvalid,
    /// What a tenant's account can reach has changed.
    ScopeChanged,
    /// Its pipeline delivers again, its reader has picked it up after all, or its file can be used again.
    Recovered,
}

impl AlertKind {
    pub const ALL: [Self; 9] = [
        Self::Failed,
        Self::Held,
        Self::Blocked,
        Self::Late,
        Self::NotDelivered,
        Self::PickupOverdue,
        Self::PipelineInvalid,
        Self::ScopeChanged,
        Self::Recovered,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Blocked => "blocked",
            Self::Late => "late",
            Self::NotDelivered => "not_delivered",
            Self::PickupOverdue => "pickup_overdue",
            Self::PipelineInvalid => "pipeline_invalid",
            Self::ScopeChanged => "scope_changed",
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
    pub channels: BTreeMap<String, Arc<Channel>>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { on: AlertKind::ALL.to_vec(), max_per_message: 20, channels: BTreeMap::new() }
    }
}

pub enum Channel {
    /// An incoming webhook of Slack or a compatible service. Its address is a secret: anyone who knows it can post.
    Slack(HttpChannel),
    /// A JSON document by POST.
    Webhook(HttpChannel),
    Email(Box<Email>),
}

impl Channel {
    /// Drops what the commands of its secrets printed, because the channel refused it.
    pub fn forget_secrets(&self) {
        let secrets: Vec<&SecretRef> = match self {
            Self::Slack(channel) | Self::Webhook(channel) => {
                [&channel.url].into_iter().chain(channel.egress.secret()).collect()
            }
            Self::Email(email) => email.password.iter().collect(),
        };
        forget_all(secrets, Instant::now());
    }
}

/// An address that takes POST requests.
pub struct HttpChannel {
    pub url: SecretRef,
    pub egress: Egress,
    pub allow: AllowAddresses,
}

pub struct Email {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    /// Certificates (PEM) that replace the system's.
    pub ca: Option<PathBuf>,
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
        /// Default: failed, held, blocked, late, not_delivered, pickup_overdue, pipeline_invalid, scope_changed, recovered.
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
        Slack = "slack": HttpChannelFile,
        /// A JSON document by POST. The address is a secret.
        Webhook = "webhook": HttpChannelFile,
        Email = "email": Box<EmailFile>,
    }
}

crate::table! {
    pub struct HttpChannelTable {
        /// The address, a secret.
        url: SecretFile,
        /// Certificates (PEM) that replace the system's.
        ca: Option<String>,
        proxy: Option<WebProxyFile>,
        /// Addresses that are allowed although they are refused by default: private, loopback, link_local.
        allow: Option<OneOrMore<AddressWord>>,
    }
}

/// The address, or a table with it.
pub struct HttpChannelFile(pub HttpChannelTable);

impl FromNode for HttpChannelFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        // `{env: NAME}` and `{file: PATH}` are the address itself.
        let is_table = match &node.kind {
            NodeKind::Table(entries) => !entries.iter().all(|(key, _)| SecretPlace::KEYS.contains(&key.text.as_str())),
            _ => false,
        };
        if is_table {
            return HttpChannelTable::from_node(node, problems).map(Self);
        }
        let url = SecretFile::from_node(node, problems)?;
        Some(Self(HttpChannelTable { url, ca: None, proxy: None, allow: None }))
    }
}

crate::schema_as!(HttpChannelFile, |generator| {
    let (url, table) = (generator.subschema_for::<SecretFile>(), generator.subschema_for::<HttpChannelTable>());
    schemars::json_schema!({"anyOf": [url, table]})
});

crate::table! {
    pub struct EmailFile {
        /// The mail server's name.
        #[schemars(with = "String")]
        host: Host,
        /// Default: 587, with `tls: tls` 465.
        port: Option<Whole<1, 65_535>>,
        /// Default: starttls.
        tls: Option<MailTls>,
        /// Certificates (PEM) that replace the system's.
        ca: Option<String>,
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
        /// failed, held, blocked, late, not_delivered, pickup_overdue, pipeline_invalid, recovered; an empty list disables
        /// alerts.
        on: Option<OneOrMore<AlertKind>>,
        /// The time after which a delivery that is not done sends an alert; 0 for none. Default: the destination's.
        #[schemars(with = "Option<AlertAfter>")]
        alert_after: AlertAfter,
        /// Names of channels in the settings.
        channels: Option<OneOrMore<At<String>>>,
    }
}

crate::words!(AlertKind {
    "failed" => AlertKind::Failed, "held" => AlertKind::Held, "blocked" => AlertKind::Blocked, "late" => AlertKind::Late,
    "not_delivered" => AlertKind::NotDelivered, "pipeline_invalid" => AlertKind::PipelineInvalid,
    "pickup_overdue" (was "uncollected") => AlertKind::PickupOverdue, "scope_changed" => AlertKind::ScopeChanged,
    "recovered" => AlertKind::Recovered,
});
crate::words!(MailTls { "starttls" => MailTls::StartTls, "tls" => MailTls::Tls, "none" => MailTls::None });

//! Alerts, as they are written in the settings file and in pipeline files.

use super::Host;
use super::secret::SecretFile;
use crate::pipeline::read::{At, Named, Part};
use crate::pipeline::scalars::Whole;
use crate::settings::{AlertKind, MailTls};

crate::table! {
    /// Who is told when something happens that a person must hear of.
    pub struct AlertsFile {
        /// Default: failed, held, late, uncollected, recovered.
        on: Option<Vec<AlertKind>>,
        /// More than these at once to one channel are told in one message. Default: 20.
        most: Option<Whole<1, 1_000>>,
        /// Where alerts go, by name.
        channels: Option<Part<Named<Part<At<ChannelFile>>>>>,
    }
}

crate::kinds! {
    pub enum ChannelFile {
        /// An incoming webhook of Slack, or of what speaks like it. Its address is a secret.
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
        to: At<Vec<At<String>>>,
    }
}

crate::table! {
    /// What is told of this pipeline, and where, in the place of what the settings say.
    pub struct PipelineAlertsFile {
        /// failed, held, late, uncollected, recovered; an empty list is silence.
        on: Option<Vec<AlertKind>>,
        /// Channels of the settings.
        channels: Option<Vec<At<String>>>,
    }
}

crate::words!(AlertKind {
    "failed" => AlertKind::Failed, "held" => AlertKind::Held, "late" => AlertKind::Late,
    "uncollected" => AlertKind::Uncollected, "recovered" => AlertKind::Recovered,
});
crate::words!(MailTls { "starttls" => MailTls::StartTls, "tls" => MailTls::Tls, "none" => MailTls::None });

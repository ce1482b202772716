//! Alerts as configured → alerts as used.

use std::sync::Arc;

use super::Check;
use crate::settings::alerts::{AlertsFile, ChannelFile, EmailFile, HttpChannelFile};
use crate::settings::egress::allowed;
use crate::settings::{Alerts, Channel, Email, HttpChannel, MailTls};
use crate::yaml::read::At;
use crate::yaml::tree::Origin;

impl Check<'_> {
    pub(super) fn alerts(&mut self, written: Option<AlertsFile>) -> Alerts {
        let defaults = Alerts::default();
        let Some(written) = written else { return defaults };
        Alerts {
            on: written.on.map_or(defaults.on, |on| on.0),
            max_per_message: written.max_per_message.map_or(defaults.max_per_message, Into::into),
            channels: self.named("channel", written.channels, |check, _, channel| check.channel(channel).map(Arc::new)),
        }
    }

    fn channel(&mut self, At { value, origin }: At<ChannelFile>) -> Option<Channel> {
        match value {
            ChannelFile::Slack(address) => Some(Channel::Slack(self.http_channel(address))),
            ChannelFile::Webhook(address) => Some(Channel::Webhook(self.http_channel(address))),
            ChannelFile::Email(email) => self.email(*email, &origin).map(|email| Channel::Email(Box::new(email))),
        }
    }

    fn http_channel(&mut self, HttpChannelFile(written): HttpChannelFile) -> HttpChannel {
        HttpChannel {
            url: self.secret(written.url),
            egress: self.egress(written.ca, written.proxy),
            allow: allowed(written.allow),
        }
    }

    fn email(&mut self, written: EmailFile, origin: &Origin) -> Option<Email> {
        let tls = written.tls.unwrap_or(MailTls::StartTls);
        let host = written.host.0;
        let loopback =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if tls == MailTls::None && !loopback {
            let problem = origin.error("mail would cross the network unencrypted");
            self.problems.push(problem.hint("write `tls: starttls` or `tls: tls`; `none` is for loopback addresses"));
        }
        if written.username.is_some() != written.password.is_some() {
            self.problems
                .push(origin.error("`username` and `password` belong together").hint("write both, or neither"));
        }
        if written.to.value.0.is_empty() {
            self.problems.push(written.to.origin.error("no recipient is set").hint("write at least one address"));
        }
        for address in written.to.value.0.iter().chain([&written.from]) {
            let parts = address.value.split_once('@');
            if address.value.contains(['\r', '\n', ' ', ','])
                || !parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
            {
                let problem = address.origin.error(format!("{:?} is not an e-mail address", address.value));
                self.problems.push(problem.hint("write one address: `ops@acme.example`"));
            }
        }
        Some(Email {
            port: written.port.map_or(if tls == MailTls::Tls { 465 } else { 587 }, Into::into),
            host,
            tls,
            ca: written.ca.map(|path| self.folder.join(path)),
            username: written.username,
            password: written.password.map(|secret| self.secret(secret)),
            from: written.from.value,
            to: written.to.value.0.into_iter().map(|address| address.value).collect(),
        })
    }
}

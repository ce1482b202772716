//! Sends one message over one channel: an HTTP POST or a mail.

use std::sync::Arc;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use reqwest::Url;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::Message;
use crate::http::address_guard::{Refused, admit_url};
use crate::http::{EgressError, find, pem};
use crate::settings::{Channel, Email, HttpChannel, MailTls, SecretError, read_blocking};

/// Timeout of one send; a later one tries again.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Errors of sending a message. Webhook addresses are secrets and never part of the text.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("the channel's secret cannot be read: {0}")]
    Secret(#[from] SecretError),
    #[error("{0}")]
    Address(String),
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("cannot prepare to send: {0}")]
    Client(String),
    #[error("the channel does not answer: {0}")]
    Retryable(String),
    #[error("the channel responded {status}")]
    Refused {
        status: u16,
        /// `Retry-After`, in seconds.
        wait: Option<Duration>,
    },
    #[error("the mail server says: {answer}")]
    Mail { code: u16, answer: String },
    #[error("this is not an e-mail address: {0}")]
    Mailbox(String),
}

impl ChannelError {
    /// Returns true if the next message would fail the same way, so that it is not tried now.
    pub(super) fn affects_channel(&self) -> bool {
        match self {
            Self::Secret(_) | Self::Address(_) | Self::Egress(_) | Self::Client(_) | Self::Retryable(_) => true,
            Self::Refused { status, .. } => matches!(status, 401 | 403 | 404 | 410 | 429 | 500..),
            // Busy or sign-in refused: a try for each message could lock the account.
            Self::Mail { code, .. } => matches!(code, 400..500 | 530 | 534 | 535 | 538),
            Self::Mailbox(_) => false,
        }
    }

    /// The wait that the channel asked for.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Refused { wait, .. } => *wait,
            _ => None,
        }
    }
}

/// A channel with its secrets read.
pub enum ChannelSender {
    Post { url: Url, client: reqwest::Client, slack: bool },
    Mail { mailer: AsyncSmtpTransport<Tokio1Executor>, from: String, to: Vec<String> },
}

impl ChannelSender {
    /// Reads the channel's secrets and certificates, on a thread that may block.
    ///
    /// # Errors
    /// A secret cannot be read, or does not have the expected form.
    pub async fn open(channel: &Arc<Channel>) -> Result<Self, ChannelError> {
        let channel = channel.clone();
        let open = move || match &*channel {
            Channel::Slack(channel) => post(channel, true),
            Channel::Webhook(channel) => post(channel, false),
            Channel::Email(email) => {
                Ok(Self::Mail { mailer: mailer(email)?, from: email.from.clone(), to: email.to.clone() })
            }
        };
        read_blocking(open).await
    }

    /// Sends one message and returns the channel's response in short.
    ///
    /// # Errors
    /// It did not arrive, as far as is known.
    pub async fn send(&self, message: &Message) -> Result<String, ChannelError> {
        match self {
            Self::Post { url, client, slack } => {
                let body =
                    if *slack { serde_json::json!({"text": plain(&message.text)}) } else { message.document.clone() };
                let request =
                    client.post(url.clone()).header("content-type", "application/json").body(body.to_string());
                let answer = request.send().await.map_err(unanswered)?;
                match answer.status().as_u16() {
                    status @ 200..300 => Ok(format!("{status}")),
                    status => Err(ChannelError::Refused { status, wait: wait(answer.headers()) }),
                }
            }
            Self::Mail { mailer, from, to } => {
                let mailbox = |address: &str| address.parse().map_err(|_| ChannelError::Mailbox(address.to_owned()));
                let mut mail = lettre::Message::builder().from(mailbox(from)?);
                for to in to {
                    mail = mail.to(mailbox(to)?);
                }
                let mail = mail
                    .subject(format!("[reportferry] {}", message.subject))
                    .header(ContentType::TEXT_PLAIN)
                    .body(format!("{}\n", message.text))
                    .map_err(|error| ChannelError::Client(error.to_string()))?;
                let sent = tokio::time::timeout(TIMEOUT, mailer.send(mail)).await;
                let sent = sent.map_err(|_| ChannelError::Retryable(format!("nothing for {TIMEOUT:?}")))?;
                let answer = sent.map_err(|error| match error.status().map(u16::from) {
                    Some(code) => ChannelError::Mail { code, answer: error.to_string() },
                    None => ChannelError::Retryable(error.to_string()),
                })?;
                Ok(answer.code().to_string())
            }
        }
    }
}

/// Escapes the three characters with which Slack marks links and mentions
/// (<https://docs.slack.dev/messaging/formatting-message-text>).
fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn wait(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

fn post(channel: &HttpChannel, slack: bool) -> Result<ChannelSender, ChannelError> {
    let address = |what: &str| ChannelError::Address(what.to_owned());
    let url = Url::parse(channel.url.read()?.expose()).map_err(|_| address("the secret holds no address"))?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err(address("the channel's address must begin with https://"));
    }
    if channel.egress.proxy.is_none() {
        admit_url(&url, channel.allow).map_err(|refused| ChannelError::Address(refused.to_string()))?;
    }
    let client = channel.egress.read()?.client(Some(channel.allow))?;
    let client = client.timeout(TIMEOUT).build().map_err(|error| ChannelError::Client(cause(error)))?;
    Ok(ChannelSender::Post { url, client, slack })
}

fn mailer(email: &Email) -> Result<AsyncSmtpTransport<Tokio1Executor>, ChannelError> {
    type Mailer = AsyncSmtpTransport<Tokio1Executor>;
    let builder = Mailer::builder_dangerous(&email.host).port(email.port).timeout(Some(TIMEOUT)).tls(match email.tls {
        MailTls::StartTls => Tls::Required(tls(email)?),
        MailTls::Tls => Tls::Wrapper(tls(email)?),
        MailTls::None => Tls::None,
    });
    Ok(match (&email.username, &email.password) {
        (Some(username), Some(password)) => {
            builder.credentials(Credentials::new(username.clone(), password.read()?.expose().to_owned())).build()
        }
        _ => builder.build(),
    })
}

fn tls(email: &Email) -> Result<TlsParameters, ChannelError> {
    let failed = |error: lettre::transport::smtp::Error| ChannelError::Client(error.to_string());
    let mut builder = TlsParameters::builder(email.host.clone());
    if let Some(path) = &email.ca {
        let none = |reason: String| EgressError::NoCertificate { path: path.clone(), reason };
        let certificate = Certificate::from_pem(&pem(path)?).map_err(|error| none(error.to_string()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(failed)
}

fn unanswered(error: reqwest::Error) -> ChannelError {
    if let Some(refused) = find::<Refused>(&error) {
        return ChannelError::Address(refused.to_string());
    }
    match crate::tls::explain(&error, false) {
        Some(failure) => ChannelError::Retryable(failure.about("the channel")),
        None => ChannelError::Retryable(cause(error)),
    }
}

/// Returns the failure without the address.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut source: &dyn std::error::Error = &error;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    source.to_string()
}

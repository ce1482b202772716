//! Messages that do not pass through the ledger: it may be what they are about. They are not sent again after a restart.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{ChannelError, ChannelSender, Message, RETRY};
use crate::attempt::Next;
use crate::clock::Clock;
use crate::measure;
use crate::settings::{Channel, Settings};

/// Sends one message to all channels of the settings, and tries again as alerts are, until `stop`.
pub async fn send_directly(settings: Arc<Settings>, message: Message, stop: CancellationToken) {
    let sends = settings.alerts.channels.iter().map(|(name, channel)| send(name, channel, &message));
    tokio::select! {
        () = stop.cancelled() => {}
        _ = futures_util::future::join_all(sends) => {}
    }
}

async fn send(name: &str, channel: &Arc<Channel>, message: &Message) {
    let clock = Clock::System;
    let since = clock.now();
    for failed in 1.. {
        let Err(error) = attempt(channel, message).await else {
            tracing::info!(channel = name, subject = message.subject, "alert sent");
            return measure::alerts(name, "sent", 1);
        };
        let (now, reason) = (clock.now(), error.to_string());
        if failed == 1 {
            tracing::warn!(channel = name, reason, subject = message.subject, "alert not sent, will retry");
        }
        match RETRY.next(now, since, failed, error.wait()) {
            Next::At(due) => clock.sleep(due.duration_since(now).try_into().unwrap_or_default()).await,
            Next::End => {
                tracing::error!(channel = name, reason, subject = message.subject, "alert dropped");
                return measure::alerts(name, "given_up", 1);
            }
        }
    }
}

async fn attempt(channel: &Arc<Channel>, message: &Message) -> Result<(), ChannelError> {
    let sent = match ChannelSender::open(channel).await {
        Ok(sender) => sender.send(message).await.map(drop),
        Err(error) => Err(error),
    };
    if sent.as_ref().is_err_and(ChannelError::affects_channel) {
        channel.forget_secrets();
    }
    sent
}

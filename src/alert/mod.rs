//! Events that a person must hear of: found in the ledger, told once each, however often the process dies.

/// One message over one channel.
mod channel;
/// Alerts in words.
mod words;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Backoff, Next};
use crate::clock::Clock;
use crate::ledger::{Alert, AlertSend, Ledger, LedgerError, Sent};
use crate::pipeline::plan::{AlertPlan, Plan};
use crate::settings::Settings;

pub use channel::{Carrier, ChannelError};
pub use words::Message;

/// How often the ledger is asked what happened.
const ROUND: Duration = Duration::from_secs(5);
/// What happened longer ago is not news: a worker that comes back after a week does not tell the week.
const NEWS: SignedDuration = SignedDuration::from_hours(24);
/// When a channel that does not answer is tried again.
const RETRY: Backoff =
    Backoff { first: Duration::from_secs(5), max: Duration::from_secs(900), within: Duration::from_secs(86_400) };

/// What the pipelines say of alerts. Clones share it.
#[derive(Clone, Default)]
pub struct Rules(Arc<RwLock<HashMap<String, AlertPlan>>>);

impl Rules {
    /// Takes up what these plans say, in the place of what was said before.
    pub fn take<'a>(&self, plans: impl Iterator<Item = &'a Arc<Plan>>) {
        let rules = plans.filter_map(|plan| Some((plan.name.clone(), plan.alerts.clone()?))).collect();
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = rules;
    }

    /// The channels that are to carry the alert.
    fn carriers(&self, alert: &Alert, settings: &Settings) -> Vec<String> {
        let rules = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let rule = rules.get(&alert.pipeline);
        let on = rule.map_or(&settings.alerts.on, |rule| &rule.on);
        match (on.contains(&alert.kind), rule) {
            (false, _) => Vec::new(),
            (true, Some(rule)) => rule.channels.clone(),
            (true, None) => settings.alerts.channels.keys().cloned().collect(),
        }
    }
}

/// Tells what happens.
pub struct Alerts {
    settings: Arc<Settings>,
    ledger: Ledger,
    clock: Clock,
    rules: Rules,
}

impl Alerts {
    pub fn new(settings: Arc<Settings>, ledger: Ledger, clock: Clock, rules: Rules) -> Self {
        Self { settings, ledger, clock, rules }
    }

    /// Goes round until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(reason = error.to_string(), "alerts wait for the ledger");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(ROUND) => {}
            }
        }
    }

    /// Finds what happened, and sends what is due.
    ///
    /// # Errors
    /// The ledger cannot be used.
    pub async fn round(&self) -> Result<(), LedgerError> {
        let since = self.clock.now().saturating_sub(NEWS).unwrap_or(Timestamp::MIN);
        self.ledger.find_alerts(since.as_millisecond(), |alert| self.rules.carriers(alert, &self.settings)).await?;
        let mut by_channel: BTreeMap<String, Vec<AlertSend>> = BTreeMap::new();
        for send in self.ledger.due_alerts().await? {
            by_channel.entry(send.channel.clone()).or_default().push(send);
        }
        for (channel, sends) in by_channel {
            self.send(&channel, sends).await?;
        }
        Ok(())
    }

    async fn send(&self, channel: &str, sends: Vec<AlertSend>) -> Result<(), LedgerError> {
        let Some(target) = self.settings.alerts.channels.get(channel) else {
            let reason = "the settings have no such channel any more".to_owned();
            return self.ledger.note_sent(&sends, &Sent::GivenUp { reason }).await;
        };
        let messages: Vec<(Message, Vec<AlertSend>)> = match sends.len() > self.settings.alerts.most {
            true => vec![(Message::summary(&sends), sends)],
            false => sends.into_iter().map(|send| (Message::of(&send.alert), vec![send])).collect(),
        };
        let carrier = match Carrier::new(target) {
            Ok(carrier) => carrier,
            Err(error) => {
                return self.put_off(channel, messages.into_iter().flat_map(|(_, sends)| sends), &error).await;
            }
        };
        for (message, sends) in messages {
            match carrier.carry(&message).await {
                Ok(_) => {
                    tracing::info!(channel, alerts = sends.len(), subject = message.subject, "told");
                    self.ledger.note_sent(&sends, &Sent::Done).await?;
                }
                Err(error) => self.put_off(channel, sends.into_iter(), &error).await?,
            }
        }
        Ok(())
    }

    async fn put_off(
        &self,
        channel: &str,
        sends: impl Iterator<Item = AlertSend>,
        error: &ChannelError,
    ) -> Result<(), LedgerError> {
        let reason = error.to_string();
        for send in sends {
            let since = Timestamp::from_millisecond(send.since_ms).unwrap_or(self.clock.now());
            let sent = match RETRY.next(self.clock.now(), since, send.attempts + 1, None) {
                Next::At(due) => {
                    tracing::warn!(channel, reason, "not told yet");
                    Sent::Again { due_ms: due.as_millisecond(), reason: reason.clone() }
                }
                Next::End => {
                    tracing::error!(channel, reason, run = send.alert.run, "given up telling");
                    Sent::GivenUp { reason: reason.clone() }
                }
            };
            self.ledger.note_sent(&[send], &sent).await?;
        }
        Ok(())
    }
}

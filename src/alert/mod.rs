//! Alerts: events found in the ledger, each sent once to each channel, however often the process restarts.

/// One message over one channel.
mod channel;
/// Messages that are sent without the ledger.
mod direct;
/// An alert as a message.
mod message;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Backoff, Next};
use crate::clock::Clock;
use crate::ledger::{Alert, AlertSend, Ledger, LedgerError, Sent};
use crate::measure;
use crate::pipeline::plan::{AlertPlan, Plan};
use crate::settings::{AlertKind, Settings};

pub use channel::{ChannelError, ChannelSender};
pub use direct::send_directly;
pub use message::Message;

/// Interval of queries for new events.
const ROUND: Duration = Duration::from_secs(5);
/// Age beyond which an event sends no alert: a worker that starts after a week does not report the week.
const EVENT_AGE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// Backoff of a channel that fails.
const RETRY: Backoff = Backoff {
    initial: Duration::from_secs(5),
    max: Duration::from_secs(900),
    give_up_after: Duration::from_secs(86_400),
};

/// The alert rules of settings and pipelines, as last loaded. Clones share them.
#[derive(Clone, Default)]
pub struct Rules(Arc<RwLock<Option<Arc<Loaded>>>>);

struct Loaded {
    settings: Arc<Settings>,
    pipelines: HashMap<String, AlertPlan>,
}

impl Rules {
    /// Replaces the rules.
    pub fn take<'a>(&self, settings: &Arc<Settings>, plans: impl Iterator<Item = &'a Arc<Plan>>) {
        let pipelines = plans.filter_map(|plan| Some((plan.name.clone(), plan.alerts.clone()?))).collect();
        let loaded = Arc::new(Loaded { settings: settings.clone(), pipelines });
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(loaded);
    }

    fn loaded(&self) -> Option<Arc<Loaded>> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Loaded {
    /// Returns the channels that the alert goes to.
    fn channels(&self, alert: &Alert) -> Vec<String> {
        // A change of a scope is the tenant's: a pipeline of the same name has no rule for it.
        let rule = self.pipelines.get(&alert.pipeline).filter(|_| alert.kind != AlertKind::ScopeChanged);
        let alerts = &self.settings.alerts;
        let on = rule.map_or(&alerts.on, |rule| &rule.on);
        match (on.contains(&alert.kind), rule) {
            (false, _) => Vec::new(),
            (true, Some(rule)) => rule.channels.clone(),
            (true, None) => alerts.channels.keys().cloned().collect(),
        }
    }
}

/// The alert loop.
pub struct Alerts {
    ledger: Ledger,
    clock: Clock,
    rules: Rules,
}

impl Alerts {
    pub fn new(ledger: Ledger, clock: Clock, rules: Rules) -> Self {
        Self { ledger, clock, rules }
    }

    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut is_delayed = false;
        loop {
            let round = self.round().await;
            if let Err(error) = &round
                && !is_delayed
            {
                tracing::warn!(reason = error.to_string(), "ledger unavailable, alerts are delayed");
            }
            is_delayed = round.is_err();
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(ROUND) => {}
            }
        }
    }

    /// Finds new events and sends what is due. Does nothing before the pipelines are loaded: one may have alerts turned off.
    ///
    /// # Errors
    /// The ledger is unavailable.
    pub async fn round(&self) -> Result<(), LedgerError> {
        let Some(loaded) = self.rules.loaded() else { return Ok(()) };
        for channel in loaded.settings.alerts.channels.keys() {
            // Series that begin with a count cannot be seen to grow.
            ["sent", "retried", "given_up"].into_iter().for_each(|outcome| measure::alerts(channel, outcome, 0));
        }
        let since = self.clock.now().saturating_sub(EVENT_AGE_MAX).unwrap_or(Timestamp::MIN);
        self.ledger.find_alerts(since.as_millisecond(), |alert| loaded.channels(alert)).await?;
        let mut by_channel: BTreeMap<String, Vec<AlertSend>> = BTreeMap::new();
        for send in self.ledger.due_alerts().await? {
            by_channel.entry(send.channel.clone()).or_default().push(send);
        }
        // In parallel: a channel that hangs delays no other.
        let sent = by_channel.into_iter().map(|(channel, sends)| self.send(&loaded.settings, channel, sends));
        futures_util::future::join_all(sent).await.into_iter().collect()
    }

    async fn send(&self, settings: &Settings, channel: String, sends: Vec<AlertSend>) -> Result<(), LedgerError> {
        let Some(target) = settings.alerts.channels.get(&channel) else {
            let reason = "the settings have no such channel any more".to_owned();
            return self.ledger.note_sent(&sends, &Sent::GivenUp { reason }).await;
        };
        let messages: Vec<(Message, Vec<AlertSend>)> = match sends.len() > settings.alerts.max_per_message {
            true => vec![(Message::summary(&sends), sends)],
            false => sends.into_iter().map(|send| (Message::of(&send.alert), vec![send])).collect(),
        };
        let sender = match ChannelSender::open(target).await {
            Ok(sender) => sender,
            Err(error) => {
                let all = messages.into_iter().flat_map(|(_, sends)| sends).collect();
                return self.defer(&channel, all, &error).await;
            }
        };
        let mut messages = messages.into_iter();
        while let Some((message, mut sends)) = messages.next() {
            match sender.send(&message).await {
                Ok(_) => {
                    tracing::info!(channel, alerts = sends.len(), subject = message.subject, "alert sent");
                    measure::alerts(&channel, "sent", sends.len());
                    self.ledger.note_sent(&sends, &Sent::Done).await?;
                }
                Err(error) => {
                    if error.affects_channel() {
                        target.forget_secrets();
                        sends.extend(messages.by_ref().flat_map(|(_, sends)| sends));
                    }
                    self.defer(&channel, sends, &error).await?;
                }
            }
        }
        Ok(())
    }

    async fn defer(&self, channel: &str, sends: Vec<AlertSend>, error: &ChannelError) -> Result<(), LedgerError> {
        let (reason, now) = (error.to_string(), self.clock.now());
        tracing::warn!(channel, reason, alerts = sends.len(), "alert not sent, will retry");
        for send in sends {
            let since = Timestamp::from_millisecond(send.since_ms).unwrap_or(now);
            let sent = match RETRY.next(now, since, send.attempts + 1, error.wait()) {
                Next::At(due) => {
                    measure::alerts(channel, "retried", 1);
                    Sent::Again { due_ms: due.as_millisecond(), reason: reason.clone() }
                }
                Next::End => {
                    tracing::error!(channel, reason, alert = Message::of(&send.alert).subject, "alert dropped");
                    measure::alerts(channel, "given_up", 1);
                    Sent::GivenUp { reason: reason.clone() }
                }
            };
            self.ledger.note_sent(&[send], &sent).await?;
        }
        Ok(())
    }
}

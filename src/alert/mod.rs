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
use crate::measure;
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

/// What settings and pipelines say of alerts, as they were read last. Clones share it.
#[derive(Clone, Default)]
pub struct Rules(Arc<RwLock<Option<Arc<Said>>>>);

struct Said {
    settings: Arc<Settings>,
    pipelines: HashMap<String, AlertPlan>,
}

impl Rules {
    /// Takes up what these say, in the place of what was said before.
    pub fn take<'a>(&self, settings: &Arc<Settings>, plans: impl Iterator<Item = &'a Arc<Plan>>) {
        let pipelines = plans.filter_map(|plan| Some((plan.name.clone(), plan.alerts.clone()?))).collect();
        let said = Arc::new(Said { settings: settings.clone(), pipelines });
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(said);
    }

    fn said(&self) -> Option<Arc<Said>> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Said {
    /// The channels that are to carry the alert.
    fn carriers(&self, alert: &Alert) -> Vec<String> {
        let (alerts, rule) = (&self.settings.alerts, self.pipelines.get(&alert.pipeline));
        let on = rule.map_or(&alerts.on, |rule| &rule.on);
        match (on.contains(&alert.kind), rule) {
            (false, _) => Vec::new(),
            (true, Some(rule)) => rule.channels.clone(),
            (true, None) => alerts.channels.keys().cloned().collect(),
        }
    }
}

/// Tells what happens.
pub struct Alerts {
    ledger: Ledger,
    clock: Clock,
    rules: Rules,
}

impl Alerts {
    pub fn new(ledger: Ledger, clock: Clock, rules: Rules) -> Self {
        Self { ledger, clock, rules }
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

    /// Finds what happened, and sends what is due. Before the pipelines were read, nothing: one of them may be silent.
    ///
    /// # Errors
    /// The ledger cannot be used.
    pub async fn round(&self) -> Result<(), LedgerError> {
        let Some(said) = self.rules.said() else { return Ok(()) };
        let since = self.clock.now().saturating_sub(NEWS).unwrap_or(Timestamp::MIN);
        self.ledger.find_alerts(since.as_millisecond(), |alert| said.carriers(alert)).await?;
        let mut by_channel: BTreeMap<String, Vec<AlertSend>> = BTreeMap::new();
        for send in self.ledger.due_alerts().await? {
            by_channel.entry(send.channel.clone()).or_default().push(send);
        }
        // Side by side: a channel that does not answer keeps no other waiting.
        let sent = by_channel.into_iter().map(|(channel, sends)| self.send(&said.settings, channel, sends));
        futures_util::future::join_all(sent).await.into_iter().collect()
    }

    async fn send(&self, settings: &Settings, channel: String, sends: Vec<AlertSend>) -> Result<(), LedgerError> {
        let Some(target) = settings.alerts.channels.get(&channel) else {
            let reason = "the settings have no such channel any more".to_owned();
            return self.ledger.note_sent(&sends, &Sent::GivenUp { reason }).await;
        };
        let messages: Vec<(Message, Vec<AlertSend>)> = match sends.len() > settings.alerts.most {
            true => vec![(Message::summary(&sends), sends)],
            false => sends.into_iter().map(|send| (Message::of(&send.alert), vec![send])).collect(),
        };
        let carrier = match Carrier::new(target) {
            Ok(carrier) => carrier,
            Err(error) => {
                let all = messages.into_iter().flat_map(|(_, sends)| sends).collect();
                return self.put_off(&channel, all, &error).await;
            }
        };
        let mut messages = messages.into_iter();
        while let Some((message, mut sends)) = messages.next() {
            match carrier.carry(&message).await {
                Ok(_) => {
                    tracing::info!(channel, alerts = sends.len(), subject = message.subject, "told");
                    measure::told(&channel, "sent", sends.len());
                    self.ledger.note_sent(&sends, &Sent::Done).await?;
                }
                Err(error) => {
                    if error.is_of_the_channel() {
                        sends.extend(messages.by_ref().flat_map(|(_, sends)| sends));
                    }
                    self.put_off(&channel, sends, &error).await?;
                }
            }
        }
        Ok(())
    }

    async fn put_off(&self, channel: &str, sends: Vec<AlertSend>, error: &ChannelError) -> Result<(), LedgerError> {
        let (reason, now) = (error.to_string(), self.clock.now());
        tracing::warn!(channel, reason, alerts = sends.len(), "not told yet");
        for send in sends {
            let since = Timestamp::from_millisecond(send.since_ms).unwrap_or(now);
            let sent = match RETRY.next(now, since, send.attempts + 1, error.wait()) {
                Next::At(due) => Sent::Again { due_ms: due.as_millisecond(), reason: reason.clone() },
                Next::End => {
                    tracing::error!(channel, reason, run = send.alert.run, "given up telling");
                    measure::told(channel, "given_up", 1);
                    Sent::GivenUp { reason: reason.clone() }
                }
            };
            self.ledger.note_sent(&[send], &sent).await?;
        }
        Ok(())
    }
}

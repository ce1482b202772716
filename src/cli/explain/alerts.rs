//! Alerts in sentences.

use super::Fact;
use crate::pipeline::plan::AlertPlan;
use crate::settings::{AlertKind, Alerts, Channel};

pub(super) fn alerts(own: Option<&AlertPlan>, settings: &Alerts) -> Vec<Fact> {
    let everyone = AlertPlan { on: settings.on.clone(), channels: settings.channels.keys().cloned().collect() };
    let AlertPlan { on, channels } = own.unwrap_or(&everyone);
    if channels.is_empty() || on.is_empty() {
        return vec![Fact::new("NOBODY IS ALERTED: problems are shown by `reportferry status` only.")];
    }
    let whom = channels.iter().map(|name| match settings.channels.get(name).map(|channel| &**channel) {
        Some(Channel::Slack(_)) => format!("{name}: a message to a chat channel"),
        Some(Channel::Webhook(_)) => format!("{name}: a JSON document to an address in the settings"),
        Some(Channel::Email(email)) => format!("{name}: a mail to {}", email.to.join(", ")),
        None => format!("{name}: a channel that the settings do not have"),
    });
    vec![
        Fact::list("An alert is sent when:", on.iter().map(|kind| event(*kind).to_owned())),
        Fact::list("It goes to:", whom),
    ]
}

fn event(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::Failed => "a run failed, or a destination rejected its file",
        AlertKind::Held => "a run is held and waits for a decision",
        AlertKind::Blocked => "a delivery waits for a fix by a person, such as a changed host key",
        AlertKind::Late => "a delivery is late",
        AlertKind::NotDelivered => "a delivery takes longer than expected",
        AlertKind::PickupOverdue => "a reader has not taken a file in time",
        AlertKind::PipelineInvalid => "the pipeline's file cannot be used",
        AlertKind::ScopeChanged => "the LMS account may reach other things than before",
        AlertKind::Recovered => "it works again",
    }
}

//! `alert --test`: sends a test message through each channel.

use serde_json::json;

use super::opened::{argument_hint, settings};
use super::{Common, exit, print_json};
use crate::alert::{ChannelSender, Message};
use crate::yaml::problem::did_you_mean;

#[derive(clap::Args)]
pub(super) struct AlertArgs {
    /// Send a test message through each channel
    #[arg(long, required = true)]
    test: bool,
    /// Only this channel
    #[arg(long)]
    channel: Option<String>,
}

pub(super) async fn run(args: AlertArgs, common: &Common) -> anyhow::Result<u8> {
    let settings = settings(common)?;
    let chosen = |name: &String| args.channel.as_ref().is_none_or(|channel| channel == name);
    let channels: Vec<_> = settings.alerts.channels.iter().filter(|(name, _)| chosen(name)).collect();
    if channels.is_empty() {
        let known: Vec<&str> = settings.alerts.channels.keys().map(String::as_str).collect();
        let Some(wanted) = args.channel.as_deref().filter(|_| !known.is_empty()) else {
            let what = "the settings have no alert channels: nobody is alerted";
            return Err(argument_hint(what, "write `alerts.channels` (docs/settings.md)"));
        };
        let hint = did_you_mean(wanted, known.iter().copied());
        let hint = hint.unwrap_or_else(|| format!("the settings' `alerts.channels` has: {}", known.join(", ")));
        return Err(argument_hint(format!("there is no alert channel {wanted:?}"), hint));
    }
    let mut outcomes = Vec::new();
    for (name, channel) in channels {
        let outcome = match ChannelSender::open(channel).await {
            Ok(sender) => sender.send(&Message::test()).await,
            Err(error) => Err(error),
        };
        if !common.json {
            match &outcome {
                Ok(answer) => println!("{name}: sent, response {answer}"),
                Err(error) => println!("{name}: not sent: {error}"),
            }
        }
        outcomes.push((name, outcome));
    }
    let all_sent = outcomes.iter().all(|(_, outcome)| outcome.is_ok());
    if common.json {
        let rows: Vec<_> = outcomes
            .iter()
            .map(|(name, outcome)| {
                json!({"channel": name, "sent": outcome.is_ok(), "answer": outcome.as_ref().ok(),
                       "reason": outcome.as_ref().err().map(ToString::to_string)})
            })
            .collect();
        print_json(&json!({"channels": rows}))?;
    }
    Ok(if all_sent { exit::DONE } else { exit::FAILED })
}

//! `alert --test`: a message by each channel, to see that it arrives.

use serde_json::json;

use super::opened::{argument_hint, settings};
use super::{Common, exit, print_json};
use crate::alert::{Carrier, Message};

#[derive(clap::Args)]
pub struct AlertArgs {
    /// Send a test message by each channel
    #[arg(long, required = true)]
    test: bool,
    /// By this channel only
    #[arg(long)]
    channel: Option<String>,
}

pub async fn run(args: AlertArgs, common: &Common) -> anyhow::Result<u8> {
    let settings = settings(common)?;
    let chosen = |name: &String| args.channel.as_ref().is_none_or(|channel| channel == name);
    let channels: Vec<_> = settings.alerts.channels.iter().filter(|(name, _)| chosen(name)).collect();
    if channels.is_empty() {
        let known: Vec<&str> = settings.alerts.channels.keys().map(String::as_str).collect();
        let hint = format!("the settings' `alerts.channels` has: {}", known.join(", "));
        return Err(argument_hint(
            "there is no such channel",
            if known.is_empty() { "write `alerts.channels`".to_owned() } else { hint },
        ));
    }
    let mut told = Vec::new();
    for (name, channel) in channels {
        let outcome = match Carrier::new(channel) {
            Ok(carrier) => carrier.carry(&Message::test()).await,
            Err(error) => Err(error),
        };
        if !common.json {
            match &outcome {
                Ok(answer) => println!("{name}: sent, answered {answer}"),
                Err(error) => println!("{name}: not sent: {error}"),
            }
        }
        told.push((name, outcome));
    }
    let well = told.iter().all(|(_, outcome)| outcome.is_ok());
    if common.json {
        let rows: Vec<_> = told
            .iter()
            .map(|(name, outcome)| {
                json!({"channel": name, "sent": outcome.is_ok(), "answer": outcome.as_ref().ok(),
                       "reason": outcome.as_ref().err().map(ToString::to_string)})
            })
            .collect();
        print_json(&rows)?;
    }
    Ok(if well { exit::DONE } else { exit::FAILED })
}

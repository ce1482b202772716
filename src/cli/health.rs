//! `health`: asks the worker's own page whether it is ready, for probes in containers without curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::opened::argument_hint;
use super::{Common, Problems, exit, print_json};
use crate::settings::Settings;

#[derive(clap::Args)]
pub(super) struct HealthArgs {
    /// Time to wait for the response
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = super::duration)]
    timeout: Duration,
}

const RESPONSE_BYTES_MAX: u64 = 4_096;

/// Returns exit code 0 if the worker is ready, 3 if it is not or does not respond.
pub(super) async fn run(args: HealthArgs, common: &Common) -> anyhow::Result<u8> {
    let (settings, _) = Settings::load(common.config.as_deref(), &common.set).map_err(Problems)?;
    let Some(listens) = settings.http else {
        let what = "the settings have no `http`: the worker has no page to ask";
        let hint = "add `http: 127.0.0.1:8080` to the settings, or set REPORTFERRY_HTTP for worker and probe";
        return Err(argument_hint(what, hint));
    };
    let address = reachable(listens);
    let asked = tokio::time::timeout(args.timeout, ask(address)).await;
    let late = |_| Err(format!("the worker at {address} does not respond within {:?}", args.timeout));
    let reason = asked.unwrap_or_else(late).err();
    if common.json {
        print_json(&json!({"ok": reason.is_none(), "address": address.to_string(), "reason": reason}))?;
    } else if let Some(reason) = &reason {
        println!("not ready: {reason}");
    } else {
        println!("ready");
    }
    Ok(if reason.is_none() { exit::DONE } else { exit::FAILED })
}

/// Returns the address at which a listener on all addresses is reached from this machine.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

/// Requests `/readyz`. HTTP/1.0 needs no more than this, and neither certificates nor a client for it.
///
/// # Errors
/// Why the worker is not ready.
async fn ask(address: SocketAddr) -> Result<(), String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
        let mut response = Vec::new();
        stream.take(RESPONSE_BYTES_MAX).read_to_end(&mut response).await?;
        std::io::Result::Ok(response)
    };
    let response = exchange.await.map_err(|error| format!("no response from the worker at {address}: {error}"))?;
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    match head.split(' ').nth(1) {
        Some("200") if head.starts_with("HTTP/1.") => Ok(()),
        Some("503") if !body.trim().is_empty() => Err(body.trim().to_owned()),
        _ => {
            Err(format!("{address} is not a worker's page: it responds {:?}", head.lines().next().unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_by_loopback() {
        for (listens, address) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("10.0.0.7:80", "10.0.0.7:80"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), address);
        }
    }
}

//! `sandbox`: runs a simulated Docebo to practise on.

use std::io::Write;

use crate::sandbox::{ACCOUNTS, REPORTS, Sandbox, SandboxOptions};
#[cfg(feature = "fault-injection")]
use crate::sandbox::{MISBEHAVE_HELP, Misbehaviours};

/// Runs a simulated Docebo on 127.0.0.1 until interrupted.
#[derive(Clone, clap::Args)]
pub struct Args {
    /// The address to listen on; not loopback if containers must reach it
    #[arg(long, default_value = "127.0.0.1")]
    host: std::net::IpAddr,
    /// The port; 0 chooses a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Rows of every report
    #[arg(long, default_value_t = 1000)]
    rows: u64,
    /// The same seed gives the same data
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of status polls that return "running" before an export is done
    #[arg(long, default_value_t = 2)]
    polls: u32,
    /// The OAuth2 app's client ID
    #[arg(long, default_value = "reportferry")]
    client_id: String,
    /// The OAuth2 app's client secret
    #[arg(long, default_value = "sandbox-client-secret")]
    client_secret: String,
    /// The password of every account
    #[arg(long, default_value = "sandbox-password")]
    password: String,
    /// Faults to simulate; `--help` lists them
    #[cfg(feature = "fault-injection")]
    #[arg(long, value_name = "RULES", default_value = "", hide_default_value = true, long_help = MISBEHAVE_HELP)]
    misbehave: Misbehaviours,
}

/// Serves until interrupted, then returns exit code 0.
///
/// # Errors
/// The port is in use, or standard output is closed.
pub async fn run(args: Args) -> anyhow::Result<u8> {
    let options = SandboxOptions {
        host: args.host,
        port: args.port,
        rows: args.rows,
        seed: args.seed,
        polls: args.polls,
        client_id: args.client_id,
        client_secret: args.client_secret,
        password: args.password,
        #[cfg(feature = "fault-injection")]
        misbehave: args.misbehave,
        #[cfg(not(feature = "fault-injection"))]
        misbehave: Default::default(),
    };
    let sandbox = Sandbox::start(options).await?;
    introduce(&sandbox, &mut std::io::stdout().lock())?;
    tokio::signal::ctrl_c().await?;
    Ok(0)
}

/// Prints the address, alone on the first line for scripts, then what the settings need.
fn introduce(sandbox: &Sandbox, to: &mut impl Write) -> std::io::Result<()> {
    let options = sandbox.options();
    writeln!(to, "{}", sandbox.url)?;
    writeln!(to, "\ntenants:\n  sandbox:\n    docebo: {}", sandbox.url)?;
    writeln!(to, "    client_id: {}\n    client_secret: {}", options.client_id, options.client_secret)?;
    writeln!(to, "    username: {}\n    password: {}", ACCOUNTS[0].username, options.password)?;
    writeln!(to, "\nreports, {} rows each:", options.rows)?;
    for report in REPORTS {
        writeln!(to, "  {}  {}", report.id, report.name)?;
    }
    writeln!(to, "\naccounts:")?;
    for account in ACCOUNTS {
        writeln!(to, "  {} ({})", account.username, account.level)?;
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct TestCli {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn rules_are_read_and_shown() {
        let arguments =
            ["sandbox", "--rows", "5", "--misbehave", "expire_token_after=3,zip=two_csvs,status_word=queued"];
        assert_eq!(TestCli::try_parse_from(arguments).ok().unwrap().args.rows, 5);
        let refused = TestCli::try_parse_from(["sandbox", "--misbehave", "zip=three"]).err().unwrap().to_string();
        assert!(refused.contains("\"three\" is not a kind of zip"), "{refused}");
        let help = TestCli::try_parse_from(["sandbox", "--help"]).err().unwrap().to_string();
        assert!(help.contains("early_results_400=N") && help.contains("expire_token_after=N"), "{help}");
    }

    #[tokio::test]
    async fn the_address_comes_first() {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let mut output = Vec::new();
        introduce(&sandbox, &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        assert_eq!(output.lines().next(), Some(sandbox.url.as_str()));
        assert!(output.contains("619bf79c-970a-4a8e-be8a-dde48a05c652  Compliance completions"), "{output}");
    }
}

//! `demo`: runs the example pipelines against a sandbox and a private SFTP server, and shows the delivered files.

mod sshd;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use self::sshd::PrivateSshd;
use super::bars::Bars;
use super::opened::Opened;
use super::{Common, exit, print_json, text};
use crate::pipeline;
use crate::run::Requester;
use crate::run::document::Document;
use crate::sandbox::{ACCOUNTS, Sandbox, SandboxOptions};
use crate::schedule::slot::Slot;

#[derive(clap::Args)]
pub(super) struct DemoArgs {
    /// The folder for the demo's files [default: a new temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Rows of each sandbox report
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    rows: u64,
    /// Keep the sandbox and the SFTP server running until interrupted
    #[arg(long)]
    stay: bool,
}

/// The example pipelines from `pipelines/`.
const EXAMPLES: &[(&str, &str)] = &[
    ("compliance-completions.yaml", include_str!("../../../pipelines/compliance-completions.yaml")),
    ("course-enrollments.yaml", include_str!("../../../pipelines/course-enrollments.yaml")),
    ("session-attendance.yaml", include_str!("../../../pipelines/session-attendance.yaml")),
    ("user-progress.yaml", include_str!("../../../pipelines/user-progress.yaml")),
];

/// Lines shown of each delivered file.
const LINES_SHOWN: usize = 4;
/// Short, as the demo's servers are on this machine: a delivery that fails now would fail later too.
const WAIT: Duration = Duration::from_secs(60);

pub(super) async fn run(args: DemoArgs, common: &Common) -> anyhow::Result<u8> {
    let folder = match args.dir {
        Some(folder) => folder,
        None => tempfile::Builder::new().prefix("reportferry-demo-").tempdir()?.keep(),
    };
    fs::create_dir_all(folder.join("pipelines")).with_context(|| format!("cannot use {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let sandbox = Sandbox::start(SandboxOptions { rows: args.rows, ..SandboxOptions::default() }).await?;
    eprintln!("sandbox          {}", sandbox.url);
    let sshd = match PrivateSshd::start(&folder).await {
        Ok(sshd) => {
            eprintln!("private sshd     127.0.0.1:{}  {}", sshd.port, sshd.fingerprint);
            Some(sshd)
        }
        Err(error) => {
            eprintln!("no private SFTP server: {error:#}");
            eprintln!("  (on Debian: apt-get install openssh-server) — using a local folder instead");
            None
        }
    };
    write_files(&folder, &sandbox.url, sshd.as_ref())?;

    let settings = Common { config: Some(folder.join("reportferry.yaml")), ..common.clone() };
    let documents = run_examples(&settings).await?;
    if common.json {
        print_json(&documents)?;
    } else {
        for document in &documents {
            print!("{}", text::run(document));
            show_file(&folder, document)?;
        }
        println!("requests received by the sandbox: {}", sandbox.requests());
        println!("files are in {}", folder.display());
        println!("continue: reportferry --config {}/reportferry.yaml runs", folder.display());
    }
    if args.stay {
        eprintln!("the servers run until Ctrl-C");
        std::future::pending::<()>().await;
    }
    let worst = documents.iter().map(exit::of).max();
    Ok(worst.unwrap_or(exit::UNEXPECTED))
}

async fn run_examples(settings: &Common) -> anyhow::Result<Vec<Document>> {
    let opened = Opened::new(settings).await?;
    let loaded = pipeline::load_all(&opened.settings, &[]);
    if loaded.plans.len() != EXAMPLES.len() {
        return Err(super::Problems(loaded.problems).into());
    }
    let now = opened.clock.now();
    let mut documents = Vec::new();
    for plan in loaded.plans {
        let slot = Slot::new(&plan.name, now, plan.zone.clone());
        let context = opened.context();
        let bars = Bars::draw(&plan.name, &context.progress);
        let document = context.run(&plan, &slot, Requester::Slot, WAIT).await;
        drop(bars);
        context.sessions.close_all().await;
        documents.push(document?);
    }
    opened.ledger.close().await;
    Ok(documents)
}

fn write_files(folder: &Path, docebo: &str, sshd: Option<&PrivateSshd>) -> anyhow::Result<()> {
    for (name, text) in EXAMPLES {
        fs::write(folder.join("pipelines").join(name), text)?;
    }
    let secrets = folder.join("secrets");
    fs::create_dir_all(&secrets)?;
    let defaults = SandboxOptions::default();
    let (client_secret, password) = (&defaults.client_secret, &defaults.password);
    for (name, text) in [
        ("client_secret", client_secret.as_str()),
        ("password", password.as_str()),
        ("email_salt", "a salt for the demo"),
    ] {
        fs::write(secrets.join(name), text)?;
    }
    let target = folder.join("drop");
    for name in ["inbound", "warehouse"] {
        fs::create_dir_all(target.join(name))?;
    }
    let hris = match sshd {
        Some(sshd) => format!(
            "sftp: {{host: 127.0.0.1, port: {}, username: {}, key: {{file: sshd/client}}, host_keys: [{:?}], base: {:?}, mkdir: true}}",
            sshd.port, sshd.user, sshd.fingerprint, target
        ),
        None => format!("local: {{path: {target:?}, mkdir: true}}"),
    };
    let settings = format!(
        "# The demo's settings: a sandbox and a private SFTP server.\n\
         tenants:\n  acme:\n    docebo: {docebo}\n    client_id: {client_id}\n    \
         client_secret: {{file: secrets/client_secret}}\n    username: {username}\n    \
         password: {{file: secrets/password}}\n    budget: {{per_minute: 6000, per_hour: 60000}}\n    \
         poll: {{initial: 200ms, max: 1s, give_up_after: 2m}}\n\
         destinations:\n  hris:\n    {hris}\n  warehouse:\n    local: {{path: {warehouse:?}, mkdir: true}}\n\
         secrets:\n  email_salt: {{file: secrets/email_salt}}\n\
         log: {{filter: warn}}\n",
        client_id = defaults.client_id,
        username = ACCOUNTS[0].username,
        warehouse = target.join("warehouse"),
    );
    Ok(fs::write(folder.join("reportferry.yaml"), settings)?)
}

/// Prints the first lines of each delivered file.
fn show_file(folder: &Path, document: &Document) -> anyhow::Result<()> {
    for receipt in document.deliveries.iter().filter_map(|delivery| delivery.receipt.as_ref()) {
        let path = Path::new(&receipt.path);
        let path = if path.is_absolute() { path.to_owned() } else { folder.join("drop").join(path) };
        let file = fs::File::open(&path).with_context(|| format!("{} did not arrive", path.display()))?;
        for line in BufReader::new(file).lines().take(LINES_SHOWN) {
            println!("     | {}", line?.chars().take(100).collect::<String>());
        }
    }
    println!();
    Ok(())
}

//! The whole line on loopback: a sandbox, a private `sshd`, a folder with settings and a pipeline, and the real binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use reportferry::sandbox::{ACCOUNTS, Sandbox, SandboxOptions};
use reportferry::settings::LedgerSettings;
use tokio::runtime::Runtime;

use super::account::Account;
use super::sshd::{Sshd, SshdOptions};

/// The secrets of the rig: no output may ever contain one of them.
pub(crate) const CLIENT_SECRET: &str = "s3cr3t-of-the-client";
pub(crate) const PASSWORD: &str = "pa55w0rd-of-the-account";
pub(crate) const SALT: &str = "sa1t-of-the-addresses";
/// The slot of every run.
pub(crate) const SLOT: &str = "2026-11-23T05:30:00-05:00";
pub(crate) const ARTIFACT: &str = "completions_20261123.csv";

/// Servers that all tests of the binary share: each works in a folder of its own.
pub(crate) struct Servers {
    pub sandbox: Sandbox,
    pub sshd: Sshd,
    _runtime: Runtime,
}

/// The rows of the sandbox's reports: enough for several packets and pages, few enough for hundreds of runs.
const ROWS: u64 = 400;

pub(crate) fn servers() -> &'static Servers {
    static SERVERS: OnceLock<Servers> = OnceLock::new();
    SERVERS.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let sandbox = runtime.block_on(sandbox(SandboxOptions { rows: ROWS, ..SandboxOptions::default() }));
        Servers { sandbox, sshd: Sshd::start(&SshdOptions::default()), _runtime: runtime }
    })
}

/// A sandbox with the rig's secrets.
pub(crate) async fn sandbox(options: SandboxOptions) -> Sandbox {
    let options = SandboxOptions { client_secret: CLIENT_SECRET.to_owned(), password: PASSWORD.to_owned(), ..options };
    Sandbox::start(options).await.unwrap()
}

/// One folder with everything that one test's runs need.
pub(crate) struct Rig {
    pub folder: tempfile::TempDir,
    pub drop: PathBuf,
    pub ledger: LedgerSettings,
}

/// A pipeline that uses every kind of step, with a done file.
pub(crate) const PIPELINE: &str = r#"
schedule: {cron: "30 5 * * mon-fri", timezone: America/New_York}
source: {docebo: {tenant: acme, report: 619bf79c-970a-4a8e-be8a-dde48a05c652}}
transform:
  - filter: '"Course Enrollment Status" = ''Completed'''
  - rename: {employee_id: Employee Number, course: Course Code, done: Completion Date, email: Email}
  - set:
      done: format_time(done, '%m/%d/%Y', 'America/New_York')
      email: hmac_sha256(email, 'email_salt')
  - select: [employee_id, course, done, email]
artifact: {name: "completions_{slot:%Y%m%d}.csv"}
deliver:
  hris: {path: inbound, existing: fail, done_file: "{name}.done"}
"#;

impl Rig {
    pub(crate) fn new(pipeline: &str) -> Self {
        let servers = servers();
        Self::with(pipeline, &servers.sandbox.url, &servers.sshd)
    }

    pub(crate) fn with(pipeline: &str, docebo: &str, sshd: &Sshd) -> Self {
        Self::at(pipeline, docebo, &sshd.account())
    }

    /// The shared sandbox, and another server than the shared one.
    pub(crate) fn delivering_to(pipeline: &str, account: &Account) -> Self {
        Self::at(pipeline, &servers().sandbox.url, account)
    }

    fn at(pipeline: &str, docebo: &str, account: &Account) -> Self {
        let folder = super::folder();
        let drop = folder.path().join("drop");
        std::fs::create_dir_all(drop.join("inbound")).unwrap();
        std::fs::create_dir_all(folder.path().join("pipelines")).unwrap();
        for (name, text) in [("client_secret", CLIENT_SECRET), ("password", PASSWORD), ("salt", SALT)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let settings = format!(
            r#"
tenants:
  acme:
    docebo: {docebo}
    client_id: {client_id}
    client_secret: {{file: client_secret}}
    username: {username}
    password: {{file: password}}
    budget: {{per_minute: 60000, per_hour: 600000, in_flight: 4}}
    poll: {{initial: 10ms, max: 50ms, give_up_after: 10s}}
    retry: {{initial: 10ms, max: 50ms, give_up_after: 10s}}
destinations:
  hris:
    sftp: {{{sftp}, mode: "0640"}}
    retry: {{initial: 20ms, max: 100ms, give_up_after: 1h}}
  local:
    local: {{path: {drop:?}}}
    retry: {{initial: 20ms, max: 100ms, give_up_after: 1h}}
secrets:
  email_salt: {{file: salt}}
"#,
            client_id = SandboxOptions::default().client_id,
            username = ACCOUNTS[0].username,
            sftp = account.written(&drop),
        );
        std::fs::write(folder.path().join("reportferry.yaml"), settings).unwrap();
        std::fs::write(folder.path().join("pipelines/line.yaml"), pipeline).unwrap();
        let ledger = super::sqlite(&folder.path().join("data/ledger.db"));
        Self { folder, drop, ledger }
    }

    /// Keeps the ledger in a new database of PostgreSQL.
    pub(crate) fn in_postgres(mut self) -> Self {
        let server = super::postgres::database();
        self.settings(|text| format!("{}{text}", super::postgres::written(&server)));
        self.ledger = LedgerSettings::Postgres(server);
        self
    }

    /// Edits the settings file.
    pub(crate) fn settings(&self, edit: impl Fn(&str) -> String) {
        let file = self.folder.path().join("reportferry.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let edited = edit(&text);
        assert_ne!(edited, text, "the edit finds nothing");
        std::fs::write(&file, edited).unwrap();
    }

    /// The binary, told where its files are. Nothing of the caller's environment that begins with `REPORTFERRY_` reaches it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = super::reportferry();
        command.arg("--config").arg(self.folder.path().join("reportferry.yaml")).args(arguments);
        command
    }

    pub(crate) fn reportferry(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// `run` of the rig's slot.
    pub(crate) fn run(&self) -> Output {
        self.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", "5s"])
    }

    /// The same, with a fault armed.
    pub(crate) fn run_with_fault(&self, fault: &str) -> Output {
        self.command(&["run", "line", "--slot", SLOT, "--json", "--wait", "5s"])
            .env("REPORTFERRY_FAULT", fault)
            .output()
            .unwrap()
    }

    /// Names in the inbound folder, sorted.
    pub(crate) fn arrived(&self) -> Vec<String> {
        names(&self.drop.join("inbound"))
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.drop.join("inbound").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The JSON document that a command printed; where it is of one run with its deliveries, that run.
pub(crate) fn document(output: &Output) -> serde_json::Value {
    let mut document: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", both(output)));
    assert_eq!(document["version"], 1, "{document}");
    match document["runs"].as_array_mut() {
        Some(runs) if runs.len() == 1 && runs[0].get("deliveries").is_some() => runs.remove(0),
        _ => document,
    }
}

/// All that a command said, for messages.
pub(crate) fn both(output: &Output) -> String {
    format!(
        "{}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

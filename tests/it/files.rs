//! Files that people write: every kind of mistake, where it is shown and in which words; and what right ones become.

#![allow(clippy::unwrap_used)]

/// Arguments that name slots.
mod arguments;
/// The step `delta`.
mod delta;
/// Schemas, and the files that `init` writes.
mod editor;
/// Pipelines that the docs show.
mod examples;
/// Mistakes, one by one.
mod mistakes;
/// Names of the coming slots.
mod names;
/// Mistakes in tests.
mod pipeline_tests;
/// Pipeline files → plans.
mod plans;
/// How a source's CSV is written.
mod reading;
/// Records as a source.
mod records;
/// Keys of an earlier version.
mod renamed_keys;
/// The steps that change cells.
mod row_steps;
/// Layers of settings, and secrets.
mod settings;
/// Steps on whole tables.
mod table_steps;
/// Mistakes that are valid YAML, and texts that are not what they look like.
mod yaml_mistakes;

use std::path::PathBuf;

use reportferry::pipeline::load;
use reportferry::pipeline::plan::Plan;
use reportferry::settings::Settings;
use reportferry::yaml::problem::{Problem, Severity};

const SETTINGS: &str = "\
tenants:
  acme:
    docebo: https://acme.docebosaas.com
    client_id: reportferry
    client_secret: {env: ACME_CLIENT_SECRET}
    username: svc-reporting
    password: {file: secrets/acme}
destinations:
  hris:
    sftp:
      host: sftp.hris.example
      username: acme
      key: {file: /run/secrets/hris_key}
      host_keys: [\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]
  bi:
    local: {path: drop}
secrets:
  email_salt: {env: EMAIL_SALT}
";

const PIPELINE: &str = "\
description: Completions of the compliance courses
schedule:
  cron: \"30 5 * * mon-fri\"
  timezone: America/New_York
  missed: latest
  overlap: skip
  jitter: 2m
source:
  docebo:
    tenant: acme
    report: 619bf79c-970a-4a8e-be8a-dde48a05c652
    via: download
transform:
  - rename: {id: Employee Number, course: Course Code, done: Completion Date, email: Email}
  - filter: id is not null and done > '2026-01-01'
  - set:
      done: upper(done)
  - select: [id, course, done]
expect:
  rows: {min: 1, max: 1000}
  when_empty: hold
artifact:
  name: \"completions_{slot:%Y%m%d}.csv\"
  csv: {delimiter: \"|\", quote: necessary, record_end: crlf, header: names, bom: false}
deliver:
  hris: {path: /inbound/learning, existing: replace, done_file: \"{name}.done\", required: true}
  bi:
";

/// A folder with settings and one pipeline.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(settings: &str, pipeline: &str) -> Self {
        let folder = Folder(crate::stage::folder());
        std::fs::create_dir(folder.path("pipelines")).unwrap();
        folder.write("reportferry.yaml", settings);
        folder.write("pipelines/completions.yaml", pipeline);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn settings_with(
        &self,
        variables: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> Result<(Settings, Vec<Problem>), Vec<Problem>> {
        let own =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<Vec<_>>();
        Settings::load_with(Some(&self.path("reportferry.yaml")), &own(flags), own(variables).into_iter())
    }

    fn settings(&self) -> Settings {
        self.settings_with(&[], &[]).map(|(settings, _)| settings).unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    fn load(&self) -> Result<(Plan, Vec<Problem>), Vec<Problem>> {
        load(&self.settings(), &self.path("pipelines/completions.yaml"))
    }

    /// Problems as text, a line each, with the folder's own path taken out.
    fn told(&self, problems: &[Problem]) -> String {
        let line = |problem: &Problem| {
            let at = problem.place.as_ref().map_or("-".to_string(), |place| {
                format!("{}:{} {}", place.line, place.column, if place.key.is_empty() { "(file)" } else { &place.key })
            });
            let severity = if problem.severity == Severity::Warning { "warning: " } else { "" };
            let hint = problem.hint.as_ref().map_or(String::new(), |hint| format!("\n      → {hint}"));
            format!("    {at}: {severity}{}{hint}\n", problem.what)
        };
        let text: String = problems.iter().map(line).collect();
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

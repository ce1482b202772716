//! Snapshots of what is said of the example pipelines, and of one with everything.

use std::path::{Path, PathBuf};

use super::{document, text};
use crate::pipeline;
use crate::settings::Settings;

const SETTINGS: &str = r#"
tenants:
  acme: {docebo: "https://acme.docebosaas.com", client_id: c, client_secret: hush-1, username: root, password: hush-2, level: any}
destinations:
  hris:
    sftp:
      host: sftp.example
      username: acme
      password: hush-3
      host_keys: ["SHA256:0000000000000000000000000000000000000000000"]
      base: /in
      publish: direct
      verify: read_back
      mkdir: true
      jump: {host: gate.example, username: acme, password: hush-4, host_keys: ["SHA256:0000000000000000000000000000000000000000000"]}
    pickup: {moved: {deadline: 4h}}
    alert_after: 30m
  bi: {webhook: {url: "https://bi.example/hooks?key=hush-5", secret: whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD, bearer: hush-6, body: notice, compress: gzip}}
  disk: {local: {path: /srv/drop, mode: "0640"}, retry: {initial: 500ms, max: 1m, give_up_after: 2d}}
secrets: {salt: hush-7-and-long-enough}
alerts:
  channels:
    ops: {slack: "https://chat.example/hush-8"}
    desk: {email: {host: mail.example, from: ferry@acme.example, to: [desk@acme.example], username: u, password: hush-9}}
"#;

const EVERYTHING: &str = r#"
description: Everything at once
schedule:
  {cron: "0,30 6-9 1 jan-jun mon", timezone: Europe/Rome, missed: all, missed_max_age: 2d, overlap: queue, expected_by: "10:15", jitter: 90s}
source: {docebo: {tenant: acme, report: {name: "All users"}, csv: {delimiter: ";", encoding: windows-1252, strict: false}}}
transform:
  - rename: {mail: E-mail}
  - set: {mail: lower(mail), Full: "concat(First, ' ', Last)"}
  - filter: mail like '%@acme.example' and (Active = 'Yes' or Hired >= '2026-01-01') and not (Branch in ('a', 'b'))
  - set: {mail: "hmac_sha256(mail, 'salt')", Code: "lpad(Code, 8, '0')"}
  - drop: [First, Last]
  - dedupe: {by: [Code, mail], keep: last, order: [{column: Hired, as: date, nulls: first}]}
  - sort: [Code, {column: Score, order: desc, as: decimal}, {column: Left, as: {date: "%m/%d/%Y"}}]
  - sort: mail
  - dedupe: {by: mail, keep: first}
  - unpivot: {columns: [Score, Branch], name: field, value: content, nulls: keep}
  - limit: 5000
expect:
  rows: {min: 10, max: 5000, change: {by: 12.5%, over: 4, same_weekday: false}}
  columns: [E-mail, First, Last]
  types: {Hired: date, Left: {date: "%m/%d/%Y"}, Remote: boolean}
  not_null: [Code]
  unique: [[Code], [mail, Full]]
  values: {Active: ["Yes", "No"]}
  range: {Age: {min: 0, max: 100}}
  match: {Code: '^[0-9]{8}$'}
  references: {Manager: Code}
  fresh: {source_column: Changed, max_age: 36h, timezone: Europe/Rome}
  size: {max: 50MiB}
  scope: same
  when_empty: send
  severity: {unique: fail, fresh: warn}
artifact:
  name: "all_{slot:%Y%m%dT%H%M}_{part:3}.csv"
  split: {rows: 1000}
  csv: {delimiter: "\t", record_end: "~\r\n", header: upper, bom: true, formula_guard: true, quote: always}
deliver:
  hris: {path: a/b, existing: replace, replace: with_gap, checksum: true, manifest: true, done_file: {name: "{name}.ok", content: "{name}"}}
  bi: {}
  disk: {existing: keep, required: false}
alerts: {on: [failed, held], channels: [desk]}
"#;

fn said(settings: &Path, pipeline: &Path) -> String {
    let shown = |problems: Vec<crate::yaml::problem::Problem>| crate::yaml::render::render(&problems, false, 100);
    let (settings, _) = Settings::load(Some(settings), &[]).unwrap_or_else(|problems| panic!("{}", shown(problems)));
    let (plan, _) = pipeline::load(&settings, pipeline).unwrap_or_else(|problems| panic!("{}", shown(problems)));
    text(&document(&plan, &settings, "2026-02-26T12:00:00Z".parse().unwrap()))
}

#[test]
fn the_examples_are_explained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root.join("pipelines")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let said: Vec<String> = files
        .iter()
        .map(|file| said(&root.join("reportferry.yaml"), file).replace(&root.display().to_string(), ""))
        .collect();
    insta::assert_snapshot!("examples", said.join("\n----\n"));
}

#[test]
fn everything_is_explained_without_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, pipeline) = (folder.path().join("reportferry.yaml"), folder.path().join("everything.yaml"));
    std::fs::write(&settings, SETTINGS).unwrap();
    std::fs::write(&pipeline, EVERYTHING).unwrap();
    let said = said(&settings, &pipeline);
    assert!(!said.contains("hush") && !said.contains("whsec"), "{said}");
    insta::assert_snapshot!("everything", said);
}

#[test]
fn steps_that_change_cells_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, pipeline) = (folder.path().join("reportferry.yaml"), folder.path().join("cells.yaml"));
    std::fs::write(&settings, SETTINGS).unwrap();
    std::fs::write(folder.path().join("codes.csv"), "code,name\nC-1,One\nC-2,Two\n").unwrap();
    let steps = r#"
source: {file: {path: in.csv}}
transform:
  - map: {column: status, values: {Completed: C}}
  - map: {column: Course, to: title, file: {path: codes.csv, key: code, value: name}, else: drop_row}
  - set:
      score: cast(score as integer)
      tag: json_object('by', json_object('team', team), 'note', 'it''s ' || level)
    on_error: empty
  - mask: {mail: {hmac_sha256: salt}, name: redact, phone: {keep_last: 4}, first: {keep_first: 1}, id: sha256}
  - fill: {columns: [Branch, team], with: previous}
  - fill: {column: level, value: none}
  - number: {column: line, start: 10}
artifact: {name: a.csv}
deliver: {disk: {}}
"#;
    std::fs::write(&pipeline, steps).unwrap();
    let said = said(&settings, &pipeline).replace(&format!("{}/", folder.path().display()), "");
    assert!(!said.contains("hush"), "{said}");
    insta::assert_snapshot!("cells", said);
}

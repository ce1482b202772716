//! Each mistake, where it is told and in which words. The snapshots are the words; review them as one would a manual.

use reportferry::yaml::render;

use super::{Folder, PIPELINE, SETTINGS};

pub(super) type Pairs = &'static [(&'static str, &'static str)];

/// What is told of a text with each mistake made in it.
fn told_of_each(text: &str, mistakes: &[(&str, &str)], check: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for (right, wrong) in mistakes {
        assert!(text.contains(right), "{right:?} is not in the text");
        let shown = if wrong.is_empty() { format!("without {right:?}") } else { format!("{wrong:?}") };
        let shown = if shown.len() > 160 { format!("{}…", &shown[..160]) } else { shown };
        out.push_str(&format!("{shown}\n{}\n", check(&text.replacen(right, wrong, 1))));
    }
    out
}

pub(super) fn pipeline_problems(text: &str) -> String {
    let folder = Folder::new(SETTINGS, text);
    match folder.load() {
        Ok((_, problems)) if problems.is_empty() => panic!("no problem was found in:\n{text}"),
        Ok((_, problems)) | Err(problems) => folder.told(&problems),
    }
}

pub(super) fn settings_problems(text: &str) -> String {
    let folder = Folder::new(text, PIPELINE);
    match folder.settings_with(&[], &[]) {
        Ok((_, problems)) if problems.is_empty() => panic!("no problem was found in:\n{text}"),
        Ok((_, problems)) | Err(problems) => folder.told(&problems),
    }
}

#[test]
fn mistakes_in_a_pipeline_are_told_where_they_stand() {
    let mistakes = [
        // syntax
        ("  rows: {min: 1, max: 1000}", "  rows: {min: 1, max: 1000"),
        ("[id, course, done]", "[id, course, done}"),
        ("  timezone: America/New_York", "   timezone: America/New_York"),
        ("  timezone: America/New_York", "\ttimezone: America/New_York"),
        ("  missed: latest", "  missed: latest: all"),
        ("\"30 5 * * mon-fri\"", "30 5 * * mon-fri\" \""),
        ("\"30 5 * * mon-fri\"", "* 5 * * mon-fri"),
        ("\"30 5 * * mon-fri\"", "\"30 5 * * mon-fri"),
        ("description: Completions", "description: @Completions"),
        ("description: Completions", "description: \"a\\qb\" "),
        ("deliver:\n", "---\ndeliver:\n"),
        ("tenant: acme", "tenant: !name acme"),
        ("tenant: acme", "tenant: *name"),
        // keys
        ("description:", "descripton:"),
        ("  jitter: 2m", "  jittr: 2m\n  extra: 1"),
        ("  missed: latest", "  missed: latest\n  missed: all"),
        ("  missed: latest", "  <<: {missed: latest}"),
        ("  - select: [id, course, done]", "  - slect: [id, course, done]"),
        ("  - select: [id, course, done]", "  - select: [id, course, done]\n    drop: [done]"),
        ("  - select: [id, course, done]", "  - {}"),
        ("  - select: [id, course, done]", "  - select"),
        ("  docebo:\n", "  moodle:\n"),
        ("  cron: \"30 5 * * mon-fri\"\n", ""),
        ("  timezone: America/New_York\n", ""),
        ("    tenant: acme\n", ""),
        ("artifact:\n  name: \"completions_{slot:%Y%m%d}.csv\"\n", "artifact:\n"),
        (
            "deliver:\n  hris: {path: /inbound/learning, existing: replace, done_file: \"{name}.done\", required: true}\n  bi:\n",
            "",
        ),
        (
            "deliver:\n  hris: {path: /inbound/learning, existing: replace, done_file: \"{name}.done\", required: true}\n  bi:\n",
            "deliver:\n",
        ),
        // types and words
        ("schedule:\n", "schedule: daily\nx:\n"),
        ("[id, course, done]", "{id: course}"),
        ("header: names", "header: yes"),
        ("header: names", "header: true"),
        ("header: names", "header: []"),
        ("header: names", "header: maybe"),
        ("missed: latest", "missed: lastest"),
        ("missed: latest", "missed: [latest]"),
        ("missed: latest", "missed:"),
        ("overlap: skip", "overlap: kill"),
        ("existing: replace", "existing: overwrite"),
        ("via: download", "via: downlaod"),
        ("when_empty: hold", "when_empty: no"),
        ("record_end: crlf", "record_end: CRLF"),
        ("record_end: crlf", "record_end: eol"),
        ("record_end: crlf", "record_end: \"~~~~~~~~~\""),
        ("min: 1,", "min: -1,"),
        ("min: 1,", "min: 1.5,"),
        ("min: 1,", "min: \"1\","),
        ("max: 1000", "max: 99999999999999999999"),
        ("max: 1000", "max: 0"),
        ("jitter: 2m", "jitter: 2"),
        ("jitter: 2m", "jitter: 2 min"),
        ("jitter: 2m", "jitter: 25h"),
        ("jitter: 2m", "jitter: 9999999d"),
        ("delimiter: \"|\"", "delimiter: \"||\""),
        ("delimiter: \"|\"", "delimiter: \"¦\""),
        // schedules
        ("30 5 * * mon-fri", "61 5 * * mon-fri"),
        ("30 5 * * mon-fri", "30 5 * * fri-mon"),
        ("30 5 * * mon-fri", "30 5 * * fri-sun"),
        ("30 5 * * mon-fri", "30 5 * * mo-fri"),
        ("30 5 * * mon-fri", "30 5 * *"),
        ("30 5 * * mon-fri", "0 30 5 * * mon-fri"),
        ("30 5 * * mon-fri", "30 5/2 * * *"),
        ("30 5 * * mon-fri", "30 5 L * *"),
        ("30 5 * * mon-fri", "*/0 5 * * *"),
        ("30 5 * * mon-fri", "30 5 31 2,4 *"),
        ("30 5 * * mon-fri", "30 5,, * * *"),
        ("30 5 * * mon-fri", "@dayly"),
        ("30 5 * * mon-fri", "30 5 */2 * mon"),
        ("\"30 5 * * mon-fri\"", "'30 5 * * mon-fry'"),
        ("\"30 5 * * mon-fri\"", "30 5 * * mon-fry"),
        ("America/New_York", "America/New_Yrok"),
        ("America/New_York", "EST5EDT,M3.2.0,M11.1.0"),
        // names of the settings
        ("tenant: acme", "tenant: acem"),
        ("  hris: {", "  hirs: {"),
        ("  bi:\n", "  webhook:\n"),
        ("619bf79c-970a-4a8e-be8a-dde48a05c652", "619bf79c-970a-4a8e-be8a-dde48a05c65"),
        ("619bf79c-970a-4a8e-be8a-dde48a05c652", "{nmae: Completions}"),
        // columns and expressions
        ("filter: id is not null and done > '2026-01-01'", "filter: \"\\\"Employee Number\\\" is not null\""),
        ("[id, course, done]", "[id, course, done, id]"),
        ("[id, course, done]", "[id, Course Code, done]"),
        ("[id, course, done]", "[]"),
        ("[id, course, done]", "[id, course, done]\n  - filter: doen is not null"),
        ("[id, course, done]", "[id, course, done]\n  - drop: [done]\n  - filter: done is not null"),
        ("email: Email}", "course: Email}"),
        ("email: Email}", "email: Course Code}"),
        ("  - select:", "  - rename: {course: id}\n  - select:"),
        ("upper(done)", "uper(done)"),
        ("upper(done)", "\"'uper(''x'') ' || uper(done)\""),
        ("upper(done)", "hmac_sha256(done, 'email_slat')"),
        ("upper(done)", "\"'\\u00e9' || 'open\""),
        ("upper(done)", "'upper(''x'') || uper(done)'"),
        ("upper(done)", "|\n        upper(done) ||\n        uper(done)"),
        ("upper(done)", "\"\\x41\\t\\\\ uper(done)\""),
        ("upper(done)", ">-\n        upper(done)\n        || 'é' || uper(done)"),
        ("upper(done)", "\"upper(done) ||\n        uper(done)\""),
        ("upper(done)", "[done]"),
        // artifact and deliveries
        ("artifact:\n", "artifact:\n  split: {rows: 0}\n"),
        ("artifact:\n", "artifact:\n  split: {rows: 10}\n"),
        ("completions_{slot:%Y%m%d}.csv", "completions_{slot:%Y%m%d}_{part}.csv"),
        ("existing: replace", "existing: replace, publish_together: true"),
        ("completions_{slot:%Y%m%d}.csv", "completions/{slot:%Y%m%d}.csv"),
        ("completions_{slot:%Y%m%d}.csv", "completions_{slot:%Y%m%d.csv"),
        ("/inbound/learning", "/inbound/../learning"),
        ("/inbound/learning", "C:\\inbound"),
        ("existing: replace", "existing: keep, replace: with_gap"),
        ("existing: replace", "replace: gap"),
        ("required: true}\n  bi:", "required: false}"),
        ("  when_empty: hold", "  when_empty: send"),
        // several at once
        (
            PIPELINE,
            "shedule:\n  cron: 1 2 3\nsource: {docebo: {tenant: 7, report: x, vai: results}}\ntransform: [{filter: \"'\"}, {select: {a: b}}]\nexpect: {rows: {min: x}}\nartifact: {csv: {bom: 1}}\ndeliver: {nowhere: {path: ../x}}\n",
        ),
        (PIPELINE, ""),
        (PIPELINE, "- a\n- b\n"),
    ];
    assert!(mistakes.len() >= 60);
    insta::assert_snapshot!("mistakes_in_a_pipeline", told_of_each(PIPELINE, &mistakes, pipeline_problems));
}

#[test]
fn mistakes_in_expectations_are_told_where_they_stand() {
    const ROWS: &str = "  rows: {min: 1, max: 1000}\n";
    let instead = [
        "  rows: {change: 30}\n",
        "  rows: {change: 0%}\n",
        "  rows: {change: 2000%}\n",
        "  rows: {change: {over: 5}}\n",
        "  rows: {change: {by: 30%, over: 61, same_weekdy: true}}\n",
        "  columns: exactly\n",
        "  columns: some\n",
        "  columns: [a, b, a]\n",
        "  columns: []\n",
        "  types: {id: intger}\n",
        "  types: {done: \"%m/%d/%Y\"}\n",
        "  types: {done: {date: \"%m/%d\"}}\n",
        "  types: {done: {date: \"%m/%d/%q\"}}\n",
        "  types: {don: date}\n",
        "  types: {email: date}\n",
        "  types: [id]\n",
        "  not_null: [id, corse]\n",
        "  not_null: [id, id]\n",
        "  unique: [id, [course]]\n",
        "  unique: [[id, course], [id, corse]]\n",
        "  unique: []\n",
        "  unique: [[]]\n",
        "  values: {course: []}\n",
        "  values: {course: [A, \"\"]}\n",
        "  values: {course: {A: B}}\n",
        "  range: {id: {min: 1e3}}\n",
        "  range: {id: {min: ten}}\n",
        "  range: {id: {min: 10, max: 9.99}}\n",
        "  range: {id: {}}\n",
        "  range: {id: {mn: 1}}\n",
        "  match: {id: '^[0-9{8}$'}\n",
        "  match: {id: '(?=a)'}\n",
        "  match: {id: '(a{1000}){1000}'}\n",
        "  references: {id: id}\n",
        "  references: {id: manager}\n",
        "  fresh: {max_age: 1h}\n",
        "  fresh: {column: done}\n",
        "  fresh: {column: dne, max_age: 1h}\n",
        "  fresh: {column: done, source_column: done, max_age: 1h}\n",
        "  fresh: {column: done, format: \"%H:%M\", timezone: Europe/Rom, max_age: 1 day}\n",
        "  complete: yes\n",
        "  size: {max: 50MB}\n",
        "  size: 50MiB\n",
        "  scope: different\n",
        "  severity: {uniqe: hold, size: held}\n",
        "  severity: {unique: warn}\n",
        "  severity: {when_empty: fail}\n",
        "  complete: false\n  severity: {complete: warn}\n",
        "  columns: exactly\n  severity: {columns: warn}\n",
        "  uniqe: [id]\n",
    ];
    let mistakes: Vec<(&str, &str)> = instead.iter().map(|mistake| (ROWS, *mistake)).collect();
    insta::assert_snapshot!("mistakes_in_expectations", told_of_each(PIPELINE, &mistakes, pipeline_problems));
    let file = PIPELINE.replace(ROWS, "  scope: same\n");
    let docebo = "  docebo:\n    tenant: acme\n    report: 619bf79c-970a-4a8e-be8a-dde48a05c652\n    via: download\n";
    let told = pipeline_problems(&file.replace(docebo, "  file: {path: in.csv}\n"));
    assert!(told.contains("and a file has no account"), "{told}");
}

#[test]
fn mistakes_in_the_settings_are_told_where_they_stand() {
    let mistakes = [
        ("tenants:\n", "tenats:\n"),
        ("    client_id: reportferry\n", ""),
        ("    password: {file: secrets/acme}\n", ""),
        ("password: {file: secrets/acme}", "password: hunter2"),
        ("password: {file: secrets/acme}", "password: \"\""),
        ("password: {file: secrets/acme}", "password:"),
        ("password: {file: secrets/acme}", "password: {path: secrets/acme}"),
        ("password: {file: secrets/acme}", "password: {file: secrets/acme, env: X}"),
        ("password: {file: secrets/acme}", "password: {}"),
        ("password: {file: secrets/acme}", "password: [hunter2]"),
        ("destinations:\n", "limits: {memory: 1023KiB}\ndestinations:\n"),
        ("https://acme.docebosaas.com", "acme.docebosaas.com"),
        ("https://acme.docebosaas.com", "https://acme.docebosaas.com/learn"),
        ("https://acme.docebosaas.com", "http://acme.docebosaas.com"),
        ("https://acme.docebosaas.com", "http://127.0.0.1.example:80"),
        ("https://acme.docebosaas.com", "https://user:hunter2@acme.docebosaas.com"),
        ("https://acme.docebosaas.com", "ftp://acme.docebosaas.com"),
        ("    username: svc-reporting", "    username: svc-reporting\n    poll: {initial: 2m, max: 1m}"),
        ("    username: svc-reporting", "    username: svc-reporting\n    poll: {initial: 10 s}"),
        ("    username: svc-reporting", "    username: svc-reporting\n    budget: {per_minute: 0, in_flight: 65}"),
        ("    username: svc-reporting", "    username: svc-reporting\n    insecure: on"),
        ("  acme:\n    docebo", "  ac me:\n    docebo"),
        ("    sftp:\n", "    local: {path: x}\n    sftp:\n"),
        ("    sftp:\n", "    ftp:\n"),
        ("    local: {path: drop}", "    retry: {initial: 0s}"),
        ("      host: sftp.hris.example", "      host: sftp://sftp.hris.example:22"),
        ("      host: sftp.hris.example", "      host: sftp.hris.example\n      port: 65536"),
        ("      host: sftp.hris.example", "      host: sftp.hris.example\n      write_bytes: 31999"),
        ("      host: sftp.hris.example", "      host: sftp.hris.example\n      sessions: 17"),
        ("      host: sftp.hris.example", "      host: sftp.hris.example\n      sessions: 1\n      parallel: true"),
        ("      host: sftp.hris.example", "      host: sftp.hris.example\n      parallel: 16MB"),
        ("      host: sftp.hris.example", "      host: sftp.hris.example\n      mode: rw-r--r--"),
        ("      host: sftp.hris.example", "      host: sftp.hris.example\n      base: /in/../.."),
        ("      host: sftp.hris.example", "      host: sftp.hris.example\n      verify: hash"),
        ("      key: {file: /run/secrets/hris_key}\n", ""),
        ("      key: {file: /run/secrets/hris_key}\n", "      password: {env: P}\n      passphrase: {env: Q}\n"),
        ("      host_keys: [\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]\n", ""),
        ("      host: sftp.hris.example", "      host: sftp.hris.example\n      agent: yes\n      agent_key: abc"),
        (
            "      host: sftp.hris.example",
            "      host: sftp.hris.example\n      proxy: {http: \"p:1\", socks5: \"p:2\"}",
        ),
        (
            "      host: sftp.hris.example",
            "      host: sftp.hris.example\n      proxy: {username: me, http: proxy.example}",
        ),
        (
            "      host: sftp.hris.example",
            "      host: sftp.hris.example\n      proxy: {username: \"m:e\", http: \"p:1\"}",
        ),
        ("      host: sftp.hris.example", "      host: sftp.hris.example\n      proxy: {}"),
        (
            "      host: sftp.hris.example",
            "      host: sftp.hris.example\n      jump: {host: j, username: me, agent_key: x}",
        ),
        (
            "      host: sftp.hris.example",
            "      host: sftp.hris.example\n      algorithms: {kex: [curve25519-sha265], host_key: [ssh-dss]}",
        ),
        ("SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "SHA256:AAAA"),
        ("SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "MD5:16:27:ac:a5:76:28:2d"),
        ("    local: {path: drop}", "    local: {path: drop, mkdri: true}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: movd"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: ack_file"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: [moved]"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {moved: {deadline: 0s}}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {moved: {deadline: 4, every: 9s}}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {moved: {deadline: 4h, every: 9s}}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {moved: {every: 1m}}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {moved: {}, deadline: 4h}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {immediate: {}}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {moved: {}, ack_file: \"{name}.ack\"}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {ack_file: \"{name}\"}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {ack_file: received.ack}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {ack_file: \"acks/{name}.ack\"}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {ack_file: \"{nam}.ack\"}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {ack_file: {name: \"{slot:%d}{name}\"}}"),
        ("    local: {path: drop}", "    local: {path: drop}\n    pickup: {ack_file: {deadline: 4h}}"),
        (
            "    local: {path: drop}",
            "    webhook: {url: \"https://bi.example/hook\", secret: {env: S}}\n    pickup: {ack_file: \"{name}.ack\"}",
        ),
        ("tenants:\n", "ledger: postgres://u:hunter2@db/x\ntenants:\n"),
        ("tenants:\n", "ledger: ledger.db\ntenants:\n"),
        ("tenants:\n", "ledger: {}\ntenants:\n"),
        ("tenants:\n", "ledger: {sqlite: \"\", postgre: {}}\ntenants:\n"),
        ("tenants:\n", "ledger: {sqlite: a.db, postgres: {host: h, username: u}}\ntenants:\n"),
        ("tenants:\n", "ledger: {postgres: {host: h, port: 0, tls: maybe, password: hunter2}}\ntenants:\n"),
        ("tenants:\n", "http: localhost\ntenants:\n"),
        ("tenants:\n", "limits: {rows: 0, record_bytes: 1MB}\ntenants:\n"),
        ("tenants:\n", "log: {format: text, filter: \"reportferry=loud\"}\ntenants:\n"),
        ("tenants:\n", "pipelines: [a, b]\ntenants:\n"),
        (SETTINGS, "- tenants\n"),
        (SETTINGS, "tenants: [acme]\ndestinations: none\n"),
    ];
    insta::assert_snapshot!("mistakes_in_the_settings", told_of_each(SETTINGS, &mistakes, settings_problems));
}

#[test]
fn what_the_environment_says_is_told_by_its_variable() {
    let told = |variables: &[(&str, &str)], flags: &[(&str, &str)]| {
        let folder = Folder::new(&SETTINGS.replace("  acme:", "  acme-eu:"), PIPELINE);
        match folder.settings_with(variables, flags) {
            Ok(_) => "fine\n".to_string(),
            Err(problems) => folder.told(&problems),
        }
    };
    let cases: &[(Pairs, Pairs)] = &[
        (&[("REPORTFERRY_TENANTS__ACME_EU__USERNAME", "007")], &[]),
        (&[("REPORTFERRY_TENANTS__ACME_EU__DOCEBO", "http://example.com")], &[]),
        (&[("REPORTFERRY_TENANTS__ACME__USERNAME", "x")], &[]),
        (&[("REPORTFERRY_DTAA", "x")], &[]),
        (&[("REPORTFERRY_LIMITS__ROWS", "many")], &[]),
        (&[("REPORTFERRY_LIMITS__ROWS", "many")], &[("limits.rows", "5")]),
        (&[], &[("limits.rows", "-5")]),
        (&[("REPORTFERRY_DESTINATIONS__BI__SFTP__HOST", "h")], &[]),
        (&[("REPORTFERRY_DATA", "x"), ("REPORTFERRY_DATA__X", "y")], &[]),
        (&[("REPORTFERRY_DESTINATIONS__HRIS__SFTP__HOST_KEYS", "[SHA256:AAAA]")], &[]),
        (&[("REPORTFERRY_DESTINATIONS__HRIS__SFTP__HOST_KEYS", "SHA256:AAAA")], &[]),
        (&[("REPORTFERRY_TENANTS__ACME_EU__PASSWORD", "{env: x")], &[]),
        (&[("REPORTFERRY_CONFIG", "elsewhere.yaml")], &[]),
    ];
    let mut out = String::new();
    for (variables, flags) in cases {
        out.push_str(&format!("{variables:?} {flags:?}\n{}\n", told(variables, flags)));
    }
    insta::assert_snapshot!("mistakes_in_the_environment", out);
}

#[test]
fn a_problem_is_drawn_with_its_line_and_a_caret() {
    let mut wrong = PIPELINE.replace("mon-fri", "mon-fry").replace("missed: latest", "missd: latest");
    wrong = wrong.replace("email: Email}", "email: Émail, X: Émail}");
    let folder = Folder::new(SETTINGS, &wrong);
    let problems = folder.load().map(|_| ()).unwrap_err();
    let drawn = render::render(&problems, false, 120).replace(&format!("{}/", folder.0.path().display()), "");
    insta::assert_snapshot!("drawn", drawn);
    assert!(render::render(&problems, true, 120).contains("\u{1b}["), "colour where it is asked for");
    let json = render::json(&problems[0]);
    assert_eq!((json["line"].as_u64(), json["column"].as_u64()), (Some(3), Some(23)), "{json}");
    assert_eq!((json["key"].as_str(), json["severity"].as_str()), (Some("schedule.cron"), Some("error")), "{json}");
}

#[test]
fn secrets_are_blanked_in_the_lines_that_are_shown() {
    let texts = [
        // Named by a problem on the same line, read and unread.
        SETTINGS.replace("password: {file: secrets/acme}", "password: hunter2"),
        SETTINGS.replace("key: {file: /run/secrets/hris_key}", "password: hunter2"),
        SETTINGS.replace("local: {path: drop}", "sftp: {hots: h, password: hunter2, passphrase: 'hunter2'}"),
        SETTINGS.replace("password: {file: secrets/acme}", "pasword: hunter2"),
        SETTINGS.replace("client_secret: {env: ACME_CLIENT_SECRET}", "clientSecret: hunter2"),
        SETTINGS.replace("email_salt: {env: EMAIL_SALT}", "email_salt: hunter2"),
        SETTINGS.replace("email_salt: {env: EMAIL_SALT}", "email_salt: {evn: x, other: hunter2"),
        SETTINGS.replace("password: {file: secrets/acme}", "password: \"hunter2"),
        SETTINGS.replace("password: {file: secrets/acme}", "password: hunter2: x"),
        SETTINGS.replace("password: {file: secrets/acme}", "password: [hunter2]"),
        SETTINGS.replace("key: {file: /run/secrets/hris_key}", "key: |\n        hunter2\n       hunter2\n      x"),
        SETTINGS.replace("    local: {path: drop}", "    sftp: {host: h, password: hunter2, port: x}"),
        SETTINGS.replace("https://acme", "https://user:hunter2@acme"),
        format!("ledger: postgres://u:hunter2@db/x\n{SETTINGS}"),
        // Slips whose hints show the text otherwise.
        SETTINGS.replace("password: {file: secrets/acme}", "password:hunter2"),
        SETTINGS.replace("password: {file: secrets/acme}", "password: \"hunter2\" hunter2"),
        SETTINGS.replace("password: {file: secrets/acme}", "password: |hunter2"),
        SETTINGS.replace("password: {file: secrets/acme}", "password: {hunter2}x"),
        SETTINGS.replace("password: {file: secrets/acme}", "password: hunter2 #hunter2"),
        SETTINGS.replace("local: {path: drop}", "sftp: {host: h, password:hunter2, username: x}"),
        SETTINGS.replace("local: {path: drop}", "sftp: {host: h, password: hunter2(a, hunter2), username: x}"),
        SETTINGS.replace("local: {path: drop}", "sftp: {host: h, password: (a, 'hunter2'), username: x}"),
        SETTINGS.replace("local: {path: drop}", "sftp: {host: h, password: hunter2 #hunter2, username: x}"),
        SETTINGS.replace("local: {path: drop}", "sftp:\n      password:hunter2"),
        SETTINGS.replace("email_salt: {env: EMAIL_SALT}", "email_salt:hunter2"),
        SETTINGS.replace("email_salt: {env: EMAIL_SALT}", "email_salt: {env: X}\n  other:hunter2"),
    ];
    for text in texts {
        let folder = Folder::new(&text, PIPELINE);
        let problems = match folder.settings_with(&[], &[]) {
            Ok((_, problems)) | Err(problems) => problems,
        };
        assert!(!problems.is_empty(), "{text}");
        let told = format!("{}{}", render::render(&problems, false, 120), folder.told(&problems));
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn columns_that_are_called_as_a_secret_are_shown() {
    let step = |step: &str| PIPELINE.replace("expect:\n", &format!("  - {step}\nexpect:\n"));
    for (text, shown) in [
        (step("set: {key: uper(course)}"), true),
        (step("rename: {key: curse}"), true),
        (step("filter: key::integer > uper(5)"), true),
        (step("map: {column: course, file: {path: none.csv, key: code, value: v}}"), true),
        (step("mask: {course: {key: hunter2}}"), false),
        (step("password: hunter2"), false),
        (format!("{PIPELINE}password: hunter2\n"), false),
    ] {
        let folder = Folder::new(SETTINGS, &text);
        let drawn = render::render(&folder.load().map(|_| ()).unwrap_err(), false, 120);
        assert_eq!(drawn.contains("***"), !shown, "{drawn}");
        assert!(!drawn.contains("hunter2"), "{drawn}");
    }
}

#[test]
fn no_mistake_ends_the_program() {
    use proptest::prelude::*;
    let cut = |text: &str, at: usize| (0..=at % (text.len() + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap();
    let edits = proptest::collection::vec(
        (any::<usize>(), 0..6usize, "[\\-a-z\"'{}\\[\\]:,*&!|>#% \n\t\\\\é\u{feff}]{0,3}"),
        1..5,
    );
    let runner = ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() };
    let folder = Folder::new(SETTINGS, PIPELINE);
    proptest::test_runner::TestRunner::new(runner)
        .run(&(any::<bool>(), edits), |(settings, edits)| {
            let mut text = if settings { SETTINGS } else { PIPELINE }.replace("courses", "coursés");
            for (at, len, insert) in edits {
                let start = cut(&text, at);
                let end = (start..=(start + len).min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
                text.replace_range(start..end, &insert);
            }
            let problems = if settings {
                folder.write("reportferry.yaml", &text);
                folder.settings_with(&[], &[]).map_or_else(|problems| problems, |(_, problems)| problems)
            } else {
                folder.write("reportferry.yaml", SETTINGS);
                folder.write("pipelines/completions.yaml", &text);
                folder.load().map_or_else(|problems| problems, |(_, problems)| problems)
            };
            render::render(&problems, false, 80);
            for place in problems.iter().filter_map(|problem| problem.place.as_ref()) {
                let line = text.split('\n').nth(place.line as usize - 1);
                prop_assert!(line.is_some_and(|line| place.column as usize <= line.chars().count() + 1), "{place:?}");
                prop_assert!(text.get(place.span.clone()).is_some(), "{place:?}");
            }
            Ok(())
        })
        .unwrap();
}

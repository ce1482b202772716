//! Which layer wins, what the defaults are, and how secrets are read.

use std::path::Path;
use std::time::Duration;

use reportferry::name::NameTemplate;
use reportferry::settings::{DestinationKind, Grant, Pickup, PickupDeadline, SecretRef, Settings, Tenant};

use super::{Folder, PIPELINE, SETTINGS};

fn password(tenant: &Tenant) -> &SecretRef {
    match &tenant.grant {
        Grant::Password { password, .. } => password,
        _ => panic!("{} has another grant", tenant.name),
    }
}

#[test]
fn layers_win_in_their_order_and_keep_texts_as_they_are() {
    let folder = Folder::new(&SETTINGS.replace("  acme:", "  acme.eu-1:"), PIPELINE);
    let said = |variables: &[(&str, &str)], flags: &[(&str, &str)]| {
        folder
            .settings_with(variables, flags)
            .map(|(settings, _)| settings)
            .unwrap_or_else(|problems| panic!("{problems:#?}"))
    };
    let base = folder.path("");
    let settings = said(&[], &[]);
    assert_eq!((settings.data.clone(), settings.pipelines.clone()), (base.join("data"), base.join("pipelines")));
    assert!(settings.ledger == crate::stage::sqlite(&base.join("data/ledger.db")));
    assert_eq!((settings.limits.rows, settings.limits.record_bytes), (100_000_000, 1 << 20));
    let tenant = &settings.tenants["acme.eu-1"];
    assert!(matches!(password(tenant), SecretRef::File(path) if *path == base.join("secrets/acme")));
    assert_eq!((tenant.budget.per_hour, tenant.poll.max.as_secs(), tenant.timeouts.idle.as_secs()), (800, 60, 60));
    let DestinationKind::Sftp(sftp) = &settings.destinations["hris"].kind else { panic!("hris is sftp") };
    assert_eq!((sftp.port, sftp.base.as_str(), sftp.write_bytes, sftp.in_flight), (22, "", 32_000, 128));

    let variables = [
        ("REPORTFERRY_TENANTS__ACME_EU_1__USERNAME", "007"),
        ("REPORTFERRY_TENANTS__ACME_EU_1__PASSWORD__FILE", "/run/p"),
        ("REPORTFERRY_DATA", "/var/lib/ferry"),
        ("REPORTFERRY_LIMITS__ROWS", "5"),
        ("REPORTFERRY_LOG__FORMAT", "json"),
        ("REPORTFERRY_DESTINATIONS__HRIS__SFTP__MODE", "0640"),
        ("REPORTFERRY_DESTINATIONS__NEW__LOCAL", "{path: there, mkdir: true}"),
        ("REPORTFERRY_SECRETS__SALT", "{not: a table"),
        ("OTHER_DATA", "x"),
    ];
    let settings = said(&variables, &[("limits.rows", "6")]);
    let tenant = &settings.tenants["acme.eu-1"];
    assert_eq!(tenant.username(), Some("007"));
    assert!(matches!(password(tenant), SecretRef::File(path) if path == Path::new("/run/p")));
    assert!(settings.ledger == crate::stage::sqlite(Path::new("/var/lib/ferry/ledger.db")));
    assert_eq!(settings.limits.rows, 6, "flags win over the environment");
    let DestinationKind::Local(local) = &settings.destinations["new"].kind else { panic!("new is local") };
    assert_eq!((local.path.clone(), local.mkdir), (base.join("there"), true));
    assert_eq!(settings.secrets["salt"].read().unwrap().expose(), "{not: a table");
}

#[test]
fn a_settings_file_may_be_absent_only_where_none_is_named() {
    let absent = Settings::load_with(Some(Path::new("no/such.yaml")), &[], std::iter::empty());
    let problems = absent.map(|_| ()).unwrap_err();
    assert_eq!(problems[0].what, "there is no file no/such.yaml");
    // Where none is named, the file is looked for in the folder that the process stands in.
    let folder = crate::stage::folder();
    let check = crate::stage::reportferry().arg("check").current_dir(folder.path()).output().unwrap();
    // That there are no pipelines either is all that is wrong.
    let told = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.code() == Some(2) && told.contains("there is nothing to check"), "{told}");
    assert!(!told.contains("reportferry.yaml"), "{told}");
}

#[test]
fn secrets_are_read_from_their_places() {
    let folder = crate::stage::folder();
    let path = folder.path().join("secret");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        SecretRef::File(path.clone())
            .read()
            .map(|secret| secret.expose().to_string())
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(b"hunter2"), Ok("hunter2".into()));
    assert_eq!(read(b"hunter2\n"), Ok("hunter2".into()));
    assert_eq!(read(b"hunter2\r\n"), Ok("hunter2".into()));
    assert_eq!(read(b"hunter2\n\n"), Ok("hunter2\n".into()), "one newline only");
    assert_eq!(read(b" hunter2\r"), Ok(" hunter2\r".into()));
    let shown = path.display();
    assert_eq!(read(b""), Err(format!("the secret's file {shown} is empty")));
    for blank in ["\n", " ", " \t\r\n"] {
        assert_eq!(read(blank.as_bytes()), Err(format!("the secret's file {shown} contains white space only")));
    }
    assert_eq!(read(b"hunter2\xff"), Err(format!("the secret's file {shown} is not text")));
    assert_eq!(read(&vec![b'x'; 1 << 20]).map(|text| text.len()), Ok(1 << 20));
    let too_large = format!("the secret's file {shown} is larger than 1 MiB; is it the right one?");
    assert_eq!(read(&vec![b'x'; (1 << 20) + 1]), Err(too_large));
    let told = |place: SecretRef| place.read().map(|_| ()).unwrap_err().to_string();
    assert_eq!(told(SecretRef::File("/no/such".into())), "cannot read the secret's file /no/such: it does not exist");
    let directory = told(SecretRef::File(folder.path().into()));
    assert!(directory.ends_with(": it is a directory, not a file"), "{directory}");
    let unset = "the environment variable REPORTFERRY_TEST_UNSET is not set; it should contain a secret";
    assert_eq!(told(SecretRef::Env("REPORTFERRY_TEST_UNSET".into())), unset);
}

#[test]
fn the_manual_may_be_taken_at_its_word() {
    // Every commented key of defaults.yaml, uncommented, is accepted, and says what the defaults are.
    let uncommented: String = reportferry::settings::DEFAULTS
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| rest.starts_with(' ') || rest.contains(": ") || rest.ends_with(':'))
                .unwrap_or(line)
        })
        .filter(|line| !line.starts_with(|c: char| c.is_uppercase() || c == '`') && !line.starts_with("  REPORTFERRY"))
        .filter(|line| !line.starts_with("reportferry's") && !line.starts_with("`-`"))
        .map(|line| format!("{}\n", line.replace("SHA256:…", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")))
        .collect();
    let folder = Folder::new(&uncommented, PIPELINE);
    let (settings, problems) =
        folder.settings_with(&[], &[]).unwrap_or_else(|problems| panic!("{uncommented}\n{}", folder.told(&problems)));
    assert!(problems.is_empty(), "{}", folder.told(&problems));
    let plain = Folder::new(&SETTINGS.replace("bi:", "archive:"), PIPELINE).settings();
    let (said, default) = (&settings.tenants["acme"], &plain.tenants["acme"]);
    assert_eq!(
        (said.budget, said.poll, said.timeouts, said.retry),
        (default.budget, default.poll, default.timeouts, default.retry)
    );
    assert_eq!((settings.limits, &settings.log), (plain.limits, &plain.log));
    assert_eq!((settings.work, settings.keep), (plain.work, plain.keep));
    assert_eq!(
        (&settings.alerts.on, settings.alerts.max_per_message),
        (&plain.alerts.on, plain.alerts.max_per_message)
    );
    assert_eq!(settings.destinations["hris"].retry, plain.destinations["hris"].retry);
    let (DestinationKind::Sftp(said), DestinationKind::Sftp(default)) =
        (&settings.destinations["hris"].kind, &plain.destinations["hris"].kind)
    else {
        panic!("hris is sftp")
    };
    assert_eq!(
        (said.timeouts, said.write_bytes, said.in_flight, said.publish, said.verify),
        (default.timeouts, default.write_bytes, default.in_flight, default.publish, default.verify)
    );
    assert_eq!(
        (said.port, &said.base, &said.staging, said.mkdir),
        (default.port, &default.base, &default.staging, default.mkdir)
    );
}

#[test]
fn a_pick_up_is_a_word_or_a_table_of_one_kind() {
    let pickup = |text: &str, variables: &[(&str, &str)]| {
        let said = format!("    local: {{path: drop}}\n{text}");
        let folder = Folder::new(&SETTINGS.replace("    local: {path: drop}\n", &said), PIPELINE);
        let (settings, _) =
            folder.settings_with(variables, &[]).unwrap_or_else(|told| panic!("{}", folder.told(&told)));
        settings.destinations["bi"].pickup.clone()
    };
    let deadline = |deadline, every| {
        let length = Duration::from_secs;
        Some(PickupDeadline { after: length(deadline), every: length(every) })
    };
    let ack = |deadline| Pickup::AckFile { name: NameTemplate::parse("{name}.ack").unwrap(), deadline };
    let moved = |deadline| Pickup::Moved { deadline };
    for (text, expected) in [
        ("", Pickup::None),
        ("    pickup: none\n", Pickup::None),
        ("    pickup: immediate\n", Pickup::Immediate),
        ("    pickup: moved\n", moved(None)),
        ("    pickup: {moved: {}}\n", moved(None)),
        ("    pickup: {moved: {deadline: 1s, every: 10s}}\n", moved(deadline(1, 10))),
        ("    pickup:\n      moved:\n        deadline: 4h\n", moved(deadline(4 * 3_600, 300))),
        ("    pickup: {ack_file: \"{name}.ack\"}\n", ack(None)),
        ("    pickup: {ack_file: {name: \"{name}.ack\", deadline: 2d}}\n", ack(deadline(2 * 86_400, 300))),
    ] {
        assert_eq!(pickup(text, &[]), expected, "{text}");
    }
    const VARIABLE: &str = "REPORTFERRY_DESTINATIONS__BI__PICKUP";
    let deeper = [(&*format!("{VARIABLE}__MOVED__DEADLINE"), "4h")];
    assert_eq!(pickup("", &[(VARIABLE, "moved")]), moved(None));
    assert_eq!(pickup("", &[(VARIABLE, "{ack_file: \"{name}.ack\"}")]), ack(None));
    assert_eq!(pickup("", &deeper), moved(deadline(4 * 3_600, 300)));
    let named = [(&*format!("{VARIABLE}__ACK_FILE"), "{name: \"{name}.ack\", deadline: 4h}")];
    assert_eq!(pickup("", &named), ack(deadline(4 * 3_600, 300)));
    assert_eq!(pickup("", &[(&*format!("{VARIABLE}__ACK_FILE"), "{name}.ack")]), ack(None));
}

#[test]
fn a_variable_that_fits_two_names_is_refused() {
    let two = SETTINGS
        .replace("  bi:", "  a-b:")
        .replace("secrets:\n", "  a.b:\n    local: {path: x}\n  a_b-c:\n    local: {path: x}\nsecrets:\n");
    let folder = Folder::new(&two, PIPELINE);
    let told = |variable: &str| {
        let problems = folder.settings_with(&[(variable, "/elsewhere")], &[]).map(|_| ()).unwrap_err();
        folder.told(&problems)
    };
    let expected = "    -: environment variable REPORTFERRY_DESTINATIONS__A_B__LOCAL__PATH: `A_B` matches `a-b` and `a.b`\n      \
                    → set this key in the settings file\n";
    assert_eq!(told("REPORTFERRY_DESTINATIONS__A_B__LOCAL__PATH"), expected);
    assert!(folder.settings_with(&[("REPORTFERRY_DESTINATIONS__A_B_C__LOCAL__PATH", "/elsewhere")], &[]).is_ok());
}

/// The binary in an environment of its own.
fn check_with(folder: &Folder, variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = crate::stage::reportferry();
    command.args(arguments).current_dir(folder.path("")).env_clear();
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), told)
}

#[test]
fn variables_of_a_platform_do_not_keep_the_worker_from_starting() {
    let folder = Folder::new(SETTINGS, PIPELINE);
    let platform = [
        ("REPORTFERRY_PORT", "tcp://10.0.0.1:8080"),
        ("REPORTFERRY_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("REPORTFERRY_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("REPORTFERRY_SERVICE_HOST", "10.0.0.1"),
        ("REPORTFERRY_SERVICE_PORT", "8080"),
        ("REPORTFERRY_SERVICE_PORT_HTTP", "8080"),
        ("REPORTFERRY_NAME", "/app/reportferry"),
        ("REPORTFERRY_ENV_PATH", "/bin"),
    ];
    let (code, told) = check_with(&folder, &platform, &["check"]);
    assert_eq!((code, told.contains("1 pipeline, no problems")), (Some(0), true), "{told}");
    let unknown = [("REPORTFERRY_BUILD", "7"), ("REPORTFERRY_LIMITS__COLOUR", "x")];
    let (code, told) = check_with(&folder, &unknown, &["check"]);
    assert!(code == Some(0) && told.contains("1 pipeline, 2 warnings"), "{told}");
    assert!(told.contains("the nearest key is REPORTFERRY_"), "{told}");
    assert!(told.contains("`colour` is not a key here"), "{told}");
    let (code, told) = check_with(&folder, &unknown, &["plan", "completions"]);
    assert!(code == Some(0) && told.contains("REPORTFERRY_BUILD (it is ignored"), "{told}");
    // `--strict` makes problems of warnings.
    let (code, told) = check_with(&folder, &unknown, &["check", "--strict"]);
    assert!(code == Some(2) && told.contains("2 problems"), "{told}");
    for (name, near) in [("REPORTFERRY_DTAA", "REPORTFERRY_DATA"), ("REPORTFERRY_LIMITS__ROW", "rows")] {
        let (code, told) = check_with(&folder, &[(name, "x")], &["check"]);
        assert!(code == Some(2) && told.contains("did you mean") && told.contains(near), "{told}");
    }
}

#[test]
fn a_newline_at_the_end_of_a_secret_in_a_variable_of_ours_is_dropped() {
    let folder = Folder::new(SETTINGS, PIPELINE);
    let variable = "REPORTFERRY_TENANTS__ACME__PASSWORD";
    let settings = folder.settings_with(&[(variable, "hunter2\n")], &[]).map(|(settings, _)| settings);
    let settings = settings.unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
    assert_eq!(password(&settings.tenants["acme"]).read().unwrap().expose(), "hunter2");
    let problems = folder.settings_with(&[(variable, " \n")], &[]).map(|_| ()).unwrap_err();
    assert!(folder.told(&problems).contains("this secret is white space only"), "{}", folder.told(&problems));
}

#[test]
fn host_keys_are_one_value_or_a_list() {
    const PIN: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let pins = |settings: &str, variables: &[(&str, &str)]| {
        let folder = Folder::new(settings, PIPELINE);
        let settings = folder.settings_with(variables, &[]).map(|(settings, _)| settings);
        let settings = settings.unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
        let DestinationKind::Sftp(sftp) = &settings.destinations["hris"].kind else { panic!("hris is sftp") };
        sftp.host_keys.clone()
    };
    let one = SETTINGS.replace(&format!("[\"{PIN}\"]"), PIN);
    assert_ne!(one, SETTINGS);
    assert_eq!(pins(&one, &[]), [PIN]);
    assert_eq!(pins(SETTINGS, &[]), [PIN]);
    let variable = "REPORTFERRY_DESTINATIONS__HRIS__SFTP__HOST_KEYS";
    assert_eq!(pins(&one, &[(variable, PIN)]), [PIN]);
    assert_eq!(pins(&one, &[(variable, &format!("[{PIN}, {PIN}]"))]), [PIN, PIN]);
}

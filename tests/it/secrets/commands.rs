//! Secrets that a command prints: limits, what is shown of them, and that nothing else runs them.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::stage::eventually;
use crate::stage::rig::{PASSWORD, PIPELINE, Rig, SLOT, both};

/// A rig whose tenant's password is printed by `sh -c SCRIPT`, which works in the rig's folder.
pub(super) fn rig(script: &str, options: &str) -> Rig {
    let rig = Rig::new(PIPELINE);
    let script = format!("cd {:?}; {script}", rig.folder.path());
    let command = serde_json::to_string(&["sh", "-c", &script]).unwrap();
    rig.settings(|text| {
        let text = text.replace("password: {file: password}", &format!("password: {{command: {command}{options}}}"));
        format!("secret_commands: true\n{text}")
    });
    rig
}

fn run(rig: &Rig) -> std::process::Output {
    rig.reportferry(&["run", "line", "--slot", SLOT, "--wait", "1s"])
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

#[test]
fn a_run_gets_its_password_from_a_command_and_nothing_else_runs_it() {
    let rig = rig("echo . >> runs; cat password; echo", "");
    let runs = rig.folder.path().join("runs");
    for quiet in [&["check"][..], &["plan", "line"], &["status"], &["runs"], &["schema", "settings"]] {
        let output = rig.reportferry(quiet);
        assert!(output.status.success(), "{quiet:?}: {}", both(&output));
        assert_eq!(lines(&runs), 0, "{quiet:?} has run it");
    }
    let output = run(&rig);
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(lines(&runs), 1);

    let output = rig.reportferry(&["check", "--secrets"]);
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(lines(&runs), 2);
    let said = both(&output);
    assert!(said.contains("secret tenants.acme.password: read from the command sh\n"), "{said}");
    assert!(!said.contains(PASSWORD) && !said.contains("runs"), "{said}");
    let output = rig.reportferry(&["check", "--secrets", "--json"]);
    let secrets = crate::stage::rig::document(&output)["secrets"].clone();
    let wanted = serde_json::json!({"key": "tenants.acme.password", "from": "the command sh", "read": true});
    assert!(secrets.as_array().unwrap().contains(&wanted), "{secrets:#}");
}

#[test]
fn commands_must_be_allowed_by_the_file_or_the_environment() {
    let rig = rig("cat password", "");
    rig.settings(|text| text.replace("secret_commands: true\n", ""));
    let output = rig.reportferry(&["check"]);
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
    let said = both(&output);
    assert!(said.contains("these settings do not allow secrets from commands"), "{said}");
    assert!(said.contains("password: {command:"), "the line must be shown: {said}");
    let output = rig.reportferry(&["--set", "secret_commands=true", "check"]);
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
    assert!(both(&output).contains("only the settings file and the environment can allow"), "{}", both(&output));
    let output = rig.command(&["check"]).env("REPORTFERRY_SECRET_COMMANDS", "true").output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
}

#[test]
fn a_command_that_fails_is_named_and_what_it_writes_is_not_shown() {
    for (script, options, said) in [
        ("echo hush >&2; exit 3", "", "failed (exit status: 3) and wrote to standard error, which is not shown"),
        ("echo hush; exit 4", "", "failed (exit status: 4); run it as the worker's account"),
        ("kill -9 $$", "", "failed (signal: 9 (SIGKILL))"),
        ("echo ' '", "", "printed nothing but white space"),
        (r"printf 'hush\377'", "", "printed something that is not text"),
        ("head -c 1048577 /dev/zero | tr '\\0' h", "", "printed more than 1 MiB"),
        ("echo hush; sleep 100", ", timeout: 300ms", "did not end within 300ms and was killed"),
    ] {
        let rig = rig(script, options);
        let output = run(&rig);
        assert_eq!(output.status.code(), Some(3), "{script}: {}", both(&output));
        let text = both(&output);
        assert!(text.contains(&format!("the secret's command sh {said}")), "{script}: {text}");
        assert!(!text.contains("hush") && !text.contains("sleep"), "{script}: {text}");
    }
    let rig = rig("", "");
    rig.settings(|text| text.replace("[\"sh\"", "[\"./no-such-program\""));
    let text = both(&run(&rig));
    assert!(text.contains("/no-such-program cannot be started: No such file"), "{text}");
}

#[test]
fn the_largest_output_is_taken() {
    let rig = rig("head -c 1048576 /dev/zero | tr '\\0' h", "");
    let text = both(&rig.reportferry(&["check", "--secrets"]));
    assert!(text.contains("secret tenants.acme.password: read from the command sh"), "{text}");
}

#[test]
fn a_command_that_hangs_is_killed_with_its_children() {
    let rig = rig("sleep 1000 & echo $! > child; echo x >&2; wait", ", timeout: 1s");
    let begun = Instant::now();
    assert_eq!(run(&rig).status.code(), Some(3));
    assert!(begun.elapsed() < Duration::from_secs(60));
    let child = std::fs::read_to_string(rig.folder.path().join("child")).unwrap();
    let state = std::path::PathBuf::from(format!("/proc/{}/exe", child.trim()));
    eventually("the child has ended", || state.read_link().is_err());
}

/// A daemon that keeps the streams open does not hold up the command's end.
#[test]
fn a_command_is_done_when_its_process_ends() {
    let rig = rig("setsid sleep 30 & cat password", "");
    let begun = Instant::now();
    let output = run(&rig);
    assert!(output.status.success(), "{}", both(&output));
    assert!(begun.elapsed() < Duration::from_secs(25));
}

#[test]
fn a_command_has_the_environment_but_none_of_our_settings_and_no_input() {
    let rig = rig("env > environment; cat; cat password", "");
    let mut command = rig.command(&["run", "line", "--slot", SLOT]);
    command
        .env("REPORTFERRY_TENANTS__ACME__CLIENT_SECRET__FILE", "client_secret")
        .env("VAULT_ADDR", "https://vault.example");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let environment = std::fs::read_to_string(rig.folder.path().join("environment")).unwrap();
    assert!(environment.contains("VAULT_ADDR=https://vault.example") && environment.contains("PATH="), "{environment}");
    assert!(!environment.contains("REPORTFERRY_"), "{environment}");
}

#[test]
fn its_notation_is_checked() {
    for (written, said) in [
        ("{command: []}", "a name is expected here"),
        ("{command: sh}", "a list is expected here"),
        ("{command: [sh], file: password}", "`file` and `command` are mutually exclusive"),
        ("{file: password, cache: 1m}", "`timeout` and `cache` belong to a `command`"),
        ("{}", "missing: the location of this secret"),
    ] {
        let rig = Rig::new(PIPELINE);
        rig.settings(|text| {
            format!(
                "secret_commands: true\n{}",
                text.replace("password: {file: password}", &format!("password: {written}"))
            )
        });
        let output = rig.reportferry(&["check"]);
        assert_eq!(output.status.code(), Some(2), "{written}: {}", both(&output));
        assert!(both(&output).contains(said), "{written}: {}", both(&output));
    }
    // A pipeline file cannot name a secret's location.
    let rig = Rig::new(&PIPELINE.replace("'email_salt'", "{command: [sh]}"));
    assert_eq!(rig.reportferry(&["check"]).status.code(), Some(2));
}

//! `scope_check`: the worker repeats the check, and alerts on what changed.

use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::Stand;
use crate::stage::rig::{SLOT, both, document};
use crate::stage::{count, eventually};
use crate::watch::alerts::Receiver;

/// A worker, killed when dropped.
struct Worker(Child);

impl Worker {
    fn start(stand: &Stand) -> Self {
        Self(stand.rig.command(&["work"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Stand {
    fn checks(&self) -> i64 {
        count(self.rig.folder.path().join("data/ledger.db"), "SELECT COUNT(*) FROM scope_checks")
    }

    /// Makes all checks a day older.
    fn a_day_passes(&self) {
        let ledger = rusqlite::Connection::open(self.rig.folder.path().join("data/ledger.db")).unwrap();
        ledger.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
        ledger.execute("UPDATE scope_checks SET at_ms = at_ms - 86400000", []).unwrap();
    }

    fn tenant_status(&self) -> Value {
        document(&self.rig.reportferry(&["status", "--json"]))["tenants"][0].clone()
    }
}

#[test]
fn the_worker_repeats_the_check_and_alerts_on_changes() {
    let receiver = Receiver::start();
    let stand = Stand::new("svc-least", "");
    stand.rig.settings(|text| {
        let text = text.replace("    client_id:", "    scope_check: 1d\n    client_id:");
        format!(
            "alerts: {{channels: {{desk: {{webhook: {{url: \"http://{}/desk\", allow: [loopback]}}}}}}}}\n{text}",
            receiver.address
        )
    });
    let worker = Worker::start(&stand);
    eventually("the first check", || {
        stand.rig.folder.path().join("data/ledger.db").exists() && {
            let checks = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'scope_checks'";
            count(stand.rig.folder.path().join("data/ledger.db"), checks) == 1 && stand.checks() == 1
        }
    });
    let status = stand.tenant_status();
    assert_eq!((&status["level"], &status["scope"]["standing"]), (&json!("power_user"), &json!("least")), "{status:#}");
    drop(worker);

    // Not due yet: a new worker does not ask again.
    let before = stand.sandbox.requests();
    let worker = Worker::start(&stand);
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!((stand.checks(), stand.sandbox.requests()), (1, before));

    stand.sandbox.misbehave("allow_groups,assigned_courses=25".parse().unwrap());
    stand.a_day_passes();
    eventually("the alert", || receiver.got("/desk").iter().any(|body| body["event"] == "scope_changed"));
    let bodies = receiver.got("/desk");
    let alert = bodies.iter().find(|body| body["event"] == "scope_changed").unwrap();
    let reason = alert["reason"].as_str().unwrap();
    for change in [
        "assigned courses: 24 before, 25 now",
        "permission groups: /framework/admin/groups/view was given",
        "GET /manage/v1/orgchart was denied and is allowed",
    ] {
        assert!(reason.contains(change), "{change}: {alert:#}");
    }
    assert_eq!((&alert["tenant"], &alert["next"]), (&json!("acme"), &json!("reportferry scope acme")));
    assert!(alert["pipeline"].is_null(), "{alert:#}");

    // The same again is no change.
    stand.a_day_passes();
    eventually("the third check", || stand.checks() == 3);
    let status = stand.tenant_status();
    assert_eq!(
        (&status["scope"]["standing"], &status["scope"]["changes"]),
        (&json!("excess"), &json!([])),
        "{status:#}"
    );
    let told = receiver.got("/desk").iter().filter(|body| body["event"] == "scope_changed").count();
    assert_eq!(told, 1);
    let text = both(&stand.rig.reportferry(&["status"]));
    assert!(text.contains("scope   acme allows svc-least 3 endpoints that no pipeline needs"), "{text}");
    drop(worker);
    stand.only_reads();
}

#[test]
fn a_level_that_accepts_anything_is_shown() {
    let stand = Stand::new("root", "");
    assert!(!stand.text(&["status"], 0).contains("level"));
    stand.rig.settings(|text| text.replace("    client_id:", "    level: any\n    client_id:"));
    assert!(stand.text(&["status"], 0).contains("acme accepts any account, also a Superadmin (`level: any`)"));
    assert_eq!(stand.tenant_status()["level"], "any");
}

/// A run keeps the account's assignments with its extract, or does without them.
#[test]
fn a_run_keeps_the_assignments_of_its_account() {
    let stand = Stand::new("svc-least", "");
    let extract = |stand: &Stand| {
        assert_eq!(stand.rig.run().status.code(), Some(0));
        let ledger = rusqlite::Connection::open(stand.rig.folder.path().join("data/ledger.db")).unwrap();
        let text: String = ledger.query_row("SELECT extract_json FROM runs", [], |row| row.get(0)).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let scope = extract(&stand)["source"]["scope"].clone();
    assert_eq!((&scope["username"], &scope["level"]), (&json!("svc-least"), &json!("power_user")), "{SLOT}");
    assert_eq!(scope["assigned"], json!({"branches": 8, "courses": 24, "groups": 0, "users": 125}));
    assert_eq!(scope["permissions"], json!(["reports: /framework/admin/reports/view"]));
    let asked = |stand: &Stand| {
        let log = stand.sandbox.log();
        log.iter().filter(|seen| seen.path.starts_with("/poweruser/")).count()
    };
    assert_eq!(asked(&stand), 1);
    for fault in ["403", "html", "redirect", "500", "garbage", "empty", "reset"] {
        let stand = Stand::new("svc-least", &format!("assignments={fault}"));
        assert!(extract(&stand)["source"]["scope"].is_null(), "{fault}");
        assert_eq!(asked(&stand), 1, "{fault}");
    }
}

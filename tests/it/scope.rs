//! `scope`: the truth about accounts of every kind, by the real binary over HTTP.

mod grants;
mod watched;

use reportferry::sandbox::{Sandbox, SandboxOptions};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::stage::rig::{CLIENT_SECRET, PASSWORD, PIPELINE, Rig, both, document, sandbox, servers};

/// A platform of its own, and a rig whose tenant is on it.
struct Stand {
    rig: Rig,
    sandbox: Sandbox,
    _runtime: Runtime,
}

impl Stand {
    fn new(account: &str, misbehave: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let options = SandboxOptions { misbehave: misbehave.parse().unwrap(), rows: 40, ..SandboxOptions::default() };
        let sandbox = runtime.block_on(sandbox(options));
        let rig = Rig::with(PIPELINE, &sandbox.url, &servers().sshd);
        if account != "svc-reporting" {
            rig.settings(|text| text.replace("svc-reporting", account));
        }
        Self { rig, sandbox, _runtime: runtime }
    }

    /// What `scope` says of the tenant, in JSON.
    fn scope(&self, code: i32) -> Value {
        let output = self.rig.reportferry(&["scope", "acme", "--json"]);
        assert_eq!(output.status.code(), Some(code), "{}", both(&output));
        for secret in [CLIENT_SECRET, PASSWORD] {
            assert!(!both(&output).contains(secret), "{}", both(&output));
        }
        document(&output)["tenants"][0].clone()
    }

    fn text(&self, arguments: &[&str], code: i32) -> String {
        let output = self.rig.reportferry(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
        both(&output)
    }

    /// The platform received GETs, the token's POST, and no start of an export.
    fn only_reads(&self) {
        let log = self.sandbox.log();
        assert!(!log.is_empty());
        for seen in log {
            let is_token = (seen.method.as_str(), seen.path.as_str()) == ("POST", "/oauth2/token");
            assert!(is_token || seen.method == "GET", "{seen:?}");
            assert!(!seen.path.contains("export"), "{seen:?}");
        }
        assert_eq!(self.sandbox.exports(), 0);
    }
}

fn lines<'a>(check: &'a Value, verdict: &str) -> Vec<&'a str> {
    let lines = check["lines"].as_array().unwrap_or_else(|| panic!("{check:#}"));
    lines.iter().filter(|line| line["verdict"] == verdict).map(|line| line["path"].as_str().unwrap()).collect()
}

fn line<'a>(check: &'a Value, path: &str) -> &'a Value {
    let lines = check["lines"].as_array().unwrap();
    lines.iter().find(|line| line["path"] == path).unwrap_or_else(|| panic!("no line of {path} in {check:#}"))
}

#[test]
fn a_power_user_for_reports_alone_is_least_privilege() {
    let stand = Stand::new("svc-least", "");
    let check = stand.scope(0);
    assert_eq!((&check["standing"], &check["identity"]["level"]), (&"least".into(), &"power_user".into()), "{check:#}");
    assert_eq!(lines(&check, "unneeded").len() + lines(&check, "needed_denied").len(), 0, "{check:#}");
    assert!(lines(&check, "closed").len() >= 15, "{check:#}");
    assert_eq!(check["lines"].as_array().unwrap().iter().filter(|line| line["certainty"].is_string()).count(), 31);
    let export = "/analytics/v1/reports/619bf79c-970a-4a8e-be8a-dde48a05c652/export/csv";
    let needed = line(&check, export);
    assert_eq!((&needed["verdict"], &needed["pipelines"][0]), (&"needed".into(), &"line".into()), "{check:#}");
    assert!(needed["detail"].as_str().unwrap().contains("not started"), "{needed}");
    assert_eq!(line(&check, "/learn/v1/sub_bundle")["access"], "denied");
    assert_eq!(line(&check, "/audittrail/v1/logs")["access"], "not_found");
    assert_eq!(check["assignments"]["assigned"]["users"], 125);
    assert_eq!(check["requests"]["POST"], 1);
    stand.only_reads();

    let text = stand.text(&["scope"], 0);
    for part in [
        "Yes, as far as reads show it",
        "A Superadmin is not needed",
        "No write was tried",
        "unverified path that answers 404 proves nothing",
        "needed and allowed",
    ] {
        assert!(text.replace('\n', " ").contains(part), "{part}: {text}");
    }
}

#[test]
fn a_power_user_with_too_much_is_told_what_to_take_away() {
    let stand = Stand::new("svc-broad", "");
    let check = stand.scope(8);
    assert_eq!(check["standing"], "excess");
    for path in ["/manage/v1/user", "/manage/v1/theme", "/poweruser/v1/powerusers", "/learn/v1/certification"] {
        let line = line(&check, path);
        assert_eq!(line["verdict"], "unneeded", "{line}");
        assert!(line["fix"].as_str().unwrap().contains("Power Users, Profiles"), "{line}");
    }
    assert_eq!(line(&check, "/learn/v1/sub_bundle")["access"], "empty");
    assert_eq!(line(&check, "/learn/v1/sub_bundle")["verdict"], "unclear");
    let text = stand.text(&["scope", "acme"], 8);
    assert!(text.contains("Not yet:") && text.contains("To take away what is not needed:"), "{text}");
    stand.only_reads();

    // What no pipeline needs may be left out, and more may be tried.
    let open = lines(&check, "unneeded").join(", ");
    stand.rig.settings(|text| {
        text.replace("    grant: x\n", "")
            .replace("    client_id:", &format!("    scope: {{skip: [{open}], try: [/my/v1/thing]}}\n    client_id:"))
    });
    let check = stand.scope(0);
    assert_eq!(line(&check, "/my/v1/thing")["certainty"], "settings");
}

#[test]
fn a_superadmin_is_refused_and_its_reach_is_shown() {
    let stand = Stand::new("root", "");
    let check = stand.scope(3);
    assert_eq!((&check["standing"], &check["identity"]["level"]), (&"refused".into(), &"superadmin".into()));
    assert!(check["refusal"].as_str().unwrap().contains("is a Superadmin"), "{check:#}");
    assert!(lines(&check, "unneeded").len() > 15, "{check:#}");
    assert!(check["answer"].as_str().unwrap().starts_with("No: extracts refuse this account."));
    stand.only_reads();
    stand.rig.settings(|text| text.replace("    client_id:", "    level: any\n    client_id:"));
    assert_eq!(stand.scope(8)["standing"], "excess");

    for (word, level) in [("wizard", "unknown"), ("", "unknown"), ("GodAdmin", "superadmin")] {
        let stand = Stand::new("svc-least", &format!("level={word}"));
        let check = stand.scope(3);
        assert!(check["identity"]["level"].to_string().contains(level), "{word}: {check:#}");
        assert_eq!(check["identity"]["level_word"], word);
    }
}

#[test]
fn a_denied_account_is_told_what_it_lacks() {
    let stand = Stand::new("svc-denied", "");
    let check = stand.scope(3);
    assert_eq!(check["standing"], "denied");
    assert_eq!(lines(&check, "needed_denied").len(), 4, "the list, and the export's three: {check:#}");
    let fix = line(&check, "/analytics/v1/reports")["fix"].as_str().unwrap();
    assert!(fix.contains("permission to view reports"), "{fix}");
    stand.only_reads();

    let hidden = Stand::new("svc-least", "compliance:hidden").scope(3);
    assert_eq!(lines(&hidden, "needed_denied").len(), 3, "{hidden:#}");
    let export = &hidden["lines"].as_array().unwrap().iter().find(|line| line["verdict"] == "needed_denied").unwrap();
    assert!(export["fix"].as_str().unwrap().contains("Visibility"), "{export}");

    let wrong = Stand::new("nobody", "");
    let check = wrong.scope(3);
    assert!(check["identity"].is_null() && check["refusal"].as_str().unwrap().contains("invalid_grant"), "{check:#}");
    assert_eq!(wrong.sandbox.requests(), 1, "a refused password is sent once, and nothing after it");
}

#[test]
fn every_way_of_denial_is_one() {
    for (kind, detail) in
        [("401", "401"), ("403", "403"), ("html", "web page"), ("redirect", "302"), ("unsuccessful", "refused")]
    {
        let stand = Stand::new("svc-broad", &format!("deny_users={kind},deny_groups={kind}"));
        let check = stand.scope(8);
        for path in ["/manage/v1/user", "/manage/v1/group"] {
            let line = line(&check, path);
            assert_eq!((&line["access"], &line["verdict"]), (&"denied".into(), &"closed".into()), "{kind}: {line}");
            assert!(line["detail"].as_str().unwrap().contains(detail), "{kind}: {line}");
        }
        assert_eq!(check["requests"]["POST"], 1, "a denial is no expired token: {kind}");
    }
    // A token that expires on the way is renewed, and denies nothing.
    let check = Stand::new("svc-least", "expire_token_after=5").scope(0);
    assert!(check["requests"]["POST"].as_u64().unwrap() > 3, "{check:#}");
    // A failure is neither allowed nor denied.
    let check = Stand::new("svc-broad", "deny_users=500,deny_settings=garbage").scope(8);
    for path in ["/manage/v1/user", "/manage/v1/theme"] {
        assert_eq!(
            (&line(&check, path)["access"], &line(&check, path)["verdict"]),
            (&"error".into(), &"unclear".into())
        );
    }
}

#[test]
fn the_page_has_a_digest_that_verifies() {
    let stand = Stand::new("svc-broad", "deny_users=403");
    let file = stand.rig.folder.path().join("scope.md");
    stand.text(&["scope", "acme", "--markdown", file.to_str().unwrap()], 8);
    let page = std::fs::read_to_string(&file).unwrap();
    let command = "head -n -1 \"$0\" | sha256sum | cut -d' ' -f1";
    let sum = std::process::Command::new("sh").args(["-c", command]).arg(&file).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(page.lines().last(), Some(format!("SHA-256 of all lines above this one: {}", sum.trim()).as_str()));
    for part in [concat!("Made by reportferry ", env!("CARGO_PKG_VERSION"), " at 20"), "## Tenant acme", "svc-broad"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| GET ")).count();
    assert!(rows > 30, "{page}");
    assert!(stand.text(&["scope", "acme", "--markdown", "/nowhere/page.md"], 2).contains("cannot write /nowhere"));
}

#[test]
fn an_invalid_pipeline_hides_needs_and_stops_the_check() {
    let stand = Stand::new("svc-least", "");
    std::fs::write(stand.rig.folder.path().join("pipelines/other.yaml"), "source: {}\n").unwrap();
    stand.text(&["scope"], 2);
    assert_eq!(stand.sandbox.requests(), 0);
    assert!(stand.text(&["scope", "acne"], 2).contains("did you mean \"acme\"?"));
}

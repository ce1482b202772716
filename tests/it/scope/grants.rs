//! Grants beside the password, and credentials that were refused.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Stand;
use crate::stage::count;
use crate::stage::rig::both;

/// The lines of the password grant in the rig's settings.
const BY_PASSWORD: &str =
    "    client_secret: {file: client_secret}\n    username: svc-reporting\n    password: {file: password}\n";

fn openssl(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", both(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_assertion_is_signed_and_verified_by_openssl() {
    for form in ["-traditional", ""] {
        let stand = Stand::new("svc-reporting", "");
        let folder = stand.rig.folder.path();
        openssl(folder, &["genrsa", "-out", "any.pem", "2048"]);
        // PKCS #1, and PKCS #8.
        let convert: Vec<&str> =
            ["rsa", form, "-in", "any.pem", "-out", "key.pem"].into_iter().filter(|word| !word.is_empty()).collect();
        openssl(folder, &convert);
        openssl(folder, &["rsa", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
        stand.rig.settings(|text| {
            let grant = "    grant: jwt_bearer\n    username: svc-reporting\n    key: {file: key.pem}\n";
            text.replace(BY_PASSWORD, grant)
        });
        let check = stand.scope(8);
        assert_eq!((&check["grant"], &check["identity"]["username"]), (&json!("jwt_bearer"), &json!("svc-reporting")));

        let assertion = stand.sandbox.assertions().pop().unwrap();
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        std::fs::write(folder.join("signed"), signed).unwrap();
        std::fs::write(folder.join("signature"), URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let verify = ["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "signed"];
        assert_eq!(openssl(folder, &verify), "Verified OK\n");
        let part = |at: usize| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split('.').nth(at).unwrap()).unwrap()).unwrap()
        };
        assert_eq!(part(0), json!({"alg": "RS256", "typ": "JWT"}));
        let claims = part(1);
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("reportferry"), &json!("svc-reporting")));
        assert_eq!(claims["aud"], stand.sandbox.url.trim_start_matches("http://"));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
        assert_eq!(stand.rig.run().status.code(), Some(0));
    }
}

#[test]
fn a_key_that_cannot_sign_is_said() {
    let stand = Stand::new("svc-reporting", "");
    let folder = stand.rig.folder.path();
    stand.rig.settings(|text| {
        text.replace(BY_PASSWORD, "    grant: jwt_bearer\n    username: svc-reporting\n    key: {file: key.pem}\n")
    });
    for (make, expected) in [
        (&["genrsa", "-out", "key.pem", "1024"][..], "is not an RSA key of 2048"),
        (&["genpkey", "-algorithm", "ed25519", "-out", "key.pem"], "is not an RSA key"),
        (&["rand", "-hex", "-out", "key.pem", "64"], "is not a private key in PEM"),
    ] {
        openssl(folder, make);
        let check = stand.scope(3);
        assert!(check["refusal"].as_str().unwrap().contains(expected), "{expected}: {check:#}");
    }
    assert_eq!(stand.sandbox.requests(), 0);
}

#[test]
fn client_credentials_are_judged_by_the_account_that_they_are() {
    let by_client = "    grant: client_credentials\n    client_secret: {file: client_secret}\n";
    let stand = Stand::new("svc-reporting", "");
    stand.rig.settings(|text| text.replace(BY_PASSWORD, by_client));
    let check = stand.scope(3);
    assert_eq!((&check["standing"], &check["identity"]["username"]), (&json!("refused"), &json!("root")));
    let run = stand.rig.run();
    assert_eq!(run.status.code(), Some(3), "{}", both(&run));
    assert!(both(&run).contains("is a Superadmin") && both(&run).contains("`level: any`"), "{}", both(&run));
    assert_eq!(stand.sandbox.exports(), 0);
    stand.sandbox.misbehave("level=power_user".parse().unwrap());
    assert_eq!(stand.rig.run().status.code(), Some(0));
}

#[test]
fn keys_of_another_grant_are_problems() {
    let stand = Stand::new("svc-reporting", "");
    for (keys, expected) in [
        ("    grant: client_credentials\n", "`username` does not belong to `grant: client_credentials`"),
        ("    key: {file: key.pem}\n", "`key` does not belong to `grant: password`"),
        ("    grant: jwt_bearer\n", "`key` is missing in `tenants.acme`"),
        ("    grant: kerberos\n", "\"kerberos\" is not `password`"),
        ("    scope_check: 1m\n", "too often"),
        ("    scope: {try: [/analytics/v1/reports/x/export/csv]}\n", "would start an export"),
        ("    scope: {try: [\"https://other.example/manage\"]}\n", "is not a path that can be tried"),
        ("    scope: {try: [\"/manage/../etc\"]}\n", "is not a path that can be tried"),
        ("    scope: {also: [/manage]}\n", "`also` is not a key here"),
        ("    level: superadmin\n", "\"superadmin\" is not `power_user`"),
    ] {
        let settings = stand.rig.folder.path().join("reportferry.yaml");
        let text = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(&settings, text.replace("    client_id:", &format!("{keys}    client_id:"))).unwrap();
        let said = stand.text(&["check"], 2);
        assert!(said.contains(expected), "{expected}: {said}");
        std::fs::write(&settings, text).unwrap();
    }
}

/// A wrong password is sent once, also where each run is a process of its own; a new one is sent at once.
#[test]
fn refused_credentials_are_not_sent_again_by_the_next_process() {
    let stand = Stand::new("svc-reporting", "");
    let folder = stand.rig.folder.path();
    std::fs::write(folder.join("password"), "wrong").unwrap();
    let tokens = |stand: &Stand| stand.sandbox.log().iter().filter(|seen| seen.path == "/oauth2/token").count();
    for slot in 10..14 {
        let slot = format!("2026-11-{slot}T05:30:00-05:00");
        let run = stand.rig.reportferry(&["run", "line", "--slot", &slot, "--json"]);
        assert_eq!(run.status.code(), Some(3), "{}", both(&run));
        assert!(both(&run).contains("invalid_grant") && !both(&run).contains("wrong\""), "{}", both(&run));
        assert_eq!(both(&run).contains("not sent again before"), slot != "2026-11-10T05:30:00-05:00", "{}", both(&run));
        assert_eq!(tokens(&stand), 1);
    }
    let ledger = folder.join("data/ledger.db");
    assert_eq!(count(ledger.clone(), "SELECT COUNT(*) FROM refused_credentials WHERE length(digest) = 4"), 1);

    std::fs::write(folder.join("password"), crate::stage::rig::PASSWORD).unwrap();
    assert_eq!(stand.rig.run().status.code(), Some(0));
    assert_eq!((tokens(&stand), count(ledger, "SELECT COUNT(*) FROM refused_credentials")), (2, 0));
}

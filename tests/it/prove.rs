//! What can be proven afterwards: `verify`, `replay`, `evidence`.

use serde_json::{Value, json};
use sha2::Digest;

use super::stage::rig::{ARTIFACT, PIPELINE, Rig, both, document};

fn json_of(rig: &Rig, arguments: &[&str], code: i32) -> Value {
    let output = rig.reportferry(&[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
    document(&output)
}

fn found(rig: &Rig, arguments: &[&str], code: i32) -> Vec<String> {
    let found = json_of(rig, &[&["verify"], arguments].concat(), code);
    found["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| format!("{} {}", file["role"].as_str().unwrap(), file["found"].as_str().unwrap()))
        .collect()
}

#[test]
fn what_lies_there_is_compared_with_the_receipts() {
    for pipeline in [PIPELINE.to_owned(), PIPELINE.replace("hris:", "local:")] {
        let rig = Rig::new(&pipeline.replace("existing: fail,", "existing: fail, checksum: true,"));
        assert!(rig.run().status.success());
        let well = ["data present", "checksum present", "done present"];
        assert_eq!(found(&rig, &[], 0), well);
        assert_eq!(found(&rig, &["--checksum"], 0), well);
        let path = rig.drop.join("inbound").join(ARTIFACT);
        let bytes = std::fs::read(&path).unwrap();
        let mut altered = bytes.clone();
        altered[100] ^= 1;
        std::fs::write(&path, &altered).unwrap();
        assert_eq!(found(&rig, &[], 0), well, "of the same size: only reading tells");
        assert_eq!(found(&rig, &["--checksum"], 3), ["data changed", "checksum present", "done present"]);
        std::fs::write(&path, &bytes[1..]).unwrap();
        assert_eq!(found(&rig, &[], 3), ["data changed", "checksum present", "done present"]);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found(&rig, &[], 3), ["data lost", "checksum present", "done present"]);
        let settings = rig.folder.path().join("reportferry.yaml");
        let text = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(&settings, text.replace("give_up_after: 1h}", "give_up_after: 1h}\n    pickup: moved")).unwrap();
        assert_eq!(found(&rig, &[], 0), ["data picked_up", "checksum present", "done present"]);
        std::fs::write(&settings, text.replace("  hris:\n", "  hrix:\n").replace("  local:\n", "  locax:\n")).unwrap();
        assert!(found(&rig, &[], 0).iter().all(|file| file.ends_with("unknown")));
    }
}

#[test]
fn the_same_bytes_go_again_as_a_run_of_their_own() {
    let rig = Rig::new(&PIPELINE.replace("deliver:\n", "deliver:\n  local: {path: inbound, existing: keep}\n"));
    let first = document(&rig.run());
    let run = first["run"].as_str().unwrap();
    let refused = json_of(&rig, &["replay", run, "--to", "hris"], 3);
    assert!(refused["reason"].as_str().unwrap().contains("is there already"), "{refused:#}");
    let again = json_of(&rig, &["replay", run, "--as", "again.csv", "--to", "hris"], 0);
    assert_eq!((&again["state"], &again["artifact"]["sha256"]), (&json!("delivered"), &first["artifact"]["sha256"]));
    assert_eq!((&again["rows"], again["deliveries"].as_array().unwrap().len()), (&first["rows"], 1));
    assert_ne!(again["run"], first["run"]);
    assert_eq!(rig.read("again.csv"), rig.read(ARTIFACT));
    let story = both(&rig.reportferry(&["show", again["run"].as_str().unwrap()]));
    assert!(story.contains(&format!("run {run}, slot")), "{story}");
    assert!(!story.contains("export started"), "nothing was pulled again: {story}");
    let unknown = rig.reportferry(&["replay", run, "--to", "hrsi"]);
    assert!(
        unknown.status.code() == Some(2) && both(&unknown).contains("did you mean \"hris\"?"),
        "{}",
        both(&unknown)
    );
    std::fs::remove_dir_all(rig.folder.path().join("data/spool").join(run)).unwrap();
    let gone = rig.reportferry(&["replay", run, "--as", "third.csv"]);
    assert!(gone.status.code() == Some(2) && both(&gone).contains("no longer holds"), "{}", both(&gone));
}

#[test]
fn evidence_is_whole_and_says_when_it_was_altered() {
    let rig = Rig::new(PIPELINE);
    let run = document(&rig.run())["run"].as_str().unwrap().to_owned();
    let out = rig.folder.path().join("evidence.json");
    let output = rig.reportferry(&["evidence", &run, "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", both(&output));
    let document: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    let evidence = &document["evidence"];
    let digest = sha2::Sha256::digest(serde_json::to_string_pretty(evidence).unwrap().as_bytes());
    assert_eq!(document["sha256"], reportferry::digest::hex(&digest));
    assert!(evidence["plan"]["text"].as_str().unwrap().contains("hmac_sha256"));
    assert!(evidence["plan"]["requests_it_may_send"].as_array().unwrap().len() >= 5);
    assert_eq!(evidence["run"]["state"], "delivered");
    assert_eq!(evidence["deliveries"][0]["files"].as_array().unwrap().len(), 2);
    assert!(evidence["deliveries"][0]["receipt"]["host_key"].as_str().unwrap().starts_with("SHA256:"));
    assert!(evidence["events"].as_array().unwrap().iter().any(|event| event["what"] == "requests"));
    assert_eq!(evidence["attempts"][0]["verdict"], "delivered");
    let text = std::fs::read_to_string(&out).unwrap();
    for secret in [super::stage::rig::CLIENT_SECRET, super::stage::rig::PASSWORD, super::stage::rig::SALT] {
        assert!(!text.contains(secret));
    }
}

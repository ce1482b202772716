//! Names that hold the number of rows and a digest of the content, on the whole line.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::stage::rig::{PIPELINE, Rig, both, document, names};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");

/// The rig's pipeline with another artifact.
fn pipeline(artifact: &str) -> String {
    let text = PIPELINE.replace("{name: \"completions_{slot:%Y%m%d}.csv\"}", artifact);
    assert_ne!(text, PIPELINE);
    text
}

/// The first 8 digits of the digest, the data rows, and all digits, as Python has them after unpacking.
fn measured(path: &Path) -> (String, usize, String) {
    let script = "import sys, gzip, hashlib\ndata = open(sys.argv[1], 'rb').read()\n\
                  data = gzip.decompress(data) if data[:2] == b'\\x1f\\x8b' else data\n\
                  print(hashlib.sha256(data).hexdigest(), data.count(b'\\n') - 1)";
    let output = Command::new(PYTHON).args(["-c", script]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let (digest, rows) = text.trim().split_once(' ').unwrap();
    (digest[..8].to_owned(), rows.parse().unwrap(), digest.to_owned())
}

fn delivered(rig: &Rig) -> Value {
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    document(&output)
}

/// The data files in the folder.
fn data(rig: &Rig) -> Vec<String> {
    rig.arrived().into_iter().filter(|name| !name.ends_with(".done") && !name.ends_with(".sha256")).collect()
}

fn succeeds(rig: &Rig, arguments: &[&str]) -> Output {
    let output = rig.reportferry(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", both(&output));
    output
}

#[test]
fn a_name_has_the_rows_and_the_digest_of_its_file_wherever_it_is_used() {
    let text = pipeline("{name: \"LEARN_{slot:%Y%m%d}_{count:6}-{sha256:8}.csv\"}")
        .replace("existing: fail,", "existing: fail, checksum: true, upload_as: \"{stem}.prg\",");
    let rig = Rig::new(&text);
    let cut = rig.run_with_fault("sftp.rename=kill_before");
    assert!(!cut.status.success());
    let written = rig.arrived();
    let told = delivered(&rig);
    let [name] = data(&rig).try_into().unwrap();
    assert_eq!(written, [name.replace(".csv", ".prg")], "`upload_as` has the name's stem");
    let (digest, rows, _) = measured(&rig.drop.join("inbound").join(&name));
    assert_eq!(name, format!("LEARN_20261123_{rows:06}-{digest}.csv"));
    assert!(rows > 10 && told["artifact"]["name"] == *name);
    assert_eq!(rig.arrived(), [name.clone(), format!("{name}.done"), format!("{name}.sha256")]);
    assert!(String::from_utf8(rig.read(&format!("{name}.sha256"))).unwrap().ends_with(&format!("  {name}\n")));
    let run = told["run"].as_str().unwrap();
    succeeds(&rig, &["verify", run, "--checksum"]);
    assert!(both(&succeeds(&rig, &["evidence", run])).contains(&name));
    assert!(both(&succeeds(&rig, &["runs"])).contains(&name));
    for before in [&["plan", "line"][..], &["explain", "line"]] {
        let shown = both(&succeeds(&rig, before));
        assert!(shown.contains("_{count:6}-{sha256:8}.csv"), "{shown}");
    }
    for published in rig.arrived() {
        std::fs::remove_file(rig.drop.join("inbound").join(published)).unwrap();
    }
    succeeds(&rig, &["replay", run]);
    assert_eq!(data(&rig), [name]);
}

#[test]
fn the_digest_is_of_the_bytes_before_compression() {
    for (artifact, ending) in
        [("{name: \"{count}-{sha256}.csv.gz\", compress: gzip}", "csv.gz"), ("{name: \"{count}-{sha256}.csv\"}", "csv")]
    {
        let rig = Rig::new(&pipeline(artifact));
        let told = delivered(&rig);
        let [name] = data(&rig).try_into().unwrap();
        let (_, rows, digest) = measured(&rig.drop.join("inbound").join(&name));
        assert_eq!(name, format!("{rows}-{digest}.{ending}"));
        let received = told["deliveries"][0]["receipt"]["sha256"].as_str().unwrap_or_default();
        assert_eq!(received == digest, ending == "csv", "the receipt is of the delivered bytes");
    }
}

#[test]
fn each_file_of_a_split_has_its_own_rows_and_digest() {
    for compress in ["", ", compress: gzip"] {
        let artifact =
            format!("{{name: \"c_{{part:2}}_{{count:3}}_{{sha256:8}}.csv\", split: {{rows: 40}}{compress}}}");
        let text = pipeline(&artifact).replace("existing: fail,", "existing: fail, publish_together: true,");
        let rig = Rig::new(&text);
        let told = delivered(&rig);
        let mut total = 0;
        for (index, name) in data(&rig).iter().enumerate() {
            let (digest, rows, _) = measured(&rig.drop.join("inbound").join(name));
            assert_eq!(*name, format!("c_{:02}_{rows:03}_{digest}.csv", index + 1));
            total += rows;
        }
        assert!(data(&rig).len() > 2 && total % 40 != 0);
        let whole = told["artifact"]["name"].as_str().unwrap();
        assert!(whole.starts_with(&format!("c_{total:03}_")), "the group has all rows: {whole}");
        assert!(rig.arrived().contains(&format!("{whole}.done")));
    }
}

#[test]
fn a_run_that_is_killed_gives_the_same_name_and_one_file() {
    let text = pipeline("{name: \"c_{count}_{sha256:12}.csv.gz\", compress: gzip}");
    let undisturbed = Rig::new(&text);
    delivered(&undisturbed);
    for (fault, lost) in [
        ("ledger.artifact=kill_before", false),
        ("ledger.artifact=kill_after", false),
        ("ledger.artifact=kill_after", true),
        ("ledger.intent=kill_after", false),
        ("ledger.intent=kill_after", true),
        ("sftp.rename=kill_after", false),
        ("sftp.rename=kill_after", true),
    ] {
        let rig = Rig::new(&text);
        let killed = rig.run_with_fault(fault);
        assert!(killed.status.code().is_none(), "{fault}: {}", both(&killed));
        let spool = rig.folder.path().join("data/spool");
        let [run] = names(&spool).try_into().unwrap();
        if lost {
            std::fs::remove_dir_all(spool.join(&run).join("artifact")).unwrap();
        }
        delivered(&rig);
        assert_eq!(rig.arrived(), undisturbed.arrived(), "{fault} {lost}");
        if !lost {
            assert_eq!(names(&spool.join(run).join("artifact")), ["file"], "{fault}: the spool's path has no name");
        }
    }
}

#[test]
fn a_refused_delivery_is_retried_under_its_name() {
    let rig = Rig::new(&pipeline("{name: \"c_{count}.csv\"}"));
    let [name] = {
        let other = Rig::new(&pipeline("{name: \"c_{count}.csv\"}"));
        delivered(&other);
        <[String; 1]>::try_from(data(&other)).unwrap()
    };
    std::fs::write(rig.drop.join("inbound").join(&name), "theirs").unwrap();
    let output = rig.run();
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    std::fs::remove_file(rig.drop.join("inbound").join(&name)).unwrap();
    succeeds(&rig, &["retry", document(&output)["run"].as_str().unwrap()]);
    assert_eq!(data(&rig), [name]);
}

#[test]
fn a_name_that_its_own_content_needs_is_refused() {
    let rig = Rig::new(PIPELINE);
    let layout =
        "{name: \"a_{count}_{slot:%Y%m%d}.csv\", encoding: iso-8859-1, layout: {header: [[\"'H'\", file_name]]}}";
    for (artifact, at, what, fix) in [
        (layout, 11, "a record cannot hold a `file_name`", "remove `{count}` and `{sha256}` from"),
        (
            "{name: \"a_{count}_{slot:%Y%m%d}.csv\", layout: {group: {by: [course], trailer: [[file_name]]}}}",
            11,
            "a record cannot hold a `file_name`",
            "remove `{count}` and `{sha256}` from",
        ),
        (
            "{name: \"a_{sha256:8}_{slot:%Y%m%d}.zip\", compress: zip}",
            11,
            "the entry in the ZIP would be called after the artifact",
            "compress: {zip: {entry: ",
        ),
        (
            "{name: \"a_{slot:%Y%m%d}.zip\", compress: {zip: {entry: \"{count}.csv\"}}}",
            11,
            "an entry's name comes before its content",
            "remove `{count}` and `{sha256}`",
        ),
    ] {
        std::fs::write(rig.folder.path().join("pipelines/line.yaml"), pipeline(artifact)).unwrap();
        refused(&rig, &format!("line.yaml:{at}:"), what, fix);
    }
    for artifacts in [
        "artifacts: {a: {name: \"{count}_{slot:%Y%m%d}.csv\"}, b: {name: \"b_{slot:%Y%m%d}.csv\"}}",
        "artifacts: {a: {name: \"a_{slot:%Y%m%d}.csv\"}, b: {name: \"{sha256:8}.csv\", text: x}}",
        "artifacts: {a: {name: \"a_{slot:%Y%m%d}.csv\"}}\narchive: {name: \"{count}.zip\"}",
    ] {
        let text = format!("source: {{file: {{path: rows.csv}}}}\n{artifacts}\ndeliver: {{hris: {{path: inbound}}}}\n");
        std::fs::write(rig.folder.path().join("pipelines/line.yaml"), text).unwrap();
        let what = "`{count}` and `{sha256}` are for the name of a pipeline's only `artifact`";
        refused(&rig, "line.yaml:", what, "a pipeline of its own");
    }
    // With a name of its own, the entry may be in such a ZIP.
    let zip = "{name: \"a_{sha256:8}_{slot:%Y%m%d}.zip\", compress: {zip: {entry: a.csv}}}";
    std::fs::write(rig.folder.path().join("pipelines/line.yaml"), pipeline(zip)).unwrap();
    succeeds(&rig, &["check"]);
    delivered(&rig);
}

fn refused(rig: &Rig, at: &str, what: &str, fix: &str) {
    let output = rig.reportferry(&["check"]);
    let shown = both(&output);
    assert_eq!(output.status.code(), Some(2), "{shown}");
    for part in [at, what, fix] {
        assert!(shown.contains(part), "{part:?} is missing:\n{shown}");
    }
}

//! Several artifacts of one run: a group of files over SFTP, or one ZIP, made of several sources and read by other programs.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::stage::receiver::SECRET;
use super::stage::rig::{Rig, both, document};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
const FILES: [&str; 6] = ["manifest.csv", "orgs.csv", "users.csv", "courses.csv", "classes.csv", "enrollments.csv"];
const ZIP: &str = "oneroster_20261123.zip";

/// The submission of the examples, to the rig's server.
fn submission() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/readers/oneroster-submission.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let text = text
        .replace("  warehouse:\n    path: oneroster\n", "  hris:\n    path: inbound\n    done_file: \"{name}.done\"\n");
    assert!(text.contains("hris"), "the example delivers elsewhere");
    text
}

/// The same without an archive: six files.
fn group() -> String {
    let text = submission();
    let (before, after) = text.split_once("archive:\n").unwrap();
    format!("{before}{}", &after[after.find("deliver:").unwrap()..])
}

fn rig(pipeline: &str) -> Rig {
    let rig = Rig::new(pipeline);
    // The branches of the sandbox's users.
    let branches = ["Headquarters", "\"Sales, EMEA\"", "\"Support \"\"24x7\"\"\"", "物流センター"];
    let rows = branches.iter().enumerate().map(|(at, name)| format!("{name},school,{at},\n"));
    let orgs = format!("name,type,identifier,parentSourcedId\n{}", rows.collect::<String>());
    std::fs::write(rig.folder.path().join("orgs.csv"), orgs).unwrap();
    rig
}

fn delivered(rig: &Rig) -> Value {
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    document(&output)
}

/// Reads the files with Python, and checks every reference between them. Prints the number of rows of each.
const CROSS_CHECK: &str = r#"
import csv, io, json, sys, zipfile
if sys.argv[1].endswith(".zip"):
    archive = zipfile.ZipFile(sys.argv[1])
    assert archive.testzip() is None
    assert all(entry.date_time == (1980, 1, 1, 0, 0, 0) for entry in archive.infolist())
    files = {name: archive.read(name) for name in archive.namelist()}
else:
    files = {name: open(f"{sys.argv[1]}/{name}", "rb").read() for name in sys.argv[2:]}
rows = {name: list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)) for name, data in files.items()}
ids = {name: [row["sourcedId"] for row in found] for name, found in rows.items() if name != "manifest.csv"}
assert all(len(set(found)) == len(found) > 0 for found in ids.values()), ids
def refers(name, column, to):
    for row in rows[name]:
        assert row[column] in ids[to], (name, column, row)
refers("users.csv", "orgSourcedIds", "orgs.csv")
refers("classes.csv", "courseSourcedId", "courses.csv")
refers("classes.csv", "schoolSourcedId", "orgs.csv")
refers("enrollments.csv", "classSourcedId", "classes.csv")
refers("enrollments.csv", "userSourcedId", "users.csv")
bulk = [row["propertyName"] for row in rows["manifest.csv"] if row["value"] == "bulk"]
assert sorted(bulk) == sorted(f"file.{name[:-4]}" for name in ids), bulk
print(json.dumps([[name, 0 if name == "manifest.csv" else len(found), len(files[name])] for name, found in rows.items()]))
"#;

/// Returns name, rows and bytes of each file.
fn cross_checked(arguments: &[&str]) -> Vec<(String, u64, u64)> {
    let output = Command::new(PYTHON).args(["-c", CROSS_CHECK]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns name, rows and bytes that the run's document has of its files.
fn stated(files: &Value) -> Vec<(String, u64, u64)> {
    let file = |file: &Value| {
        let number = |key: &str| file[key].as_u64().unwrap();
        (file["name"].as_str().unwrap().to_owned(), number("rows"), number("bytes"))
    };
    files.as_array().unwrap().iter().map(file).collect()
}

#[test]
fn a_oneroster_submission_is_one_zip_with_references_that_hold() {
    let (first, second) = (rig(&submission()), rig(&submission()));
    let (told, _) = (delivered(&first), delivered(&second));
    assert_eq!(first.arrived(), [ZIP, &format!("{ZIP}.done")]);
    assert_eq!(first.read(ZIP), second.read(ZIP), "the same rows give the same bytes");
    let found = cross_checked(&[first.drop.join("inbound").join(ZIP).to_str().unwrap()]);
    assert_eq!(found.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), FILES);
    assert_eq!(stated(&told["artifact"]["entries"]), found);
    assert_eq!(told["artifact"]["files"], Value::Null);

    // The balance of each artifact is even, and so is their sum.
    let rows = &told["rows"];
    let sum = |key: &str| -> u64 {
        rows["artifacts"].as_object().unwrap().values().map(|part| part[key].as_u64().unwrap()).sum()
    };
    for key in ["extracted", "written"] {
        assert_eq!(rows[key], sum(key), "{key}");
    }
    for (key, part) in rows["artifacts"].as_object().unwrap() {
        let sum = |share: &str| -> u64 {
            part["steps"].as_array().unwrap().iter().filter_map(|step| step[share].as_u64()).sum()
        };
        let (extracted, written) = (part["extracted"].as_u64().unwrap(), part["written"].as_u64().unwrap());
        assert_eq!(extracted + sum("added"), written + sum("dropped") + sum("merged"), "{key}");
        let name = format!("{key}.csv");
        assert_eq!(part["written"], found.iter().find(|(of, ..)| *of == name).unwrap().1, "{key}");
    }
    assert_eq!(rows["delivered"], rows["written"]);

    let run = told["run"].as_str().unwrap();
    let shown = first.reportferry(&["show", run]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(text.contains("enrollments.csv  ") && text.contains("merged by dedupe (step 2 of users)"), "{text}");
    let verified = first.reportferry(&["verify", run, "--checksum"]);
    assert!(verified.status.success(), "{}", both(&verified));
    let evidence = first.reportferry(&["evidence", run]);
    assert!(String::from_utf8_lossy(&evidence.stdout).contains("\"artifacts\""), "{}", both(&evidence));
}

fn arrived(rig: &Rig) -> BTreeMap<String, Vec<u8>> {
    rig.arrived().into_iter().map(|name| (name.clone(), rig.read(&name))).collect()
}

/// What an undisturbed run of the group delivers.
fn whole() -> &'static BTreeMap<String, Vec<u8>> {
    static WHOLE: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let rig = rig(&group());
        let told = delivered(&rig);
        let inbound = rig.drop.join("inbound");
        let found = cross_checked(&[&[inbound.to_str().unwrap()], &FILES[..]].concat());
        assert_eq!(stated(&told["artifact"]["files"]), found);
        arrived(&rig)
    })
}

#[test]
fn a_killed_process_leaves_no_half_group_with_a_done_file() {
    assert_eq!(whole().len(), FILES.len() + 1);
    for fault in [
        "sftp.rename=kill_before",
        "sftp.rename=kill_after@3",
        "sftp.write=kill_after@4",
        "sftp.rename=lost_after@6",
        "ledger.artifact=kill_before",
    ] {
        let rig = rig(&group());
        let struck = rig.run_with_fault(fault);
        assert!(String::from_utf8_lossy(&struck.stderr).contains("fault injected"), "{fault}\n{}", both(&struck));
        let after = arrived(&rig);
        let published: Vec<_> = after.iter().filter(|(name, _)| !name.starts_with('.')).collect();
        assert!(published.iter().all(|(name, bytes)| whole()[*name] == **bytes), "{fault}: a file is not whole");
        let has_done = after.contains_key("line.done");
        assert!(!has_done || published.len() == whole().len(), "{fault}: a done file beside half a group");
        if fault.contains("write") || fault.contains("ledger") {
            assert_eq!(published.len(), 0, "{fault}: all data is written before a file gets its name");
        }
        let told = delivered(&rig);
        assert!(&arrived(&rig) == whole(), "{fault}: {:?}", rig.arrived());
        assert_eq!(told["deliveries"][0]["receipt"]["files"].as_array().unwrap().len(), FILES.len());
        let verified = rig.reportferry(&["verify", told["run"].as_str().unwrap(), "--checksum"]);
        assert!(verified.status.success(), "{}", both(&verified));
    }
}

const NAT: &str = r#"
sources:
  clients: {file: {path: clients.csv}}
  training: {file: {path: training.csv}}
artifacts:
  NAT00080:
    from: clients
    name: NAT00080.txt
    expect: {unique: [client]}
    encoding: us-ascii
    fixed:
      record_end: crlf
      fields:
        - {value: client, width: 10}
        - {value: name, width: 20}
        - {value: postcode, width: 4, align: right, fill: "0"}
  NAT00120:
    from: training
    transform:
      - join: {with: clients, match: {client: client}, kind: semi}
    name: NAT00120.txt
    encoding: us-ascii
    fixed:
      record_end: crlf
      fields:
        - {value: client, width: 10}
        - {value: subject, width: 12}
        - {value: hours, width: 4, align: right, fill: "0"}
deliver: {hris: {path: inbound, existing: replace, checksum: true, manifest: true}}
"#;

fn nat(pipeline: &str, training: &str) -> Rig {
    let rig = Rig::new(pipeline);
    let put = |name: &str, text: &str| std::fs::write(rig.folder.path().join(name), text).unwrap();
    put("clients.csv", "client,name,postcode\nC1,Ann Lee,800\nC2,Bob Ng,2650\n");
    put("training.csv", training);
    rig
}

#[test]
fn two_nat_files_refer_to_each_other() {
    let rig = nat(NAT, "client,subject,hours\nC1,BSB101,12\nC9,BSB101,3\nC2,BSB102,7\n");
    let told = delivered(&rig);
    assert_eq!(rig.arrived(), ["NAT00080.txt", "NAT00120.txt", "line.json", "line.sha256"]);
    let clients = "C1        Ann Lee             0800\r\nC2        Bob Ng              2650\r\n";
    assert_eq!(String::from_utf8(rig.read("NAT00080.txt")).unwrap(), clients);
    let training = "C1        BSB101      0012\r\nC2        BSB102      0007\r\n";
    assert_eq!(String::from_utf8(rig.read("NAT00120.txt")).unwrap(), training);
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "line.sha256"])
        .current_dir(rig.drop.join("inbound"))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", both(&checked));
    assert_eq!(told["rows"]["artifacts"]["NAT00120"]["steps"][0], json!({"step": 1, "kind": "join", "dropped": 1}));

    // A value that does not fit, in the last artifact, and nothing of any is delivered.
    let rig = nat(NAT, "client,subject,hours\nC1,BSB101,12\nC2,BSB102,12345\n");
    let failed = rig.run();
    let reason = document(&failed)["reason"].to_string();
    assert!(reason.contains("NAT00120: ") && reason.contains("record 2") && reason.contains("12345"), "{reason}");
    assert_eq!((failed.status.code(), rig.arrived().len()), (Some(3), 0));
}

#[test]
fn an_expectation_of_one_artifact_holds_them_all() {
    let pipeline = NAT.replace("expect: {unique: [client]}", "expect: {rows: {min: 3}}");
    let rig = nat(&pipeline, "client,subject,hours\nC1,BSB101,12\n");
    let held = rig.run();
    let told = document(&held);
    assert_eq!((&told["state"], rig.arrived().len()), (&json!("held"), 0), "{told}");
    assert_eq!(told["findings"][0]["expectation"], "rows.min of NAT00080", "{told}");
    assert!(told["findings"][0]["message"].as_str().unwrap().starts_with("NAT00080: "), "{told}");
    let run = told["run"].as_str().unwrap();
    let released = rig.reportferry(&["release", run, "--because", "two are right", "--wait", "10s"]);
    assert!(released.status.success(), "{}", both(&released));
    assert_eq!(rig.arrived().len(), 4);
}

fn refused(edit: (&str, &str)) -> String {
    let pipeline = NAT.replacen(edit.0, edit.1, 1);
    assert_ne!(pipeline, NAT, "{edit:?} finds nothing");
    let rig = nat(&pipeline, "client,subject,hours\n");
    let output: Output = rig.reportferry(&["check"]);
    assert_eq!(output.status.code(), Some(2), "{edit:?}\n{}", both(&output));
    String::from_utf8_lossy(&output.stderr).replace('\n', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_several_artifacts_cannot_have_is_a_problem() {
    for (edit, said) in [
        (("artifacts:", "artifact: {name: a.csv}\nartifacts:"), "`artifact` and `artifacts` are mutually exclusive"),
        (("artifacts:", "transform: []\nartifacts:"), "each of them has its own `transform`"),
        (("artifacts:", "expect: {rows: {min: 1}}\nartifacts:"), "each of them has its own `expect`"),
        (("    from: training\n", ""), "`from` is missing"),
        (("from: training", "from: trainings"), "did you mean \"training\""),
        (("with: clients", "with: training"), "there is no source `training`"),
        (("name: NAT00120.txt", "name: NAT00080.txt"), "have the same name"),
        (("name: NAT00120.txt", "name: NAT00120.txt\n    split: {rows: 5}"), "one of several artifacts is one file"),
        (("name: NAT00120.txt", "name: NAT00120.txt\n    text: x"), "`from` is not a key here"),
        (
            ("kind: semi}", "kind: semi}\n      - delta: {by: [client]}"),
            "`delta` is for a pipeline with one `artifact`",
        ),
        (("expect: {unique: [client]}", "expect: {columns: exact}"), "compares with what was accepted"),
        (("manifest: true}", "manifest: true, publish_together: false}"), "always published together"),
        (("NAT00120:", "NAT 120:"), "cannot be an artifact's key"),
        (
            ("  NAT00120:", "  empty: {name: e.txt, text: a, file: b.txt}\n  NAT00120:"),
            "`text` and `file` are mutually exclusive",
        ),
        (("from: clients", "fromm: clients"), "did you mean \"from\""),
        (
            (
                "clients: {file: {path: clients.csv}}",
                "more: {file: {path: m.csv}}\n  clients: {file: {path: clients.csv}}",
            ),
            "no artifact reads the source `more`",
        ),
    ] {
        let text = refused(edit);
        assert!(text.contains(said), "{edit:?}\nexpected {said}\n{text}");
    }
}

#[test]
fn webhooks_that_send_rows_or_one_file_are_refused() {
    for (body, more, said) in [
        ("rows", "", "requests carry the rows of one artifact"),
        ("file", "", "the webhook takes one file, and there are several artifacts"),
        ("file", "archive: {name: a.zip}\n", ""),
        ("notice", "", ""),
    ] {
        let hook = format!("hook: {{webhook: {{url: \"https://hook.example/in\", secret: {SECRET}, body: {body}}}}}");
        let (artifacts, _) = NAT.split_once("deliver:").unwrap();
        let rig = nat(&format!("{artifacts}{more}deliver: {{hook: {{}}}}\n"), "client,subject,hours\n");
        rig.settings(|text| text.replace("destinations:\n", &format!("destinations:\n  {hook}\n")));
        let output = rig.reportferry(&["check"]);
        let text = String::from_utf8_lossy(&output.stderr).replace('\n', " ");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(if said.is_empty() { 0 } else { 2 }), "{body}{more}\n{text}");
        assert!(text.contains(said), "{body}{more}\n{text}");
    }
}

/// The two files, packed.
const PACKED: &str = r#"
source: {file: {path: clients.csv}}
artifacts:
  all: {name: all.csv.gz, compress: gzip}
  none: {transform: [{filter: "client = 'C3'"}], expect: {when_empty: send}, csv: {header: none}, name: none.csv.zst, compress: zstd}
  empty: {name: empty.txt, text: ""}
  some: {transform: [{filter: "client = 'C2'"}], name: some.csv}
deliver: {local: {path: inbound, existing: replace}}
"#;

#[test]
fn each_file_is_packed_by_itself_and_an_archive_is_encrypted_as_a_whole() {
    let rig = nat(PACKED, "");
    let told = delivered(&rig);
    let python = |script: &str| {
        let output = Command::new(PYTHON).args(["-c", script]).current_dir(rig.drop.join("inbound")).output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let all = python("import gzip, sys; sys.stdout.write(gzip.open('all.csv.gz', 'rt').read())");
    assert_eq!(all, "client,name,postcode\nC1,Ann Lee,800\nC2,Bob Ng,2650\n");
    let none = "import zstandard; d = zstandard.ZstdDecompressor().decompressobj(); print(d.decompress(open('none.csv.zst', 'rb').read()), d.eof)";
    assert_eq!(python(none), "b'' True\n", "a file without bytes is a whole file of its format");
    assert_eq!(
        (rig.read("empty.txt"), rig.read("some.csv")),
        (Vec::new(), b"client,name,postcode\nC2,Bob Ng,2650\n".to_vec())
    );
    assert_eq!(told["artifact"]["files"][1]["rows"], 0);

    let archive = "archive: {name: all.zip.age, encrypt: {age: {to: [RECIPIENT]}}}\n";
    let keys = python("import pyrage; i = pyrage.x25519.Identity.generate(); print(i.to_public(), i)");
    let (recipient, identity) = keys.trim().split_once(' ').unwrap();
    let pipeline = format!("{PACKED}{}", archive.replace("RECIPIENT", recipient));
    let refused = nat(&pipeline, "").reportferry(&["check"]);
    assert!(both(&refused).contains("`compress` is not for the entry of an `archive`"), "{}", both(&refused));
    let pipeline = pipeline.replace(", compress: gzip", "").replace(", compress: zstd", "");
    let rig = nat(&pipeline, "");
    let told = delivered(&rig);
    let script = format!(
        "import pyrage, io, zipfile; d = pyrage.decrypt(open('all.zip.age', 'rb').read(), [pyrage.x25519.Identity.from_str('{identity}')])\n\
         z = zipfile.ZipFile(io.BytesIO(d)); print(z.testzip(), [(e.filename, e.file_size) for e in z.infolist()])"
    );
    let output = Command::new(PYTHON).args(["-c", &script]).current_dir(rig.drop.join("inbound")).output().unwrap();
    let entries = told["artifact"]["entries"].as_array().unwrap();
    let listed: Vec<String> =
        entries.iter().map(|entry| format!("('{}', {})", entry["name"].as_str().unwrap(), entry["bytes"])).collect();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("None [{}]\n", listed.join(", ")), "{}", both(&output));
}

#[test]
fn each_artifact_is_compared_with_itself_in_earlier_runs() {
    let pipeline = NAT.replace(
        "    name: NAT00120.txt",
        "    expect: {rows: {change: {by: 10%, over: 1, same_weekday: false}}}\n    name: NAT00120.txt",
    );
    let rig = nat(&pipeline, "client,subject,hours\nC1,A,1\nC1,B,1\nC1,C,1\nC2,D,1\n");
    delivered(&rig);
    std::fs::write(rig.folder.path().join("training.csv"), "client,subject,hours\nC1,A,1\n").unwrap();
    let held = rig.reportferry(&["run", "line", "--slot", "2026-11-24T05:30:00Z", "--json", "--wait", "5s"]);
    let told = document(&held);
    assert_eq!(told["state"], "held", "{told}");
    assert_eq!(told["findings"][0]["expectation"], "rows.change of NAT00120", "{told}");
    let (run, earlier) = (told["run"].as_str().unwrap(), &told["findings"][0]["difference"]["rows"]["earlier"][0]);
    assert_eq!(earlier["rows"], 4, "{told}");
    let rejected = rig.reportferry(&["reject", run, "--because", "one is too few"]);
    assert!(rejected.status.success(), "{}", both(&rejected));
}

#[test]
fn rows_dropped_for_their_values_are_kept_for_each_artifact() {
    let steps = "kind: semi}\n      - set: {hours: cast(hours as integer)}\n        on_error: drop_row\n";
    let pipeline = NAT.replace("kind: semi}\n", steps);
    let pipeline =
        pipeline.replace("    name: NAT00120.txt", "    expect: {dropped_rows: {max: 1}}\n    name: NAT00120.txt");
    let rig = nat(&pipeline, "client,subject,hours\nC1,A,1\nC2,B,many\n");
    let told = delivered(&rig);
    let dropped = &told["dropped_rows_of"]["NAT00120"];
    assert_eq!((&dropped["rows"], &told["dropped_rows"]), (&json!(1), &Value::Null), "{told}");
    assert_eq!(dropped["first"][0]["step"], "set in step 2 of NAT00120", "{told}");
    let kept = std::fs::read_to_string(rig.folder.path().join("data").join(dropped["file"].as_str().unwrap())).unwrap();
    assert!(kept.contains("C2,B,many"), "{kept}");
}

#[test]
fn preview_plan_explain_and_test_are_of_each_artifact() {
    let tests = "tests:\n  - {name: t, artifact: NAT00120, rows: [{client: C1, subject: S, hours: \"1\"}], \
                 sources: {clients: [{client: C1, name: A, postcode: \"1\"}]}, expect: {row_count: 1}}\n";
    let rig = nat(&format!("{NAT}{tests}"), "client,subject,hours\nC1,BSB101,12\nC9,BSB101,3\n");
    let previewed = rig.reportferry(&["preview", "line", "--artifact", "NAT00120", "--json"]);
    assert!(previewed.status.success(), "{}", both(&previewed));
    let told: Value = serde_json::from_slice(&previewed.stdout).unwrap();
    assert_eq!((&told["rows"]["written"], &told["artifact"]["name"]), (&json!(1), &json!("NAT00120.txt")));
    let which = rig.reportferry(&["preview", "line"]);
    assert!(String::from_utf8_lossy(&which.stderr).contains("`--artifact NAT00080`"), "{}", both(&which));
    let planned: Value = serde_json::from_slice(&rig.reportferry(&["plan", "line", "--json"]).stdout).unwrap();
    assert_eq!(planned["artifacts"][1]["from"], "training", "{planned}");
    let explained = rig.reportferry(&["explain", "line"]);
    let text = String::from_utf8_lossy(&explained.stdout).into_owned();
    assert!(text.contains("NAT00120: rows and columns") && text.contains("They are published together"), "{text}");
    let tested = rig.reportferry(&["test", "line"]);
    assert!(tested.status.success(), "{}", both(&tested));
    let clients = rig.folder.path().join("clients.csv");
    let failing = rig.reportferry(&["run", "line", "--from", clients.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&failing.stderr).contains("makes several artifacts"), "{}", both(&failing));
}

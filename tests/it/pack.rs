//! Compressed and encrypted artifacts, read by other programs: Python's gzip and zipfile, zstandard, GnuPG, pyrage.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

use super::stage::rig::{both, document};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
const SLOT: &str = "2026-11-23T05:30:00Z";
const PASSPHRASE: &str = "pa55phrase-of-the-signing-key";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(artifact: &str) -> Self {
        let folder = crate::stage::folder();
        std::fs::create_dir_all(folder.path().join("pipelines/keys")).unwrap();
        let rows: String = (0..20_000).map(|row| format!("{row},{}\n", row * 7919 % 104_729)).collect();
        std::fs::write(folder.path().join("rows.csv"), format!("a,b\n{rows}")).unwrap();
        let folder = Self(folder);
        folder.settings("");
        folder.artifact(artifact);
        folder
    }

    fn settings(&self, more: &str) {
        let settings = format!("data: data\ndestinations: {{local: {{local: {{path: out, mkdir: true}}}}}}\n{more}");
        std::fs::write(self.path("reportferry.yaml"), settings).unwrap();
    }

    fn artifact(&self, artifact: &str) {
        let pipeline = format!(
            "source: {{file: {{path: rows.csv}}}}\nartifact: {artifact}\ndeliver: {{local: {{existing: replace}}}}\n"
        );
        std::fs::write(self.path("pipelines/line.yaml"), pipeline).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn call(&self, arguments: &[&str], fault: Option<&str>) -> Output {
        let mut command = crate::stage::reportferry();
        command.current_dir(self.0.path()).args(arguments);
        command.envs(fault.map(|fault| ("REPORTFERRY_FAULT", fault))).output().unwrap()
    }

    fn run(&self, fault: Option<&str>) -> Output {
        self.call(&["--set", "log.filter=trace", "run", "line", "--slot", SLOT, "--json", "--wait", "0s"], fault)
    }

    fn delivered(&self) -> Output {
        let output = self.run(None);
        assert!(output.status.success(), "{}", both(&output));
        output
    }

    /// Returns what a Python expression of `data`, the bytes of a file, gives.
    fn python(&self, file: &str, expression: &str) -> Vec<u8> {
        let script = format!(
            "import sys, io, gzip, zipfile, zstandard, pyrage\ndata = open(sys.argv[1], 'rb').read()\n\
             sys.stdout.buffer.write({expression})"
        );
        let output = Command::new(PYTHON).args(["-c", &script]).arg(self.path(file)).output().unwrap();
        assert!(output.status.success(), "{}; tests/tools installs it", both(&output));
        output.stdout
    }
}

const GUNZIP: &str = "gzip.decompress(data)";
const UNZSTD: &str = "zstandard.ZstdDecompressor().decompressobj().decompress(data)";

/// Reads the only entry, whose name and time must be these, and checks the archive.
fn unzip(entry: &str) -> String {
    format!(
        "(lambda zip: [zip.testzip() and 1 / 0, zip.namelist() == [{entry:?}] or 1 / 0, \
         zip.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0) or 1 / 0] and zip.read({entry:?}))(zipfile.ZipFile(io.BytesIO(data)))"
    )
}

#[test]
fn compressed_artifacts_are_read_by_other_programs_and_are_the_same_each_time() {
    for (name, compress, unpack) in [
        ("out.csv.gz", "gzip", GUNZIP.to_owned()),
        ("out.csv.zst", "zstd", UNZSTD.to_owned()),
        ("out.csv.zip", "zip", unzip("out.csv")),
        ("out.zip", r#"{zip: {entry: "rows {slot:%Y-%m-%d}.csv"}}"#, unzip("rows 2026-11-23.csv")),
    ] {
        let run = || {
            let folder = Folder::new(&format!("{{name: {name}, compress: {compress}}}"));
            let output = folder.delivered();
            let bytes = folder.read(&format!("out/{name}"));
            let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            assert!(document(&output).to_string().contains(&digest), "the receipt's digest is that of the file");
            (folder, bytes)
        };
        let ((folder, first), (_, second)) = (run(), run());
        assert_eq!(folder.python(&format!("out/{name}"), &unpack), folder.read("rows.csv"), "{name}");
        assert!(first.len() < folder.read("rows.csv").len() / 2, "{name}");
        assert_eq!(first, second, "{name}");
    }
}

#[test]
fn each_file_of_a_group_is_compressed_by_itself() {
    for (ending, compress, unpack) in
        [("gz", "gzip", GUNZIP.to_owned()), ("zst", "zstd", UNZSTD.to_owned()), ("zip", "zip", String::new())]
    {
        let folder = Folder::new(&format!(
            "{{name: \"out_{{part}}.csv.{ending}\", compress: {compress}, split: {{rows: 9000}}}}"
        ));
        folder.delivered();
        let mut rows = b"a,b\n".to_vec();
        for part in 1..=3 {
            let unpack = if ending == "zip" { unzip(&format!("out_{part}.csv")) } else { unpack.clone() };
            let part = folder.python(&format!("out/out_{part}.csv.{ending}"), &unpack);
            assert!(part.starts_with(b"a,b\n"));
            rows.extend_from_slice(&part[4..]);
        }
        assert!(rows == folder.read("rows.csv"), "{ending}");
        assert!(!folder.path(&format!("out/out_4.csv.{ending}")).exists());
    }
}

/// A home of GnuPG. Its agent is ended with it.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir_in("/tmp").unwrap(); // sockets have short paths
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        Self(home)
    }

    fn try_call(&self, arguments: &[&str]) -> Output {
        let quiet = ["--batch", "--yes", "--pinentry-mode", "loopback", "--trust-model", "always"];
        Command::new("gpg").env("GNUPGHOME", self.0.path()).args(quiet).args(arguments).output().unwrap()
    }

    fn call(&self, arguments: &[&str]) -> Output {
        let output = self.try_call(arguments);
        assert!(output.status.success(), "gpg {arguments:?}: {}", both(&output));
        output
    }

    /// Makes a key that signs, with a subkey for encryption, and exports it to `public`.
    fn key(&self, user: &str, expires: &str, public: &Path) {
        self.call(&["--passphrase", "", "--quick-gen-key", user, "ed25519", "cert,sign", expires]);
        self.call(&["--passphrase", "", "--quick-add-key", &self.fingerprint(user), "cv25519", "encr", expires]);
        self.export(user, public);
    }

    fn export(&self, user: &str, public: &Path) {
        self.call(&["--armor", "--output", public.to_str().unwrap(), "--export", user]);
    }

    fn fingerprint(&self, user: &str) -> String {
        let listed = String::from_utf8(self.call(&["--with-colons", "--list-keys", user]).stdout).unwrap();
        listed.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap().trim_matches(':').to_owned()
    }

    /// Decrypts; returns the content and the status lines.
    fn decrypt(&self, file: &Path) -> (Vec<u8>, String) {
        let output = self.call(&["--status-fd", "2", "--decrypt", file.to_str().unwrap()]);
        (output.stdout, String::from_utf8(output.stderr).unwrap())
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", self.0.path()).args(["--kill", "all"]).output();
    }
}

#[test]
fn gnupg_decrypts_for_each_recipient_and_verifies_the_signature() {
    let folder = Folder::new(
        "{name: out.csv.gz.gpg, compress: gzip, encrypt: {openpgp: {to: [keys/a.asc, keys/b.asc], sign: ours}}}",
    );
    let (a, b, ours) = (Gpg::new(), Gpg::new(), Gpg::new());
    a.key("a@example.org", "0", &folder.path("pipelines/keys/a.asc"));
    b.key("b@example.org", "1y", &folder.path("pipelines/keys/b.asc"));
    ours.call(&["--passphrase", PASSPHRASE, "--quick-gen-key", "ours@example.org", "rsa3072", "cert,sign", "0"]);
    ours.export("ours@example.org", &folder.path("ours.asc"));
    let private = ours.call(&["--passphrase", PASSPHRASE, "--armor", "--export-secret-keys"]).stdout;
    std::fs::write(folder.path("private.asc"), &private).unwrap();
    std::fs::write(folder.path("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
    folder.settings("openpgp_keys: {ours: {key: {file: private.asc}, passphrase: {file: passphrase}}}\n");

    let checked = folder.call(&["check"], None);
    assert!(checked.status.success(), "{}", both(&checked));
    let explained = both(&folder.call(&["explain", "line"], None));
    assert!(explained.contains("a@example.org, keys/a.asc") && explained.contains("the key ours"), "{explained}");
    let output = folder.delivered();
    for reader in [&a, &b] {
        reader.call(&["--import", folder.path("ours.asc").to_str().unwrap()]);
        let (content, status) = reader.decrypt(&folder.path("out/out.csv.gz.gpg"));
        assert!(status.contains("GOODSIG") && status.contains("ours@example.org"), "{status}");
        std::fs::write(folder.path("plain.gz"), content).unwrap();
        assert!(folder.python("plain.gz", GUNZIP) == folder.read("rows.csv"));
    }

    // Neither the passphrase nor the private key is in what was written.
    let key = String::from_utf8(private).unwrap();
    let key_lines = key.lines().filter(|line| !line.starts_with("-----") && line.len() > 20);
    let mut written = vec![output.stdout, output.stderr, checked.stdout, checked.stderr, explained.into_bytes()];
    everything(&folder.path("data"), &mut written);
    everything(&folder.path("out"), &mut written);
    for secret in key_lines.chain([PASSPHRASE]) {
        let found = |bytes: &Vec<u8>| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!written.iter().any(found), "a secret was written");
    }

    std::fs::write(folder.path("passphrase"), "another").unwrap();
    let checked = both(&folder.call(&["check"], None));
    assert!(checked.contains("the signing key cannot be used") && checked.contains("its passphrase"), "{checked}");
}

fn everything(folder: &Path, into: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { everything(&path, into) } else { into.push(std::fs::read(path).unwrap()) }
    }
}

#[test]
fn a_key_that_cannot_be_used_is_refused_by_check_and_by_each_run() {
    let folder = Folder::new("{name: out.csv.gpg, encrypt: {openpgp: {to: keys/k.asc}}}");
    let public = folder.path("pipelines/keys/k.asc");
    let gpg = Gpg::new();
    let refused = |why: &str| {
        let checked = folder.call(&["check"], None);
        assert_eq!(checked.status.code(), Some(2), "{}", both(&checked));
        assert!(both(&checked).contains(why), "{why}: {}", both(&checked));
        let output = folder.run(None);
        assert!(!output.status.success() && both(&output).contains(why), "{why}: {}", both(&output));
        assert!(!folder.path("out").exists());
        std::fs::remove_file(&public).unwrap();
    };
    gpg.call(&[
        "--passphrase",
        "",
        "--faked-system-time",
        "20200101T000000",
        "--quick-gen-key",
        "old@example.org",
        "default",
        "default",
        "1y",
    ]);
    gpg.export("old@example.org", &public);
    refused("expired on 20");
    gpg.key("signs@example.org", "0", &folder.path("pipelines/keys/ok.asc"));
    gpg.call(&["--passphrase", "", "--quick-gen-key", "only@example.org", "ed25519", "cert,sign", "0"]);
    gpg.export("only@example.org", &public);
    refused("no part that is meant for encryption");
    let revocation = gpg.0.path().join(format!("openpgp-revocs.d/{}.rev", gpg.fingerprint("signs@example.org")));
    let text = std::fs::read_to_string(&revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
    std::fs::write(&revocation, text).unwrap();
    gpg.call(&["--import", revocation.to_str().unwrap()]);
    gpg.export("signs@example.org", &public);
    refused("revoked");
    let private = gpg.call(&["--passphrase", "", "--armor", "--export-secret-keys", "only@example.org"]).stdout;
    std::fs::write(&public, private).unwrap();
    refused("private key");
    std::fs::write(&public, "no key").unwrap();
    refused("not an OpenPGP key");
}

#[test]
fn age_decrypts_for_each_recipient() {
    let folder = Folder::new("{name: out.csv.age, encrypt: {age: {to: []}}}");
    let checked = both(&folder.call(&["check"], None));
    assert!(checked.contains("no recipient"), "{checked}");
    let keys = folder.python(
        "rows.csv",
        "b''.join(f'{key}\\n{key.to_public()}\\n'.encode() for key in [pyrage.x25519.Identity.generate() for _ in range(2)])",
    );
    let keys = String::from_utf8(keys).unwrap();
    let keys: Vec<&str> = keys.lines().collect();
    std::fs::write(folder.path("pipelines/keys/x.pub"), format!("# the archive\n{}\n", keys[3])).unwrap();
    folder.artifact(&format!("{{name: out.csv.age, encrypt: {{age: {{to: [{}, keys/x.pub]}}}}}}", keys[1]));
    folder.delivered();
    for private in [keys[0], keys[2]] {
        let decrypt = format!("pyrage.decrypt(data, [pyrage.x25519.Identity.from_str({private:?})])");
        assert!(folder.python("out/out.csv.age", &decrypt) == folder.read("rows.csv"));
    }
}

#[test]
fn an_encrypted_artifact_that_is_lost_after_its_intent_is_not_made_again() {
    let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    for (artifact, fault, state) in [
        (format!("{{name: out.x, encrypt: {{age: {{to: {key}}}}}}}"), "ledger.intent=kill_after", "held"),
        (format!("{{name: out.x, encrypt: {{age: {{to: {key}}}}}}}"), "ledger.intent=kill_before", "delivered"),
        ("{name: out.x, compress: gzip}".to_owned(), "ledger.intent=kill_after", "delivered"),
    ] {
        let folder = Folder::new(&artifact);
        assert!(!folder.run(Some(fault)).status.success());
        let spool = std::fs::read_dir(folder.path("data/spool")).unwrap().next().unwrap().unwrap().path();
        std::fs::remove_dir_all(spool.join("artifact")).unwrap();
        for _ in 0..2 {
            let output = folder.run(None);
            assert_eq!(document(&output)["state"], state, "{artifact} {fault} {}", both(&output));
            assert_eq!(folder.path("out/out.x").exists(), state == "delivered");
        }
    }
}

//! D15: keys as people paste them. OpenSSL or ssh-keygen makes the keys for each test, as people make them.

use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use super::*;

/// Returns what a tool wrote into `key` of a folder of its own.
fn made(program: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let output = Command::new(program).args(arguments).arg(&path).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; run tests/tools"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(path).unwrap()
}

fn ssh_keygen(arguments: &[&str]) -> String {
    made("ssh-keygen", &[&["-q", "-C", "", "-N", ""], arguments, &["-f"]].concat())
}

/// A key of each form that is read.
fn forms() -> &'static [String] {
    static FORMS: LazyLock<Vec<String>> = LazyLock::new(make_forms);
    &FORMS
}

fn make_forms() -> Vec<String> {
    let mut forms: Vec<String> = [
        &["-t", "ed25519"][..],
        &["-t", "ecdsa"],
        &["-t", "rsa", "-b", "2048"],
        &["-t", "rsa", "-b", "2048", "-m", "PEM"],
        &["-t", "ecdsa", "-m", "PEM"],
        &["-t", "rsa", "-b", "2048", "-m", "PKCS8"],
        &["-t", "ed25519", "-N", "secret"],
        &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret"],
        &["-t", "ecdsa", "-m", "PKCS8", "-N", "secret"],
    ]
    .into_iter()
    .map(ssh_keygen)
    .collect();
    forms.push(made("openssl", &["genpkey", "-algorithm", "ed25519", "-out"]));
    // With its parameters in a separate block.
    forms.push(made("openssl", &["ecparam", "-genkey", "-name", "prime256v1", "-out"]));
    forms
}

#[track_caller]
fn text_of(pasted: &str) -> String {
    match PrivateKey::read(pasted) {
        Ok(key) => key.text.expose().to_owned(),
        Err(problem) => panic!("{}: {}\n{pasted}", problem.what, problem.fix),
    }
}

#[track_caller]
fn problem_of(pasted: &str) -> String {
    match PrivateKey::read(pasted) {
        Ok(_) => panic!("it is read"),
        Err(KeyProblem { what, fix }) => format!("{what}; {fix}"),
    }
}

fn wrapped(bytes: &[u8], line: usize) -> String {
    let text = BASE64.encode(bytes);
    text.as_bytes().chunks(line).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
}

#[test]
fn d15_however_a_key_is_pasted_it_is_read_as_it_was() {
    for key in forms() {
        let whole = text_of(key);
        // Only its lines are broken, at 64 characters.
        assert_eq!(text_of(&whole), whole);
        let body = |text: &str| text.split_whitespace().filter(|word| !word.starts_with('-')).collect::<String>();
        assert!(key.contains("EC PARAMETERS") || body(&whole).ends_with(&body(key)), "{key}\n{whole}");
        let lines: Vec<&str> = key.lines().collect();
        let each = |change: &dyn Fn(&str) -> String| lines.iter().map(|line| change(line)).collect::<String>();
        let end = key.rfind("-----END").unwrap();
        for (how, pasted) in [
            ("literal \\n", lines.join("\\n")),
            ("literal \\n, escaped twice", lines.join("\\\\n")),
            ("literal \\r\\n", lines.join("\\r\\n")),
            ("BOM", format!("\u{feff}{key}")),
            ("indented", each(&|line| format!("      {line}\n"))),
            ("indented by a tab", each(&|line| format!("\t{line}\n"))),
            ("quoted", format!("\"{key}\"")),
            ("quoted singly", format!("'{}'", key.trim())),
            ("quoted with \\n", format!("\"{}\\n\"", lines.join("\\n"))),
            ("typographic quotes", format!("\u{201c}{key}\u{201d}")),
            ("one line", lines.join(" ")),
            ("no line break at all", lines.concat()),
            ("CRLF", lines.join("\r\n")),
            ("old Mac", lines.join("\r")),
            ("trailing spaces", each(&|line| format!("{line}  \n"))),
            ("empty lines between", each(&|line| format!("{line}\n\n"))),
            ("an empty line before END", format!("{}\n{}", &key[..end], &key[end..])),
            ("empty lines around", format!("\n\n{key}\n\n")),
            ("no-break spaces", each(&|line| format!("\u{a0}{line}\n"))),
            ("dashes for hyphens", key.replace("-----", "\u{2014}\u{2014}-")),
            ("a hyphen lost", key.replacen("-----BEGIN", "----BEGIN", 1)),
            ("a shell's lines", each(&|line| format!("{line}\\\n"))),
            ("a list in JSON", format!("[{}]", each(&|line| format!("\"{line}\",")))),
            ("text around", format!("here is the key:\n\n{key}\nbest wishes")),
            ("base64 of the file", BASE64.encode(key)),
            ("base64 in lines", wrapped(key.as_bytes(), 76)),
            ("base64 without padding", BASE64.encode(key).trim_end_matches('=').to_owned()),
            ("base64 for URLs", BASE64.encode(key).replace('+', "-").replace('/', "_")),
            ("base64, quoted", format!("\"{}\"", BASE64.encode(key))),
            ("base64 of base64", BASE64.encode(wrapped(key.as_bytes(), 76))),
            ("base64 of a file with a BOM and CRLF", BASE64.encode(format!("\u{feff}{}", lines.join("\r\n")))),
        ] {
            assert_eq!(text_of(&pasted), whole, "{how}");
        }
        if !whole.contains("DEK-Info") && !key.contains("EC PARAMETERS") {
            let bare: String = whole.lines().filter(|line| !line.starts_with('-')).collect();
            assert_eq!(text_of(&bare), whole, "without BEGIN and END");
        }
    }
}

#[test]
fn d15_what_is_no_usable_key_is_named_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let (key, ca) = (folder.path().join("key"), folder.path().join("ca"));
    for file in [&key, &ca] {
        keygen(&["-q", "-t", "ed25519", "-C", "me@here", "-N", "", "-f", &file.display().to_string()]);
    }
    let of = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    keygen(&["-q", "-s", &ca.display().to_string(), "-I", "x", "-n", "acme", &of_path(&folder, "key.pub")]);
    let openssl = |arguments: &[&str]| made("openssl", &[arguments, &["-out"]].concat());
    let private = of("key");
    let rfc4716 = String::from_utf8(keygen(&["-e", "-f", &of_path(&folder, "key.pub")])).unwrap();
    let pem_public =
        openssl(&["rsa", "-pubout", "-in", &written(&folder, "rsa", &ssh_keygen(&["-t", "rsa", "-m", "PEM"]))]);
    let ppk = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\nAAAA\n";
    let kind = |name: &str| {
        // A key that differs only in its kind.
        let mut blob = (name.len() as u32).to_be_bytes().to_vec();
        blob.extend(name.as_bytes());
        let mut bytes = b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none\0\0\0\0\0\0\0\x01".to_vec();
        bytes.extend((blob.len() as u32).to_be_bytes());
        bytes.extend(&blob);
        bytes.extend(4u32.to_be_bytes());
        bytes.extend([0; 4]);
        format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}-----END OPENSSH PRIVATE KEY-----\n", wrapped(&bytes, 70))
    };
    let block = |label: &str| format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n");
    let half = private.len() / 2;
    let public_blob = of("key.pub").split(' ').nth(1).unwrap().to_owned();
    let convert = "puttygen key.ppk -O private-openssh -o key";
    let new = "ssh-keygen -t ed25519 -f key";
    for (pasted, parts) in [
        (String::new(), ["is empty", "BEGIN"]),
        ("  \n".to_owned(), ["is empty", "BEGIN"]),
        (of("key.pub"), ["is a public key (ssh-ed25519)", "without `.pub`"]),
        (format!("restrict,pty {}", of("key.pub")), ["is a public key (ssh-ed25519)", "without `.pub`"]),
        (public_blob, ["is a public key (ssh-ed25519)", "without `.pub`"]),
        (BASE64.encode(of("key.pub")), ["is a public key (ssh-ed25519)", "without `.pub`"]),
        (of("key-cert.pub"), ["is a certificate (ssh-ed25519-cert-v01@openssh.com)", "authorized_keys"]),
        (pem_public, ["is a public key", "(PUBLIC KEY)"]),
        (rfc4716, ["is a public key", "(SSH2 PUBLIC KEY)"]),
        (ppk.to_owned(), ["PuTTY's form", convert]),
        (ppk.replace('\n', "\r\n"), ["PuTTY's form", convert]),
        (BASE64.encode(ppk), ["PuTTY's form", convert]),
        (format!("\u{feff}{}", ppk.replace('\n', "\\n")), ["PuTTY's form", convert]),
        (block("DSA PRIVATE KEY"), ["is a DSA key", new]),
        (kind("ssh-dss"), ["is a DSA key", new]),
        (kind("sk-ssh-ed25519@openssh.com"), ["security device", new]),
        (kind("ssh-xmss@openssh.com"), ["cannot be used (ssh-xmss@openssh.com)", new]),
        (openssl(&["genpkey", "-algorithm", "x25519"]), ["does not sign with (PKCS#8)", new]),
        (openssl(&["ecparam", "-genkey", "-name", "secp256k1"]), ["elliptic curve", new]),
        (block("SSH2 ENCRYPTED PRIVATE KEY"), ["ssh.com", "puttygen key -O private-openssh"]),
        (block("CERTIFICATE"), ["is a certificate, not a key (CERTIFICATE)", "private key that belongs to it"]),
        (block("PGP PRIVATE KEY BLOCK"), ["PGP", new]),
        (
            ssh_keygen(&["-t", "ed25519", "-N", "secret", "-Z", "aes256-gcm@openssh.com"]),
            ["aes256-gcm", "-Z aes256-ctr"],
        ),
        (private[..half].to_owned(), ["is cut off", "`-----END OPENSSH PRIVATE KEY-----` is missing"]),
        (private.replacen("AAAA", "AA", 1), ["is damaged or cut off", "copy the whole file"]),
        (private.replacen("AAAA", "AA*A", 1), ["is damaged or cut off", "copy the whole file"]),
        ("/home/acme/.ssh/id_rsa".to_owned(), ["is the path of a file", "key: {file: PATH}"]),
        ("~/.ssh/id_ed25519".to_owned(), ["is the path of a file", "key: {file: PATH}"]),
        ("C:\\keys\\hris.ppk".to_owned(), ["is the path of a file", "key: {file: PATH}"]),
        ("not a key".to_owned(), ["has no line `-----BEGIN … PRIVATE KEY-----`", "ssh-keygen writes it"]),
        ("d41d8cd98f00b204e9800998ecf8427ed41d8cd98f00b204e9800998ecf8427e".to_owned(), ["has no line", "base64"]),
    ] {
        let problem = problem_of(&pasted);
        for part in parts {
            assert!(problem.contains(part), "{part:?} is not in {problem:?}");
        }
        assert!(!problem.contains("AAAA"), "nothing of the key is shown: {problem}");
    }
}

/// Whatever is cut from a key or inserted into it, the result is a problem or a key, and never a panic.
#[test]
fn d15_a_key_that_is_cut_anywhere_is_a_problem() {
    for key in forms() {
        let whole = text_of(key);
        let bytes = whole.len();
        for cut in 0..bytes {
            assert!(PrivateKey::read(&whole[..cut]).is_err() || cut + 6 >= bytes, "cut at {cut} of {bytes}");
        }
        for from in (30..bytes - 40).step_by(7) {
            let mut text = whole.clone();
            text.replace_range(from..from + 3, "");
            let _ = PrivateKey::read(&text);
        }
    }
}

#[test]
fn d15_a_keys_fingerprint_is_the_one_that_ssh_keygen_prints() {
    for key in forms() {
        let read = PrivateKey::read(key).map_err(|problem| problem.what).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = written(&folder, "key", read.text.expose());
        if key.contains("BEGIN ENCRYPTED") || key.contains("DEK-Info") {
            assert!(read.encrypted && read.shown.is_none());
            continue;
        }
        if key.starts_with("-----BEGIN PRIVATE KEY-----")
            && read.shown.as_ref().is_some_and(|shown| shown.contains("25519"))
        {
            continue; // not every ssh-keygen reads ed25519 keys as OpenSSL writes them
        }
        let passphrase = if read.encrypted { "secret" } else { "" };
        let public = String::from_utf8(keygen(&["-y", "-P", passphrase, "-f", &path])).unwrap();
        let listed = String::from_utf8(keygen(&["-l", "-f", &written(&folder, "public", &public)])).unwrap();
        let fingerprint = listed.split(' ').nth(1).unwrap();
        assert!(read.shown.is_some_and(|shown| shown.ends_with(fingerprint)), "{listed}\n{key}");
    }
}

fn of_path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

/// Writes a private key's file that only its owner may read.
fn written(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn keygen(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("ssh-keygen").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

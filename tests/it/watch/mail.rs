//! Mail over TLS, to a server that wants a password: what is proven before the password leaves, and what is said.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use super::alerts::PYTHON;
use crate::stage::eventually;
use crate::stage::rig::{Rig, both};
use crate::work::stand::every_minute;

const PASSWORD: &str = "pa55w0rd-of-the-mailbox";

/// aiosmtpd with a certificate of its own authority, whose PEM stands in `ca.pem` of its folder. It prints the port, then
/// every sign-in and every mail.
const SCRIPT: &str = r#"
import asyncio, datetime, ipaddress, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

mode, folder, password = sys.argv[1:]
def certificate(name, key, issuer, signer, ca):
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer or subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True))
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(signer or key, hashes.SHA256())
ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
ca = certificate("an authority", ca_key, None, None, True)
leaf = certificate("localhost", key, ca.subject, ca_key, False)
pem = lambda c: c.public_bytes(serialization.Encoding.PEM)
open(f"{folder}/ca.pem", "wb").write(pem(ca))
open(f"{folder}/server.pem", "wb").write(pem(leaf) + key.private_bytes(serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{folder}/server.pem")

def sign_in(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"svc-mail", password.encode())
    print("sign-in", "right" if right else "wrong", flush=True)
    return AuthResult(success=right, handled=False)
class Prints:
    async def handle_DATA(self, server, session, envelope):
        print("mail for", envelope.rcpt_tos, flush=True)
        return "250 taken"
def smtp():
    if mode == "starttls":
        return SMTP(Prints(), tls_context=context, require_starttls=True, auth_required=True, authenticator=sign_in)
    return SMTP(Prints(), auth_require_tls=False, auth_required=True, authenticator=sign_in)
async def main():
    over_tls = context if mode == "tls" else None
    server = await asyncio.get_running_loop().create_server(smtp, "127.0.0.1", 0, ssl=over_tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
"#;

struct Server {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
    said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `plain` offers no TLS.
    fn start(mode: &str) -> Self {
        let folder = crate::stage::folder();
        let mut child = Command::new(PYTHON)
            .args(["-c", SCRIPT, mode])
            .arg(folder.path())
            .arg(PASSWORD)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python: `tests/tools` installs it");
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        lines.read_line(&mut port).unwrap();
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = said.clone();
        std::thread::spawn(move || {
            lines.lines().map_while(Result::ok).for_each(|line| sink.lock().unwrap().push(line))
        });
        Self { child, folder, port: port.trim().parse().unwrap(), said }
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// `alert --test`, with the server's authority trusted by the system or not.
    fn test(&self, tls: &str, password: &str, trusted: bool) -> Output {
        self.test_with(tls, password, trusted, "")
    }

    /// The same, with more keys.
    fn test_with(&self, tls: &str, password: &str, trusted: bool, more: &str) -> Output {
        let rig = Rig::new(&every_minute());
        let settings = rig.folder.path().join("reportferry.yaml");
        let text = std::fs::read_to_string(&settings).unwrap();
        std::fs::write(rig.folder.path().join("mail_password"), password).unwrap();
        let alerts = format!(
            "alerts: {{channels: {{mail: {{email: {{host: localhost, port: {}, tls: {tls}, username: svc-mail, \
             password: {{file: mail_password}}, {more}from: rf@acme.example, to: [ops@acme.example]}}}}}}}}\n",
            self.port
        );
        std::fs::write(&settings, format!("{alerts}{text}")).unwrap();
        let mut command = rig.command(&["--set", "log.filter=trace", "alert", "--test"]);
        command.env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
        if trusted {
            command.env("SSL_CERT_FILE", self.folder.path().join("ca.pem"));
        }
        let output = command.output().unwrap();
        assert!(!both(&output).contains(password), "{}", both(&output));
        output
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn mail_goes_over_tls_to_a_server_that_is_proven() {
    for tls in ["starttls", "tls"] {
        let server = Server::start(tls);
        let sent = server.test(tls, PASSWORD, true);
        assert!(sent.status.success(), "{tls}: {}", both(&sent));
        eventually("the mail is there", || server.said().len() == 2);
        assert_eq!(server.said(), ["sign-in right", "mail for ['ops@acme.example']"]);
    }
}

#[test]
fn the_settings_may_name_the_authority() {
    for tls in ["starttls", "tls"] {
        let server = Server::start(tls);
        let ca = format!("ca: {:?}, ", server.folder.path().join("ca.pem"));
        let sent = server.test_with(tls, PASSWORD, false, &ca);
        assert!(sent.status.success(), "{tls}: {}", both(&sent));
        let none = format!("ca: {:?}, ", server.folder.path().join("no.pem"));
        let refused = server.test_with(tls, PASSWORD, true, &none);
        assert!(both(&refused).contains("no.pem: "), "{tls}: {}", both(&refused));
    }
}

#[test]
fn a_password_leaves_for_no_server_that_is_not_proven() {
    for tls in ["starttls", "tls"] {
        let server = Server::start(tls);
        let refused = server.test(tls, PASSWORD, false);
        assert_eq!(refused.status.code(), Some(3), "{tls}: {}", both(&refused));
        assert!(both(&refused).contains("certificate"), "{tls}: {}", both(&refused));
        assert_eq!(server.said(), Vec::<String>::new());
    }
    let server = Server::start("plain");
    let refused = server.test("starttls", PASSWORD, true);
    assert_eq!(refused.status.code(), Some(3), "{}", both(&refused));
    assert_eq!(server.said(), Vec::<String>::new(), "no STARTTLS, no password");
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let server = Server::start("starttls");
    let refused = server.test("starttls", "another-pa55w0rd", true);
    assert_eq!(refused.status.code(), Some(3), "{}", both(&refused));
    assert!(both(&refused).contains("the mail server says") && both(&refused).contains("535"), "{}", both(&refused));
    eventually("it was asked", || server.said() == ["sign-in wrong"]);
}

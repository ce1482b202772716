//! A private PostgreSQL cluster on loopback, shared by the tests of this binary; a database for each that asks.
//!
//! A shell holds the server, and reads from this process until that ends, however it does: then it stops the server. The
//! folder goes with that of the test process.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};
use reportferry::settings::{PostgresSettings, PostgresTls, SecretRef};

/// The superuser's password; no test may find it in what is printed.
pub(crate) const PASSWORD: &str = "elephant-5b1e";
const USERNAME: &str = "ferry";
/// `nobody`: the server refuses to run as root.
const NOBODY: u32 = 65_534;
const START_MAX: Duration = Duration::from_secs(60);

const HOLD: &str = r#""$1/postgres" -D "$2/data" -c port="$3" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync=off -c full_page_writes=off -c max_connections=400 -c ssl=on -c ssl_cert_file="$2/server.pem" \
    -c ssl_key_file="$2/server.key" > "$2/log" 2>&1 &
cat > /dev/null
kill -QUIT $!; wait $!"#;

static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
static NEXT: AtomicU32 = AtomicU32::new(0);

struct Cluster {
    folder: PathBuf,
    port: u16,
    _alive: ChildStdin,
}

/// A database of its own, with nothing in it.
pub(crate) fn database() -> PostgresSettings {
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    admin("postgres").batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    let password = CLUSTER.folder.join("password");
    PostgresSettings {
        host: "127.0.0.1".to_owned(),
        port: CLUSTER.port,
        database: name,
        username: USERNAME.to_owned(),
        password: Some(SecretRef::File(password)),
        tls: PostgresTls::Disable,
        ca: None,
    }
}

/// As a settings file names it.
pub(crate) fn written(server: &PostgresSettings) -> String {
    format!(
        "ledger: {{postgres: {{host: 127.0.0.1, port: {}, database: {}, username: {USERNAME}, password: {{file: {:?}}}, tls: disable}}}}\n",
        server.port,
        server.database,
        CLUSTER.folder.join("password"),
    )
}

/// The authority that signed the server's certificate.
pub(crate) fn ca() -> PathBuf {
    CLUSTER.folder.join("ca.pem")
}

/// A connection that is none of the ledger's.
pub(crate) fn admin(database: &str) -> Client {
    let url = format!("host=127.0.0.1 port={} user={USERNAME} password={PASSWORD} dbname={database}", CLUSTER.port);
    Client::connect(&url, NoTls).unwrap()
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir_in(super::root()).unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(folder.join("password"), PASSWORD).unwrap();
        certificates(&folder);
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        if is_root {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
            for file in std::fs::read_dir(&folder).unwrap() {
                chown(file.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let programs = programs();
        let user = |command: &mut Command| {
            command.current_dir("/");
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
        };
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"]);
        initdb.arg(format!("--username={USERNAME}")).arg("--pwfile").arg(folder.join("password"));
        initdb.arg("-D").arg(folder.join("data"));
        user(&mut initdb);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut hold = Command::new("sh");
        hold.args(["-c", HOLD, "sh"]).arg(programs).arg(&folder).arg(port.to_string());
        hold.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        user(&mut hold);
        let alive = hold.spawn().unwrap().stdin.take().unwrap();
        let url = format!("host=127.0.0.1 port={port} user={USERNAME} password={PASSWORD} dbname=postgres");
        let begun = Instant::now();
        while let Err(error) = Client::connect(&url, NoTls) {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < START_MAX, "PostgreSQL does not start: {error}\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { folder, port, _alive: alive }
    }
}

/// Where the newest server's programs are.
pub(crate) fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("no PostgreSQL: run tests/tools");
    versions.map(|version| version.unwrap().path().join("bin")).max().expect("no PostgreSQL: run tests/tools")
}

/// An authority, and a certificate for 127.0.0.1 that it signed.
fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&made.stderr));
    };
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!("req -x509 {KEY} -subj /CN=authority -keyout ca.key -out ca.pem"));
    openssl(&format!(
        "req -x509 {KEY} -subj /CN=server -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
         -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem"
    ));
}

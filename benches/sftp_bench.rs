//! One upload by our own session, for `benches/sftp`, which compares it with OpenSSH's `sftp`.
//!
//! usage: sftp_bench FILE SHA256 HOST PORT USER KEY_FILE PIN REMOTE_DIRECTORY

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reportferry::attempt::Backoff;
use reportferry::deliver::{Put, Session, Verdict};
use reportferry::encode::Artifact;
use reportferry::pipeline::plan::{DeliveryPlan, Existing};
use reportferry::pipeline::problem::Place;
use reportferry::progress::Meter;
use reportferry::settings::{Destination, DestinationKind, SecretRef, Sftp, SftpTimeouts};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, sha256, host, port, username, key, pin, base] = arguments.as_slice() else {
        return Err("usage: sftp_bench FILE SHA256 HOST PORT USER KEY_FILE PIN REMOTE_DIRECTORY".to_owned());
    };
    let bytes = std::fs::metadata(file).map_err(|error| format!("{file}: {error}"))?.len();
    let (path, name, sha256) = (PathBuf::from(file), "ours.bin".to_owned(), sha256.clone());
    let artifact = Artifact { path, name, bytes, sha256, rows: 0, columns: Vec::new(), dialect: Default::default() };
    let (second, patience) = (Duration::from_secs(1), Duration::from_secs(30));
    let port = port.parse().map_err(|_| format!("{port} is no port"))?;
    let mut sftp = Sftp::new("bench", host, port, username);
    sftp.key = Some(SecretRef::File(PathBuf::from(key)));
    sftp.host_keys = vec![pin.clone()];
    sftp.base = base.clone();
    sftp.timeouts = SftpTimeouts { connect: patience, idle: patience, rename: patience };
    let file = Arc::new("pipelines/bench.yaml".into());
    let plan = DeliveryPlan {
        at: Place { file, line: 1, column: 1, span: 0..0, key: "deliver.bench".to_owned() },
        destination: Arc::new(Destination {
            name: "bench".to_owned(),
            kind: DestinationKind::Sftp(Box::new(sftp)),
            retry: Backoff { first: second, max: second, within: second },
            pickup: Default::default(),
        }),
        directory: String::new(),
        existing: Existing::Replace,
        replace_with_gap: false,
        checksum: None,
        manifest: None,
        done_file: None,
        required: true,
    };
    let put = Put::new("0000000000000000", &artifact, &plan);
    let told = |verdict: Verdict| format!("{verdict:?}");
    let mut session = Session::connect(&plan.destination).map_err(told)?;
    let intent = session.prepare(&put).map_err(told)?;
    let verdict = session.publish(&put, &intent, None, &Meter::default());
    session.close();
    if matches!(verdict, Verdict::Delivered(_)) { Ok(()) } else { Err(told(verdict)) }
}

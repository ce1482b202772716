//! Uploads by our own sessions, for `benches/sftp.py`, which compares them with what others do.
//!
//! usage: sftp_bench [--sessions N] [--split] [--no-fsync] [--cipher NAME] --host H --port P --user U --key FILE --pin SHA256:… --base DIRECTORY SUMS
//!
//! Delivers each file of SUMS, which is what `sha256sum` writes, under its own name, over at most N sessions that are used
//! again for many files; with --split, one file over all of them. Digests come with the names, as a run has them from its
//! shaping; what is sent is hashed again on its way.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reportferry::attempt::Backoff;
use reportferry::deliver::{DeliveryRequest, Sessions, Verdict};
use reportferry::encode::Artifact;
use reportferry::pipeline::plan::{DeliveryPlan, Existing};
use reportferry::progress::Meter;
use reportferry::settings::{Destination, DestinationKind, SecretRef, Sftp, SftpTimeouts};
use reportferry::yaml::problem::Place;

const USAGE: &str = "usage: sftp_bench [--sessions N] [--split] [--no-fsync] [--cipher NAME] --host H --port P --user U --key FILE --pin SHA256:… --base DIRECTORY SUMS";

struct Asked {
    sftp: Sftp,
    sums: PathBuf,
}

fn asked() -> Result<Asked, String> {
    let (mut said, mut sums, mut split, mut fsync) = (HashMap::new(), None, false, true);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--split" => split = true,
            "--no-fsync" => fsync = false,
            key if key.starts_with("--") => {
                said.insert(key.to_owned(), arguments.next().ok_or(USAGE)?);
            }
            file => sums = Some(PathBuf::from(file)),
        }
    }
    let mut take = |key: &str| said.remove(key).ok_or_else(|| format!("{key} is missing; {USAGE}"));
    let port = take("--port")?.parse().map_err(|_| "--port takes a number".to_owned())?;
    let mut sftp = Sftp::new("bench", &take("--host")?, port, &take("--user")?);
    sftp.key = Some(SecretRef::File(PathBuf::from(take("--key")?)));
    sftp.host_keys = vec![take("--pin")?];
    sftp.base = take("--base")?;
    sftp.sessions = take("--sessions").map_or(Ok(1), |text| text.parse()).map_err(|_| "--sessions takes a number")?;
    sftp.fsync = fsync;
    sftp.algorithms.cipher.extend(said.remove("--cipher"));
    sftp.parallel = split.then_some(1);
    let patience = Duration::from_secs(30);
    sftp.timeouts = SftpTimeouts { connect: patience, idle: patience, rename: patience };
    Ok(Asked { sftp, sums: sums.ok_or(USAGE)? })
}

/// A line of `sha256sum`: 64 hex digits, two signs, a name.
fn artifact(line: &str) -> Result<Artifact, String> {
    let (sha256, file) = line.split_once("  ").ok_or_else(|| format!("{line}: not a line of sha256sum"))?;
    let file = Path::new(file);
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = file.metadata().map_err(|error| format!("{}: {error}", file.display()))?.len();
    Ok(Artifact {
        path: file.to_owned(),
        name,
        bytes,
        sha256: sha256.to_owned(),
        rows: 0,
        columns: Vec::new(),
        rows_in: reportferry::encode::RowsPlace::Nowhere,
        set: None,
    })
}

fn plan(sftp: Sftp) -> DeliveryPlan {
    let second = Duration::from_secs(1);
    let file = Arc::new("pipelines/bench.yaml".into());
    DeliveryPlan {
        refused_rows: Default::default(),
        ack_rows: None,
        at: Place { file, line: 1, column: 1, span: 0..0, key: "deliver.bench".to_owned() },
        destination: Arc::new(Destination {
            name: "bench".to_owned(),
            kind: DestinationKind::Sftp(Box::new(sftp)),
            retry: Backoff { initial: second, max: second, give_up_after: second },
            pickup: Default::default(),
            alert_after: None,
        }),
        directory: String::new(),
        existing: Existing::Replace,
        upload_as: None,
        replace_with_gap: false,
        publish_together: false,
        checksum: None,
        manifest: None,
        done_file: None,
        done_content: None,
        required: true,
        alert_after: None,
        request: None,
    }
}

fn deliver(sessions: &Sessions, plan: &DeliveryPlan, artifact: &Artifact) -> Result<(), String> {
    let told = |verdict: Verdict| format!("{}: {verdict:?}", artifact.name);
    let put = DeliveryRequest::new("0000000000000000", artifact, plan);
    let mut session = sessions.take(&plan.destination).map_err(told)?;
    session.attach(sessions.prefetch(&plan.destination, plan.destination.extra_sessions(artifact.bytes)));
    let intent = session.prepare(&put).map_err(told)?;
    let verdict = session.publish(&put, &intent, None, &Meter::default());
    let parted = session.detach().into_iter().collect::<Result<Vec<_>, _>>().map_err(told)?;
    parted.into_iter().chain([session]).for_each(|session| sessions.give_back(&plan.destination, session));
    if matches!(verdict, Verdict::Delivered(_)) { Ok(()) } else { Err(told(verdict)) }
}

fn main() -> Result<(), String> {
    let Asked { sftp, sums } = asked()?;
    let lines = std::fs::read_to_string(&sums).map_err(|error| format!("{}: {error}", sums.display()))?;
    let artifacts = lines.lines().map(artifact).collect::<Result<Vec<_>, _>>()?;
    let side_by_side = if sftp.parallel.is_some() { 1 } else { sftp.sessions };
    let (plan, sessions, next) = (plan(sftp), Sessions::default(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let work = || {
            while let Some(artifact) = artifacts.get(next.fetch_add(1, Ordering::Relaxed)) {
                deliver(&sessions, &plan, artifact)?;
            }
            Ok::<(), String>(())
        };
        let workers: Vec<_> = (0..side_by_side).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a session broke off".to_owned())?)
    })?;
    Ok(())
}

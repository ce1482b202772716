//! What the cases stand on: a destination with its directory, plans, artifacts, and a look at what lies there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reportferry::attempt::Backoff;
use reportferry::deliver::{DeliveryRequest, Intent, Receipt, Session, Verdict};
use reportferry::encode::{Artifact, FileGroup, GroupFile};
use reportferry::name::NameTemplate;
use reportferry::name::content::ContentTemplate;
use reportferry::pipeline::plan::{DeliveryPlan, Existing};
use reportferry::progress::Meter;
use reportferry::settings::{Destination, DestinationKind};
use reportferry::yaml::problem::Place;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub(crate) const RUN: &str = "00112233445566ff";

/// What a case wants of its destination.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wish {
    pub mkdir: bool,
    pub mode: Option<u32>,
}

/// A destination, and its directory on this machine.
pub(crate) struct Stand {
    pub root: PathBuf,
    pub kind: Box<dyn Fn(Wish) -> DestinationKind>,
    /// What the destination stands on, kept until the case ends.
    pub _under: Box<dyn std::any::Any>,
}

impl Stand {
    pub(crate) fn destination(&self, wish: Wish) -> Arc<Destination> {
        destination((self.kind)(wish))
    }
}

pub(crate) fn destination(kind: DestinationKind) -> Arc<Destination> {
    let second = Duration::from_secs(1);
    let retry = Backoff { initial: second, max: second, give_up_after: second };
    Arc::new(Destination { name: "hris".to_owned(), kind, retry, pickup: Default::default(), alert_after: None })
}

pub(crate) fn plan(destination: &Arc<Destination>, directory: &str, existing: Existing) -> DeliveryPlan {
    DeliveryPlan {
        refused_rows: Default::default(),
        ack_rows: None,
        at: Place { file: Arc::new("p.yaml".into()), line: 1, column: 1, span: 0..0, key: "deliver.hris".to_owned() },
        destination: destination.clone(),
        directory: directory.to_owned(),
        existing,
        upload_as: None,
        replace_with_gap: false,
        publish_together: false,
        checksum: None,
        manifest: None,
        done_file: None,
        done_content: None,
        alert_after: None,
        request: None,
        required: true,
    }
}

/// As `with_done`, with content.
pub(crate) fn with_content(plan: DeliveryPlan, content: &str) -> DeliveryPlan {
    let mut plan = with_done(plan);
    plan.done_content = ContentTemplate::parse(content).ok();
    assert!(plan.done_content.is_some());
    plan
}

pub(crate) fn with_done(mut plan: DeliveryPlan) -> DeliveryPlan {
    plan.done_file = NameTemplate::parse("{name}.done").ok();
    assert!(plan.done_file.is_some());
    plan
}

/// An artifact in a spool of its own.
pub(crate) struct Spooled {
    pub artifact: Artifact,
    _spool: TempDir,
}

pub(crate) fn spool(name: &str, content: &[u8]) -> Spooled {
    let spool = crate::stage::folder();
    let path = spool.path().join("artifact");
    fs::write(&path, content).unwrap();
    let sha256 = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let artifact = Artifact {
        path,
        name: name.to_owned(),
        bytes: content.len() as u64,
        sha256,
        rows: 1,
        columns: Vec::new(),
        rows_in: reportferry::encode::RowsPlace::Nowhere,
        set: None,
    };
    Spooled { artifact, _spool: spool }
}

/// A split artifact in a spool of its own: its files, one row each.
pub(crate) fn spool_set(name: &str, files: &[(&str, &[u8])]) -> Spooled {
    let content: Vec<u8> = files.iter().flat_map(|(_, content)| content.to_vec()).collect();
    let mut spooled = spool(name, &content);
    let file = |(name, content): &(&str, &[u8])| GroupFile {
        name: (*name).to_owned(),
        bytes: content.len() as u64,
        sha256: reportferry::digest::of(content),
        rows: 1,
    };
    spooled.artifact.rows = files.len() as u64;
    spooled.artifact.set =
        Some(FileGroup { is_archive: false, head_bytes: 0, files: files.iter().map(file).collect() });
    spooled
}

/// Bytes without a pattern that a mistake could hide in.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(count as u64);
    let mut bytes = vec![0; count];
    random.fill(&mut bytes);
    bytes
}

pub(crate) fn connect(plan: &DeliveryPlan) -> Session {
    Session::connect(&plan.destination).unwrap_or_else(|verdict| panic!("{verdict:?}"))
}

pub(crate) fn put<'a>(spooled: &'a Spooled, plan: &'a DeliveryPlan) -> DeliveryRequest<'a> {
    DeliveryRequest::new(RUN, &spooled.artifact, plan)
}

/// One whole delivery.
pub(crate) fn deliver(spooled: &Spooled, plan: &DeliveryPlan) -> Verdict {
    let mut session = match Session::connect(&plan.destination) {
        Ok(session) => session,
        Err(verdict) => return verdict,
    };
    let put = put(spooled, plan);
    let intent = match session.prepare(&put) {
        Ok(intent) => intent,
        Err(verdict) => return verdict,
    };
    let verdict = session.publish(&put, &intent, None, &Meter::default());
    session.close();
    verdict
}

/// One attempt as a run makes it: what an earlier one intended is looked for first. Contact that is lost before the
/// intent leaves `earlier` as it was.
pub(crate) fn attempt(spooled: &Spooled, plan: &DeliveryPlan, earlier: &mut Option<Intent>) -> Verdict {
    let put = put(spooled, plan);
    let mut go = || {
        let mut session = Session::connect(&plan.destination)?;
        if let Some(intent) = earlier.as_ref() {
            let seen = session.inspect(intent)?;
            if seen.data_may_be_final(intent) {
                return Ok(session.publish(&put, intent, Some(&seen), &Meter::default()));
            }
            session.clear(&put, intent, &seen)?;
        }
        let intent = earlier.insert(session.prepare(&put)?);
        let verdict = session.publish(&put, intent, None, &Meter::default());
        session.close();
        Ok(verdict)
    };
    go().unwrap_or_else(|verdict| verdict)
}

pub(crate) fn delivered(verdict: Verdict) -> Receipt {
    match verdict {
        Verdict::Delivered(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn rejected(verdict: Verdict) -> (String, String) {
    match verdict {
        Verdict::Rejected { reason, hint } | Verdict::Refused { reason, hint, .. } => {
            (reason, hint.unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

/// Every file below `root`, by its path there, with its content.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[track_caller]
pub(crate) fn check_tree(root: &Path, expected: &[(&str, &[u8])]) {
    let expected: BTreeMap<String, Vec<u8>> =
        expected.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
    let found = tree(root);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(found == expected, "contents differ");
}

//! `kill -9` of a running worker under load, again and again; then every slot ends once.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use reportferry::ledger::state::{DeliveryState, RunState};

use super::stand::{Stand, every_minute};
use crate::stage::eventually;
use crate::stage::rig::{Rig, names};

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    reportferry::digest::hex(&sha2::Sha256::digest(bytes))
}

/// Pipelines that are behind by this many minutes each.
const PIPELINES: usize = 4;

/// `REPORTFERRY_SOAK_KILLS` asks for more than the usual number.
#[test]
fn a_worker_that_is_killed_loses_and_doubles_nothing() {
    let kills = std::env::var("REPORTFERRY_SOAK_KILLS").map_or(20, |text| text.parse().unwrap());
    soak(Rig::new(&every_minute()), kills);
}

#[test]
fn a_worker_that_is_killed_loses_and_doubles_nothing_in_postgresql() {
    soak(Rig::new(&every_minute()).in_postgres(), 6);
}

fn soak(rig: Rig, kills: i64) {
    let seed = std::env::var("REPORTFERRY_SOAK_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    // Enough to be done that no worker comes to the end before it is killed.
    let minutes = 10.max(kills * 3 / 2).min(23 * 60);
    let stand = Stand::new(rig);
    let mut since = Timestamp::MAX;
    for number in 0..PIPELINES {
        let name = format!("p{number}");
        let text = every_minute().replace("completions_", &format!("{name}_"));
        std::fs::write(stand.pipeline(&name), text).unwrap();
        since = stand.behind(&name, minutes);
    }
    std::fs::remove_file(stand.pipeline("line")).unwrap();
    for _ in 0..kills {
        let mut worker = stand.worker();
        std::thread::sleep(Duration::from_micros(random.u64(20_000..700_000)));
        worker.child.kill().unwrap();
        worker.child.wait().unwrap();
    }
    let worker = stand.worker();
    let last = since.as_millisecond() + minutes * 60_000;
    let begun = || stand.runs().into_iter().filter(|run| run.slot_ms <= last).collect::<Vec<_>>();
    let wanted = PIPELINES * usize::try_from(minutes).unwrap();
    let mut before = 0;
    loop {
        // As long as it goes on, it may take its time.
        eventually(&format!("seed {seed}: more runs come to an end"), || {
            let ended = begun().iter().filter(|run| run.state.is_end()).count();
            ended > before || ended == wanted
        });
        before = begun().iter().filter(|run| run.state.is_end()).count();
        if before == wanted {
            break;
        }
    }
    eventually("nothing is under way", || stand.runs().iter().all(|run| run.state.is_end()));
    assert_eq!(worker.stop().code(), Some(0));

    let runs = stand.runs();
    let mut files = BTreeSet::new();
    for run in &runs {
        assert_eq!(run.state, RunState::Delivered, "seed {seed}: {} {}: {:?}", run.pipeline, run.slot, run.reason);
        let deliveries = stand.deliveries(&run.id);
        assert_eq!(deliveries.len(), 1);
        assert_eq!(deliveries[0].state, DeliveryState::Delivered);
        let receipt = &deliveries[0].receipt.as_ref().unwrap().receipt;
        let name = receipt.path.rsplit('/').next().unwrap().to_owned();
        let bytes = stand.rig.read(&name);
        assert_eq!(bytes.len() as u64, receipt.bytes);
        assert_eq!(sha256(&bytes), receipt.sha256, "seed {seed}: {name}");
        assert!(files.insert(format!("{name}.done")) && files.insert(name), "one name for two slots");
    }
    let inbound: BTreeSet<String> = names(&stand.rig.drop.join("inbound")).into_iter().collect();
    assert_eq!(inbound, files, "seed {seed}: what lies there is what the receipts say");
    println!("{kills} kills, {} slots", runs.len());
}

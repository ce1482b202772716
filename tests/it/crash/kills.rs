//! `kill -9` of the real binary at random moments, several times a run, until it is through: to OpenSSH, to ProFTPD and
//! to a webhook's receiver in turn.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{assert_delivered_once, expected, openssh, watched};
use crate::stage::account::Account;
use crate::stage::proftpd::Proftpd;
use crate::stage::receiver::Receiver;
use crate::stage::rig::{PIPELINE, Rig, SLOT, both, document};
use crate::webhook;

/// Where the killed runs deliver to.
struct Grounds {
    openssh: Account,
    proftpd: Proftpd,
    receiver: Receiver,
    /// The rows that the receiver must have in the end.
    rows: Vec<serde_json::Value>,
}

/// Starts the run and kills it after `life`. Whether it was still alive.
fn kill_after(rig: &Rig, life: Duration) -> bool {
    let mut command = rig.command(&["run", "line", "--slot", SLOT]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(life);
    let is_alive = child.try_wait().unwrap().is_none();
    if is_alive {
        child.kill().unwrap();
    }
    child.wait().unwrap();
    is_alive
}

impl Grounds {
    /// One run at `ground`, killed after each of `lives`, and then left to end: how many kills met it alive.
    fn run(&self, ground: &str, number: usize, lives: &[Duration], story: &str) -> u32 {
        let account = match ground {
            "openssh" => self.openssh.clone(),
            "proftpd" => self.proftpd.account(),
            _ => return self.run_to_receiver(number, lives, story),
        };
        let rig = Rig::delivering_to(PIPELINE, &account);
        let kills = lives.iter().map(|life| watched(&rig, || u32::from(kill_after(&rig, *life)))).sum();
        watched(&rig, || assert_delivered_once(&rig, PIPELINE, story));
        kills
    }

    /// Every row arrives, and an id that comes again brings the same bytes.
    fn run_to_receiver(&self, number: usize, lives: &[Duration], story: &str) -> u32 {
        let rig =
            webhook::to_path(&self.receiver, &format!("/{number}"), "body: rows, batch: {rows: 20}, in_flight: 2");
        let kills = lives.iter().map(|life| u32::from(kill_after(&rig, *life))).sum();
        let output = rig.run();
        assert!(output.status.success(), "{story}: the run did not recover\n{}", both(&output));
        let told = document(&output);
        assert_eq!(told["deliveries"][0]["state"], "delivered", "{story}: {told}");
        assert_eq!(document(&rig.run()), told, "{story}: the same slot again must change nothing");
        let mut got = self.receiver.got();
        got.retain(|request| request["path"] == format!("/{number}"));
        assert_eq!(webhook::rows(&got), self.rows, "{story}");
        for request in &got {
            let first = got.iter().find(|first| first["id"] == request["id"]).unwrap();
            assert_eq!(first["sha256"], request["sha256"], "{story}: other bytes under the same id");
        }
        kills
    }
}

/// `REPORTFERRY_SOAK_KILLS` asks for more than the usual number, `REPORTFERRY_SOAK_SEED` for the same moments again.
#[test]
fn random_kills_lose_and_double_nothing() {
    let kills_wanted: u32 = std::env::var("REPORTFERRY_SOAK_KILLS").map_or(60, |text| text.parse().unwrap());
    let seed = std::env::var("REPORTFERRY_SOAK_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    println!("seed {seed}");
    expected();
    let grounds = Grounds {
        openssh: openssh(),
        proftpd: Proftpd::start(&[]),
        receiver: Receiver::start(),
        rows: webhook::expected(),
    };
    // As long as a run takes on this machine, and a little more: some are through before they are killed.
    let begun = Instant::now();
    assert!(Rig::new(PIPELINE).run().status.success());
    let life_us_max = begun.elapsed().as_micros() as u64 * 5 / 4;
    // Side by side: most of a run is waiting for the disk.
    std::thread::scope(|scope| {
        for (index, ground) in ["openssh", "proftpd", "webhook"].into_iter().enumerate() {
            let mut random = fastrand::Rng::with_seed(seed.wrapping_add(index as u64));
            let grounds = &grounds;
            scope.spawn(move || {
                let (mut runs, mut kills) = (0, 0);
                while kills < kills_wanted.div_ceil(3) {
                    assert!(runs < 100 + 2 * kills_wanted as usize, "{ground}: {kills} kills in {runs} runs");
                    let lives: Vec<Duration> =
                        (0..random.u32(1..=4)).map(|_| Duration::from_micros(random.u64(0..life_us_max))).collect();
                    let story = format!("seed {seed}, {ground}, killed after {lives:?}");
                    kills += grounds.run(ground, runs, &lives, &story);
                    runs += 1;
                }
                println!("{ground}: {runs} runs, {kills} kills");
            });
        }
    });
}

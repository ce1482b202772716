//! A worker of the real binary in a rig's folder, and its ledger to look into.

use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use reportferry::clock::Clock;
use reportferry::ledger::record::{Delivery, Run};
use reportferry::ledger::state::RunState;
use reportferry::ledger::{KnownPipeline, Ledger, Portion, RunFilter};
use reportferry::schedule::Overlap;
use reportferry::schedule::missed::SlotDecision;
use reportferry::schedule::slot::Slot;
use tokio::runtime::Runtime;

use crate::stage::eventually;
use crate::stage::rig::{PIPELINE, Rig};

/// Every minute, all that was missed is made up for, each slot under a name of its own.
pub(crate) fn every_minute() -> String {
    PIPELINE
        .replace(
            r#"{cron: "30 5 * * mon-fri", timezone: America/New_York}"#,
            r#"{cron: "* * * * *", timezone: UTC, missed: all, overlap: queue}"#,
        )
        .replace("{slot:%Y%m%d}", "{slot:%Y%m%dT%H%M}")
}

pub(crate) struct Stand {
    pub rig: Rig,
    runtime: Runtime,
    pub ledger: Ledger,
}

impl Stand {
    pub(crate) fn new(rig: Rig) -> Self {
        let runtime = Runtime::new().unwrap();
        let ledger = runtime.block_on(Ledger::open(&rig.ledger, Clock::System)).unwrap();
        Self { rig, runtime, ledger }
    }

    /// Closes the ledger.
    pub(crate) fn closed(self) -> Self {
        self.runtime.block_on(self.ledger.close());
        self
    }

    /// As if a worker had gone through a schedule of UTC up to `minutes` ago.
    pub(crate) fn behind(&self, pipeline: &str, minutes: i64) -> Timestamp {
        let now = Timestamp::now().as_second();
        let cursor = Timestamp::from_second(now - now % 60 - minutes * 60).unwrap();
        let known = KnownPipeline {
            name: pipeline.to_owned(),
            schedule: Some("UTC * * * * *".to_owned()),
            cursor_ms: cursor.as_millisecond(),
            ..KnownPipeline::default()
        };
        self.runtime.block_on(self.ledger.record_pipelines(&[known])).unwrap();
        cursor
    }

    /// The same for a pipeline that a worker has recorded.
    pub(crate) fn behind_known(&self, pipeline: &str, minutes: i64) {
        let now = Timestamp::now().as_second();
        let cursor = Timestamp::from_second(now - now % 60 - minutes * 60).unwrap();
        let known = KnownPipeline { cursor_ms: cursor.as_millisecond(), ..self.known(pipeline).unwrap() };
        self.runtime.block_on(self.ledger.record_pipelines(&[known])).unwrap();
    }

    /// Enters a slot, of which nobody does anything: the worker has it to do in an hour.
    pub(crate) fn enter(&self, slot: &Slot) {
        let portion = Portion {
            pipeline: slot.pipeline.clone(),
            plan_digest: String::new(),
            overlap: Overlap::Queue,
            alert_after: None,
            slots: vec![(
                slot.clone(),
                SlotDecision::Run { next_run_at: Timestamp::now() + SignedDuration::from_hours(1) },
                None,
            )],
            cursor_ms: slot.at_ms(),
        };
        self.runtime.block_on(self.ledger.enter_slots(&[portion])).unwrap();
    }

    /// Brings a slot's run through these states.
    pub(crate) fn advance(&self, slot: &Slot, states: &[RunState]) {
        self.runtime.block_on(async {
            let mut run = self.ledger.run(&slot.run_id()).await.unwrap().unwrap();
            for state in states {
                self.ledger.advance(&mut run, *state, Some("a test")).await.unwrap();
            }
        });
    }

    /// A slot of this pipeline should have been delivered a minute ago. Nobody does it: its run begins in an hour, and it is paused.
    pub(crate) fn late(&self, pipeline: &str) {
        let at = Timestamp::now() - SignedDuration::from_mins(10);
        let deadline = Timestamp::now() - SignedDuration::from_mins(1);
        let portion = Portion {
            pipeline: pipeline.to_owned(),
            plan_digest: String::new(),
            overlap: Overlap::Queue,
            alert_after: None,
            slots: vec![(
                Slot::new(pipeline, at, TimeZone::UTC),
                SlotDecision::Run { next_run_at: Timestamp::now() + SignedDuration::from_hours(1) },
                Some(deadline.as_millisecond()),
            )],
            cursor_ms: at.as_millisecond(),
        };
        self.runtime.block_on(async {
            self.ledger.enter_slots(&[portion]).await.unwrap();
            self.ledger.pause(pipeline, Some(("a test", ""))).await.unwrap();
        });
    }

    pub(crate) fn pipeline(&self, name: &str) -> PathBuf {
        self.rig.folder.path().join("pipelines").join(format!("{name}.yaml"))
    }

    pub(crate) fn worker(&self) -> Working {
        self.worker_with_fault("")
    }

    pub(crate) fn worker_with_fault(&self, fault: &str) -> Working {
        let log = crate::stage::file();
        let child = self
            .rig
            .command(&["work"])
            .env("REPORTFERRY_FAULT", fault)
            .stdout(Stdio::null())
            .stderr(log.reopen().unwrap())
            .spawn()
            .unwrap();
        Working { child, log }
    }

    pub(crate) fn runs(&self) -> Vec<Run> {
        self.runtime.block_on(self.ledger.runs(&RunFilter { limit: 100_000, ..RunFilter::default() })).unwrap()
    }

    pub(crate) fn deliveries(&self, run: &str) -> Vec<Delivery> {
        self.runtime.block_on(self.ledger.deliveries(run)).unwrap()
    }

    pub(crate) fn known(&self, pipeline: &str) -> Option<KnownPipeline> {
        let known = self.runtime.block_on(self.ledger.known_pipelines()).unwrap();
        known.into_iter().find(|known| known.name == pipeline)
    }
}

/// A worker's process, killed when dropped.
pub(crate) struct Working {
    pub child: Child,
    log: tempfile::NamedTempFile,
}

impl Working {
    /// A worker whose log goes elsewhere.
    pub(crate) fn of(child: Child) -> Self {
        Self { child, log: crate::stage::file() }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually(&format!("the worker ends\n{}", self.log()), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Asked to stop, and stopped.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    pub(crate) fn says(&self, words: &str) {
        eventually(&format!("the log says {words:?}"), || self.log().contains(words));
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

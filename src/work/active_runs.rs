//! The runs that this process is working on.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::task::{Id, JoinSet};

use super::ExecuteRun;
use crate::ledger::record::RunnableRun;
use crate::ledger::state::RunState;
use crate::pipeline::plan::Plan;
use crate::run::RunError;
use crate::schedule::slot::Slot;
use crate::settings::WorkLimits;

/// The active runs, by task.
pub(super) struct ActiveRuns {
    tasks: JoinSet<Result<RunState, RunError>>,
    active: HashMap<Id, ActiveRun>,
    /// Number of active runs that use each resource.
    resources: HashMap<ResourceKey, usize>,
    max: usize,
}

/// A run that a task of this process is executing.
#[derive(Clone, Debug)]
pub(super) struct ActiveRun {
    pub run: String,
    pub pipeline: String,
    resources: Vec<ResourceKey>,
}

/// Resources that an active run occupies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ResourceKey {
    /// The run itself: one task at a time.
    Run(String),
    /// Extract and transform of its pipeline: one run at a time.
    Preparing(String),
    /// The tenant that it extracts from.
    Tenant(String),
    /// The first destination that it delivers to.
    Destination(String),
}

/// TaskOutcome of a task.
pub(super) enum TaskOutcome {
    /// The run ended, or waits until its next attempt is due.
    Settled(RunState),
    /// The run could not continue.
    Broken(RunError),
    /// The task panicked. A panic message may hold anything, secrets included, and is not kept.
    Panicked,
}

impl ActiveRuns {
    /// The bound exceeds every limit of `RunLimits`, so that those decide; it exists because each active run holds a file open.
    pub(super) fn new(work: &WorkLimits) -> Self {
        let max = (4 * (work.runs + work.deliveries)).clamp(16, 512);
        Self { tasks: JoinSet::new(), active: HashMap::new(), resources: HashMap::new(), max }
    }

    pub(super) fn is_full(&self) -> bool {
        self.active.len() >= self.max
    }

    pub(super) fn len(&self) -> usize {
        self.active.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Removes the active runs from the queue.
    pub(super) fn remove_active(&self, queue: &mut VecDeque<RunnableRun>) {
        let active: HashSet<&str> = self.active.values().map(|active_run| active_run.run.as_str()).collect();
        queue.retain(|runnable| !active.contains(runnable.run.as_str()));
    }

    /// Returns true if the run may start now: it is not active, no other run of its pipeline is being prepared, and runs of
    /// its tenant or destination occupy less than a quarter of the places.
    pub(super) fn can_start(&self, runnable: &RunnableRun, plan: &Plan) -> bool {
        let crowd = (self.max / 4).max(1);
        resources(runnable, plan).iter().all(|resource| {
            let max = match resource {
                ResourceKey::Run(_) | ResourceKey::Preparing(_) => 1,
                ResourceKey::Tenant(_) | ResourceKey::Destination(_) => crowd,
            };
            self.resources.get(resource).copied().unwrap_or(0) < max
        })
    }

    pub(super) fn take<C: ExecuteRun>(
        &mut self,
        executor: &Arc<C>,
        runnable: &RunnableRun,
        plan: &Arc<Plan>,
        slot: Slot,
    ) {
        let active_run = ActiveRun {
            run: runnable.run.clone(),
            pipeline: runnable.pipeline.clone(),
            resources: resources(runnable, plan),
        };
        for resource in &active_run.resources {
            *self.resources.entry(resource.clone()).or_default() += 1;
        }
        let (executor, plan) = (executor.clone(), plan.clone());
        let task = self.tasks.spawn(async move { executor.execute(&plan, &slot).await });
        self.active.insert(task.id(), active_run);
    }

    /// Waits for the next task to end; `None` if there is none.
    pub(super) async fn done(&mut self) -> Option<(ActiveRun, TaskOutcome)> {
        let ended = self.tasks.join_next_with_id().await?;
        self.outcome(ended)
    }

    /// Does what [`ActiveRuns::done`] does, without waiting.
    pub(super) fn try_finished(&mut self) -> Option<(ActiveRun, TaskOutcome)> {
        let ended = self.tasks.try_join_next_with_id()?;
        self.outcome(ended)
    }

    fn outcome(
        &mut self,
        ended: Result<(Id, Result<RunState, RunError>), tokio::task::JoinError>,
    ) -> Option<(ActiveRun, TaskOutcome)> {
        let (id, outcome) = match ended {
            Ok((id, Ok(state))) => (id, TaskOutcome::Settled(state)),
            Ok((id, Err(error))) => (id, TaskOutcome::Broken(error)),
            Err(error) => (error.id(), TaskOutcome::Panicked),
        };
        let active_run = self.active.remove(&id)?;
        for resource in &active_run.resources {
            if let Entry::Occupied(mut active) = self.resources.entry(resource.clone()) {
                *active.get_mut() -= 1;
                if *active.get() == 0 {
                    active.remove();
                }
            }
        }
        Some((active_run, outcome))
    }

    /// Starts no further run.
    pub(super) fn close(&mut self) {
        self.max = 0;
    }

    /// Aborts all tasks: the ledger has what they reached, and the next start continues from there.
    pub(super) fn abort(&mut self) {
        self.tasks.abort_all();
    }
}

fn resources(runnable: &RunnableRun, plan: &Plan) -> Vec<ResourceKey> {
    let mut resources = vec![ResourceKey::Run(runnable.run.clone())];
    if matches!(runnable.state, RunState::Delivering | RunState::Delivered) {
        resources.extend(plan.deliveries.first().map(|first| ResourceKey::Destination(first.destination.name.clone())));
    } else {
        resources.push(ResourceKey::Preparing(runnable.pipeline.clone()));
        resources.extend(plan.tenants().into_iter().map(|tenant| ResourceKey::Tenant(tenant.to_owned())));
    }
    resources
}

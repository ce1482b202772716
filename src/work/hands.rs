//! The runs that this process is working on.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::task::{Id, JoinSet};

use super::Carry;
use crate::ledger::record::Awake;
use crate::ledger::state::RunState;
use crate::pipeline::plan::{Plan, Source};
use crate::run::RunError;
use crate::schedule::slot::Slot;
use crate::settings::Work;

/// Runs in hand, by task.
pub struct Hands {
    tasks: JoinSet<Result<RunState, RunError>>,
    held: HashMap<Id, Hand>,
    most: usize,
}

/// One run in hand.
#[derive(Clone, Debug)]
pub struct Hand {
    pub run: String,
    pub pipeline: String,
    /// It was not made yet when it was taken: no second one of its pipeline is.
    making: bool,
    tenant: Option<String>,
    destination: Option<String>,
}

/// How a run left the hands.
pub enum Outcome {
    /// It has an end, or something that it waits for.
    Rests(RunState),
    /// It could not be carried on.
    Broken(RunError),
    /// It panicked. The words of a panic may hold anything and are not kept.
    Panicked,
}

impl Hands {
    /// More than are let through any gate, so that gates decide and not this; bounded, for each holds a file open.
    pub fn new(work: &Work) -> Self {
        let most = (4 * (work.runs + work.deliveries)).clamp(16, 512);
        Self { tasks: JoinSet::new(), held: HashMap::new(), most }
    }

    pub fn is_full(&self) -> bool {
        self.held.len() >= self.most
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Leaves out of the queue what is in hand.
    pub fn without_held(&self, queue: &mut VecDeque<Awake>) {
        let held: HashSet<&str> = self.held.values().map(|hand| hand.run.as_str()).collect();
        queue.retain(|awake| !held.contains(awake.run.as_str()));
    }

    /// Whether the run may be taken now: it is not in hand, no other of its pipeline is being made, and those that share
    /// its tenant or destination do not fill the hands.
    pub fn may_take(&self, awake: &Awake, plan: &Plan) -> bool {
        let making = is_making(awake.state);
        let (tenant, destination) = (tenant(plan), destination(plan));
        let crowd = (self.most / 4).max(1);
        let (mut same_tenant, mut same_destination) = (0, 0);
        for hand in self.held.values() {
            if hand.run == awake.run || (making && hand.making && hand.pipeline == awake.pipeline) {
                return false;
            }
            same_tenant += usize::from(making && tenant.is_some() && hand.making && hand.tenant.as_deref() == tenant);
            same_destination += usize::from(!making && !hand.making && hand.destination.as_deref() == destination);
        }
        same_tenant < crowd && same_destination < crowd
    }

    pub fn take<C: Carry>(&mut self, carrier: &Arc<C>, awake: &Awake, plan: &Arc<Plan>, slot: Slot) {
        let hand = Hand {
            run: awake.run.clone(),
            pipeline: awake.pipeline.clone(),
            making: is_making(awake.state),
            tenant: tenant(plan).map(str::to_owned),
            destination: destination(plan).map(str::to_owned),
        };
        let (carrier, plan) = (carrier.clone(), plan.clone());
        let task = self.tasks.spawn(async move { carrier.carry(&plan, &slot).await });
        self.held.insert(task.id(), hand);
    }

    /// The next run that leaves the hands; `None` while there is none in them.
    pub async fn done(&mut self) -> Option<(Hand, Outcome)> {
        let ended = self.tasks.join_next_with_id().await?;
        self.outcome(ended)
    }

    /// As [`Hands::done`], without waiting.
    pub fn done_already(&mut self) -> Option<(Hand, Outcome)> {
        let ended = self.tasks.try_join_next_with_id()?;
        self.outcome(ended)
    }

    fn outcome(
        &mut self,
        ended: Result<(Id, Result<RunState, RunError>), tokio::task::JoinError>,
    ) -> Option<(Hand, Outcome)> {
        let (id, outcome) = match ended {
            Ok((id, Ok(state))) => (id, Outcome::Rests(state)),
            Ok((id, Err(error))) => (id, Outcome::Broken(error)),
            Err(error) => (error.id(), Outcome::Panicked),
        };
        self.held.remove(&id).map(|hand| (hand, outcome))
    }

    /// Takes nothing any more.
    pub fn close(&mut self) {
        self.most = 0;
    }

    /// Lets go of everything: what was under way is in the ledger as far as it came.
    pub fn abort(&mut self) {
        self.tasks.abort_all();
    }
}

fn is_making(state: RunState) -> bool {
    !matches!(state, RunState::Delivering | RunState::Delivered)
}

fn tenant(plan: &Plan) -> Option<&str> {
    match &plan.source {
        Source::Docebo(docebo) => Some(&docebo.tenant.name),
        Source::File(_) => None,
    }
}

fn destination(plan: &Plan) -> Option<&str> {
    plan.deliveries.first().map(|delivery| delivery.destination.name.as_str())
}

//! The runs that this process is working on.

use std::collections::hash_map::Entry;
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
    /// How many in hand have each of their shares.
    shares: HashMap<Share, usize>,
    most: usize,
}

/// One run in hand.
#[derive(Clone, Debug)]
pub struct Hand {
    pub run: String,
    pub pipeline: String,
    shares: Vec<Share>,
}

/// What a run in hand takes a share of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Share {
    /// Itself: nobody else may have it.
    Run(String),
    /// The making of its pipeline's runs: no second one is made.
    Making(String),
    /// The tenant that it asks, while it is made.
    Tenant(String),
    /// The destination that it goes to, once it is made.
    Destination(String),
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
        Self { tasks: JoinSet::new(), held: HashMap::new(), shares: HashMap::new(), most }
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
        let crowd = (self.most / 4).max(1);
        shares(awake, plan).iter().all(|share| {
            let most = match share {
                Share::Run(_) | Share::Making(_) => 1,
                Share::Tenant(_) | Share::Destination(_) => crowd,
            };
            self.shares.get(share).copied().unwrap_or(0) < most
        })
    }

    pub fn take<C: Carry>(&mut self, carrier: &Arc<C>, awake: &Awake, plan: &Arc<Plan>, slot: Slot) {
        let hand = Hand { run: awake.run.clone(), pipeline: awake.pipeline.clone(), shares: shares(awake, plan) };
        for share in &hand.shares {
            *self.shares.entry(share.clone()).or_default() += 1;
        }
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
        let hand = self.held.remove(&id)?;
        for share in &hand.shares {
            if let Entry::Occupied(mut held) = self.shares.entry(share.clone()) {
                *held.get_mut() -= 1;
                if *held.get() == 0 {
                    held.remove();
                }
            }
        }
        Some((hand, outcome))
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

fn shares(awake: &Awake, plan: &Plan) -> Vec<Share> {
    let mut shares = vec![Share::Run(awake.run.clone())];
    if matches!(awake.state, RunState::Delivering | RunState::Delivered) {
        shares.extend(plan.deliveries.first().map(|first| Share::Destination(first.destination.name.clone())));
    } else {
        shares.push(Share::Making(awake.pipeline.clone()));
        if let Source::Docebo(docebo) = &plan.source {
            shares.push(Share::Tenant(docebo.tenant.name.clone()));
        }
    }
    shares
}

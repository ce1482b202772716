//! What is awaited: with the receipt, folded by its table, forgotten with its run.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reportferry::clock::ManualClock;
use reportferry::deliver::{PickupKind, PickupOutcome};
use reportferry::ledger::record::Pickup;
use reportferry::ledger::state::PickupState;
use reportferry::ledger::{ExpectedPickup, next_poll};
use reportferry::settings::PickupDeadline;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);
const HOURS_4: Option<PickupDeadline> = Some(PickupDeadline { after: Duration::from_secs(4 * 3_600), every: HOUR });

struct Desk {
    _place: Place,
    ledger: Ledger,
    hand: Arc<ManualClock>,
    begun: Timestamp,
}

impl Desk {
    async fn open(place: Place) -> Self {
        let begun: Timestamp = "2026-11-23T05:30:00Z".parse().unwrap();
        let (clock, hand) = Clock::manual(begun);
        let ledger = Ledger::open(&place.settings, clock).await.unwrap();
        Self { _place: place, ledger, hand, begun }
    }

    /// The n-th slot delivered to `hris`, at `path`.
    async fn deliver(&self, slot: i64, path: &str, deadline: Option<PickupDeadline>) -> String {
        let at = self.begun + SignedDuration::from_mins(slot);
        let mut run = self.ledger.enter(&Slot::new("p", at, TimeZone::UTC), "d").await.unwrap();
        for state in [RunState::Extracting, RunState::Transforming] {
            self.ledger.advance(&mut run, state, None).await.unwrap();
        }
        self.ledger
            .note_artifact(
                &mut run,
                "d",
                &artifact(),
                json!({}),
                &[reportferry::ledger::DueDelivery { destination: "hris", required: true, alert_after: None }],
                &Default::default(),
            )
            .await
            .unwrap();
        self.ledger.advance(&mut run, RunState::Delivering, None).await.unwrap();
        let number = self.ledger.begin_attempt(&run.id, "hris", None).await.unwrap().number;
        let verdict = Verdict::Delivered(Receipt { path: path.to_owned(), ..receipt() });
        let expected_pickup = Some(ExpectedPickup { kind: PickupKind::Moved, deadline });
        let ended = Ended { expected_pickup, ..delivered().1 };
        // Twice, as when the answer to the commit was lost.
        for _ in 0..2 {
            self.ledger.end_attempt(&run.id, "hris", number, &verdict, &ended).await.unwrap();
        }
        self.ledger.advance(&mut run, RunState::Delivered, None).await.unwrap();
        run.id
    }

    async fn pickup(&self, run: &str) -> Pickup {
        self.ledger.delivery(run, "hris").await.unwrap().unwrap().pickup.unwrap()
    }

    async fn look(&self, run: &str, found: &PickupOutcome) -> Option<PickupState> {
        let next = next_poll(self.ms(), self.pickup(run).await.due_ms, HOUR);
        self.ledger.record_poll(run, "hris", found, next).await.unwrap()
    }

    fn ms(&self) -> i64 {
        self.hand_now().as_millisecond()
    }

    fn hand_now(&self) -> Timestamp {
        Clock::Manual(self.hand.clone()).now()
    }
}

fn picked_up() -> PickupOutcome {
    PickupOutcome::PickedUp { how: "its reader took it away".into() }
}

fn unseen() -> PickupOutcome {
    PickupOutcome::Unknown { why: "connect: refused".into() }
}

async fn what_is_awaited_comes_with_the_receipt_and_is_looked_at_in_time(place: Place) {
    let desk = Desk::open(place).await;
    let run = desk.deliver(0, "/in/a.csv", HOURS_4).await;
    let hour_ms = 3_600_000;
    let due_ms = desk.ms() + 4 * hour_ms;
    let pickup = desk.pickup(&run).await;
    let expected = Pickup {
        kind: PickupKind::Moved,
        state: PickupState::Pending,
        due_ms: Some(due_ms),
        next_poll_ms: Some(desk.ms() + hour_ms),
        at_ms: None,
        reason: None,
    };
    assert_eq!(pickup, expected);
    assert_eq!(desk.ledger.destinations_with_pickups().await.unwrap(), ["hris"]);
    desk.hand.advance(HOUR - Duration::from_millis(1));
    assert!(desk.ledger.destinations_with_due_pickups().await.unwrap().is_empty());
    desk.hand.advance(Duration::from_millis(1));
    assert_eq!(desk.ledger.destinations_with_due_pickups().await.unwrap(), ["hris"]);
    let looked = desk.ledger.due_pickups("hris", 10).await.unwrap();
    assert_eq!((looked.len(), &looked[0].run, &looked[0].receipt.path), (1, &run, &"/in/a.csv".to_owned()));
    assert_eq!(desk.look(&run, &unseen()).await, None);
    let pickup = desk.pickup(&run).await;
    assert_eq!(pickup.reason.as_deref(), Some("could not be checked: connect: refused"));
    assert_eq!(pickup.next_poll_ms, Some(desk.ms() + hour_ms));
    desk.hand.advance(3 * HOUR - Duration::from_millis(1));
    assert_eq!(desk.look(&run, &PickupOutcome::NotYet).await, None, "a moment is left");
    assert_eq!((desk.pickup(&run).await.reason, desk.pickup(&run).await.next_poll_ms), (None, Some(due_ms)));
    desk.hand.advance(Duration::from_millis(1));
    assert_eq!(desk.look(&run, &PickupOutcome::NotYet).await, Some(PickupState::Overdue));
    assert_eq!(desk.look(&run, &unseen()).await, None);
    let pickup = desk.pickup(&run).await;
    assert_eq!((pickup.at_ms, pickup.reason.as_deref()), (Some(due_ms), Some("not picked up in time")));
    let overdue = desk.ledger.overdue().await.unwrap();
    assert_eq!((overdue.len(), overdue[0].due_ms, overdue[0].destination.as_str()), (1, due_ms, "hris"));
    desk.hand.advance(HOUR);
    assert_eq!(desk.look(&run, &picked_up()).await, Some(PickupState::PickedUp));
    // What comes after its end changes nothing, whoever says it.
    for found in [PickupOutcome::NotYet, unseen(), picked_up()] {
        assert_eq!(desk.look(&run, &found).await, None);
    }
    let pickup = desk.pickup(&run).await;
    assert_eq!((pickup.at_ms, pickup.next_poll_ms), (Some(desk.ms()), None));
    let story = desk.ledger.events(&run).await.unwrap();
    let told: Vec<String> = story.iter().map(|event| event.event.name()).filter(|name| name.contains("pick")).collect();
    assert_eq!(told, ["pickup overdue", "picked up"]);
    assert_eq!(desk.ledger.record_poll("nobody", "hris", &picked_up(), None).await.unwrap(), None);
}

async fn another_file_of_the_same_name_ends_the_wait_for_the_one_before(place: Place) {
    let desk = Desk::open(place).await;
    let first = desk.deliver(0, "/in/a.csv", HOURS_4).await;
    let other = desk.deliver(1, "/in/b.csv", HOURS_4).await;
    desk.hand.advance(4 * HOUR);
    desk.look(&first, &PickupOutcome::NotYet).await;
    let second = desk.deliver(2, "/in/a.csv", None).await;
    let third = desk.deliver(3, "/in/a.csv", HOURS_4).await;
    for (run, state) in [
        (&first, PickupState::Superseded),
        (&other, PickupState::Pending),
        (&second, PickupState::Superseded),
        (&third, PickupState::Pending),
    ] {
        assert_eq!(desk.pickup(run).await.state, state);
    }
    assert!(desk.pickup(&first).await.reason.unwrap().contains(&second));
    assert_eq!(desk.look(&first, &picked_up()).await, None, "nobody can tell any more");
    assert_eq!(desk.ledger.supersede_pickups("hris", "so").await.unwrap(), 2);
    assert_eq!(desk.ledger.supersede_pickups("hris", "so").await.unwrap(), 0);
}

async fn a_run_stays_for_as_long_as_its_reader_is_waited_for(place: Place) {
    let desk = Desk::open(place).await;
    let patient = PickupDeadline { after: 1_000 * HOUR, every: HOUR };
    let expected_pickup = desk.deliver(0, "/in/a.csv", Some(patient)).await;
    let _no_deadline = desk.deliver(1, "/in/b.csv", None).await;
    let newest = desk.deliver(2, "/in/c.csv", None).await;
    desk.hand.advance(100 * HOUR);
    assert_eq!(desk.ledger.prune(desk.ms()).await.unwrap(), 1);
    desk.look(&expected_pickup, &picked_up()).await;
    assert_eq!(desk.ledger.prune(desk.ms()).await.unwrap(), 1);
    assert!(
        desk.ledger.run(&expected_pickup).await.unwrap().is_none() && desk.ledger.run(&newest).await.unwrap().is_some()
    );
    let counts = desk.ledger.pickup_counts().await.unwrap();
    assert!(counts.is_empty(), "{counts:?}");
}

on_both! {
    what_is_awaited_comes_with_the_receipt_and_is_looked_at_in_time,
    another_file_of_the_same_name_ends_the_wait_for_the_one_before,
    a_run_stays_for_as_long_as_its_reader_is_waited_for,
}

//! Many deliveries at one destination: one session looks at so many of them, and then the next one goes on.

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use reportferry::deliver::{IntendedFile, Intent, PickupKind, Receipt, Role, Verdict};
use reportferry::encode::Artifact;
use reportferry::ledger::state::DeliveryState;
use reportferry::ledger::{Ended, ExpectedPickup};
use reportferry::schedule::slot::Slot;
use reportferry::settings::PickupDeadline;

use super::*;

/// A delivery to `local` of which nothing lies there any more.
async fn deliver(ledger: &Ledger, folder: &Path, number: i64, at: Timestamp) {
    let slot = Slot::new("p", at + SignedDuration::from_mins(number), TimeZone::UTC);
    let mut run = ledger.enter(&slot, "d").await.unwrap();
    let name = format!("{number}.csv");
    let artifact = Artifact {
        set: None,
        path: name.clone().into(),
        name: name.clone(),
        bytes: 1,
        sha256: String::new(),
        rows: 1,
        columns: Vec::new(),
        rows_in: reportferry::encode::RowsPlace::Nowhere,
    };
    ledger
        .note_artifact(
            &mut run,
            "d",
            &artifact,
            serde_json::json!({}),
            &[reportferry::ledger::DueDelivery { destination: "local", required: true, alert_after: None }],
            &Default::default(),
        )
        .await
        .unwrap();
    let path = folder.join(name).display().to_string();
    let file = IntendedFile {
        of: None,
        role: Role::Data,
        temporary: format!("{path}.part"),
        final_path: path.clone(),
        bytes: 1,
        sha256: String::new(),
    };
    let number = ledger.begin_attempt(&run.id, "local", None).await.unwrap().number;
    let intent = Intent { files: vec![file], batching: None, acks: Vec::new() };
    ledger.note_intent(&run.id, "local", &intent).await.unwrap();
    let receipt = Receipt {
        rows: None,
        files: Vec::new(),
        address: folder.display().to_string(),
        path,
        bytes: 1,
        sha256: String::new(),
        host_key: None,
        verified: "size".to_owned(),
        published: "link".to_owned(),
        answer: None,
        notes: Vec::new(),
    };
    let expected_pickup =
        ExpectedPickup { kind: PickupKind::Moved, deadline: Some(PickupDeadline { after: 4 * HOUR, every: HOUR }) };
    let ended = Ended {
        state: DeliveryState::Delivered,
        reason: None,
        due_ms: None,
        expected_pickup: Some(expected_pickup),
        rows: 1,
    };
    ledger.end_attempt(&run.id, "local", number, &Verdict::Delivered(receipt), &ended).await.unwrap();
}

#[test]
fn one_session_looks_at_two_hundred_and_the_next_goes_on() {
    let rig = Rig::new(PIPELINE);
    edit(&rig, "  local:\n", "  local:\n    pickup: {moved: {deadline: 4h, every: 1h}}\n");
    let mut looks = Looks::new(rig);
    let at = Timestamp::now();
    looks.runtime.block_on(async {
        for number in 0..201 {
            deliver(&looks.ledger, &looks.rig.drop, number, at).await;
        }
    });
    let pending = |looks: &Looks| {
        let counts = looks.runtime.block_on(looks.ledger.pickup_counts()).unwrap();
        counts.iter().map(|counts| counts.pending).sum::<u64>()
    };
    for left in [201, 1, 0] {
        assert_eq!(pending(&looks), left);
        looks.after(HOUR);
    }
}

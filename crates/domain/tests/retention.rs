//! How long records last: never shorter than promised, and not much longer.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

mod common;

use common::{at, new_run, spec_json, task};
use domain::flow::Spec;
use domain::json::{canonical, sha256_hex};
use domain::retention::{PurgeReason, Retention};
use domain::run::{Exit, NodeStatus, Run, RunStatus};
use domain::step::{ObjectRef, Payload, StepRecord};
use domain::time::Time;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

const DAY: u64 = 24 * 3600;
/// The longest wait there is: 8,000 hours.
const LONGEST: u64 = 8_000 * 3_600;

fn run() -> Run {
    new_run(&Spec::parse(&spec_json(&[task("a", json!({}))], "")).unwrap())
}

proptest! {
    /// A run does something, waits, is woken early or in time, and so on, as often as it likes. Its records outlast every wait by a
    /// day, and at its end each goes when it was promised to, or within a day if no worker handles it.
    #[test]
    fn records_outlast_every_wait_and_go_when_they_were_promised_to(
        days in prop_oneof![Just(1u64), 2..10u64, Just(180)],
        segments in vec((0u64..900, prop_oneof![0..7_200u64, 0..3 * DAY, 0..LONGEST], 0.0..=1.0f64), 0..8),
        last in 0u64..900,
    ) {
        let retention = Retention::Days(days);
        let mut run = run();
        let mut now = at(0);
        let mut records: Vec<Time> = Vec::new();
        for (works, waits, share) in segments {
            now = now.plus_seconds(works);
            records.push(retention.of_step(&run, now).unwrap());
            let until = now.plus_seconds(waits);
            if let Some(kept) = retention.over_wait(&run, until) {
                for record in &mut records {
                    *record = kept.max(*record);
                }
                run.kept_until = Some(kept);
            }
            prop_assert!(records.iter().all(|record| *record >= until.plus_seconds(DAY)), "{records:?} do not outlast {until}");
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of some seconds")]
            let slept = (waits as f64 * share) as u64;
            now = now.plus_seconds(slept);
        }
        now = now.plus_seconds(last);
        records.push(retention.of_step(&run, now).unwrap());
        run.status = RunStatus::Succeeded;
        run.finished_at = Some(now);
        let promised = now.plus_seconds(days * DAY);
        prop_assert_eq!(retention.of_run(&run), Some(promised));
        prop_assert!(records.iter().all(|record| *record >= now.plus_seconds(DAY)), "there is a day to set them anew");
        if !run.must_reschedule_records() {
            prop_assert!(records.iter().all(|record| *record >= promised && *record <= promised.plus_seconds(DAY)));
        }
    }
}

#[test]
fn what_is_kept_for_ever_has_no_time() {
    let mut run = run();
    assert_eq!((Retention::Forever.of_step(&run, at(5)), Retention::Forever.over_wait(&run, at(900 * DAY))), (None, None));
    run.finished_at = Some(at(9));
    assert_eq!((Retention::Forever.of_run(&run), Retention::Forever.of_records(&run, at(9))), (None, None));
}

#[test]
fn the_records_of_a_run_that_goes_on_are_kept_over_the_wait_that_it_is_in() {
    let mut run = run();
    let days = Retention::Days(10);
    assert_eq!(days.of_run(&run), None, "it has not ended");
    assert_eq!(days.of_records(&run, at(DAY)), Some(at(12 * DAY)));
    run.execution.parked_until = Some(at(50 * DAY));
    assert_eq!(days.of_records(&run, at(DAY)), Some(at(61 * DAY)));
    run.kept_until = Some(at(99 * DAY));
    assert_eq!(days.of_records(&run, at(DAY)), Some(at(99 * DAY)));
}

#[test]
fn a_receipt_knows_what_the_payloads_were_and_has_none() {
    let run = run();
    let object = ObjectRef { key: "o/r/a/ff".to_owned(), bytes: 7_000_000, sha256: "ff".repeat(32) };
    let input = json!({"b": [1, "ü"], "a": null});
    let record = StepRecord {
        run: run.id,
        node: "a".parse().unwrap(),
        round: 1,
        kind: "http_request".to_owned(),
        status: NodeStatus::Succeeded,
        exit: Exit::Normal,
        input: Some(Payload::of(input.clone())),
        output: Some(Payload::Stored(object.clone())),
        answer: None,
        error: None,
        attempts: 3,
        started_at: at(1),
        completed_at: at(2),
        reused_from: None,
        purged: None,
    };
    let receipt = record.clone().without_payloads(at(9), PurgeReason::Requested { by: "usr_ada".to_owned(), identity: None });
    let purged = receipt.purged.as_deref().unwrap();
    let facts: Vec<_> = purged.payloads().map(|gone| (gone.bytes, gone.sha256.as_str(), gone.stored)).collect();
    let sha256 = sha256_hex(&input);
    assert_eq!(facts, [(canonical(&input).len() as u64, sha256.as_str(), false), (7_000_000, object.sha256.as_str(), true)]);
    assert_eq!((receipt.input.clone(), receipt.output.clone(), receipt.attempts, receipt.completed_at), (None, None, 3, at(2)));
    assert_eq!(receipt.clone().without_payloads(at(99), PurgeReason::Expired), receipt, "the first one stays");
}

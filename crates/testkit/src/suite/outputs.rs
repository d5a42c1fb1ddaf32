//! The retention of outputs, and their receipts.

use domain::json::sha256_hex;
use domain::ports::{CommitError, Outputs, PortError, RetentionJobs, Runs};
use domain::retention::{Gone, JobPhase, PurgeReason, PurgeRequest, Purged, Retention, RetentionJob, RunsLeft};
use domain::run::{ExecutionState, Run, RunStatus};
use domain::step::{MAX_INLINE_BYTES, ObjectRef, Payload, StepKey, StepRecord};
use domain::time::Time;
use serde_json::json;

use super::Subject;
use super::payloads::of_bytes;
use super::runs::{created, new_run, node, step_of};
use crate::build::{Maker, actor, at};

fn step_key(name: &str) -> StepKey {
    StepKey::new(&node(name), 1)
}

const DAY: u64 = 24 * 3600;
/// The retention of the stores under test, in days.
const DAYS: u64 = 180;

fn day(number: u64) -> Time {
    at(number * DAY)
}

async fn read(store: &impl Subject, run: &Run, name: &str, now: Time) -> StepRecord {
    let alone = store.runs().step(run, &node(name), now).await.unwrap().unwrap();
    let among_all = store.runs().steps(run, now).await.unwrap();
    assert!(among_all.contains(&alone), "alone and among all the same: {alone:?}, {among_all:?}");
    alone
}

async fn is_there(store: &impl Subject, run: &Run, name: &str, now: Time) -> bool {
    let record = read(store, run, name, now).await;
    assert_eq!(record.output.is_some(), record.purged.is_none());
    record.purged.is_none()
}

fn object(record: &StepRecord) -> ObjectRef {
    let Some(Payload::Stored(object)) = &record.output else { panic!("expected a reference: {record:?}") };
    object.clone()
}

/// Whether or not TTL has deleted it.
pub async fn an_expired_record_reads_as_its_receipt(store: &impl Subject) {
    let maker = Maker::new(30);
    let run = created(store, new_run(&maker)).await;
    let (small, large) = (step_of(&run, "n1", json!("ü")), step_of(&run, "n2", of_bytes(MAX_INLINE_BYTES + 1)));
    let large = store.runs().record(&run, large).await.unwrap();
    store.runs().record(&run, small.clone()).await.unwrap();
    let expires_at = small.completed_at.plus_seconds((DAYS + 1) * DAY);
    assert_eq!(read(store, &run, "n1", expires_at.plus_seconds(0)).await.output, None);
    let just_before = Time::from_millis(expires_at.millis() - 1);
    assert_eq!(read(store, &run, "n1", just_before).await, small);
    assert_eq!(read(store, &run, "n2", just_before).await, large);

    let input = json!({"url": "https://service.test/"});
    let gone = |bytes: u64, sha256: String, stored| Some(Gone { bytes, sha256, stored });
    let purged = Purged {
        at: expires_at,
        reason: PurgeReason::Expired,
        input: gone(input.to_string().len() as u64, sha256_hex(&input), false),
        output: gone(4, sha256_hex(&json!("ü")), false),
    };
    let receipt = StepRecord { input: None, output: None, answer: None, purged: Some(Box::new(purged.clone())), ..small };
    assert_eq!(read(store, &run, "n1", expires_at).await, receipt);
    let object = object(&large);
    let purged = Purged { output: gone(object.bytes, object.sha256, true), ..purged };
    assert_eq!(read(store, &run, "n2", day(9_999)).await.purged.as_deref(), Some(&purged));
}

/// A step that a retry took over was completed before its run was created.
pub async fn a_record_that_was_taken_over_is_as_young_as_its_run(store: &impl Subject) {
    let maker = Maker::new(31);
    let run = maker.run(maker.org(), maker.flow_id(), &crate::build::chain(1), day(100));
    let run = created(store, run).await;
    store.runs().record(&run, step_of(&run, "n1", json!(1))).await.unwrap();
    assert!(is_there(store, &run, "n1", day(100 + DAYS)).await);
    assert!(!is_there(store, &run, "n1", day(100 + DAYS + 1)).await);
}

/// However long a run waits, its records exist when it goes on. A run that waits for weeks costs nothing for that.
pub async fn the_records_of_a_run_outlast_its_waits(store: &impl Subject) {
    let maker = Maker::new(32);
    let run = created(store, new_run(&maker)).await;
    store.runs().record(&run, step_of(&run, "n1", json!(1))).await.unwrap();
    store.runs().record(&run, step_of(&run, "n2", json!(2))).await.unwrap();
    assert_eq!(store.runs().extend_retention(&run, day(90)).await.unwrap(), None);
    assert_eq!(store.runs().extend_retention(&run, day(DAYS)).await.unwrap(), None, "a day is left");
    assert!(!is_there(store, &run, "n1", day(300)).await);

    let kept_until = store.runs().extend_retention(&run, day(300)).await.unwrap();
    assert_eq!(kept_until, Some(day(300 + DAYS + 1)));
    // Once more, as after a crash.
    assert_eq!(store.runs().extend_retention(&run, day(300)).await.unwrap(), kept_until);
    let run = Run { kept_until, ..run };
    assert_eq!(store.runs().extend_retention(&run, day(301)).await.unwrap(), None, "it remembers");
    store.runs().record(&run, step_of(&run, "n3", json!(3))).await.unwrap();
    for name in ["n1", "n2", "n3"] {
        assert!(is_there(store, &run, name, day(300 + DAYS)).await, "{name}");
        assert!(!is_there(store, &run, name, day(300 + DAYS + 1)).await, "{name}");
    }
}

/// To an earlier time, to a later one, and to never.
pub async fn records_are_rescheduled_and_receipts_stay(store: &impl Subject) {
    let maker = Maker::new(33);
    let run = created(store, new_run(&maker)).await;
    for name in ["n1", "n2"] {
        store.runs().record(&run, step_of(&run, name, json!(1))).await.unwrap();
    }
    let other = created(store, new_run(&maker)).await;
    store.runs().record(&other, step_of(&other, "n1", json!(1))).await.unwrap();
    let receipt = step_of(&run, "n3", json!(1)).without_payloads(at(5), PurgeReason::Expired);
    store.runs().put_receipt(&receipt).await.unwrap();
    for (wanted, there, gone) in
        [(Some(day(2)), at(2 * DAY - 1), Some(day(2))), (None, day(100_000), None), (Some(day(7)), day(6), Some(day(7)))]
    {
        for _ in 0..2 {
            store.runs().reschedule(&run.id, wanted, at(9)).await.unwrap();
        }
        for name in ["n1", "n2"] {
            assert!(is_there(store, &run, name, there).await, "{wanted:?}");
            if let Some(gone) = gone {
                assert!(!is_there(store, &run, name, gone).await, "{wanted:?}");
                // An expired record does not come back.
                store.runs().reschedule(&run.id, None, gone).await.unwrap();
                assert!(!is_there(store, &run, name, gone).await, "{wanted:?}");
            }
        }
        assert_eq!(read(store, &run, "n3", at(9)).await, receipt);
        assert!(is_there(store, &other, "n1", day(DAYS)).await, "another run is another run");
    }
}

/// Nothing replaces it: neither another receipt nor the record of an invocation that had lost the run.
pub async fn a_receipt_replaces_its_record_for_good(store: &impl Subject) {
    let maker = Maker::new(34);
    let run = created(store, new_run(&maker)).await;
    let record = store.runs().record(&run, step_of(&run, "n1", json!("secret"))).await.unwrap();
    let receipt = record
        .clone()
        .without_payloads(at(50), PurgeReason::Requested { by: "usr_ada".to_owned(), identity: Some(Box::new(actor("usr_ada").identity)) });
    store.runs().put_receipt(&receipt).await.unwrap();
    store.runs().put_receipt(&record.clone().without_payloads(at(60), PurgeReason::Expired)).await.unwrap();
    assert_eq!(store.runs().record(&run, record.clone()).await.unwrap(), receipt);
    assert_eq!(read(store, &run, "n1", at(51)).await, receipt);
    assert_eq!(read(store, &run, "n1", day(100_000)).await, receipt);
    assert_eq!(receipt.clone().without_payloads(at(70), PurgeReason::Expired), receipt);

    // The record was deleted before the receipt is written.
    let bare = StepRecord { input: None, output: None, error: Some("it broke".to_owned()), ..step_of(&run, "n2", json!(null)) };
    let receipt = bare.clone().without_payloads(at(50), PurgeReason::Expired);
    store.runs().put_receipt(&receipt).await.unwrap();
    assert_eq!(read(store, &run, "n2", at(51)).await, receipt);
    assert_eq!(store.runs().record(&run, bare).await.unwrap(), receipt);
}

/// The object of the input is not deleted.
pub async fn objects_of_steps_are_deleted_and_the_input_stays(store: &impl Subject) {
    let maker = Maker::new(35);
    let (run, other) = (new_run(&maker), new_run(&maker));
    let large = |more: usize| of_bytes(MAX_INLINE_BYTES + more);
    store.runs().create(&run, &large(1), None).await.unwrap();
    let mut recorded = Vec::new();
    for (run, name) in [(&run, "n1"), (&run, "n2"), (&run, "n10"), (&other, "n1")] {
        recorded.push(object(&store.runs().record(run, step_of(run, name, large(2))).await.unwrap()));
    }
    let [first, second, tenth, elsewhere] = recorded.as_slice() else { panic!("four were recorded") };
    let lies_there = async |object: &ObjectRef| match store.runs().fetch(object).await {
        Ok(_) => true,
        Err(PortError::Unavailable(_)) => false,
        Err(other) => panic!("{other}"),
    };
    for _ in 0..2 {
        store.runs().delete_objects(&run, Some(&[step_key("n1")].into())).await.unwrap();
    }
    assert!(!lies_there(first).await);
    assert!(lies_there(second).await && lies_there(tenth).await, "n10 only begins like n1");
    store.runs().delete_objects(&run, Some(&[step_key("n1"), step_key("n2")].into())).await.unwrap();
    assert!(!lies_there(second).await && lies_there(tenth).await);
    for _ in 0..2 {
        store.runs().delete_objects(&run, None).await.unwrap();
    }
    assert!(!lies_there(tenth).await && lies_there(elsewhere).await);
    let Payload::Stored(input) = store.runs().input(&run).await.unwrap() else { panic!("it is large") };
    assert!(lies_there(&input).await);
}

/// The first request counts, and the purge is repeated once.
pub async fn a_purge_is_requested_once_and_found_when_it_is_due(store: &impl Subject) {
    let maker = Maker::new(36);
    let run = created(store, new_run(&maker)).await;
    let execution = ExecutionState { pending: None, ..run.execution.clone() };
    let run = store.runs().commit(Run { status: RunStatus::Failed, finished_at: Some(at(9)), execution, ..run }, &[]).await.unwrap();
    assert_eq!(store.runs().purge_request(&run.id).await.unwrap(), None);
    let first =
        PurgeRequest { run: run.id, org: run.org, by: "usr_ada".to_owned(), identity: Some(actor("usr_ada").identity), at: at(100) };
    assert_eq!(store.runs().request_purge(&first, at(200)).await.unwrap(), first);
    let second = PurgeRequest { by: "usr_bob".to_owned(), at: at(150), ..first.clone() };
    assert_eq!(store.runs().request_purge(&second, at(250)).await.unwrap(), first);
    assert_eq!(store.runs().purge_request(&run.id).await.unwrap(), Some(first.clone()));

    let is_due = async |now| store.runs().purges_due(now).await.unwrap().contains(&run.id);
    assert!(!is_due(Time::from_millis(at(200).millis() - 1)).await);
    assert!(is_due(at(200)).await && is_due(day(9)).await);
    for _ in 0..2 {
        store.runs().purge_is_done(&run.id).await.unwrap();
    }
    assert!(!is_due(day(9)).await);
    assert_eq!(store.runs().request_purge(&second, at(400)).await.unwrap(), first);
    assert!(!is_due(day(9)).await, "a purge that was repeated is not due again");
}

/// New records never expire, and existing ones do not change; the other way round too.
pub async fn an_organisation_is_switched_together_with_the_job_that_applies_it(store: &impl Subject) {
    let maker = Maker::new(37);
    let org = maker.org();
    assert_eq!(store.runs().retention(&org).await.unwrap(), Retention::Days(DAYS));
    assert_eq!(store.runs().retention_job(&org).await.unwrap(), None);
    let new = |long| RetentionJob::new(org, long, at(5), None);
    let first = store.runs().switch_retention(new(true)).await.unwrap();
    assert_eq!(store.runs().retention(&org).await.unwrap(), Retention::Forever);
    assert_eq!(store.runs().retention_job(&org).await.unwrap(), Some(first.clone()));
    assert!(matches!(store.runs().switch_retention(new(false)).await, Err(CommitError::Changed)), "another writer was first");
    assert_eq!(store.runs().retention(&org).await.unwrap(), Retention::Forever, "all or nothing");

    let run = created(store, maker.run(org, maker.flow_id(), &crate::build::chain(3), at(0))).await;
    store.runs().record(&run, step_of(&run, "n1", json!(1))).await.unwrap();
    assert!(is_there(store, &run, "n1", day(100_000)).await);
    assert_eq!(store.runs().extend_retention(&run, day(300)).await.unwrap(), None);

    let on_its_way = RetentionJob { flow: Some(run.flow), runs: RunsLeft::After(Some("key".to_owned())), runs_done: 7, ..first.clone() };
    let mut job = store.runs().put_retention_job(on_its_way).await.unwrap();
    assert!(matches!(store.runs().put_retention_job(first).await, Err(CommitError::Changed)), "it is not what is there");
    for phase in [JobPhase::First, JobPhase::Second(at(60)), JobPhase::Done(at(90))] {
        assert!(store.runs().retention_jobs_owed().await.unwrap().contains(&org));
        job = store.runs().put_retention_job(job.enter(phase)).await.unwrap();
        assert_eq!(store.runs().retention_job(&org).await.unwrap(), Some(job.clone()));
    }
    assert!(!store.runs().retention_jobs_owed().await.unwrap().contains(&org));

    let off = store.runs().switch_retention(RetentionJob::new(org, false, at(99), Some(&job))).await.unwrap();
    assert_eq!((off.long, store.runs().retention(&org).await.unwrap()), (false, Retention::Days(DAYS)));
    assert!(store.runs().retention_jobs_owed().await.unwrap().contains(&org));
    // A minute later every process has read the setting again.
    let late = StepRecord { completed_at: at(2 + 60), ..step_of(&run, "n2", json!(2)) };
    store.runs().record(&run, late).await.unwrap();
    assert!(!is_there(store, &run, "n2", day(DAYS + 2)).await);
    assert!(is_there(store, &run, "n1", day(100_000)).await, "the job has not come to it");
}

//! Every state a run can be in, and every action on it: what is allowed, what is refused, and that a refusal changes nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up should stop at once")]

mod common;

use common::{OWNER, Story, at, gate, task};
use domain::access::RecordedActor;
use domain::gate::Verdict;
use domain::run::{ExecutionState, Exit, NodeStatus, PendingEffect, RunStatus, STUCK_AFTER_SECONDS, TransitionError};
use serde_json::json;

/// `begin` leads to `work`, `gate` and `side`, and these to `last`.
fn begun() -> Story {
    let nodes = [
        task("begin", json!({})),
        task("work", json!({})),
        gate("gate", json!({"onReject": "fail"})),
        task("side", json!({})),
        task("last", json!({})),
    ];
    Story::of(&nodes, "begin>work begin>gate begin>side work>last gate>last side>last")
}

/// The states of the table below, by name.
fn state(name: &str) -> Story {
    let mut story = begun();
    match name {
        // Not taken up: pending its first segment.
        "new" => story.run = common::new_run(&story.spec),
        // Driven, `work` under way.
        "working" => _ = story.run_through("begin").start("work"),
        // Driven, `work` under way and `gate` open.
        "asking" => _ = story.run_through("begin").start("work").open("gate"),
        // No invocation owns the run, `gate` is open, and the task token is stored.
        "parked" => _ = story.run_through("begin work side").open("gate").park("token"),
        // `side` has failed for good; `work` is still under way and `gate` open.
        "failing" => _ = story.run_through("begin").start("work side").open("gate").fail("side"),
        "succeeded" => _ = story.run_through("begin work side").open("gate").decide("gate", Verdict::Approved).run_through("last"),
        "failed" => _ = story.run_through("begin").start("work").fail("work"),
        "cancelled" => {
            story.run_through("begin").start("work").open("gate");
            story.run.cancel(RecordedActor::named("usr_ada"), None, story.now).unwrap();
        }
        other => panic!("no state is called {other}"),
    }
    story
}

fn act(story: &mut Story, action: &str) -> Result<(), TransitionError> {
    let segment = story.run.execution.segment;
    let by_owner = |story: &Story| story.run.must_be_driven_by(OWNER);
    match action {
        "claim it for its segment" => story.run.claim("inv-2", segment),
        "claim it for an earlier segment" => story.run.claim("inv-2", segment - 1),
        "claim it for a later segment" => story.run.claim("inv-2", segment + 1),
        "record as its owner" => by_owner(story),
        "record as another" => story.run.must_be_driven_by("inv-2"),
        "start begin" => story.try_start("begin"),
        "start work" => story.try_start("work"),
        "start side" => story.try_start("side"),
        "start last" => story.try_start("last"),
        "work succeeds" => story.try_leave("work", Exit::Normal),
        "side succeeds" => story.try_leave("side", Exit::Normal),
        "last succeeds" => story.try_leave("last", Exit::Normal),
        "gate succeeds" => story.try_leave("gate", Exit::Normal),
        "work fails" => story.try_fail("work"),
        "gate fails" => story.try_fail("gate"),
        "work is to be retried" => story.try_retry("work", at(60)),
        "open gate" => story.try_open("gate"),
        "approve" => story.try_decide("gate", Verdict::Approved),
        "reject" => story.try_decide("gate", Verdict::Rejected),
        "expire" => story.try_decide("gate", Verdict::Expired),
        "request changes" => {
            let ix = story.ix("gate");
            story.run.revise(&story.spec, ix, story.now).map(drop)
        }
        "cancel" => story.run.cancel(RecordedActor::named("usr_eve"), Some("why not".to_owned()), story.now),
        "abandon its segment" => story.run.abandon(segment, "the execution failed", story.now),
        "abandon an earlier segment" => story.run.abandon(segment - 1, "the execution failed", story.now),
        "abandon a later segment" => story.run.abandon(segment + 1, "the execution failed", story.now),
        "end the segment" => story.run.end_segment(None, story.now),
        "retry it" => story.run.retried(None).map(drop),
        other => panic!("no action is called {other}"),
    }
}

fn word(result: &Result<(), TransitionError>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(TransitionError::Ended(_)) => "ended".to_owned(),
        Err(TransitionError::Failing(_)) => "failing".to_owned(),
        Err(TransitionError::Superseded) => "superseded".to_owned(),
        Err(TransitionError::NodeIs(status)) => format!("is {status}"),
        Err(TransitionError::NotToRetry(_)) => "not to retry".to_owned(),
        Err(TransitionError::NothingRevises) => "nothing revises".to_owned(),
        Err(refused) => refused.to_string(),
    }
}

/// A row per action, a column per state. `ok` is allowed; the rest name the refusal.
const TABLE: &str = "
                                | new        | working    | asking               | parked               | failing              | succeeded  | failed     | cancelled
claim it for its segment        | ok         | ok         | ok                   | ok                   | ok                   | ok         | ok         | ok
claim it for an earlier segment | superseded | superseded | superseded           | superseded           | superseded           | superseded | superseded | superseded
claim it for a later segment    | superseded | superseded | superseded           | superseded           | superseded           | superseded | superseded | superseded
record as its owner             | superseded | ok         | ok                   | superseded           | ok                   | ended      | ended      | ended
record as another               | superseded | superseded | superseded           | superseded           | superseded           | ended      | ended      | ended
start begin                     | ok         | is succeeded | is succeeded       | is succeeded         | failing              | ended      | ended      | ended
start work                      | is pending | ok         | ok                   | is succeeded         | ok                   | ended      | ended      | ended
start side                      | is pending | ok         | ok                   | is succeeded         | failing              | ended      | ended      | ended
start last                      | is pending | is pending | is pending           | is pending           | failing              | ended      | ended      | ended
work succeeds                   | is pending | ok         | ok                   | is succeeded         | ok                   | ended      | ended      | ended
side succeeds                   | is pending | ok         | ok                   | is succeeded         | failing              | ended      | ended      | ended
last succeeds                   | is pending | is pending | is pending           | is pending           | failing              | ended      | ended      | ended
gate succeeds                   | is pending | is pending | is awaiting_approval | is awaiting_approval | failing              | ended      | ended      | ended
work fails                      | is pending | ok         | ok                   | is succeeded         | ok                   | ended      | ended      | ended
gate fails                      | is pending | ok         | is awaiting_approval | is awaiting_approval | failing              | ended      | ended      | ended
work is to be retried           | is pending | ok         | ok                   | is succeeded         | ok                   | ended      | ended      | ended
open gate                       | is pending | ok         | is awaiting_approval | is awaiting_approval | failing              | ended      | ended      | ended
approve                         | is pending | is pending | ok                   | ok                   | failing              | ended      | ended      | ended
reject                          | is pending | is pending | ok                   | ok                   | failing              | ended      | ended      | ended
expire                          | is pending | is pending | ok                   | ok                   | failing              | ended      | ended      | ended
request changes                 | is pending | is pending | nothing revises      | nothing revises      | failing              | ended      | ended      | ended
cancel                          | ok         | ok         | ok                   | ok                   | ok                   | ended      | ended      | ended
abandon its segment             | ok         | ok         | ok                   | ok                   | ok                   | ended      | ended      | ended
abandon an earlier segment      | superseded | superseded | superseded           | superseded           | superseded           | ended      | ended      | ended
abandon a later segment         | superseded | superseded | superseded           | superseded           | superseded           | ended      | ended      | ended
end the segment                 | ok         | ok         | ok                   | ok                   | ok                   | ended      | ended      | ended
retry it                        | not to retry | not to retry | not to retry       | not to retry         | not to retry         | not to retry | ok       | ok
";

fn table() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let mut rows = TABLE.trim_matches('\n').lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let head = rows.next().unwrap();
    rows.flat_map(move |row| {
        assert_eq!(row.len(), head.len(), "{row:?}");
        let action = *row.first().unwrap();
        let cells: Vec<_> = head.iter().zip(&row).skip(1).map(|(state, cell)| (*state, action, *cell)).collect();
        cells
    })
}

#[test]
fn every_action_is_allowed_or_refused_as_the_table_says_and_a_refusal_changes_nothing() {
    let mut cells = 0;
    for (name, action, expected) in table() {
        let mut story = state(name);
        let before = story.run.clone();
        let result = act(&mut story, action);
        assert_eq!(word(&result), expected, "{action} a run that is {name}");
        if let Err(refusal) = result {
            assert_eq!(story.run, before, "{action} a run that is {name} was refused ({refusal})");
        }
        cells += 1;
    }
    assert_eq!(cells, 27 * 8);
}

#[test]
fn a_refusal_says_in_which_state_the_run_has_ended() {
    for (name, status) in [("succeeded", RunStatus::Succeeded), ("failed", RunStatus::Failed), ("cancelled", RunStatus::Cancelled)] {
        let mut story = state(name);
        assert_eq!(story.run.status, status);
        assert_eq!(act(&mut story, "approve"), Err(TransitionError::Ended(status)));
        assert_eq!(act(&mut story, "approve").unwrap_err().to_string(), format!("the run is already {name}"));
    }
}

#[test]
fn the_states_of_the_table_are_what_they_are_called() {
    for (name, status, open, error) in [
        ("new", RunStatus::Running, "", false),
        ("working", RunStatus::Running, "", false),
        ("asking", RunStatus::AwaitingApproval, "gate", false),
        ("parked", RunStatus::AwaitingApproval, "gate", false),
        ("failing", RunStatus::AwaitingApproval, "gate", true),
        ("succeeded", RunStatus::Succeeded, "", false),
        ("failed", RunStatus::Failed, "", true),
        ("cancelled", RunStatus::Cancelled, "", false),
    ] {
        let story = state(name);
        assert_eq!(story.run.status, status, "{name}");
        assert_eq!(story.nodes(NodeStatus::AwaitingApproval), open, "{name}");
        assert_eq!(story.run.error.is_some(), error, "{name}");
        assert_eq!(story.run.finished_at.is_some(), status.is_final(), "{name}");
        assert_eq!(story.run.has_ended(), status.is_final(), "{name}");
    }
}

#[test]
fn a_run_that_has_ended_has_no_node_left_that_has_not() {
    for name in ["succeeded", "failed", "cancelled"] {
        let story = state(name);
        assert!(story.run.progress.states().iter().all(|state| state.status.is_final()), "{name}: {:?}", story.run.progress);
        assert_eq!(story.plan(), domain::run::Plan::default(), "{name}");
    }
}

#[test]
fn the_first_segment_of_a_new_run_is_pending_and_a_claim_clears_it() {
    let mut story = state("new");
    assert_eq!(
        story.run.execution,
        ExecutionState {
            segment: 1,
            owner: None,
            token: None,
            pending: Some(PendingEffect::StartExecution),
            parked_until: None,
            stuck_at: Some(at(STUCK_AFTER_SECONDS)),
            done_at_claim: None
        }
    );
    assert_eq!(story.run.execution_name(), format!("{}-1", story.run.id));
    story.run.claim("inv-2", 1).unwrap();
    assert_eq!(
        story.run.execution,
        ExecutionState {
            segment: 1,
            owner: Some("inv-2".into()),
            token: None,
            pending: None,
            parked_until: None,
            stuck_at: None,
            done_at_claim: Some(0)
        }
    );
}

#[test]
fn a_second_invocation_of_a_segment_fences_out_the_first() {
    let mut story = state("working");
    story.run.claim("inv-2", 1).unwrap();
    assert_eq!(story.run.must_be_driven_by(OWNER), Err(TransitionError::Superseded));
    assert_eq!(story.run.must_be_driven_by("inv-2"), Ok(()));
}

#[test]
fn when_a_segment_ends_the_next_one_is_pending_and_waits_until_the_given_time() {
    for wake_at in [None, Some(at(60))] {
        let mut story = state("working");
        story.run.end_segment(wake_at, at(0)).unwrap();
        assert_eq!(
            story.run.execution,
            ExecutionState {
                segment: 2,
                owner: None,
                token: None,
                pending: Some(PendingEffect::StartExecution),
                parked_until: wake_at,
                stuck_at: Some(at(STUCK_AFTER_SECONDS)),
                done_at_claim: None
            }
        );
        assert_eq!(story.run.execution_name(), format!("{}-2", story.run.id));
        assert_eq!(story.run.must_be_driven_by(OWNER), Err(TransitionError::Superseded), "its owner has let go");
        assert_eq!(story.status("work"), NodeStatus::Running, "what is under way stays under way");
    }
}

#[test]
fn deciding_a_parked_run_makes_a_task_success_pending_and_keeps_the_token_until_a_claim_clears_both() {
    for verdict in [Verdict::Approved, Verdict::Rejected, Verdict::Expired] {
        let mut story = state("parked");
        story.decide("gate", verdict);
        assert_eq!(
            (story.run.execution.pending, story.run.execution.token.as_deref()),
            (Some(PendingEffect::SendTaskSuccess), Some("token")),
            "{verdict}"
        );
        let segment = story.run.execution.segment;
        story.run.claim("inv-2", segment).unwrap();
        let owner = (verdict == Verdict::Approved).then(|| "inv-2".to_owned());
        assert_eq!(
            story.run.execution,
            ExecutionState {
                segment,
                done_at_claim: owner.is_some().then_some(4),
                owner,
                token: None,
                pending: None,
                parked_until: None,
                stuck_at: None
            },
            "{verdict}"
        );
    }
}

#[test]
fn a_decision_before_the_park_replaces_the_start_that_was_owed_so_that_park_does_not_wait() {
    let mut story = begun();
    story.run_through("begin work side").open("gate");
    story.run.end_segment(Some(at(3_600)), at(0)).unwrap();
    story.decide("gate", Verdict::Approved);
    assert_eq!((story.run.execution.pending, &story.run.execution.token), (Some(PendingEffect::SendTaskSuccess), &None));
    assert_eq!(story.run.execution.parked_until, Some(at(3_600)), "the segment is still the one that begins with a pause");
    assert_eq!(story.ready(), "last");
}

#[test]
fn deciding_a_run_that_has_an_owner_makes_nothing_pending() {
    for verdict in [Verdict::Approved, Verdict::Rejected, Verdict::Expired] {
        let mut story = state("asking");
        let drive = story.run.execution.clone();
        story.decide("gate", verdict);
        assert_eq!(story.run.execution, drive, "{verdict}");
    }
}

#[test]
fn a_rejection_whose_policy_is_fail_ends_a_parked_run_and_still_wakes_its_segment() {
    let mut story = state("parked");
    story.decide("gate", Verdict::Rejected);
    assert_eq!(story.run.status, RunStatus::Failed);
    let error = story.run.error.clone().unwrap();
    assert_eq!((error.node.as_deref(), error.message.as_str()), (Some("gate"), "rejected at gate"));
    assert_eq!(story.status("gate"), NodeStatus::Failed);
    assert_eq!(story.status("last"), NodeStatus::Cancelled);
    assert_eq!(story.run.execution.pending, Some(PendingEffect::SendTaskSuccess));
    story.run.claim("inv-2", 2).unwrap();
    assert_eq!((story.run.execution.pending, &story.run.execution.token, &story.run.execution.owner), (None, &None, &None));
    assert_eq!(story.run.status, RunStatus::Failed);
}

#[test]
fn approving_the_last_gate_of_a_parked_run_ends_it_and_still_wakes_its_segment() {
    let mut story = Story::of(&[gate("only", json!({}))], "");
    story.open("only").park("token").decide("only", Verdict::Approved);
    assert_eq!((story.run.status, story.run.execution.pending), (RunStatus::Succeeded, Some(PendingEffect::SendTaskSuccess)));
}

#[test]
fn a_rejection_while_other_nodes_are_under_way_fails_the_run_only_when_they_are_done() {
    let mut story = state("asking");
    story.decide("gate", Verdict::Rejected);
    assert_eq!((story.run.status, story.run.error.is_some()), (RunStatus::AwaitingApproval, true));
    story.finish("work");
    assert_eq!((story.run.status, story.status("work")), (RunStatus::Failed, NodeStatus::Succeeded));
}

#[test]
fn a_cancel_leaves_nothing_pending_but_open_gates_names_who_and_why_and_cancels_every_open_node() {
    for name in ["new", "working", "asking", "parked", "failing"] {
        let mut story = state(name);
        let before = story.run.progress.clone();
        story.run.cancel(RecordedActor::named("usr_ada"), Some("wrong customer".into()), at(9)).unwrap();
        assert_eq!((story.run.status, story.run.finished_at), (RunStatus::Cancelled, Some(at(9))), "{name}");
        let cancellation = story.run.cancellation.clone().unwrap();
        assert_eq!((cancellation.actor.as_str(), cancellation.reason.as_deref()), ("usr_ada", Some("wrong customer")));
        assert_eq!(
            (story.run.execution.pending, &story.run.execution.owner, story.run.execution.parked_until),
            (before.with_status(NodeStatus::AwaitingApproval).next().map(|_| PendingEffect::CloseGates), &None, None),
            "{name}"
        );
        for (before, after) in before.states().iter().zip(story.run.progress.states()) {
            if before.status.is_final() {
                assert_eq!(before, after, "{name}");
            } else {
                assert_eq!((after.status, after.due), (NodeStatus::Cancelled, None), "{name}");
            }
        }
    }
}

#[test]
fn a_cancel_of_a_decided_run_leaves_no_pending_effect() {
    let mut story = state("parked");
    story.decide("gate", Verdict::Approved);
    story.run.cancel(RecordedActor::named("usr_ada"), None, at(1)).unwrap();
    assert_eq!((story.run.status, story.run.execution.pending), (RunStatus::Cancelled, None));
}

#[test]
fn an_abandoned_run_fails_with_the_cause_and_so_do_the_nodes_that_were_under_way() {
    let mut story = state("asking");
    story.run.abandon(1, "Lambda.Unknown", at(5)).unwrap();
    let error = story.run.error.clone().unwrap();
    assert_eq!((story.run.status, error.node, error.message.as_str()), (RunStatus::Failed, None, "Lambda.Unknown"));
    assert_eq!((story.status("work"), story.status("gate"), story.status("last")), {
        use NodeStatus::{Cancelled, Failed};
        (Failed, Cancelled, Cancelled)
    });
    assert_eq!((story.run.execution.pending, &story.run.execution.owner), (Some(PendingEffect::CloseGates), &None));
}

#[test]
fn a_failing_run_that_is_abandoned_keeps_the_error_it_began_with() {
    let mut story = state("failing");
    story.run.abandon(1, "Lambda.Unknown", at(5)).unwrap();
    assert_eq!(story.run.error.unwrap().message, "side broke");
}

#[test]
fn an_error_text_is_cut_so_that_the_run_stays_small() {
    let mut story = state("working");
    let work = story.ix("work");
    story.run.fail(&story.spec, work, &"ü".repeat(5_000), at(1)).unwrap();
    assert_eq!(story.run.error.unwrap().message, "ü".repeat(300));
}

#[test]
fn starting_again_after_a_crash_counts_an_attempt_and_keeps_the_first_start() {
    let mut story = state("working");
    story.run.claim("inv-2", 1).unwrap();
    story.wait_until(30).start("work");
    let state = story.state("work");
    assert_eq!((state.attempts, state.started_at, state.due), (2, Some(at(0)), None));
}

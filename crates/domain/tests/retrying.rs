//! What a retry takes over of the run before it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

mod common;

use std::collections::BTreeSet;

use common::dag::dags;
use common::{Story, decision, gate, spec_json, task};
use domain::access::RecordedActor;
use domain::flow::{NodeId, NodeKind, Spec};
use domain::gate::Verdict;
use domain::json::sha256_hex;
use domain::run::{Exit, NodeStatus, Reuse, Run, RunStatus};
use domain::step::{StepKey, idempotency_key};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The nodes taken over by a run of `spec`, in alphabetical order.
fn reused_by(before: &Story, spec: &Spec, from: &str) -> String {
    let from: Option<NodeId> = (!from.is_empty()).then(|| from.parse().unwrap());
    let reuse = Reuse::of(&before.run, &before.spec, spec, from.as_ref());
    let names: BTreeSet<&str> = spec.order().filter(|ix| reuse.contains(*ix)).map(|ix| spec.node(ix).id.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

fn reused(before: &Story, from: &str) -> String {
    reused_by(before, &before.spec, from)
}

fn nodes(names: &str) -> Vec<Value> {
    names.split_whitespace().map(|name| task(name, json!({}))).collect()
}

#[test]
fn a_chain_begins_again_with_the_step_that_failed_or_with_the_one_that_was_named() {
    let mut story = Story::of(&nodes("a b c d"), "a>b b>c c>d");
    story.run_through("a b").start("c").fail("c");
    assert_eq!(reused(&story, ""), "a b");
    assert_eq!(reused(&story, "a"), "");
    assert_eq!(reused(&story, "b"), "a");
    assert_eq!(reused(&story, "d"), "a b", "naming a later step does not pass over the one that failed");
}

#[test]
fn only_what_lies_behind_a_failure_is_done_again() {
    let mut story = Story::of(&nodes("start left right join"), "start>left start>right left>join right>join");
    story.run_through("start").start("left right").finish("right").fail("left");
    assert_eq!(reused(&story, ""), "right start");
    assert_eq!(reused(&story, "right"), "start");
}

#[test]
fn a_branch_that_was_not_taken_stays_so() {
    let choice =
        [decision("choose", &[("l", "left"), ("r", "right")]), task("left", json!({})), task("right", json!({})), task("end", json!({}))];
    let mut story = Story::of(&choice, "choose>left:l choose>right:r left>end right>end");
    story.choose("choose", "l").run_through("left").start("end").fail("end");
    assert_eq!(reused(&story, ""), "choose left");
    assert_eq!(reused(&story, "right"), "choose left", "a step that was not taken has nothing to begin again with");
}

#[test]
fn a_failure_that_its_route_dealt_with_is_not_done_again() {
    let caught =
        [task("call", json!({"onError": "route_to:rescue"})), task("usual", json!({})), task("rescue", json!({})), task("end", json!({}))];
    let mut story = Story::of(&caught, "call>usual usual>end rescue>end");
    story.start("call").fail("call").run_through("rescue").start("end").fail("end");
    assert_eq!(reused(&story, ""), "call rescue");
    assert_eq!(reused(&story, "call"), "");
}

#[test]
fn an_approval_counts_again_and_a_rejection_that_failed_the_run_does_not() {
    let flow = [gate("first", json!({})), gate("second", json!({})), task("end", json!({}))];
    let mut story = Story::of(&flow, "first>second second>end");
    story.open("first").decide("first", Verdict::Approved).open("second").decide("second", Verdict::Rejected);
    assert_eq!(reused(&story, ""), "first");
}

#[test]
fn on_another_version_what_is_the_same_and_comes_from_the_same_is_taken_over() {
    let mut story = Story::of(&nodes("a b c"), "a>b b>c");
    story.run_through("a b").start("c").fail("c");
    let version = |nodes: &[Value], edges: &str| Spec::parse(&spec_json(nodes, edges)).unwrap();
    // The step that failed was mended.
    let mended = [task("a", json!({})), task("b", json!({})), task("c", json!({"method": "PUT"}))];
    assert_eq!(reused_by(&story, &version(&mended, "a>b b>c"), ""), "a b");
    // A step that changed is done again, and with it all that follows.
    let changed = [task("a", json!({"method": "PUT"})), task("b", json!({})), task("c", json!({}))];
    assert_eq!(reused_by(&story, &version(&changed, "a>b b>c"), ""), "");
    // A step that now follows another one is, too.
    let inserted = nodes("a new b c");
    assert_eq!(reused_by(&story, &version(&inserted, "a>new new>b b>c"), ""), "a");
    // One more branch changes nothing for the others.
    assert_eq!(reused_by(&story, &version(&nodes("a b c d"), "a>b b>c a>d"), ""), "a b");
}

#[test]
fn the_starters_of_a_retry_include_those_of_the_runs_before_it() {
    let mut story = Story::of(&nodes("a"), "");
    story.start("a").fail("a");
    let retried = story.run.retried(None).unwrap();
    let again = Run { started_by: "usr_second".to_owned(), retried: Some(retried), ..story.run.clone() };
    assert_eq!(again.starters(), ["usr_second", "usr_starter"].into());
    assert_eq!(again.root(), story.run.id);
    let third = Run { started_by: "usr_third".to_owned(), retried: Some(again.retried(None).unwrap()), ..story.run.clone() };
    assert_eq!(third.starters(), ["usr_second", "usr_starter", "usr_third"].into());
}

#[test]
fn the_same_input_has_the_same_key_and_another_one_another() {
    let story = Story::of(&nodes("a"), "");
    let key = |input: Value| idempotency_key(&story.run.root(), &StepKey::new(&"a".parse().unwrap(), 1), &sha256_hex(&input));
    assert_eq!(key(json!({"a": 1, "b": 2})), key(json!({"b": 2, "a": 1})));
    assert_ne!(key(json!({"a": 1})), key(json!({"a": 2})));
    assert!(key(json!(null)).starts_with(&format!("{}/a/", story.run.id)));
}

/// One node after the other begins and is left in some way; the run is cancelled when the choices run out.
fn happen(story: &mut Story, choices: &[u8]) {
    for choice in choices {
        let ready = story.plan().ready;
        let Some(ix) = ready.get(usize::from(*choice) % ready.len().max(1)).copied() else { break };
        let (spec, now) = (&story.spec, story.now);
        let outcome = match &spec.node(ix).kind {
            NodeKind::Approval(_) => {
                story.run.open_gate(spec, ix, now.plus_seconds(60), now).unwrap();
                let verdict = [Verdict::Approved, Verdict::Approved, Verdict::Rejected, Verdict::Expired][usize::from(*choice / 16) % 4];
                story.run.decide(spec, ix, verdict, "decided", now)
            }
            NodeKind::Decision(decision) => story.run.succeed(spec, ix, Exit::case(usize::from(*choice / 16) % decision.cases.len()), now),
            _ if choice / 16 % 4 == 0 => story.run.fail(spec, ix, "broke", now),
            _ => story.run.succeed(spec, ix, Exit::Normal, now),
        };
        outcome.unwrap();
    }
    // Refused: it has ended by itself.
    _ = story.run.cancel(RecordedActor::named("usr_eve"), None, story.now);
}

/// Takes over what can be taken over, as the engine does: one node after the other.
fn take_over(before: &Story, reuse: &Reuse) -> Story {
    let mut story = Story { run: common::new_run(&before.spec), ..before.clone() };
    story.run.claim(common::OWNER, 1).unwrap();
    while let Some(ix) = story.plan().ready.into_iter().find(|ix| reuse.contains(*ix)) {
        let (spec, then, now) = (&story.spec, before.run.progress.get(ix), story.now);
        match (&spec.node(ix).kind, then.status) {
            (NodeKind::Approval(_), _) => story.run.take_over_gate(spec, ix, then.exit, now),
            (_, NodeStatus::Failed) => story.run.fail(spec, ix, "broke", now),
            _ => story.run.succeed(spec, ix, then.exit, now),
        }
        .unwrap();
    }
    story
}

proptest! {
    #[test]
    fn what_is_taken_over_was_done_and_rests_on_nothing_that_is_done_again(
        dag in dags(12), choices in vec(any::<u8>(), 0..16), from in proptest::option::of(0usize..12),
    ) {
        let mut before = Story::of_spec(&dag.spec());
        happen(&mut before, &choices);
        let from = from.and_then(|at| before.spec.order().nth(at)).map(|ix| before.spec.node(ix).id.clone());
        let reuse = Reuse::of(&before.run, &before.spec, &before.spec, from.as_ref());
        let again = take_over(&before, &reuse);
        for ix in before.spec.order() {
            let (then, now) = (before.run.progress.get(ix), again.run.progress.get(ix));
            if reuse.contains(ix) {
                prop_assert!(from.as_ref() != Some(&before.spec.node(ix).id));
                for edge in before.spec.incoming(ix) {
                    let skipped = before.run.progress.get(edge.from).status == NodeStatus::Skipped;
                    prop_assert!(reuse.contains(edge.from) || skipped);
                }
                // Each node begins, and is left as it was left before.
                prop_assert_eq!((then.status, then.exit), (now.status, now.exit));
            } else {
                prop_assert!(matches!(now.status, NodeStatus::Pending | NodeStatus::Skipped));
            }
        }
        // A run that did not succeed has something left to do.
        prop_assert!(before.run.status == RunStatus::Succeeded || !again.run.has_ended());
    }
}

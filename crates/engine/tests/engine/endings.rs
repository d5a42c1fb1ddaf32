//! A run is called off, or cannot go on.

use domain::error::ApplicationError;
use domain::run::{NodeStatus, RunStatus};
use domain::step::Payload;
use serde_json::{Value, json};
use testkit::build::{actor, approve, canonical, chain, decision, gate, spec, task, with};
use testkit::{Deployment, Fate, Invoked, Reply, Stage};

#[test]
fn a_run_that_is_cancelled_while_parked_executes_nothing_and_refuses_a_late_approval() {
    let world = Deployment::of(&canonical());
    world.effects.answer("draft", Reply::parsed(&json!({"amount": 1})));
    let run = world.start(json!({"ticket": "T-1"}));
    world.play();
    let cancelled = world.cancel(run, "changed my mind").unwrap();
    assert_eq!(cancelled.status, RunStatus::Cancelled);
    let cancellation = cancelled.cancellation.clone().unwrap();
    assert_eq!((cancellation.actor.as_str(), cancellation.reason.as_deref()), ("usr_canceller", Some("changed my mind")));
    assert_eq!(world.executions.find(&cancelled.execution_name()).unwrap().stage, Stage::Aborted);
    assert!(!world.gate(run, "review").unwrap().is_open(), "the inbox shows no approval without a purpose");

    let late = world.decide(run, "review", &actor("usr_ada"), approve()).unwrap_err();
    assert!(matches!(late, ApplicationError::Conflict(_)), "{late:?}");
    world.play();
    assert!(world.effects.sent_to("pay").is_empty());
    assert_eq!(world.run(run), cancelled);
}

#[test]
fn cancelling_twice_changes_nothing_and_cancelling_what_has_ended_is_refused() {
    let world = Deployment::of(&spec(&[gate("review", json!({}))], ""));
    let run = world.start(json!({}));
    world.play();
    let first = world.cancel(run, "first").unwrap();
    assert_eq!(world.cancel(run, "second").unwrap(), first);

    let run = world.start(json!({}));
    world.play();
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    world.play_to_end(run);
    assert_eq!(world.cancel(run, "late").unwrap_err().to_string(), "the run is already succeeded");
}

#[test]
fn what_is_in_flight_when_a_run_is_cancelled_is_recorded_and_nothing_starts_after() {
    let world = Deployment::of(&chain(3));
    let run = world.start(json!({}));
    let canceller = world.clone();
    world.effects.script(move |sent| {
        if sent.name == "n2" {
            canceller.cancel(run, "stop").unwrap();
        }
        None
    });
    world.play();
    let ended = world.run(run);
    assert_eq!(ended.status, RunStatus::Cancelled);
    assert_eq!(world.effects.sent().len(), 2, "n3 never started");
    assert_eq!(world.record(run, "n2").unwrap().status, NodeStatus::Succeeded, "what was sent must not be forgotten");
    assert_eq!(world.node(run, "n2").status, NodeStatus::Cancelled);
    assert_eq!(world.record(run, "n3"), None);
}

#[test]
fn a_cancel_between_thinking_and_writing_starts_nothing() {
    // Right before each commit of the run in turn.
    for nth in 1..=4 {
        let world = Deployment::of(&chain(3));
        let run = world.start(json!({}));
        let canceller = world.clone();
        world.faults.just_before("commit", nth, move || {
            canceller.cancel(run, "stop").unwrap();
        });
        world.play();
        assert_eq!(world.run(run).status, RunStatus::Cancelled);
        assert_eq!(world.effects.sent().len(), nth - 1);
    }
}

#[test]
fn an_invocation_that_fails_again_and_again_fails_the_run_with_the_cause() {
    let world = Deployment::of(&chain(2));
    let run = world.start(json!({}));
    world.faults.decide(|call| if call.name == "version" { Fate::FailBefore } else { Fate::Pass });
    world.play();
    let ended = world.run(run);
    assert_eq!((ended.status, ended.error.unwrap().message.as_str()), (RunStatus::Failed, "the execution failed"));
    assert_eq!(world.faults.count("version"), 1 + testkit::ATTEMPTS as usize, "one for the start, and every attempt of Advance");
    assert_eq!(world.executions.all()[0].stage, Stage::Failed);
}

#[test]
fn a_failed_execution_concerns_only_the_run_that_is_still_on_its_segment() {
    let world = Deployment::of(&spec(&[gate("review", json!({}))], ""));
    let run = world.start(json!({}));
    world.play();
    let (first, second) = (&world.executions.all()[0], &world.executions.all()[1]);
    let before = world.run(run);
    assert_eq!(world.settle(first), None, "a later segment drives the run");
    assert_eq!(world.run(run), before);

    let settled = world.settle(second).unwrap();
    assert_eq!((settled.status, settled.error.clone().unwrap().node), (RunStatus::Failed, None));
    assert!(!world.gate(run, "review").unwrap().is_open());
    assert_eq!(world.settle(second), None, "once");
    assert_eq!(world.run(run), settled);
}

#[test]
fn settle_marks_what_was_under_way_as_failed_if_the_segment_has_made_no_progress() {
    let world = Deployment::of(&chain(2));
    let run = world.start(json!({}));
    world.faults.strike_call("perform", 2, Fate::CrashAfter);
    assert!(matches!(world.invoke(run, 1), Invoked::Crashed));
    assert_eq!(world.settle(&world.executions.all()[0]), None, "n1 has finished, so the run goes on in the next segment");
    world.faults.strike_call("perform", 1, Fate::CrashAfter);
    assert!(matches!(world.invoke(run, 2), Invoked::Crashed));
    assert!(world.settle(&world.executions.all()[1]).is_some());
    assert_eq!((world.node(run, "n1").status, world.node(run, "n2").status), (NodeStatus::Succeeded, NodeStatus::Failed));
}

/// A choice between two tasks, whose runs put out what `output` says.
fn choosing(output: &Value) -> Deployment {
    let nodes = [decision("choose", &[("left", "left"), ("right", "right")]), task("left", json!({})), gate("right", json!({}))];
    Deployment::of(&with(spec(&nodes, "choose>left:left choose>right:right"), json!({"output": output})))
}

#[test]
fn a_run_puts_out_what_its_flow_says_once_all_of_it_is_done() {
    let world = choosing(&json!({"run": "${run.id}", "chosen": "${step.choose.output.selected}"}));
    for (choice, decides) in [("left", false), ("right", true)] {
        let run = world.start(json!({"choice": choice}));
        world.play();
        if decides {
            world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
        }
        assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
        let output = world.record(run, "@output").unwrap().output;
        assert_eq!(output, Some(Payload::of(json!({"run": run.to_string(), "chosen": choice}))));
    }
}

#[test]
fn a_run_whose_output_cannot_be_made_succeeds_with_a_warning() {
    let world = choosing(&json!("${step.left.output.body}"));
    let run = world.start(json!({"choice": "right"}));
    world.play();
    world.decide(run, "", &actor("usr_ada"), approve()).unwrap();
    let ended = world.play_to_end(run);
    assert_eq!((ended.status, &ended.error), (RunStatus::Succeeded, &None));
    let expected =
        "the flow's output cannot be made: `step.left.output.body` is not there (the node has put out nothing: it was skipped or failed)";
    assert_eq!(ended.warning.as_deref(), Some(expected));
    assert_eq!(world.record(run, "@output").unwrap().output, None);
}

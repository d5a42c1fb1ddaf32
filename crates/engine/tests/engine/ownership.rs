//! Two invocations of one run.

use domain::ports::Clock;
use domain::run::RunStatus;
use engine::Outcome;
use serde_json::json;
use testkit::build::{approve, chain};
use testkit::{Deployment, Fate, Invoked, Reply};

#[test]
fn an_invocation_that_has_lost_the_run_moves_it_no_further() {
    let world = Deployment::of(&chain(3));
    let run = world.start(json!({}));
    // A second invocation takes over and drives the run to its end while the first waits for n1.
    let second = world.clone();
    let mut taken_over = false;
    world.effects.script(move |_| {
        if !std::mem::replace(&mut taken_over, true) {
            assert!(matches!(second.invoke(run, 1), Invoked::Done(Outcome::Ended)));
            return Some(Reply::output(json!("of the first")));
        }
        None
    });
    let invoked = world.invoke(run, 1);
    assert!(matches!(invoked, Invoked::Done(Outcome::Ended | Outcome::NotOurs)), "{invoked:?}");
    assert_eq!(world.run(run).status, RunStatus::Succeeded);
    let sent: Vec<String> = world.effects.sent().into_iter().map(|sent| sent.name).collect();
    assert_eq!(sent, ["n1", "n1", "n2", "n3"], "only what was in flight is repeated");
    let keys: Vec<String> = world.effects.sent_to("n1").into_iter().map(|sent| sent.context.idempotency_key).collect();
    assert_eq!(keys[0], keys[1], "and under the same key");
}

#[test]
fn an_invocation_that_is_overtaken_by_a_slower_one_stops_at_its_next_write() {
    let world = Deployment::of(&chain(3));
    let run = world.start(json!({}));
    // Another invocation takes the run, and dies before it sends anything.
    let second = world.clone();
    world.faults.just_before("commit", 2, move || {
        let mut taken = second.run(run);
        taken.claim("another", 1).unwrap();
        testkit::block_on(&second.clock, domain::ports::Runs::commit(&second.store, taken, &[])).unwrap();
    });
    let invoked = world.invoke(run, 1);
    world.faults.clear();
    // No execution waits for the other one, so the state of this one must be retried.
    assert!(matches!(invoked, Invoked::Failed(_)), "{invoked:?}");
    assert_eq!(world.effects.sent().len(), 1);
    let now = world.run(run);
    assert_eq!((now.execution.owner.as_deref(), now.status), (Some("another"), RunStatus::Running));
    // Step Functions invokes again, and nothing is missing.
    assert!(matches!(world.invoke(run, 1), Invoked::Done(Outcome::HandedOn)), "n1 has finished, so a segment begins");
    world.play();
    assert_eq!((world.run(run).status, world.effects.sent().len()), (RunStatus::Succeeded, 3), "n1 was on record");
}

#[test]
fn an_invocation_of_a_segment_that_is_over_does_nothing() {
    let world = Deployment::of(&testkit::build::spec(&[testkit::build::gate("review", json!({}))], ""));
    let run = world.start(json!({}));
    world.play();
    let parked = world.run(run);
    assert!(matches!(world.invoke(run, 1), Invoked::Done(Outcome::NotOurs)));
    assert_eq!(world.run(run), parked);
    // Nor does one of a segment or a run that does not exist.
    assert!(matches!(world.invoke(run, 7), Invoked::Done(Outcome::NotOurs)));
    let unknown = domain::id::RunId::new(world.clock.now(), 5);
    assert!(matches!(world.invoke(unknown, 1), Invoked::Done(Outcome::NotOurs)));
}

#[test]
fn waking_a_parked_run_for_nothing_parks_it_again() {
    let world = Deployment::of(&testkit::build::spec(&[testkit::build::gate("review", json!({}))], ""));
    let run = world.start(json!({}));
    world.play();
    let first = world.run(run);
    assert!(matches!(world.invoke(run, 2), Invoked::Done(Outcome::HandedOn)));
    world.play();
    let again = world.run(run);
    assert_eq!(again.status, RunStatus::AwaitingApproval);
    assert_eq!(again.execution.segment, first.execution.segment + 1);
    assert!(again.execution.token.is_some() && again.execution.token != first.execution.token);
    world.decide(run, "", &testkit::build::actor("usr_ada"), approve()).unwrap();
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
}

#[test]
fn a_lost_answer_of_any_commit_leads_to_the_same_end() {
    for fate in [Fate::LoseAnswer, Fate::Twice] {
        for nth in 1.. {
            let world = Deployment::of(&chain(3));
            let run = world.start(json!({}));
            world.faults.strike_call("commit", nth, fate);
            let ended = world.play_to_end(run);
            assert_eq!(ended.status, RunStatus::Succeeded, "{fate:?} of commit {nth}");
            let mut names: Vec<String> = world.effects.sent().into_iter().map(|sent| sent.name).collect();
            assert_eq!(names.len(), 3, "a write whose answer is lost repeats no request: {names:?}");
            names.dedup();
            assert_eq!(names, ["n1", "n2", "n3"]);
            if world.faults.count("commit") < nth {
                break;
            }
        }
    }
}

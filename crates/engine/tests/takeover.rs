//! Two invocations of the same segment: the platform may invoke twice, or take one for dead that is not.

use domain::run::RunStatus;
use engine::Outcome;
use serde_json::json;
use testkit::build::{chain, spec, task, transform};
use testkit::{Deployment, Fate, Invoked, Reply};

#[test]
fn a_run_goes_on_when_the_invocation_that_took_it_over_dies() {
    let world = Deployment::of(&chain(2));
    let run = world.start(json!({}));
    let (other, mut is_first) = (world.clone(), true);
    world.effects.script(move |_| {
        if std::mem::take(&mut is_first) {
            // While the first invocation waits for its answer, a second one takes the run over, and dies before it sends anything.
            other.faults.strike_call("perform", 1, Fate::CrashBefore);
            assert!(matches!(other.invoke(run, 1), Invoked::Crashed));
            other.faults.clear();
        }
        None
    });
    // The first one must not report success: no execution waits for the second, so none would invoke again.
    assert_eq!(world.play_to_end(run).status, RunStatus::Succeeded);
    let keys: Vec<_> = world.effects.sent_to("n1").into_iter().map(|sent| sent.context.idempotency_key).collect();
    assert!(keys.windows(2).all(|pair| pair.first() == pair.last()), "{keys:?}");
}

#[test]
fn what_was_under_way_when_the_run_was_taken_over_is_still_recorded() {
    let nodes = [transform("start", &json!(1)), task("left", json!({})), task("right", json!({}))];
    let deployment = Deployment::of(&spec(&nodes, "start>left start>right"));
    let run = deployment.start(json!({}));
    let (other, mut is_first) = (deployment.clone(), true);
    deployment.effects.script(move |sent| {
        if sent.name == "left" && std::mem::take(&mut is_first) {
            // A node has finished in this segment, so the invocation that takes the run over begins the next one.
            assert!(matches!(other.invoke(run, 1), Invoked::Done(Outcome::HandedOn)));
        }
        (sent.name == "right").then(|| Reply::output(json!({"late": true})).after(1_000))
    });
    assert!(matches!(deployment.invoke(run, 1), Invoked::Done(Outcome::HandedOn)));
    assert!(deployment.record(run, "right").is_some(), "its request was sent, and so its answer is on record");
    assert_eq!(deployment.play_to_end(run).status, RunStatus::Succeeded);
    assert_eq!(deployment.effects.sent_to("right").len(), 1, "an answer that is on record is not asked for again");
}

//! Two invocations of the same segment: the platform may invoke twice, or take one for dead that is not.

use domain::run::RunStatus;
use serde_json::json;
use testkit::build::chain;
use testkit::{Deployment, Fate, Invoked};

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

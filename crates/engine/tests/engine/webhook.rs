//! Signed calls of a webhook start runs, and nothing else does.

use domain::flow::{Flow, FlowStatus, FlowTrigger};
use domain::ports::{Flows, WebhookTriggers};
use domain::run::{RunStatus, Trigger};
use domain::signature::sign;
use domain::trigger::WebhookToken;
use engine::{Started, TriggerDelivery, WebhookTriggerSecrets};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use testkit::build::{actor, chain};
use testkit::{Deployment, Fate, ManualClock, Memory, MemoryVault, block_on};

const BODY: &[u8] = br#"{"order": 7}"#;

/// A world whose flow has a webhook.
struct Hooked {
    world: Deployment,
    secrets: WebhookTriggerSecrets<Memory, MemoryVault, ManualClock>,
    token: WebhookToken,
    secret: SecretString,
}

impl Hooked {
    fn new() -> Self {
        let mut world = Deployment::of(&chain(1));
        let secrets = WebhookTriggerSecrets { triggers: world.store.clone(), vault: MemoryVault, clock: world.clock.clone() };
        let token = WebhookToken::new([1, 2]);
        let flow = Flow { trigger: FlowTrigger::Webhook(token.clone()), ..world.flow.clone() };
        let secret = block_on(&world.clock, secrets.create(&world.entropy, &flow, &token)).unwrap();
        block_on(&world.clock, world.store.update_flow(&world.flow, &flow, None)).unwrap();
        world.flow = flow;
        Self { world, secrets, token, secret }
    }

    /// Whether a call gets to the flow.
    fn admits(&self, token: &WebhookToken, body: &[u8], signature: &str) -> bool {
        let call = self.secrets.flow_of_call(&self.world.store, Some(token), body, signature);
        block_on(&self.world.clock, call).unwrap().is_some()
    }

    fn admits_signed_with(&self, secret: &SecretString) -> bool {
        self.admits(&self.token, BODY, &sign(secret, BODY))
    }

    fn rotate(&self) -> SecretString {
        block_on(&self.world.clock, self.secrets.rotate(&self.world.entropy, &self.world.flow, &actor("usr_ada"))).unwrap()
    }

    fn deliver(&self, input: Value, id: Option<&str>) -> Option<Result<Started, domain::error::ApplicationError>> {
        let delivery = TriggerDelivery { flow: &self.world.flow, trigger_changers: [].into(), input, id: id.map(str::to_owned) };
        self.world.call(self.world.engine.deliver(&self.world.entropy, delivery))
    }
}

#[test]
fn only_what_is_signed_with_the_secret_of_that_very_token_is_admitted() {
    let hooked = Hooked::new();
    let good = sign(&hooked.secret, BODY);
    assert!(hooked.admits(&hooked.token, BODY, &good));
    assert!(!hooked.admits(&WebhookToken::new([2, 1]), BODY, &good));
    assert!(!hooked.admits(&hooked.token, b"{\"order\":7}", &good), "the same JSON in other bytes");
    assert!(!hooked.admits(&hooked.token, BODY, ""));
    assert!(!hooked.admits_signed_with(&SecretString::from("whsec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
    // What stands in for the secret of an unknown token opens nothing either.
    let nobodys = sign(&SecretString::from("whsec_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), BODY);
    assert!(!hooked.admits(&WebhookToken::new([2, 1]), BODY, &nobodys));
}

#[test]
fn a_flow_that_does_not_run_or_has_another_token_is_not_reached() {
    for change in [
        |flow: Flow| Flow { status: FlowStatus::Paused, ..flow },
        |flow: Flow| Flow { status: FlowStatus::Draft, ..flow },
        |flow: Flow| Flow { trigger: FlowTrigger::Api, ..flow },
        |flow: Flow| Flow { trigger: FlowTrigger::Webhook(WebhookToken::new([3, 4])), ..flow },
    ] {
        let hooked = Hooked::new();
        let changed = change(hooked.world.flow.clone());
        block_on(&hooked.world.clock, hooked.world.store.update_flow(&hooked.world.flow, &changed, None)).unwrap();
        assert!(!hooked.admits_signed_with(&hooked.secret), "{changed:?}");
    }
}

#[test]
fn the_old_secret_is_good_for_a_day_after_the_rotation() {
    let hooked = Hooked::new();
    hooked.world.clock.advance(1_000);
    let new = hooked.rotate();
    assert_ne!(new.expose_secret(), hooked.secret.expose_secret());
    hooked.world.clock.advance(23 * 3_600 + 59 * 60);
    assert!(hooked.admits_signed_with(&hooked.secret) && hooked.admits_signed_with(&new), "after 23:59 hours");
    hooked.world.clock.advance(2 * 60);
    assert!(!hooked.admits_signed_with(&hooked.secret) && hooked.admits_signed_with(&new), "after 24:01 hours");
    // Of two rotations in a day only the last secret before is good.
    let (second, third) = (hooked.rotate(), hooked.rotate());
    assert!(!hooked.admits_signed_with(&new));
    assert!(hooked.admits_signed_with(&second) && hooked.admits_signed_with(&third));
    let shown = block_on(&hooked.world.clock, hooked.secrets.secret(&hooked.world.flow)).unwrap().unwrap();
    assert_eq!(shown.expose_secret(), third.expose_secret());
}

#[test]
fn two_who_rotate_at_the_same_time_do_not_take_each_others_secret_away() {
    let hooked = Hooked::new();
    let (faster, secrets) = (hooked.world.clone(), hooked.secrets.clone());
    let flow = hooked.world.flow.clone();
    hooked.world.faults.just_before("put_webhook", 1, move || {
        block_on(&faster.clock, secrets.rotate(&faster.entropy, &flow, &actor("usr_ada"))).unwrap();
    });
    let slower =
        block_on(&hooked.world.clock, hooked.secrets.rotate(&hooked.world.entropy, &hooked.world.flow, &actor("usr_bob"))).unwrap_err();
    assert!(matches!(slower, domain::error::ApplicationError::Conflict(_)), "{slower}");
    assert!(hooked.admits_signed_with(&hooked.secret), "what senders have is still good");
}

#[test]
fn a_flow_without_a_webhook_has_no_secret_and_nothing_to_rotate() {
    let world = Deployment::of(&chain(1));
    let secrets = WebhookTriggerSecrets { triggers: world.store.clone(), vault: MemoryVault, clock: world.clock.clone() };
    assert!(block_on(&world.clock, secrets.secret(&world.flow)).unwrap().is_none());
    let refused = block_on(&world.clock, secrets.rotate(&world.entropy, &world.flow, &actor("usr_ada"))).unwrap_err();
    assert_eq!(refused.to_string(), "the flow has no webhook: its triggerType is api");
    // And one that has just left its webhook is no failure of ours.
    let hooked = Hooked::new();
    block_on(&hooked.world.clock, hooked.world.store.delete_webhook(&hooked.token, hooked.world.flow.created_at)).unwrap();
    assert!(block_on(&hooked.world.clock, hooked.secrets.secret(&hooked.world.flow)).unwrap().is_none());
    let refused =
        block_on(&hooked.world.clock, hooked.secrets.rotate(&hooked.world.entropy, &hooked.world.flow, &actor("usr_bob"))).unwrap_err();
    assert!(matches!(refused, domain::error::ApplicationError::Conflict(_)), "{refused}");
}

#[test]
fn a_delivery_that_comes_again_gives_its_run_again_for_three_days_whatever_its_body() {
    let hooked = Hooked::new();
    let first = hooked.deliver(json!({"order": 7, "sentAt": 1}), Some("d-1")).unwrap().unwrap();
    assert_eq!((first.run.trigger, first.run.started_by.as_str(), first.repeated), (Trigger::Webhook, "trigger:webhook", false));
    hooked.world.clock.advance(3 * 24 * 3_600 - 1);
    let again = hooked.deliver(json!({"order": 7, "sentAt": 2}), Some("d-1")).unwrap().unwrap();
    assert_eq!((again.run.id, again.repeated), (first.run.id, true));
    assert_ne!(hooked.deliver(json!({}), Some("d-2")).unwrap().unwrap().run.id, first.run.id);
    assert_ne!(hooked.deliver(json!({}), None).unwrap().unwrap().run.id, first.run.id);
    hooked.world.clock.advance(1);
    assert!(!hooked.deliver(json!({"order": 7}), Some("d-1")).unwrap().unwrap().repeated);
    // An Idempotency-Key of a call of `execute` is another matter.
    assert!(!hooked.world.execute(json!({}), Some("d-2")).unwrap().unwrap().repeated);
    assert_eq!(hooked.world.play_to_end(first.run.id).status, RunStatus::Succeeded);
}

#[test]
fn two_deliveries_of_one_name_at_the_same_time_start_one_run() {
    let hooked = Hooked::new();
    let faster = Hooked { world: hooked.world.clone(), ..Hooked::new() };
    let flow = hooked.world.flow.clone();
    hooked.world.faults.just_before("create", 1, move || {
        let delivery = TriggerDelivery { flow: &flow, trigger_changers: [].into(), input: json!(1), id: Some("d".to_owned()) };
        faster.world.call(faster.world.engine.deliver(&faster.world.entropy, delivery)).unwrap().unwrap();
    });
    assert!(hooked.deliver(json!(2), Some("d")).unwrap().unwrap().repeated);
    assert_eq!(hooked.world.store.all_runs().len(), 1);
}

#[test]
fn a_delivery_that_is_cut_short_anywhere_and_comes_again_has_one_run() {
    for fate in [Fate::FailBefore, Fate::LoseAnswer, Fate::Twice, Fate::CrashBefore, Fate::CrashAfter] {
        for nth in 1..=4 {
            let hooked = Hooked::new();
            hooked.world.faults.strike(nth, fate);
            _ = hooked.deliver(json!({}), Some("d"));
            hooked.world.faults.clear();
            let run = hooked.deliver(json!({}), Some("d")).unwrap().unwrap().run.id;
            assert_eq!(hooked.world.store.all_runs().len(), 1, "{fate:?} of call {nth}");
            assert_eq!(hooked.world.play_to_end(run).status, RunStatus::Succeeded, "{fate:?} of call {nth}");
        }
    }
}

#[test]
fn whoever_made_the_secret_that_a_call_is_signed_with_is_known() {
    let hooked = Hooked::new();
    let makers = |secret: &SecretString| {
        let signature = sign(secret, BODY);
        let call = hooked.secrets.flow_of_call(&hooked.world.store, Some(&hooked.token), BODY, &signature);
        block_on(&hooked.world.clock, call).unwrap().unwrap().1
    };
    let rotate =
        |name: &str| block_on(&hooked.world.clock, hooked.secrets.rotate(&hooked.world.entropy, &hooked.world.flow, &actor(name))).unwrap();
    assert!(makers(&hooked.secret).is_empty(), "it was made before this was kept");
    let bobs = rotate("usr_bob");
    assert_eq!(makers(&bobs), ["usr_bob".to_owned()].into());
    let adas = rotate("usr_ada");
    assert_eq!(makers(&adas), ["usr_ada".to_owned()].into(), "bob does not know this secret");
    assert_eq!(makers(&bobs), ["usr_ada".to_owned(), "usr_bob".to_owned()].into(), "his own works for a day more");
    let delivery = TriggerDelivery { flow: &hooked.world.flow, trigger_changers: makers(&adas), input: json!({}), id: None };
    let started = hooked.world.call(hooked.world.engine.deliver(&hooked.world.entropy, delivery)).unwrap().unwrap();
    assert_eq!(hooked.world.run(started.run.id).trigger_changers, ["usr_ada".to_owned()].into());
}

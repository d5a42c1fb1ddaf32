//! Several approvals are decided in one call: the handler on ports in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::KeyAdmission;
use decide_approvals::{ENDPOINT, handle};
use domain::access::Limits;
use domain::flow::Spec;
use domain::id::RunId;
use domain::json::sha256_hex_of;
use domain::ports::ApiKeys;
use domain::run::RunStatus;
use serde_json::{Value, json};
use testkit::build::{Maker, actor, gate, spec};
use testkit::{Deployment, Fate, block_on};

const SECRET: &str = "qe_sk_sandbox_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn one_gate() -> Value {
    spec(&[gate("review", json!({"assignTo": "user:usr_ada"}))], "")
}

fn deployment() -> Deployment {
    let world = Deployment::of(&one_gate());
    let key = Maker::new(5).key(world.org, actor("usr_ada"), &["approvals:decide"]);
    block_on(&world.clock, world.store.create_key(&key, &sha256_hex_of(SECRET.as_bytes()))).unwrap();
    world
}

fn parked(world: &Deployment) -> RunId {
    let run = world.start(json!({}));
    world.play();
    run
}

/// Returns an item about the approval of a run, as it is shown.
fn item(world: &Deployment, run: RunId, verdict: &str) -> Value {
    let gate = world.gate(run, "review").unwrap();
    let shown = gate.shown_sha256(&Spec::parse(&one_gate()).unwrap());
    json!({"approvalId": gate.id, "shownSha256": shown, "verdict": verdict, "note": "together"})
}

fn send(world: &Deployment, items: &[Value]) -> (u16, Value) {
    let mut event: Value = serde_json::from_str(include_str!("../../../events/decide-approvals/one-of-an-inbox.json")).unwrap();
    let authorization = format!("Bearer {SECRET}");
    event["headers"]["Authorization"] = json!(authorization);
    event["multiValueHeaders"]["Authorization"] = json!([authorization]);
    event["body"] = json!(json!({"items": items}).to_string());
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let admission = KeyAdmission::new(ENDPOINT, world.store.clone(), world.clock.clone(), Limits { reads: 100, writes: 100 });
    let handler = |call| handle(&world.engine, call);
    let answer = block_on(&world.clock, admission.respond(&handler, request));
    (answer.status, answer.body)
}

fn statuses(body: &Value) -> Vec<u64> {
    body["data"]["results"].as_array().unwrap().iter().map(|result| result["status"].as_u64().unwrap()).collect()
}

#[test]
fn each_item_has_a_result_and_a_record_of_its_own() {
    let world = deployment();
    let (yes, no, gone) = (parked(&world), parked(&world), parked(&world));
    world.cancel(gone, "enough").unwrap();
    let changed = json!({"shownSha256": "ab".repeat(32)});
    let unknown = json!({"approvalId": "apr_01M85EXE14SECWM1TBH3987TR1", "shownSha256": "ab".repeat(32), "verdict": "approve"});
    let items = [
        item(&world, yes, "approve"),
        unknown,
        item(&world, gone, "approve"),
        item(&world, no, "reject"),
        testkit::build::with(item(&world, parked(&world), "approve"), changed),
    ];
    let (status, body) = send(&world, &items);
    assert_eq!((status, statuses(&body)), (200, vec![200, 404, 409, 200, 409]), "{body}");
    assert_eq!((&body["data"]["decided"], &body["data"]["refused"]), (&json!(2), &json!(3)));
    let results = &body["data"]["results"];
    for (at, item) in items.iter().enumerate() {
        assert_eq!(results[at]["approvalId"], item["approvalId"], "in the order of the items");
    }
    assert_eq!((&results[0]["decision"]["decision"], &results[0]["decision"]["note"]), (&json!("approved"), &json!("together")));
    assert_eq!(results[3]["decision"]["decision"], json!("rejected"));
    assert_eq!(results[4]["changed"], json!(["shownSha256"]));
    assert_eq!(world.play_to_end(yes).status, RunStatus::Succeeded);
    assert_eq!(world.play_to_end(no).status, RunStatus::Failed);
    let (_, again) = send(&world, &items[..1]);
    assert_eq!(again["data"]["results"][0]["decision"], results[0]["decision"], "a repetition gets what is on record");
}

#[test]
fn what_is_not_reached_in_time_is_reported_and_can_be_sent_again() {
    let world = deployment();
    let items: Vec<Value> = (0..30).map(|_| parked(&world)).map(|run| item(&world, run, "approve")).collect();
    let clock = world.clock.clone();
    world.faults.decide(move |call| {
        if call.name == "commit" {
            clock.advance(2);
        }
        Fate::Pass
    });
    let (status, body) = send(&world, &items);
    world.faults.clear();
    let first = statuses(&body);
    assert_eq!(status, 200);
    assert!(first.contains(&200) && first.contains(&503) && first.iter().all(|status| [200, 503].contains(status)), "{first:?}");
    let late: Vec<Value> = items.iter().zip(&first).filter(|(_, status)| **status == 503).map(|(item, _)| item.clone()).collect();
    let (_, body) = send(&world, &late);
    assert!(statuses(&body).iter().all(|status| *status == 200), "{body}");
}

#[test]
fn an_approval_twice_in_one_call_is_refused_and_decides_nothing() {
    let world = deployment();
    let run = parked(&world);
    let (status, _) = send(&world, &[item(&world, run, "approve"), item(&world, run, "reject")]);
    assert_eq!(status, 400);
    assert!(world.gate(run, "review").unwrap().is_open());
}

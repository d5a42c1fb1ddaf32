//! Who may decide what, how often, until when, and what is kept of it.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

mod common;

use common::at;
use domain::access::Actor;
use domain::flow::{Approval, NodeKind, Spec};
use domain::gate::{Ballot, BallotError, BallotOutcome, Gate, MAX_ACTION_BYTES, Verdict};
use domain::id::{ApprovalId, FlowId, OrgId, RunId};
use domain::step::Payload;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const STARTER: &str = "usr_starter";

/// The rules of a gate whose node has these fields.
fn rules(fields: Value) -> Approval {
    let spec = Spec::parse(&common::spec_json(&[common::gate("review", fields)], "")).unwrap();
    let NodeKind::Approval(rules) = &spec.node(spec.start()).kind else { unreachable!("review is a gate") };
    rules.clone()
}

fn gate(proposed: Value) -> Gate {
    Gate {
        id: ApprovalId::new(at(0), 1),
        run: RunId::new(at(0), 2),
        node: "review".parse().unwrap(),
        org: OrgId::new(at(0), 3),
        flow: FlowId::new(at(0), 4),
        action_label: "Pay".into(),
        proposed_action: Payload::of(proposed),
        data: None,
        assign_to: None,
        opened_at: at(0),
        deadline: at(3_600),
        votes: Vec::new(),
        outcome: None,
        closed_at: None,
        reused_from: None,
    }
}

fn payment() -> Gate {
    gate(json!({"amount": 10, "amounts": [1, 2, 3], "to": {"name": "Ada", "iban": "DE02"}}))
}

/// What downstream nodes read, of a gate that has everything at hand.
fn output(gate: &Gate) -> Option<Value> {
    gate.outcome.as_ref().map(|outcome| outcome.output(outcome.decided_action.value().unwrap()))
}

fn proposed(gate: &Gate) -> Value {
    Value::clone(gate.proposed_action.value().unwrap())
}

fn decided(gate: &Gate) -> Value {
    Value::clone(gate.outcome.as_ref().unwrap().decided_action.value().unwrap())
}

fn actor(id: &str) -> Actor {
    Actor { id: id.into(), roles: ["lead".to_owned()].into(), teams: ["payments".to_owned()].into() }
}

fn approve() -> Ballot {
    Ballot::Approve { action: None, note: None }
}

fn approve_as(action: Value) -> Ballot {
    Ballot::Approve { action: Some(action), note: None }
}

fn reject() -> Ballot {
    Ballot::Reject { note: Some("too much".into()) }
}

/// A vote ten seconds after the gate opened. A refusal must leave the gate as it was.
fn vote(gate: &mut Gate, rules: &Approval, who: &str, ballot: Ballot) -> Result<BallotOutcome, BallotError> {
    vote_at(gate, rules, who, ballot, 10)
}

fn vote_at(gate: &mut Gate, rules: &Approval, who: &str, ballot: Ballot, seconds: u64) -> Result<BallotOutcome, BallotError> {
    let before = gate.clone();
    let result = gate.vote(rules, &[STARTER].into(), &actor(who), ballot, at(seconds));
    if !matches!(result, Ok(BallotOutcome::DecisionResult(_) | BallotOutcome::MoreNeeded)) {
        assert_eq!(*gate, before, "{result:?} changed the gate");
    }
    result
}

const APPROVED: Result<BallotOutcome, BallotError> = Ok(BallotOutcome::DecisionResult(Verdict::Approved));
const REJECTED: Result<BallotOutcome, BallotError> = Ok(BallotOutcome::DecisionResult(Verdict::Rejected));

/// The paths of an override that is refused.
fn refused_paths(gate: &mut Gate, rules: &Approval, action: Value) -> Vec<String> {
    match vote(gate, rules, "usr_eve", approve_as(action)) {
        Err(BallotError::OverrideNotAllowed(errors)) => errors.by_path().keys().cloned().collect(),
        other => vec![format!("{other:?}")],
    }
}

#[test]
fn an_approval_decides_for_the_proposed_action_and_keeps_who_when_and_why() {
    let mut gate = payment();
    assert!(gate.is_open() && output(&gate).is_none());
    let ballot = Ballot::Approve { action: None, note: Some("fine".into()) };
    assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", ballot), APPROVED);
    let outcome = gate.outcome.clone().unwrap();
    assert_eq!((outcome.verdict, outcome.actor.as_deref(), outcome.decided_at, outcome.note.as_deref()), {
        (Verdict::Approved, Some("usr_ada"), at(10), Some("fine"))
    });
    assert_eq!((&outcome.decided_action, &outcome.decided_sha256), (&gate.proposed_action, &outcome.proposed_sha256));
    assert_eq!((gate.is_open(), gate.closed_at), (false, Some(at(10))));
    let expected = json!({"decision": "approved", "proposedAction": proposed(&gate), "note": "fine", "actor": "usr_ada"});
    assert_eq!(output(&gate), Some(expected));
    assert_eq!(gate.patch(), Some(json!([])));
}

#[test]
fn an_override_is_what_downstream_reads_and_the_record_keeps_both() {
    let mut gate = payment();
    let before = gate.proposed_action.clone();
    let action = json!({"amount": 7});
    assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", approve_as(action.clone())), APPROVED);
    assert_eq!(output(&gate).unwrap()["proposedAction"], action);
    assert_eq!((&gate.proposed_action, decided(&gate)), (&before, action));
    assert_ne!(gate.outcome.as_ref().unwrap().proposed_sha256, gate.outcome.as_ref().unwrap().decided_sha256);
}

#[test]
fn a_rejection_decides_and_says_who_and_why() {
    let mut gate = payment();
    assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", reject()), REJECTED);
    assert_eq!(gate.failure_message(), "rejected by usr_ada: too much");
    let expected = json!({"decision": "rejected", "proposedAction": proposed(&gate), "note": "too much", "actor": "usr_ada"});
    assert_eq!(output(&gate), Some(expected));

    let mut silent = payment();
    assert_eq!(vote(&mut silent, &rules(json!({})), "usr_ada", Ballot::Reject { note: None }), REJECTED);
    assert_eq!(silent.failure_message(), "rejected by usr_ada");
}

#[test]
fn an_expiry_is_nobodys_decision() {
    let mut gate = payment();
    gate.expire(at(3_600));
    let outcome = gate.outcome.clone().unwrap();
    assert_eq!((outcome.verdict, outcome.actor, outcome.note, gate.closed_at), (Verdict::Expired, None, None, Some(at(3_600))));
    assert_eq!(gate.failure_message(), "nobody decided before 2026-01-01T01:00:00.000Z");
    let expected = json!({"decision": "expired", "proposedAction": proposed(&gate), "note": null, "actor": null});
    assert_eq!(output(&gate), Some(expected));
    for ballot in [approve(), reject()] {
        assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", ballot), Err(BallotError::AlreadyDecided(Verdict::Expired)));
    }
}

#[test]
fn only_whom_the_gate_is_assigned_to_may_decide() {
    for (assignee, allowed) in [
        ("role:lead", true),
        ("role:payments", false),
        ("team:payments", true),
        ("team:lead", false),
        ("user:usr_ada", true),
        ("user:usr_bob", false),
        ("user:lead", false),
    ] {
        for (ballot, decided) in [(approve(), APPROVED), (reject(), REJECTED)] {
            let mut gate = payment();
            gate.assign_to = Some(assignee.parse().unwrap());
            let expected = if allowed { decided } else { Err(BallotError::NotAssigned(assignee.parse().unwrap())) };
            assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", ballot), expected, "{assignee}");
        }
    }
}

#[test]
fn whoever_started_the_run_is_shut_out_if_another_actor_is_asked_for() {
    for ballot in [approve(), reject()] {
        let mut gate = payment();
        let strict = rules(json!({"requireDifferentActor": true}));
        assert_eq!(vote(&mut gate, &strict, STARTER, ballot.clone()), Err(BallotError::StarterMayNot));
        assert!(vote(&mut gate, &strict, "usr_ada", ballot.clone()).is_ok());
        assert!(vote(&mut payment(), &rules(json!({})), STARTER, ballot).is_ok(), "nobody asked for another actor");
    }
}

#[test]
fn the_same_decision_again_by_the_same_actor_is_a_repetition_and_any_other_comes_too_late() {
    let override_ = || approve_as(json!({"amount": 7}));
    let late = |verdict| Err(BallotError::AlreadyDecided(verdict));
    let rules = rules(json!({}));
    for (first, verdict, same, others) in [
        (approve(), Verdict::Approved, approve(), vec![reject(), override_()]),
        (override_(), Verdict::Approved, override_(), vec![approve(), reject(), approve_as(json!({"amount": 8}))]),
        (reject(), Verdict::Rejected, Ballot::Reject { note: None }, vec![approve(), override_()]),
    ] {
        let mut gate = payment();
        vote(&mut gate, &rules, "usr_ada", first).unwrap();
        assert_eq!(vote(&mut gate, &rules, "usr_ada", same.clone()), Ok(BallotOutcome::Repeated));
        assert_eq!(vote_at(&mut gate, &rules, "usr_ada", same.clone(), 99_999), Ok(BallotOutcome::Repeated), "even after the deadline");
        assert_eq!(vote(&mut gate, &rules, "usr_bob", same), late(verdict), "somebody else");
        for other in others {
            assert_eq!(vote(&mut gate, &rules, "usr_ada", other.clone()), late(verdict), "{other:?}");
        }
    }
}

#[test]
fn an_explicit_override_with_the_proposed_action_is_the_proposed_action() {
    let mut gate = payment();
    let rules = rules(json!({"allowedEdits": []}));
    let same = proposed(&gate);
    assert_eq!(vote(&mut gate, &rules, "usr_ada", approve_as(same)), APPROVED);
    assert_eq!(vote(&mut gate, &rules, "usr_ada", approve()), Ok(BallotOutcome::Repeated));
}

#[test]
fn from_its_deadline_on_a_gate_takes_no_ballot() {
    for ballot in [approve(), reject()] {
        let rules = rules(json!({}));
        let refused = Err(BallotError::Closed("its deadline has passed"));
        assert_eq!(vote_at(&mut payment(), &rules, "usr_ada", ballot.clone(), 3_600), refused);
        assert!(vote_at(&mut payment(), &rules, "usr_ada", ballot, 3_599).is_ok());
    }
}

#[test]
fn a_gate_whose_run_has_ended_takes_no_ballot_and_keeps_when_it_closed() {
    let mut gate = payment();
    gate.close(at(5));
    gate.close(at(6));
    assert_eq!((gate.closed_at, gate.is_open(), output(&gate)), (Some(at(5)), false, None));
    for ballot in [approve(), reject()] {
        assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", ballot), Err(BallotError::Closed("its run has ended")));
    }
}

#[test]
fn closing_a_decided_gate_changes_nothing() {
    let mut gate = payment();
    vote(&mut gate, &rules(json!({})), "usr_ada", approve()).unwrap();
    let before = gate.clone();
    gate.close(at(99));
    assert_eq!(gate, before);
}

#[test]
fn a_quorum_is_reached_when_enough_actors_approve_the_same_action() {
    let three = rules(json!({"requiredApprovals": 3}));
    let mut gate = payment();
    assert_eq!(vote(&mut gate, &three, "usr_ada", approve()), Ok(BallotOutcome::MoreNeeded));
    assert_eq!(vote(&mut gate, &three, "usr_ada", approve()), Ok(BallotOutcome::Repeated), "the same actor counts once");
    assert_eq!(vote(&mut gate, &three, "usr_bob", approve()), Ok(BallotOutcome::MoreNeeded));
    assert!(gate.is_open());
    assert_eq!(vote(&mut gate, &three, "usr_eve", approve()), APPROVED);
    let voters: Vec<_> = gate.votes.iter().map(|vote| vote.actor.as_str()).collect();
    assert_eq!(voters, ["usr_ada", "usr_bob", "usr_eve"]);
    assert_eq!(gate.outcome.as_ref().unwrap().actor.as_deref(), Some("usr_eve"));
    assert_eq!(vote(&mut gate, &three, "usr_ada", approve()), Ok(BallotOutcome::Repeated), "an earlier voter says it again");
    assert_eq!(vote(&mut gate, &three, "usr_zoe", approve()), Err(BallotError::AlreadyDecided(Verdict::Approved)));
}

#[test]
fn all_of_a_quorum_must_approve_the_same_action() {
    let two = rules(json!({"requiredApprovals": 2}));
    let mut gate = payment();
    assert_eq!(vote(&mut gate, &two, "usr_ada", approve_as(json!({"amount": 7}))), Ok(BallotOutcome::MoreNeeded));
    assert_eq!(vote(&mut gate, &two, "usr_bob", approve()), Err(BallotError::ActionDiffers));
    assert_eq!(vote(&mut gate, &two, "usr_bob", approve_as(json!({"amount": 8}))), Err(BallotError::ActionDiffers));
    assert_eq!(vote(&mut gate, &two, "usr_ada", approve()), Err(BallotError::AlreadyDecided(Verdict::Approved)), "it approved another");
    assert_eq!(vote(&mut gate, &two, "usr_bob", approve_as(json!({"amount": 7}))), APPROVED);
    assert_eq!(decided(&gate), json!({"amount": 7}));
}

#[test]
fn the_first_rejection_of_a_quorum_rejects_even_by_one_who_had_approved() {
    for who in ["usr_ada", "usr_bob"] {
        let mut gate = payment();
        let three = rules(json!({"requiredApprovals": 3}));
        vote(&mut gate, &three, "usr_ada", approve()).unwrap();
        assert_eq!(vote(&mut gate, &three, who, reject()), REJECTED);
        assert_eq!(vote(&mut gate, &three, "usr_ada", approve()), Err(BallotError::AlreadyDecided(Verdict::Rejected)));
        assert_eq!(gate.failure_message(), format!("rejected by {who}: too much"));
    }
}

#[test]
fn an_override_must_satisfy_the_schema_and_the_refusal_names_every_place() {
    let schema = json!({"type": "object", "properties": {"amount": {"maximum": 50}, "to": {"type": "object", "properties": {"name": {"type": "string"}}}}, "required": ["to"]});
    let rules = rules(json!({"overrideSchema": schema}));
    let field = "proposedActionOverride";
    let mut gate = payment();
    assert_eq!(
        refused_paths(&mut gate, &rules, json!({"amount": 51, "to": {"name": 3}})),
        [format!("{field}/amount"), format!("{field}/to/name")]
    );
    assert_eq!(refused_paths(&mut gate, &rules, json!({"amount": 1})), [field]);
    assert_eq!(refused_paths(&mut gate, &rules, json!(null)), [field]);
    assert_eq!(vote(&mut gate, &rules, "usr_eve", approve_as(json!({"amount": 50, "to": {}}))), APPROVED);
}

#[test]
fn the_schema_is_for_overrides_and_not_for_what_the_flow_proposed() {
    let rules = rules(json!({"overrideSchema": {"properties": {"amount": {"maximum": 5}}}}));
    assert_eq!(vote(&mut payment(), &rules, "usr_ada", approve()), APPROVED);
}

#[test]
fn an_override_may_change_only_what_is_at_or_below_an_allowed_pointer() {
    let proposed = || json!({"amount": 10, "amounts": [1, 2, 3], "a/b": 1, "to": {"name": "Ada", "iban": "DE02"}});
    let change = |pointer: &str, value: Value| {
        let mut action = proposed();
        *action.pointer_mut(pointer).unwrap() = value;
        action
    };
    let without = |parent: &str, key: &str| {
        let mut action = proposed();
        action.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key);
        action
    };
    let with = |parent: &str, key: &str| {
        let mut action = proposed();
        action.pointer_mut(parent).unwrap()[key] = json!("new");
        action
    };
    for (allowed, action, refused) in [
        // At a pointer, and names that only begin like it.
        (json!(["/amount"]), change("/amount", json!(11)), vec![]),
        (json!(["/amount"]), change("/amounts", json!([])), vec!["/amounts/0", "/amounts/1", "/amounts/2"]),
        (json!(["/amounts"]), change("/amount", json!(11)), vec!["/amount"]),
        (json!(["/a"]), change("/amount", json!(11)), vec!["/amount"]),
        (json!(["/a"]), change("/a~1b", json!(2)), vec!["/a~1b"]),
        (json!(["/a~1b"]), change("/a~1b", json!(2)), vec![]),
        (json!(["/to/name"]), change("/to/iban", json!("FR")), vec!["/to/iban"]),
        (json!(["/to/name"]), with("/to", "name2"), vec!["/to/name2"]),
        // Below a pointer, above it, and the whole.
        (json!(["/to"]), change("/to/iban", json!("FR")), vec![]),
        (json!(["/to"]), change("/to", json!("gone")), vec![]),
        (json!(["/to/name"]), change("/to", json!("gone")), vec!["/to"]),
        (json!(["/to/name"]), without("", "to"), vec!["/to"]),
        (json!(["/to/name"]), change("/to", json!([])), vec!["/to"]),
        (json!([""]), json!("anything"), vec![]),
        (json!(["/amount"]), json!("anything"), vec![""]),
        // What appears and disappears.
        (json!(["/note"]), with("", "note"), vec![]),
        (json!(["/amount"]), with("", "note"), vec!["/note"]),
        (json!(["/amount"]), without("", "amount"), vec![]),
        (json!(["/amount"]), change("/amount", json!(null)), vec![]),
        // Nothing is allowed; numbers that only look alike are a change.
        (json!([]), change("/amount", json!(11)), vec!["/amount"]),
        (json!([]), change("/amount", json!(10.0)), vec!["/amount"]),
        // Several at once.
        (json!(["/amount"]), json!({"amount": 1, "amounts": [1, 2, 3], "to": {"name": "Eve"}}), vec!["/a~1b", "/to/iban", "/to/name"]),
    ] {
        let rules = rules(json!({"allowedEdits": allowed}));
        let mut gate = gate(proposed());
        if refused.is_empty() {
            assert_eq!(vote(&mut gate, &rules, "usr_eve", approve_as(action.clone())), APPROVED, "{allowed} {action}");
        } else {
            let expected: Vec<_> = refused.iter().map(|path| format!("proposedActionOverride{path}")).collect();
            assert_eq!(refused_paths(&mut gate, &rules, action.clone()), expected, "{allowed} {action}");
        }
    }
}

#[test]
fn an_allowed_place_in_an_array_does_not_allow_its_neighbours_to_move_there() {
    for (allowed, action, refused) in [
        ("/1", json!([1, 9, 3]), vec![]),
        ("/1", json!([1, 9, 4]), vec!["/2"]),
        // Removals and insertions move what follows.
        ("/1", json!([1, 3]), vec!["/2"]),
        ("/1", json!([1]), vec!["/2"]),
        ("/0", json!([2, 3]), vec!["/1", "/2"]),
        ("/0", json!([]), vec!["/1", "/2"]),
        ("/0", json!([0, 1, 2, 3]), vec!["/1", "/2", "/3"]),
        ("/2", json!([1, 2]), vec![]),
        ("/3", json!([1, 2, 3, 4]), vec![]),
        ("/3", json!([1, 2, 3, 4, 5]), vec!["/4"]),
        ("", json!([]), vec![]),
    ] {
        let rules = rules(json!({"allowedEdits": [allowed]}));
        let mut gate = gate(json!([1, 2, 3]));
        if refused.is_empty() {
            assert_eq!(vote(&mut gate, &rules, "usr_eve", approve_as(action.clone())), APPROVED, "{allowed} {action}");
        } else {
            let expected: Vec<_> = refused.iter().map(|path| format!("proposedActionOverride{path}")).collect();
            assert_eq!(refused_paths(&mut gate, &rules, action.clone()), expected, "{allowed} {action}");
        }
    }
}

#[test]
fn an_override_that_is_too_large_is_refused() {
    let fits = Value::from("x".repeat(MAX_ACTION_BYTES - 2));
    assert_eq!(vote(&mut payment(), &rules(json!({})), "usr_eve", approve_as(fits)), APPROVED);
    let beyond = Value::from("x".repeat(MAX_ACTION_BYTES - 1));
    assert_eq!(refused_paths(&mut payment(), &rules(json!({})), beyond), ["proposedActionOverride"]);
}

#[test]
fn the_hashes_are_of_known_canonical_texts() {
    let hash = |text: &str| hex::encode(Sha256::digest(text));
    let mut gate = gate(json!({"z": {"b": [1, 2.5, "ü\n"], "a": null}, "amount": 10}));
    vote(&mut gate, &rules(json!({})), "usr_ada", approve_as(json!({"amount": 7, "A": true}))).unwrap();
    let outcome = gate.outcome.unwrap();
    assert_eq!(outcome.proposed_sha256, hash(r#"{"amount":10,"z":{"a":null,"b":[1,2.5,"ü\n"]}}"#));
    assert_eq!(outcome.decided_sha256, hash(r#"{"A":true,"amount":7}"#));
    assert_eq!(gate.votes[0].action_sha256, outcome.decided_sha256);
}

/// Canonical JSON, written down a second time: `serde_json` keeps the keys of its maps sorted in this build.
fn independent_sha256(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut keys: Vec<_> = fields.keys().collect();
                keys.sort();
                keys.into_iter().map(|key| (key.clone(), sorted(&fields[key]))).collect::<serde_json::Map<_, _>>().into()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    hex::encode(Sha256::digest(serde_json::to_string(&sorted(value)).unwrap()))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0i64..3).prop_map(Value::from),
        (-4.0..4.0f64).prop_map(Value::from),
        "[a-c~/\"ü ]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            // Few keys, so that two values often have some in common, and awkward ones, so that pointers are escaped.
            proptest::collection::btree_map("[ab~/0]{0,2}", inner, 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Every place at which two values differ: found by trying all pointers into both.
fn differing_places(before: &Value, after: &Value) -> Vec<String> {
    fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        match value {
            Value::Object(fields) => {
                for (key, item) in fields {
                    pointers(item, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found);
                }
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    pointers(item, &format!("{path}/{at}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    pointers(before, "", &mut found);
    pointers(after, "", &mut found);
    found.retain(|path| before.pointer(path) != after.pointer(path));
    found
}

proptest! {
    #[test]
    fn the_record_has_the_hashes_of_both_actions_and_the_patch_between_them(proposed in any_json(), decided in any_json()) {
        let mut gate = gate(proposed.clone());
        prop_assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", approve_as(decided.clone())), APPROVED);
        let outcome = gate.outcome.clone().unwrap();
        prop_assert_eq!(&outcome.proposed_sha256, &independent_sha256(&proposed));
        prop_assert_eq!(&outcome.decided_sha256, &independent_sha256(&decided));
        let mut patched = proposed;
        json_patch::patch(&mut patched, &serde_json::from_value::<json_patch::Patch>(gate.patch().unwrap()).unwrap()).unwrap();
        prop_assert_eq!(&patched, &decided);
        prop_assert_eq!(&output(&gate).unwrap()["proposedAction"], &decided);
    }

    /// Whatever is approved under `allowedEdits` is the proposed action everywhere but at and below the allowed pointers.
    #[test]
    fn an_override_that_is_let_through_differs_only_where_it_may(proposed in any_json(), decided in any_json(), pick in any::<prop::sample::Index>()) {
        let places = differing_places(&proposed, &decided);
        prop_assume!(!places.is_empty());
        let allowed = pick.get(&places);
        let result = vote(&mut gate(proposed.clone()), &rules(json!({"allowedEdits": [allowed]})), "usr_ada", approve_as(decided.clone()));
        let covered = |place: &String| place == allowed || place.starts_with(&format!("{allowed}/"));
        // Above the pointer the two differ of course, by what is below; a place that is covered need not be looked at.
        let above = |place: &String| allowed.starts_with(&format!("{place}/"));
        let same_shape = |place: &String| {
            let pair = (proposed.pointer(place), decided.pointer(place));
            matches!(pair, (Some(Value::Object(_)), Some(Value::Object(_))) | (Some(Value::Array(_)), Some(Value::Array(_))))
        };
        let fine = places.iter().all(|place| covered(place) || (above(place) && same_shape(place)));
        prop_assert_eq!(result == APPROVED, fine, "{:?} {:?}", result, places);
    }

    /// However many vote, in whatever way: a gate is decided at most once, and what is decided never changes again.
    #[test]
    fn a_gate_is_decided_once(ballots in proptest::collection::vec((0..4u8, 0..4u8), 0..24), required in 1..4u32) {
        let rules = rules(json!({"requiredApprovals": required}));
        let mut gate = payment();
        let mut decided: Option<Gate> = None;
        for (who, what) in ballots {
            let ballot = match what {
                0 => approve(),
                1 => reject(),
                amount => approve_as(json!({"amount": amount})),
            };
            let result = vote(&mut gate, &rules, &format!("usr_{who}"), ballot);
            if let Ok(BallotOutcome::DecisionResult(verdict)) = result {
                prop_assert!(decided.is_none(), "decided twice");
                prop_assert_eq!(gate.outcome.as_ref().map(|outcome| outcome.verdict), Some(verdict));
                if verdict == Verdict::Approved {
                    let voters: std::collections::BTreeSet<_> = gate.votes.iter().map(|vote| &vote.actor).collect();
                    prop_assert_eq!(voters.len(), required as usize, "each voter counts once");
                    let hash = &gate.outcome.as_ref().unwrap().decided_sha256;
                    prop_assert!(gate.votes.iter().all(|vote| vote.action_sha256 == *hash));
                }
                decided = Some(gate.clone());
            }
            if let Some(decided) = &decided {
                prop_assert_eq!(&gate, decided);
            }
        }
    }
}

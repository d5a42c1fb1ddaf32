//! Actions of up to 1 MB: which payloads of a gate are offloaded, and what its record says nevertheless.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

mod common;

use common::{actor_in, at};
use domain::flow::{Approval, NodeKind, Spec};
use domain::gate::{Action, Ballot, BallotError, BallotOutcome, Gate, MAX_PATCH_BYTES, Part, Verdict};
use domain::id::{ApprovalId, FlowId, OrgId, RunId};
use domain::json::canonical;
use domain::step::{MAX_INLINE_BYTES, ObjectRef, Payload};
use proptest::prelude::*;
use serde_json::{Value, json};

const KB: usize = 1024;
/// What an item of the table has room for.
const ROOM: usize = 400 * KB;

fn rules(fields: Value) -> Approval {
    let spec = Spec::stored(&common::spec_json(&[common::gate("review", fields)], "")).unwrap();
    let NodeKind::Approval(rules) = &spec.node(spec.start()).kind else { unreachable!("review is a gate") };
    rules.clone()
}

/// Returns a value with exactly this many bytes of JSON.
fn of_bytes(bytes: usize, fill: &str) -> Value {
    let value = json!({"n": 1, "text": fill.repeat(bytes - r#"{"n":1,"text":""}"#.len())});
    assert_eq!(canonical(&value).len(), bytes);
    value
}

fn gate(proposed: Value, data: Option<Value>) -> Gate {
    Gate {
        id: ApprovalId::new(at(0), 1),
        run: RunId::new(at(0), 2),
        node: "review".parse().unwrap(),
        org: OrgId::new(at(0), 3),
        flow: FlowId::new(at(0), 4),
        action_label: "Pay".into(),
        proposed_action: Payload::of(proposed),
        data: data.map(Payload::of),
        assign_to: None,
        opened_at: at(0),
        deadline: at(3_600),
        votes: Vec::new(),
        edited: None,
        outcome: None,
        changes: None,
        closed_at: None,
        reused_from: None,
        basis: domain::gate::Basis::default(),
        reassignments: Vec::new(),
        reminders: Vec::new(),
    }
}

/// As a store does it.
fn offload(gate: &mut Gate) -> Vec<Part> {
    let offloaded = gate.offloaded();
    for (part, payload) in &offloaded {
        let object = ObjectRef { key: payload.sha256(), bytes: payload.bytes() as u64, sha256: payload.sha256() };
        gate.put(*part, Payload::Stored(object));
    }
    assert!(gate.fits());
    offloaded.into_iter().map(|(part, _)| part).collect()
}

fn approve(gate: &mut Gate, rules: &Approval, action: Option<Value>) -> Result<BallotOutcome, BallotError> {
    let ada = actor_in("usr_ada", &[], &[]);
    gate.vote(rules, &[].into(), &ada, Ballot::Approve { action: action.map(|action| Action::new(action).unwrap()), note: None }, at(10))
}

#[test]
fn what_fits_into_100_kb_together_stays_in_the_record_and_of_the_rest_the_largest_goes_first() {
    for (proposed, data, offloaded) in [
        (99 * KB, KB, vec![]),
        (99 * KB, KB + 1, vec![Part::ProposedAction]),
        (KB + 1, 99 * KB, vec![Part::Data]),
        (60 * KB, 50 * KB, vec![Part::ProposedAction]),
        (101 * KB, 99 * KB, vec![Part::ProposedAction]),
        (500 * KB, 101 * KB, vec![Part::ProposedAction, Part::Data]),
    ] {
        let mut gate = gate(of_bytes(proposed, "x"), Some(of_bytes(data, "y")));
        let before = gate.clone();
        assert_eq!(offload(&mut gate), offloaded, "{proposed} and {data}");
        assert_eq!((gate.proposed_action.sha256(), gate.proposed_action.bytes()), (before.proposed_action.sha256(), proposed));
        // An offloaded payload stays offloaded: to write the gate once more finds the same.
        assert_eq!(offload(&mut gate), offloaded);
    }
}

#[test]
fn bytes_count_and_not_characters() {
    let mut gate = gate(Value::from("ü".repeat(50 * KB)), None);
    assert_eq!(gate.proposed_action.bytes(), 100 * KB + 2);
    assert_eq!(offload(&mut gate), [Part::ProposedAction]);
}

#[test]
fn an_action_that_lies_elsewhere_is_approved_by_its_hash() {
    let mut gate = gate(of_bytes(300 * KB, "x"), None);
    offload(&mut gate);
    assert_eq!(approve(&mut gate, &rules(json!({"allowedEdits": []})), None), Ok(BallotOutcome::Decided(Verdict::Approved)));
    let outcome = gate.outcome.clone().unwrap();
    assert_eq!((&outcome.decided_action, &outcome.decided_sha256), (&gate.proposed_action, &outcome.proposed_sha256));
    assert_eq!((gate.patch(), outcome.patch), (Some(json!([])), None));
    assert_eq!(offload(&mut gate), [Part::ProposedAction], "the decided action is the same object");
}

#[test]
fn an_override_cannot_be_allowed_without_the_action_that_it_replaces() {
    let action = of_bytes(300 * KB, "x");
    let mut gate = gate(action.clone(), None);
    offload(&mut gate);
    let mut edited = action.clone();
    edited["n"] = json!(2);
    let rules = rules(json!({"allowedEdits": ["/n"]}));
    assert!(matches!(approve(&mut gate, &rules, Some(edited.clone())), Err(BallotError::OverrideNotAllowed(_))));
    gate.proposed_action = Payload::of(action);
    assert_eq!(approve(&mut gate, &rules, Some(edited)), Ok(BallotOutcome::Decided(Verdict::Approved)));
}

#[test]
fn the_patch_between_large_actions_is_kept_while_they_are_at_hand() {
    let action = of_bytes(300 * KB, "x");
    let mut edited = action.clone();
    edited["n"] = json!(2);
    let mut gate = gate(action, None);
    approve(&mut gate, &rules(json!({})), Some(edited)).unwrap();
    assert_eq!(offload(&mut gate), [Part::ProposedAction, Part::DecidedAction]);
    assert_eq!(gate.patch(), Some(json!([{"op": "replace", "path": "/n", "value": 2}])));
}

#[test]
fn a_large_edited_action_is_offloaded_and_moves_into_the_decision() {
    let two = rules(json!({"requiredApprovals": 2}));
    let action = of_bytes(300 * KB, "x");
    let mut edited = action.clone();
    edited["n"] = json!(2);
    let mut gate = gate(action, None);
    assert_eq!(approve(&mut gate, &two, Some(edited)), Ok(BallotOutcome::MoreNeeded));
    assert_eq!(offload(&mut gate), [Part::ProposedAction, Part::EditedAction]);
    let patch = json!([{"op": "replace", "path": "/n", "value": 2}]);
    assert_eq!(gate.voted_patch(), Some(patch.clone()));
    let bob = actor_in("usr_bob", &[], &[]);
    let ballot = Ballot::ApproveVoted { sha256: gate.votes[0].action_sha256.clone(), note: None };
    assert_eq!(gate.vote(&two, &[].into(), &bob, ballot, at(11)), Ok(BallotOutcome::Decided(Verdict::Approved)));
    assert_eq!((gate.patch(), gate.fits(), &gate.edited), (Some(patch), true, &None), "nothing is fetched for it");
}

#[test]
fn a_patch_of_more_than_100_kb_is_neither_kept_nor_shown() {
    for bytes in [60 * KB, 300 * KB] {
        let numbers = |number: i32| json!(vec![number; bytes / 2]);
        let mut gate = gate(numbers(1), None);
        approve(&mut gate, &rules(json!({})), Some(numbers(2))).unwrap();
        assert_eq!((&gate.outcome.as_ref().unwrap().patch, gate.patch()), (&None, None), "{bytes}");
    }
}

#[test]
fn a_complaint_about_a_large_override_does_not_repeat_it() {
    let rules = rules(json!({"overrideSchema": {"items": {"type": "object"}}}));
    let action = Value::from(vec![Value::from("ü".repeat(2_000)); 200]);
    let Err(BallotError::OverrideNotAllowed(errors)) = approve(&mut gate(json!(1), None), &rules, Some(action)) else {
        panic!("it breaks the schema")
    };
    assert_eq!(errors.by_path().len(), 100);
    assert!(errors.by_path().values().flatten().all(|text| text.len() <= 1_100));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the sizes, the record fits into an item together with twenty votes and their notes, and the hashes are those of the actions.
    #[test]
    fn a_record_always_fits(proposed in 20..900 * KB, data in 20..100 * KB, decided in 20..1_000 * KB, edits in 1..2_000usize) {
        let (action, mut edited) = (of_bytes(proposed, "x"), of_bytes(decided, "z"));
        edited["n"] = json!(vec![7; edits]);
        let (action_sha256, edited_sha256) = (Payload::of(action.clone()).sha256(), Payload::of(edited.clone()).sha256());
        let mut gate = gate(action, Some(of_bytes(data, "y")));
        prop_assume!(canonical(&edited).len() <= domain::gate::MAX_ACTION_BYTES);
        offload(&mut gate);
        let at_hand = gate.clone();
        gate.proposed_action = Payload::of(of_bytes(proposed, "x"));
        approve(&mut gate, &rules(json!({})), Some(edited)).unwrap();
        gate.proposed_action = at_hand.proposed_action;
        offload(&mut gate);
        let outcome = gate.outcome.clone().unwrap();
        prop_assert_eq!((&outcome.proposed_sha256, &outcome.decided_sha256), (&action_sha256, &edited_sha256));
        prop_assert_eq!((gate.proposed_action.sha256(), outcome.decided_action.sha256()), (action_sha256, edited_sha256));
        let inline = |payload: &Payload| payload.value().map_or(0, |value| canonical(value).len());
        let patch = outcome.patch.as_ref().map_or(0, |patch| canonical(patch).len());
        let asked = inline(&gate.proposed_action) + gate.data.as_ref().map_or(0, inline);
        prop_assert!(asked <= MAX_INLINE_BYTES && inline(&outcome.decided_action) + patch <= MAX_INLINE_BYTES.max(MAX_PATCH_BYTES));
        let votes = 20 * (domain::gate::MAX_LABEL_BYTES + 500);
        prop_assert!(asked + inline(&outcome.decided_action) + patch + votes + 3 * domain::gate::MAX_LABEL_BYTES < ROOM);
    }
}

//! Voting: who may decide a gate, how often, until when, and what the record keeps of it.

mod common;

use common::at;
use common::gates::{
    APPROVED, REJECTED, STARTER, actor, approve, approve_as, decided, output, payment, proposed, reject, rules, vote, vote_at, vote_by,
};
use domain::access::Actor;
use domain::gate::{Ballot, BallotError, BallotOutcome, Gate, Verdict};
use proptest::prelude::*;
use serde_json::json;

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
fn an_expiry_is_a_decision_without_an_actor() {
    let mut gate = payment();
    gate.expire(at(3_600));
    let outcome = gate.outcome.clone().unwrap();
    assert_eq!((outcome.verdict, outcome.actor, outcome.note, gate.closed_at), (Verdict::Expired, None, None, Some(at(3_600))));
    assert_eq!(gate.failure_message(), "no decision was made before 2026-01-01T01:00:00.000Z");
    let expected = json!({"decision": "expired", "proposedAction": proposed(&gate), "note": null, "actor": null});
    assert_eq!(output(&gate), Some(expected));
    for ballot in [approve(), reject()] {
        assert_eq!(vote(&mut gate, &rules(json!({})), "usr_ada", ballot), Err(BallotError::AlreadyDecided(Verdict::Expired)));
    }
}

#[test]
fn only_the_assignee_of_a_gate_may_decide() {
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
fn the_starter_of_the_run_is_excluded_if_another_actor_is_required() {
    for ballot in [approve(), reject()] {
        let mut gate = payment();
        let strict = rules(json!({"requireDifferentActor": true}));
        assert_eq!(vote(&mut gate, &strict, STARTER, ballot.clone()), Err(BallotError::StarterMayNot));
        assert!(vote(&mut gate, &strict, "usr_ada", ballot.clone()).is_ok());
        assert!(vote(&mut payment(), &rules(json!({})), STARTER, ballot).is_ok(), "another actor is not required");
    }
}

#[test]
fn the_same_decision_again_by_the_same_actor_is_a_repetition_and_any_other_is_too_late() {
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
        assert_eq!(vote(&mut gate, &rules, "usr_bob", same), late(verdict), "another actor");
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

fn by_hash(sha256: &str) -> Ballot {
    Ballot::ApproveVoted { sha256: sha256.to_owned(), note: None }
}

#[test]
fn an_edited_vote_is_kept_and_its_action_can_be_approved_by_its_hash() {
    let two = rules(json!({"requiredApprovals": 2}));
    let mut gate = payment();
    assert_eq!(vote(&mut gate, &two, "usr_ada", approve_as(json!({"amount": 7}))), Ok(BallotOutcome::MoreNeeded));
    let (sha256, proposed_sha256) = (gate.votes[0].action_sha256.clone(), gate.proposed_action.sha256());
    assert_eq!(
        (gate.voted_action().value().map(AsRef::as_ref), gate.voted_action().sha256()),
        (Some(&json!({"amount": 7})), sha256.clone())
    );
    assert!(gate.voted_patch().unwrap().as_array().is_some_and(|patch| !patch.is_empty()));
    assert_eq!(vote(&mut gate, &two, "usr_bob", by_hash(&"0".repeat(64))), Err(BallotError::UnknownAction));
    assert_eq!(vote(&mut gate, &two, "usr_bob", by_hash(&proposed_sha256)), Err(BallotError::ActionDiffers));
    assert_eq!(vote(&mut gate, &two, "usr_ada", by_hash(&sha256)), Ok(BallotOutcome::Repeated));
    assert_eq!(vote(&mut gate, &two, "usr_bob", by_hash(&sha256)), APPROVED);
    assert_eq!((decided(&gate), gate.edited.clone()), (json!({"amount": 7}), None), "the decision has the action");
    assert_eq!((gate.voted_action().sha256(), gate.voted_patch()), (sha256.clone(), gate.patch()));
    assert_eq!(vote(&mut gate, &two, "usr_bob", by_hash(&sha256)), Ok(BallotOutcome::Repeated));
}

#[test]
fn the_proposed_action_can_be_approved_by_its_hash() {
    let mut gate = payment();
    let sha256 = gate.proposed_action.sha256();
    assert_eq!(vote(&mut gate, &rules(json!({"allowedEdits": []})), "usr_ada", by_hash(&sha256)), APPROVED);
    assert!(gate.outcome.as_ref().unwrap().is_as_proposed());
    assert_eq!(gate.voted_patch(), Some(json!([])));
}

#[test]
fn a_rejection_leaves_the_action_of_an_edited_vote_on_record() {
    let two = rules(json!({"requiredApprovals": 2}));
    let mut gate = payment();
    vote(&mut gate, &two, "usr_ada", approve_as(json!({"amount": 7}))).unwrap();
    assert_eq!(vote(&mut gate, &two, "usr_bob", reject()), REJECTED);
    assert_eq!(gate.voted_action().value().map(AsRef::as_ref), Some(&json!({"amount": 7})));
    assert!(gate.outcome.as_ref().unwrap().is_as_proposed(), "a rejection decides about the proposed action");
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

fn member(id: &str, roles: &[&str]) -> Actor {
    Actor { roles: roles.iter().map(|role| (*role).to_owned()).collect(), ..actor(id) }
}

#[test]
fn a_quorum_by_groups_needs_one_person_for_each_place_in_whatever_order_they_come() {
    let two = rules(json!({"requiredApprovals": [{"from": "role:finance", "count": 1}, {"from": "role:legal", "count": 1}]}));
    let (both, finance) = (member("usr_ada", &["finance", "legal"]), member("usr_bob", &["finance"]));
    for (first, second) in [(&both, &finance), (&finance, &both)] {
        let mut gate = payment();
        assert_eq!(vote_by(&mut gate, &two, first, approve()), Ok(BallotOutcome::MoreNeeded));
        assert_eq!(vote_by(&mut gate, &two, first, approve()), Ok(BallotOutcome::Repeated), "one person fills one place");
        assert_eq!(vote_by(&mut gate, &two, second, approve()), APPROVED, "{} then {}", first.id, second.id);
    }
    let mut gate = payment();
    vote_by(&mut gate, &two, &finance, approve()).unwrap();
    assert_eq!(gate.votes[0].groups, ["role:finance".parse().unwrap()]);
    let other = member("usr_eve", &["finance"]);
    for ballot in [approve(), reject()] {
        assert_eq!(vote_by(&mut gate, &two, &other, ballot), Err(BallotError::NoPlace("role:legal".to_owned())));
    }
    assert_eq!(vote_by(&mut gate, &two, &both, reject()), REJECTED, "whoever can fill a place may reject");
}

#[test]
fn a_quorum_by_groups_shuts_out_those_who_are_in_none_and_the_assignee_counts_too() {
    let two = rules(json!({"requiredApprovals": [{"from": "role:finance"}, {"from": "role:legal"}]}));
    let mut gate = payment();
    for ballot in [approve(), reject()] {
        let stranger = member("usr_zoe", &["sales"]);
        assert_eq!(vote_by(&mut gate, &two, &stranger, ballot), Err(BallotError::NoPlace("role:finance or role:legal".to_owned())));
    }
    gate.assign_to = Some("team:emea".parse().unwrap());
    let elsewhere = member("usr_bob", &["finance"]);
    assert_eq!(vote_by(&mut gate, &two, &elsewhere, approve()), Err(BallotError::NotAssigned("team:emea".parse().unwrap())));
    let there = Actor { teams: ["emea".to_owned()].into(), ..member("usr_eve", &["finance"]) };
    assert_eq!(vote_by(&mut gate, &two, &there, approve()), Ok(BallotOutcome::MoreNeeded));
    assert_eq!(vote_by(&mut gate, &two, &there, reject()), REJECTED, "somebody who has voted may still reject");
}

proptest! {
    /// A gate is decided at most once, whatever the ballots, and the decision never changes.
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
            if let Ok(BallotOutcome::Decided(verdict)) = result {
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

/// Returns an actor whose key `maker` has made.
fn made_by(maker: &str, id: &str) -> domain::access::Actor {
    let mut actor = common::gates::actor(id);
    actor.principals.insert(maker.to_owned());
    actor
}

#[test]
fn a_quorum_counts_people_and_not_the_names_that_they_act_under() {
    let two = rules(json!({"requiredApprovals": 2}));
    let ballot = |gate: &mut Gate, actor| gate.vote(&two, &[STARTER].into(), &actor, approve(), at(10));
    let mut gate = payment();
    assert_eq!(ballot(&mut gate, made_by("usr_eve", "usr_cfo_1")), Ok(BallotOutcome::MoreNeeded));
    assert_eq!(ballot(&mut gate, made_by("usr_eve", "usr_cfo_1")), Ok(BallotOutcome::Repeated));
    for other in [made_by("usr_eve", "usr_cfo_2"), common::gates::actor("usr_eve"), made_by("usr_cfo_1", "usr_x")] {
        assert_eq!(ballot(&mut gate, other), Err(BallotError::SamePerson("usr_cfo_1".to_owned())));
    }
    assert_eq!(gate.votes.len(), 1);
    assert_eq!(ballot(&mut gate, common::gates::actor("usr_ada")), APPROVED);
    let outcome = gate.outcome.unwrap();
    assert_eq!((outcome.principals.len(), outcome.identity.is_some()), (0, true));
    assert_eq!(gate.votes[0].principals, ["usr_cfo_1".to_owned(), "usr_eve".to_owned()].into());
}

#[test]
fn whoever_made_the_starters_key_or_changed_the_trigger_is_not_a_different_actor() {
    let strict = rules(json!({"requireDifferentActor": true}));
    let mut story = common::Story::of(&[common::gate("review", json!({}))], "");
    let gate = payment();
    story.run.starter_principals = [STARTER.to_owned(), "usr_eve".to_owned()].into();
    story.run.trigger_changers = ["usr_bob".to_owned(), "usr_root".to_owned()].into();
    let excluded = |rules, actor| gate.exclusion(rules, &story.run, &actor);
    for id in [STARTER, "usr_eve"] {
        assert_eq!(excluded(&strict, common::gates::actor(id)), Some(BallotError::StarterMayNot), "{id}");
        assert_eq!(excluded(&strict, made_by(id, "usr_other")), Some(BallotError::StarterMayNot), "{id}");
    }
    for id in ["usr_bob", "usr_root"] {
        assert_eq!(excluded(&strict, common::gates::actor(id)), Some(BallotError::TriggerChangerMayNot), "{id}");
    }
    for actor in [common::gates::actor("usr_ada"), made_by("usr_linus", "usr_ada")] {
        assert_eq!(excluded(&strict, actor), None);
    }
    assert_eq!(excluded(&rules(json!({})), common::gates::actor(STARTER)), None);
}

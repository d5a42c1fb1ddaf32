//! Gates: an action is proposed, someone entitled decides, once, and the record of it stays for good.

mod large;
mod patch;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::access::{Actor, Assignee};
use crate::flow::{Approval, NodeId, word_enum};
use crate::id::{ApprovalId, FlowId, OrgId, RunId};
use crate::json::{canonical, sha256_hex};
use crate::problem::FieldErrors;
use crate::request::Question;
use crate::run::Run;
use crate::step::Payload;
use crate::time::Time;

pub use large::Part;
pub use patch::MAX_PATCH_BYTES;

/// The most bytes of JSON that a proposed action and the data shown beside it may have together, and an override by itself.
pub const MAX_ACTION_BYTES: usize = 1024 * 1024;
/// The most bytes that the text above a proposed action may have, and the name of an assignee.
pub const MAX_LABEL_BYTES: usize = 4_000;
/// So many places at which an override breaks its schema are named.
const MAX_PROBLEMS: usize = 100;
/// What is said about one of them has at most so many bytes.
const MAX_COMPLAINT_BYTES: usize = 1_000;

word_enum!(
    /// How a gate was decided.
    Verdict {
        /// The action may be executed, as proposed or as overridden.
        Approved = "approved",
        /// It may not.
        Rejected = "rejected",
        /// Nobody decided in time. Not a rejection: nobody said no.
        Expired = "expired",
    }
);

/// One approval of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// Its public name; task tokens never leave the store.
    pub id: ApprovalId,
    /// The run that waits.
    pub run: RunId,
    /// The node that waits.
    pub node: NodeId,
    /// Whose run it is.
    pub org: OrgId,
    /// The flow.
    pub flow: FlowId,
    /// What the reviewer is asked to allow.
    pub action_label: String,
    /// The action.
    pub proposed_action: Payload,
    /// What the reviewer sees beside it.
    pub data: Option<Payload>,
    /// Who may decide; none: anyone with `runs:write`.
    pub assign_to: Option<Assignee>,
    /// When it opened.
    pub opened_at: Time,
    /// Until when it can be decided.
    pub deadline: Time,
    /// Approvals so far.
    pub votes: Vec<Vote>,
    /// How it was decided.
    pub outcome: Option<Outcome>,
    /// When it stopped being open: decided, or its run ended.
    pub closed_at: Option<Time>,
    /// The run in which it was decided, if that is not the run that went on from it.
    pub reused_from: Option<RunId>,
}

/// One approval of several that a gate asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Who.
    pub actor: String,
    /// When.
    pub at: Time,
    /// What they noted.
    pub note: Option<String>,
    /// SHA-256 of the action they approved: all must approve the same.
    pub action_sha256: String,
}

/// The permanent record of a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What was decided.
    pub verdict: Verdict,
    /// By whom; none if nobody did in time.
    pub actor: Option<String>,
    /// When.
    pub decided_at: Time,
    /// What they noted.
    pub note: Option<String>,
    /// What is executed, if it was approved: the proposed action or the override.
    pub decided_action: Payload,
    /// SHA-256 of the canonical JSON of the proposed action.
    pub proposed_sha256: String,
    /// SHA-256 of the canonical JSON of the decided action.
    pub decided_sha256: String,
    /// The JSON Patch (RFC 6902) between the two, if they are too large to make it of them whenever somebody looks.
    pub patch: Option<Value>,
}

impl Outcome {
    /// What downstream nodes read as `step.<node>.output`. `action` is the decided action, wherever it was read from.
    pub fn output(&self, action: &Value) -> Value {
        json!({"decision": self.verdict, "proposedAction": action, "note": self.note, "actor": self.actor})
    }

    /// Whether the action was decided as it had been proposed.
    pub fn is_as_proposed(&self) -> bool {
        self.proposed_sha256 == self.decided_sha256
    }
}

/// What a reviewer says.
#[derive(Debug, Clone, PartialEq)]
pub enum Ballot {
    /// Go ahead, perhaps with another action.
    Approve {
        /// Replaces the proposed action.
        action: Option<Value>,
        /// For the record.
        note: Option<String>,
    },
    /// Don't.
    Reject {
        /// For the record.
        note: Option<String>,
    },
}

/// What became of a ballot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BallotOutcome {
    /// It decided the gate: record this, and tell the run.
    DecisionResult(Verdict),
    /// It counts; more approvals are needed.
    MoreNeeded,
    /// It says again what is already on record: nothing changes.
    Repeated,
}

/// Why a ballot does not count.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BallotError {
    /// The gate is for somebody else.
    #[error("this approval is assigned to {0}")]
    NotAssigned(Assignee),
    /// The gate asks for a second pair of eyes.
    #[error("whoever started the run may not decide this approval")]
    StarterMayNot,
    /// Too late.
    #[error("this approval was {0} already")]
    AlreadyDecided(Verdict),
    /// Its time is up, or its run has ended.
    #[error("this approval is closed: {0}")]
    Closed(&'static str),
    /// Earlier approvals were for another action.
    #[error("others have approved a different action; all approvals must be for the same one")]
    ActionDiffers,
    /// The override breaks a rule of the flow.
    #[error("the override is not allowed")]
    OverrideNotAllowed(FieldErrors),
}

impl Gate {
    /// The gate that a run opens at a node, to ask `question`.
    pub fn open(run: &Run, node: &NodeId, question: Question, now: Time) -> Self {
        Self {
            id: ApprovalId::derived(&run.id, node.as_str(), now),
            run: run.id,
            node: node.clone(),
            org: run.org,
            flow: run.flow,
            action_label: question.action_label,
            proposed_action: Payload::of(question.proposed_action),
            data: question.data.map(Payload::of),
            assign_to: question.assign_to,
            opened_at: now,
            deadline: now.plus_seconds(question.timeout_seconds),
            votes: Vec::new(),
            outcome: None,
            closed_at: None,
            reused_from: None,
        }
    }

    /// The same gate with its decision, in a run that goes on from it.
    #[must_use]
    pub fn taken_over_by(self, run: &Run) -> Self {
        Self {
            id: ApprovalId::derived(&run.id, self.node.as_str(), self.opened_at),
            run: run.id,
            reused_from: self.reused_from.or(Some(self.run)),
            ..self
        }
    }

    /// Whether it waits for a decision.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }

    /// Takes a ballot. `rules` is the node as the flow has it, `starters` whoever started the run. To be compared with an
    /// action that the ballot brings, the proposed action must be at hand.
    pub fn vote(
        &mut self,
        rules: &Approval,
        starters: &BTreeSet<&str>,
        actor: &Actor,
        ballot: Ballot,
        now: Time,
    ) -> Result<BallotOutcome, BallotError> {
        if let Some(assignee) = self.assign_to.as_ref().filter(|assignee| !assignee.includes(actor)) {
            return Err(BallotError::NotAssigned(assignee.clone()));
        }
        if rules.require_different_actor && starters.contains(actor.id.as_str()) {
            return Err(BallotError::StarterMayNot);
        }
        let (verdict, action, note) = match ballot {
            Ballot::Approve { action, note } => (Verdict::Approved, action, note),
            Ballot::Reject { note } => (Verdict::Rejected, None, note),
        };
        let proposed_sha256 = self.proposed_action.sha256();
        let action_sha256 = action.as_ref().map_or_else(|| proposed_sha256.clone(), sha256_hex);
        // What is the proposed action to the byte is no override.
        let action = action.filter(|_| action_sha256 != proposed_sha256);
        if let Some(repeated) = self.if_on_record(actor, verdict, &action_sha256)? {
            return Ok(repeated);
        }
        if now >= self.deadline {
            return Err(BallotError::Closed("its deadline has passed"));
        }
        if verdict == Verdict::Approved {
            if let Some(action) = &action {
                self.check_override(rules, action).map_err(BallotError::OverrideNotAllowed)?;
            }
            if self.votes.iter().any(|vote| vote.action_sha256 != action_sha256) {
                return Err(BallotError::ActionDiffers);
            }
            self.votes.push(Vote { actor: actor.id.clone(), at: now, note: note.clone(), action_sha256 });
            if self.votes.len() < rules.required_approvals as usize {
                return Ok(BallotOutcome::MoreNeeded);
            }
        }
        self.close_with(verdict, Some(actor.id.clone()), action, note, now);
        Ok(BallotOutcome::DecisionResult(verdict))
    }

    /// What the record already says about this ballot: the same again, a contradiction, or nothing yet.
    fn if_on_record(&self, actor: &Actor, verdict: Verdict, action_sha256: &str) -> Result<Option<BallotOutcome>, BallotError> {
        if let Some(outcome) = &self.outcome {
            let voted = outcome.actor.as_ref() == Some(&actor.id)
                || (verdict == Verdict::Approved && self.votes.iter().any(|vote| vote.actor == actor.id));
            let same = voted && outcome.verdict == verdict && outcome.decided_sha256 == action_sha256;
            return if same { Ok(Some(BallotOutcome::Repeated)) } else { Err(BallotError::AlreadyDecided(outcome.verdict)) };
        }
        if !self.is_open() {
            return Err(BallotError::Closed("its run has ended"));
        }
        match self.votes.iter().find(|vote| vote.actor == actor.id) {
            Some(vote) if verdict == Verdict::Approved && vote.action_sha256 == action_sha256 => Ok(Some(BallotOutcome::Repeated)),
            Some(_) if verdict == Verdict::Approved => Err(BallotError::AlreadyDecided(Verdict::Approved)),
            _ => Ok(None),
        }
    }

    /// Nobody decided in time.
    pub fn expire(&mut self, now: Time) {
        self.close_with(Verdict::Expired, None, None, None, now);
    }

    /// The run ended while the gate was open.
    pub fn close(&mut self, now: Time) {
        self.closed_at.get_or_insert(now);
    }

    /// `action` is what was decided instead of the proposed action.
    fn close_with(&mut self, verdict: Verdict, actor: Option<String>, action: Option<Value>, note: Option<String>, now: Time) {
        let patch = action.as_ref().and_then(|action| self.patch_to_keep(action));
        let decided_action = action.map_or_else(|| self.proposed_action.clone(), Payload::of);
        self.outcome = Some(Outcome {
            verdict,
            actor,
            decided_at: now,
            note,
            proposed_sha256: self.proposed_action.sha256(),
            decided_sha256: decided_action.sha256(),
            decided_action,
            patch,
        });
        self.closed_at = Some(now);
    }

    fn check_override(&self, rules: &Approval, action: &Value) -> Result<(), FieldErrors> {
        let field = "proposedActionOverride";
        let mut errors = FieldErrors::new();
        let bytes = canonical(action).len();
        if bytes > MAX_ACTION_BYTES {
            errors.add(field, format!("has {bytes} bytes, more than the {MAX_ACTION_BYTES} an action may have"));
        }
        if let Some(schema) = &rules.override_schema {
            match jsonschema::validator_for(schema) {
                Ok(validator) => {
                    for problem in validator.iter_errors(action).take(MAX_PROBLEMS) {
                        errors.add(format!("{field}{}", problem.instance_path()), bounded(problem.to_string()));
                    }
                }
                Err(problem) => errors.add(field, format!("the flow's overrideSchema cannot be used: {problem}")),
            }
        }
        match (&rules.allowed_edits, self.proposed_action.value()) {
            (Some(allowed), Some(proposed)) => {
                for path in forbidden_edits(proposed, action, allowed, String::new()).into_iter().take(MAX_PROBLEMS) {
                    errors.add(format!("{field}{path}"), format!("may not be changed; the flow allows edits of {}", allowed.join(", ")));
                }
            }
            (Some(_), None) => errors.add(field, "cannot be compared with the proposed action, which was not read"),
            (None, _) => {}
        }
        errors.into_result(())
    }

    /// Why a decision that is no approval ends a run whose policy is `fail`.
    pub fn failure_message(&self) -> String {
        match &self.outcome {
            Some(Outcome { verdict: Verdict::Rejected, actor, note, .. }) => {
                let who = actor.as_deref().unwrap_or("someone");
                note.as_ref().map_or_else(|| format!("rejected by {who}"), |note| format!("rejected by {who}: {note}"))
            }
            _ => format!("nobody decided before {}", self.deadline),
        }
    }
}

/// The JSON Pointers at which `after` differs from `before`, where `allowed` does not permit it. The two are compared place by
/// place, not by a patch: the paths in a patch shift with every removal before them.
fn forbidden_edits(before: &Value, after: &Value, allowed: &[String], path: String) -> Vec<String> {
    if before == after || allowed.contains(&path) {
        return Vec::new();
    }
    let keys: BTreeSet<String> = match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.keys().chain(after.keys()).map(|key| escaped(key)).collect(),
        (Value::Array(before), Value::Array(after)) => (0..before.len().max(after.len())).map(|at| at.to_string()).collect(),
        _ => return vec![path],
    };
    keys.into_iter()
        .flat_map(|key| {
            let below = format!("/{key}");
            let path = format!("{path}{below}");
            match (before.pointer(&below), after.pointer(&below)) {
                (Some(before), Some(after)) => forbidden_edits(before, after, allowed, path),
                _ if allowed.contains(&path) => Vec::new(),
                _ => vec![path],
            }
        })
        .collect()
}

/// A schema's complaint quotes the value, which may be a megabyte.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_COMPLAINT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_COMPLAINT_BYTES));
        text.push('…');
    }
    text
}

/// A key as it stands in a JSON Pointer (RFC 6901, section 3).
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

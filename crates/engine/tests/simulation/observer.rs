//! Watches a run and checks, at every moment, that what happens may happen: I1 to I6 and I9 of ARCHITECTURE.md, for each round by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use domain::access::Assignee;
use domain::flow::{NodeKind, Spec};
use domain::gate::{ChangeRequest, Gate, Outcome, Verdict};
use domain::id::RunId;
use domain::json::sha256_hex;
use domain::request::{Request, Turn};
use domain::run::{NodeStatus, Plan, Progress, Run, RunStatus};
use domain::step::{Payload, StepKey, StepRecord};
use domain::time::Time;
use serde_json::Value;
use testkit::{Memory, Sent};

use crate::random::SLOW_MILLIS;
use crate::reading::{Left, Reading};

/// What was sent for a node.
#[derive(Debug, Clone, Hash)]
struct Sends {
    key: String,
    body: Option<Value>,
    times: usize,
}

/// A node in one of its rounds.
type Round = (String, u32);
/// The escalations of a gate, and its reminders.
type Alarms = (Vec<(Assignee, Time)>, Vec<Time>);

/// The round that a request was sent in: the last part of its key, if it is not the first round.
pub fn round_of(sent: &Sent) -> u32 {
    let round = sent.context.idempotency_key.split('/').nth(3).and_then(|part| part.strip_prefix('r'));
    round.map_or(1, |round| round.parse().unwrap())
}

/// What has been seen of one run. A clone goes on by itself.
#[derive(Debug, Clone)]
pub struct Observer {
    run: RunId,
    spec: Arc<Spec>,
    reading: Arc<Reading>,
    sends: BTreeMap<Round, Sends>,
    /// The highest number of attempts that was on record of each node in each round.
    begun: BTreeMap<Round, u32>,
    /// The number of repetitions of a node that can be explained: by a failure, or by a disturbance while it was under way.
    explained: BTreeMap<Round, usize>,
    doubles_next: bool,
    /// The number of times that the client library has repeated a request by itself.
    doubled: BTreeMap<Round, usize>,
    /// Gates whose decision was acknowledged to a reviewer.
    decided: BTreeSet<Round>,
    cancelled: bool,
    /// The hash of what each gate showed when it was seen first.
    shown: BTreeMap<Round, Option<String>>,
    outcomes: BTreeMap<Round, Arc<Outcome>>,
    /// The escalations and the reminders of each gate so far.
    alarms: BTreeMap<Round, Alarms>,
    records: BTreeMap<Round, Arc<StepRecord>>,
    /// The gates that were seen when they opened.
    opened: BTreeSet<Round>,
    /// The requests for changes, by the gate and the round that each has ended.
    changes: BTreeMap<Round, Arc<ChangeRequest>>,
    ended: Option<(RunStatus, Progress)>,
}

/// What cannot be read off the store; the rest is compared with it at every look, and so follows from it.
impl Hash for Observer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.sends, &self.explained, &self.doubled, &self.decided, self.cancelled).hash(state);
    }
}

impl Observer {
    pub fn new(spec: &Value, run: RunId) -> Self {
        Self {
            run,
            spec: Arc::new(Spec::parse(spec).unwrap()),
            reading: Arc::new(Reading::of(spec)),
            sends: BTreeMap::new(),
            begun: BTreeMap::new(),
            explained: BTreeMap::new(),
            doubles_next: false,
            doubled: BTreeMap::new(),
            decided: BTreeSet::new(),
            cancelled: false,
            shown: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            alarms: BTreeMap::new(),
            records: BTreeMap::new(),
            opened: BTreeSet::new(),
            changes: BTreeMap::new(),
            ended: None,
        }
    }

    pub fn gates(&self) -> Vec<String> {
        self.reading.gates.clone()
    }

    fn stored(&self, store: &Memory) -> Run {
        store.stored_run(&self.run).unwrap()
    }

    fn status(&self, run: &Run, node: &str) -> NodeStatus {
        run.progress.get(self.spec.position(&node.parse().unwrap()).unwrap()).status
    }

    /// The answer to a request is a failure.
    pub fn failed(&mut self, sent: &Sent) {
        *self.explained.entry((sent.name.clone(), round_of(sent))).or_default() += 1;
    }

    /// A crash, a lost answer, another invocation: what is under way at this moment may be repeated, once more.
    pub fn disturbed(&mut self, store: &Memory) {
        let run = self.stored(store);
        for node in &self.reading.nodes {
            if run.progress.get(self.spec.position(&node.parse().unwrap()).unwrap()).is_under_way() {
                *self.explained.entry((node.clone(), run.round_of(&node.parse().unwrap()))).or_default() += 1;
            }
        }
    }

    /// The client library will send the next request twice.
    pub fn doubles_next(&mut self) {
        self.doubles_next = true;
    }

    /// A reviewer gets the answer that their ballot decided a gate.
    pub fn decided(&mut self, store: &Memory, (gate, round): (&str, u32), actor: &str, verdict: Verdict) {
        assert_ne!(verdict, Verdict::Expired, "I3: a ballot expired {gate}");
        assert!(self.decided.insert((gate.to_owned(), round)), "I3: {gate} was decided twice in round {round}");
        let outcome = store.stored_gate_in_round(&self.run, gate, round).unwrap().outcome;
        let on_record = outcome.map(|outcome| (outcome.verdict, outcome.actor));
        assert_eq!(on_record, Some((verdict, Some(actor.to_owned()))), "I3: {actor} got the answer that {gate} is {verdict}");
    }

    /// A reviewer gets the answer that their request for changes has ended a round of a gate.
    pub fn revised(&mut self, store: &Memory, gate: &Gate, actor: &str, note: &str) {
        let name = gate.node.to_string();
        assert!(self.decided.insert((name.clone(), gate.basis.round)), "I3: {name} was decided twice in round {}", gate.basis.round);
        let stored = store.stored_gate_in_round(&self.run, &name, gate.basis.round).unwrap();
        let on_record = stored.changes.map(|changes| (changes.by.id, changes.note));
        assert_eq!(on_record, Some((actor.to_owned(), note.to_owned())), "I3: {actor} got the answer that changes of {name} are requested");
        let most = self.reading.rounds.get(&name).copied().unwrap_or(1);
        assert!(gate.basis.round < most, "I4: changes of {name} were requested in round {}, its last", gate.basis.round);
    }

    /// A canceller gets the answer that the run is cancelled.
    pub fn cancelled(&mut self, store: &Memory) {
        assert_eq!(self.stored(store).status, RunStatus::Cancelled, "I2: a cancellation that was confirmed is lost");
        self.cancelled = true;
    }

    /// A request leaves.
    pub fn sent(&mut self, store: &Memory, sent: &Sent) {
        let node = &sent.name;
        let run = self.stored(store);
        let round = round_of(sent);
        let place = (node.clone(), round);
        // An invocation that has lost the run may still send what it began in an earlier round. That is a repetition, under its old key.
        let is_current = run.round_of(&node.parse().unwrap()) == round;
        if is_current {
            let state = run.progress.get(self.spec.position(&node.parse().unwrap()).unwrap());
            assert!(
                !matches!(state.status, NodeStatus::Pending | NodeStatus::Skipped),
                "I1: {node} was sent while it was {}",
                state.status
            );
            self.may_have_begun(store, &run, node);
            if let Some(gate) = self.reading.sends_action_of.get(node) {
                let outcome = store.stored_gate(&self.run, gate).unwrap().outcome.unwrap();
                assert_eq!(sha256_hex(sent.body().unwrap()), outcome.decided_sha256, "I5: {node} sent something else than was decided");
            }
        } else {
            assert!(
                self.sends.contains_key(&place) || self.begun.contains_key(&place),
                "I1: {node} was sent in round {round}, which it is not in"
            );
        }
        if let Request::Llm(request) = &sent.request {
            self.continues_its_conversation(store, &run, &place, &request.conversation);
        }
        let key = &sent.context.idempotency_key;
        assert!(!self.sends.iter().any(|(other, known)| *other != place && known.key == *key), "I6: two nodes or rounds share {key}");
        let attempts = if is_current { self.attempts(&run, node) } else { self.begun.get(&place).copied().unwrap_or(0) };
        let known = self.sends.entry(place.clone()).or_insert_with(|| Sends { key: key.clone(), body: sent.body().cloned(), times: 0 });
        known.times += 1;
        assert_eq!((&known.key, known.body.as_ref()), (key, sent.body()), "I6: {node} was repeated under another key or with another body");
        let doubled = self.doubled.entry(place.clone()).or_default();
        *doubled += usize::from(std::mem::take(&mut self.doubles_next));
        let doubled = *doubled;
        let allowed = 1 + doubled + self.explained.get(&place).copied().unwrap_or(0);
        assert!(known.times <= allowed, "I6: {node} was sent {} times, and only {allowed} can be explained", known.times);
        // After a cancel nothing is put on record, so nothing that begins then could have this.
        let begun = doubled + usize::try_from(attempts).unwrap();
        assert!(known.times <= begun, "I1, I2: {node} was sent {} times, with {begun} on record as begun", known.times);
    }

    fn attempts(&self, run: &Run, node: &str) -> u32 {
        run.progress.get(self.spec.position(&node.parse().unwrap()).unwrap()).attempts
    }

    /// A draft that is revised is asked for with the drafts before it and what the reviewers said to them, and any other with nothing.
    fn continues_its_conversation(&self, store: &Memory, run: &Run, (node, round): &Round, conversation: &[Turn]) {
        // As they are stored: a request for changes may have been written by a call whose process has died since the last look.
        let gates = self.gates();
        let rounds = gates.iter().flat_map(|gate| (1..=run.round_of(&gate.parse().unwrap())).map(move |round| (gate, round)));
        let stored: Vec<ChangeRequest> =
            rounds.filter_map(|(gate, round)| store.stored_gate_in_round(&self.run, gate, round)?.changes).collect();
        let note = |round: u32| {
            let draft = StepKey::new(&node.parse().unwrap(), round);
            stored.iter().find(|changes| changes.draft == draft).map(|changes| changes.note.clone())
        };
        let mut expected = Vec::new();
        for (round, note) in (1..*round).rev().map_while(|round| Some((round, note(round)?))) {
            let draft = store.stored_step_in_round(&self.run, node, round).unwrap();
            let text = match &draft.output {
                Some(Payload::Inline(output)) => output["text"].as_str().unwrap().to_owned(),
                other => panic!("a draft without a text: {other:?}"),
            };
            expected.splice(0..0, [Turn::Assistant(text), Turn::User(note)]);
        }
        // What came before the first round of a retry is in the run before it.
        if run.retried.is_none() {
            assert_eq!(conversation, expected, "I5: {node} in round {round} continues another conversation");
        } else {
            assert!(conversation.ends_with(&expected), "I5: {node} in round {round} continues another conversation");
        }
    }

    /// I1, by what is on record: everything before the node is done, and one of the ways into it was taken.
    fn may_have_begun(&self, store: &Memory, run: &Run, node: &str) {
        let ways = self.reading.ways_into(node);
        let left = |parent: &str| self.reading.left(store, self.run, parent, self.status(run, parent));
        for (parent, _) in ways {
            assert_ne!(left(parent), Left::NotYet, "I1: {node} has begun, and {parent} before it is not done");
        }
        let taken = ways.is_empty() || ways.iter().any(|(parent, way)| left(parent) == Left::By(way.clone()));
        assert!(taken, "I1: {node} has begun, and no way that was taken leads to it");
    }

    /// What is stored must be possible, and what is on record must stay as it is.
    pub fn look(&mut self, store: &Memory, now: Time) {
        let run = self.stored(store);
        for node in &self.reading.nodes {
            let state = run.progress.get(self.spec.position(&node.parse().unwrap()).unwrap());
            match state.status {
                NodeStatus::Pending => {}
                NodeStatus::Cancelled if state.attempts == 0 => {}
                NodeStatus::Skipped => {
                    for (parent, way) in self.reading.ways_into(node) {
                        let left = self.reading.left(store, self.run, parent, self.status(&run, parent));
                        let closed = left != Left::NotYet && left != Left::By(way.clone());
                        assert!(closed, "I1: {node} was skipped, and {parent} leads to it: {left:?}");
                    }
                }
                _ => self.may_have_begun(store, &run, node),
            }
        }
        self.look_at_gates(store, &run);
        for node in &self.reading.nodes {
            let current = run.round_of(&node.parse().unwrap());
            let attempts = self.attempts(&run, node);
            let begun = self.begun.entry((node.clone(), current)).or_default();
            *begun = (*begun).max(attempts);
            for round in 1..=current {
                let Some(record) = store.stored_step_in_round(&self.run, node, round) else { continue };
                assert_eq!(record.round, round, "I6: {node} has in round {round} the record of another round");
                let first = self.records.entry((node.clone(), round)).or_insert_with(|| Arc::new(record.clone()));
                assert_eq!(**first, record, "I6: the record of {node} has changed");
            }
        }
        // No invocation drives it and none is to wake it: then there must be nothing to do but wait for a person or a clock. (An
        // invocation whose time is up parks the run until now: that clock wakes it at once.)
        let clock_wakes_it = run.execution.parked_until.is_some_and(|until| until <= now);
        if !run.has_ended() && run.execution.owner.is_none() && run.execution.pending.is_none() && !clock_wakes_it {
            let ready = Plan::of(&run, &self.spec, now).ready;
            let forgotten = ready.iter().any(|ix| run.progress.get(*ix).status == NodeStatus::Pending);
            assert!(!forgotten, "I4: a wake-up was lost: {run:?}");
        }
        if let Some((status, progress)) = &self.ended {
            assert_eq!((status, progress), (&run.status, &run.progress), "I2: a run that had ended has changed");
        } else if run.has_ended() {
            self.ended = Some((run.status, run.progress));
        }
    }

    fn look_at_gates(&mut self, store: &Memory, run: &Run) {
        let reading = Arc::clone(&self.reading);
        for name in &reading.gates {
            let current = run.round_of(&name.parse().unwrap());
            for round in 1..=current {
                self.look_at_round(store, name, round, round == current);
            }
            let Some(gate) = store.stored_gate(&self.run, name) else { continue };
            self.look_at_alarms(name, &gate);
            let shown = gate.shown_sha256(&self.spec);
            let shown = self.shown.entry((name.clone(), current)).or_insert(shown).clone();
            let Some(outcome) = gate.outcome else { continue };
            let first = self.outcomes.entry((name.clone(), current)).or_insert_with(|| Arc::new(outcome.clone()));
            assert_eq!(**first, outcome, "I3: the decision of {name} has changed");
            if outcome.actor.is_some() {
                assert_eq!(outcome.shown_sha256, shown, "I9: the decision of {name} is bound to something else than what was shown");
            }
            assert_eq!(outcome.decided_action.sha256(), outcome.decided_sha256, "I5: {name} has a hash of something else");
            assert!(gate.closed_at.is_some(), "I3: {name} is decided and still open");
            let status = self.status(run, name);
            let follows = matches!(status, NodeStatus::Succeeded | NodeStatus::Failed);
            assert!(follows, "I3: {name} is decided, and the run takes it for {status}");
        }
        for (node, gate) in &self.reading.sends_action_of {
            let Some(record) = store.stored_step(&self.run, node).filter(|record| record.status == NodeStatus::Succeeded) else { continue };
            let input = match &record.input {
                Some(Payload::Inline(input)) => Value::clone(input),
                Some(Payload::Stored(object)) => serde_json::from_str(&store.object(&object.key).unwrap()).unwrap(),
                None => Value::Null,
            };
            let sent = input.get("body").cloned().unwrap_or_default();
            let decided =
                self.outcomes.get(&(gate.clone(), run.round_of(&gate.parse().unwrap()))).map(|outcome| outcome.decided_sha256.clone());
            assert_eq!(decided, Some(sha256_hex(&sent)), "I5: {node} has on record that it sent something else than was decided");
        }
    }

    /// What the clock does to a gate happens once, in the order of the flow, not before its time, and not after the gate has closed.
    fn look_at_alarms(&mut self, name: &str, gate: &Gate) {
        let ix = self.spec.position(&name.parse().unwrap()).unwrap();
        let NodeKind::Approval(rules) = &self.spec.node(ix).kind else { return };
        let escalations: Vec<(Assignee, Time)> = gate.reassignments.iter().map(|one| (one.to.clone(), one.at)).collect();
        assert!(escalations.len() <= rules.escalate.len(), "I3: {name} was escalated too often: {escalations:?}");
        // A gate is closed at the time at which its run ended, by the clock of whoever ended the run.
        let is_open_at = |at: Time| at < gate.deadline && gate.closed_at.is_none_or(|closed| at <= closed.plus_millis(SLOW_MILLIS));
        for ((to, at), rule) in escalations.iter().zip(&rules.escalate) {
            let due = gate.opened_at.plus_seconds(rule.after_seconds);
            assert!(*to == rule.to && due <= *at && is_open_at(*at), "I3: {name} was escalated to {to} at {at}");
        }
        assert!(gate.reminders.len() <= rules.remind.len(), "I3: {name} had too many reminders: {:?}", gate.reminders);
        for (at, before) in gate.reminders.iter().zip(&rules.remind) {
            assert!(gate.deadline <= at.plus_seconds(*before) && is_open_at(*at), "I3: a reminder of {name} at {at}");
        }
        let now = (escalations, gate.reminders.clone());
        let known = self.alarms.insert((name.to_owned(), gate.basis.round), now.clone()).unwrap_or_default();
        assert!(now.0.starts_with(&known.0) && now.1.starts_with(&known.1), "I3: what has happened to {name} has changed");
    }

    /// I3 for one round of a gate: it opens without votes, and ends by one decision or one request for changes.
    fn look_at_round(&mut self, store: &Memory, name: &str, round: u32, is_current: bool) {
        let Some(gate) = store.stored_gate_in_round(&self.run, name, round) else { return };
        let place = (name.to_owned(), round);
        if self.opened.insert(place.clone()) && gate.reused_from.is_none() {
            assert!(gate.votes.is_empty(), "I3: round {round} of {name} opened with votes");
        }
        assert!(gate.outcome.is_none() || gate.changes.is_none(), "I3: {name} was decided, and changes were requested, in round {round}");
        assert!(is_current || !gate.is_open(), "I3: {name} is open in round {round}, which is over");
        if let Some(changes) = gate.changes {
            assert!(!is_current, "I4: changes of {name} were requested, and the run is still in round {round}");
            assert!(gate.closed_at.is_some(), "I3: changes of {name} were requested, and it is still open");
            let first = self.changes.entry(place).or_insert_with(|| Arc::new(changes.clone()));
            assert_eq!(**first, changes, "I3: the request for changes of {name} has changed");
        } else {
            assert!(!self.changes.contains_key(&place), "I3: the request for changes of {name} in round {round} is lost");
        }
        if let Some(outcome) = gate.outcome {
            let needed = self.reading.approvals.get(name).copied().unwrap_or(1);
            let is_met = outcome.verdict != Verdict::Approved || gate.votes.len() >= needed;
            assert!(is_met, "I3: round {round} of {name} was approved by {} of {needed}", gate.votes.len());
        }
    }

    /// Nothing is left that could happen by itself.
    pub fn at_the_end(&self, store: &Memory) {
        let run = self.stored(store);
        assert!(run.has_ended(), "I4: the run is stuck: {run:?}");
        assert!(run.progress.states().iter().all(|state| state.status.is_final()), "I4: {run:?} ended with nodes that have not");
        assert!(run.execution.owner.is_none() && run.execution.pending.is_none(), "I4: an ended run still pending: {run:?}");
        for name in &self.reading.gates {
            let gate = store.stored_gate(&self.run, name);
            assert!(gate.is_none_or(|gate| !gate.is_open()), "I4: {name} is still in the inbox of a run that has ended");
        }
        assert!(run.status != RunStatus::Failed || run.error.is_some(), "{run:?}");
        assert!(!self.cancelled || run.status == RunStatus::Cancelled, "I2: {run:?}");
    }
}

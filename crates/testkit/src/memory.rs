//! The store in memory: it makes the same promises as `store`, and has the same limits.

mod broken_guarantees;
mod connections;
mod decisions;
mod flows;
mod keys;
pub mod limits;
mod lists;
mod logins;
mod long_retention;
mod networks;
mod organisations;
mod outputs;
mod triggers;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use domain::access::{ApiKey, Bucket, Minute};
use domain::connection::Connection;
use domain::flow::{Flow, NodeId, ServiceSlug, Slug, Version};
use domain::gate::{DecisionRow, Gate};
use domain::id::{ApprovalId, FlowId, OrgId, RunId};
use domain::json::sha256_hex_of;
use domain::login::{IdentityProvider, Session};
use domain::network::PrivateRange;
use domain::organisation::Organisation;
use domain::ports::{CommitError, Idempotency, PortError, RunOrigin, Runs};
use domain::retention::RetentionJob;
use domain::run::{PendingEffect, Run};
use domain::step::{MAX_INLINE_BYTES, ObjectRef, Payload, StepKey, StepRecord};
use domain::time::Time;
use domain::trigger::{WebhookToken, WebhookTrigger};
use domain::webhook::StreamChange;
use outputs::{Kept, Wish};
use serde_json::Value;

use crate::Faults;

/// A guarantee that the store in memory can break on purpose, to see whether a test notices. Each says which invariant breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenGuarantee {
    /// Park writes its token whatever the pending effect of the run is: a decision that came first is lost, and the run waits for ever
    /// (I4).
    ParksAnyway,
    /// The last record of a step wins: what downstream nodes have read is not what is recorded (I5, I6).
    OverwritesSteps,
    /// A run is written whatever its `rev` is: the last writer wins, and decisions and cancellations are lost (I2, I3).
    IgnoresRev,
    /// An invocation that has lost the run to another owner may still write it: there is no fence, and what the new owner has done is
    /// undone and done again (I6).
    IgnoresTakeover,
    /// An expiry is written whether or not the gate has been decided meanwhile: the timeout overwrites the decision (I3).
    ExpiresAnyway,
    /// A version is read without one of the edges that lead into a join: the join starts before everything upstream of it is done (I1).
    ForgetsAnEdge,
    /// A run is read as it is not yet: a step in progress appears to be done (I1).
    ReadsAhead,
    /// The outbox is always empty: what a crash left pending is never dispatched (I4).
    HidesPendingEffects,
    /// An open gate is read with another label than it was opened with: what is decided is not what was shown (I9).
    ShowsAnother,
    /// A resume is pending no longer than until its write is done: a pending effect is cleared too early, and a crash between the decision
    /// and the resume loses the wake-up (I4).
    ForgetsResumes,
    /// The record of a step has no round in its name: the draft that a reviewer has refused counts as the revised one (I6).
    MixesRounds,
}

impl BrokenGuarantee {
    /// All guarantees that can be broken.
    pub const ALL: [Self; 11] = [
        Self::ShowsAnother,
        Self::ParksAnyway,
        Self::OverwritesSteps,
        Self::IgnoresRev,
        Self::IgnoresTakeover,
        Self::ExpiresAnyway,
        Self::ForgetsAnEdge,
        Self::ReadsAhead,
        Self::HidesPendingEffects,
        Self::ForgetsResumes,
        Self::MixesRounds,
    ];
}

/// The store in memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    state: Arc<Mutex<State>>,
    faults: Faults,
}

#[derive(Debug, Clone, Default)]
struct State {
    runs: BTreeMap<RunId, Run>,
    origins: BTreeMap<RunId, RunOrigin>,
    steps: BTreeMap<(RunId, StepKey), Kept>,
    purges: BTreeMap<RunId, Wish>,
    retention_jobs: BTreeMap<OrgId, RetentionJob>,
    /// The runs whose last write the stream would show to `purge-outputs`.
    ended_late: Vec<RunId>,
    days: Option<u64>,
    gates: BTreeMap<(RunId, StepKey), Gate>,
    decisions: BTreeMap<(OrgId, String), DecisionRow>,
    idempotency: BTreeMap<(OrgId, String, String), Idempotency>,
    objects: BTreeMap<String, String>,
    flows: BTreeMap<(OrgId, FlowId), Flow>,
    slugs: BTreeMap<(OrgId, Slug), FlowId>,
    versions: BTreeMap<(OrgId, FlowId, u32), Arc<Version>>,
    keys: BTreeMap<String, ApiKey>,
    providers: BTreeMap<OrgId, IdentityProvider>,
    sessions: BTreeMap<String, Session>,
    counts: BTreeMap<(String, Bucket, Minute), u32>,
    connections: BTreeMap<(OrgId, ServiceSlug), Connection>,
    organisations: BTreeMap<OrgId, Organisation>,
    private_ranges: BTreeMap<OrgId, BTreeSet<PrivateRange>>,
    webhook_triggers: BTreeMap<WebhookToken, WebhookTrigger>,
    broken: Option<BrokenGuarantee>,
    webhooks: webhooks::Webhooks,
    /// What the stream shows, if it is open.
    changes: Option<Vec<StreamChange>>,
    /// The ids of the runs and flows that cannot be read.
    unreadable: BTreeSet<String>,
}

impl Memory {
    /// Returns an empty store whose calls meet these fates.
    pub fn new(faults: Faults) -> Self {
        Self { state: Arc::default(), faults }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Returns an independent store with the same content. Its calls meet no faults.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.state().clone())), faults: Faults::none() }
    }

    /// Replaces the content of this store by that of a copy, as if its table had been restored to the time of the copy. The objects in the
    /// bucket stay, and so do faults and what the stream has shown.
    pub fn restore(&self, copy: &Self) {
        let (mut state, copy) = (self.state(), copy.state());
        let (changes, objects) = (state.changes.take(), std::mem::take(&mut state.objects));
        *state = State { objects, changes, ..copy.clone() };
    }

    /// Writes all that can change about runs. Two stores that write the same text have the same content.
    pub fn write_down(&self, into: &mut impl fmt::Write) -> fmt::Result {
        let state = self.state();
        write!(into, "{:?}{:?}{:?}", state.runs, state.steps, state.gates)
    }

    /// Breaks a guarantee from now on.
    pub fn break_guarantee(&self, broken: BrokenGuarantee) {
        self.state().broken = Some(broken);
    }

    /// Makes a run or a flow unreadable, as an item is that this code cannot parse. A list leaves it out.
    pub fn make_unreadable(&self, id: impl fmt::Display) {
        self.state().unreadable.insert(id.to_string());
    }

    /// Opens the stream: from now on it shows every change.
    pub fn open_stream(&self) {
        self.state().changes.get_or_insert_default();
    }

    /// Returns everything that the stream has shown since it was opened.
    pub fn streamed(&self) -> Vec<StreamChange> {
        self.state().changes.clone().unwrap_or_default()
    }

    /// Does what the Park state of `statemachine/resume.asl.json` does: it sets the token, adds 1 to `rev` and removes the pending effect,
    /// if that effect is this execution. Returns false if the condition does not hold.
    pub fn park(&self, run: &RunId, execution: &str, token: &str) -> bool {
        let mut state = self.state();
        let anyway = state.broken == Some(BrokenGuarantee::ParksAnyway);
        let Some(run) = state.runs.get_mut(run) else { return false };
        if anyway {
            // As the real Park would do without its condition: it knows only the key of the run.
        } else if run.execution.pending != Some(PendingEffect::StartExecution) || run.execution_name() != execution {
            return false;
        }
        let before = run.clone();
        run.execution.token = Some(token.to_owned());
        run.execution.pending = None;
        run.rev += 1;
        let after = run.clone();
        state.show(|| StreamChange::Run { before: Some(Box::new(before)), after: Box::new(after) });
        true
    }

    /// Returns a run as it is stored. This is not a call of a port.
    pub fn stored_run(&self, id: &RunId) -> Option<Run> {
        self.state().runs.get(id).cloned()
    }

    /// Returns the version that a run executes. This is not a call of a port.
    pub fn stored_version(&self, run: &Run) -> Version {
        Version::clone(&self.state().versions[&(run.org, run.flow, run.flow_version)])
    }

    /// Returns the record of a step in the round that its node is in. This is not a call of a port.
    pub fn stored_step(&self, run: &RunId, node: &str) -> Option<StepRecord> {
        self.stored_step_in_round(run, node, self.round_of(run, node))
    }

    /// Returns the record of a step in a round. This is not a call of a port.
    pub fn stored_step_in_round(&self, run: &RunId, node: &str, round: u32) -> Option<StepRecord> {
        self.state().steps.get(&(*run, StepKey { node: node.parse().unwrap(), round })).map(|kept| kept.record.clone())
    }

    fn round_of(&self, run: &RunId, node: &str) -> u32 {
        self.state().runs.get(run).map_or(1, |run| run.round_of(&node.parse().unwrap()))
    }

    /// Removes the record of a step, as TTL does.
    pub fn forget_step(&self, run: &RunId, node: &str) {
        let round = self.round_of(run, node);
        self.state().steps.remove(&(*run, StepKey { node: node.parse().unwrap(), round }));
    }

    /// Returns a gate in the round that its node is in. This is not a call of a port.
    pub fn stored_gate(&self, run: &RunId, node: &str) -> Option<Gate> {
        self.stored_gate_in_round(run, node, self.round_of(run, node))
    }

    /// Returns a gate in a round. This is not a call of a port.
    pub fn stored_gate_in_round(&self, run: &RunId, node: &str, round: u32) -> Option<Gate> {
        self.state().gates.get(&(*run, StepKey { node: node.parse().unwrap(), round })).cloned()
    }

    /// Returns all runs.
    pub fn all_runs(&self) -> Vec<Run> {
        self.state().runs.values().cloned().collect()
    }

    /// Returns the text of an object in the bucket.
    pub fn object(&self, key: &str) -> Option<String> {
        self.state().objects.get(key).cloned()
    }
}

impl State {
    fn show(&mut self, change: impl FnOnce() -> StreamChange) {
        if let Some(changes) = &mut self.changes {
            changes.push(change());
        }
    }

    /// Returns a payload as it is recorded: a large one is put into an object.
    fn offload(&mut self, run: &Run, place: &str, payload: Payload) -> Payload {
        if payload.value().is_some() && payload.bytes() <= MAX_INLINE_BYTES {
            return payload;
        }
        self.put_payload(&format!("{}/{}/{place}", run.org, run.id), payload)
    }

    fn put_payload(&mut self, folder: &str, payload: Payload) -> Payload {
        let (bytes, sha256) = (payload.bytes() as u64, payload.sha256());
        let text = match &payload {
            Payload::Stored(object) => self.objects.get(&object.key).cloned().unwrap_or_default(),
            Payload::Inline(json) => json.text().to_owned(),
        };
        let key = format!("{folder}/{sha256}");
        self.objects.insert(key.clone(), text);
        Payload::Stored(ObjectRef { key, bytes, sha256 })
    }

    fn create(&mut self, run: &Run, input: &Value, key: Option<&Idempotency>) -> Result<(), CommitError> {
        let name = key.map(|key| (key.org, key.scope.clone(), key.key.clone()));
        limits::check(&[limits::run_bytes(run)])?;
        let live = name.as_ref().and_then(|name| self.idempotency.get(name)).is_some_and(|known| run.started_at < known.forget_at);
        if live || self.runs.contains_key(&run.id) {
            return Err(CommitError::Changed);
        }
        let input = self.offload(run, "@input", Payload::of(input.clone()));
        self.origins
            .insert(run.id, RunOrigin { input, flow_label: run.flow_label.clone(), starter_identity: run.starter_identity.clone() });
        let stored = Run { flow_label: None, starter_identity: None, ..run.clone() };
        self.runs.insert(run.id, stored.clone());
        self.show(|| StreamChange::Run { before: None, after: Box::new(stored) });
        if let (Some(name), Some(key)) = (name, key) {
            self.idempotency.insert(name, key.clone());
        }
        Ok(())
    }

    fn commit(&mut self, run: &Run, gates: &[Gate]) -> Result<Run, CommitError> {
        if let Some(gate) = gates.iter().find(|gate| !gate.fits()) {
            return Err(PortError::Rejected(format!("gate {} of {} is too large for its record", gate.node, run.id)).into());
        }
        let sizes: Vec<usize> = std::iter::once(limits::run_bytes(run)).chain(gates.iter().map(limits::gate_bytes)).collect();
        limits::check(&sizes)?;
        let Some(stored) = self.runs.get(&run.id) else { return Err(CommitError::Changed) };
        let decided = |gate: &Gate| {
            let stored = self.gates.get(&(gate.run, gate.key()));
            stored.is_some_and(|stored| stored.outcome.is_some() || stored.changes.is_some())
        };
        let may = stored.rev == run.rev && !gates.iter().any(decided);
        if !may && !self.writes_anyway(stored, run, gates) {
            return Err(CommitError::Changed);
        }
        let run = Run { rev: stored.rev + 1, ..run.clone() };
        let before = self.runs.insert(run.id, self.as_stored(&run)).map(Box::new);
        self.show(|| StreamChange::Run { before, after: Box::new(run.clone()) });
        if run.must_reschedule_records() {
            self.ended_late.push(run.id);
        }
        for gate in gates {
            let before = self.gates.insert((gate.run, gate.key()), gate.clone()).map(Box::new);
            self.show(|| StreamChange::Gate { before, after: Box::new(gate.clone()) });
        }
        Ok(run)
    }

    /// Returns the record with its large payloads in objects.
    fn upload(&mut self, run: &Run, step: &StepRecord) -> StepRecord {
        let mut step = step.clone();
        let place = step.key().to_string();
        step.input = step.input.map(|payload| self.offload(run, &place, payload));
        step.output = step.output.map(|payload| self.offload(run, &place, payload));
        step
    }

    fn record(&mut self, run: &Run, step: &StepRecord) -> Result<StepRecord, PortError> {
        if let Err(refused) = limits::check(&[limits::step_bytes(step)]) {
            let kept = self.steps.get(&(step.run, step.key())).map(|kept| kept.record.clone());
            self.delete_unreferenced(step, kept.as_ref());
            return Err(refused);
        }
        let ours = Kept { record: step.clone(), expires_at: self.retention(&run.org).of_step(run, step.completed_at) };
        if self.broken == Some(BrokenGuarantee::OverwritesSteps) {
            self.steps.insert((step.run, step.key()), ours.clone());
        }
        let key = self.key_of(step);
        if !self.steps.contains_key(&(step.run, key.clone())) {
            self.show(|| StreamChange::Step(Box::new(step.clone())));
        }
        let kept = self.steps.entry((step.run, key)).or_insert(ours).record.clone();
        self.delete_unreferenced(step, Some(&kept));
        Ok(kept)
    }

    /// Deletes the objects of a record that was not written, except for those that the stored record refers to.
    fn delete_unreferenced(&mut self, refused: &StepRecord, kept: Option<&StepRecord>) {
        let referenced: Vec<&ObjectRef> = kept.into_iter().flat_map(StepRecord::objects).collect();
        for object in refused.objects().filter(|object| !referenced.contains(object)) {
            self.objects.remove(&object.key);
        }
    }

    fn offload_gate(&mut self, run: &Run, gate: &Gate) -> Gate {
        let mut gate = gate.clone();
        for (part, payload) in gate.offloaded() {
            let payload = self.put_payload(&format!("gates/{}/{}/{}", run.org, run.id, gate.node), payload);
            gate.put(part, payload);
        }
        gate
    }

    fn of_run<T: Clone>(rows: &BTreeMap<(RunId, StepKey), T>, run: &Run) -> Vec<T> {
        rows.iter().filter(|((id, _), _)| *id == run.id).map(|(_, row)| row.clone()).collect()
    }
}

impl Runs for Memory {
    async fn create(&self, run: &Run, input: &Value, key: Option<&Idempotency>) -> Result<(), CommitError> {
        self.faults.call("create", true, || self.state().create(run, input, key)).await
    }

    async fn idempotent(&self, org: &OrgId, scope: &str, key: &str, now: Time) -> Result<Option<Idempotency>, PortError> {
        let name = (*org, scope.to_owned(), key.to_owned());
        let found = self.faults.read("idempotent", || Ok(self.state().idempotency.get(&name).cloned())).await?;
        Ok(found.filter(|key| now < key.forget_at))
    }

    async fn load(&self, id: &RunId) -> Result<Option<Run>, PortError> {
        let load = || {
            let state = self.state();
            if state.unreadable.contains(&id.to_string()) {
                return Err(PortError::Corrupt(format!("{id} cannot be parsed")));
            }
            Ok(state.read_run(id))
        };
        self.faults.read("load", load).await
    }

    async fn commit(&self, run: Run, gates: &[Gate]) -> Result<Run, CommitError> {
        self.faults.call("commit", true, || self.state().commit(&run, gates)).await
    }

    async fn origin(&self, run: &Run) -> Result<RunOrigin, PortError> {
        let missing = || PortError::Corrupt(format!("{} has no input", run.id));
        self.faults.read("input", || self.state().origins.get(&run.id).cloned().ok_or_else(missing)).await
    }

    async fn record(&self, run: &Run, step: StepRecord) -> Result<StepRecord, PortError> {
        // Two calls if a payload is large, as in the real store: anything may happen between them.
        let is_large = |payload: &Payload| payload.value().is_none() || payload.bytes() > MAX_INLINE_BYTES;
        let any_is_large = [&step.input, &step.output].into_iter().flatten().any(is_large);
        let step = if any_is_large { self.faults.call("upload", true, || Ok(self.state().upload(run, &step))).await? } else { step };
        self.faults.call("record", true, || self.state().record(run, &step)).await
    }

    async fn offload(&self, run: &Run, gate: Gate) -> Result<Gate, PortError> {
        if gate.offloaded().is_empty() {
            return Ok(gate);
        }
        self.faults.call("offload", true, || Ok(self.state().offload_gate(run, &gate))).await
    }

    async fn extend_retention(&self, run: &Run, until: Time) -> Result<Option<Time>, PortError> {
        let Some(kept_until) = self.state().retention(&run.org).over_wait(run, until) else { return Ok(None) };
        self.faults
            .call("extend_retention", true, || {
                self.state().extend(&run.id, kept_until);
                Ok(())
            })
            .await?;
        Ok(Some(kept_until))
    }

    async fn step_in_round(&self, run: &Run, step: &StepKey, now: Time) -> Result<Option<StepRecord>, PortError> {
        let name = (run.id, step.clone());
        self.faults.read("step", || Ok(self.state().steps.get(&name).map(|kept| kept.read_at(now)))).await
    }

    async fn close_gate(&self, run: &Run, node: &NodeId) -> Result<(), PortError> {
        let name = (run.id, run.step_key(node));
        let close = || {
            if let (Some(gate), Some(end)) = (self.state().gates.get_mut(&name), run.finished_at) {
                gate.close(end);
            }
            Ok(())
        };
        self.faults.call("close_gate", true, close).await
    }

    async fn gate_in_round(&self, run: &Run, step: &StepKey) -> Result<Option<Gate>, PortError> {
        let name = (run.id, step.clone());
        let end = run.finished_at;
        self.faults.read("gate", || Ok(self.state().read_gate(&name).map(|gate| gate.closed_by(end)))).await
    }

    async fn gates(&self, run: &Run) -> Result<Vec<Gate>, PortError> {
        let read = || State::of_run(&self.state().gates, run).into_iter().map(|gate| gate.closed_by(run.finished_at)).collect();
        self.faults.read("gates", || Ok(read())).await
    }

    async fn place_of_approval(&self, org: &OrgId, id: &ApprovalId) -> Result<Option<(RunId, NodeId)>, PortError> {
        let find = || {
            let state = self.state();
            let gate = state.gates.values().find(|gate| gate.org == *org && gate.id == *id);
            Ok(gate.map(|gate| (gate.run, gate.node.clone())))
        };
        self.faults.read("place_of_approval", find).await
    }

    async fn steps(&self, run: &Run, now: Time) -> Result<Vec<StepRecord>, PortError> {
        let read = || State::of_run(&self.state().steps, run).iter().map(|kept| kept.read_at(now)).collect();
        self.faults.read("steps", || Ok(read())).await
    }

    async fn fetch(&self, object: &ObjectRef) -> Result<Value, PortError> {
        let text = self.faults.read("fetch", || Ok(self.object(&object.key))).await?;
        let text = text.ok_or_else(|| PortError::Unavailable(format!("there is no object {}", object.key)))?;
        if sha256_hex_of(text.as_bytes()) != object.sha256 {
            return Err(PortError::Corrupt(format!("object {} does not have its hash", object.key)));
        }
        serde_json::from_str(&text).map_err(|problem| PortError::Corrupt(problem.to_string()))
    }

    async fn sign(&self, object: &ObjectRef, seconds: u64) -> Result<String, PortError> {
        self.faults.read("sign", || Ok(format!("memory://bucket/{}?X-Amz-Expires={seconds}", object.key))).await
    }
}

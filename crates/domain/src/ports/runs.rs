//! Where runs are stored.

use std::future::Future;

use serde_json::Value;

use super::idempotency::Idempotency;
use super::run_origin::RunOrigin;
use crate::error::{CommitError, PortError};
use crate::gate::Gate;
use crate::id::{ApprovalId, OrgId, RunId};
use crate::name::NodeId;
use crate::payload::{ObjectRef, Payload};
use crate::run::Run;
use crate::step::{StepKey, StepRecord};
use crate::time::Time;

/// Runs, and their steps and gates.
pub trait Runs {
    /// Writes a new run and its input, with `key` in the same transaction if there is one. `Err(Changed)`: the key is taken.
    fn create(&self, run: &Run, input: &Value, key: Option<&Idempotency>) -> impl Future<Output = Result<(), CommitError>>;
    /// Returns what an Idempotency-Key was used for, if it is not forgotten at `now`.
    fn idempotent(&self, org: &OrgId, scope: &str, key: &str, now: Time) -> impl Future<Output = Result<Option<Idempotency>, PortError>>;
    /// Returns the newest state of a run.
    fn load(&self, id: &RunId) -> impl Future<Output = Result<Option<Run>, PortError>>;
    /// Writes a run and gates of it, all or nothing, if the run still has the `rev` that it was loaded with. Returns the run with its
    /// new `rev`.
    fn commit(&self, run: Run, gates: &[Gate]) -> impl Future<Output = Result<Run, CommitError>>;
    /// Returns what was stored of the run when it was created.
    fn origin(&self, run: &Run) -> impl Future<Output = Result<RunOrigin, PortError>>;
    /// Returns the input of the run.
    fn input(&self, run: &Run) -> impl Future<Output = Result<Payload, PortError>> {
        async { self.origin(run).await.map(|origin| origin.input) }
    }
    /// Writes the record of a step unless there is one, and returns the one that is stored. Large payloads are offloaded to object
    /// storage, and those of another run's record are copied, so that no run depends on the objects of another one. Objects that were
    /// uploaded for a record that lost are deleted.
    fn record(&self, run: &Run, step: StepRecord) -> impl Future<Output = Result<StepRecord, PortError>>;
    /// Returns the gate as it can be committed: large payloads are offloaded, and those of another run's gate are copied.
    fn offload(&self, run: &Run, gate: Gate) -> impl Future<Output = Result<Gate, PortError>>;
    /// Makes sure that no record of the run's steps expires before a day after `until`. Returns the time until which they are kept, if
    /// that needed a write; the run must remember it. Reads nothing if no record can expire before then.
    fn extend_retention(&self, run: &Run, until: Time) -> impl Future<Output = Result<Option<Time>, PortError>>;
    /// Returns the record of a node's step in the round that the node is in. One that has expired at `now` is returned as its receipt,
    /// whether or not it has been deleted.
    fn step(&self, run: &Run, node: &NodeId, now: Time) -> impl Future<Output = Result<Option<StepRecord>, PortError>> {
        async move { self.step_in_round(run, &run.step_key(node), now).await }
    }
    /// Returns the record of a step in any round, as [`step`](Self::step) does.
    fn step_in_round(&self, run: &Run, step: &StepKey, now: Time) -> impl Future<Output = Result<Option<StepRecord>, PortError>>;
    /// Closes the gate of a node, in the round that the node is in, by the end of its run. It has no effect if the gate is closed or does not exist, or if the run is active.
    fn close_gate(&self, run: &Run, node: &NodeId) -> impl Future<Output = Result<(), PortError>>;
    /// Returns the gate of a node in the round that the node is in.
    fn gate(&self, run: &Run, node: &NodeId) -> impl Future<Output = Result<Option<Gate>, PortError>> {
        async move { self.gate_in_round(run, &run.step_key(node)).await }
    }
    /// Returns the gate of a node in any round. A gate of a run that has ended is returned as closed.
    fn gate_in_round(&self, run: &Run, step: &StepKey) -> impl Future<Output = Result<Option<Gate>, PortError>>;
    /// Returns all gates of the run in all rounds, decided or not, each as [`gate_in_round`](Self::gate_in_round) returns it.
    fn gates(&self, run: &Run) -> impl Future<Output = Result<Vec<Gate>, PortError>>;
    /// Returns the run and the node of an approval whose id does not name them, because it, or its run, is of an earlier version; see
    /// [`ApprovalId::place`]. An approval that an earlier version has closed is not found.
    fn place_of_approval(&self, org: &OrgId, id: &ApprovalId) -> impl Future<Output = Result<Option<(RunId, NodeId)>, PortError>>;
    /// Returns the records of all steps in all rounds, each as [`step`](Self::step) returns it.
    fn steps(&self, run: &Run, now: Time) -> impl Future<Output = Result<Vec<StepRecord>, PortError>>;
    /// Returns a payload that is in object storage.
    fn fetch(&self, object: &ObjectRef) -> impl Future<Output = Result<Value, PortError>>;
    /// Returns a URL at which a caller can read the object for `seconds`.
    fn sign(&self, object: &ObjectRef, seconds: u64) -> impl Future<Output = Result<String, PortError>>;
}

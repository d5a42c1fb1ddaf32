//! What the engine and the endpoints need from the world. `store`, `nodes` and the functions bring the real parts,
//! `testkit` brings parts in memory.

mod connections;
mod dead_letters;
mod optimistic;
mod triggers;
mod versions;
mod webhooks;

use std::collections::BTreeSet;
use std::future::Future;

pub use triggers::{CronFlows, WebhookTriggers};

use secrecy::SecretString;
use serde_json::Value;

use crate::access::{ApiKey, Bucket, Limits, Revocation, Usage};
use crate::flow::{Flow, NodeId, Slug, Version};
use crate::gate::Gate;
use crate::id::{FlowId, KeyId, OrgId, RunId};
use crate::organisation::{CursorSecret, Organisation};
use crate::request::Request;
use crate::retention::{PurgeRequest, Retention, RetentionJob};
use crate::run::{Run, RunStatus, Trigger};
use crate::secret::{Sealed, SecretPlace};
use crate::step::{ObjectRef, Payload, ResponseHead, StepRecord};
use crate::time::Time;

pub use connections::{ConnectionBook, Connections, Registered};
pub use dead_letters::DeadLetters;
pub use optimistic::{MAX_UPDATE_TRIES, UpdateError, optimistic_update};
pub use versions::{latest_version, spec_for, spec_of, version_for};
pub use webhooks::{Deliveries, DeliveryQueue, WebhookEndpoints, WebhookSender};

/// Why a call of a port failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The part behind the port did not answer, or refused for now. It is not known whether a write took place; the same call may
    /// succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// The part behind the port refuses the request as it is and will refuse it every time, for instance because an item is larger
    /// than DynamoDB takes. Nothing was written.
    #[error("the request is refused every time: {0}")]
    Rejected(String),
    /// What is stored cannot be read, and will not be readable later.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}

impl PortError {
    /// Returns true if the same call fails every time, so that there is no point in repeating it.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unavailable(_) => false,
            Self::Rejected(_) | Self::Corrupt(_) => true,
        }
    }
}

/// Why a run was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Somebody else wrote it since it was loaded: load it again and think again.
    #[error("the run has changed")]
    Changed,
    /// The write failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The time.
pub trait Clock {
    /// Now.
    fn now(&self) -> Time;
    /// Waits.
    fn sleep(&self, millis: u64) -> impl Future<Output = ()>;
}

/// Randomness.
pub trait Entropy {
    /// 128 random bits.
    fn random(&self) -> u128;
}

/// Runs, their steps and gates.
pub trait Runs {
    /// Writes a new run and its input, with `key` in the same transaction if there is one. `Err(Changed)`: the key is taken.
    fn create(&self, run: &Run, input: &Value, key: Option<&Idempotency>) -> impl Future<Output = Result<(), CommitError>>;
    /// What an Idempotency-Key was used for, in the last 24 hours.
    fn idempotent(&self, org: &OrgId, scope: &str, key: &str, now: Time) -> impl Future<Output = Result<Option<Idempotency>, PortError>>;
    /// The newest state of a run.
    fn load(&self, id: &RunId) -> impl Future<Output = Result<Option<Run>, PortError>>;
    /// Writes a run, and gates with it, all or nothing, if it still has the `rev` it was loaded with. Gives it with its new `rev`.
    fn commit(&self, run: Run, gates: &[Gate]) -> impl Future<Output = Result<Run, CommitError>>;
    /// The run's input.
    fn input(&self, run: &Run) -> impl Future<Output = Result<Payload, PortError>>;
    /// Keeps the record of a step unless there is one, and gives the one that is kept. Large payloads come to lie beside it;
    /// those of another run's record are copied, so that no run depends on what is kept of another one. What was laid there
    /// for a record that is not the one that is kept does not stay.
    fn record(&self, run: &Run, step: StepRecord) -> impl Future<Output = Result<StepRecord, PortError>>;
    /// The gate as it can be committed: large payloads have come to lie beside it, and those of another run's gate are copied.
    fn offload(&self, run: &Run, gate: Gate) -> impl Future<Output = Result<Gate, PortError>>;
    /// Sees to it that no record of the run's steps expires before a day after `until`, and gives the time until which they are kept
    /// if that took anything; the run is to remember it. Reads nothing where none could.
    fn extend_retention(&self, run: &Run, until: Time) -> impl Future<Output = Result<Option<Time>, PortError>>;
    /// The record of a step. One whose time is up by `now` reads as its receipt, whether or not it has been deleted.
    fn step(&self, run: &Run, node: &NodeId, now: Time) -> impl Future<Output = Result<Option<StepRecord>, PortError>>;
    /// A gate.
    fn gate(&self, run: &Run, node: &NodeId) -> impl Future<Output = Result<Option<Gate>, PortError>>;
    /// The run's gates, decided or not.
    fn gates(&self, run: &Run) -> impl Future<Output = Result<Vec<Gate>, PortError>>;
    /// The records of all steps, read like [`step`](Self::step).
    fn steps(&self, run: &Run, now: Time) -> impl Future<Output = Result<Vec<StepRecord>, PortError>>;
    /// A payload that lies beside its record.
    fn fetch(&self, object: &ObjectRef) -> impl Future<Output = Result<Value, PortError>>;
    /// A URL at which the caller can read the object for `seconds`.
    fn sign(&self, object: &ObjectRef, seconds: u64) -> impl Future<Output = Result<String, PortError>>;
}

/// What becomes of outputs once nobody needs them.
pub trait Outputs {
    /// How long the organisation's outputs are kept, as it stands now.
    fn retention(&self, org: &OrgId) -> impl Future<Output = Result<Retention, PortError>>;
    /// Sets when the records of a run's steps expire (none: never), whatever they say now. Those whose time is up by `now` are gone
    /// and do not come back; receipts stay.
    fn reschedule(&self, run: &RunId, expires_at: Option<Time>, now: Time) -> impl Future<Output = Result<(), PortError>>;
    /// Deletes what lies in object storage for steps of a run: for `nodes`, or for all; nothing of its input or its gates.
    fn delete_objects(&self, run: &Run, nodes: Option<&BTreeSet<NodeId>>) -> impl Future<Output = Result<(), PortError>>;
    /// Puts a receipt in the place of a step's record, whether that is still there or not. A receipt that is there already stays.
    fn put_receipt(&self, receipt: &StepRecord) -> impl Future<Output = Result<(), PortError>>;
    /// Notes that a run's outputs are to be purged, and that it must be looked through once more at `again_at`. If that was noted
    /// before: changes nothing, and gives what was noted then.
    fn request_purge(&self, request: &PurgeRequest, again_at: Time) -> impl Future<Output = Result<PurgeRequest, PortError>>;
    /// Requests that are to be looked at once more by `now`, a bounded number of them.
    fn purges_due(&self, now: Time) -> impl Future<Output = Result<Vec<RunId>, PortError>>;
    /// The request that was noted for a run.
    fn purge_request(&self, run: &RunId) -> impl Future<Output = Result<Option<PurgeRequest>, PortError>>;
    /// It was looked at once more.
    fn purge_is_done(&self, run: &RunId) -> impl Future<Output = Result<(), PortError>>;
}

/// The switch of long retention, and the jobs that apply it to what is there.
pub trait RetentionJobs {
    /// The last job of an organisation.
    fn retention_job(&self, org: &OrgId) -> impl Future<Output = Result<Option<RetentionJob>, PortError>>;
    /// Switches an organisation to what a new job applies, and writes the job: both or none, on the same condition as below.
    fn switch_retention(&self, job: RetentionJob) -> impl Future<Output = Result<RetentionJob, CommitError>>;
    /// Writes a job if what is there has its `rev` (none there: 0), and gives it with its new one.
    fn put_retention_job(&self, job: RetentionJob) -> impl Future<Output = Result<RetentionJob, CommitError>>;
    /// Organisations whose job is not done, a bounded number of them.
    fn retention_jobs_owed(&self) -> impl Future<Output = Result<Vec<OrgId>, PortError>>;
}

/// A remembered Idempotency-Key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Whose.
    pub org: OrgId,
    /// What it was sent to.
    pub scope: String,
    /// The key.
    pub key: String,
    /// SHA-256 of the body.
    pub body_sha256: String,
    /// The run it started.
    pub run: RunId,
    /// When it is forgotten.
    pub forget_at: Time,
}

/// A page of something, and where the next one begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Sort key after which the next page begins; none on the last page.
    pub next: Option<String>,
    /// How many there are, counted up to [`COUNT_CAP`] and one more, which means: there are more.
    pub total: u64,
}

/// Totals are exact up to here.
pub const COUNT_CAP: u64 = 1_000;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Begin after this sort key.
    pub after: Option<String>,
    /// Pass over so many rows first.
    pub skip: usize,
    /// Give so many rows.
    pub limit: usize,
    /// An earlier page of this walk has found more than [`COUNT_CAP`] rows. If no row ever leaves the list, that need not be
    /// counted again.
    pub was_beyond_cap: bool,
}

/// Which runs of a flow are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only with this status.
    pub status: Option<RunStatus>,
    /// Only with this trigger.
    pub trigger: Option<Trigger>,
    /// Only created then or later.
    pub from: Option<Time>,
    /// Only created before.
    pub to: Option<Time>,
}

impl RunFilter {
    /// Whether a run that matches once matches for good: runs are never deleted, and a final status is the last one.
    pub fn only_grows(&self) -> bool {
        self.status.is_none_or(RunStatus::is_final)
    }
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// The flow.
    pub flow: FlowId,
    /// The version it executes.
    pub flow_version: u32,
    /// Where it stands.
    pub status: RunStatus,
    /// What started it.
    pub trigger: Trigger,
    /// Its trace.
    pub trace_id: String,
    /// When it was created.
    pub started_at: Time,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// What went wrong.
    pub error: Option<String>,
    /// The run it repeats, if it repeats one.
    pub retry_of: Option<RunId>,
}

/// Lists of runs and gates.
pub trait RunLists {
    /// Runs of a flow, newest first. A run that is there before the first page is read, and matches the filter all the while, is
    /// on exactly one page, whatever statuses it goes through meanwhile.
    fn runs_of(&self, flow: &FlowId, filter: &RunFilter, window: &Window) -> impl Future<Output = Result<Page<RunSummary>, PortError>>;
    /// Open gates of an organisation that `wanted` accepts, oldest first.
    fn open_gates(
        &self,
        org: &OrgId,
        wanted: &(dyn Fn(&Gate) -> bool + Sync),
        window: &Window,
    ) -> impl Future<Output = Result<Page<Gate>, PortError>>;
    /// Runs that owe something, a bounded number of them. A debt may be seconds old: paying one twice does no harm.
    fn with_pending_effects(&self) -> impl Future<Output = Result<Vec<RunId>, PortError>>;
}

/// A flow as somebody named it in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowName {
    /// By id.
    Id(FlowId),
    /// By slug.
    Slug(Slug),
}

/// Flows and their versions.
pub trait Flows {
    /// Writes a new flow with its first version. `Err(Changed)`: the slug is taken.
    fn create_flow(&self, flow: &Flow, version: &Version) -> impl Future<Output = Result<(), CommitError>>;
    /// Writes a changed head, with a new version if there is one, if the head is still as `before`: nobody has edited it, and the
    /// clock has not moved it on.
    fn update_flow(&self, before: &Flow, flow: &Flow, version: Option<&Version>) -> impl Future<Output = Result<(), CommitError>>;
    /// The head of a flow.
    fn flow(&self, org: &OrgId, name: &FlowName) -> impl Future<Output = Result<Option<Flow>, PortError>>;
    /// A version of a flow.
    fn version(&self, org: &OrgId, flow: &FlowId, number: u32) -> impl Future<Output = Result<Option<Version>, PortError>>;
    /// Flows of an organisation, newest first.
    fn flows(&self, org: &OrgId, window: &Window) -> impl Future<Output = Result<Page<Flow>, PortError>>;
}

/// What became of a request that showed a secret.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each request, and almost always it is the large one")]
pub enum Admission {
    /// There is no such key, or it is revoked or has expired. Nothing was counted.
    Unknown,
    /// The limit is used up. This request was not counted: the key has its full limit in the next minute.
    Exhausted(Usage),
    /// It was counted, and the key is as it was at that moment.
    Admitted(ApiKey, Usage),
}

/// Lets requests in.
pub trait Keys {
    /// Finds the key whose secret has this SHA-256 (lower-case hex), counts a request of it in `bucket` in the minute of `now`, and
    /// notes the hour. The key's own limit counts, or that of `all`. However many functions ask at the same time, no more than the
    /// limit are admitted in a minute; a key that was revoked before the call is not admitted.
    /// `Err`: it may have been counted.
    fn admit(&self, secret_sha256: &str, bucket: Bucket, all: Limits, now: Time) -> impl Future<Output = Result<Admission, PortError>>;
}

/// An organisation's keys, as those see them who manage them.
pub trait ApiKeys {
    /// Keeps a new key under the SHA-256 of its secret (lower-case hex). `Err(Changed)`: there is one with that id or secret already.
    fn create_key(&self, key: &ApiKey, secret_sha256: &str) -> impl Future<Output = Result<(), CommitError>>;
    /// Keys of an organisation, newest first; revoked and expired ones among them.
    fn api_keys(&self, org: &OrgId, window: &Window) -> impl Future<Output = Result<Page<ApiKey>, PortError>>;
    /// Takes a key out of use, for every request that begins after the answer. The first revocation of a key is the one that stays.
    /// Gives the key as it is then; none if the organisation has no such key.
    fn revoke_key(&self, org: &OrgId, id: &KeyId, revocation: &Revocation) -> impl Future<Output = Result<Option<ApiKey>, PortError>>;
}

/// Organisations.
pub trait Organisations {
    /// The organisation as it was last written. None: it was never written; its keys are older than this record, and nothing is
    /// switched on for it.
    fn organisation(&self, id: &OrgId) -> impl Future<Output = Result<Option<Organisation>, PortError>>;
    /// Writes an organisation, new or changed. Its cursor secret counts only if it has none yet: once there is one it stays.
    fn put_organisation(&self, organisation: &Organisation) -> impl Future<Output = Result<(), PortError>>;
    /// What the organisation's cursors are signed with, made at first use. Always the same one.
    fn cursor_secret(&self, id: &OrgId) -> impl Future<Output = Result<CursorSecret, PortError>>;
}

/// Encrypts secrets that have to be used again.
pub trait Vault {
    /// Encrypts a secret, of at most 4,096 bytes, for one place.
    fn seal(&self, place: &SecretPlace, secret: &SecretString) -> impl Future<Output = Result<Sealed, PortError>>;
    /// Decrypts it in that place. `Err(Corrupt)`: it was sealed for another one, or is no ciphertext.
    fn open(&self, place: &SecretPlace, sealed: &Sealed) -> impl Future<Output = Result<SecretString, PortError>>;
}

/// What every outbound call carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallContext {
    /// Whose connections may be used.
    pub org: OrgId,
    /// `X-Quantum-Trace-Id`, and the trace of `traceparent`.
    pub trace_id: String,
    /// The same in every attempt of a step. If the attempt makes several calls, those after the first have keys made from it.
    pub idempotency_key: String,
    /// How long the attempt may take, in seconds.
    pub timeout_seconds: u32,
}

/// What came back from the world.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The step's output.
    pub output: Value,
    /// HTTP status and headers, where they belong on the step.
    pub answer: Option<ResponseHead>,
}

/// Why nothing usable came back.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct EffectError {
    /// What went wrong, for the step.
    pub message: String,
    /// Whether another attempt may help: network, 408, 429, 5xx.
    pub retryable: bool,
    /// The answer asked to wait this long (`Retry-After`), in seconds.
    pub retry_after_seconds: Option<u64>,
    /// HTTP status and headers, if there was an answer.
    pub answer: Option<ResponseHead>,
}

/// Does what nodes do to the world.
pub trait Effects {
    /// Sends one request, once.
    fn perform(&self, context: &CallContext, request: &Request) -> impl Future<Output = Result<Effect, EffectError>>;
}

/// The state machines that drive runs.
pub trait Executions {
    /// Starts the execution of the run's current segment; starting it again does nothing.
    fn start(&self, run: &Run, now: Time) -> impl Future<Output = Result<(), PortError>>;
    /// Wakes a parked segment. A bell that is gone is no error: whoever took it away looks after the run.
    fn resume(&self, token: &str) -> impl Future<Output = Result<(), PortError>>;
    /// Stops the execution of the run's current segment, if it runs.
    fn stop(&self, run: &Run) -> impl Future<Output = Result<(), PortError>>;
}

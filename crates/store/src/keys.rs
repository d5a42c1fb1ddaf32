//! The keys of the table, and of its indexes.

use domain::flow::{ServiceSlug, Slug};
use domain::gate::DecisionKind;
use domain::id::{ApprovalId, DeliveryId, EndpointId, EventId, FlowId, OrgId, RunId};
use domain::json::sha256_hex_of;
use domain::run::{RunStatus, Trigger};
use domain::step::StepKey;
use domain::time::Time;
use domain::trigger::WebhookToken;
use domain::webhook::DeliveryMessage;

pub(crate) const ORG: &str = "ORG";
pub(crate) const RUN: &str = "RUN";
pub(crate) const INPUT: &str = "INPUT";
pub(crate) const FLOW: &str = "FLOW";
pub(crate) const SLUG: &str = "SLUG";
pub(crate) const KEY: &str = "KEY";
pub(crate) const IDENTITY_PROVIDER: &str = "IDENTITY_PROVIDER";
pub(crate) const AUDIENCE: &str = "AUDIENCE";
pub(crate) const SESSION: &str = "SESSION";
pub(crate) const LOGIN: &str = "LOGIN";
/// The partition of the organisations that have an identity provider.
pub(crate) const IDENTITY_PROVIDERS: &str = "IDENTITY_PROVIDERS";
pub(crate) const CONNECTION: &str = "CONNECTION";
pub(crate) const IDEMPOTENCY: &str = "IDEMPOTENCY";
pub(crate) const RUN_PREFIX: &str = "RUN#";
pub(crate) const RETENTION: &str = "RETENTION";
pub(crate) const PURGE: &str = "PURGE";
pub(crate) const WEBHOOKS: &str = "WEBHOOKS";
pub(crate) const EVENT: &str = "EVENT";
pub(crate) const WEBHOOK_TRIGGER: &str = "HOOK";
pub(crate) const APPROVAL: &str = "APPROVAL";
pub(crate) const STEP_PREFIX: &str = "STEP#";
pub(crate) const GATE_PREFIX: &str = "GATE#";

pub(crate) const LISTS: &str = "lists";
pub(crate) const INBOX: &str = "inbox";
pub(crate) const OUTBOX: &str = "outbox";

/// The number of partitions of each kind of work in the index `outbox` that has several: one partition takes 1,000 write units a second.
pub(crate) const OUTBOX_SHARDS: u8 = 4;

pub(crate) fn organisation(id: &OrgId) -> String {
    format!("ORG#{id}")
}

pub(crate) fn run(id: &RunId) -> String {
    format!("{RUN_PREFIX}{id}")
}

/// Returns the run of a key that [`run`] made.
pub(crate) fn parse_run(key: &str) -> Option<RunId> {
    key.strip_prefix(RUN_PREFIX)?.parse().ok()
}

/// Returns the sort key of a step's record: that of a later round than the first is `STEP#<node>@R<round>`.
pub(crate) fn step(step: &StepKey) -> String {
    format!("{STEP_PREFIX}{step}")
}

/// Returns the sort key of a gate: that of a later round than the first is `GATE#<node>@R<round>`.
pub(crate) fn gate(step: &StepKey) -> String {
    format!("{GATE_PREFIX}{step}")
}

/// Returns the key of the place of an approval whose id does not lead to its run.
pub(crate) fn approval(id: &ApprovalId) -> String {
    format!("APPROVAL#{id}")
}

pub(crate) fn flow(org: &OrgId, id: &FlowId) -> String {
    format!("{}{id}", flow_prefix(org))
}

pub(crate) fn flow_prefix(org: &OrgId) -> String {
    format!("ORG#{org}#FLOW#")
}

/// Returns the organisation and the flow of a key that [`flow`] made.
pub(crate) fn parse_flow(key: &str) -> Option<(OrgId, FlowId)> {
    let (org, flow) = key.strip_prefix("ORG#")?.split_once("#FLOW#")?;
    Some((org.parse().ok()?, flow.parse().ok()?))
}

/// The number is padded, so that the keys sort as the numbers do.
pub(crate) fn version(number: u32) -> String {
    format!("V#{number:06}")
}

/// Returns the key of a further part of a version whose spec does not fit into one item.
pub(crate) fn version_part(number: u32, part: usize) -> String {
    format!("{}#{part:02}", version(number))
}

pub(crate) fn slug(org: &OrgId, slug: &Slug) -> String {
    format!("ORG#{org}#SLUG#{slug}")
}

pub(crate) fn api_key(secret_sha256: &str) -> String {
    format!("KEY#{secret_sha256}")
}

pub(crate) fn audience(audience_sha256: &str) -> String {
    format!("AUDIENCE#{audience_sha256}")
}

pub(crate) fn session(secret_sha256: &str) -> String {
    format!("SESSION#{secret_sha256}")
}

/// Returns the key of the counters of a login in a minute.
pub(crate) fn login(login_sha256: &str, minute: u64) -> String {
    format!("LOGIN#{login_sha256}#{minute}")
}

pub(crate) fn sessions(org: &OrgId) -> String {
    format!("ORG#{org}#SESSIONS")
}

pub(crate) fn webhook_trigger(token: &WebhookToken) -> String {
    format!("HOOK#{}", token.sha256())
}

pub(crate) fn api_keys(org: &OrgId) -> String {
    format!("ORG#{org}#KEYS")
}

pub(crate) fn connection(org: &OrgId, slug: &ServiceSlug) -> String {
    format!("ORG#{org}#CONNECTION#{slug}")
}

pub(crate) fn webhooks(org: &OrgId) -> String {
    format!("ORG#{org}#WEBHOOKS")
}

pub(crate) fn event(org: &OrgId, id: &EventId) -> String {
    format!("ORG#{org}#EVENT#{id}")
}

/// Returns the partition of the deliveries to an endpoint. The sort key of a delivery is its id.
pub(crate) fn deliveries(org: &OrgId, endpoint: &EndpointId) -> String {
    format!("ORG#{org}#WEBHOOK#{endpoint}")
}

pub(crate) fn connections(org: &OrgId) -> String {
    format!("ORG#{org}#CONNECTIONS")
}

/// Returns the key of an Idempotency-Key. What the caller sent is hashed: it may be long and contain any character.
pub(crate) fn idempotency(org: &OrgId, scope: &str, key: &str) -> String {
    format!("ORG#{org}#IDEMPOTENCY#{scope}#{}", sha256_hex_of(key.as_bytes()))
}

pub(crate) fn flow_list(org: &OrgId) -> String {
    format!("ORG#{org}#FLOWS")
}

pub(crate) fn run_list(flow: &FlowId, status: RunStatus, trigger: Trigger) -> String {
    format!("{flow}#{status}#{trigger}")
}

/// Returns the flow, the status and the trigger of a key that [`run_list`] made.
pub(crate) fn parse_run_list(key: &str) -> Option<(FlowId, RunStatus, Trigger)> {
    let (flow, rest) = key.split_once('#')?;
    let (status, trigger) = rest.split_once('#')?;
    Some((flow.parse().ok()?, RunStatus::from_name(status)?, Trigger::from_name(trigger)?))
}

/// Returns the partition of the history with the decisions of a kind: those of the organisation, of a flow, by an actor, or both. The
/// actor comes last, because it may contain any character.
pub(crate) fn decisions(org: &OrgId, kind: DecisionKind, flow: Option<&FlowId>, actor: Option<&str>) -> String {
    let flow = flow.map(|flow| format!("#FLOW#{flow}")).unwrap_or_default();
    let actor = actor.map(|actor| format!("#ACTOR#{actor}")).unwrap_or_default();
    format!("ORG#{org}#DECISIONS#{kind}{flow}{actor}")
}

pub(crate) fn inbox(org: &OrgId) -> String {
    format!("INBOX#{org}")
}

pub(crate) fn outbox(id: &RunId) -> String {
    outbox_shard(shard_of(&id.to_string()))
}

/// Returns the partition of the index `outbox` for a run without a pending effect. These partitions sort by the time from which the run is
/// stuck.
pub(crate) fn watch(id: &RunId) -> String {
    watch_shard(shard_of(&id.to_string()))
}

pub(crate) fn watch_shard(shard: u8) -> String {
    format!("WATCH#{shard}")
}

pub(crate) fn stuck_at(at: Time, id: &RunId) -> String {
    format!("{at}#{id}")
}

pub(crate) fn parse_stuck_at(key: &str) -> Option<RunId> {
    key.rsplit_once('#')?.1.parse().ok()
}

fn shard_of(id: &str) -> u8 {
    // The last character of a ULID is random.
    id.bytes().last().unwrap_or_default() % OUTBOX_SHARDS
}

/// Returns the partition of the index `outbox` for a flow that the clock starts. These partitions sort by the due time.
pub(crate) fn cron(flow: &FlowId) -> String {
    cron_shard(shard_of(&flow.to_string()))
}

pub(crate) fn cron_shard(shard: u8) -> String {
    format!("CRON#{shard}")
}

pub(crate) fn cron_due(at: Time, org: &OrgId, flow: &FlowId) -> String {
    format!("{at}#{org}#{flow}")
}

/// Returns the due time and the flow of a key that [`cron_due`] made.
pub(crate) fn parse_cron_due(key: &str) -> Option<(Time, OrgId, FlowId)> {
    let (at, flow) = key.split_once('#')?;
    let (org, flow) = flow.split_once('#')?;
    Some((at.parse().ok()?, org.parse().ok()?, flow.parse().ok()?))
}

/// The partition of the index `outbox` for jobs of long retention that are not done.
pub(crate) const RETENTION_JOBS: &str = "RETENTION_JOBS";
/// The partition of the index `outbox` for purges that are to be repeated once. It sorts by the due time.
pub(crate) const PURGES: &str = "PURGES";

pub(crate) fn purge_due(at: Time, run: &RunId) -> String {
    format!("{at}#{run}")
}

/// Returns the run of a key that [`purge_due`] made.
pub(crate) fn parse_purge_due(key: &str) -> Option<RunId> {
    key.split_once('#')?.1.parse().ok()
}

/// Returns the partition of the index `outbox` for a delivery whose next attempt is due later. These partitions sort by the due time.
pub(crate) fn deliveries_due(id: &DeliveryId) -> String {
    deliveries_due_shard(shard_of(&id.to_string()))
}

pub(crate) fn deliveries_due_shard(shard: u8) -> String {
    format!("DELIVERIES#{shard}")
}

/// The key has the whole message, so that no item has to be read.
pub(crate) fn delivery_due(at: Time, message: &DeliveryMessage) -> String {
    let DeliveryMessage { org, endpoint, delivery, round } = message;
    format!("{at}#{org}#{endpoint}#{delivery}#{round}")
}

/// Returns the due time and the message of a key that [`delivery_due`] made.
pub(crate) fn parse_delivery_due(key: &str) -> Option<(Time, DeliveryMessage)> {
    let mut parts = key.split('#');
    let mut next = || parts.next();
    let at = next()?.parse().ok()?;
    let (org, endpoint, delivery) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
    Some((at, DeliveryMessage { org, endpoint, delivery, round: next()?.parse().ok()? }))
}

pub(crate) fn outbox_shard(shard: u8) -> String {
    format!("OUTBOX#{shard}")
}

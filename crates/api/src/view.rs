//! What callers see: flows, runs, steps, approvals and keys as JSON.

mod connection;
mod fit;
mod gate;
mod key;
mod payload;
mod run;
mod webhook;

use domain::flow::{Flow, Version};
use domain::ports::RunSummary;
use domain::retention::{Gone, JobPhase, Purge, PurgeReason, Purged, RetentionJob};
use domain::run::Run;
use domain::step::{StepRecord, step_id};
use domain::trigger::WebhookToken;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::set;

pub use connection::{connection, health};
pub use fit::MAX_BYTES;
pub use gate::{approvals, decided};
pub use key::{api_key, new_api_key};
pub use run::{PARTS_OF_STEPS, part_of_step, run_with_steps};
pub use webhook::{delivery, webhook, webhook_with_secret};

/// A flow's head: a row of a list.
pub fn flow(flow: &Flow) -> Value {
    let cron = flow.trigger.cron();
    without_nulls(json!({
        "id": flow.id,
        "slug": flow.slug,
        "name": flow.name,
        "description": flow.description,
        "status": flow.status,
        "triggerType": flow.trigger.kind(),
        "webhookToken": flow.trigger.webhook_token().map(WebhookToken::as_str),
        "cronExpression": cron.map(|cron| &cron.expression),
        "cronTimezone": cron.map(|cron| &cron.timezone),
        "cronEnabled": cron.map(|cron| cron.enabled),
        "nextCronRunAt": cron.and_then(|cron| cron.next_run_at),
        "lastCronRunAt": cron.and_then(|cron| cron.last_run_at),
        "version": flow.version,
        "createdAt": flow.created_at,
        "updatedAt": flow.updated_at,
    }))
}

/// A flow with its newest spec, and with the secret of its webhook where that is to be shown.
pub fn flow_with_spec(head: &Flow, version: &Version, secret: Option<&SecretString>) -> Value {
    let mut view = flow(head);
    set(&mut view, "spec", version.spec.clone());
    if let Some(secret) = secret {
        set(&mut view, "webhookSecret", secret.expose_secret().into());
    }
    view
}

/// A run in a list: no input, no steps, no outputs.
pub fn run_summary(run: &RunSummary) -> Value {
    without_nulls(json!({
        "id": run.id,
        "flowId": run.flow,
        "flowVersion": run.flow_version,
        "status": run.status,
        "trigger": run.trigger,
        "traceId": run.trace_id,
        "startedAt": run.started_at,
        "finishedAt": run.finished_at,
        "error": run.error.as_ref().map(|message| json!({"message": message})),
        "retryOf": run.retry_of,
    }))
}

/// What is left of a step's payloads.
pub(crate) fn purged(purged: &Purged) -> Value {
    let gone = |gone: &Option<Gone>| gone.as_ref().map(|gone| json!({"bytes": gone.bytes, "sha256": gone.sha256}));
    let (reason, by) = match &purged.reason {
        PurgeReason::Expired => ("expired", None),
        PurgeReason::Requested(by) => ("requested", Some(by)),
    };
    without_nulls(json!({"at": purged.at, "reason": reason, "by": by, "input": gone(&purged.input), "output": gone(&purged.output)}))
}

/// Whether outputs are kept for ever, and how far the job has come that applies the last switch.
pub fn retention(long: bool, job: Option<&RetentionJob>) -> Value {
    let job = job.map(|job| {
        let status = match job.phase {
            JobPhase::Pending => "pending",
            JobPhase::First | JobPhase::Second(_) => "running",
            JobPhase::Done(_) => "done",
        };
        without_nulls(json!({"status": status, "startedAt": job.started_at, "finishedAt": job.finished_at(), "runsDone": job.runs_done}))
    });
    without_nulls(json!({"longRetention": long, "job": job}))
}

/// The receipt of a purge: which steps had payloads, and how many bytes and objects these were.
pub fn purge(done: &Purge) -> Value {
    let gone = || done.receipts.iter().filter_map(|receipt| receipt.purged.as_deref()).flat_map(Purged::payloads);
    let step = |receipt: &StepRecord| json!({"id": step_id(&receipt.run, &receipt.node), "nodeId": receipt.node, "purged": receipt.purged.as_deref().map(purged)});
    json!({
        "runId": done.run,
        "purgedAt": done.at,
        "steps": done.receipts.iter().filter(|receipt| !receipt.node.is_internal()).map(step).collect::<Vec<_>>(),
        "objects": gone().filter(|gone| gone.stored).count(),
        "bytes": gone().map(|gone| gone.bytes).sum::<u64>(),
    })
}

/// A run without its steps: the answer to an action on it.
pub fn run(run: &Run) -> Value {
    without_nulls(json!({
        "id": run.id,
        "flowId": run.flow,
        "flowVersion": run.flow_version,
        "status": run.status,
        "trigger": run.trigger,
        "traceId": run.trace_id,
        "startedBy": run.started_by,
        "retryOf": run.retried.as_ref().map(|retried| retried.of),
        "startedAt": run.started_at,
        "finishedAt": run.finished_at,
        "error": run.error,
        "cancelledBy": run.cancellation.as_ref().map(|cancellation| &cancellation.actor),
        "cancelReason": run.cancellation.as_ref().and_then(|cancellation| cancellation.reason.as_ref()),
    }))
}

/// Leaves out the fields of an object that say nothing.
fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    value
}

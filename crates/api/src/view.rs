//! What callers see: flows, runs, steps, approvals and keys as JSON.

mod fit;
mod gate;
mod key;
mod payload;
mod run;

use domain::flow::{Flow, Version};
use domain::ports::RunSummary;
use domain::run::Run;
use serde_json::{Value, json};

use crate::set;

pub use fit::MAX_BYTES;
pub use gate::{approvals, decided};
pub use key::{api_key, new_api_key};
pub use run::{PARTS_OF_STEPS, part_of_step, run_with_steps};

/// A flow's head: a row of a list.
pub fn flow(flow: &Flow) -> Value {
    json!({
        "id": flow.id,
        "slug": flow.slug,
        "name": flow.name,
        "description": flow.description,
        "status": flow.status,
        "triggerType": "api",
        "version": flow.version,
        "createdAt": flow.created_at,
        "updatedAt": flow.updated_at,
    })
}

/// A flow with its newest spec.
pub fn flow_with_spec(head: &Flow, version: &Version) -> Value {
    let mut view = flow(head);
    set(&mut view, "spec", version.spec.clone());
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

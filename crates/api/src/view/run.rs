//! Runs without their steps.

use domain::ports::RunSummary;
use domain::run::Run;
use serde_json::{Value, json};

use crate::json_object::without_nulls;

/// Returns a row of a list of runs: it has no input, no steps and no outputs.
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

/// Returns a run without its steps: the response to an action on it.
pub fn run(run: &Run) -> Value {
    without_nulls(json!({
        "id": run.id,
        "flowId": run.flow,
        "flowVersion": run.flow_version,
        "status": run.status,
        "trigger": run.trigger,
        "traceId": run.trace_id,
        "startedBy": run.started_by,
        "startedByIdentity": run.starter_identity,
        "retryOf": run.retried.as_ref().map(|retried| retried.of),
        "startedAt": run.started_at,
        "finishedAt": run.finished_at,
        "error": run.error,
        "warning": run.warning,
        "cancelledBy": run.cancellation.as_ref().map(|cancellation| &cancellation.actor),
        "cancelledByIdentity": run.cancellation.as_ref().and_then(|cancellation| cancellation.identity.as_ref()),
        "cancelReason": run.cancellation.as_ref().and_then(|cancellation| cancellation.reason.as_ref()),
    }))
}

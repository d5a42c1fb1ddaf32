//! Retention: what was purged, and the state of long retention.

use domain::retention::{Gone, JobPhase, Purge, PurgeReason, Purged, RetentionJob};
use domain::step::{StepRecord, step_id};
use serde_json::{Value, json};

use crate::json_object::without_nulls;

/// Returns what remains of a step's payloads after a purge.
pub(super) fn purged(purged: &Purged) -> Value {
    let gone = |gone: &Option<Gone>| gone.as_ref().map(|gone| json!({"bytes": gone.bytes, "sha256": gone.sha256}));
    let (reason, by, identity) = match &purged.reason {
        PurgeReason::Expired => ("expired", None, None),
        PurgeReason::Requested { by, identity } => ("requested", Some(by), identity.as_deref()),
    };
    without_nulls(
        json!({"at": purged.at, "reason": reason, "by": by, "identity": identity, "input": gone(&purged.input), "output": gone(&purged.output)}),
    )
}

/// Returns whether outputs are kept without a time limit, and the progress of the job that applies the last change.
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

/// Returns the receipt of a purge: the steps that had payloads, and the number and the size of these.
pub fn purge(done: &Purge) -> Value {
    let gone = || done.receipts.iter().filter_map(|receipt| receipt.purged.as_deref()).flat_map(Purged::payloads);
    let step = |receipt: &StepRecord| json!({"id": step_id(&receipt.run, &receipt.key()), "nodeId": receipt.node, "purged": receipt.purged.as_deref().map(purged)});
    json!({
        "runId": done.run,
        "purgedAt": done.at,
        "steps": done.receipts.iter().filter(|receipt| !receipt.node.is_internal()).map(step).collect::<Vec<_>>(),
        "objects": gone().filter(|gone| gone.stored).count(),
        "bytes": gone().map(|gone| gone.bytes).sum::<u64>(),
    })
}

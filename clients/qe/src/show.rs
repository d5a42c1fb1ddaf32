//! A run as text.

use runs_client::types::{RunWithFlow, Timestamp};
use serde_json::Value;

use crate::{out, text};

/// Returns everything about a run that fits on a screen.
pub fn whole(view: &RunWithFlow) -> String {
    let open = steps_of(view).into_iter().filter(|step| is(step, "status", "awaiting_approval")).map(|step| {
        let node = string(&step, "nodeId");
        let action = step.pointer("/input/proposedAction").map_or_else(|| "(large; `qe runs approve` fetches it)".to_owned(), text::pretty);
        format!("{node} waits for a decision:\n{action}\n{}", how_to_decide(view.run.id.as_str(), &node))
    });
    let output = view.run.output.iter().map(|output| format!("output:\n{}", text::pretty(output)));
    [head(view), steps(view)].into_iter().chain(open).chain(output).collect::<Vec<_>>().join("\n\n")
}

/// Returns the commands that decide an approval.
pub fn how_to_decide(run: &str, node: &str) -> String {
    format!("  qe runs approve {run} --node {node} --edit\n  qe runs reject {run} --node {node}")
}

/// Returns the run in a few lines, without its steps.
pub fn head(view: &RunWithFlow) -> String {
    let run = &view.run;
    let took = run.finished_at.as_ref().map(|end| format!(", took {}", span(&run.started_at, end))).unwrap_or_default();
    let first = format!(
        "{}  {}  {} v{}, {} by {}, {}{took}",
        run.id.as_str(),
        out::status(&run.status.to_string()),
        view.flow.slug.as_str(),
        run.flow_version,
        run.trigger,
        run.started_by,
        time(&run.started_at),
    );
    let retry = run.retry_of.as_ref().map(|earlier| format!(", retries {}", earlier.as_str())).unwrap_or_default();
    let trace = format!("trace {}{retry}", run.trace_id.as_str());
    let error = run.error.as_ref().map(|error| format!("error: {}", text::plain(&error.message)));
    let why = run.cancel_reason.as_deref().map_or_else(|| "no reason given".to_owned(), text::plain);
    let cancelled = run.cancelled_by.as_ref().map(|by| format!("cancelled by {by}: {why}"));
    [Some(first), Some(trace), error, cancelled].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// Returns a table of the steps, in execution order.
pub fn steps(view: &RunWithFlow) -> String {
    let row = |step: Value| {
        let took = step.get("durationMs").and_then(Value::as_u64).map(|ms| format!("{ms} ms")).unwrap_or_default();
        vec![string(&step, "nodeId"), string(&step, "type"), out::status(&string(&step, "status")), took, remark(&step)]
    };
    out::render(&["step", "type", "status", "took", ""], steps_of(view).into_iter().map(row))
}

/// Returns the steps as JSON, so that the fields that all types of steps have are read by name.
pub fn steps_of(view: &RunWithFlow) -> Vec<Value> {
    view.run.steps.iter().filter_map(|step| serde_json::to_value(step).ok()).collect()
}

fn remark(step: &Value) -> String {
    if let Some(decision) = step.get("decision").filter(|decision| decision.is_object()) {
        let edited = decision.get("patch").and_then(Value::as_array).is_some_and(|patch| !patch.is_empty());
        let by = decision.get("actor").and_then(Value::as_str).unwrap_or("an unknown actor");
        let note = decision.get("note").and_then(Value::as_str).map(|note| format!(": {}", text::plain(note))).unwrap_or_default();
        return format!("{} by {by}{}{note}", string(decision, "decision"), if edited { ", edited" } else { "" });
    }
    let error = string(step, "error");
    let waits = if is(step, "status", "awaiting_approval") { string(step, "expiresAt") } else { string(step, "dueAt") };
    match (error.is_empty(), waits.is_empty(), step.get("reusedFrom").and_then(Value::as_str)) {
        (false, ..) => error,
        (true, false, _) => format!("until {waits}"),
        (true, true, Some(run)) => format!("taken over from {run}"),
        (true, true, None) => String::new(),
    }
}

fn is(step: &Value, name: &str, value: &str) -> bool {
    step.get(name).is_some_and(|found| found == value)
}

/// Returns a text field as one visible line, or an empty text if it is absent.
pub fn string(value: &Value, name: &str) -> String {
    text::plain(value.get(name).and_then(Value::as_str).unwrap_or_default())
}

/// Returns a list of texts as one visible line, or an empty text if it is absent.
pub fn strings(value: &Value, name: &str) -> String {
    let all = value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    all.iter().filter_map(Value::as_str).map(text::plain).collect::<Vec<_>>().join(", ")
}

/// Returns a time with a precision of one second.
pub fn time(at: &Timestamp) -> String {
    at.0.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Returns the time between two points in time.
pub fn span(from: &Timestamp, to: &Timestamp) -> String {
    let seconds = (to.0 - from.0).num_seconds();
    match seconds {
        ..60 => format!("{:.1} s", (to.0 - from.0).as_seconds_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

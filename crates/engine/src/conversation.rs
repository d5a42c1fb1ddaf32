//! The conversation that a revised draft continues.

use domain::flow::NodeId;
use domain::json::canonical;
use domain::ports::{PortError, Runs, gates_in_all_rounds, step_in_any_run};
use domain::request::Turn;
use domain::run::Run;
use domain::step::StepKey;
use domain::time::Time;
use serde_json::Value;

use crate::run_context::value_of;

/// Returns what followed the prompts of an `llm_step` in the rounds before the one that it is in: each draft, and the note of the reviewer
/// who requested changes to it. It goes back as far as each round was a request about this draft. If something before the draft was done
/// again, the draft is about something else, and the conversation begins anew. `Err` is the reason why a draft cannot be read any more.
pub(crate) async fn conversation(runs: &impl Runs, run: &Run, node: &NodeId, now: Time) -> Result<Result<Vec<Turn>, String>, PortError> {
    let gates = gates_in_all_rounds(runs, run).await?;
    let mut turns = Vec::new();
    for round in (1..run.round_of(node)).rev() {
        let draft = StepKey::new(node, round);
        let Some(changes) = gates.iter().filter_map(|gate| gate.changes.as_ref()).find(|changes| changes.draft == draft) else { break };
        let record = step_in_any_run(runs, run, &draft, now).await?;
        let Some(output) = record.and_then(|record| record.output) else {
            return Ok(Err(format!("the draft of `{node}` in round {round} is no longer kept, so it cannot be revised; start a new run")));
        };
        turns.push(Turn::User(changes.note.clone()));
        turns.push(Turn::Assistant(text_of(&*value_of(runs, &output).await?)));
    }
    turns.reverse();
    Ok(Ok(turns))
}

/// Returns what the model answered, word for word.
fn text_of(output: &Value) -> String {
    output.get("text").and_then(Value::as_str).map_or_else(|| canonical(output), str::to_owned)
}

//! Sends a run back to the draft of an approval. What is shown is what the request is about: it names the approval by its id.

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::GateArgs;
use crate::decide::put_note;
use crate::failure::Failure;
use crate::gate::OpenGate;
use crate::session::{Session, segment};
use crate::{out, prompt, show};

/// Requests changes of the draft of an open approval.
pub async fn request_changes(session: &Session, args: GateArgs, yes: bool, json: bool) -> Result<(), Failure> {
    if !yes && !prompt::is_possible() {
        return Err(Failure::usage("there is no terminal for a question; use --yes"));
    }
    let open = OpenGate::find(session, &args).await?;
    if !json {
        out::line(open.question())?;
    }
    prompt::confirm_unless(yes, "Send it back with this note?")?;
    let mut body = json!({"nodeId": open.node, "approvalId": open.approval});
    put_note(&mut body, args.note.as_deref());
    let path = format!("/api/runs/{}/request-changes", segment(&open.run)?);
    let requested = session.send(Method::POST, &path, Some(&body)).await?;
    if json { out::json(&requested) } else { out::line(outcome(&requested)) }
}

/// Returns what became of a request.
fn outcome(requested: &Value) -> String {
    let run = requested.get("run").unwrap_or(&Value::Null);
    let round = requested.get("round").and_then(Value::as_u64).unwrap_or(1);
    format!(
        "changes requested: {} {}\nthe draft of round {round} is revised; the approval opens anew as round {}",
        show::string(run, "id"),
        show::string(requested, "nodeId"),
        round + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_which_round_comes_next() {
        let requested = json!({"run": {"id": "run_1"}, "nodeId": "review", "round": 2});
        assert_eq!(
            outcome(&requested),
            "changes requested: run_1 review\nthe draft of round 2 is revised; the approval opens anew as round 3"
        );
    }
}

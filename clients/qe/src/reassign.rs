//! Assigns an open approval to somebody else.

use reqwest::Method;
use serde_json::json;

use crate::args::ReassignArgs;
use crate::failure::Failure;
use crate::session::{Session, segment};
use crate::{gate, out, show};

/// Reassigns the approval that the arguments name.
pub async fn run(session: &Session, args: ReassignArgs, json: bool) -> Result<(), Failure> {
    let ReassignArgs { gate, to } = args;
    let approval = gate::approval_id(session, &gate.run, gate.node.as_deref()).await?;
    let body = json!({"approvalId": approval, "to": to, "note": gate.note});
    let answer = session.send(Method::POST, &format!("/api/runs/{}/reassign", segment(&gate.run)?), Some(&body)).await?;
    if json {
        return out::json(&answer);
    }
    let shown = answer.get("approval").cloned().unwrap_or_default();
    out::line(format!(
        "{} {} is for {} now",
        show::string(&shown, "runId"),
        show::string(&shown, "nodeId"),
        show::string(&shown, "assignTo")
    ))
}

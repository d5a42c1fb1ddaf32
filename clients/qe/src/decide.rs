//! Approves and rejects. The decision is shown before it is sent.

use std::io::IsTerminal;

use dialoguer::{Confirm, Editor};
use runs_client::types;
use serde_json::Value;

use crate::args::GateArgs;
use crate::diff::diff;
use crate::failure::Failure;
use crate::session::Session;
use crate::{input, out, show, text};

/// The action to approve.
#[derive(Debug)]
pub enum Override {
    /// The proposed action.
    None,
    /// The proposed action as it was edited in an editor.
    Edit,
    /// The JSON of an argument: JSON, `@file` or `-`.
    Given(String),
}

/// Approves an open approval.
pub async fn approve(session: &Session, gate: GateArgs, action: Override, yes: bool, json: bool) -> Result<(), Failure> {
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !terminal && (!yes || matches!(action, Override::Edit)) {
        return Err(Failure::usage("there is no terminal for a question or an editor; use --yes, and --override for another action"));
    }
    let open = open_gate(session, &gate).await?;
    let proposed = proposed_action(session, &open).await?;
    let decided = match action {
        Override::None => proposed.clone(),
        Override::Edit => edit(&proposed)?,
        Override::Given(argument) => input::json(&argument)?,
    };
    let change = diff(&proposed, &decided);
    if !json {
        out::line(format!("{} ({})", open.label, open.node))?;
        out::line(change.clone().unwrap_or_else(|| text::pretty(&proposed)))?;
    }
    if !yes && !confirm(if change.is_some() { "Approve it with this change?" } else { "Approve it as proposed?" })? {
        return Err(Failure::here("nothing was sent"));
    }
    let mut body = types::ApproveRequest::builder().node_id(Some(open.node)).note(gate.note);
    if change.is_some() {
        body = body.proposed_action_override(Some(types::JsonValue(decided)));
    }
    let decided = session.api.approve_run().run_id(gate.run.clone()).body(body).send().await?.into_inner().data;
    report(&decided, json)
}

/// Rejects an open approval.
pub async fn reject(session: &Session, gate: GateArgs, json: bool) -> Result<(), Failure> {
    let body = types::RejectRequest::builder().node_id(gate.node).note(gate.note);
    let decided = session.api.reject_run().run_id(gate.run.clone()).body(body).send().await?.into_inner().data;
    report(&decided, json)
}

fn report(decided: &types::Decided, json: bool) -> Result<(), Failure> {
    if json {
        return out::json(decided);
    }
    match &decided.decision {
        Some(decision) => {
            let by = decision.actor.as_deref().unwrap_or("an unknown actor");
            out::line(format!(
                "{} by {by}: {} {}",
                out::status(&decision.decision.to_string()),
                decided.run.id.as_str(),
                decided.node_id.as_str()
            ))?;
            out::line(format!("what will be executed has SHA-256 {}", decision.decided_sha256.as_str()))
        }
        None => out::line(format!("noted; {} votes so far, and more are needed", decided.votes.len())),
    }
}

/// An approval that is open.
#[derive(Debug)]
struct Open {
    run: String,
    node: String,
    label: String,
    question: Value,
}

/// Returns the open approval that the arguments name. It is looked up, and not left to the API, because it is shown before it is
/// decided.
async fn open_gate(session: &Session, gate: &GateArgs) -> Result<Open, Failure> {
    let run = session.api.get_run().run_id(gate.run.clone()).send().await?.into_inner().data.run;
    let mut open = run.steps.iter().filter_map(|step| match step {
        types::Step::HumanApprovalStep(step) if step.status == types::StepStatus::AwaitingApproval => {
            let question = serde_json::to_value(&step.input).unwrap_or_default();
            let label = show::string(&question, "actionLabel");
            Some(Open { run: gate.run.clone(), node: step.node_id.to_string(), label, question })
        }
        _ => None,
    });
    if let Some(node) = &gate.node {
        return open.find(|open| open.node == *node).ok_or_else(|| Failure::refused(format!("{} has no open approval `{node}`", gate.run)));
    }
    let mut all: Vec<_> = open.collect();
    match (all.pop(), all.as_slice()) {
        (None, _) => Err(Failure::refused(format!("{} has no open approval; it is {}", gate.run, run.status))),
        (Some(only), []) => Ok(only),
        (Some(last), others) => {
            let nodes: Vec<_> = others.iter().map(|open| open.node.as_str()).chain([last.node.as_str()]).collect();
            Err(Failure::refused(format!("several approvals are open; name one with --node: {}", nodes.join(", "))))
        }
    }
}

/// Returns the proposed action, also if it is in object storage.
async fn proposed_action(session: &Session, open: &Open) -> Result<Value, Failure> {
    if let Some(action) = open.question.get("proposedAction") {
        return Ok(action.clone());
    }
    let request = session.api.get_step_output().run_id(open.run.clone()).node_id(open.node.clone());
    let part = request.of(types::StepPartName::ProposedAction).send().await?.into_inner().data;
    match (part.proposed_action, part.proposed_action_ref) {
        (Some(action), _) => Ok(action.0),
        (None, Some(reference)) => session.fetch(&reference.url).await,
        (None, None) => Err(Failure::refused(format!("{} proposes nothing", open.node))),
    }
}

/// Returns the action as it was saved in the editor. Opens the editor again while the text is not JSON.
fn edit(proposed: &Value) -> Result<Value, Failure> {
    let mut text = text::pretty(proposed);
    loop {
        let edited = Editor::new().extension(".json").require_save(true).edit(&text).map_err(|error| Failure::here(error.to_string()))?;
        text = edited.ok_or_else(|| Failure::here("the editor saved nothing, and nothing was sent"))?;
        match serde_json::from_str(&text) {
            Ok(action) => return Ok(action),
            Err(problem) if confirm(&format!("That is not JSON: {problem}. Edit it again?"))? => {}
            Err(_) => return Err(Failure::here("nothing was sent")),
        }
    }
}

fn confirm(question: &str) -> Result<bool, Failure> {
    Confirm::new().with_prompt(question).default(false).interact().map_err(|error| Failure::here(error.to_string()))
}

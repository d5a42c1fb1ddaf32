//! Approves and rejects. The decision is shown before it is sent.

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::GateArgs;
use crate::diff::diff;
use crate::edit::Draft;
use crate::failure::Failure;
use crate::gate::OpenGate;
use crate::session::{Session, segment};
use crate::{input, out, prompt, show};

/// The action to approve.
#[derive(Debug)]
pub enum Override {
    /// The action that other reviewers have approved, or else the proposed one.
    None,
    /// The proposed action as it was edited in an editor.
    Edit,
    /// The JSON of an argument: JSON, `@file` or `-`.
    Given(String),
}

/// How an approval is sent.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Do not ask.
    pub yes: bool,
    /// Only validate.
    pub dry_run: bool,
    /// Print the API's JSON.
    pub json: bool,
}

/// Approves an open approval.
pub async fn approve(session: &Session, args: GateArgs, action: Override, options: Options) -> Result<(), Failure> {
    let asks = !options.yes && !options.dry_run;
    if !prompt::is_possible() && (asks || matches!(action, Override::Edit)) {
        return Err(Failure::usage("there is no terminal for a question or an editor; use --yes, and --override for another action"));
    }
    let open = OpenGate::find(session, &args).await?;
    if !options.json {
        out::line(open.question())?;
    }
    let approval = Approval { session, open: &open, note: args.note.as_deref(), options };
    match action {
        Override::None => {
            // All approvals must be for the same action, so an earlier one decides what can be approved.
            let (decided, sha256) = match open.votes.last() {
                Some(vote) => (vote.action.clone(), Some(vote.sha256.as_str())),
                None => (open.proposed.clone(), None),
            };
            approval.show(&decided)?;
            approval.ask(&decided)?;
            approval.send(&decided, sha256).await
        }
        Override::Given(argument) => {
            let decided = input::json(&argument)?;
            approval.show(&decided)?;
            approval.ask(&decided)?;
            approval.send(&decided, None).await
        }
        Override::Edit => approval.edit().await,
    }
}

/// Rejects an open approval.
pub async fn reject(session: &Session, args: GateArgs, yes: bool, json: bool) -> Result<(), Failure> {
    if !yes && !prompt::is_possible() {
        return Err(Failure::usage("there is no terminal for a question; use --yes"));
    }
    let open = OpenGate::find(session, &args).await?;
    if !json {
        out::line(open.question())?;
    }
    prompt::confirm_unless(yes, "Reject it?")?;
    let mut body = json!({"approvalId": open.approval, "shownSha256": open.shown_sha256});
    put_note(&mut body, args.note.as_deref());
    let decided = session.send(Method::POST, &format!("/api/runs/{}/reject", segment(&open.run)?), Some(&body)).await?;
    if json { out::json(&decided) } else { out::line(outcome(&decided)) }
}

/// An approval that is about to be sent.
struct Approval<'a> {
    session: &'a Session,
    open: &'a OpenGate,
    note: Option<&'a str>,
    options: Options,
}

impl Approval<'_> {
    /// Shows the difference from the proposed action, if there is one.
    fn show(&self, decided: &Value) -> Result<(), Failure> {
        match diff(&self.open.proposed, decided) {
            Some(change) if !self.options.json => out::line(format!("\nwith this change:\n{change}")),
            _ => Ok(()),
        }
    }

    fn ask(&self, decided: &Value) -> Result<(), Failure> {
        let question = if *decided == self.open.proposed { "Approve it as proposed?" } else { "Approve it with this change?" };
        prompt::confirm_unless(self.options.yes || self.options.dry_run, question)
    }

    /// Opens the editor until the API accepts the action or the user gives up. A refused edit is kept.
    async fn edit(&self) -> Result<(), Failure> {
        let mut draft = Draft::of(&self.open.proposed, format!("{}-{}", segment(&self.open.run)?, segment(&self.open.node)?));
        loop {
            let decided = draft.edit()?;
            self.show(&decided)?;
            let sent = match self.ask(&decided) {
                Ok(()) => self.send(&decided, None).await,
                Err(declined) => Err(declined),
            };
            let Err(failure) = sent else { return Ok(()) };
            if failure.is_refusal() {
                out::remark(format!("qe: {failure}"))?;
                if prompt::confirm("Edit it again?")? {
                    continue;
                }
            }
            draft.keep()?;
            return Err(failure);
        }
    }

    /// Sends the approval: of `decided`, or of the action that another reviewer has approved, by its hash.
    async fn send(&self, decided: &Value, sha256: Option<&str>) -> Result<(), Failure> {
        let mut body = json!({"approvalId": self.open.approval, "shownSha256": self.open.shown_sha256});
        put_note(&mut body, self.note);
        if let Some(fields) = body.as_object_mut() {
            if let Some(sha256) = sha256 {
                fields.insert("actionSha256".to_owned(), json!(sha256));
            } else if *decided != self.open.proposed {
                fields.insert("proposedActionOverride".to_owned(), decided.clone());
            }
        }
        let query = if self.options.dry_run { "?dryRun=true" } else { "" };
        let path = format!("/api/runs/{}/approve{query}", segment(&self.open.run)?);
        let sent = self.session.send(Method::POST, &path, Some(&body)).await;
        let decided = sent.map_err(|failure| if self.options.dry_run { failure.of_dry_run() } else { failure })?;
        if self.options.json {
            return out::json(&decided);
        }
        if self.options.dry_run {
            return out::line("the API would accept this approval; nothing was recorded");
        }
        out::line(outcome(&decided))
    }
}

pub(crate) fn put_note(body: &mut Value, note: Option<&str>) {
    if let (Some(fields), Some(note)) = (body.as_object_mut(), note) {
        fields.insert("note".to_owned(), json!(note));
    }
}

/// Returns what became of a decision.
fn outcome(decided: &Value) -> String {
    let Some(decision) = decided.get("decision").filter(|decision| decision.is_object()) else {
        let votes = decided.get("votes").and_then(Value::as_array).map_or(0, Vec::len);
        return format!("recorded; {votes} approvals so far, and more are needed");
    };
    let verdict = show::string(decision, "decision");
    let by = decision.get("actor").and_then(Value::as_str).unwrap_or("an unknown actor");
    let run = decided.get("run").unwrap_or(&Value::Null);
    let head = format!("{} by {by}: {} {}", out::status(&verdict), show::string(run, "id"), show::string(decided, "nodeId"));
    if verdict == "approved" {
        return format!("{head}\nwhat will be executed has SHA-256 {}", show::string(decision, "decidedSha256"));
    }
    format!("{head}\nthe action will not be executed; the run is {}", show::string(run, "status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_approval_says_what_will_be_executed() {
        console::set_colors_enabled(false);
        let decided = |verdict: &str| {
            let decision = json!({"decision": verdict, "actor": "usr_ada", "decidedSha256": "ab12"});
            json!({"run": {"id": "run_1", "status": "failed"}, "nodeId": "review", "votes": [], "decision": decision})
        };
        assert_eq!(outcome(&decided("approved")), "approved by usr_ada: run_1 review\nwhat will be executed has SHA-256 ab12");
        let rejected = outcome(&decided("rejected"));
        assert_eq!(rejected, "rejected by usr_ada: run_1 review\nthe action will not be executed; the run is failed");
        let voted = json!({"run": {}, "votes": [{}], "decision": null});
        assert_eq!(outcome(&voted), "recorded; 1 approvals so far, and more are needed");
    }
}

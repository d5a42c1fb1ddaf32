//! An open approval, with everything that a reviewer needs to see.

use reqwest::Method;
use serde_json::Value;

use crate::args::GateArgs;
use crate::diff::diff;
use crate::failure::Failure;
use crate::session::{Session, segment};
use crate::{show, text};

/// An open approval.
#[derive(Debug)]
pub struct OpenGate {
    /// The run.
    pub run: String,
    /// The node.
    pub node: String,
    /// The proposed action.
    pub proposed: Value,
    /// The id of the approval, and the hash of what is shown of it: a decision names both, so that it can never decide something else.
    pub approval: String,
    /// The hash of what is shown of the approval.
    pub shown_sha256: String,
    /// The approvals so far, if the flow requires several.
    pub votes: Vec<EarlierVote>,
    label: String,
    assign_to: String,
    expires_at: String,
    data: Option<Value>,
    destinations: Vec<Value>,
}

/// An approval of another reviewer.
#[derive(Debug)]
pub struct EarlierVote {
    /// The action that was approved.
    pub action: Value,
    /// Its hash, by which it can be approved again.
    pub sha256: String,
    actor: String,
    note: String,
}

impl OpenGate {
    /// Returns the open approval that the arguments name. It is looked up, and not left to the API, because it is shown before it is
    /// decided. Fails if there is none, and if there are several and none is named.
    pub async fn find(session: &Session, args: &GateArgs) -> Result<Self, Failure> {
        let found = session.find(Method::GET, &format!("/api/runs/{}", segment(&args.run)?), None).await?;
        let view = found.ok_or_else(|| Failure::refused("run not found (404)"))?;
        let run = view.get("run").unwrap_or(&Value::Null);
        let steps = run.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let step = choose(&args.run, &show::string(run, "status"), steps, args.node.as_deref())?;
        let node = show::string(step, "nodeId");
        let parts = Parts { session, run: &args.run, node: &node };
        let question = step.get("input").cloned().unwrap_or_default();
        let id = show::string(step, "approvalId");
        let found = session.find(Method::GET, &format!("/api/approvals/{}", segment(&id)?), None).await?;
        let approval = found.and_then(|view| view.get("approval").cloned()).ok_or_else(|| Failure::refused("approval not found (404)"))?;
        let destinations = parts.of(&approval, "destinations").await?.unwrap_or_default();
        let proposed = parts.of(&question, "proposedAction").await?;
        Ok(Self {
            run: args.run.clone(),
            proposed: proposed.ok_or_else(|| Failure::refused(format!("{node} proposes nothing")))?,
            data: parts.of(&question, "data").await?,
            votes: parts.votes(step).await?,
            label: show::string(&question, "actionLabel"),
            assign_to: show::string(&question, "assignTo"),
            expires_at: show::string(step, "expiresAt"),
            shown_sha256: show::string(&approval, "shownSha256"),
            approval: id,
            destinations: destinations.as_array().cloned().unwrap_or_default(),
            node,
        })
    }

    /// Returns what the reviewer is asked: the label, the context, the proposed action, what it lets happen, and the earlier approvals.
    pub fn question(&self) -> String {
        let assignee = if self.assign_to.is_empty() { String::new() } else { format!(", for {}", self.assign_to) };
        let head = format!("{} ({}{assignee}), until {}", self.label, self.node, self.expires_at);
        let data = self.data.as_ref().map(|data| format!("data:\n{}", text::pretty(data)));
        let votes = self.votes.iter().map(|vote| {
            let note = if vote.note.is_empty() { String::new() } else { format!(": {}", vote.note) };
            let change = diff(&self.proposed, &vote.action).map(|change| format!(" with this change:\n{change}"));
            format!("approved already by {}{note}{}", vote.actor, change.unwrap_or_else(|| " as proposed".to_owned()))
        });
        let proposed = format!("proposed action:\n{}", text::pretty(&self.proposed));
        let lines: Vec<String> = self.destinations.iter().map(destination).collect();
        let happens = (!lines.is_empty()).then(|| format!("what it lets happen:\n{}", lines.join("\n")));
        [head].into_iter().chain(data).chain([proposed]).chain(happens).chain(votes).collect::<Vec<_>>().join("\n\n")
    }
}

/// Returns the id of the open approval that the arguments name, without what it shows.
pub async fn approval_id(session: &Session, run: &str, node: Option<&str>) -> Result<String, Failure> {
    let found = session.find(Method::GET, &format!("/api/runs/{}", segment(run)?), None).await?;
    let view = found.ok_or_else(|| Failure::refused("run not found (404)"))?;
    let shown = view.get("run").unwrap_or(&Value::Null);
    let steps = shown.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(show::string(choose(run, &show::string(shown, "status"), steps, node)?, "approvalId"))
}

/// Returns a step after the approval, and what it sends where, in one line.
fn destination(step: &Value) -> String {
    let text = |name: &str| show::string(step, name);
    let place = match step.get("event").and_then(Value::as_str) {
        Some(event) => format!("emits {}", text::plain(event)),
        None => format!("{} {}{}{}", text("method"), text("baseUrl"), text("url"), text("path")),
    };
    let service = step.get("service").map(|_| format!(" through {}", text("service"))).unwrap_or_default();
    let body = step.get("body").map(|body| format!(": {}", text::plain(&body.to_string()))).unwrap_or_default();
    let after = step.pointer("/after").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let after: Vec<&str> = after.iter().filter_map(Value::as_str).collect();
    let when = if after.contains(&"approved") { String::new() } else { format!(" (if it is {})", after.join(" or ")) };
    format!("  {} {place}{service}{body}{when}", text("nodeId"))
}

/// Returns the open step of that name, or the only one.
fn choose<'s>(run: &str, status: &str, steps: &'s [Value], node: Option<&str>) -> Result<&'s Value, Failure> {
    let is = |step: &Value, name: &str, value: &str| step.get(name).and_then(Value::as_str) == Some(value);
    let open = |step: &&Value| is(step, "status", "awaiting_approval") && is(step, "type", "human_approval");
    if let Some(node) = node {
        let found = steps.iter().filter(open).find(|step| is(step, "nodeId", node));
        return found.ok_or_else(|| Failure::refused(format!("{run} has no open approval `{}`", text::plain(node))));
    }
    let all: Vec<_> = steps.iter().filter(open).collect();
    match all.as_slice() {
        [] => Err(Failure::refused(format!("{run} has no open approval; it is {status}"))),
        [only] => Ok(only),
        several => {
            let nodes: Vec<_> = several.iter().map(|step| show::string(step, "nodeId")).collect();
            Err(Failure::refused(format!("several approvals are open; name one with --node: {}", nodes.join(", "))))
        }
    }
}

/// The parts of a step, which are inline or references.
struct Parts<'a> {
    session: &'a Session,
    run: &'a str,
    node: &'a str,
}

impl Parts<'_> {
    /// Returns a part of the step, whether `holder` has it inline or as a reference.
    async fn of(&self, holder: &Value, name: &str) -> Result<Option<Value>, Failure> {
        if let Some(value) = holder.get(name) {
            return Ok(Some(value.clone()));
        }
        if holder.get(format!("{name}Ref")).is_none() {
            return Ok(None);
        }
        let path = format!("/api/runs/{}/steps/{}/output?of={name}", segment(self.run)?, segment(self.node)?);
        let Some(part) = self.session.find(Method::GET, &path, None).await? else { return Ok(None) };
        self.followed(&part, name).await
    }

    /// Returns a value that is inline, or that a signed URL leads to.
    async fn followed(&self, holder: &Value, name: &str) -> Result<Option<Value>, Failure> {
        if let Some(value) = holder.get(name) {
            return Ok(Some(value.clone()));
        }
        match holder.pointer(&format!("/{name}Ref/url")).and_then(Value::as_str) {
            Some(url) => self.session.fetch(url).await.map(Some),
            None => Ok(None),
        }
    }

    async fn votes(&self, step: &Value) -> Result<Vec<EarlierVote>, Failure> {
        let votes = self.of(step, "votes").await?.unwrap_or_default();
        let mut found = Vec::new();
        for vote in votes.as_array().map(Vec::as_slice).unwrap_or_default() {
            let (actor, note) = (show::string(vote, "actor"), show::string(vote, "note"));
            if let Some(action) = self.followed(vote, "action").await? {
                found.push(EarlierVote { action, sha256: show::string(vote, "actionSha256"), actor, note });
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gate(votes: Vec<EarlierVote>) -> OpenGate {
        OpenGate {
            run: "run_1".to_owned(),
            node: "review".to_owned(),
            proposed: json!({"amount": 129}),
            votes,
            label: "Refund".to_owned(),
            assign_to: "role:support".to_owned(),
            expires_at: "2026-01-02T00:00:00.000Z".to_owned(),
            data: Some(json!({"customer": "Ada"})),
            approval: "apr_1".to_owned(),
            shown_sha256: "0".repeat(64),
            destinations: vec![
                json!({"nodeId": "pay", "type": "service_call", "service": "custom:bank", "baseUrl": "https://bank.test", "method": "POST",
                       "path": "/wire", "body": "${step.review.output.proposedAction}", "after": ["approved"]}),
                json!({"nodeId": "tell", "type": "webhook_emit", "event": "refund.rejected", "after": ["rejected", "expired"]}),
            ],
        }
    }

    #[test]
    fn a_question_shows_the_context_and_the_proposed_action() {
        let question = gate(Vec::new()).question();
        assert!(question.starts_with("Refund (review, for role:support), until 2026-01-02T00:00:00.000Z\n\ndata:\n{"), "{question}");
        assert!(question.contains("\"customer\": \"Ada\"") && question.contains("\"amount\": 129"), "{question}");
    }

    #[test]
    fn a_question_shows_what_other_reviewers_have_approved() {
        console::set_colors_enabled(false);
        let vote = |amount: u64| EarlierVote {
            action: json!({"amount": amount}),
            sha256: "0".repeat(64),
            actor: "usr_bob".to_owned(),
            note: "partial".to_owned(),
        };
        let edited = gate(vec![vote(99)]).question();
        assert!(
            edited.contains("approved already by usr_bob: partial with this change:\n  {\n-   \"amount\": 129\n+   \"amount\": 99"),
            "{edited}"
        );
        assert!(gate(vec![vote(129)]).question().ends_with("approved already by usr_bob: partial as proposed"));
    }

    #[test]
    fn a_question_shows_what_the_approval_lets_happen() {
        let question = gate(Vec::new()).question();
        assert!(
            question.ends_with(
                "what it lets happen:\n  pay POST https://bank.test/wire through custom:bank: \"${step.review.output.proposedAction}\"\n  tell emits refund.rejected (if it is rejected or expired)"
            ),
            "{question}"
        );
    }

    #[test]
    fn the_only_open_approval_needs_no_name() {
        let step = |node: &str, status: &str| json!({"nodeId": node, "type": "human_approval", "status": status});
        let steps = [step("a", "succeeded"), step("b", "awaiting_approval"), step("c", "awaiting_approval")];
        assert_eq!(choose("run_1", "running", &steps[..2], None).unwrap()["nodeId"], "b");
        assert_eq!(choose("run_1", "running", &steps, Some("c")).unwrap()["nodeId"], "c");
        assert!(choose("run_1", "running", &steps, None).unwrap_err().to_string().ends_with("name one with --node: b, c"));
        assert!(choose("run_1", "failed", &steps[..1], None).unwrap_err().to_string().ends_with("it is failed"));
        assert!(choose("run_1", "running", &steps, Some("a")).is_err());
    }
}

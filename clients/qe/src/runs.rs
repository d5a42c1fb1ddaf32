//! The commands for runs, and the list of open approvals.

use runs_client::types;
use serde_json::Value;

use crate::args::{ApprovalsArgs, GateArgs, Paging, RetryArgs, RunsCommand, Status, Trigger, WatchArgs};
use crate::decide::{Options, Override, approve, reject};
use crate::failure::Failure;
use crate::list::{Page, collect};
use crate::request_changes::request_changes;
use crate::session::Session;
use crate::watch::watch;
use crate::{input, out, show, text};

/// Runs a command.
pub async fn run(session: &Session, command: RunsCommand, json: bool) -> Result<(), Failure> {
    match command {
        RunsCommand::Start { flow, input, idempotency_key, watch: stay } => {
            let run = start(session, &flow, &input, idempotency_key).await?;
            if stay {
                return watch(session, &WatchArgs::to_the_end(run.id.to_string()), json).await;
            }
            if json { out::json(&run) } else { out::line(run.id.as_str()) }
        }
        RunsCommand::List { flow, status, trigger, from, to, paging } => {
            let runs = list(session, &flow, Filter { status, trigger, from, to }, &paging).await?;
            if json { out::json(&runs) } else { table(runs) }
        }
        RunsCommand::Show { run } => {
            let run = session.api.get_run().run_id(run).send().await?.into_inner().data;
            if json { out::json(&run) } else { out::line(show::whole(&run)) }
        }
        RunsCommand::Watch(args) => watch(session, &args, json).await,
        RunsCommand::Approve { gate, edit, override_with, yes, dry_run } => {
            let action = match (edit, override_with) {
                (true, _) => Override::Edit,
                (false, Some(given)) => Override::Given(given),
                (false, None) => Override::None,
            };
            approve(session, gate, action, Options { yes, dry_run, json }).await
        }
        RunsCommand::Reject { gate, yes } => reject(session, gate, yes, json).await,
        RunsCommand::RequestChanges { run, note, node, yes } => {
            request_changes(session, GateArgs { run, node, note: Some(note) }, yes, json).await
        }
        RunsCommand::Retry(args) => retry(session, args, json).await,
        RunsCommand::Cancel { run, reason } => {
            let body = types::CancelRequest::builder().reason(reason);
            let run = session.api.cancel_run().run_id(run).body(body).send().await?.into_inner().data.run;
            if json { out::json(&run) } else { out::line(format!("{} {}", run.id.as_str(), out::status(&run.status.to_string()))) }
        }
    }
}

/// Runs a run again, as a new run.
pub async fn retry(session: &Session, args: RetryArgs, json: bool) -> Result<(), Failure> {
    let version = args.latest.then_some(types::RetryRequestFlowVersion::Latest);
    let body = types::RetryRequest::builder().from_node_id(args.from).flow_version(version);
    let mut request = session.api.retry_run().run_id(args.run.clone()).body(body);
    if let Some(key) = args.idempotency_key {
        request = request.idempotency_key(key);
    }
    let run = request.send().await?.into_inner().data.run;
    if args.watch {
        return watch(session, &WatchArgs::to_the_end(run.id.to_string()), json).await;
    }
    if json {
        return out::json(&run);
    }
    out::remark(format!("{} runs again as a run of its own:", args.run))?;
    out::line(run.id.as_str())
}

async fn start(session: &Session, flow: &str, argument: &str, key: Option<String>) -> Result<types::Run, Failure> {
    let mut request = session.api.execute_flow().id(flow.to_owned()).body(types::JsonValue(input::json(argument)?));
    if let Some(key) = key {
        request = request.idempotency_key(key);
    }
    Ok(request.send().await?.into_inner().data.run)
}

struct Filter {
    status: Option<Status>,
    trigger: Option<Trigger>,
    from: Option<String>,
    to: Option<String>,
}

async fn list(session: &Session, flow: &str, filter: Filter, paging: &Paging) -> Result<Vec<types::RunSummary>, Failure> {
    let Filter { status, trigger, from, to } = filter;
    let status = status.map(|status| match status {
        Status::Running => types::RunStatus::Running,
        Status::AwaitingApproval => types::RunStatus::AwaitingApproval,
        Status::Succeeded => types::RunStatus::Succeeded,
        Status::Failed => types::RunStatus::Failed,
        Status::Cancelled => types::RunStatus::Cancelled,
    });
    let trigger = trigger.map(|trigger| match trigger {
        Trigger::Manual => types::RunTrigger::Manual,
        Trigger::Webhook => types::RunTrigger::Webhook,
        Trigger::Cron => types::RunTrigger::Cron,
    });
    let (from, to) = (input::time(from, "--from")?, input::time(to, "--to")?);
    collect(paging.limit, async |limit, cursor| {
        let mut request = session.api.list_flow_runs().id(flow.to_owned()).limit(limit);
        if let Some(status) = status {
            request = request.status(status);
        }
        if let Some(trigger) = trigger {
            request = request.trigger(trigger);
        }
        if let Some(from) = from.clone() {
            request = request.from(from);
        }
        if let Some(to) = to.clone() {
            request = request.to(to);
        }
        if let Some(cursor) = cursor {
            request = request.cursor(cursor);
        }
        let page = request.send().await?.into_inner();
        Ok(Page { rows: page.data, next: page.meta.next_cursor })
    })
    .await
}

fn table(runs: Vec<types::RunSummary>) -> Result<(), Failure> {
    let row = |run: types::RunSummary| {
        vec![
            run.id.to_string(),
            out::status(&run.status.to_string()),
            run.trigger.to_string(),
            format!("v{}", run.flow_version),
            show::time(&run.started_at),
            run.finished_at.as_ref().map(|end| show::span(&run.started_at, end)).unwrap_or_default(),
            run.error.map(|error| text::plain(&error.message)).unwrap_or_default(),
        ]
    };
    out::table(&["run", "status", "trigger", "version", "started", "took", "error"], runs.into_iter().map(row))
}

/// Lists the open approvals.
pub async fn approvals(session: &Session, args: ApprovalsArgs, json: bool) -> Result<(), Failure> {
    let ApprovalsArgs { assignee, flow, paging } = args;
    let rows = collect(paging.limit, async |limit, cursor| {
        let mut request = session.api.list_approvals().limit(limit);
        if let Some(assignee) = assignee.clone() {
            request = request.assignee(assignee);
        }
        if let Some(flow) = flow.clone() {
            request = request.flow(flow);
        }
        if let Some(cursor) = cursor {
            request = request.cursor(cursor);
        }
        let page = request.send().await?.into_inner();
        Ok(Page { rows: page.data, next: page.meta.next_cursor })
    })
    .await?;
    if json {
        return out::json(&rows);
    }
    let row = |row: types::Approval| {
        let action = row.proposed_action.map_or_else(|| "(large)".to_owned(), |action| short(&action));
        let to = row.assign_to.map(|to| to.to_string()).unwrap_or_default();
        vec![
            row.run_id.to_string(),
            row.node_id.to_string(),
            row.action_label,
            to,
            show::time(&row.opened_at),
            show::time(&row.expires_at),
            action,
        ]
    };
    out::table(&["run", "node", "action", "for", "opened", "expires", "proposed"], rows.into_iter().map(row))
}

/// Returns the beginning of a value, as much as a table has room for.
fn short(value: &Value) -> String {
    const ROOM: usize = 60;
    let text = text::plain(&value.to_string());
    if text.chars().count() <= ROOM { text } else { text.chars().take(ROOM - 1).chain(['…']).collect() }
}

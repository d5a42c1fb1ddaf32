//! The commands for flows.

use std::io::IsTerminal;
use std::path::Path;

use reqwest::Method;
use runs_client::types;
use serde_json::{Map, Value};

use crate::args::{FlowsCommand, Paging};
use crate::diff::diff;
use crate::failure::Failure;
use crate::list::{Page, collect};
use crate::session::{Session, segment};
use crate::{input, out, text};

/// Runs a command.
pub async fn run(session: &Session, command: FlowsCommand, json: bool) -> Result<(), Failure> {
    match command {
        FlowsCommand::Apply { file, dry_run } => apply(session, &file, dry_run, json).await,
        FlowsCommand::List(paging) => list(session, &paging, json).await,
        FlowsCommand::Show { flow, secret: true } => show_secret(session, &flow).await,
        FlowsCommand::Show { flow, secret: false } => show(session, &flow, json).await,
    }
}

/// The fields of a flow that only the API sets. They are left out, so that a flow that was shown can be applied.
const SET_BY_THE_API: [&str; 8] =
    ["id", "version", "createdAt", "updatedAt", "nextCronRunAt", "lastCronRunAt", "webhookToken", "webhookSecret"];

/// Applies a file. It is sent as it is, and the API reports each problem at its JSON path.
async fn apply(session: &Session, file: &Path, dry_run: bool, json: bool) -> Result<(), Failure> {
    let Value::Object(mut wanted) = input::file(file)? else {
        return Err(Failure::usage(format!("{} is not a JSON object", file.display())));
    };
    wanted.retain(|name, _| !SET_BY_THE_API.contains(&name.as_str()));
    let slug = wanted.get("slug").and_then(Value::as_str).filter(|slug| is_slug(slug));
    let slug = slug.ok_or_else(|| Failure::usage(format!("{} names no `slug` of lower-case letters, digits and `-`", file.display())))?;
    let path = format!("/api/flows/{slug}");
    let there = session.find(Method::GET, &path, None).await?.and_then(|mut data| data.get_mut("flow").map(without_secret));
    let change = there.as_ref().and_then(|there| diff(&fields_of(there, &wanted), &Value::Object(wanted.clone())));
    if let (Some(there), None) = (&there, &change) {
        if json {
            return out::json(there);
        }
        return out::line(format!("{slug} is as the file says (version {})", version(there)));
    }
    if let (Some(change), false) = (&change, json) {
        out::line(change)?;
    }
    let body = Value::Object(wanted.clone());
    let (method, path) = if there.is_some() { (Method::PATCH, path) } else { (Method::POST, "/api/flows".to_owned()) };
    let query = if dry_run { "?dryRun=true" } else { "" };
    let saved = session.send(method, &format!("{path}{query}"), Some(&body)).await;
    let mut saved = saved.map_err(|failure| if dry_run { failure.of_dry_run() } else { failure })?;
    warn(&saved)?;
    let flow = saved.get_mut("flow").map(without_secret).unwrap_or_default();
    if json {
        return out::json(&flow);
    }
    if dry_run {
        let would = if there.is_some() { "change" } else { "be created" };
        return out::remark(format!("{slug} is valid and would {would}; nothing was saved"));
    }
    let did = if there.is_some() { "changed" } else { "created" };
    out::line(format!("{slug} {did}: version {}, {}", version(&flow), out::status(field(&flow, "status"))))
}

/// Writes the warnings of a saved flow to standard error, each with its path.
fn warn(saved: &Value) -> Result<(), Failure> {
    let by_path = saved.get("warnings").and_then(Value::as_object).into_iter().flatten();
    for (path, texts) in by_path {
        for text in texts.as_array().into_iter().flatten().filter_map(Value::as_str) {
            out::remark(format!("warning: {}: {}", text::plain(path), text::plain(text)))?;
        }
    }
    Ok(())
}

fn is_slug(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Returns those fields of the stored flow that the file has.
fn fields_of(there: &Value, wanted: &Map<String, Value>) -> Value {
    Value::Object(wanted.keys().filter_map(|name| Some((name.clone(), there.get(name)?.clone()))).collect())
}

fn version(flow: &Value) -> u64 {
    flow.get("version").and_then(Value::as_u64).unwrap_or_default()
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

async fn list(session: &Session, paging: &Paging, json: bool) -> Result<(), Failure> {
    let flows = collect(paging.limit, async |limit, cursor: Option<types::CursorText>| {
        let mut request = session.api.list_flows().limit(limit);
        if let Some(cursor) = cursor {
            request = request.cursor(cursor);
        }
        let page = request.send().await?.into_inner();
        Ok(Page { rows: page.data, next: page.meta.next_cursor })
    });
    let flows = flows.await?;
    if json {
        return out::json(&flows);
    }
    let row = |flow: types::FlowSummary| {
        let status = out::status(&flow.status.to_string());
        vec![
            flow.slug.to_string(),
            status,
            flow.version.to_string(),
            flow.trigger_type.to_string(),
            text::plain(&flow.name),
            flow.id.to_string(),
        ]
    };
    out::table(&["slug", "status", "version", "trigger", "name", "id"], flows.into_iter().map(row))
}

/// Takes a flow of the API without the secret of its webhook trigger: what is printed may be redirected into a file.
fn without_secret(flow: &mut Value) -> Value {
    let mut flow = flow.take();
    if let Some(fields) = flow.as_object_mut() {
        fields.remove("webhookSecret");
    }
    flow
}

/// Shows the secret of a flow's webhook trigger, on a terminal only.
async fn show_secret(session: &Session, flow: &str) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() {
        return Err(Failure::usage("a secret is written to a terminal only, and standard output is not one"));
    }
    let found = session.send(Method::GET, &format!("/api/flows/{}", segment(flow)?), None).await?;
    let secret = found.pointer("/flow/webhookSecret").and_then(Value::as_str);
    out::line(text::plain(secret.ok_or_else(|| Failure::refused(format!("{flow} has no webhook trigger")))?))
}

async fn show(session: &Session, flow: &str, json: bool) -> Result<(), Failure> {
    if json {
        let mut found = session.send(Method::GET, &format!("/api/flows/{}", segment(flow)?), None).await?;
        return out::json(&found.get_mut("flow").map(without_secret));
    }
    let flow = session.api.get_flow().id(flow.to_owned()).send().await?.into_inner().data.flow;
    out::line(format!(
        "{} {} version {}  {}",
        flow.slug.as_str(),
        out::status(&flow.status.to_string()),
        flow.version,
        text::plain(&flow.name)
    ))?;
    if !flow.description.is_empty() {
        out::line(text::plain(&flow.description))?;
    }
    out::json(&flow.spec)
}

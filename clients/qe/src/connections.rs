//! The commands for service connections.

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::args::{ConnectionsCommand, PutConnection};
use crate::failure::{FAILED, Failure};
use crate::session::{Session, segment};
use crate::{out, prompt, show};

const PATH: &str = "/api/service-connections";

/// Runs a command.
pub async fn run(session: &Session, command: ConnectionsCommand, json: bool) -> Result<(), Failure> {
    match command {
        ConnectionsCommand::Put(args) => put(session, args, json).await,
        ConnectionsCommand::List(paging) => {
            let connections = session.list(PATH, paging.limit).await?;
            if json { out::json(&connections) } else { table(&connections) }
        }
        ConnectionsCommand::Check { service } => check(session, &service, json).await,
        ConnectionsCommand::Delete { service, yes } => {
            prompt::confirm_unless(yes, &format!("Delete the connection {service} and its key?"))?;
            let deleted = session.send(Method::DELETE, &format!("{PATH}/{}", segment(&service)?), None).await?;
            if json { out::json(&deleted) } else { out::line(format!("{service} deleted")) }
        }
    }
}

async fn put(session: &Session, args: PutConnection, json: bool) -> Result<(), Failure> {
    let key = prompt::secret("The key of the service")?;
    let required = [("serviceSlug", Some(args.service)), ("baseUrl", Some(args.base_url)), ("apiKey", Some(key))];
    let optional = [("authHeader", args.auth_header), ("authScheme", args.auth_scheme), ("healthPath", args.health_path)];
    let given = required.into_iter().chain(optional).filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    let body = Value::Object(given.collect::<Map<_, _>>());
    let saved = session.send(Method::POST, PATH, Some(&body)).await?;
    let connection = saved.get("connection").unwrap_or(&saved);
    if json { out::json(connection) } else { table(std::slice::from_ref(connection)) }
}

async fn check(session: &Session, service: &str, json: bool) -> Result<(), Failure> {
    let found = session.send(Method::GET, &format!("{PATH}/{}/health", segment(service)?), None).await?;
    let health = found.get("health").unwrap_or(&found);
    if json {
        out::json(health)?;
    }
    if health.get("healthy") == Some(&Value::Bool(true)) {
        return if json { Ok(()) } else { out::line(format!("{service} is healthy")) };
    }
    let status = health.get("status").and_then(Value::as_u64).map(|status| format!(" (status {status})")).unwrap_or_default();
    Err(Failure::of_run(FAILED, format!("{service} is not healthy{status}: {}", show::string(health, "error"))))
}

fn table(connections: &[Value]) -> Result<(), Failure> {
    let row = |connection: &Value| {
        vec![
            show::string(connection, "serviceSlug"),
            show::string(connection, "baseUrl"),
            show::string(connection, "lastHealthyAt"),
            show::string(connection, "lastUsedAt"),
            show::string(connection, "id"),
        ]
    };
    out::table(&["service", "base URL", "last healthy", "last used", "id"], connections.iter().map(row))
}

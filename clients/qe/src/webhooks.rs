//! The commands for outbound webhooks.

use reqwest::Method;
use serde_json::{Value, json};

use crate::args::WebhooksCommand;
use crate::failure::Failure;
use crate::session::{Session, segment};
use crate::{out, prompt, show};

const PATH: &str = "/api/webhooks";

/// Runs a command.
pub async fn run(session: &Session, command: WebhooksCommand, json: bool) -> Result<(), Failure> {
    let path = |webhook: &str| Ok::<_, Failure>(format!("{PATH}/{}", segment(webhook)?));
    match command {
        WebhooksCommand::Create { url, events, description } => {
            let mut body = json!({"url": url, "events": events});
            if let (Some(fields), Some(description)) = (body.as_object_mut(), description) {
                fields.insert("description".to_owned(), json!(description));
            }
            secret(&session.send(Method::POST, PATH, Some(&body)).await?, "created", json)
        }
        WebhooksCommand::List(paging) => {
            let webhooks = session.list(PATH, paging.limit).await?;
            if json { out::json(&webhooks) } else { table(&webhooks) }
        }
        WebhooksCommand::Delete { webhook, yes } => {
            prompt::confirm_unless(yes, &format!("Delete {webhook}? No event is sent to it afterwards."))?;
            let deleted = session.send(Method::DELETE, &path(&webhook)?, None).await?;
            if json { out::json(&deleted) } else { out::line(format!("{webhook} deleted")) }
        }
        WebhooksCommand::Test { webhook } => {
            let sent = session.send(Method::POST, &format!("{}/test", path(&webhook)?), None).await?;
            delivery(&sent, json)
        }
        WebhooksCommand::RotateSecret { webhook, yes } => {
            prompt::confirm_unless(yes, &format!("Give {webhook} a new secret? The present one stops working at once."))?;
            secret(&session.send(Method::POST, &format!("{}/rotate-secret", path(&webhook)?), None).await?, "has a new secret", json)
        }
        WebhooksCommand::Deliveries { webhook, paging } => {
            let rows = session.list(&format!("{}/deliveries", path(&webhook)?), paging.limit).await?;
            if json { out::json(&rows) } else { deliveries(&rows) }
        }
        WebhooksCommand::Redeliver { webhook, delivery: id } => {
            let path = format!("{}/deliveries/{}/redeliver", path(&webhook)?, segment(&id)?);
            delivery(&session.send(Method::POST, &path, None).await?, json)
        }
    }
}

/// Prints the secret of a webhook: nothing but the secret goes to standard output.
fn secret(sent: &Value, did: &str, json: bool) -> Result<(), Failure> {
    let webhook = sent.get("webhook").unwrap_or(sent);
    if json {
        return out::json(webhook);
    }
    out::remark(format!("{} {did}; the secret is not shown again:", show::string(webhook, "id")))?;
    out::line(show::string(webhook, "secret"))
}

fn delivery(sent: &Value, json: bool) -> Result<(), Failure> {
    let delivery = sent.get("delivery").unwrap_or(sent);
    if json { out::json(delivery) } else { deliveries(std::slice::from_ref(delivery)) }
}

fn table(webhooks: &[Value]) -> Result<(), Failure> {
    let row = |webhook: &Value| {
        let text = |name| show::string(webhook, name);
        vec![text("id"), text("url"), show::strings(webhook, "events"), text("description")]
    };
    out::table(&["webhook", "URL", "events", "description"], webhooks.iter().map(row))
}

fn deliveries(rows: &[Value]) -> Result<(), Failure> {
    let row = |row: &Value| {
        let text = |name| show::string(row, name);
        let number = |name| row.get(name).and_then(Value::as_u64).map(|number| number.to_string()).unwrap_or_default();
        let status = out::status(&text("status"));
        vec![
            text("id"),
            text("event"),
            status,
            number("attempts"),
            number("lastStatusCode"),
            text("lastAttemptAt"),
            text("nextAttemptAt"),
            text("error"),
        ]
    };
    out::table(&["delivery", "event", "status", "attempts", "code", "last attempt", "next attempt", "error"], rows.iter().map(row))
}

//! The commands for API keys.

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::args::KeysCommand;
use crate::failure::Failure;
use crate::session::{Session, segment};
use crate::{out, prompt, show};

const PATH: &str = "/api/api-keys";

/// Runs a command.
pub async fn run(session: &Session, command: KeysCommand, json: bool) -> Result<(), Failure> {
    match command {
        KeysCommand::Create { name, actor, scopes, roles, teams, expires_at } => {
            let mut body = Map::from_iter([("name", json!(name)), ("actor", json!(actor)), ("scopes", json!(scopes))].map(owned));
            body.extend(
                [("roles", roles), ("teams", teams)]
                    .into_iter()
                    .filter(|(_, all)| !all.is_empty())
                    .map(|(name, all)| owned((name, json!(all)))),
            );
            body.extend(expires_at.map(|time| owned(("expiresAt", json!(time)))));
            let created = session.send(Method::POST, PATH, Some(&Value::Object(body))).await?;
            let key = created.get("apiKey").unwrap_or(&created);
            if json {
                return out::json(key);
            }
            out::remark(format!("created {}; its secret is not shown again:", show::string(key, "id")))?;
            out::line(show::string(key, "key"))
        }
        KeysCommand::List(paging) => {
            let keys = session.list(PATH, paging.limit).await?;
            if json { out::json(&keys) } else { table(&keys) }
        }
        KeysCommand::Revoke { key, yes } => {
            prompt::confirm_unless(yes, &format!("Revoke {key}? It cannot be undone."))?;
            let revoked = session.send(Method::DELETE, &format!("{PATH}/{}", segment(&key)?), None).await?;
            if json { out::json(&revoked) } else { out::line(format!("{key} revoked")) }
        }
    }
}

fn owned((name, value): (&str, Value)) -> (String, Value) {
    (name.to_owned(), value)
}

fn table(keys: &[Value]) -> Result<(), Failure> {
    let row = |key: &Value| {
        let state = match (show::string(key, "revokedAt"), show::string(key, "expiresAt")) {
            (revoked, _) if !revoked.is_empty() => format!("revoked {revoked}"),
            (_, expires) if !expires.is_empty() => format!("until {expires}"),
            _ => String::new(),
        };
        vec![
            show::string(key, "id"),
            show::string(key, "name"),
            show::string(key, "actor"),
            show::strings(key, "scopes"),
            show::string(key, "lastUsedAt"),
            state,
        ]
    };
    out::table(&["key", "name", "actor", "scopes", "last used", ""], keys.iter().map(row))
}

//! Shows which address and credential are used, and what the caller may do.

use reqwest::Method;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::session::Session;
use crate::{out, show};

/// Runs the command.
pub async fn run(session: &Session, json: bool) -> Result<(), Failure> {
    let caller = session.send(Method::GET, if session.is_login { "/api/me" } else { "/api/whoami" }, None).await?;
    if json {
        return out::json(&json!({"baseUrl": session.base_url, "source": session.source, "caller": caller}));
    }
    let rows = if session.is_login { login_rows(&caller) } else { key_rows(&caller) };
    let source = [("address", session.base_url.clone()), ("from", session.source.clone())];
    for (name, value) in source.into_iter().chain(rows) {
        if !value.is_empty() {
            out::line(format!("{name:<13} {value}"))?;
        }
    }
    Ok(())
}

fn key_rows(caller: &Value) -> Vec<(&'static str, String)> {
    let key = caller.get("apiKey").unwrap_or(&Value::Null);
    vec![
        ("organisation", show::string(caller, "orgId")),
        ("environment", show::string(caller, "environment")),
        ("actor", show::string(key, "actor")),
        ("roles", show::strings(key, "roles")),
        ("teams", show::strings(key, "teams")),
        ("scopes", show::strings(key, "scopes")),
        ("key", format!("{} ({})", show::string(key, "id"), show::string(key, "name"))),
        ("expires", show::string(key, "expiresAt")),
    ]
}

fn login_rows(caller: &Value) -> Vec<(&'static str, String)> {
    let me = caller.get("me").unwrap_or(&Value::Null);
    let of = |name: &str| me.get(name).unwrap_or(&Value::Null);
    vec![
        ("organisation", show::string(of("organisation"), "id")),
        ("actor", show::string(me, "actor")),
        ("name", show::string(me, "name")),
        ("mail", show::string(me, "mail")),
        ("roles", show::strings(me, "roles")),
        ("teams", show::strings(me, "teams")),
        ("scopes", show::strings(me, "scopes")),
        ("login", show::string(of("identity"), "issuer")),
    ]
}

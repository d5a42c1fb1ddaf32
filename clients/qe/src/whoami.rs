//! Shows which address and key are used, and what the key may do.

use reqwest::Method;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::session::Session;
use crate::{out, show};

/// Runs the command.
pub async fn run(session: &Session, json: bool) -> Result<(), Failure> {
    let caller = session.send(Method::GET, "/api/whoami", None).await?;
    if json {
        return out::json(&json!({"baseUrl": session.base_url, "source": session.source, "caller": caller}));
    }
    let key = caller.get("apiKey").unwrap_or(&Value::Null);
    for (name, value) in [
        ("address", session.base_url.clone()),
        ("from", session.source.clone()),
        ("organisation", show::string(&caller, "orgId")),
        ("environment", show::string(&caller, "environment")),
        ("actor", show::string(key, "actor")),
        ("roles", show::strings(key, "roles")),
        ("teams", show::strings(key, "teams")),
        ("scopes", show::strings(key, "scopes")),
        ("key", format!("{} ({})", show::string(key, "id"), show::string(key, "name"))),
        ("expires", show::string(key, "expiresAt")),
    ] {
        if !value.is_empty() {
            out::line(format!("{name:<13} {value}"))?;
        }
    }
    Ok(())
}

//! Flows.

use domain::flow::{Flow, Version};
use domain::problem::FieldErrors;
use domain::trigger::WebhookToken;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::identity::put_identity;
use crate::json_object::{set, without_nulls};

/// Returns a flow without its spec: a row of a list.
pub fn flow(flow: &Flow) -> Value {
    let cron = flow.trigger.cron();
    without_nulls(json!({
        "id": flow.id,
        "slug": flow.slug,
        "name": flow.name,
        "description": flow.description,
        "status": flow.status,
        "triggerType": flow.trigger.kind(),
        "webhookToken": flow.trigger.webhook_token().map(WebhookToken::as_str),
        "cronExpression": cron.map(|cron| &cron.expression),
        "cronTimezone": cron.map(|cron| &cron.timezone),
        "cronEnabled": cron.map(|cron| cron.enabled),
        "nextCronRunAt": cron.and_then(|cron| cron.next_run_at),
        "lastCronRunAt": cron.and_then(|cron| cron.last_run_at),
        "version": flow.version,
        "createdAt": flow.created_at,
        "updatedAt": flow.updated_at,
        "updatedBy": flow.updated_by.as_ref().map(|actor| &actor.id),
        "updatedByIdentity": flow.updated_by.as_ref().and_then(|actor| actor.identity.as_ref()),
    }))
}

/// Returns a flow with its newest spec, and with the secret of its webhook trigger if there is one to show.
pub fn flow_with_spec(head: &Flow, version: &Version, secret: Option<&SecretString>) -> Value {
    let mut view = flow(head);
    set(&mut view, "spec", version.spec.clone());
    if let Some(actor) = &version.created_by {
        set(&mut view, "versionCreatedBy", json!(actor.id));
        put_identity(&mut view, "versionCreatedByIdentity", actor.identity.as_ref());
    }
    if let Some(secret) = secret {
        set(&mut view, "webhookSecret", secret.expose_secret().into());
    }
    view
}

/// Returns a flow that was validated and not saved. It has no token: that of a new webhook trigger is made when the flow is saved.
pub fn checked_flow(head: &Flow, version: &Version) -> Value {
    let mut view = flow_with_spec(head, version, None);
    set(&mut view, "webhookToken", Value::Null);
    without_nulls(view)
}

/// Returns a flow that was saved, under its name, and with `warnings` by path if there are any: what may make some of its runs fail.
pub fn saved_flow(flow: &Value, warnings: &FieldErrors) -> Value {
    let mut view = json!({"flow": flow});
    if !warnings.is_empty() {
        set(&mut view, "warnings", json!(warnings.by_path()));
    }
    view
}

//! Webhooks as their organisation sees them. A secret is shown once, in the response that creates it.

use domain::webhook::{Delivery, Endpoint};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::json_object::{set, without_nulls};

/// Returns a webhook without its secret; of a URL that is a secret, only the scheme and the host.
pub fn webhook(endpoint: &Endpoint) -> Value {
    without_nulls(json!({
        "id": endpoint.id,
        "kind": endpoint.target.kind(),
        "url": endpoint.target.shown_url(),
        "to": endpoint.target.recipients(),
        "events": endpoint.events,
        "description": endpoint.description,
        "createdAt": endpoint.id.created_at(),
        "createdBy": endpoint.created_by,
        "secretRotatedAt": Some(endpoint.secret_since).filter(|since| *since != endpoint.id.created_at()),
    }))
}

/// Returns a webhook with a new secret. No other response contains it.
pub fn webhook_with_secret(endpoint: &Endpoint, secret: &SecretString) -> Value {
    let mut view = webhook(endpoint);
    set(&mut view, "secret", secret.expose_secret().into());
    view
}

/// Returns the state of a delivery. The body that is sent is not shown.
pub fn delivery(delivery: &Delivery) -> Value {
    without_nulls(json!({
        "id": delivery.id,
        "webhookId": delivery.endpoint,
        "eventId": delivery.event,
        "event": delivery.event_name,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "lastAttemptAt": delivery.last_attempt_at,
        "lastStatusCode": delivery.last_status_code,
        "answer": delivery.answer,
        "error": delivery.error,
        "nextAttemptAt": delivery.next_attempt_at,
        "createdAt": delivery.created_at,
        "expiresAt": delivery.expires_at(),
    }))
}

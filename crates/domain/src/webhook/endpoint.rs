//! The webhook endpoints of an organisation.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::ApplicationError;
use crate::event_name::Subscription;
use crate::id::{EndpointId, OrgId};
use crate::page::{Page, Window};
use crate::problem::FieldErrors;
use crate::secret::{Sealed, SecretKind, SecretPlace};
use crate::time::Time;

/// The most endpoints that an organisation may have. They share one item of the table, which has room for all of them at their
/// largest, so that the cost of an event does not depend on their number.
pub const MAX_ENDPOINTS: usize = 50;
/// The most bytes of a URL.
const MAX_URL_BYTES: usize = 2_000;
/// The most subscriptions of one endpoint.
const MAX_EVENTS: usize = 30;
const MAX_DESCRIPTION_CHARS: usize = 200;

/// A URL to which an organisation's events are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The id, which contains the time of its creation.
    pub id: EndpointId,
    /// The URL that deliveries are sent to.
    pub url: String,
    /// The events that the endpoint subscribes to.
    pub events: BTreeSet<Subscription>,
    /// A description for people.
    pub description: Option<String>,
    /// The secret that signs its deliveries.
    pub secret: Sealed,
    /// When the secret was made.
    pub secret_since: Time,
    /// The actor who registered it.
    pub created_by: String,
}

impl Endpoint {
    /// Returns whether the endpoint subscribes to an event.
    pub fn wants(&self, event: &str) -> bool {
        self.events.iter().any(|subscription| subscription.wants(event))
    }

    /// Returns the place that the secret of an endpoint is sealed for.
    pub fn secret_place(org: &OrgId, id: &EndpointId) -> SecretPlace {
        SecretPlace { org: *org, kind: SecretKind::WebhookEndpoint, name: id.to_string() }
    }
}

/// All endpoints of an organisation, as they are written and read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// The organisation.
    pub org: OrgId,
    /// The endpoints, oldest first.
    pub all: Vec<Endpoint>,
    /// The revision. It counts the writes, and the next write is conditional on it. 0 before the first.
    pub rev: u64,
}

impl Endpoints {
    /// Returns the endpoints of an organisation that never had one.
    pub fn none(org: OrgId) -> Self {
        Self { org, all: Vec::new(), rev: 0 }
    }

    /// Returns an endpoint. Fails if there is no such endpoint.
    pub fn get(&self, id: &EndpointId) -> Result<&Endpoint, ApplicationError> {
        self.all.iter().find(|endpoint| endpoint.id == *id).ok_or(ApplicationError::NotFound("webhook"))
    }

    /// Returns a page of the endpoints, newest first.
    pub fn page(&self, window: &Window) -> Page<Endpoint> {
        let is_behind = |endpoint: &&Endpoint| window.after.as_ref().is_none_or(|after| endpoint.id.to_string() < *after);
        let mut newest_first: Vec<&Endpoint> = self.all.iter().filter(is_behind).collect();
        newest_first.sort_by_key(|endpoint| Reverse(endpoint.id));
        let rows: Vec<Endpoint> =
            newest_first.iter().skip(window.skip).take(window.limit).map(|endpoint| Endpoint::clone(endpoint)).collect();
        let more = newest_first.len() > window.skip + window.limit;
        let next = rows.last().filter(|_| more).map(|endpoint| endpoint.id.to_string());
        Page { rows, next, total: self.all.len() as u64, unreadable: 0 }
    }

    /// Adds an endpoint, unless it is there already. Fails if there is no room for another one.
    pub fn add(&mut self, endpoint: Endpoint) -> Result<(), ApplicationError> {
        if self.all.iter().any(|known| known.id == endpoint.id) {
            return Ok(());
        }
        if self.all.len() >= MAX_ENDPOINTS {
            let message = format!("an organisation may have {MAX_ENDPOINTS} webhooks; delete one that is no longer needed");
            return Err(ApplicationError::Unprocessable { message, fields: FieldErrors::new() });
        }
        self.all.push(endpoint);
        Ok(())
    }

    /// Removes an endpoint and returns it. Nothing more is sent to it, pending deliveries included. Fails if there is no such endpoint.
    pub fn remove(&mut self, id: &EndpointId) -> Result<Endpoint, ApplicationError> {
        let at = self.all.iter().position(|endpoint| endpoint.id == *id).ok_or(ApplicationError::NotFound("webhook"))?;
        Ok(self.all.remove(at))
    }

    /// Replaces the secret of an endpoint and returns the endpoint. From now on all deliveries are signed with the new secret, repeated ones
    /// included. Fails if there is no such endpoint.
    pub fn rotate(&mut self, id: &EndpointId, secret: Sealed, now: Time) -> Result<Endpoint, ApplicationError> {
        let endpoint = self.all.iter_mut().find(|endpoint| endpoint.id == *id).ok_or(ApplicationError::NotFound("webhook"))?;
        endpoint.secret = secret;
        endpoint.secret_since = now;
        Ok(endpoint.clone())
    }
}

/// An endpoint as a caller registers it. Whether its URL may be called is for the egress guard to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// The URL.
    pub url: String,
    /// The events to subscribe to.
    pub events: BTreeSet<Subscription>,
    /// A description for people.
    pub description: Option<String>,
}

impl NewEndpoint {
    /// Reads a body. Fails with all problems at once, each at its path. `check` fails with what is wrong with a URL.
    pub fn parse(body: &Map<String, Value>, check: impl FnOnce(&str) -> Result<(), String>) -> Result<Self, FieldErrors> {
        let (mut rest, mut errors) = (body.clone(), FieldErrors::new());
        let mut take = |name: &str| rest.remove(name).filter(|value| !value.is_null());
        let (url, events, description) = (take("url"), take("events"), take("description"));
        let new = Self {
            url: noted(&mut errors, "url", read_url(url, check)),
            events: read_events(events, &mut errors),
            description: noted(&mut errors, "description", read_description(description)),
        };
        for name in rest.keys() {
            errors.add(name.as_str(), "is not a field that belongs here");
        }
        errors.into_result(new)
    }

    /// Returns the endpoint with a secret that was sealed for it.
    pub fn made(self, id: EndpointId, secret: Sealed, created_by: &str) -> Endpoint {
        let Self { url, events, description } = self;
        Endpoint { secret_since: id.created_at(), id, url, events, description, secret, created_by: created_by.to_owned() }
    }
}

fn noted<T: Default>(errors: &mut FieldErrors, path: &str, read: Result<T, String>) -> T {
    read.map_err(|problem| errors.add(path, problem)).unwrap_or_default()
}

fn read_url(value: Option<Value>, check: impl FnOnce(&str) -> Result<(), String>) -> Result<String, String> {
    match value {
        None => Err("is required".to_owned()),
        Some(Value::String(url)) if url.len() <= MAX_URL_BYTES => check(&url).map(|()| url),
        Some(_) => Err(format!("must be a URL of at most {MAX_URL_BYTES} bytes")),
    }
}

fn read_description(value: Option<Value>) -> Result<Option<String>, String> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= MAX_DESCRIPTION_CHARS && !text.chars().any(char::is_control) => Ok(Some(text)),
        Some(_) => Err(format!("must be a string of at most {MAX_DESCRIPTION_CHARS} characters, none of them a control character")),
    }
}

fn read_events(value: Option<Value>, errors: &mut FieldErrors) -> BTreeSet<Subscription> {
    let items = match value {
        Some(Value::Array(items)) if (1..=MAX_EVENTS).contains(&items.len()) => items,
        Some(_) => {
            errors.add("events", format!("must be an array of 1 to {MAX_EVENTS} names of events"));
            Vec::new()
        }
        None => {
            errors.add("events", "is required");
            Vec::new()
        }
    };
    let mut events = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let read = item.as_str().ok_or_else(|| "must be a string".to_owned()).and_then(|text| text.parse().map_err(|bad| format!("{bad}")));
        match read {
            Ok(subscription) => _ = events.insert(subscription),
            Err(problem) => errors.add(format!("events[{at}]"), problem),
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<NewEndpoint, FieldErrors> {
        let check = |url: &str| if url.starts_with("https://") { Ok(()) } else { Err("use an https URL".to_owned()) };
        NewEndpoint::parse(body.as_object().unwrap(), check)
    }

    fn endpoint(number: u128) -> Endpoint {
        let new = read(&json!({"url": "https://example.com", "events": ["*"]})).unwrap();
        new.made(EndpointId::new(Time::from_millis(7), number), Sealed::from_text("sealed"), "usr_ada")
    }

    #[test]
    fn an_endpoint_is_read_with_all_its_fields() {
        let body = json!({"url": "https://example.com/hook", "events": ["flow.run.*", "order.paid", "order.paid"], "description": "Ours"});
        let new = read(&body).unwrap();
        assert_eq!((new.url.as_str(), new.description.as_deref()), ("https://example.com/hook", Some("Ours")));
        let endpoint = new.made(EndpointId::new(Time::from_millis(7), 1), Sealed::from_text("sealed"), "usr_ada");
        assert!(endpoint.wants("flow.run.failed") && endpoint.wants("order.paid") && !endpoint.wants("generation.failed"));
        assert_eq!((endpoint.events.len(), endpoint.secret_since), (2, Time::from_millis(7)));
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let errors = read(&json!({"url": "http://x", "events": ["*", 7, "flow.run.x"], "description": "a\nb", "event": "*"})).unwrap_err();
        assert_eq!(errors.by_path().keys().collect::<Vec<_>>(), ["description", "event", "events[1]", "events[2]", "url"]);
        assert_eq!(read(&json!({})).unwrap_err().by_path().keys().collect::<Vec<_>>(), ["events", "url"]);
        for (field, value) in [
            ("url", json!(7)),
            ("url", json!(format!("https://{}", "x".repeat(2_000)))),
            ("events", json!([])),
            ("events", json!("*")),
            ("events", json!(vec!["*"; 31])),
            ("description", json!("x".repeat(201))),
        ] {
            let mut body = json!({"url": "https://example.com", "events": ["*"]});
            body[field] = value;
            assert_eq!(read(&body).unwrap_err().by_path().keys().collect::<Vec<_>>(), [field]);
        }
    }

    #[test]
    fn an_organisation_has_a_limited_number_of_endpoints() {
        let mut endpoints = Endpoints::none(OrgId::new(Time::from_millis(0), 1));
        for number in 0..MAX_ENDPOINTS as u128 {
            endpoints.add(endpoint(number)).unwrap();
        }
        assert!(matches!(endpoints.add(endpoint(99)), Err(ApplicationError::Unprocessable { .. })));
        let gone = endpoints.remove(&endpoint(3).id).unwrap();
        assert!(matches!(endpoints.get(&gone.id), Err(ApplicationError::NotFound("webhook"))));
        assert!(matches!(endpoints.remove(&gone.id), Err(ApplicationError::NotFound("webhook"))));
        endpoints.add(endpoint(99)).unwrap();
    }

    #[test]
    fn a_new_secret_takes_the_place_of_the_old_one_at_once() {
        let mut endpoints = Endpoints::none(OrgId::new(Time::from_millis(0), 1));
        endpoints.add(endpoint(1)).unwrap();
        let rotated = endpoints.rotate(&endpoint(1).id, Sealed::from_text("new"), Time::from_millis(9)).unwrap();
        assert_eq!(endpoints.all, [Endpoint { secret: Sealed::from_text("new"), secret_since: Time::from_millis(9), ..endpoint(1) }]);
        assert_eq!(rotated, endpoints.all[0]);
        assert!(endpoints.rotate(&endpoint(2).id, Sealed::from_text("new"), Time::from_millis(9)).is_err());
    }
}

//! An endpoint as a caller registers it.

use std::collections::BTreeSet;

use email_address::{EmailAddress, Options};
use serde_json::{Map, Value};

use super::endpoint::{Endpoint, EndpointKind, Target};
use crate::event_name::Subscription;
use crate::id::EndpointId;
use crate::problem::FieldErrors;

/// The most bytes of a URL.
const MAX_URL_BYTES: usize = 2_000;
/// The most recipients of a mail.
const MAX_RECIPIENTS: usize = 10;
/// The most subscriptions of one endpoint.
const MAX_EVENTS: usize = 30;
const MAX_DESCRIPTION_CHARS: usize = 200;
/// What a mail address must be: `local@domain.tld`, without a name or an IP address.
const PLAIN_ADDRESS: Options = Options { minimum_sub_domains: 2, allow_domain_literal: false, allow_display_text: false };

/// Where the events of a new endpoint are sent, before anything is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewTarget {
    /// This URL receives the events as JSON.
    Webhook(String),
    /// This URL is an incoming webhook of Slack.
    Slack(String),
    /// These addresses receive mails.
    Email(Vec<String>),
}

/// An endpoint as a caller registers it. Whether its URL may be called is for the egress guard to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Where its events are sent.
    pub target: NewTarget,
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
        let (kind, url, to, events, description) = (take("kind"), take("url"), take("to"), take("events"), take("description"));
        let new = Self {
            target: read_target(kind.as_ref(), url, to, check, &mut errors),
            events: read_events(events, &mut errors),
            description: noted(&mut errors, "description", read_description(description)),
        };
        for name in rest.keys() {
            errors.add(name.as_str(), "is not a field that belongs here");
        }
        errors.into_result(new)
    }

    /// Returns the endpoint with a target whose secret was sealed for it.
    pub fn made(self, id: EndpointId, target: Target, created_by: &str) -> Endpoint {
        let Self { events, description, .. } = self;
        Endpoint { secret_since: id.created_at(), id, target, events, description, created_by: created_by.to_owned() }
    }
}

fn noted<T: Default>(errors: &mut FieldErrors, path: &str, read: Result<T, String>) -> T {
    read.map_err(|problem| errors.add(path, problem)).unwrap_or_default()
}

/// Reads the kind and its fields. The fields of an unknown kind are not judged.
fn read_target(
    kind: Option<&Value>,
    url: Option<Value>,
    to: Option<Value>,
    check: impl FnOnce(&str) -> Result<(), String>,
    errors: &mut FieldErrors,
) -> NewTarget {
    let kind = match kind {
        None => Some(EndpointKind::Webhook),
        Some(name) => name.as_str().and_then(EndpointKind::from_name),
    };
    let Some(kind) = kind else {
        let known: Vec<&str> = EndpointKind::ALL.iter().map(|kind| kind.as_str()).collect();
        errors.add("kind", format!("must be one of: {}", known.join(", ")));
        return NewTarget::Email(Vec::new());
    };
    if kind == EndpointKind::Email {
        if url.is_some() {
            errors.add("url", "a webhook of the kind `email` has `to` and no URL");
        }
        return NewTarget::Email(read_recipients(to, errors));
    }
    if to.is_some() {
        errors.add("to", format!("a webhook of the kind `{kind}` has `url` and no mail addresses"));
    }
    let url = noted(errors, "url", read_url(url, check));
    if kind == EndpointKind::Slack { NewTarget::Slack(url) } else { NewTarget::Webhook(url) }
}

fn read_url(value: Option<Value>, check: impl FnOnce(&str) -> Result<(), String>) -> Result<String, String> {
    match value {
        None => Err("is required".to_owned()),
        Some(Value::String(url)) if url.len() <= MAX_URL_BYTES => check(&url).map(|()| url),
        Some(_) => Err(format!("must be a URL of at most {MAX_URL_BYTES} bytes")),
    }
}

fn read_recipients(value: Option<Value>, errors: &mut FieldErrors) -> Vec<String> {
    let items = match value {
        Some(Value::Array(items)) if (1..=MAX_RECIPIENTS).contains(&items.len()) => items,
        Some(_) => {
            errors.add("to", format!("must be an array of 1 to {MAX_RECIPIENTS} mail addresses"));
            return Vec::new();
        }
        None => {
            errors.add("to", "is required for the kind `email`");
            return Vec::new();
        }
    };
    let mut recipients = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        match item {
            Value::String(address) if is_mail_address(&address) => recipients.push(address),
            _ => errors.add(format!("to[{at}]"), "must be a mail address in ASCII, such as `ada@example.org`"),
        }
    }
    recipients
}

/// Returns whether a text is a mail address that SES takes: in ASCII, without quotes, of at most 320 bytes.
fn is_mail_address(text: &str) -> bool {
    text.is_ascii() && !text.contains('"') && EmailAddress::parse_with_options(text, PLAIN_ADDRESS).is_ok()
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

    fn faulty(body: &Value) -> Vec<String> {
        read(body).unwrap_err().by_path().keys().cloned().collect()
    }

    #[test]
    fn an_endpoint_is_read_with_all_its_fields() {
        let body = json!({"url": "https://example.com/hook", "events": ["flow.run.*", "order.paid", "order.paid"], "description": "Ours"});
        let new = read(&body).unwrap();
        assert_eq!((&new.target, new.description.as_deref()), (&NewTarget::Webhook("https://example.com/hook".to_owned()), Some("Ours")));
        assert_eq!(new.events.len(), 2);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let errors = faulty(&json!({"url": "http://x", "events": ["*", 7, "flow.run.x"], "description": "a\nb", "event": "*"}));
        assert_eq!(errors, ["description", "event", "events[1]", "events[2]", "url"]);
        assert_eq!(faulty(&json!({})), ["events", "url"]);
        for (field, value) in [
            ("url", json!(7)),
            ("url", json!(format!("https://{}", "x".repeat(2_000)))),
            ("events", json!([])),
            ("events", json!("*")),
            ("events", json!(vec!["*"; 31])),
            ("description", json!("x".repeat(201))),
            ("kind", json!("pager")),
            ("kind", json!(["slack"])),
            ("to", json!(["ada@example.org"])),
        ] {
            let mut body = json!({"url": "https://example.com", "events": ["*"]});
            body[field] = value;
            assert_eq!(faulty(&body), [field]);
        }
    }

    #[test]
    fn each_kind_has_a_target_of_its_own() {
        let slack = json!({"kind": "slack", "url": "https://hooks.example.com/T0/B0/x", "events": ["approval.*"]});
        assert_eq!(read(&slack).unwrap().target, NewTarget::Slack("https://hooks.example.com/T0/B0/x".to_owned()));
        let both = json!({"kind": "slack", "url": "https://hooks.example.com", "to": [], "events": ["*"]});
        assert_eq!(faulty(&both), ["to"]);
        let email = json!({"kind": "email", "to": ["ada@example.org", "b.c+d@sub.example.org"], "url": null, "events": ["approval.*"]});
        let recipients = ["ada@example.org", "b.c+d@sub.example.org"].map(str::to_owned);
        assert_eq!(read(&email).unwrap().target, NewTarget::Email(recipients.into()));
        let with_url = json!({"kind": "email", "to": ["ada@example.org"], "url": "https://example.com", "events": ["*"]});
        assert_eq!(faulty(&with_url), ["url"]);
        assert_eq!(faulty(&json!({"kind": "email", "events": ["*"]})), ["to"]);
        for to in [json!([]), json!("ada@example.org"), json!(vec!["ada@example.org"; 11])] {
            assert_eq!(faulty(&json!({"kind": "email", "to": to, "events": ["*"]})), ["to"]);
        }
    }

    #[test]
    fn what_is_no_mail_address_is_refused_at_its_place() {
        let wrong = [
            "",
            "ada",
            "ada@localhost",
            "@example.org",
            "ada@[127.0.0.1]",
            "Ada <ada@example.org>",
            "ada@example.org, eve@example.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "\"a b\"@example.org",
            "adä@example.org",
        ];
        for text in wrong {
            let to = json!(["ada@example.org", text]);
            assert_eq!(faulty(&json!({"kind": "email", "to": to, "events": ["*"]})), ["to[1]"], "{text}");
        }
        assert_eq!(faulty(&json!({"kind": "email", "to": [7], "events": ["*"]})), ["to[0]"]);
    }
}

//! The webhook endpoints of an organisation.

use std::cmp::Reverse;
use std::collections::BTreeSet;

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

word_enum!(
    /// The kind of an endpoint: what it receives.
    EndpointKind {
        /// The events as JSON, each signed.
        Webhook = "webhook",
        /// Messages for people in a channel of Slack.
        Slack = "slack",
        /// Mails for people.
        Email = "email",
    }
);

/// Where the events of an endpoint are sent, and what signs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A URL that receives the events as JSON.
    Webhook {
        /// The URL.
        url: String,
        /// The secret that signs the deliveries.
        secret: Sealed,
    },
    /// An incoming-webhook URL of Slack. Whoever knows the URL can post to the channel, so the whole URL is a secret.
    Slack {
        /// The scheme and the host of the URL, which may be shown.
        origin: String,
        /// The URL.
        url: Sealed,
    },
    /// Mail addresses.
    Email {
        /// The recipients.
        to: Vec<String>,
    },
}

impl Target {
    /// Returns an incoming webhook of Slack at a URL, which was sealed.
    pub fn slack(url: &str, sealed: Sealed) -> Self {
        Self::Slack { origin: origin_of(url), url: sealed }
    }

    /// Returns the kind of the endpoint.
    pub fn kind(&self) -> EndpointKind {
        match self {
            Self::Webhook { .. } => EndpointKind::Webhook,
            Self::Slack { .. } => EndpointKind::Slack,
            Self::Email { .. } => EndpointKind::Email,
        }
    }

    /// Returns what may be shown of the URL, if the target is one.
    pub fn shown_url(&self) -> Option<&str> {
        match self {
            Self::Webhook { url, .. } => Some(url),
            Self::Slack { origin, .. } => Some(origin),
            Self::Email { .. } => None,
        }
    }

    /// Returns the recipients of mails; none for another kind.
    pub fn recipients(&self) -> Option<&[String]> {
        match self {
            Self::Email { to } => Some(to),
            Self::Webhook { .. } | Self::Slack { .. } => None,
        }
    }

    /// Fails if deliveries are not signed, and therefore have no secret that could be replaced.
    pub fn require_secret(&self) -> Result<(), ApplicationError> {
        match self {
            Self::Webhook { .. } => Ok(()),
            Self::Slack { .. } | Self::Email { .. } => {
                let message = format!("a webhook of the kind `{}` has no secret; delete it and register another one", self.kind());
                Err(ApplicationError::Unprocessable { message, fields: FieldErrors::new() })
            }
        }
    }
}

/// Returns the scheme, the host and the port of a URL.
fn origin_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    // What is before an `@` is a name and a password.
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

/// A receiver of an organisation's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The id, which contains the time of its creation.
    pub id: EndpointId,
    /// Where deliveries are sent.
    pub target: Target,
    /// The events that the endpoint subscribes to.
    pub events: BTreeSet<Subscription>,
    /// A description for people.
    pub description: Option<String>,
    /// When the secret was made; the time of the creation for a kind without a secret.
    pub secret_since: Time,
    /// The actor who registered it.
    pub created_by: String,
}

impl Endpoint {
    /// Returns whether the endpoint subscribes to an event.
    pub fn wants(&self, event: &str) -> bool {
        self.events.iter().any(|subscription| subscription.wants(event))
    }

    /// Returns the place that the secret of an endpoint, or its secret URL, is sealed for.
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
    /// included. Fails if there is no such endpoint, or if it has no secret.
    pub fn rotate(&mut self, id: &EndpointId, secret: Sealed, now: Time) -> Result<Endpoint, ApplicationError> {
        let endpoint = self.all.iter_mut().find(|endpoint| endpoint.id == *id).ok_or(ApplicationError::NotFound("webhook"))?;
        endpoint.target.require_secret()?;
        if let Target::Webhook { secret: current, .. } = &mut endpoint.target {
            *current = secret;
            endpoint.secret_since = now;
        }
        Ok(endpoint.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_with(secret: &str) -> Target {
        Target::Webhook { url: "https://example.com".to_owned(), secret: Sealed::from_text(secret) }
    }

    fn endpoint(number: u128) -> Endpoint {
        Endpoint {
            id: EndpointId::new(Time::from_millis(7), number),
            target: signed_with("sealed"),
            events: ["flow.run.*", "order.paid"].map(|name| name.parse().unwrap()).into(),
            description: None,
            secret_since: Time::from_millis(7),
            created_by: "usr_ada".to_owned(),
        }
    }

    #[test]
    fn an_endpoint_wants_what_it_subscribes_to() {
        let endpoint = endpoint(1);
        assert!(endpoint.wants("flow.run.failed") && endpoint.wants("order.paid") && !endpoint.wants("generation.failed"));
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
        assert_eq!(endpoints.all, [Endpoint { target: signed_with("new"), secret_since: Time::from_millis(9), ..endpoint(1) }]);
        assert_eq!(rotated, endpoints.all[0]);
        assert!(endpoints.rotate(&endpoint(2).id, Sealed::from_text("new"), Time::from_millis(9)).is_err());
    }

    #[test]
    fn of_a_url_that_is_a_secret_only_the_origin_is_shown() {
        for (url, origin) in [
            ("https://hooks.example.com/services/T0/B0/secret?x=1", "https://hooks.example.com"),
            ("https://user:pw@hooks.example.com:8443/secret", "https://hooks.example.com:8443"),
            ("http://127.0.0.1:4568#secret", "http://127.0.0.1:4568"),
        ] {
            let target = Target::slack(url, Sealed::from_text("sealed"));
            assert_eq!((target.kind(), target.shown_url()), (EndpointKind::Slack, Some(origin)));
        }
    }

    #[test]
    fn an_endpoint_without_a_secret_keeps_its_target() {
        let mut endpoints = Endpoints::none(OrgId::new(Time::from_millis(0), 1));
        let slack = Target::Slack { origin: "https://hooks.example.com".to_owned(), url: Sealed::from_text("sealed") };
        let email = Target::Email { to: vec!["ada@example.org".to_owned()] };
        for (number, target) in [(1, slack), (2, email)] {
            let kept = Endpoint { target, ..endpoint(number) };
            endpoints.add(kept.clone()).unwrap();
            let refused = endpoints.rotate(&kept.id, Sealed::from_text("new"), Time::from_millis(9));
            assert!(matches!(refused, Err(ApplicationError::Unprocessable { .. })));
            assert_eq!(endpoints.get(&kept.id).unwrap(), &kept);
        }
    }
}

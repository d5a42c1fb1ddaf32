//! The webhook of a flow, under the hash of its token.

use domain::id::{FlowId, OrgId};
use domain::secret::Sealed;
use domain::time::Time;
use domain::trigger::{WebhookToken, WebhookTrigger};
use serde::{Deserialize, Serialize};

use crate::keys;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookItem {
    pk: String,
    sk: String,
    org: OrgId,
    flow: FlowId,
    secret: Sealed,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret: Option<Sealed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_until: Option<Time>,
}

/// What stands under a token.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum TokenItem {
    /// Nothing any more; TTL deletes it.
    #[serde(rename_all = "camelCase")]
    Gone {
        #[expect(dead_code, reason = "that it is there says enough")]
        expires_at: u64,
    },
    /// A webhook.
    Webhook(WebhookItem),
}

impl TokenItem {
    pub(crate) fn into_webhook(self) -> Option<WebhookTrigger> {
        if let Self::Webhook(item) = self { Some(item.into_webhook()) } else { None }
    }
}

/// Takes the place of a webhook: no function may delete items, and TTL may.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GoneItem {
    pk: String,
    sk: String,
    expires_at: u64,
}

impl GoneItem {
    pub(crate) fn of(token: &WebhookToken, now: Time) -> Self {
        Self { pk: keys::webhook_trigger(token), sk: keys::WEBHOOK_TRIGGER.to_owned(), expires_at: now.seconds() }
    }
}

impl WebhookItem {
    pub(crate) fn of(token: &WebhookToken, webhook: &WebhookTrigger) -> Self {
        let (previous_secret, previous_until) = webhook.previous.clone().unzip();
        Self {
            pk: keys::webhook_trigger(token),
            sk: keys::WEBHOOK_TRIGGER.to_owned(),
            org: webhook.org,
            flow: webhook.flow,
            secret: webhook.secret.clone(),
            previous_secret,
            previous_until,
        }
    }

    fn into_webhook(self) -> WebhookTrigger {
        WebhookTrigger { org: self.org, flow: self.flow, secret: self.secret, previous: self.previous_secret.zip(self.previous_until) }
    }
}

//! The item of a webhook trigger. Its key is the hash of its token.

use domain::access::RecordedActor;
use domain::id::{FlowId, OrgId};
use domain::secret::Sealed;
use domain::time::Time;
use domain::trigger::{WebhookToken, WebhookTrigger};
use serde::{Deserialize, Serialize};

use crate::keys;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TriggerItem {
    pk: String,
    sk: String,
    org: OrgId,
    flow: FlowId,
    secret: Sealed,
    /// Items of earlier versions have neither of these two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_by: Option<RecordedActor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous_changed_by: Option<RecordedActor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret: Option<Sealed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_until: Option<Time>,
}

/// The item under the key of a token.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum TokenItem {
    /// The trigger was deleted; TTL deletes the item.
    #[serde(rename_all = "camelCase")]
    Deleted {
        #[expect(dead_code, reason = "only its presence matters")]
        expires_at: u64,
    },
    /// A trigger.
    Trigger(Box<TriggerItem>),
}

impl TokenItem {
    pub(crate) fn into_trigger(self) -> Option<WebhookTrigger> {
        if let Self::Trigger(item) = self { Some(item.into_trigger()) } else { None }
    }
}

/// Replaces the item of a trigger that was deleted: no function may delete items, and TTL may.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeletedItem {
    pk: String,
    sk: String,
    expires_at: u64,
}

impl DeletedItem {
    pub(crate) fn of(token: &WebhookToken, now: Time) -> Self {
        Self { pk: keys::webhook_trigger(token), sk: keys::WEBHOOK_TRIGGER.to_owned(), expires_at: now.seconds() }
    }
}

impl TriggerItem {
    pub(crate) fn of(token: &WebhookToken, webhook: &WebhookTrigger) -> Self {
        let (previous_secret, previous_until) = webhook.previous.clone().unzip();
        Self {
            pk: keys::webhook_trigger(token),
            sk: keys::WEBHOOK_TRIGGER.to_owned(),
            org: webhook.org,
            flow: webhook.flow,
            secret: webhook.secret.clone(),
            changed_by: webhook.changed_by.clone(),
            previous_changed_by: webhook.previous_changed_by.clone(),
            previous_secret,
            previous_until,
        }
    }

    fn into_trigger(self) -> WebhookTrigger {
        WebhookTrigger {
            org: self.org,
            flow: self.flow,
            secret: self.secret,
            changed_by: self.changed_by,
            previous: self.previous_secret.zip(self.previous_until),
            previous_changed_by: self.previous_changed_by,
        }
    }
}

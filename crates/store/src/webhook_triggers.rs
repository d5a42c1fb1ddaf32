//! Webhooks of flows.

use domain::ports::{CommitError, PortError, WebhookTriggers};
use domain::time::Time;
use domain::trigger::{WebhookToken, WebhookTrigger};

use crate::items::{GoneItem, TokenItem, WebhookItem};
use crate::{Table, error, keys, text, write};

impl WebhookTriggers for Table {
    async fn webhook(&self, token: &WebhookToken) -> Result<Option<WebhookTrigger>, PortError> {
        Ok(self.get::<TokenItem>(&keys::webhook_trigger(token), keys::WEBHOOK_TRIGGER).await?.and_then(TokenItem::into_webhook))
    }

    async fn put_webhook(
        &self,
        token: &WebhookToken,
        webhook: &WebhookTrigger,
        before: Option<&WebhookTrigger>,
    ) -> Result<(), CommitError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(write(&WebhookItem::of(token, webhook))?));
        let put = match before {
            None => put.condition_expression("attribute_not_exists(pk)"),
            // No two ciphertexts are the same, so this one names a state of the webhook.
            Some(before) => put.condition_expression("secret = :secret").expression_attribute_values(":secret", text(before.secret.text())),
        };
        put.send().await.map_err(error::put)?;
        Ok(())
    }

    async fn delete_webhook(&self, token: &WebhookToken, now: Time) -> Result<(), PortError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(write(&GoneItem::of(token, now))?));
        put.send().await.map_err(error::port)?;
        Ok(())
    }
}

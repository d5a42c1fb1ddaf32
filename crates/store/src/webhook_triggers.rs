//! Webhook triggers.

use domain::ports::{CommitError, PortError, WebhookTriggers};
use domain::time::Time;
use domain::trigger::{WebhookToken, WebhookTrigger};

use crate::items::{DeletedItem, TokenItem, TriggerItem};
use crate::{Table, error, keys, text, write};

impl WebhookTriggers for Table {
    async fn webhook(&self, token: &WebhookToken) -> Result<Option<WebhookTrigger>, PortError> {
        Ok(self.get::<TokenItem>(&keys::webhook_trigger(token), keys::WEBHOOK_TRIGGER).await?.and_then(TokenItem::into_trigger))
    }

    async fn put_webhook(
        &self,
        token: &WebhookToken,
        webhook: &WebhookTrigger,
        before: Option<&WebhookTrigger>,
    ) -> Result<(), CommitError> {
        let put = self.put_request(write(&TriggerItem::of(token, webhook))?);
        let put = match before {
            None => put.condition_expression("attribute_not_exists(pk)"),
            // No two ciphertexts are the same, so this one identifies a state of the trigger.
            Some(before) => put.condition_expression("secret = :secret").expression_attribute_values(":secret", text(before.secret.text())),
        };
        put.send().await.map_err(error::put)?;
        Ok(())
    }

    async fn delete_webhook(&self, token: &WebhookToken, now: Time) -> Result<(), PortError> {
        self.put_request(write(&DeletedItem::of(token, now))?).send().await.map_err(error::port)?;
        Ok(())
    }
}

//! Organisations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::id::OrgId;
use domain::organisation::{CursorSecret, Organisation};
use domain::ports::{Entropy, Organisations, PortError};
use runtime::OsEntropy;

use crate::items::organisation::{CREATED_AT, CURSOR_SECRET, LONG_RETENTION, cursor_secret, organisation, secret_value};
use crate::{Table, error, keys, text};

/// The cursor secrets that this process has read.
#[derive(Debug, Clone, Default)]
pub(crate) struct CursorSecrets(Arc<Mutex<BTreeMap<OrgId, CursorSecret>>>);

impl CursorSecrets {
    fn get(&self, id: &OrgId) -> Option<CursorSecret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn put(&self, id: &OrgId, secret: CursorSecret) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(*id, secret);
    }
}

impl Organisations for Table {
    async fn organisation(&self, id: &OrgId) -> Result<Option<Organisation>, PortError> {
        let request = self.get_request(keys::organisation(id), keys::ORG);
        let item = request.consistent_read(true).send().await.map_err(error::port)?.item;
        item.map_or(Ok(None), |item| organisation(*id, &item))
    }

    async fn put_organisation(&self, organisation: &Organisation) -> Result<(), PortError> {
        self.update_organisation(&organisation.id)
            .update_expression("SET #retention = :retention, #created = :created, #secret = if_not_exists(#secret, :secret)")
            .expression_attribute_names("#retention", LONG_RETENTION)
            .expression_attribute_names("#created", CREATED_AT)
            .expression_attribute_names("#secret", CURSOR_SECRET)
            .expression_attribute_values(":retention", AttributeValue::Bool(organisation.long_retention))
            .expression_attribute_values(":created", text(organisation.created_at.to_string()))
            .expression_attribute_values(":secret", secret_value(&organisation.cursor_secret))
            .send()
            .await
            .map_err(error::port)?;
        Ok(())
    }

    async fn cursor_secret(&self, id: &OrgId) -> Result<CursorSecret, PortError> {
        if let Some(secret) = self.cursor_secrets.get(id) {
            return Ok(secret);
        }
        // An eventually consistent read costs half: what it does not see yet, the write below returns.
        let request = self.get_request(keys::organisation(id), keys::ORG);
        let item = request.send().await.map_err(error::port)?.item.unwrap_or_default();
        let secret = match cursor_secret(&item)? {
            Some(secret) => secret,
            None => self.first_cursor_secret(id).await?,
        };
        self.cursor_secrets.put(id, secret.clone());
        Ok(secret)
    }
}

impl Table {
    /// Gives an organisation a secret, and returns it. Of several callers at the same time one writes it, and all get the same.
    async fn first_cursor_secret(&self, id: &OrgId) -> Result<CursorSecret, PortError> {
        let fresh = CursorSecret::of_random(OsEntropy.random(), OsEntropy.random());
        let answer = self
            .update_organisation(id)
            .update_expression("SET #secret = if_not_exists(#secret, :secret)")
            .expression_attribute_names("#secret", CURSOR_SECRET)
            .expression_attribute_values(":secret", secret_value(&fresh))
            // The policy allows to return this attribute and no other.
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(error::port)?;
        let item = answer.attributes.unwrap_or_default();
        cursor_secret(&item)?.ok_or_else(|| error::corrupt(format!("the cursor secret of {id} was written and cannot be found")))
    }

    fn update_organisation(&self, id: &OrgId) -> UpdateItemFluentBuilder {
        self.update_request(keys::organisation(id), keys::ORG)
    }
}

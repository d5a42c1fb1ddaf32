//! The ways in which items are written.

use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::ports::{CommitError, PortError};
use domain::time::Time;

use crate::{Item, Table, error, number, text};

/// Holds if there is no item with the same key.
const IS_NEW: &str = "attribute_not_exists(pk)";

impl Table {
    /// Returns a request that reads the item with this key.
    pub(crate) fn get_request(&self, pk: impl Into<String>, sk: impl Into<String>) -> GetItemFluentBuilder {
        self.client.get_item().table_name(&self.name).key("pk", text(pk)).key("sk", text(sk))
    }

    /// Returns a request that writes an item.
    pub(crate) fn put_request(&self, item: Item) -> PutItemFluentBuilder {
        self.client.put_item().table_name(&self.name).set_item(Some(item))
    }

    /// Returns a request that changes attributes of the item with this key.
    pub(crate) fn update_request(&self, pk: impl Into<String>, sk: impl Into<String>) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.name).key("pk", text(pk)).key("sk", text(sk))
    }

    /// Writes a new item. Fails with `Changed` if there is an item with its key.
    pub(crate) async fn put_new(&self, item: Item) -> Result<(), CommitError> {
        self.put_request(item).condition_expression(IS_NEW).send().await.map_err(error::put)?;
        Ok(())
    }

    /// Writes a new item, and does nothing if there is an item with its key.
    pub(crate) async fn put_once(&self, item: Item) -> Result<(), PortError> {
        match self.put_new(item).await {
            Ok(()) | Err(CommitError::Changed) => Ok(()),
            Err(CommitError::Port(error)) => Err(error),
        }
    }

    /// Replaces an item whose `rev` is this one; 0 stands for no item. Fails with `Changed` otherwise.
    pub(crate) async fn put_at_rev(&self, item: Item, rev: u64) -> Result<(), CommitError> {
        if rev == 0 {
            return self.put_new(item).await;
        }
        self.replace_at_rev(item, rev).await
    }

    /// Replaces an item whose `rev` is this one. Fails with `Changed` if it has another one or does not exist any more.
    pub(crate) async fn replace_at_rev(&self, item: Item, rev: u64) -> Result<(), CommitError> {
        let put = self.put_request(item).condition_expression("rev = :rev").expression_attribute_values(":rev", number(rev));
        put.send().await.map_err(error::put)?;
        Ok(())
    }

    /// Does all of `writes` or none of them. Fails with `Changed` if a condition of one of them does not hold.
    pub(crate) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<(), CommitError> {
        self.client.transact_write_items().set_transact_items(Some(writes)).send().await.map_err(error::transaction)?;
        Ok(())
    }

    /// Returns a write of a transaction that fails if there is an item with the same key.
    pub(crate) fn new_item(&self, item: Item) -> Result<TransactWriteItem, PortError> {
        let put = Put::builder().table_name(&self.name).set_item(Some(item)).condition_expression(IS_NEW);
        Ok(TransactWriteItem::builder().put(put.build().map_err(error::corrupt)?).build())
    }

    /// Returns a write of a transaction that takes place whether or not there is an item with the same key.
    pub(crate) fn any_item(&self, item: Item) -> Result<TransactWriteItem, PortError> {
        let put = Put::builder().table_name(&self.name).set_item(Some(item));
        Ok(TransactWriteItem::builder().put(put.build().map_err(error::corrupt)?).build())
    }

    /// Returns a write of a transaction that fails while there is an item with the same key that has not expired. TTL may delete an
    /// expired item days later.
    pub(crate) fn new_or_expired_item(&self, item: Item, now: Time) -> Result<TransactWriteItem, PortError> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(format!("{IS_NEW} OR expiresAt <= :now"))
            .expression_attribute_values(":now", number(now.seconds()));
        Ok(TransactWriteItem::builder().put(put.build().map_err(error::corrupt)?).build())
    }
}

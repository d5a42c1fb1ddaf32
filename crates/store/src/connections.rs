//! Service connections: an item for each, found by its slug, and a collection that lists those of an organisation.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{Delete, ReturnValue, TransactWriteItem};
use domain::connection::Connection;
use domain::flow::ServiceSlug;
use domain::id::OrgId;
use domain::ports::{CommitError, ConnectionBook, Connections, Page, PortError, Registered, Window};
use domain::time::Time;

use crate::collection::Collection;
use crate::items::connection::{ID, LAST_HEALTHY_AT, LAST_USED_AT, OPTIONAL, UPDATED_AT};
use crate::items::{ConnectionEntry, ConnectionItem};
use crate::{Table, error, keys, read, text, write};

/// The number of times that a registration or a deletion is tried when others change the same connection at the same time.
const TRIES: usize = 5;

impl Connections for Table {
    async fn connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        let found = self.get::<ConnectionItem>(&keys::connection(org, slug), keys::CONNECTION).await?;
        found.map(ConnectionItem::into_connection).transpose()
    }

    async fn note_use(&self, org: &OrgId, connection: &Connection, at: Time) -> Result<(), PortError> {
        let request = self
            .update_connection(org, &connection.slug)
            .update_expression("SET #time = :at")
            .condition_expression("#id = :id AND (attribute_not_exists(#time) OR #time < :at)")
            .expression_attribute_names("#time", LAST_USED_AT)
            .expression_attribute_names("#id", ID)
            .expression_attribute_values(":at", text(at.to_string()))
            .expression_attribute_values(":id", text(connection.id.to_string()));
        send_if(request).await
    }

    async fn note_health(&self, org: &OrgId, connection: &Connection, at: Time) -> Result<(), PortError> {
        let request = self
            .update_connection(org, &connection.slug)
            .update_expression("SET #time = :at")
            .condition_expression("#id = :id AND #updated = :updated AND (attribute_not_exists(#time) OR #time < :at)")
            .expression_attribute_names("#time", LAST_HEALTHY_AT)
            .expression_attribute_names("#id", ID)
            .expression_attribute_names("#updated", UPDATED_AT)
            .expression_attribute_values(":at", text(at.to_string()))
            .expression_attribute_values(":id", text(connection.id.to_string()))
            .expression_attribute_values(":updated", text(connection.updated_at.to_string()));
        send_if(request).await
    }
}

impl ConnectionBook for Table {
    async fn register(&self, org: &OrgId, connection: &Connection) -> Result<Registered, PortError> {
        for _ in 0..TRIES {
            let registered = match self.connection(org, &connection.slug).await? {
                None => self.create_connection(org, connection).await,
                Some(before) => self.replace_connection(org, &before, connection).await,
            };
            match registered {
                Ok(registered) => return Ok(registered),
                Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error),
            }
        }
        Err(busy(&connection.slug))
    }

    async fn connections(&self, org: &OrgId, window: &Window) -> Result<Page<Connection>, PortError> {
        let collection = Collection::all(keys::connections(org));
        let entries = self.collection_page(&collection, window, read::<ConnectionEntry>).await?;
        let wanted = entries.rows.iter().map(|entry| (keys::connection(org, &entry.slug), keys::CONNECTION)).collect();
        let found = self.all_of(wanted, |item| read::<ConnectionItem>(item)?.into_connection()).await?;
        let mut by_id: HashMap<String, Connection> =
            found.rows.into_iter().map(|connection| (connection.id.to_string(), connection)).collect();
        // A connection that was deleted a moment ago may still be among the entries that were read.
        let rows = entries.rows.iter().filter_map(|entry| by_id.remove(&entry.sk)).collect();
        Ok(Page { rows, next: entries.next, total: entries.total, unreadable: entries.unreadable + found.unreadable })
    }

    async fn connections_named(&self, org: &OrgId, slugs: &BTreeSet<ServiceSlug>) -> Result<Vec<Connection>, PortError> {
        let wanted = slugs.iter().map(|slug| (keys::connection(org, slug), keys::CONNECTION)).collect();
        Ok(self.all_of(wanted, |item| read::<ConnectionItem>(item)?.into_connection()).await?.rows)
    }

    async fn delete_connection(&self, org: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        for _ in 0..TRIES {
            let Some(before) = self.connection(org, slug).await? else { return Ok(None) };
            let item = self
                .delete(keys::connection(org, slug), keys::CONNECTION)
                .condition_expression("#id = :id")
                .expression_attribute_names("#id", ID)
                .expression_attribute_values(":id", text(before.id.to_string()));
            let entry = self.delete(keys::connections(org), &before.id.to_string());
            let deletes =
                [item, entry].map(|delete| Ok(TransactWriteItem::builder().delete(delete.build().map_err(error::corrupt)?).build()));
            match self.transact(deletes.into_iter().collect::<Result<_, PortError>>()?).await {
                Ok(()) => return Ok(Some(before)),
                Err(CommitError::Changed) => {}
                Err(CommitError::Port(error)) => return Err(error),
            }
        }
        Err(busy(slug))
    }
}

impl Table {
    async fn create_connection(&self, org: &OrgId, connection: &Connection) -> Result<Registered, CommitError> {
        let writes = [write(&ConnectionItem::of(org, connection))?, write(&ConnectionEntry::of(org, connection))?];
        self.transact(writes.into_iter().map(|item| self.new_item(item)).collect::<Result<_, _>>()?).await?;
        Ok(Registered::New(connection.clone()))
    }

    /// Replaces a connection attribute by attribute, so that a use that is recorded at the same time is not lost.
    async fn replace_connection(&self, org: &OrgId, before: &Connection, connection: &Connection) -> Result<Registered, CommitError> {
        let mut item = write(&ConnectionItem::of(org, connection))?;
        for kept in ["pk", "sk", ID, LAST_USED_AT, LAST_HEALTHY_AT] {
            item.remove(kept);
        }
        let gone = OPTIONAL.into_iter().filter(|name| !item.contains_key(*name)).chain([LAST_HEALTHY_AT]);
        let gone: Vec<&str> = gone.collect();
        let mut request = self
            .update_connection(org, &connection.slug)
            .condition_expression("#id = :id")
            .expression_attribute_names("#id", ID)
            .expression_attribute_values(":id", text(before.id.to_string()))
            .return_values(ReturnValue::AllNew);
        let mut sets = Vec::new();
        for (number, (name, value)) in item.into_iter().enumerate() {
            sets.push(format!("#s{number} = :s{number}"));
            request =
                request.expression_attribute_names(format!("#s{number}"), name).expression_attribute_values(format!(":s{number}"), value);
        }
        let mut removes = Vec::new();
        for (number, name) in gone.into_iter().enumerate() {
            removes.push(format!("#r{number}"));
            request = request.expression_attribute_names(format!("#r{number}"), name);
        }
        let request = request.update_expression(format!("SET {} REMOVE {}", sets.join(", "), removes.join(", ")));
        match request.send().await {
            Ok(answer) => Ok(Registered::Again(read::<ConnectionItem>(answer.attributes.unwrap_or_default())?.into_connection()?)),
            Err(error) if has_changed(error.code()) => Err(CommitError::Changed),
            Err(error) => Err(error::port(error).into()),
        }
    }

    fn update_connection(&self, org: &OrgId, slug: &ServiceSlug) -> UpdateItemFluentBuilder {
        self.update_request(keys::connection(org, slug), keys::CONNECTION)
    }

    fn delete(&self, pk: String, sk: &str) -> aws_sdk_dynamodb::types::builders::DeleteBuilder {
        Delete::builder().table_name(&self.name).key("pk", text(pk)).key("sk", text(sk))
    }
}

/// Sends an update that is void if its condition does not hold.
async fn send_if(request: UpdateItemFluentBuilder) -> Result<(), PortError> {
    match request.send().await {
        Ok(_) => Ok(()),
        Err(refused) if error::is_condition(&refused) => Ok(()),
        Err(error) => Err(error::port(error)),
    }
}

fn has_changed(code: Option<&str>) -> bool {
    matches!(code, Some("ConditionalCheckFailedException" | "TransactionConflictException"))
}

fn busy(slug: &ServiceSlug) -> PortError {
    PortError::Unavailable(format!("connection {slug} changed {TRIES} times while it was being updated"))
}

//! Flows and their versions.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::flow::{Flow, Version};
use domain::id::{FlowId, OrgId};
use domain::ports::{CommitError, FlowName, Flows, Page, PortError, Window};

use crate::items::{FlowItem, SlugItem, VersionItem};
use crate::lists::List;
use crate::merge::{Group, Source};
use crate::{Table, error, keys, number, read, text, write};

impl Flows for Table {
    async fn create_flow(&self, flow: &Flow, version: &Version) -> Result<(), CommitError> {
        let mut writes = vec![self.new_item(write(&SlugItem::of(flow))?)?, self.new_item(write(&FlowItem::of(flow))?)?];
        writes.append(&mut self.version_writes(version)?);
        self.transact(writes).await
    }

    async fn update_flow(&self, before: &Flow, flow: &Flow, version: Option<&Version>) -> Result<(), CommitError> {
        // An edit changes `updatedAt`, and the clock changes the next due time.
        let next = before.trigger.cron().and_then(|cron| cron.next_run_at);
        let as_scheduled = if next.is_some() { "listRow.nextCronRunAt = :next" } else { "attribute_not_exists(listRow.nextCronRunAt)" };
        let mut head = Put::builder()
            .table_name(&self.name)
            .set_item(Some(write(&FlowItem::of(flow))?))
            .condition_expression(format!("listRow.version = :version AND listRow.updatedAt = :updatedAt AND {as_scheduled}"))
            .expression_attribute_values(":version", number(u64::from(before.version)))
            .expression_attribute_values(":updatedAt", text(before.updated_at.to_string()));
        if let Some(next) = next {
            head = head.expression_attribute_values(":next", text(next.to_string()));
        }
        let mut writes = vec![TransactWriteItem::builder().put(head.build().map_err(error::corrupt)?).build()];
        if let Some(version) = version {
            writes.append(&mut self.version_writes(version)?);
        }
        self.transact(writes).await
    }

    async fn flow(&self, org: &OrgId, name: &FlowName) -> Result<Option<Flow>, PortError> {
        let id = match name {
            FlowName::Id(id) => *id,
            FlowName::Slug(slug) => match self.get::<SlugItem>(&keys::slug(org, slug), keys::SLUG).await? {
                Some(found) => found.flow,
                None => return Ok(None),
            },
        };
        self.get::<FlowItem>(&keys::flow(org, &id), keys::FLOW).await?.map(FlowItem::into_flow).transpose()
    }

    async fn version(&self, org: &OrgId, flow: &FlowId, number: u32) -> Result<Option<Version>, PortError> {
        VersionItem::join(self.partition(&keys::flow(org, flow), &keys::version(number)).await?)
    }

    async fn flows(&self, org: &OrgId, window: &Window) -> Result<Page<Flow>, PortError> {
        let list = List {
            source: Source::Lists,
            groups: vec![Group { partitions: vec![keys::flow_list(org)], batch: usize::MAX }],
            prefix: keys::flow_prefix(org),
            low: None,
            high: None,
            // Flows are never deleted.
            only_grows: true,
        };
        self.page_of(&list, window, |item| read::<FlowItem>(item)?.into_flow()).await
    }
}

impl Table {
    fn version_writes(&self, version: &Version) -> Result<Vec<TransactWriteItem>, PortError> {
        VersionItem::parts_of(version).iter().map(|part| self.new_item(write(part)?)).collect()
    }
}

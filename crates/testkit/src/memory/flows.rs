//! Flows in memory.

use std::sync::Arc;

use domain::flow::{Flow, Version};
use domain::id::{FlowId, OrgId};
use domain::ports::{CommitError, FlowName, Flows, Page, PortError, Window};

use super::lists::cut;
use super::{Memory, State};

impl State {
    fn create_flow(&mut self, flow: &Flow, version: &Version) -> Result<(), CommitError> {
        let (slug, id) = ((flow.org, flow.slug.clone()), (flow.org, flow.id));
        if self.slugs.contains_key(&slug) || self.flows.contains_key(&id) {
            return Err(CommitError::Changed);
        }
        self.slugs.insert(slug, flow.id);
        self.flows.insert(id, flow.clone());
        self.versions.insert((version.org, version.flow, version.number), Arc::new(version.clone()));
        Ok(())
    }

    fn update_flow(&mut self, before: &Flow, flow: &Flow, version: Option<&Version>) -> Result<(), CommitError> {
        let name = (flow.org, flow.id);
        let state = |flow: &Flow| (flow.version, flow.updated_at, flow.trigger.cron().and_then(|cron| cron.next_run_at));
        let as_before = self.flows.get(&name).is_some_and(|stored| state(stored) == state(before));
        let taken = version.is_some_and(|version| self.versions.contains_key(&(version.org, version.flow, version.number)));
        if !as_before || taken {
            return Err(CommitError::Changed);
        }
        self.flows.insert(name, flow.clone());
        if let Some(version) = version {
            self.versions.insert((version.org, version.flow, version.number), Arc::new(version.clone()));
        }
        Ok(())
    }

    fn flow(&self, org: &OrgId, name: &FlowName) -> Option<Flow> {
        let id = match name {
            FlowName::Id(id) => *id,
            FlowName::Slug(slug) => *self.slugs.get(&(*org, slug.clone()))?,
        };
        self.flows.get(&(*org, id)).cloned()
    }

    fn flows(&self, org: &OrgId, window: &Window) -> Page<Flow> {
        let newest_first: Vec<Flow> = self.flows.values().rev().filter(|flow| flow.org == *org).cloned().collect();
        let mut page = cut(&newest_first, window, |flow| flow.id.to_string(), |key, after| key < after);
        page.rows.retain(|flow| {
            let is_readable = !self.unreadable.contains(&flow.id.to_string());
            page.unreadable += u64::from(!is_readable);
            is_readable
        });
        page
    }
}

impl Flows for Memory {
    async fn create_flow(&self, flow: &Flow, version: &Version) -> Result<(), CommitError> {
        self.faults.call("create_flow", true, || self.state().create_flow(flow, version)).await
    }

    async fn update_flow(&self, before: &Flow, flow: &Flow, version: Option<&Version>) -> Result<(), CommitError> {
        self.faults.call("update_flow", true, || self.state().update_flow(before, flow, version)).await
    }

    async fn flow(&self, org: &OrgId, name: &FlowName) -> Result<Option<Flow>, PortError> {
        self.faults.read("flow", || Ok(self.state().flow(org, name))).await
    }

    async fn version(&self, org: &OrgId, flow: &FlowId, number: u32) -> Result<Option<Version>, PortError> {
        self.faults.read("version", || Ok(self.state().read_version(&(*org, *flow, number)))).await
    }

    async fn flows(&self, org: &OrgId, window: &Window) -> Result<Page<Flow>, PortError> {
        self.faults.read("flows", || Ok(self.state().flows(org, window))).await
    }
}

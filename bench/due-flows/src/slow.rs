//! The store in memory, with the latency of DynamoDB.

use std::time::Duration;

use domain::flow::{Flow, Version};
use domain::id::{FlowId, OrgId};
use domain::ports::{CommitError, CronFlows, FlowName, Flows, Page, PortError, Window};
use domain::run::Run;
use domain::time::Time;
use serde_json::Value;
use testkit::{Faults, Memory};

/// Answers after a delay, and takes no processor time while it waits.
#[derive(Debug)]
pub struct Slow {
    memory: Memory,
    read: Duration,
    write: Duration,
}

impl Slow {
    pub fn new(read_millis: u64, write_millis: u64) -> Self {
        let (read, write) = (Duration::from_millis(read_millis), Duration::from_millis(write_millis));
        Self { memory: Memory::new(Faults::none()), read, write }
    }

    /// The store without the latency, for preparing a benchmark.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl Flows for &Slow {
    async fn create_flow(&self, flow: &Flow, version: &Version) -> Result<(), CommitError> {
        tokio::time::sleep(self.write).await;
        self.memory.create_flow(flow, version).await
    }

    async fn update_flow(&self, before: &Flow, flow: &Flow, version: Option<&Version>) -> Result<(), CommitError> {
        tokio::time::sleep(self.write).await;
        self.memory.update_flow(before, flow, version).await
    }

    async fn flow(&self, org: &OrgId, name: &FlowName) -> Result<Option<Flow>, PortError> {
        tokio::time::sleep(self.read).await;
        self.memory.flow(org, name).await
    }

    async fn version(&self, org: &OrgId, flow: &FlowId, number: u32) -> Result<Option<Version>, PortError> {
        tokio::time::sleep(self.read).await;
        self.memory.version(org, flow, number).await
    }

    async fn flows(&self, org: &OrgId, window: &Window) -> Result<Page<Flow>, PortError> {
        tokio::time::sleep(self.read).await;
        self.memory.flows(org, window).await
    }
}

impl CronFlows for &Slow {
    async fn due_flows(&self, now: Time, most: usize) -> Result<Vec<(OrgId, FlowId)>, PortError> {
        tokio::time::sleep(self.read).await;
        self.memory.due_flows(now, most).await
    }

    async fn create_due(&self, run: &Run, input: &Value, before: &Flow, after: &Flow) -> Result<(), CommitError> {
        tokio::time::sleep(self.write).await;
        self.memory.create_due(run, input, before, after).await
    }
}

//! Runs, their steps and gates.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::flow::NodeId;
use domain::gate::Gate;
use domain::id::{OrgId, RunId};
use domain::ports::{CommitError, Idempotency, PortError, Runs};
use domain::run::Run;
use domain::step::{ObjectRef, Payload, StepRecord};
use domain::time::Time;
use runtime::{BadSetting, parsed_setting, setting};
use serde_json::Value;

use crate::items::{GateItem, IdempotencyItem, InputItem, RunItem, StepItem};
use crate::objects::{Objects, Place};
use crate::{Table, error, keys, number, write};

const DAY: u64 = 24 * 3600;

/// Runs in the table, their large payloads in the bucket.
#[derive(Debug, Clone)]
pub struct RunStore {
    /// The table.
    pub table: Table,
    /// The bucket.
    pub objects: Objects,
    /// How long outputs are kept after a run's end, in days.
    pub retention_days: u64,
}

impl RunStore {
    /// The table, bucket and retention that the environment names.
    pub fn from_env(config: &SdkConfig) -> Result<Self, BadSetting> {
        let objects = Objects::new(config, setting("BUCKET_NAME")?);
        Ok(Self { table: Table::from_env(config)?, objects, retention_days: parsed_setting("RETENTION_DAYS")? })
    }
}

impl Runs for RunStore {
    async fn create(&self, run: &Run, input: &Value, key: Option<&Idempotency>) -> Result<(), CommitError> {
        let input = self.objects.offload(run, Place::Input, Payload::of(input.clone())).await?;
        let mut writes = vec![self.table.put_new(write(&RunItem::of(run))?)?, self.table.put_new(write(&InputItem::of(run, &input))?)?];
        if let Some(key) = key {
            writes.push(self.table.put_unless_live(write(&IdempotencyItem::of(key))?, run.started_at)?);
        }
        self.table.transact(writes).await
    }

    async fn idempotent(&self, org: &OrgId, scope: &str, key: &str, now: Time) -> Result<Option<Idempotency>, PortError> {
        let found = self.table.get::<IdempotencyItem>(&keys::idempotency(org, scope, key), keys::IDEMPOTENCY).await?;
        Ok(found.map(IdempotencyItem::into_key).filter(|key| now < key.forget_at))
    }

    async fn load(&self, id: &RunId) -> Result<Option<Run>, PortError> {
        self.table.get::<RunItem>(&keys::run(id), keys::RUN).await?.map(RunItem::into_run).transpose()
    }

    async fn commit(&self, run: Run, gates: &[Gate]) -> Result<Run, CommitError> {
        let expected = number(run.rev);
        let run = Run { rev: run.rev + 1, ..run };
        let item = write(&RunItem::of(&run))?;
        // Everything that may happen to a run moves its `rev`: a decision, a cancel, a park, another invocation that took it over.
        let condition = "rev = :rev";
        if gates.is_empty() {
            let put = self.table.client.put_item().table_name(&self.table.name).set_item(Some(item));
            put.condition_expression(condition).expression_attribute_values(":rev", expected).send().await.map_err(error::put)?;
            return Ok(run);
        }
        let put = Put::builder().table_name(&self.table.name).set_item(Some(item));
        let put = put.condition_expression(condition).expression_attribute_values(":rev", expected).build().map_err(error::corrupt)?;
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        for gate in gates {
            // A decision that is on record is never written over, whatever went wrong before.
            let put = Put::builder().table_name(&self.table.name).set_item(Some(write(&GateItem::of(gate))?));
            let put = put.condition_expression("attribute_not_exists(outcome)").build().map_err(error::corrupt)?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        self.table.transact(writes).await?;
        Ok(run)
    }

    async fn input(&self, run: &Run) -> Result<Payload, PortError> {
        let item = self.table.get::<InputItem>(&keys::run(&run.id), keys::INPUT).await?;
        item.ok_or_else(|| error::corrupt(format!("{} has no input", run.id)))?.into_payload()
    }

    async fn record(&self, run: &Run, step: StepRecord) -> Result<StepRecord, PortError> {
        let mut step = step;
        for payload in [&mut step.input, &mut step.output] {
            if let Some(given) = payload.take() {
                *payload = Some(self.objects.offload(run, Place::Step(&step.node), given).await?);
            }
        }
        // A day more than promised: a run that ends within a day of this write needs no other one to be kept long enough.
        // A step that was taken over is older than its run.
        let expires_at = step.completed_at.max(run.started_at).plus_seconds((self.retention_days + 1) * DAY);
        let item = write(&StepItem::of(&step, expires_at))?;
        let put = self.table.client.put_item().table_name(&self.table.name).set_item(Some(item));
        match put.condition_expression("attribute_not_exists(pk)").send().await.map_err(error::put) {
            Ok(_) => Ok(step),
            // Somebody was there first: another invocation, or our own first try whose answer was lost. Theirs counts.
            Err(CommitError::Changed) => {
                let kept = self.step(run, &step.node).await?;
                kept.ok_or_else(|| error::corrupt(format!("step {} of {} is there and is not", step.node, run.id)))
            }
            Err(CommitError::Port(error)) => Err(error),
        }
    }

    async fn step(&self, run: &Run, node: &NodeId) -> Result<Option<StepRecord>, PortError> {
        self.table.get::<StepItem>(&keys::run(&run.id), &keys::step(node)).await?.map(StepItem::into_record).transpose()
    }

    async fn gate(&self, run: &Run, node: &NodeId) -> Result<Option<Gate>, PortError> {
        self.table.get::<GateItem>(&keys::run(&run.id), &keys::gate(node)).await?.map(GateItem::into_gate).transpose()
    }

    async fn gates(&self, run: &Run) -> Result<Vec<Gate>, PortError> {
        let items = self.table.partition::<GateItem>(&keys::run(&run.id), keys::GATE_PREFIX).await?;
        items.into_iter().map(GateItem::into_gate).collect()
    }

    async fn steps(&self, run: &Run) -> Result<Vec<StepRecord>, PortError> {
        let items = self.table.partition::<StepItem>(&keys::run(&run.id), keys::STEP_PREFIX).await?;
        items.into_iter().map(StepItem::into_record).collect()
    }

    async fn fetch(&self, object: &ObjectRef) -> Result<Value, PortError> {
        self.objects.fetch(object).await
    }

    async fn sign(&self, object: &ObjectRef, seconds: u64) -> Result<String, PortError> {
        self.objects.sign(object, seconds).await
    }
}

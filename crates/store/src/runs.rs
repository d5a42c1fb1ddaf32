//! Runs, their steps and gates.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::flow::NodeId;
use domain::gate::Gate;
use domain::id::{OrgId, RunId};
use domain::ports::{CommitError, Idempotency, Outputs, PortError, Runs};
use domain::retention::Retention;
use domain::run::Run;
use domain::step::{ObjectRef, Payload, StepRecord};
use domain::time::Time;
use runtime::{BadSetting, parsed_setting, setting};
use serde_json::Value;

use crate::items::{GateItem, IdempotencyItem, InputItem, RunItem, StepItem};
use crate::long_retention::Settings;
use crate::objects::{Objects, Place};
use crate::{Item, Table, error, keys, number, write};

/// Runs in the table, their large payloads in the bucket.
#[derive(Debug, Clone)]
pub struct RunStore {
    /// The table.
    pub table: Table,
    /// The bucket.
    pub objects: Objects,
    /// How long outputs are kept, unless their organisation has long retention.
    pub(crate) default_retention: Retention,
    /// Settings of organisations that were read a moment ago.
    pub(crate) settings: Settings,
}

impl RunStore {
    /// Runs in `table`, their large payloads in `objects`, kept for `days` after the end of a run.
    pub fn new(table: Table, objects: Objects, days: u64) -> Self {
        Self { table, objects, default_retention: Retention::Days(days), settings: Settings::default() }
    }

    /// The table, bucket and retention that the environment names.
    pub fn from_env(config: &SdkConfig) -> Result<Self, BadSetting> {
        let objects = Objects::new(config, setting("BUCKET_NAME")?);
        Ok(Self::new(Table::from_env(config)?, objects, parsed_setting("RETENTION_DAYS")?))
    }
}

impl RunStore {
    /// Writes a run that nothing has to be in step with, at half the price of a transaction. The run comes last: once it is there it
    /// may be driven. A crash before it leaves an input that no run refers to.
    async fn create_alone(&self, run: Item, input: Item) -> Result<(), CommitError> {
        match self.table.put_if_new(input).await {
            Ok(()) | Err(CommitError::Changed) => self.table.put_if_new(run).await,
            Err(error) => Err(error),
        }
    }

    /// What stands in the place of a step's record, whether or not its time is up.
    async fn kept(&self, run: &Run, node: &NodeId) -> Result<Option<StepRecord>, PortError> {
        self.table.get::<StepItem>(&keys::run(&run.id), &keys::step(node)).await?.map(StepItem::into_record).transpose()
    }

    /// Deletes the objects of a record that was not kept, but for those that the kept one refers to. No later record can refer to
    /// them: a record is written once.
    async fn tidy(&self, run: &Run, refused: &StepRecord, kept: Option<&StepRecord>) {
        let referred: Vec<&ObjectRef> = kept.into_iter().flat_map(StepRecord::objects).collect();
        for object in refused.objects().filter(|object| !referred.contains(object)) {
            if let Err(error) = self.objects.delete(object).await {
                tracing::warn!(run = %run.id, trace = run.trace_id, key = object.key, %error, "an object that no step refers to was not deleted");
            }
        }
    }
}

impl Runs for RunStore {
    async fn create(&self, run: &Run, input: &Value, key: Option<&Idempotency>) -> Result<(), CommitError> {
        let input = self.objects.offload(run, Place::Input, Payload::of(input.clone())).await?;
        let (run_item, input_item) = (write(&RunItem::of(run))?, write(&InputItem::of(run, &input))?);
        let Some(key) = key else { return self.create_alone(run_item, input_item).await };
        let key_item = self.table.put_unless_live(write(&IdempotencyItem::of(key))?, run.started_at)?;
        self.table.transact(vec![self.table.put_new(run_item)?, self.table.put_new(input_item)?, key_item]).await
    }

    async fn idempotent(&self, org: &OrgId, scope: &str, key: &str, now: Time) -> Result<Option<Idempotency>, PortError> {
        let found = self.table.get::<IdempotencyItem>(&keys::idempotency(org, scope, key), keys::IDEMPOTENCY).await?;
        Ok(found.map(IdempotencyItem::into_key).filter(|key| now < key.forget_at))
    }

    async fn load(&self, id: &RunId) -> Result<Option<Run>, PortError> {
        self.table.get::<RunItem>(&keys::run(id), keys::RUN).await?.map(RunItem::into_run).transpose()
    }

    async fn commit(&self, run: Run, gates: &[Gate]) -> Result<Run, CommitError> {
        if let Some(gate) = gates.iter().find(|gate| !gate.fits()) {
            return Err(PortError::Rejected(format!("gate {} of {} is too large for its record", gate.node, run.id)).into());
        }
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
        let expires_at = self.retention_for(run, &step).await?.of_step(run, step.completed_at);
        let item = write(&StepItem::of(&step, expires_at))?;
        let put = self.table.client.put_item().table_name(&self.table.name).set_item(Some(item));
        let Err(refused) = put.condition_expression("attribute_not_exists(pk)").send().await else { return Ok(step) };
        match error::put(refused) {
            // Somebody was there first: another invocation, or our own first try whose answer was lost. Theirs counts.
            CommitError::Changed => {
                let kept = self.kept(run, &step.node).await?;
                let kept = kept.ok_or_else(|| error::corrupt(format!("step {} of {} is there and is not", step.node, run.id)))?;
                self.tidy(run, &step, Some(&kept)).await;
                Ok(kept)
            }
            CommitError::Port(error) => {
                // A refusal for good is certain: this record was not written. Otherwise nothing is deleted, because the record may be
                // there, or may still arrive, and refer to the objects.
                if matches!(error, PortError::Rejected(_))
                    && let Ok(kept) = self.kept(run, &step.node).await
                {
                    self.tidy(run, &step, kept.as_ref()).await;
                }
                Err(error)
            }
        }
    }

    async fn offload(&self, run: &Run, gate: Gate) -> Result<Gate, PortError> {
        let mut gate = gate;
        for (part, payload) in gate.beside() {
            let payload = self.objects.put_beside(run, Place::Gate(&gate.node), payload).await?;
            gate.put(part, payload);
        }
        Ok(gate)
    }

    async fn extend_retention(&self, run: &Run, until: Time) -> Result<Option<Time>, PortError> {
        if self.default_retention.over_wait(run, until).is_none() {
            return Ok(None);
        }
        let Some(kept_until) = self.retention(&run.org).await?.over_wait(run, until) else { return Ok(None) };
        self.extend(&run.id, kept_until).await?;
        Ok(Some(kept_until))
    }

    async fn step(&self, run: &Run, node: &NodeId, now: Time) -> Result<Option<StepRecord>, PortError> {
        let found = self.table.get::<StepItem>(&keys::run(&run.id), &keys::step(node)).await?;
        found.map(|item| item.into_record_at(now)).transpose()
    }

    async fn gate(&self, run: &Run, node: &NodeId) -> Result<Option<Gate>, PortError> {
        self.table.get::<GateItem>(&keys::run(&run.id), &keys::gate(node)).await?.map(GateItem::into_gate).transpose()
    }

    async fn gates(&self, run: &Run) -> Result<Vec<Gate>, PortError> {
        let items = self.table.partition::<GateItem>(&keys::run(&run.id), keys::GATE_PREFIX).await?;
        items.into_iter().map(GateItem::into_gate).collect()
    }

    async fn steps(&self, run: &Run, now: Time) -> Result<Vec<StepRecord>, PortError> {
        let items = self.table.partition::<StepItem>(&keys::run(&run.id), keys::STEP_PREFIX).await?;
        items.into_iter().map(|item| item.into_record_at(now)).collect()
    }

    async fn fetch(&self, object: &ObjectRef) -> Result<Value, PortError> {
        self.objects.fetch(object).await
    }

    async fn sign(&self, object: &ObjectRef, seconds: u64) -> Result<String, PortError> {
        self.objects.sign(object, seconds).await
    }
}

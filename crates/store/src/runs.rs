//! Runs, their steps and gates.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::flow::NodeId;
use domain::gate::Gate;
use domain::id::{ApprovalId, OrgId, RunId};
use domain::ports::{CommitError, Idempotency, Outputs, PortError, RunOrigin, Runs};
use domain::retention::Retention;
use domain::run::Run;
use domain::step::{ObjectRef, Payload, StepKey, StepRecord};
use domain::time::Time;
use runtime::{BadSetting, parsed_setting, setting};
use serde_json::Value;

use crate::items::{ApprovalItem, GateItem, IdempotencyItem, InputItem, RunItem, StepItem};
use crate::long_retention::Settings;
use crate::objects::{Objects, Place};
use crate::{Item, Table, error, keys, number, text, write};

/// Stores runs in the table, and their large payloads in the bucket.
#[derive(Debug, Clone)]
pub struct RunStore {
    /// The table.
    pub table: Table,
    /// The bucket.
    pub objects: Objects,
    /// How long outputs are kept, unless their organisation has long retention.
    pub(crate) default_retention: Retention,
    /// The settings of organisations that were read a short time ago.
    pub(crate) settings: Settings,
}

impl RunStore {
    /// Returns a store of runs in `table` and of large payloads in `objects`, which keeps outputs for `days` after the end of a run.
    pub fn new(table: Table, objects: Objects, days: u64) -> Self {
        Self { table, objects, default_retention: Retention::Days(days), settings: Settings::default() }
    }

    /// Returns the store that the environment variables `TABLE_NAME`, `BUCKET_NAME` and `RETENTION_DAYS` describe.
    pub fn from_env(config: &SdkConfig) -> Result<Self, BadSetting> {
        let objects = Objects::new(config, setting("BUCKET_NAME")?);
        Ok(Self::new(Table::from_env(config)?, objects, parsed_setting("RETENTION_DAYS")?))
    }
}

impl RunStore {
    /// Writes a run without an Idempotency-Key: two writes at half the price of a transaction. The run comes last, because it may be driven
    /// once it exists. A crash before it leaves an input that no run refers to.
    async fn create_alone(&self, run: Item, input: Item) -> Result<(), CommitError> {
        self.table.put_once(input).await?;
        self.table.put_new(run).await
    }

    /// Returns the record of a step, or its receipt, whether or not it has expired.
    async fn stored_step(&self, run: &Run, step: &StepKey) -> Result<Option<StepRecord>, PortError> {
        self.table.get::<StepItem>(&keys::run(&run.id), &keys::step(step)).await?.map(StepItem::into_record).transpose()
    }

    /// Deletes the objects of a record that was not written, except for those that the stored one refers to. No later record can refer to
    /// them, because a record is written once.
    async fn delete_unreferenced(&self, run: &Run, refused: &StepRecord, stored: Option<&StepRecord>) {
        let referenced: Vec<&ObjectRef> = stored.into_iter().flat_map(StepRecord::objects).collect();
        for object in refused.objects().filter(|object| !referenced.contains(object)) {
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
        let key_item = self.table.new_or_expired_item(write(&IdempotencyItem::of(key))?, run.started_at)?;
        self.table.transact(vec![self.table.new_item(run_item)?, self.table.new_item(input_item)?, key_item]).await
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
        let expected = run.rev;
        let run = Run { rev: run.rev + 1, ..run };
        let item = write(&RunItem::of(&run))?;
        // Everything that can happen to a run changes its `rev`: a decision, a cancel, a park, another invocation that took it over.
        if gates.is_empty() {
            self.table.replace_at_rev(item, expected).await?;
            return Ok(run);
        }
        let put = Put::builder().table_name(&self.table.name).set_item(Some(item)).condition_expression("rev = :rev");
        let put = put.expression_attribute_values(":rev", number(expected)).build().map_err(error::corrupt)?;
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        for gate in gates {
            // A recorded decision or request for changes is never overwritten, whatever went wrong before.
            let put = Put::builder().table_name(&self.table.name).set_item(Some(write(&GateItem::of(gate))?));
            let put = put
                .condition_expression("attribute_not_exists(outcome) AND attribute_not_exists(changes)")
                .build()
                .map_err(error::corrupt)?;
            writes.push(TransactWriteItem::builder().put(put).build());
            if gate.id.place().is_none_or(|place| place.run != gate.run) {
                // The id does not lead to the run, because an earlier version made it. The inbox has it only while it is open.
                writes.push(self.table.any_item(write(&ApprovalItem::of(gate))?)?);
            }
        }
        self.table.transact(writes).await?;
        Ok(run)
    }

    async fn origin(&self, run: &Run) -> Result<RunOrigin, PortError> {
        let item = self.table.get::<InputItem>(&keys::run(&run.id), keys::INPUT).await?;
        item.ok_or_else(|| error::corrupt(format!("{} has no input", run.id)))?.into_origin()
    }

    async fn record(&self, run: &Run, step: StepRecord) -> Result<StepRecord, PortError> {
        let mut step = step;
        let key = step.key();
        for payload in [&mut step.input, &mut step.output] {
            if let Some(given) = payload.take() {
                *payload = Some(self.objects.offload(run, Place::Step(&key), given).await?);
            }
        }
        let expires_at = self.retention_for(run, &step).await?.of_step(run, step.completed_at);
        let item = write(&StepItem::of(&step, expires_at))?;
        let Err(refused) = self.table.put_new(item).await else { return Ok(step) };
        match refused {
            // Another invocation was first, or our own first try, whose answer was lost. The stored record counts.
            CommitError::Changed => {
                let kept = self.stored_step(run, &key).await?;
                let kept =
                    kept.ok_or_else(|| error::corrupt(format!("step {key} of {} was recorded before and cannot be found", run.id)))?;
                self.delete_unreferenced(run, &step, Some(&kept)).await;
                Ok(kept)
            }
            CommitError::Port(error) => {
                // A refusal for good is certain: this record was not written. Otherwise nothing is deleted, because the record may be
                // there, or may still arrive, and refer to the objects.
                if matches!(error, PortError::Rejected(_))
                    && let Ok(kept) = self.stored_step(run, &key).await
                {
                    self.delete_unreferenced(run, &step, kept.as_ref()).await;
                }
                Err(error)
            }
        }
    }

    async fn offload(&self, run: &Run, gate: Gate) -> Result<Gate, PortError> {
        let mut gate = gate;
        for (part, payload) in gate.offloaded() {
            let payload = self.objects.store(run, Place::Gate(&gate.node), payload).await?;
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

    async fn step_in_round(&self, run: &Run, step: &StepKey, now: Time) -> Result<Option<StepRecord>, PortError> {
        let found = self.table.get::<StepItem>(&keys::run(&run.id), &keys::step(step)).await?;
        found.map(|item| item.into_record_at(now)).transpose()
    }

    async fn close_gate(&self, run: &Run, node: &NodeId) -> Result<(), PortError> {
        let Some(end) = run.finished_at else { return Ok(()) };
        let step = run.step_key(node);
        // A write that is refused costs as much as one that is done, and a read a fraction of that: gates may be closed twice.
        let request = self.table.get_request(keys::run(&run.id), keys::gate(&step)).consistent_read(true);
        let found = request.projection_expression("id, closedAt").send().await.map_err(error::port)?.item;
        let Some(open) = found.filter(|gate| !gate.contains_key("closedAt")) else { return Ok(()) };
        let id = open.get("id").and_then(|id| id.as_s().ok()?.parse::<ApprovalId>().ok());
        if let Some(id) = id.filter(|id| id.place().is_none_or(|place| place.run != run.id)) {
            // As in `commit`: the inbox, which has it now, will not have it any more.
            self.table.put_once(write(&ApprovalItem::at(&id, run.id, node.clone()))?).await?;
        }
        let update = self.table.client.update_item().table_name(&self.table.name);
        let update = update.key("pk", text(keys::run(&run.id))).key("sk", text(keys::gate(&step)));
        let update = update.update_expression("SET closedAt = :end REMOVE inboxPk, inboxSk");
        let update = update.condition_expression("attribute_exists(pk) AND attribute_not_exists(closedAt)");
        match update.expression_attribute_values(":end", text(end.to_string())).send().await {
            Ok(_) => Ok(()),
            Err(refused) if error::is_condition(&refused) => Ok(()),
            Err(other) => Err(error::port(other)),
        }
    }

    async fn gate_in_round(&self, run: &Run, step: &StepKey) -> Result<Option<Gate>, PortError> {
        let gate = self.table.get::<GateItem>(&keys::run(&run.id), &keys::gate(step)).await?.map(GateItem::into_gate).transpose()?;
        Ok(gate.map(|gate| gate.closed_by(run.finished_at)))
    }

    async fn gates(&self, run: &Run) -> Result<Vec<Gate>, PortError> {
        let items = self.table.partition::<GateItem>(&keys::run(&run.id), keys::GATE_PREFIX).await?;
        let gates = items.into_iter().map(GateItem::into_gate);
        gates.map(|gate| Ok(gate?.closed_by(run.finished_at))).collect()
    }

    async fn place_of_approval(&self, org: &OrgId, id: &ApprovalId) -> Result<Option<(RunId, NodeId)>, PortError> {
        if let Some(item) = self.table.get::<ApprovalItem>(&keys::approval(id), keys::APPROVAL).await? {
            return Ok(Some((item.run, item.node)));
        }
        self.table.gate_opened_by_an_earlier_version(org, id).await
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

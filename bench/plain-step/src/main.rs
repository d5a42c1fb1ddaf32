//! One node of a flow built as an ordinary Step Functions workflow: the state machine has a state for each node, and each
//! state invokes this. It does the node's work with the same code as `advance-run` and writes what such a design writes.
//!
//! The design is a lean one on purpose, so that nothing is compared with a straw man: values travel in the execution's
//! state, so nothing is read back; a step has one row, written once; the last node ends the run, without a state for it.

mod event;
mod rows;

use domain::flow::ServiceSlug;
use domain::id::OrgId;
use domain::ports::{CallContext, Clock, Connection, Connections, Effects, PortError};
use lambda_runtime::{Error, LambdaEvent, service_fn, tracing};
use nodes::{Settings, World};
use runtime::{SystemClock, setting};
use serde_json::{Value, json};

use crate::event::{Event, Work};
use crate::rows::{Gate, Rows};

/// Connections from the environment: nothing has to be read for them.
#[derive(Debug)]
struct Registered {
    base_url: String,
}

impl Connections for Registered {
    async fn connection(&self, _: &OrgId, slug: &ServiceSlug) -> Result<Option<Connection>, PortError> {
        Ok(Some(Connection { slug: slug.clone(), base_url: self.base_url.clone() }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let rows = Rows::from_env(&aws)?;
    let world = World::new(Settings::from_env()?, Registered { base_url: setting("SERVICE_URL")? }, &aws)?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| take_turn(&rows, &world, event.payload))).await
}

async fn take_turn(rows: &Rows, world: &World<Registered>, event: Event) -> Result<Value, Error> {
    let Event { run_id, node_id, org_id, trace_id, is_last, work } = event;
    let started = SystemClock.now();
    if let Work::Gate { action_label, proposed_action: action, assign_to, task_token: token } = work {
        let gate = Gate { org: &org_id, node: &node_id, action_label, action, assign_to, token };
        rows.open_gate(&run_id, gate, started).await?;
        return Ok(json!({}));
    }
    rows.begin_node(&run_id, &node_id).await?;
    let Some(request) = work.request()? else { return Ok(json!({})) };
    let context = CallContext { org: org_id.parse()?, trace_id, idempotency_key: format!("{run_id}/{node_id}"), timeout_seconds: 30 };
    let effect = world.perform(&context, &request).await?;
    let completed = SystemClock.now();
    rows.put_step(&run_id, &node_id, &request.as_input(), &effect.output, [started, completed]).await?;
    if is_last {
        rows.end_run(&run_id, completed).await?;
    }
    Ok(effect.output)
}

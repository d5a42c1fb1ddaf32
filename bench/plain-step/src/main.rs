//! One node of a flow built as an ordinary Step Functions workflow: the state machine has a state for each node, and each
//! state invokes this. It does the node's work with the same code as `advance-run` and writes what such a design writes.
//!
//! The design is lean on purpose, so that the comparison is fair: values travel in the execution's state, so nothing is read
//! back; a step has one row, written once; the last node ends the run, without a state for it.

mod event;
mod rows;

use domain::connection::Connection;
use domain::flow::ServiceSlug;
use domain::id::{ConnectionId, OrgId};
use domain::network::{PrivateNetworks, PrivateRange};
use domain::ports::{CallContext, Clock, Connections, Effects, Entropy, PortError, Vault};
use domain::secret::{Sealed, SecretPlace};
use domain::time::Time;
use lambda_runtime::{Error, LambdaEvent, service_fn, tracing};
use nodes::{NodeEffects, Settings};
use runtime::{OsEntropy, SystemClock, setting};
use secrecy::SecretString;
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
        let now = SystemClock.now();
        Ok(Some(Connection {
            id: ConnectionId::new(now, OsEntropy.random()),
            slug: slug.clone(),
            base_url: self.base_url.clone(),
            health_path: None,
            key: None,
            active: true,
            last_healthy_at: None,
            // This design does not record uses.
            last_used_at: Some(now),
            updated_at: now,
        }))
    }

    async fn note_use(&self, _: &OrgId, _: &Connection, _: Time) -> Result<(), PortError> {
        Ok(())
    }

    async fn note_health(&self, _: &OrgId, _: &Connection, _: Time) -> Result<(), PortError> {
        Ok(())
    }
}

impl PrivateNetworks for Registered {
    async fn private_ranges(&self, _: &OrgId) -> Result<Vec<PrivateRange>, PortError> {
        Ok(Vec::new())
    }
}

/// No connection here has a key.
#[derive(Debug)]
struct NoVault;

impl Vault for NoVault {
    async fn seal(&self, _: &SecretPlace, _: &SecretString) -> Result<Sealed, PortError> {
        Err(PortError::Unavailable("there is no vault".to_owned()))
    }

    async fn open(&self, _: &SecretPlace, _: &Sealed) -> Result<SecretString, PortError> {
        Err(PortError::Unavailable("there is no vault".to_owned()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let aws = runtime::aws().await;
    let rows = Rows::from_env(&aws)?;
    let effects = NodeEffects::new(Settings::from_env()?, Registered { base_url: setting("SERVICE_URL")? }, NoVault, &aws)?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Event>| run_node(&rows, &effects, event.payload))).await
}

async fn run_node(rows: &Rows, effects: &NodeEffects<Registered, NoVault>, event: Event) -> Result<Value, Error> {
    let Event { run_id, node_id, org_id, trace_id, is_last, work } = event;
    let started = SystemClock.now();
    if let Work::Gate { action_label, proposed_action: action, assign_to, task_token: token } = work {
        let gate = Gate { org: &org_id, node: &node_id, action_label, action, assign_to, token };
        rows.open_gate(&run_id, gate, started).await?;
        return Ok(json!({}));
    }
    rows.begin_node(&run_id, &node_id).await?;
    let Some(request) = work.request()? else { return Ok(json!({})) };
    let context = CallContext {
        covered: Vec::new(),
        org: org_id.parse()?,
        trace_id,
        idempotency_key: format!("{run_id}/{node_id}"),
        timeout_seconds: 30,
    };
    let effect = effects.perform(&context, &request).await?;
    let completed = SystemClock.now();
    rows.put_step(&run_id, &node_id, &request.as_input(), &effect.output, [started, completed]).await?;
    if is_last {
        rows.end_run(&run_id, completed).await?;
    }
    Ok(effect.output)
}

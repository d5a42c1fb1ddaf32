//! `PATCH /api/flows/{id}`: changes what is sent and leaves the rest; a changed spec is a new version.

use api::{Call, Endpoint, Refused, Reply, under, view};
use domain::access::Scope;
use domain::fault::Fault;
use domain::flow::{Draft, MAX_BODY_BYTES};
use domain::ports::{Clock, CommitError, Flows, PortError};

/// This endpoint. PUT does the same, for clients that cannot PATCH.
pub const ENDPOINT: Endpoint = Endpoint { name: "update-flow", method: "PATCH", path: "/api/flows/{id}", scope: Scope::FlowsWrite };

/// 200 with the flow as it is now; runs that are under way stay on the version they began with.
pub async fn handle(flows: &impl Flows, clock: &impl Clock, call: Call) -> Result<Reply, Refused> {
    let draft = Draft::parse_changes(&call.json_object(MAX_BODY_BYTES)?)?;
    let before = flows.flow(&call.key.org, &call.flow_name()?).await?.ok_or(Fault::NotFound("flow"))?;
    let current = flows.version(&before.org, &before.id, before.version).await?;
    let current = current.ok_or_else(|| PortError::Corrupt(format!("{} has no version {}", before.id, before.version)))?;
    let (flow, version) = draft.applied_to(&before, &current, clock.now())?;
    match flows.update_flow(&before, &flow, version.as_ref()).await {
        Ok(()) => Ok(Reply::ok(under("flow", view::flow_with_spec(&flow, version.as_ref().unwrap_or(&current))))),
        Err(CommitError::Changed) => {
            Err(Fault::Conflict("the flow was changed by somebody else at the same time; read it again".to_owned()).into())
        }
        Err(CommitError::Port(error)) => Err(error.into()),
    }
}

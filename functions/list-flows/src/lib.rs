//! `GET /api/flows`: the organisation's flows, newest first, without their specs.

use api::{Call, Endpoint, Paging, Refused, Reply, view};
use domain::access::Scope;
use domain::ports::Flows;
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "list-flows", method: "GET", path: "/api/flows", scope: Scope::FlowsRead };

/// 200 with a page of flows.
pub async fn handle(flows: &impl Flows, call: Call) -> Result<Reply, Refused> {
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&call, ENDPOINT.path, &mut errors);
    errors.into_result(())?;
    let page = flows.flows(&call.key.org, &paging.window).await?;
    Ok(paging.reply(&page, view::flow))
}

//! `GET /api/flows`: the organisation's flows, newest first, without their specs.

use api::{ApiError, Call, Endpoint, Paging, Reply, view};
use domain::access::Scope;
use domain::ports::{Flows, Organisations};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint = Endpoint { name: "list-flows", method: "GET", path: "/api/flows", scope: Scope::FlowsRead };

/// 200 with a page of flows.
pub async fn handle(store: &(impl Flows + Organisations), call: Call) -> Result<Reply, ApiError> {
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&call, &format!("{} newest first", ENDPOINT.path), store, &mut errors).await?;
    errors.into_result(())?;
    let page = store.flows(&call.key.org, &paging.window).await?;
    paging.reply(&page, view::flow).await
}

//! `GET /api/flows`: the organisation's flows, newest first, without their specs.

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, Paging, view};
use domain::access::Scope;
use domain::ports::{Flows, Organisations};
use domain::problem::FieldErrors;

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "list-flows", method: "GET", path: "/api/flows", scope: Some(Scope::FlowsRead), query: &["limit", "page", "cursor"] };

/// Returns 200 with a page of flows.
pub async fn handle(store: &(impl Flows + Organisations), request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let mut errors = FieldErrors::new();
    let paging = Paging::of(&request, &format!("{} newest first", ENDPOINT.path), store, &mut errors).await?;
    errors.into_result(())?;
    let page = store.flows(&request.caller.org, &paging.window).await?;
    paging.respond(&page, view::flow).await
}

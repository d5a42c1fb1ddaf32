//! `POST /api/approvals/decide`: decides several approvals in one call, each by itself.

mod items;

use std::pin::pin;

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, view};
use domain::access::{Actor, Scope};
use domain::error::ApplicationError;
use domain::id::OrgId;
use domain::ports::{Clock, PortError};
use domain::time::Time;
use engine::{Engine, Ports};
use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt};
use items::{Item, read};
use serde_json::{Value, json};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "decide-approvals", method: "POST", path: "/api/approvals/decide", scope: Some(Scope::ApprovalsDecide), query: &[] };

/// How many decisions are made at the same time.
const CONCURRENCY: usize = 8;
/// The time after which no further decision begins, in milliseconds: API Gateway gives up after 29 seconds.
const LAST_BEGIN_MILLIS: u64 = 18_000;
/// The time after which no decision is waited for, in milliseconds.
const LAST_END_MILLIS: u64 = 25_000;

/// Returns 200 with a result for each item, in their order: the status and the body that `approve` or `reject` would have answered. Each
/// decision is made and recorded by itself, so that some may succeed and others fail. An item that was not reached in time has the status
/// 503 and can be sent again; so can every other one, because a repeated decision gets what is on record.
pub async fn handle(engine: &Engine<impl Ports>, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let items = read(request.json_object(items::MAX_BYTES)?)?;
    let (org, actor, began) = (&request.caller.org, &request.caller.actor, engine.clock.now());
    let each = items.iter().map(|item| result(engine, org, actor, item, began));
    let mut results: Vec<Value> = stream::iter(each).buffered(CONCURRENCY).collect().await;
    view::shrink_decided(&mut results);
    let decided = results.iter().filter(|result| result.get("status") == Some(&json!(200))).count();
    Ok(ApiResponse::ok(json!({"results": results, "decided": decided, "refused": items.len() - decided})))
}

/// Decides one approval, and returns its result.
async fn result(engine: &Engine<impl Ports>, org: &OrgId, actor: &Actor, item: &Item, began: Time) -> Value {
    let mut view = match decide(engine, org, actor, item, began).await {
        Ok(view) => view,
        Err(error) => {
            let status = error.status();
            if status >= 500 {
                tracing::error!(approval = %item.approval, %error, "an approval was not decided");
            }
            let mut body = error.body();
            set(&mut body, "status", json!(status));
            body
        }
    };
    set(&mut view, "approvalId", json!(item.approval));
    view
}

async fn decide(engine: &Engine<impl Ports>, org: &OrgId, actor: &Actor, item: &Item, began: Time) -> Result<Value, ApiError> {
    let so_far = engine.clock.now().millis_since(began);
    if so_far >= LAST_BEGIN_MILLIS {
        return Err(late("the approval was not reached in time"));
    }
    let decision = pin!(engine.decide_approval(org, &item.approval, item.shown_sha256.clone(), actor, item.ballot.clone()));
    let time_is_up = pin!(engine.clock.sleep(LAST_END_MILLIS - so_far));
    let decided = match select(decision, time_is_up).await {
        Either::Left((decided, _)) => decided?,
        Either::Right(_) => return Err(late("the decision did not end in time, and may have been recorded")),
    };
    let mut view = view::decided(&engine.runs, engine.clock.now(), &decided.run, &decided.gate, &decided.destinations).await?;
    set(&mut view, "status", json!(200));
    Ok(view)
}

fn late(what: &str) -> ApiError {
    ApplicationError::Port(PortError::Unavailable(what.to_owned())).into()
}

fn set(view: &mut Value, name: &str, value: Value) {
    if let Some(fields) = view.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

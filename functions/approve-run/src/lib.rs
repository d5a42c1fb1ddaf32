//! `POST /api/runs/{runId}/approve`: approves the proposed action of a gate, unchanged or edited.

use api::{ApiError, ApiRequest, ApiResponse, BodyFields, Endpoint, view};
use domain::access::Scope;
use domain::error::ApplicationError;
use domain::gate::{Action, Ballot, MAX_ACTION_BYTES};
use domain::ports::Clock;
use domain::problem::FieldErrors;
use engine::{Engine, Ports};

/// This endpoint.
pub const ENDPOINT: Endpoint =
    Endpoint { name: "approve-run", method: "POST", path: "/api/runs/{runId}/approve", scope: Some(Scope::RunsWrite), query: &["dryRun"] };

/// The room for an override in a body, in bytes. Clients that escape every character outside ASCII send up to three times as much.
const OVERRIDE_ROOM: usize = 3 * MAX_ACTION_BYTES;

/// Returns 200 with the run and the recorded decision. Exactly one decision wins: any other one fails with 409, and so does one that is
/// bound to something else than what the approval shows, or that may mean several approvals. The same decision again by the same actor
/// returns 200. A dry run returns 200 with the decision as it would be, and records nothing.
pub async fn handle(engine: &Engine<impl Ports>, request: ApiRequest) -> Result<ApiResponse, ApiError> {
    let run = request.run_id()?;
    let mut body = BodyFields::with_room(&request, OVERRIDE_ROOM)?;
    let ballot = ballot(&mut body)?;
    let target = body.decision_target();
    body.finish()?;
    let (org, actor) = (&request.caller.org, &request.caller.actor);
    if request.is_dry_run()? {
        let checked = engine.check_decision(org, &run, &target, actor, ballot).await?;
        return Ok(ApiResponse::dry_run(
            view::decided(&engine.runs, engine.clock.now(), &checked.run, &checked.gate, &checked.destinations).await?,
        ));
    }
    let decided = engine.decide(org, &run, &target, actor, ballot).await?;
    Ok(ApiResponse::ok(view::decided(&engine.runs, engine.clock.now(), &decided.run, &decided.gate, &decided.destinations).await?))
}

/// Reads the ballot: the proposed action, an edited one, or the one that has the hash in `actionSha256`.
fn ballot(body: &mut BodyFields) -> Result<Ballot, ApiError> {
    let action = body.value("proposedActionOverride").map(Action::new).transpose();
    let action = action.map_err(|_| ApiError::TooLarge("override", MAX_ACTION_BYTES))?;
    let (sha256, note) = (body.sha256("actionSha256"), body.text("note"));
    match (action, sha256) {
        (Some(_), Some(_)) => {
            let fields = FieldErrors::one("actionSha256", "cannot be combined with proposedActionOverride");
            let message = "the request names two actions; send one of them".to_owned();
            Err(ApplicationError::Unprocessable { message, fields }.into())
        }
        (None, Some(sha256)) => Ok(Ballot::ApproveVoted { sha256, note }),
        (action, None) => Ok(Ballot::Approve { action, note }),
    }
}

//! Which calls are admitted, and the headers of every response.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use api::{ApiError, ApiRequest, ApiResponse, Endpoint, HttpResponse, KeyAdmission};
use domain::access::{ApiKey, Environment, Limits, OwnLimits, Revocation, Scope, Secret};
use domain::error::ApplicationError;
use domain::ports::{ApiKeys, PortError};
use domain::problem::FieldErrors;
use lambda_http::Request;
use serde_json::{Value, json};
use testkit::build::{Maker, actor, at};
use testkit::{Fate, Faults, ManualClock, Memory, block_on};

const ENDPOINT: Endpoint =
    Endpoint { name: "approve-run", method: "POST", path: "/api/runs/{runId}/approve", scope: Some(Scope::RunsWrite), query: &[] };
const LIMITS: Limits = Limits { reads: 600, writes: 3 };

struct Admitted {
    faults: Faults,
    clock: ManualClock,
    admission: KeyAdmission<Memory, ManualClock>,
    keys: Memory,
    secret: Secret,
}

/// The admission of an endpoint, and one key, changed by `change`.
fn admitted(change: impl FnOnce(&mut ApiKey)) -> Admitted {
    let faults = Faults::none();
    let (keys, clock) = (Memory::new(faults.clone()), ManualClock::at(at(10)));
    let maker = Maker::new(1);
    let mut key = maker.key(maker.org(), actor("usr_ada"), &["runs:write"]);
    change(&mut key);
    let secret = Secret::new(Environment::Sandbox, [1, 2]);
    block_on(&clock, keys.create_key(&key, &secret.sha256())).unwrap();
    Admitted { admission: KeyAdmission::new(ENDPOINT, keys.clone(), clock.clone(), LIMITS), faults, clock, keys, secret }
}

impl Admitted {
    fn request(&self, change: impl FnOnce(&mut Value)) -> Request {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/approve-run/as-proposed.json")).unwrap();
        let bearer = format!("Bearer {}", self.secret.reveal());
        event["headers"]["Authorization"] = bearer.as_str().into();
        event["multiValueHeaders"]["Authorization"] = json!([bearer]);
        change(&mut event);
        lambda_http::request::from_str(&event.to_string()).unwrap()
    }

    fn answer_to(&self, request: Request, handler: impl Fn(ApiRequest) -> Result<ApiResponse, ApiError>) -> HttpResponse {
        block_on(&self.clock, self.admission.respond(&async |call| handler(call), request))
    }

    fn call(&self) -> HttpResponse {
        self.answer_to(self.request(|_| {}), |_| Ok(ApiResponse::ok(json!({}))))
    }
}

/// Limit, remaining, reset, and when to come back.
fn rate(answer: &HttpResponse) -> [Option<u64>; 4] {
    ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after"]
        .map(|name| answer.headers.get(name).map(|value| value.to_str().unwrap().parse().unwrap()))
}

#[test]
fn every_answer_to_a_known_key_says_how_much_is_left() {
    let reset = at(60).seconds();
    for (number, refused) in [
        ApiError::TooLarge("body", 1),
        ApiError::MediaType,
        FieldErrors::one("note", "is wrong").into(),
        ApplicationError::NotFound("run").into(),
        ApplicationError::Forbidden("no".to_owned()).into(),
        ApplicationError::Conflict("no".to_owned()).into(),
        ApplicationError::Unprocessable { message: "no".to_owned(), fields: FieldErrors::new() }.into(),
        PortError::Unavailable("down".to_owned()).into(),
        PortError::Corrupt("broken".to_owned()).into(),
        PortError::Rejected("too large".to_owned()).into(),
    ]
    .into_iter()
    .enumerate()
    {
        let setup = admitted(|_| {});
        let refused = std::cell::Cell::new(Some(refused));
        let answer = setup.answer_to(setup.request(|_| {}), |_| Err(refused.take().unwrap()));
        assert!(answer.status >= 400, "{number}");
        assert_eq!(rate(&answer), [Some(3), Some(2), Some(reset), None], "{}", answer.status);
    }
    let reader = admitted(|key| key.grants = ["read".parse().unwrap()].into());
    let answer = reader.call();
    assert_eq!((answer.status, rate(&answer)), (403, [Some(3), Some(2), Some(reset), None]));
    assert_eq!(answer.body, json!({"error": "missing scope: runs:write"}));
}

#[test]
fn beyond_the_limit_the_answer_is_429_until_the_minute_is_over() {
    let setup = admitted(|_| {});
    let reset = at(60).seconds();
    for left in [2, 1, 0] {
        let answer = setup.call();
        assert_eq!((answer.status, rate(&answer)), (200, [Some(3), Some(left), Some(reset), None]));
    }
    for second in [10, 59] {
        setup.clock.set(at(second));
        let answer = setup.call();
        assert_eq!((answer.status, rate(&answer)), (429, [Some(3), Some(0), Some(reset), Some(60 - second)]));
        assert_eq!(answer.body, json!({"error": "rate limit exceeded", "bucket": "runs.write", "limit": 3}));
    }
    setup.clock.set(at(60));
    let answer = setup.call();
    assert_eq!((answer.status, rate(&answer)), (200, [Some(3), Some(2), Some(at(120).seconds()), None]));
}

#[test]
fn a_key_that_was_refused_in_this_minute_costs_nothing_more() {
    let setup = admitted(|key| key.limits = OwnLimits { reads: None, writes: Some(1) });
    assert_eq!([setup.call().status, setup.call().status], [200, 429]);
    let before = setup.faults.calls().len();
    for _ in 0..10 {
        assert_eq!(setup.call().status, 429);
    }
    assert_eq!(setup.faults.calls().len(), before);
    setup.clock.set(at(60));
    assert_eq!(setup.call().status, 200);
}

#[test]
fn a_key_stops_with_its_revocation_and_its_last_millisecond() {
    let setup = admitted(|key| key.valid_until = Some(at(20)));
    assert_eq!(setup.call().status, 200);
    setup.clock.set(at(20));
    assert_eq!(setup.call().status, 401);
    let setup = admitted(|_| {});
    assert_eq!(setup.call().status, 200);
    let key = block_on(
        &setup.clock,
        setup.keys.api_keys(&Maker::new(1).org(), &domain::ports::Window { after: None, skip: 0, limit: 1, was_beyond_cap: false }),
    );
    let key = key.unwrap().rows.remove(0);
    let revocation = Revocation { at: at(10), by: "usr_ada".to_owned() };
    block_on(&setup.clock, setup.keys.revoke_key(&key.org, &key.id, &revocation)).unwrap();
    let answer = setup.call();
    assert_eq!((answer.status, rate(&answer)), (401, [None; 4]));
    assert_eq!(answer.body, json!({"error": "missing or invalid Bearer"}));
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}

#[test]
fn a_text_without_the_form_of_a_key_is_not_looked_up() {
    let setup = admitted(|_| {});
    let before = setup.faults.calls().len();
    for header in ["Bearer x", "Basic dXNlcjpwYXNz", "Bearer qe_sk_sandbox_", ""] {
        let request = setup.request(|event| {
            event["headers"]["Authorization"] = header.into();
            event["multiValueHeaders"]["Authorization"] = json!([header]);
        });
        let answer = setup.answer_to(request, |_| panic!("the call must not be admitted"));
        assert_eq!((answer.status, rate(&answer)), (401, [None; 4]), "{header}");
    }
    assert_eq!(setup.faults.calls().len(), before);
}

#[test]
fn a_key_in_the_query_is_refused_even_next_to_a_valid_header() {
    let setup = admitted(|_| {});
    let secret = setup.secret.reveal().to_owned();
    for (name, value) in [("token", secret.clone()), ("access_token", format!("Bearer {secret}")), (secret.as_str(), "1".to_owned())] {
        let mut parameters = serde_json::Map::new();
        parameters.insert(name.to_owned(), json!([value]));
        let request = setup.request(|event| event["multiValueQueryStringParameters"] = parameters.into());
        assert_eq!(setup.answer_to(request, |_| panic!("the call must not be admitted")).status, 401, "{name}");
    }
}

#[test]
fn an_unknown_query_parameter_is_refused_after_the_key_and_the_scope_are_checked() {
    let query = |event: &mut Value| event["multiValueQueryStringParameters"] = json!({"token": ["none"], "dryrun": ["true"]});
    let setup = admitted(|_| {});
    let answer = setup.answer_to(setup.request(query), |_| panic!("the call must not be admitted"));
    assert_eq!((answer.status, rate(&answer)[0]), (400, Some(3)));
    let fields = answer.body["details"]["fieldErrors"].as_object().unwrap();
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["dryrun", "token"]);
    let reader = admitted(|key| key.grants = ["read".parse().unwrap()].into());
    assert_eq!(reader.answer_to(reader.request(query), |_| panic!("the call must not be admitted")).status, 403);
    let unknown = setup.request(|event| {
        query(event);
        event["headers"] = json!({});
        event["multiValueHeaders"] = json!({});
    });
    assert_eq!(setup.answer_to(unknown, |_| panic!("the call must not be admitted")).status, 401);
}

#[test]
fn a_call_is_refused_without_a_reason_if_keys_cannot_be_looked_up() {
    let setup = admitted(|_| {});
    setup.faults.strike_call("admit", 1, Fate::FailBefore);
    let answer = setup.answer_to(setup.request(|_| {}), |_| panic!("the call must not be admitted"));
    assert_eq!((answer.status, rate(&answer)), (503, [None; 4]));
    assert_eq!(answer.body, json!({"error": "a service behind this one did not answer; try again"}));
}

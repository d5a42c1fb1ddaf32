//! Admission: which keys are accepted, and what each of them may do. The tests of this file go through the whole route table.

use domain::access::Scope;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    Api, ApiResponse, Browser, Flow, Method, Route, Run, Stack, WITHOUT_KEY, eventually, one_gate, routes, signed_in, unique,
};

const LOG_OUT: &str = "/api/auth/logout";

/// Resources of organisation A that exist, for the parameters of the route table's paths.
struct Subjects {
    flow: Flow,
    run: Run,
    /// The open approval of the run.
    approval: String,
    /// A key that no test uses.
    key: String,
    /// The slug of a connection that no test uses.
    connection: String,
    /// A webhook that gets no events.
    webhook: String,
    /// A delivery to it that has been made.
    delivery: String,
}

impl Subjects {
    async fn of(stack: &Stack) -> Self {
        let (flow, run) = parked(stack).await;
        let approval = run.view().await.step("review")["approvalId"].as_str().unwrap().to_owned();
        let (key, _) = create_key(stack, &json!({"name": "Nobody's", "scopes": ["flows:read"], "actor": "usr_nobody"})).await;
        let connection = format!("custom:{}", unique("access"));
        let body = json!({"serviceSlug": connection, "baseUrl": "https://crm.example.com", "apiKey": "not-a-real-key"});
        stack.ada.post("/api/service-connections", &body).await.data(201);
        let webhook = quiet_webhook(stack).await;
        let delivery = delivered(stack, &webhook).await;
        Self { flow, run, approval, key, connection, webhook, delivery }
    }

    /// The path of a route with its parameters filled in.
    fn path(&self, route: &Route) -> String {
        let id = if route.path.starts_with("/api/webhooks/") { &self.webhook } else { &self.flow.id };
        let path = route
            .path
            .replace("{id}", id)
            .replace("{deliveryId}", &self.delivery)
            .replace("{runId}", &self.run.id)
            .replace("{approvalId}", &self.approval)
            // Nobody's: people end their own sessions.
            .replace("{sessionId}", "ses_01JZZZZZZZZZZZZZZZZZZZZZZZ")
            .replace("{keyId}", &self.key)
            .replace("{slug}", &self.connection)
            .replace("{nodeId}/output", "review/output?of=proposedAction");
        assert!(!path.contains('{'), "{path}: say here what its parameter stands for");
        path
    }

    /// Calls a route, with a body that it accepts if it looks at the body before it looks for its resource.
    async fn call(&self, api: &Api, route: &Route) -> ApiResponse {
        let path = self.path(route);
        match route.path.rsplit('/').next() {
            Some("reassign") => api.post(&path, &json!({"approvalId": self.approval, "to": "role:lead"})).await,
            Some("request-changes") => api.post(&path, &json!({"note": "smaller"})).await,
            _ => call(api, &route.method, &path).await,
        }
    }

    /// Everything about these resources that a call could have changed.
    async fn state(&self, stack: &Stack) -> Vec<Value> {
        let keys = listed(&stack.ada).await;
        let connections = stack.ada.get("/api/service-connections?limit=100").await.body;
        vec![
            self.run.view().await.run,
            stack.ada.get(&format!("/api/flows/{}", self.flow.id)).await.body,
            stack.ada.get(&format!("/api/flows/{}/runs", self.flow.id)).await.body,
            keys.into_iter().find(|key| key["id"] == self.key).unwrap(),
            connections["data"].as_array().unwrap().iter().find(|each| each["serviceSlug"] == self.connection).unwrap().clone(),
            stack.ada.get(&format!("/api/webhooks/{}", self.webhook)).await.body,
            listed_delivery(stack, &self.webhook, &self.delivery).await.unwrap(),
        ]
    }
}

/// The webhook that these tests share, because the number of webhooks of an organisation is limited.
async fn quiet_webhook(stack: &Stack) -> String {
    const DESCRIPTION: &str = "Of the tests of access";
    let id = |webhook: &Value| webhook["id"].as_str().unwrap().to_owned();
    let there = stack.ada.get("/api/webhooks?limit=100").await;
    if let Some(webhook) = there.rows().iter().find(|webhook| webhook["description"] == DESCRIPTION) {
        return id(webhook);
    }
    let body = json!({"url": format!("{}/access", stack.echo.url), "events": ["nothing.*"], "description": DESCRIPTION});
    id(&stack.ada.post("/api/webhooks", &body).await.data(201)["webhook"])
}

/// A delivery that has ended.
async fn delivered(stack: &Stack, webhook: &str) -> String {
    let asked = stack.ada.post(&format!("/api/webhooks/{webhook}/test"), &json!({})).await;
    let id = asked.data(202)["delivery"]["id"].as_str().unwrap().to_owned();
    eventually("a delivery", async || listed_delivery(stack, webhook, &id).await.filter(|row| row["status"] == "succeeded")).await;
    id
}

async fn listed_delivery(stack: &Stack, webhook: &str, id: &str) -> Option<Value> {
    let page = stack.ada.get(&format!("/api/webhooks/{webhook}/deliveries?limit=100")).await;
    page.rows().iter().find(|row| row["id"] == id).cloned()
}

/// Every key of an organisation.
async fn listed(api: &Api) -> Vec<Value> {
    let mut keys = Vec::new();
    let mut page = api.get("/api/api-keys?limit=100").await;
    loop {
        keys.extend_from_slice(page.rows());
        let Some(cursor) = page.body["meta"]["nextCursor"].as_str() else { return keys };
        page = api.get(&format!("/api/api-keys?limit=100&cursor={cursor}")).await;
    }
}

/// Creates a key of organisation A. Returns its id, and the API called with it.
async fn create_key(stack: &Stack, body: &Value) -> (String, Api) {
    let answer = stack.ada.post("/api/api-keys", body).await;
    let key = &answer.data(201)["apiKey"];
    (key["id"].as_str().unwrap().to_owned(), stack.without_key.authorized_by(&format!("Bearer {}", key["key"].as_str().unwrap())))
}

fn scopes(wanted: impl Fn(&Scope) -> bool) -> Vec<String> {
    Scope::ALL.into_iter().filter(wanted).map(|scope| scope.to_string()).collect()
}

async fn revoked(stack: &Stack) -> Api {
    let (id, api) = create_key(stack, &json!({"name": "Revoked", "scopes": scopes(|_| true), "actor": "usr_eve"})).await;
    api.get("/api/flows").await.data(200);
    stack.ada.send(Method::DELETE, &format!("/api/api-keys/{id}"), &json!({})).await.data(200);
    api
}

async fn expired(stack: &Stack) -> Api {
    let soon = Timestamp::now() + SignedDuration::from_secs(5);
    let body = json!({"name": "Expired", "scopes": scopes(|_| true), "actor": "usr_eve", "expiresAt": soon.to_string()});
    let (_, api) = create_key(stack, &body).await;
    eventually("a key to expire", async || (api.get("/api/flows").await.status == 401).then_some(())).await;
    api
}

async fn call(api: &Api, method: &Method, path: &str) -> ApiResponse {
    if *method == Method::GET { api.get(path).await } else { api.send(method.clone(), path, &json!({})).await }
}

async fn parked(stack: &Stack) -> (Flow, Run) {
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    run.parked().await;
    (flow, run)
}

fn unauthenticated(answer: &ApiResponse) {
    assert_eq!(answer.error(401), "missing or invalid Bearer");
    assert_eq!(answer.body, json!({"error": "missing or invalid Bearer"}));
    assert_eq!(answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap()), Some("Bearer"));
    assert_eq!(answer.rate(), None, "without a key there is no rate limit to report");
}

#[test]
fn the_route_table_is_complete() {
    let template = include_str!("../../template.yaml");
    let routes = routes();
    let open = ["/api/openapi.json", "/api/docs", "/api/auth/login", "/api/auth/callback", "/console", "/console/{proxy+}"];
    assert!(!routes.iter().any(|route| open.contains(&route.path.as_str())), "they ask for no key");
    assert_eq!(
        routes.len() + WITHOUT_KEY.len() + 1,
        template.matches("RestApiId: !Ref Api").count(),
        "get-console has two routes: {routes:?}"
    );
    let is_there = |method: Method, path: &str, scope| {
        routes.iter().any(|route| (&route.method, route.path.as_str(), route.scope) == (&method, path, Some(scope)))
    };
    assert!(is_there(Method::PUT, "/api/flows/{id}", Scope::FlowsWrite));
    assert!(is_there(Method::DELETE, "/api/api-keys/{keyId}", Scope::ApiManage));
}

#[tokio::test]
async fn every_endpoint_refuses_a_caller_without_a_valid_key() {
    let stack = Stack::shared();
    let subjects = Subjects::of(&stack).await;
    let before = subjects.state(&stack).await;
    let wrong = |environment: &str| stack.without_key.authorized_by(&format!("Bearer qe_sk_{environment}_{}", "a2".repeat(16)));
    let callers = [
        ("no key", stack.without_key.clone()),
        ("a wrong key", wrong("sandbox")),
        ("a wrong live key", wrong("live")),
        ("a revoked key", revoked(&stack).await),
        ("an expired key", expired(&stack).await),
    ];
    for route in routes() {
        for (who, api) in &callers {
            let answer = subjects.call(api, &route).await;
            assert_eq!(answer.status, 401, "{who}: {} {}: {}", route.method, route.path, answer.body);
            unauthenticated(&answer);
        }
    }
    assert_eq!(subjects.state(&stack).await, before);
}

#[tokio::test]
async fn every_endpoint_refuses_a_key_that_has_every_scope_but_the_one_it_requires() {
    let stack = Stack::shared();
    let subjects = Subjects::of(&stack).await;
    let before = subjects.state(&stack).await;
    for missing in Scope::ALL {
        // Each of these is enough for approvals.
        let of_reviewers = [Scope::ApprovalsDecide, Scope::RunsWrite];
        let is_instead = |scope: &Scope| (of_reviewers.contains(&missing) || missing == Scope::RunsRead) && of_reviewers.contains(scope);
        // Whoever may change flows may reassign approvals.
        let reassigns = |scope: &Scope| missing == Scope::ApprovalsDecide && *scope == Scope::FlowsWrite;
        let has = |scope: &Scope| *scope != missing && !is_instead(scope) && !reassigns(scope);
        let body = json!({"name": "All but one", "scopes": scopes(has), "actor": "usr_eve"});
        let (_, api) = create_key(&stack, &body).await;
        for route in routes().iter().filter(|route| route.scope == Some(missing)) {
            let answer = subjects.call(&api, route).await;
            assert_eq!(answer.error(403), format!("missing scope: {missing}"), "{} {}", route.method, route.path);
            assert_eq!(answer.body, json!({"error": format!("missing scope: {missing}")}));
            assert!(answer.rate().is_some());
        }
    }
    assert_eq!(subjects.state(&stack).await, before);
}

/// Signed in with a browser or with a token, a person gets what a key with the same scopes gets.
#[tokio::test]
async fn every_endpoint_takes_a_token_and_a_session() {
    let stack = Stack::shared();
    let subjects = Subjects::of(&stack).await;
    let before = subjects.state(&stack).await;
    let token = signed_in(&stack, "audrey").await;
    let mut browser = Browser::new();
    browser.sign_in("audrey", "/console/").await;
    let cookie = browser.cookie();
    for route in routes() {
        let path = subjects.path(&route);
        let place = format!("{} {}", route.method, route.path);
        let by_token = subjects.call(&token, &route).await;
        let body = (route.method != Method::GET).then(|| b"{}".to_vec());
        let headers = [("cookie", cookie.as_str()), ("content-type", "application/json"), ("x-runs-console", "1")];
        if route.method != Method::GET {
            let forged = stack.without_key.call(route.method.clone(), &path, &headers[..2], body.clone()).await;
            assert_eq!(forged.error(403), "a request with a session needs the header x-runs-console: 1", "{place}");
        }
        if route.path == LOG_OUT {
            continue;
        }
        let by_session = stack.without_key.call(route.method.clone(), &path, &headers, body).await;
        assert!(by_token.status != 401 && by_session.status != 401, "{place}: {} {}", by_token.body, by_session.body);
        let is_allowed = |scope| ["runs:read", "flows:read"].contains(&Scope::to_string(&scope).as_str());
        if let Some(scope) = route.scope.filter(|scope| !is_allowed(*scope)) {
            for answer in [by_token, by_session] {
                assert_eq!(answer.error(403), format!("missing scope: {scope}"), "{place}");
            }
        }
    }
    let headers = [("cookie", cookie.as_str()), ("content-type", "application/json"), ("x-runs-console", "1")];
    assert_eq!(stack.without_key.call(Method::POST, LOG_OUT, &headers, Some(b"{}".to_vec())).await.status, 204);
    assert_eq!(subjects.state(&stack).await, before);
}

#[tokio::test]
async fn no_endpoint_shows_or_changes_anything_of_another_organisation() {
    let stack = Stack::shared();
    let subjects = Subjects::of(&stack).await;
    let before = subjects.state(&stack).await;
    let ours = [
        &subjects.flow.id,
        &subjects.flow.slug,
        &subjects.run.id,
        &subjects.approval,
        &subjects.key,
        &subjects.connection,
        &subjects.webhook,
        &subjects.delivery,
    ];
    for route in routes() {
        let answer = subjects.call(&stack.other, &route).await;
        let place = format!("{} {}: {}", route.method, route.path, answer.body);
        if route.path.contains('{') {
            assert_eq!(answer.status, 404, "{place}");
            assert!(answer.error(404).ends_with(" not found") && answer.rate().is_some(), "{place}");
        } else if route.path == "/api/org/identity-provider" && route.method != Method::PUT {
            assert_eq!(answer.error(404), "identity provider not found", "{place}");
        } else if route.path == LOG_OUT {
            assert_eq!(answer.status, 204, "a key has no session: {place}");
        } else if route.method == Method::GET {
            assert_eq!(answer.status, 200, "{place}");
        } else {
            assert_eq!(answer.status, 400, "an empty body makes nothing, in no organisation: {place}");
        }
        assert!(!ours.iter().any(|id| answer.body.to_string().contains(id.as_str())), "{place}");
    }
    assert_eq!(subjects.state(&stack).await, before);
}

#[tokio::test]
async fn every_endpoint_refuses_an_unknown_query_parameter_and_changes_nothing() {
    let stack = Stack::shared();
    let subjects = Subjects::of(&stack).await;
    let before = subjects.state(&stack).await;
    for route in routes() {
        let path = subjects.path(&route);
        let separator = if path.contains('?') { '&' } else { '?' };
        for name in ["statuss", "dryrun"] {
            let answer = call(&stack.ada, &route.method, &format!("{path}{separator}{name}=decided")).await;
            assert_eq!(answer.error(400), "validation failed", "{} {}", route.method, route.path);
            let fields = answer.body["details"]["fieldErrors"].as_object().unwrap();
            assert_eq!(fields.keys().collect::<Vec<_>>(), [name], "{} {}", route.method, route.path);
        }
    }
    let trigger = format!("/api/triggers/wh/wht_{}", "a2".repeat(16));
    for (method, path) in [(Method::GET, "/api/openapi.json"), (Method::GET, "/api/docs"), (Method::POST, trigger.as_str())] {
        let answer = call(&stack.without_key, &method, &format!("{path}?statuss=decided")).await;
        assert_eq!(answer.error(400), "validation failed", "{method} {path}");
    }
    let twice = stack.ada.get("/api/approvals?assignee=me&assignee=role:none").await;
    assert_eq!(twice.body["details"]["fieldErrors"], json!({"assignee": ["must be given only once"]}));
    assert_eq!(subjects.state(&stack).await, before);
}

#[tokio::test]
async fn a_malformed_key_is_refused() {
    let stack = Stack::shared();
    let key = std::env::var("QE_API_KEY").unwrap();
    let random = key.rsplit('_').next().unwrap().to_owned();
    for header in [
        String::new(),
        key.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Basic {key}"),
        format!("Token {key}"),
        format!("Bearer {key}a"),
        format!("Bearer {}", &key[..key.len() - 1]),
        format!("Bearer {}", key.to_uppercase()),
        format!("Bearer {random}"),
        format!("Bearer qe_sk_test_{random}"),
        format!("Bearer \"{key}\""),
        format!("Bearer {key}, Bearer {key}"),
        format!("Bearer {key} {key}"),
        "Bearer qe_sk_sandbox_".to_owned(),
        format!("Bearer qe_sk_sandbox_{}", "1".repeat(32)),
        format!("Bearer {}", "x".repeat(4_000)),
        "Bearer null".to_owned(),
        "Bearer qe_sk_sandbox_' OR 1=1 --aaaaaaaaaaaaaaaaa".to_owned(),
    ] {
        unauthenticated(&stack.without_key.authorized_by(&header).get("/api/flows").await);
    }
    for header in [format!("bearer {key}"), format!("BEARER {key}"), format!("Bearer  {key}")] {
        stack.without_key.authorized_by(&header).get("/api/flows").await.data(200);
    }
}

#[tokio::test]
async fn a_key_in_a_url_is_refused() {
    let stack = Stack::shared();
    let key = std::env::var("QE_API_KEY").unwrap();
    for name in ["token", "access_token", "api_key", "apiKey", "key", "authorization", "Authorization"] {
        for value in [key.clone(), format!("Bearer%20{key}")] {
            unauthenticated(&stack.without_key.get(&format!("/api/flows?{name}={value}")).await);
            unauthenticated(&stack.ada.get(&format!("/api/flows?{name}={value}")).await);
        }
    }
    for header in ["x-api-key", "api-key", "cookie"] {
        let value = format!("token={key}");
        unauthenticated(&stack.without_key.call(Method::GET, "/api/flows", &[(header, &value)], None).await);
        unauthenticated(&stack.without_key.call(Method::GET, "/api/flows", &[(header, &key)], None).await);
    }
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let stack = Stack::shared();
    let subjects = Subjects::of(&stack).await;
    let before = subjects.state(&stack).await;
    for route in routes() {
        let answer = subjects.call(&stack.reader, &route).await;
        match route.scope.filter(|scope| *scope != Scope::RunsRead) {
            Some(scope) => assert_eq!(answer.error(403), format!("missing scope: {scope}"), "{} {}", route.method, route.path),
            None if route.path == LOG_OUT => assert_eq!(answer.status, 204),
            None if route.path.contains("{sessionId}") => _ = answer.error(404),
            None => _ = answer.data(200),
        }
    }
    // A key without the scope learns nothing: neither what is there nor whether its body was any good.
    for path in ["/api/flows/no-such-flow/execute", "/api/runs/run_nothing/cancel"] {
        let answer = stack.reader.call(Method::POST, path, &[("content-type", "text/plain")], Some(b"{".to_vec())).await;
        assert_eq!(answer.error(403), "missing scope: runs:write");
    }
    assert_eq!(subjects.state(&stack).await, before);
}

#[tokio::test]
async fn a_resource_that_does_not_exist_is_not_found() {
    let stack = Stack::shared();
    let ghost_flow = "flw_01JZZZZZZZZZZZZZZZZZZZZZZZ";
    let ghost_run = "run_01JZZZZZZZZZZZZZZZZZZZZZZZ";
    for flow in [ghost_flow, "no-such-slug", "flw_1", "Not-A-Slug", "run_01JZZZZZZZZZZZZZZZZZZZZZZZ", "%20", "x%00y"] {
        for answer in [
            stack.ada.get(&format!("/api/flows/{flow}")).await,
            stack.ada.send(Method::PATCH, &format!("/api/flows/{flow}"), &json!({"name": "x"})).await,
            stack.ada.send(Method::PUT, &format!("/api/flows/{flow}"), &json!({"name": "x"})).await,
            stack.ada.post(&format!("/api/flows/{flow}/execute"), &json!({})).await,
            stack.ada.get(&format!("/api/flows/{flow}/runs")).await,
        ] {
            assert_eq!(answer.body, json!({"error": "flow not found"}), "{flow}");
            assert_eq!(answer.status, 404);
        }
    }
    for run in [ghost_run, "run_1", "flw_01JZZZZZZZZZZZZZZZZZZZZZZZ", "run_01jzzzzzzzzzzzzzzzzzzzzzzz!", "%F0%9F%A6%80", "x%00y"] {
        for answer in [
            stack.ada.get(&format!("/api/runs/{run}")).await,
            stack.ada.post(&format!("/api/runs/{run}/approve"), &json!({})).await,
            stack.ada.post(&format!("/api/runs/{run}/reject"), &json!({})).await,
            stack.ada.post(&format!("/api/runs/{run}/cancel"), &json!({})).await,
        ] {
            assert_eq!(answer.body, json!({"error": "run not found"}), "{run}");
            assert_eq!(answer.status, 404);
        }
    }
}

#[tokio::test]
async fn a_key_that_does_not_exist_is_not_found() {
    let stack = Stack::shared();
    for key in ["key_01JZZZZZZZZZZZZZZZZZZZZZZZ", "key_1", "run_01JZZZZZZZZZZZZZZZZZZZZZZZ", "%20", "x%00y"] {
        let answer = stack.ada.send(Method::DELETE, &format!("/api/api-keys/{key}"), &json!({})).await;
        assert_eq!((answer.status, &answer.body), (404, &json!({"error": "API key not found"})), "{key}");
    }
}

#[tokio::test]
async fn a_path_or_method_that_is_not_in_the_api_is_not_found_in_the_same_form() {
    let stack = Stack::shared();
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/api"),
        (Method::GET, "/api/nothing"),
        (Method::GET, "/api/flows/a/b/c"),
        (Method::DELETE, "/api/flows"),
        (Method::DELETE, "/api/flows/a"),
        (Method::PUT, "/api/flows"),
        (Method::GET, "/api/runs"),
        (Method::GET, "/api/runs/run_1/approve"),
        (Method::PUT, "/api/runs/run_1/cancel"),
        (Method::POST, "/api/approvals"),
        (Method::DELETE, "/api/api-keys"),
        (Method::GET, "/api/api-keys/key_1"),
        (Method::GET, "/API/flows"),
    ] {
        for api in [&stack.ada, &stack.without_key] {
            let answer = call(api, &method, path).await;
            assert_eq!((answer.status, &answer.body), (404, &json!({"error": "not found"})), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn answers_are_not_to_be_cached() {
    let stack = Stack::shared();
    let (_, run) = parked(&stack).await;
    for answer in [stack.ada.get(&run.path("")).await, stack.without_key.get(&run.path("")).await, stack.ada.get("/api/approvals").await] {
        assert_eq!(answer.headers.get("cache-control").map(|value| value.to_str().unwrap()), Some("no-store"));
        assert_ne!(answer.body, Value::Null);
    }
}

//! People sign in at the organisation's identity provider, in a browser and with a token, and what they decide is theirs.

use serde_json::{Value, json};

use crate::support::{Api, ApiResponse, Browser, Method, Run, Stack, ada, one_gate, signed_in};

async fn parked(stack: &Stack, rules: &Value) -> Run {
    let (_, run) = stack.run(|slug| one_gate(slug, rules), &json!({"action": {"amount": 5}})).await;
    run.parked().await;
    run
}

/// A call as the console makes it.
async fn call(api: &Api, browser: &Browser, method: Method, path: &str, headers: &[(&str, &str)]) -> ApiResponse {
    let cookie = browser.cookie();
    let mut all = vec![("cookie", cookie.as_str()), ("content-type", "application/json")];
    all.extend(headers);
    let body = (method != Method::GET).then(|| b"{}".to_vec());
    api.call(method, path, &all, body).await
}

const OURS: [(&str, &str); 1] = [("x-runs-console", "1")];

fn assert_is_ada(identity: &Value) {
    for (name, value) in ada().as_object().unwrap() {
        assert_eq!(&identity[name], value, "{identity}");
    }
    assert!(identity["authenticatedAt"].is_string(), "{identity}");
}

#[tokio::test]
async fn a_person_signs_in_with_a_browser_and_decides() {
    let stack = Stack::shared();
    let run = parked(&stack, &json!({})).await;
    let mut browser = Browser::new();
    let at = browser.sign_in("ada", "/console/approvals").await;
    assert!(at.ends_with("/console/approvals") && at.starts_with('/'), "{at}");
    let api = &stack.without_key;
    let me = call(api, &browser, Method::GET, "/api/me", &[]).await;
    let me = &me.data(200)["me"];
    assert_eq!((&me["actor"], &me["roles"], &me["teams"]), (&json!("usr_ada"), &json!(["operator", "reviewer"]), &json!(["payments"])));
    assert_eq!(me["scopes"], json!(["approvals:decide", "flows:read", "runs:read", "runs:write"]));
    assert_is_ada(&me["identity"]);

    // A page of another origin can send the cookie along, and not the header.
    let approve = run.path("approve");
    let forged = call(api, &browser, Method::POST, &approve, &[("origin", "https://evil.example")]).await;
    assert!(forged.error(403).contains("x-runs-console"));
    assert_eq!(run.view().await.status(), "awaiting_approval");
    let approved = call(api, &browser, Method::POST, &approve, &OURS).await;
    assert_is_ada(&approved.data(200)["decision"]["identity"]);
    let view = run.wait("succeeded").await;
    assert_is_ada(&view.step("review")["decision"]["identity"]);
    assert_eq!(view.step("review")["decision"]["actor"], "usr_ada");

    let out = call(api, &browser, Method::POST, "/api/auth/logout", &OURS).await;
    assert_eq!(out.status, 204);
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(call(api, &browser, Method::GET, "/api/me", &[]).await.status, 401);
}

#[tokio::test]
async fn the_cookie_of_a_session_is_for_our_own_pages_alone() {
    let mut browser = Browser::new();
    let at = browser.begin("/console/").await;
    for part in ["code_challenge_method=S256", "code_challenge=", "state=", "nonce=", "response_type=code"] {
        assert!(at.contains(part), "{part} is missing in {at}");
    }
    let callback = browser.identify(&at, "grace").await;
    let (_, headers, _) = browser.visit(&callback).await;
    let cookies: Vec<&str> = headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let session = cookies.iter().find(|cookie| cookie.starts_with("runs_session=")).unwrap();
    for part in ["; HttpOnly", "; Secure", "; SameSite=Lax", "; Path=/"] {
        assert!(session.contains(part), "{part} is missing");
    }
    assert!(!session.contains("eyJ"), "no token reaches the browser");
}

#[tokio::test]
async fn a_login_is_completed_once_and_by_the_browser_that_began_it() {
    let stack = Stack::shared();
    let mut browser = Browser::new();
    let at = browser.begin("/console/").await;
    let callback = browser.identify(&at, "ada").await;
    let refused = async |browser: &mut Browser, url: &str| {
        assert_eq!(browser.visit(url).await.0, 400, "{url}");
        assert!(!browser.cookie().contains("runs_session="), "{url}");
    };
    refused(&mut Browser::new(), &callback).await;
    let mut other = Browser::new();
    other.begin("/console/").await;
    refused(&mut other, &callback).await;
    refused(&mut browser, &callback.replace("code=", "code=x")).await;
    let mut again = Browser::new();
    let at = again.begin("/console/").await;
    let callback = again.identify(&at, "ada").await;
    again.follow(&callback).await;
    assert_eq!(again.visit(&callback).await.0, 400, "the login was completed already");
    assert_eq!(stack.without_key.get("/api/auth/login?organisation=org_01JZZZZZZZZZZZZZZZZZZZZZZZ").await.status, 404);
    for elsewhere in
        ["https://evil.example/", "//evil.example/", "/console/../api/flows", "/api/flows", "/console/%0d%0aSet-Cookie:x=1", "console"]
    {
        let path = format!("/api/auth/login?redirect={elsewhere}");
        assert_eq!(stack.without_key.get(&path).await.faulty_fields(400), ["redirect"], "{elsewhere}");
    }
}

#[tokio::test]
async fn a_session_is_listed_and_revoked() {
    let stack = Stack::shared();
    let mut browser = Browser::new();
    browser.sign_in("audrey", "/console/").await;
    let api = &stack.without_key;
    let own = call(api, &browser, Method::GET, "/api/sessions", &[]).await;
    assert!(own.rows().iter().all(|session| session["actor"] == "usr_audrey"), "{}", own.body);
    let id = own.rows().iter().find(|session| session["current"] == true).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(call(api, &browser, Method::GET, "/api/sessions?actor=usr_ada", &[]).await.error(403), "missing scope: actors:manage");
    assert!(stack.ada.get("/api/sessions?actor=usr_audrey").await.rows().iter().any(|session| session["id"] == id.as_str()));
    Browser::new().sign_in("grace", "/console/").await;
    let first = stack.ada.get("/api/sessions?limit=1").await;
    let cursor = first.body["meta"]["nextCursor"].as_str().unwrap();
    let second = stack.ada.get(&format!("/api/sessions?limit=1&cursor={cursor}")).await;
    assert_ne!(first.rows()[0]["id"], second.rows()[0]["id"]);
    let path = format!("/api/sessions/{id}");
    assert_eq!(stack.reader.send(Method::DELETE, &path, &json!({})).await.error(404), "session not found");
    assert_eq!(stack.other.send(Method::DELETE, &path, &json!({})).await.error(404), "session not found");
    assert_eq!(stack.ada.send(Method::DELETE, &path, &json!({})).await.status, 204);
    assert_eq!(call(api, &browser, Method::GET, "/api/me", &[]).await.status, 401);
}

#[tokio::test]
async fn a_token_is_a_credential_with_the_rights_of_its_roles() {
    let stack = Stack::shared();
    let run = parked(&stack, &json!({})).await;
    let auditor = signed_in(&stack, "audrey").await;
    let view = auditor.get(&run.path("")).await;
    assert_eq!(view.data(200)["run"]["status"], "awaiting_approval");
    assert!(view.rate().is_some());
    assert_eq!(auditor.post(&run.path("approve"), &json!({})).await.error(403), "missing scope: runs:write");
    let grace = signed_in(&stack, "grace").await;
    assert_eq!(grace.post(&run.path("cancel"), &json!({})).await.error(403), "missing scope: runs:write");
    assert_eq!(grace.get("/api/flows").await.error(403), "missing scope: flows:read");
    assert_eq!(grace.post(&run.path("approve"), &json!({})).await.data(200)["decision"]["actor"], "usr_grace");
}

#[tokio::test]
async fn a_token_that_is_not_exactly_ours_is_refused() {
    let stack = Stack::shared();
    let browser = Browser::new();
    let good = browser.id_token("ada", "runs-local").await;
    let parts: Vec<&str> = good.split('.').collect();
    // {"alg":"none","typ":"JWT"} and {"alg":"HS256","typ":"JWT"}
    let (none, shared) = ("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9");
    let flipped = if parts[1].ends_with('A') { "B" } else { "A" };
    let changed = format!("{}{flipped}", &parts[1][..parts[1].len() - 1]);
    for token in [
        browser.id_token("ada", "somebody-else").await,
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{shared}.{}.{}", parts[1], parts[2]),
        format!("{}.{changed}.{}", parts[0], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], &parts[2][1..]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}."),
    ] {
        let answer = stack.without_key.authorized_by(&format!("Bearer {token}")).get("/api/me").await;
        assert_eq!(answer.error(401), "missing or invalid Bearer", "{token}");
    }
    stack.without_key.authorized_by(&format!("Bearer {good}")).get("/api/me").await.data(200);
}

#[tokio::test]
async fn a_person_is_one_whether_with_a_key_or_signed_in() {
    let stack = Stack::shared();
    let run = parked(&stack, &json!({"requiredApprovals": 2})).await;
    let votes = run.approve(&json!({})).await.data(200)["votes"].clone();
    let ada = signed_in(&stack, "ada").await;
    let again = ada.post(&run.path("approve"), &json!({})).await;
    assert_eq!((&again.data(200)["votes"], &again.data(200)["decision"]), (&votes, &Value::Null), "Ada has voted with her key");
    // A key that she makes for another name is hers.
    let body = json!({"name": "CFO", "actor": "usr_cfo", "scopes": ["runs:write"]});
    let made = stack.ada.post("/api/api-keys", &body).await;
    let key = made.data(201)["apiKey"]["key"].as_str().unwrap();
    let cfo = stack.without_key.authorized_by(&format!("Bearer {key}"));
    let refused = cfo.post(&run.path("approve"), &json!({})).await;
    assert!(refused.error(409).contains("the vote of the person who has approved as usr_ada"), "{}", refused.body);
    let grace = signed_in(&stack, "grace").await;
    assert_eq!(grace.post(&run.path("approve"), &json!({})).await.data(200)["decision"]["decision"], "approved");
}

#[tokio::test]
async fn a_token_leads_to_the_organisation_that_has_registered_its_client() {
    // Alone: other tests rely on that the other organisation has no provider.
    let stack = Stack::alone();
    let issuer = std::env::var("QE_LOGIN_URL").unwrap();
    let body = |client: &str| json!({"issuer": issuer, "clientId": client, "clientSecret": "s", "roleScopes": {"*": ["flows:read"]}});
    let path = "/api/org/identity-provider";
    for client in ["a-client-of-before", "another-client"] {
        let provider = stack.other.send(Method::PUT, path, &body(client)).await;
        assert_eq!(provider.data(200)["identityProvider"]["clientId"], client);
    }
    let before = Browser::new().id_token("grace", "a-client-of-before").await;
    assert_eq!(stack.without_key.authorized_by(&format!("Bearer {before}")).get("/api/me").await.status, 401);
    let without_organisation = stack.without_key.get("/api/auth/login").await;
    assert_eq!(without_organisation.status, 404, "there are two providers: {}", without_organisation.body);
    let token = Browser::new().id_token("grace", "another-client").await;
    let grace = stack.without_key.authorized_by(&format!("Bearer {token}"));
    let me = grace.get("/api/me").await;
    assert_eq!(me.data(200)["me"]["organisation"]["id"], stack.other.get("/api/me").await.data(200)["me"]["organisation"]["id"]);
    assert_eq!(me.data(200)["me"]["actor"], "grace", "without `claims` the subject is the actor");
    assert_eq!(me.data(200)["me"]["scopes"], json!(["flows:read"]));
    let mut browser = Browser::new();
    let at = browser.begin_at(&format!("organisation={}", me.data(200)["me"]["organisation"]["id"].as_str().unwrap())).await;
    let callback = browser.identify(&at, "grace").await;
    browser.follow(&callback).await;
    call(&stack.without_key, &browser, Method::GET, "/api/me", &[]).await.data(200);
    stack.other.send(Method::DELETE, path, &json!({})).await.data(200);
    assert_eq!(stack.other.get(path).await.error(404), "identity provider not found");
    let over = call(&stack.without_key, &browser, Method::GET, "/api/me", &[]).await;
    assert_eq!(over.status, 401, "the sessions end with the provider");
    // There is one provider again, so the organisation need not be named.
    Browser::new().begin_at("").await;
}

#[tokio::test]
async fn a_provider_that_cannot_be_trusted_is_not_registered() {
    let stack = Stack::shared();
    let put = async |body: Value| stack.other.send(Method::PUT, "/api/org/identity-provider", &body).await;
    let issuer = std::env::var("QE_LOGIN_URL").unwrap();
    assert_eq!(put(json!({})).await.faulty_fields(400), ["clientId", "issuer"]);
    let named = |issuer: &str| json!({"issuer": issuer, "clientId": "runs"});
    assert_eq!(put(named("http://login.example.org")).await.faulty_fields(400), ["issuer"]);
    assert_eq!(put(named(&format!("{issuer}/"))).await.faulty_fields(422), ["issuer"], "it says that it is another one");
    assert_eq!(put(named("http://127.0.0.1:9")).await.faulty_fields(422), ["issuer"]);
    let taken = put(json!({"issuer": issuer, "clientId": "runs-local"})).await;
    assert!(taken.error(409).contains("registered"));
    let secret = stack.ada.get("/api/org/identity-provider").await;
    assert_eq!(secret.data(200)["identityProvider"]["hasClientSecret"], true);
    assert!(!secret.body.to_string().contains("any-secret"));
}

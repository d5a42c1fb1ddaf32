//! API keys: created, shown once, used, listed, revoked. Admission is tested in [`access`](crate::access).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Api, ApiResponse, Method, Run, Stack, one_gate, unique};

async fn make(api: &Api, body: &Value) -> ApiResponse {
    api.post("/api/api-keys", body).await
}

/// The API called with the key that a response shows.
fn with_key(stack: &Stack, answer: &ApiResponse) -> Api {
    stack.without_key.authorized_by(&format!("Bearer {}", answer.data(201)["apiKey"]["key"].as_str().unwrap()))
}

async fn revoke(api: &Api, id: &str) -> ApiResponse {
    api.send(Method::DELETE, &format!("/api/api-keys/{id}"), &json!({})).await
}

/// A key in the list.
async fn row(api: &Api, id: &str) -> Value {
    let mut path = "/api/api-keys?limit=100".to_owned();
    loop {
        let page = api.get(&path).await;
        if let Some(row) = page.rows().iter().find(|row| row["id"] == id) {
            return row.clone();
        }
        let cursor = page.body["meta"]["nextCursor"].as_str().unwrap_or_else(|| panic!("no {id} in the list"));
        path = format!("/api/api-keys?limit=100&cursor={cursor}");
    }
}

#[tokio::test]
async fn a_key_is_shown_once_acts_as_its_actor_and_stops_when_it_is_revoked() {
    let stack = Stack::shared();
    let name = unique("Nightly import");
    let body = json!({
        "name": name, "scopes": ["flows:read", "runs:read", "runs:write"], "actor": "import-service", "roles": ["lead"],
        "teams": ["payments"], "expiresAt": "2999-01-01T00:00:00Z",
    });
    let answer = make(&stack.ada, &body).await;
    let shown = answer.data(201)["apiKey"].clone();
    let id = shown["id"].as_str().unwrap();
    let secret = shown["key"].as_str().unwrap();
    assert!(id.starts_with("key_"));
    assert!(secret.starts_with("qe_sk_sandbox_") && secret.len() == "qe_sk_sandbox_".len() + 32, "as the key that made it");
    assert_eq!((&shown["createdBy"], &shown["actor"], &shown["name"]), (&json!("usr_ada"), &json!("import-service"), &json!(name)));
    let mut listed = shown.clone();
    listed.as_object_mut().unwrap().remove("key");
    assert_eq!(row(&stack.grace, id).await, listed, "without its secret, and not used yet");

    // Its actor is the one that was given when it was created.
    let flow = stack.flow(|slug| one_gate(slug, &json!({"assignTo": "role:lead"}))).await;
    let api = with_key(&stack, &answer);
    let started = api.post(&format!("/api/flows/{}/execute", flow.slug), &json!({"action": 1})).await;
    let run = Run::of(&api, &started.data(202)["run"]);
    assert_eq!(started.data(202)["run"]["startedBy"], "import-service");
    run.parked().await;
    assert_eq!(run.approve(&json!({})).await.data(200)["decision"]["actor"], "import-service");

    let used = row(&stack.ada, id).await["lastUsedAt"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(used.as_millisecond() % 3_600_000, 0, "to the hour");

    let revoked = revoke(&stack.grace, id).await;
    let gone = revoked.data(200)["apiKey"].clone();
    assert_eq!((&gone["id"], &gone["revokedBy"]), (&json!(id), &json!("usr_grace")));
    assert!(gone["revokedAt"].is_string());
    for _ in 0..3 {
        assert_eq!(api.get("/api/flows").await.error(401), "missing or invalid Bearer");
    }
    assert_eq!(revoke(&stack.ada, id).await.data(200)["apiKey"], gone, "the first revocation stays");
    assert_eq!(row(&stack.ada, id).await, gone);
}

#[tokio::test]
async fn a_key_cannot_give_a_scope_that_it_lacks() {
    let stack = Stack::shared();
    let body = json!({"name": "Half", "scopes": ["api:manage", "read", "runs:write"], "actor": "usr_half"});
    let half = with_key(&stack, &make(&stack.ada, &body).await);
    let wants = |scopes: Value| json!({"name": "More", "scopes": scopes, "actor": "usr_half"});
    let for_another = json!({"name": "More", "scopes": ["runs:write"], "actor": "usr_more"});
    assert_eq!(make(&half, &for_another).await.error(403), "missing scope: actors:manage");
    let refused = make(&half, &wants(json!(["flows:read", "flows:write", "write", "webhooks:manage"]))).await;
    assert_eq!(refused.faulty_fields(422), ["scopes[1]", "scopes[2]", "scopes[3]"]);
    assert!(refused.field_error(422, "scopes[1]").contains("flows:write"));
    // The scopes that it has, and those that an old wildcard covers.
    for scopes in [json!(["api:manage", "runs:write"]), json!(["read"]), json!(["service-connections:read", "flows:read"])] {
        make(&half, &wants(scopes)).await.data(201);
    }
}

#[tokio::test]
async fn old_wildcards_still_work() {
    let stack = Stack::shared();
    let api = with_key(&stack, &make(&stack.ada, &json!({"name": "Old", "scopes": ["read", "write"], "actor": "usr_old"})).await);
    let slug = unique("old");
    api.post("/api/flows", &json!({"slug": slug, "name": "Old", "spec": one_gate(&slug, &json!({}))})).await.data(201);
    api.get(&format!("/api/flows/{slug}/runs")).await.data(200);
    assert_eq!(api.get("/api/api-keys").await.error(403), "missing scope: api:manage");
}

#[tokio::test]
async fn an_invalid_key_is_refused_with_every_problem() {
    let stack = Stack::shared();
    let body = json!({
        "name": "", "scopes": ["runs:write", "everything"], "actor": "role:lead", "roles": [""], "expiresAt": "2020-01-01T00:00:00Z", "org": "org_1",
    });
    let refused = make(&stack.ada, &body).await;
    assert_eq!(refused.faulty_fields(400), ["actor", "expiresAt", "name", "org", "roles[0]", "scopes[1]"]);
    assert_eq!(make(&stack.ada, &json!({})).await.faulty_fields(400), ["actor", "name", "scopes"]);
    let form = stack.ada.call(Method::POST, "/api/api-keys", &[("content-type", "text/plain")], Some(b"{}".to_vec())).await;
    assert_eq!(form.status, 415);
}

#[tokio::test]
async fn keys_are_listed_newest_first_page_by_page() {
    let stack = Stack::shared();
    let mut ours = Vec::new();
    for _ in 0..3 {
        let answer = make(&stack.ada, &json!({"name": "Listed", "scopes": ["runs:read"], "actor": "usr_listed"})).await;
        ours.insert(0, answer.data(201)["apiKey"]["id"].as_str().unwrap().to_owned());
    }
    let mut all: Vec<String> = Vec::new();
    let mut page = stack.ada.get("/api/api-keys?limit=2").await;
    while !ours.iter().all(|id| all.contains(id)) {
        assert!(page.rows().len() <= 2);
        assert!(page.rows().iter().all(|row| row.get("key").is_none()));
        all.extend(page.rows().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page.body["meta"]["nextCursor"].as_str() else { break };
        page = stack.ada.get(&format!("/api/api-keys?limit=2&cursor={cursor}")).await;
    }
    // Other tests create keys as well.
    assert!(all.is_sorted_by(|newer, older| newer > older), "{all:?}");
    assert_eq!(all.into_iter().filter(|id| ours.contains(id)).collect::<Vec<_>>(), ours);
    assert_eq!(stack.ada.get("/api/api-keys?limit=0").await.faulty_fields(400), ["limit"]);
    assert_eq!(stack.ada.get("/api/api-keys?cursor=AAAA").await.faulty_fields(400), ["cursor"]);
}

//! The contract as it is served, and refusals that are the same for every body. `tests/contract` checks afterwards that every
//! other response of these tests is one that `openapi.yaml` promises.

use serde_json::{Value, json};

use crate::support::{Method, Route, Run, Stack, one_gate, routes, spec, transform};

#[tokio::test]
async fn the_document_is_served_without_a_key_and_names_every_route() {
    let stack = Stack::shared();
    let document = stack.without_key.page("/api/openapi.json", &[]).await;
    assert_eq!((document.0, document.1["content-type"].to_str().unwrap()), (200, "application/json"));
    let parsed: Value = serde_json::from_str(&document.2).unwrap();
    assert_eq!(parsed["openapi"], "3.1.0");
    for route in routes() {
        let operation = &parsed["paths"][&route.path][route.method.as_str().to_ascii_lowercase()];
        assert_eq!(
            operation.get("x-required-scope").cloned(),
            route.scope.map(|scope| scope.to_string().into()),
            "{} {}",
            route.method,
            route.path
        );
    }
    assert_eq!(stack.ada.page("/api/openapi.json", &[]).await.2, document.2, "a key makes no difference");
    assert_eq!(stack.without_key.authorized_by("Bearer nonsense").page("/api/openapi.json", &[]).await.2, document.2);
}

#[tokio::test]
async fn the_document_and_the_page_have_an_etag() {
    let stack = Stack::shared();
    for path in ["/api/openapi.json", "/api/docs"] {
        let (_, headers, _) = stack.without_key.page(path, &[]).await;
        let etag = headers["etag"].to_str().unwrap();
        assert_eq!(headers["cache-control"], "public, max-age=300", "{path}");
        let (status, again, text) = stack.without_key.page(path, &[("if-none-match", etag)]).await;
        assert_eq!((status, text.as_str(), &again["etag"]), (304, "", &headers["etag"]), "{path}");
        assert_eq!(stack.without_key.page(path, &[("if-none-match", "\"another\"")]).await.0, 200, "{path}");
        assert!(!headers.contains_key("x-ratelimit-limit"), "{path}: no key is counted");
    }
}

#[tokio::test]
async fn the_page_is_complete_and_its_policy_allows_no_other_scripts() {
    let stack = Stack::shared();
    let (status, headers, text) = stack.without_key.page("/api/docs", &[]).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "text/html; charset=utf-8"));
    assert!(text.starts_with("<!doctype html>") && text.trim_end().ends_with("</html>"));
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert_eq!(headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn every_endpoint_with_a_body_refuses_one_that_is_too_large_or_not_json() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    run.parked().await;
    let (_, ended) = stack.run(|_| spec(&[transform("only", &json!(1))], &[]), &json!({})).await;
    ended.wait("succeeded").await;
    let large = format!("{{\"note\":\"{}\"}}", "x".repeat(5_400_000)).into_bytes();
    let document: Value = serde_json::from_str(&stack.without_key.page("/api/openapi.json", &[]).await.2).unwrap();
    let has_body = |route: &&Route| !document["paths"][&route.path][route.method.as_str().to_ascii_lowercase()]["requestBody"].is_null();
    for route in routes().iter().filter(has_body) {
        let path = route.path.replace("{id}", &flow.id).replace("{runId}", &subject(&route.path, &run, &ended).id);
        let place = format!("{} {path}", route.method);
        let form = stack.ada.call(route.method.clone(), &path, &[("content-type", "text/plain")], Some(b"x=1".to_vec())).await;
        assert_eq!(form.error(415), "the body must be application/json", "{place}");
        let much = stack.ada.call(route.method.clone(), &path, &[("content-type", "application/json")], Some(large.clone())).await;
        assert!(much.error(413).starts_with("the body has more than "), "{place}: {}", much.body);
    }
    assert_eq!(run.view().await.status(), "awaiting_approval", "nothing happened");
}

#[tokio::test]
async fn every_list_refuses_an_invalid_page() {
    let stack = Stack::shared();
    let hook = json!({"url": format!("{}/contract", stack.echo.url), "events": ["nothing.*"]});
    let hook = stack.ada.post("/api/webhooks", &hook).await.data(201)["webhook"]["id"].as_str().unwrap().to_owned();
    let hook = format!("/api/webhooks/{hook}");
    for list in ["/api/service-connections", "/api/webhooks", &format!("{hook}/deliveries")] {
        for (query, field) in [("limit=0", "limit"), ("page=-1", "page"), ("cursor=AAAA", "cursor")] {
            assert_eq!(stack.ada.get(&format!("{list}?{query}")).await.faulty_fields(400), [field], "{list}");
        }
    }
    stack.ada.send(Method::DELETE, &hook, &json!({})).await.data(200);
}

/// A run that is in the state for the action of a path.
fn subject<'a>(path: &str, parked: &'a Run, ended: &'a Run) -> &'a Run {
    if path.ends_with("/retry") { ended } else { parked }
}

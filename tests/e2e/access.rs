//! Who gets in: keys, and what each of them may do.

use serde_json::{Value, json};

use crate::support::{Answer, Api, Flow, Method, Run, Stack, one_gate};

/// Every endpoint with the scope it asks for, on a flow and a run that are there.
fn endpoints(flow: &Flow, run: &Run) -> Vec<(Method, String, &'static str)> {
    let (flow, run) = (format!("/api/flows/{}", flow.id), format!("/api/runs/{}", run.id));
    vec![
        (Method::POST, "/api/flows".into(), "flows:write"),
        (Method::GET, "/api/flows".into(), "flows:read"),
        (Method::GET, flow.clone(), "flows:read"),
        (Method::PATCH, flow.clone(), "flows:write"),
        (Method::PUT, flow.clone(), "flows:write"),
        (Method::POST, format!("{flow}/execute"), "runs:write"),
        (Method::GET, format!("{flow}/runs"), "runs:read"),
        (Method::GET, run.clone(), "runs:read"),
        (Method::POST, format!("{run}/approve"), "runs:write"),
        (Method::POST, format!("{run}/reject"), "runs:write"),
        (Method::POST, format!("{run}/cancel"), "runs:write"),
        (Method::GET, "/api/approvals".into(), "runs:read"),
    ]
}

async fn call(api: &Api, method: &Method, path: &str) -> Answer {
    if *method == Method::GET { api.get(path).await } else { api.send(method.clone(), path, &json!({})).await }
}

async fn parked(stack: &Stack) -> (Flow, Run) {
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    run.parked().await;
    (flow, run)
}

fn unauthenticated(answer: &Answer) {
    assert_eq!(answer.error(401), "missing or invalid Bearer");
    assert_eq!(answer.body, json!({"error": "missing or invalid Bearer"}));
    assert_eq!(answer.headers.get("www-authenticate").map(|value| value.to_str().unwrap()), Some("Bearer"));
}

#[tokio::test]
async fn without_a_key_there_is_nothing_to_see_and_nothing_to_do() {
    let stack = Stack::shared();
    let (flow, run) = parked(&stack).await;
    let unknown = stack.nobody.authorized_by(&format!("Bearer qe_sk_sandbox_{}", "a2".repeat(16)));
    for (method, path, _) in endpoints(&flow, &run) {
        unauthenticated(&call(&stack.nobody, &method, &path).await);
        unauthenticated(&call(&unknown, &method, &path).await);
    }
    assert_eq!(run.view().await.status(), "awaiting_approval");
}

#[tokio::test]
async fn what_is_not_a_key_does_not_get_in() {
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
        unauthenticated(&stack.nobody.authorized_by(&header).get("/api/flows").await);
    }
    for header in [format!("bearer {key}"), format!("BEARER {key}"), format!("Bearer  {key}")] {
        stack.nobody.authorized_by(&header).get("/api/flows").await.data(200);
    }
}

#[tokio::test]
async fn a_key_in_a_url_is_no_key() {
    let stack = Stack::shared();
    let key = std::env::var("QE_API_KEY").unwrap();
    for name in ["token", "access_token", "api_key", "apiKey", "key", "authorization", "Authorization"] {
        for value in [key.clone(), format!("Bearer%20{key}")] {
            unauthenticated(&stack.nobody.get(&format!("/api/flows?{name}={value}")).await);
        }
    }
    for header in ["x-api-key", "api-key", "cookie"] {
        let value = format!("token={key}");
        unauthenticated(&stack.nobody.call(Method::GET, "/api/flows", &[(header, &value)], None).await);
        unauthenticated(&stack.nobody.call(Method::GET, "/api/flows", &[(header, &key)], None).await);
    }
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() {
    let stack = Stack::shared();
    let (flow, run) = parked(&stack).await;
    let before = run.view().await;
    for (method, path, scope) in endpoints(&flow, &run) {
        let answer = call(&stack.reader, &method, &path).await;
        if scope == "runs:read" {
            answer.data(200);
        } else {
            assert_eq!(answer.error(403), format!("missing scope: {scope}"), "{method} {path}");
            assert_eq!(answer.body, json!({"error": format!("missing scope: {scope}")}));
        }
    }
    // A key without the scope learns nothing: neither what is there nor whether its body was any good.
    for path in ["/api/flows/no-such-flow/execute", "/api/runs/run_nothing/cancel"] {
        let answer = stack.reader.call(Method::POST, path, &[("content-type", "text/plain")], Some(b"{".to_vec())).await;
        assert_eq!(answer.error(403), "missing scope: runs:write");
    }
    assert_eq!(run.view().await.run, before.run);
    assert_eq!(stack.ada.get(&format!("/api/flows/{}/runs", flow.id)).await.body["total"], 1);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
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
        (Method::GET, "/API/flows"),
    ] {
        for api in [&stack.ada, &stack.nobody] {
            let answer = call(api, &method, path).await;
            assert_eq!((answer.status, &answer.body), (404, &json!({"error": "not found"})), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn answers_are_not_to_be_cached() {
    let stack = Stack::shared();
    let (_, run) = parked(&stack).await;
    for answer in [stack.ada.get(&run.path("")).await, stack.nobody.get(&run.path("")).await, stack.ada.get("/api/approvals").await] {
        assert_eq!(answer.headers.get("cache-control").map(|value| value.to_str().unwrap()), Some("no-store"));
        assert_ne!(answer.body, Value::Null);
    }
}

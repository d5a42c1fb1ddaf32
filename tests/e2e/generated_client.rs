//! A client generated from `openapi.yaml` drives the canonical run: the document is enough to generate one.

use runs_client::{Client, types};
use serde_json::json;

use crate::support::{Stack, approval_flow, eventually, unique};

fn client() -> Client {
    let key = format!("Bearer {}", std::env::var("QE_API_KEY").unwrap());
    let headers = [(reqwest::header::AUTHORIZATION, key.parse().unwrap())];
    _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().default_headers(headers.into_iter().collect()).build().unwrap();
    Client::new_with_client(&std::env::var("QE_BASE_URL").unwrap(), http)
}

#[tokio::test]
async fn the_canonical_run_from_the_flow_to_the_executed_action() {
    let stack = Stack::shared();
    let api = client();
    let slug = unique("generated");
    let spec: types::FlowSpec = serde_json::from_value(approval_flow(&slug, &json!({}))).unwrap();
    let draft = types::FlowCreate::builder().slug(slug.clone()).name("Refunds").spec(spec);
    let flow = api.create_flow().body(draft).send().await.unwrap().into_inner().data.flow;
    let input = json!({"ticket": 17, "draft": {"action": "refund", "amount": 129}});
    let started = api.execute_flow().id(flow.id.to_string()).idempotency_key("once").body(types::JsonValue(input)).send().await.unwrap();
    assert_eq!(started.status(), 202);
    assert!(started.headers().contains_key("x-ratelimit-remaining"));
    let run = started.into_inner().data.run.id.to_string();

    let look = async || api.get_run().run_id(run.clone()).send().await.unwrap().into_inner().data.run;
    eventually("the approval", async || (look().await.status == types::RunStatus::AwaitingApproval).then_some(())).await;
    let inbox = api.list_approvals().flow(slug.clone()).send().await.unwrap().into_inner();
    assert_eq!(inbox.data[0].run_id.to_string(), run);
    let decided = json!({"action": "refund", "amount": 79});
    let body =
        types::ApproveRequest::builder().note(Some("partial".to_owned())).proposed_action_override(Some(types::JsonValue(decided.clone())));
    let decision = api.approve_run().run_id(run.clone()).body(body).send().await.unwrap().into_inner().data.decision.unwrap();
    assert_eq!(decision.decision, types::Verdict::Approved);

    let done = eventually("the end", async || Some(look().await).filter(|run| run.finished_at.is_some())).await;
    assert_eq!(done.status, types::RunStatus::Succeeded);
    let executed = stack.echo.only(&format!("/{slug}/execute")).await;
    assert_eq!(*executed.body(), decided);
    assert_eq!(executed.sha256(), decision.decided_sha256.as_str());
    let kinds: Vec<_> = done.steps.iter().map(|step| serde_json::to_value(step).unwrap()["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["llm_step", "human_approval", "service_call"]);
    let listed = api.list_flow_runs().id(slug).status(types::RunStatus::Succeeded).limit(1).send().await.unwrap().into_inner();
    assert_eq!(listed.data[0].id.to_string(), run);
}

#[tokio::test]
async fn an_error_response_has_a_type() {
    let api = client();
    let refused = api.get_run().run_id("run_00000000000000000000000000".to_owned()).send().await.unwrap_err();
    let runs_client::Error::ErrorResponse(answer) = refused else { panic!("{refused}") };
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.error, "run not found");
}

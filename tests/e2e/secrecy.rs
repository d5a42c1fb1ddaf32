//! A task token resumes a run for any holder: no response contains one.

use serde_json::json;

use crate::support::{Stack, eventually, one_gate};

#[tokio::test]
async fn no_response_contains_the_task_token_of_a_parked_run() {
    let stack = Stack::shared();
    let (flow, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": 1})).await;
    run.parked().await;
    let token =
        eventually("the run to hold its task token", async || stack.aws.run_item(&run.id).await["token"]["S"].as_str().map(str::to_owned))
            .await;
    assert!(token.len() > 16, "{token}");

    let mut answers = vec![
        stack.ada.get(&run.path("")).await,
        stack.ada.get(&format!("/api/flows/{}/runs", flow.id)).await,
        stack.ada.get(&format!("/api/flows/{}", flow.id)).await,
        stack.ada.get("/api/approvals?limit=100").await,
        stack.ada.get("/api/flows").await,
        run.approve(&json!({"nodeId": "ghost"})).await,
    ];
    answers.push(run.approve(&json!({})).await);
    answers.push(run.reject(&json!({})).await);
    answers.push(run.cancel("late").await);
    run.wait("succeeded").await;
    answers.push(stack.ada.get(&run.path("")).await);

    let escaped = serde_json::to_string(&token).unwrap();
    for answer in answers {
        let text = format!("{} {:?}", answer.body, answer.headers);
        assert!(!text.contains(&token) && !text.contains(escaped.trim_matches('"')), "{}", answer.body);
    }
    let executed = stack.echo.only(&format!("/{}/execute", flow.slug)).await;
    assert!(!executed.0.to_string().contains(&token), "nor does a service get it");
}

//! Approvals that reach people by Slack and by mail, with a link that decides nothing.

use serde_json::{Value, json};

use crate::support::{Method, Run, Stack, eventually, one_gate, unique};

/// Registers a webhook as Ada and returns it.
async fn register(stack: &Stack, body: &Value) -> Value {
    stack.ada.post("/api/webhooks", body).await.data(201)["webhook"].clone()
}

async fn delete(stack: &Stack, webhook: &Value) {
    stack.ada.send(Method::DELETE, &format!("/api/webhooks/{}", webhook["id"].as_str().unwrap()), &json!({})).await.data(200);
}

/// Returns the id of the only open approval of a run.
async fn approval(run: &Run) -> String {
    run.parked().await.step("review")["approvalId"].as_str().unwrap().to_owned()
}

/// Returns the link to an approval that a notice has: from `http` to the id of the approval.
fn link_in(text: &str, approval: &str) -> String {
    let end = text.find(approval).unwrap_or_else(|| panic!("no {approval}: {text}")) + approval.len();
    let start = text[..end].rfind("http").unwrap_or_else(|| panic!("no link: {text}"));
    let link = &text[start..end];
    assert!(link.ends_with(&format!("/console/approvals/{approval}")), "{link}");
    link.to_owned()
}

#[tokio::test]
async fn an_approval_that_opens_is_a_message_of_slack_whose_link_decides_nothing() {
    let stack = Stack::shared();
    let path = format!("/services/{}", unique("slack"));
    let body = json!({"kind": "slack", "url": format!("{}{path}", stack.echo.url), "events": ["approval.opened"]});
    let webhook = register(&stack, &body).await;
    assert_eq!((&webhook["kind"], &webhook["url"]), (&json!("slack"), &json!(stack.echo.url)));
    let shown = stack.ada.get(&format!("/api/webhooks/{}", webhook["id"].as_str().unwrap())).await;
    assert_eq!(shown.data(200)["webhook"], webhook);
    let rotated = stack.ada.post(&format!("/api/webhooks/{}/rotate-secret", webhook["id"].as_str().unwrap()), &json!({})).await;
    assert!(rotated.error(422).contains("has no secret"));

    let (_, run) = stack.run(|slug| one_gate(slug, &json!({"assignTo": "role:reviewer"})), &json!({"action": {"amount": 1}})).await;
    let id = approval(&run).await;
    let message = eventually("the message of Slack", async || {
        let sent = stack.echo.sent_to(&path).await;
        sent.into_iter().find(|request| request.body()["text"].as_str().is_some_and(|text| text.contains(&id)))
    })
    .await;
    assert!(message.0["headers"]["x-quantum-signature"].is_null() && message.0["headers"]["x-quantum-event"].is_null(), "{message:?}");
    let text = message.body()["text"].as_str().unwrap();
    assert!(text.contains("waits for a decision") && text.contains("For role:reviewer") && text.contains(&run.id), "{text}");

    let page = stack.client.get(link_in(text, &id)).send().await.unwrap();
    assert_eq!((page.status().as_u16(), page.headers()["content-type"].to_str().unwrap()), (200, "text/html; charset=utf-8"));
    assert!(page.text().await.unwrap().contains("<html"));
    assert_eq!(approval(&run).await, id, "it is still open");
    assert_eq!(run.view().await.step("review")["decision"], Value::Null);
    run.cancel("enough").await.data(200);
    delete(&stack, &webhook).await;
}

#[tokio::test]
async fn an_approval_that_opens_is_a_mail_with_a_link() {
    let stack = Stack::shared();
    let to = format!("{}@example.org", unique("ada"));
    let webhook = register(&stack, &json!({"kind": "email", "to": [to], "events": ["approval.opened"]})).await;
    assert_eq!((&webhook["kind"], &webhook["to"], &webhook["url"]), (&json!("email"), &json!([to]), &Value::Null));
    let (_, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": {"amount": 1}})).await;
    let id = approval(&run).await;
    let mail = eventually("the mail", async || {
        let sent = stack.aws.mails_to(&to).await;
        sent.into_iter().find(|mail| mail["BodyText"].as_str().is_some_and(|text| text.contains(&id)))
    })
    .await;
    assert_eq!(
        (&mail["Source"], &mail["To"], &mail["Subject"]),
        (&json!("runs@example.org"), &json!([to]), &json!("Approval needed: Do it"))
    );
    link_in(mail["BodyText"].as_str().unwrap(), &id);
    run.approve(&json!({})).await.data(200);
    delete(&stack, &webhook).await;
}

#[tokio::test]
async fn each_kind_of_webhook_has_a_target_of_its_own() {
    let stack = Stack::shared();
    let url = "https://hooks.example.com/services/x";
    for (body, fields) in [
        (json!({"kind": "pager", "events": ["*"]}), vec!["kind"]),
        (json!({"kind": "email", "to": ["ada@example.org", "ada"], "events": ["*"]}), vec!["to[1]"]),
        (json!({"kind": "email", "to": ["ada@example.org"], "url": url, "events": ["*"]}), vec!["url"]),
        (json!({"kind": "slack", "to": ["ada@example.org"], "url": url, "events": ["*"]}), vec!["to"]),
        (json!({"kind": "slack", "url": "https://10.0.0.1/services", "events": ["*"]}), vec!["url"]),
    ] {
        assert_eq!(stack.ada.post("/api/webhooks", &body).await.faulty_fields(400), fields, "{body}");
    }
}

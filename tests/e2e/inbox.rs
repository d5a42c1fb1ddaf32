//! The inbox: the open gates of the organisation, by assignee.

use serde_json::{Value, json};

use crate::support::{Api, Flow, Run, Stack, edge, gate, one_gate, spec, transform};

/// A flow whose gate is assigned as the input says, or not assigned.
async fn assigned(stack: &Stack) -> Flow {
    stack
        .flow(|_| {
            let choose = json!({"id": "choose", "type": "decision", "expression": "trigger.open", "cases": {"true": {"next": "anyone"}, "false": {"next": "assigned"}}});
            let assigned = gate("assigned", &json!("${trigger}"), &json!({"assignTo": "${trigger.who}"}));
            let case = |to: &str, case: &str| json!({"from": "choose", "to": to, "case": case});
            spec(&[choose, gate("anyone", &json!("${trigger}"), &json!({})), assigned], &[case("anyone", "true"), case("assigned", "false")])
        })
        .await
}

async fn parked(stack: &Stack, flow: &Flow, who: Option<&str>) -> Run {
    let run = stack.start(flow, &json!({"open": who.is_none(), "who": who})).await;
    run.parked().await;
    run
}

/// The runs whose gates an inbox shows.
async fn seen(api: &Api, flow: &Flow, query: &str) -> Vec<String> {
    let answer = api.get(&format!("/api/approvals?flow={}{query}", flow.id)).await;
    assert_eq!(answer.body["total"], answer.rows().len());
    answer.rows().iter().map(|row| row["runId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_inbox_shows_the_gates_of_an_assignee() {
    let stack = Stack::shared();
    let flow = assigned(&stack).await;
    let anyone = parked(&stack, &flow, None).await.id;
    let role = parked(&stack, &flow, Some("role:reviewer")).await.id;
    let team = parked(&stack, &flow, Some("team:payments")).await.id;
    let grace = parked(&stack, &flow, Some("user:usr_grace")).await.id;
    let boss = parked(&stack, &flow, Some("role:boss")).await.id;
    for (api, query, expected) in [
        (&stack.ada, "", vec![&anyone, &role, &team, &grace, &boss]),
        (&stack.reader, "", vec![&anyone, &role, &team, &grace, &boss]),
        (&stack.ada, "&assignee=me", vec![&anyone, &role, &team]),
        (&stack.grace, "&assignee=me", vec![&anyone, &grace]),
        (&stack.ada, "&assignee=role:reviewer", vec![&role]),
        (&stack.grace, "&assignee=role%3Areviewer", vec![&role]),
        (&stack.ada, "&assignee=team:payments", vec![&team]),
        (&stack.ada, "&assignee=user:usr_grace", vec![&grace]),
        (&stack.ada, "&assignee=role:boss", vec![&boss]),
        (&stack.ada, "&assignee=user:usr_nobody", vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().cloned().collect();
        assert_eq!(seen(api, &flow, query).await, expected, "oldest first: {query}");
    }
}

#[tokio::test]
async fn a_row_shows_what_a_reviewer_needs() {
    let stack = Stack::shared();
    let (flow, run) = stack
        .run(|slug| one_gate(slug, &json!({"actionLabel": "Pay ${trigger.action.amount} €", "assignTo": "role:reviewer", "data": {"why": "ü"}, "requiredApprovals": 2})), &json!({"action": {"amount": 3}}))
        .await;
    let view = run.parked().await;
    run.approve(&json!({"note": "one of two"})).await.data(200);
    let answer = stack.ada.get(&format!("/api/approvals?flow={}", flow.slug)).await;
    let row = &answer.rows()[0];
    assert!(row["id"].as_str().unwrap().starts_with("apr_"));
    assert_eq!(row["id"], view.step("review")["approvalId"]);
    for (name, expected) in [
        ("runId", json!(run.id)),
        ("nodeId", json!("review")),
        ("flowId", json!(flow.id)),
        ("actionLabel", json!("Pay 3 €")),
        ("proposedAction", json!({"amount": 3})),
        ("data", json!({"why": "ü"})),
        ("assignTo", json!("role:reviewer")),
        ("openedAt", view.step("review")["startedAt"].clone()),
        ("expiresAt", view.step("review")["expiresAt"].clone()),
    ] {
        assert_eq!(row[name], expected, "{name}");
    }
    assert_eq!((&row["votes"][0]["actor"], &row["votes"][0]["note"]), (&json!("usr_ada"), &json!("one of two")));
    let opened: jiff::Timestamp = row["openedAt"].as_str().unwrap().parse().unwrap();
    let expires: jiff::Timestamp = row["expiresAt"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires.as_second() - opened.as_second(), 90 * 24 * 3600, "90 days, unless the flow says otherwise");
}

#[tokio::test]
async fn a_gate_leaves_the_inbox_when_it_is_decided() {
    let stack = Stack::shared();
    let flow = stack.flow(|slug| one_gate(slug, &json!({}))).await;
    let (approved, rejected, cancelled, open) =
        (start(&stack, &flow).await, start(&stack, &flow).await, start(&stack, &flow).await, start(&stack, &flow).await);
    assert_eq!(seen(&stack.ada, &flow, "").await.len(), 4);
    approved.approve(&json!({})).await.data(200);
    rejected.reject(&json!({})).await.data(200);
    cancelled.cancel("x").await.data(200);
    assert_eq!(seen(&stack.ada, &flow, "").await, [open.id]);
}

async fn start(stack: &Stack, flow: &Flow) -> Run {
    let run = stack.start(flow, &json!({"action": 1})).await;
    run.parked().await;
    run
}

#[tokio::test]
async fn the_second_gate_leaves_the_inbox_when_the_first_one_ends_the_run() {
    let stack = Stack::shared();
    let (flow, run) = stack
        .run(
            |_| {
                let nodes = [transform("start", &json!(1)), gate("a", &json!(1), &json!({})), gate("b", &json!(2), &json!({}))];
                spec(&nodes, &[edge("start", "a"), edge("start", "b")])
            },
            &json!({}),
        )
        .await;
    run.parked().await;
    assert_eq!(seen(&stack.ada, &flow, "").await.len(), 2);
    stack.ada.post(&run.path("reject"), &json!({"nodeId": "a"})).await.data(200);
    let view = run.wait("failed").await;
    assert!(seen(&stack.ada, &flow, "").await.is_empty());
    assert_eq!(view.statuses(), [("a", "failed"), ("b", "cancelled"), ("start", "succeeded")]);
    assert_eq!(run.approve(&json!({"nodeId": "b"})).await.status, 409);
}

#[tokio::test]
async fn an_inbox_has_pages() {
    let stack = Stack::shared();
    let flow = assigned(&stack).await;
    let mut all = Vec::new();
    for at in 0..5 {
        // Two gates of another assignee among those of Ada: a page is still full.
        let who = if at % 2 == 0 { "role:reviewer" } else { "role:boss" };
        let run = parked(&stack, &flow, Some(who)).await;
        if at % 2 == 0 {
            all.push(run.id);
        }
    }
    let path = format!("/api/approvals?flow={}&assignee=me&limit=2", flow.slug);
    let first = stack.ada.get(&path).await;
    let runs = |answer: &crate::support::ApiResponse| {
        answer.rows().iter().map(|row| row["runId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(runs(&first), all[..2]);
    assert_eq!((&first.body["total"], &first.body["meta"]["pages"]), (&json!(3), &json!(2)));
    let next = first.body["meta"]["nextCursor"].as_str().unwrap();
    let second = stack.ada.get(&format!("{path}&cursor={next}")).await;
    assert_eq!(runs(&second), all[2..]);
    assert_eq!((&second.body["page"], &second.body["meta"]["nextCursor"]), (&json!(2), &Value::Null));
    assert_eq!(runs(&stack.ada.get(&format!("{path}&page=2")).await), all[2..]);
    let of_grace = stack.grace.get(&format!("{path}&cursor={next}")).await;
    assert_eq!(of_grace.faulty_fields(400), ["cursor"], "`me` is another actor there");
}

#[tokio::test]
async fn the_inbox_of_a_flow_that_does_not_exist_is_not_found() {
    let stack = Stack::shared();
    assert_eq!(stack.ada.get("/api/approvals?flow=no-such-flow").await.error(404), "flow not found");
    let flow = stack.flow(|slug| one_gate(slug, &json!({}))).await;
    assert_eq!(stack.other.get(&format!("/api/approvals?flow={}", flow.id)).await.error(404), "flow not found");
}

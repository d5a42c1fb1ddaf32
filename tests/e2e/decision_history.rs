//! The history of decisions: `GET /api/decisions`.

use serde_json::{Value, json};

use crate::support::{Flow, Qe, Stack, eventually, one_gate};

/// Decides one approval in each way. Returns the flow, once the history has all of them.
async fn decided(stack: &Stack) -> Flow {
    let flow = stack.flow(|slug| one_gate(slug, &json!({"actionLabel": "Pay ${trigger.action.amount}", "timeoutHours": 0.0014}))).await;
    let expired = stack.start(&flow, &json!({"action": {"amount": 4}})).await;
    for (amount, how) in [(1, "approve"), (2, "edit"), (3, "reject")] {
        let run = stack.start(&flow, &json!({"action": {"amount": amount}})).await;
        run.parked().await;
        let grace = run.by(&stack.grace);
        let answer = match how {
            "approve" => run.approve(&json!({"note": "as it is"})).await,
            "edit" => run.approve(&json!({"proposedActionOverride": {"amount": 20}})).await,
            _ => grace.reject(&json!({"note": "too much"})).await,
        };
        answer.data(200);
    }
    expired.wait("failed").await;
    eventually("the history has every decision", async || {
        let page = stack.reader.get(&format!("/api/decisions?flow={}", flow.slug)).await;
        (page.body["total"] == 4).then_some(())
    })
    .await;
    flow
}

fn labels(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["actionLabel"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn decisions_are_listed_by_any_combination_of_filters_newest_first() {
    let stack = Stack::shared();
    let flow = decided(&stack).await;
    let list = async |query: &str| stack.reader.get(&format!("/api/decisions?flow={}{query}", flow.id)).await.rows().to_vec();
    for (query, expected) in [
        ("&verdict=approved", vec!["Pay 2", "Pay 1"]),
        ("&verdict=approved&edited=true", vec!["Pay 2"]),
        ("&edited=false&actor=usr_ada", vec!["Pay 1"]),
        ("&actor=usr_grace", vec!["Pay 3"]),
        ("&verdict=expired", vec!["Pay 4"]),
        ("&verdict=expired&actor=usr_ada", vec![]),
        ("&verdict=rejected&edited=true", vec![]),
        ("&to=2020-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(labels(&list(query).await), expected, "{query}");
    }
    let edited = &list("&edited=true").await[0];
    let shown = json!([edited["verdict"], edited["edited"], edited["actor"], edited["note"]]);
    assert_eq!(shown, json!(["approved", true, "usr_ada", null]));
    assert_eq!(edited["flow"], json!({"id": flow.id, "slug": flow.slug, "version": 1}));
    assert_eq!(edited["identity"]["method"], "apiKey");
    assert_ne!(edited["proposedSha256"], edited["decidedSha256"]);
    // From and to are a range of times, the first included and the second not.
    let at = edited["decidedAt"].as_str().unwrap();
    assert!(labels(&list(&format!("&from={at}")).await).contains(&"Pay 2"));
    assert!(!labels(&list(&format!("&to={at}")).await).contains(&"Pay 2"));

    let mut walked = Vec::new();
    let mut path = format!("/api/decisions?flow={}&limit=1", flow.id);
    loop {
        let page = stack.reader.get(&path).await;
        assert_eq!(page.body["total"], 4);
        walked.extend(labels(page.rows()).iter().map(|label| (*label).to_owned()));
        let Some(cursor) = page.body["meta"]["nextCursor"].as_str() else { break };
        path = format!("/api/decisions?flow={}&limit=1&cursor={cursor}", flow.id);
    }
    walked.sort();
    assert_eq!(walked, ["Pay 1", "Pay 2", "Pay 3", "Pay 4"]);

    let by_qe = Qe::with_key("QE_API_KEY").run(&["decisions", "--flow", &flow.slug, "--edited"]).await;
    assert!(by_qe.ok().contains("Pay 2") && by_qe.ok().contains("approved, edited") && !by_qe.ok().contains("Pay 1"), "{by_qe:?}");
}

#[tokio::test]
async fn filters_that_mean_nothing_are_refused_and_nobody_sees_another_organisation() {
    let stack = Stack::shared();
    let bad = stack.reader.get("/api/decisions?verdict=no&edited=yes&from=today&limit=0").await;
    assert_eq!(bad.faulty_fields(400), ["edited", "from", "limit", "verdict"]);
    assert_eq!(stack.reader.get("/api/decisions?flow=there-is-none").await.status, 404);
    let flow = decided(&stack).await;
    assert_eq!(stack.other.get(&format!("/api/decisions?flow={}", flow.id)).await.status, 404);
    let theirs = stack.other.get("/api/decisions?actor=usr_ada").await;
    assert_eq!(theirs.rows(), [] as [Value; 0]);
}

//! The rules of a gate: who may decide, what an override may change, how many approvals are required.

use serde_json::{Value, json};

use crate::support::{Api, Flow, Run, Stack, one_gate};

async fn parked(stack: &Stack, rules: Value, action: Value) -> (Flow, Run) {
    let (flow, run) = stack.run(|slug| one_gate(slug, &rules), &json!({"action": action, "boss": "usr_ada"})).await;
    run.parked().await;
    (flow, run)
}

#[tokio::test]
async fn only_the_assignee_decides() {
    let stack = Stack::shared();
    for assignee in ["role:reviewer", "team:payments", "user:usr_ada", "user:${trigger.boss}"] {
        let (_, run) = parked(&stack, json!({"assignTo": assignee}), json!({"amount": 1})).await;
        let shown = assignee.replace("${trigger.boss}", "usr_ada");
        for answer in [run.by(&stack.grace).approve(&json!({})).await, run.by(&stack.grace).reject(&json!({})).await] {
            assert_eq!(answer.error(403), format!("this approval is assigned to {shown}"));
        }
        assert_eq!(run.view().await.status(), "awaiting_approval");
        assert_eq!(run.approve(&json!({})).await.data(200)["decision"]["actor"], "usr_ada");
        run.wait("succeeded").await;
    }
}

#[tokio::test]
async fn the_actor_who_started_the_run_cannot_decide_if_the_gate_requires_another() {
    let stack = Stack::shared();
    let (_, run) = parked(&stack, json!({"requireDifferentActor": true}), json!({"amount": 1})).await;
    assert_eq!(run.approve(&json!({})).await.error(403), "the actor who started the run may not decide this approval");
    assert_eq!(run.reject(&json!({})).await.error(403), "the actor who started the run may not decide this approval");
    assert_eq!(run.by(&stack.grace).approve(&json!({})).await.data(200)["decision"]["actor"], "usr_grace");
    run.wait("succeeded").await;
}

#[tokio::test]
async fn an_override_must_satisfy_the_schema() {
    let stack = Stack::shared();
    let schema = json!({
        "type": "object",
        "properties": {"amount": {"type": "number", "maximum": 100}, "to": {"type": "object", "properties": {"iban": {"type": "string"}}}},
        "required": ["amount"],
        "additionalProperties": false,
    });
    let proposed = json!({"amount": 50, "to": {"iban": "DE1"}});
    let (flow, run) = parked(&stack, json!({"overrideSchema": schema}), proposed).await;
    for (action, path) in [
        (json!({"amount": 101, "to": {"iban": "DE1"}}), "proposedActionOverride/amount"),
        (json!({"amount": 1, "to": {"iban": 7}}), "proposedActionOverride/to/iban"),
        (json!({"to": {"iban": "DE1"}}), "proposedActionOverride"),
        (json!({"amount": 1, "extra": true}), "proposedActionOverride"),
        (json!("pay"), "proposedActionOverride"),
    ] {
        let answer = run.approve(&json!({"proposedActionOverride": action})).await;
        assert_eq!(answer.faulty_fields(422), [path], "{action}");
        assert_eq!(answer.error(422), "the override is not allowed");
    }
    assert_eq!(run.view().await.status(), "awaiting_approval");
    run.approve(&json!({"proposedActionOverride": {"amount": 100}})).await.data(200);
    run.wait("succeeded").await;
    assert_eq!(*stack.echo.only(&format!("/{}/execute", flow.slug)).await.body(), json!({"amount": 100}));
}

#[tokio::test]
async fn an_override_changes_only_what_may_be_edited() {
    let stack = Stack::shared();
    let proposed = json!({"amount": 50, "to": {"iban": "DE1", "name": "Ada"}, "tags": ["a", "b"], "a/b": 1});
    let rules = json!({"allowedEdits": ["/amount", "/to/name", "/a~1b"]});
    let (flow, run) = parked(&stack, rules, proposed.clone()).await;
    let edited = |pointer: &str, value: Value| {
        let mut action = proposed.clone();
        *action.pointer_mut(pointer).unwrap() = value;
        action
    };
    for (action, paths) in [
        (edited("/to/iban", json!("DE2")), vec!["proposedActionOverride/to/iban"]),
        (edited("/tags/1", json!("c")), vec!["proposedActionOverride/tags/1"]),
        (edited("/to", json!(null)), vec!["proposedActionOverride/to"]),
        (json!({"amount": 50}), vec!["proposedActionOverride/tags", "proposedActionOverride/to"]),
        (json!([]), vec!["proposedActionOverride"]),
    ] {
        assert_eq!(run.approve(&json!({"proposedActionOverride": action})).await.faulty_fields(422), paths, "{action}");
    }
    let mut allowed = edited("/to/name", json!("Grace"));
    allowed["amount"] = json!(1);
    allowed["a/b"] = json!({"c": 2});
    run.approve(&json!({"proposedActionOverride": allowed})).await.data(200);
    run.wait("succeeded").await;
    assert_eq!(*stack.echo.only(&format!("/{}/execute", flow.slug)).await.body(), allowed);
}

#[tokio::test]
async fn a_gate_with_no_allowed_edits_accepts_no_edit() {
    let stack = Stack::shared();
    let (_, run) = parked(&stack, json!({"allowedEdits": []}), json!({"amount": 50})).await;
    let answer = run.approve(&json!({"proposedActionOverride": {"amount": 51}})).await;
    assert_eq!(answer.faulty_fields(422), ["proposedActionOverride/amount"]);
    run.approve(&json!({"proposedActionOverride": {"amount": 50}})).await.data(200);
    run.wait("succeeded").await;
}

#[tokio::test]
async fn two_approvals_are_by_two_people_for_the_same_action() {
    let stack = Stack::shared();
    let (flow, run) = parked(&stack, json!({"requiredApprovals": 2}), json!({"amount": 50})).await;
    let forty = json!({"proposedActionOverride": {"amount": 40}, "note": "forty will do"});

    let first = run.approve(&forty).await;
    assert_eq!(first.data(200)["decision"], Value::Null);
    assert_eq!(first.data(200)["run"]["status"], "awaiting_approval");
    let votes = &first.data(200)["votes"];
    assert_eq!((votes.as_array().unwrap().len(), &votes[0]["actor"], &votes[0]["note"]), (1, &json!("usr_ada"), &json!("forty will do")));

    let again = run.approve(&forty).await;
    assert_eq!(again.data(200)["votes"], *votes, "a second vote by the same person does not count");
    assert_eq!(run.approve(&json!({})).await.error(409), "this approval was approved already");
    let other = run.by(&stack.grace).approve(&json!({})).await;
    let message =
        "others have approved a different action; all approvals must be for the same one, which `votes` shows and `actionSha256` approves";
    assert_eq!(other.error(409), message);
    assert!(stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await.is_empty());
    assert_eq!(run.view().await.step("review")["votes"], *votes);

    let second = run.by(&stack.grace).approve(&json!({"proposedActionOverride": {"amount": 40}})).await;
    assert_eq!(second.data(200)["decision"]["decision"], "approved");
    assert_eq!(second.data(200)["votes"].as_array().unwrap().len(), 2);
    run.wait("succeeded").await;
    assert_eq!(*stack.echo.only(&format!("/{}/execute", flow.slug)).await.body(), json!({"amount": 40}));
    assert_eq!(run.approve(&forty).await.data(200)["decision"]["decision"], "approved", "the first voter repeats what is on record");
}

#[tokio::test]
async fn the_second_reviewer_sees_the_edited_action_and_approves_it_by_its_hash() {
    let stack = Stack::shared();
    let (flow, run) = parked(&stack, json!({"requiredApprovals": 2}), json!({"amount": 50, "to": "Ada"})).await;
    let edited = json!({"amount": 40, "to": "Ada"});
    run.approve(&json!({"proposedActionOverride": edited})).await.data(200);

    let inbox = stack.grace.get(&format!("/api/approvals?flow={}", flow.slug)).await;
    let vote = inbox.rows()[0]["votes"][0].clone();
    let patch = json!([{"op": "replace", "path": "/amount", "value": 40}]);
    assert_eq!((&vote["action"], &vote["patch"]), (&edited, &patch));
    assert_eq!(run.view().await.step("review")["votes"][0], vote);

    let grace = run.by(&stack.grace);
    let unknown = grace.approve(&json!({"actionSha256": "0".repeat(64)})).await;
    assert_eq!(unknown.error(409), "neither the proposed action nor the votes have this SHA-256");
    let both = grace.approve(&json!({"actionSha256": vote["actionSha256"], "proposedActionOverride": edited})).await;
    assert_eq!(both.faulty_fields(422), ["actionSha256"]);
    assert_eq!(grace.approve(&json!({"actionSha256": "40"})).await.faulty_fields(400), ["actionSha256"]);
    let second = grace.approve(&json!({"actionSha256": vote["actionSha256"]})).await;
    assert_eq!(second.data(200)["decision"]["decidedAction"], edited);
    run.wait("succeeded").await;
    assert_eq!(*stack.echo.only(&format!("/{}/execute", flow.slug)).await.body(), edited);
}

#[tokio::test]
async fn a_large_edited_action_is_a_reference_in_the_vote() {
    let stack = Stack::shared();
    let (_, run) = parked(&stack, json!({"requiredApprovals": 2}), json!({"text": "x".repeat(150_000), "amount": 50})).await;
    let edited = json!({"text": "x".repeat(150_000), "amount": 40});
    let first = run.approve(&json!({"proposedActionOverride": edited})).await;
    let vote = &first.data(200)["votes"][0];
    assert_eq!((&vote["actionRef"]["sha256"], vote.get("action")), (&vote["actionSha256"], None));
    assert_eq!(vote["patch"], json!([{"op": "replace", "path": "/amount", "value": 40}]));
    let second = run.by(&stack.grace).approve(&json!({"actionSha256": vote["actionSha256"]})).await;
    assert_eq!(second.data(200)["decision"]["decidedSha256"], vote["actionSha256"]);
    run.wait("succeeded").await;
}

#[tokio::test]
async fn a_dry_run_validates_an_approval_and_records_nothing() {
    let stack = Stack::shared();
    let (flow, run) = parked(&stack, json!({"allowedEdits": ["/amount"]}), json!({"amount": 50, "to": "Ada"})).await;
    let path = format!("/api/runs/{}/approve?dryRun=true", run.id);
    let good = json!({"proposedActionOverride": {"amount": 40, "to": "Ada"}});
    let checked = stack.ada.post(&path, &good).await;
    assert_eq!((&checked.data(200)["dryRun"], &checked.data(200)["decision"]["decision"]), (&json!(true), &json!("approved")));
    let bad = json!({"proposedActionOverride": {"amount": 40, "to": "Eve"}});
    assert_eq!(stack.ada.post(&path, &bad).await.faulty_fields(422), ["proposedActionOverride/to"]);
    assert_eq!(stack.ada.post(&path.replace("true", "yes"), &good).await.faulty_fields(400), ["dryRun"]);
    assert_eq!(run.view().await.step("review")["status"], "awaiting_approval");
    assert!(stack.echo.sent_to(&format!("/{}/execute", flow.slug)).await.is_empty());
    run.approve(&good).await.data(200);
    run.wait("succeeded").await;
}

#[tokio::test]
async fn one_rejection_ends_a_vote() {
    let stack = Stack::shared();
    let (_, run) = parked(&stack, json!({"requiredApprovals": 2}), json!({"amount": 50})).await;
    run.approve(&json!({})).await.data(200);
    run.by(&stack.grace).reject(&json!({"note": "no"})).await.data(200);
    let view = run.wait("failed").await;
    assert_eq!(view.error(), "rejected by usr_grace: no");
    assert_eq!(view.step("review")["votes"].as_array().unwrap().len(), 1, "who had approved stays on record");
}

#[tokio::test]
async fn an_action_that_is_too_large_to_be_reviewed_is_refused() {
    let stack = Stack::shared();
    let (_, run) = parked(&stack, json!({}), json!({"amount": 50})).await;
    let large = json!({"proposedActionOverride": {"text": "x".repeat(1024 * 1024)}});
    assert_eq!(run.approve(&large).await.error(413), "the override has more than 1048576 bytes");
    assert_eq!(run.approve(&json!({"note": "x".repeat(4 * 1024 * 1024)})).await.status, 413);
    assert_eq!(run.reject(&json!({"note": "x".repeat(129 * 1024)})).await.status, 413);
    assert_eq!(run.view().await.status(), "awaiting_approval");

    let (_, run) = stack.run(|slug| one_gate(slug, &json!({})), &json!({"action": "x".repeat(1024 * 1024)})).await;
    let view = run.wait("failed").await;
    assert!(view.error().contains("more than the 1048576 a reviewer can be shown"), "{}", view.error());
}

/// Makes a key of a reviewer with Grace's key. The reviewer is the same person as Grace, and another one than Ada.
async fn reviewer(stack: &Stack) -> Api {
    let key =
        json!({"name": "A second reviewer", "actor": "usr_second_reviewer", "roles": ["reviewer"], "scopes": ["runs:read", "runs:write"]});
    let secret = stack.grace.post("/api/api-keys", &key).await.data(201)["apiKey"]["key"].as_str().unwrap().to_owned();
    stack.without_key.authorized_by(&format!("Bearer {secret}"))
}

#[tokio::test]
async fn a_quorum_by_groups_needs_one_person_for_each_place() {
    let stack = Stack::shared();
    let second = reviewer(&stack).await;
    let groups = json!([{"from": "role:reviewer", "count": 1}, {"from": "user:usr_ada", "count": 1}]);
    let (_, run) = parked(&stack, json!({"requiredApprovals": groups}), json!({"amount": 1})).await;
    for answer in [run.by(&stack.grace).approve(&json!({})).await, run.by(&stack.grace).reject(&json!({})).await] {
        assert_eq!(answer.error(403), "the approvals that are missing here must come from role:reviewer or user:usr_ada");
    }
    // Ada can fill both places, and fills the one that nobody else can.
    let first = run.approve(&json!({})).await;
    let shown = &first.data(200)["votes"][0]["groups"];
    assert_eq!((&first.data(200)["decision"], shown), (&Value::Null, &json!(["role:reviewer", "user:usr_ada"])));
    let votes = run.approve(&json!({})).await.data(200)["votes"].clone();
    assert_eq!(votes.as_array().unwrap().len(), 1, "one person fills one place");
    assert_eq!(run.by(&second).approve(&json!({})).await.data(200)["decision"]["decision"], "approved");
    run.wait("succeeded").await;

    let groups = json!([{"from": "role:reviewer"}, {"from": "user:usr_grace"}]);
    let (_, run) = parked(&stack, json!({"requiredApprovals": groups}), json!({"amount": 1})).await;
    run.approve(&json!({})).await.data(200);
    for answer in [run.by(&second).approve(&json!({})).await, run.by(&second).reject(&json!({})).await] {
        assert_eq!(answer.error(403), "the approvals that are missing here must come from user:usr_grace");
    }
    assert_eq!(run.by(&stack.grace).reject(&json!({})).await.data(200)["decision"]["decision"], "rejected");
    run.wait("failed").await;
}

//! `qe`, the command line client.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Ended, Qe, Stack, approval_flow, edge, gate, spec, transform, unique};

fn file_of(value: &Value) -> PathBuf {
    let file = std::env::temp_dir().join(format!("{}.json", unique("qe")));
    std::fs::write(&file, value.to_string()).unwrap();
    file
}

async fn apply(qe: &Qe, flow: &Value, more: &[&str]) -> Ended {
    let file = file_of(flow);
    let ended = qe.run(&[&["flows", "apply", file.to_str().unwrap()], more].concat()).await;
    std::fs::remove_file(file).unwrap();
    ended
}

fn canonical(slug: &str) -> Value {
    json!({"slug": slug, "name": "Refunds", "spec": approval_flow(slug, &json!({}))})
}

const INPUT: &str = r#"{"ticket": 17, "draft": {"action": "refund", "amount": 129}}"#;

/// A run of the canonical flow that waits for a decision.
async fn parked(qe: &Qe) -> (String, String) {
    let slug = unique("qe");
    apply(qe, &canonical(&slug), &[]).await.ok();
    let run = qe.run(&["runs", "start", &slug, "--input", INPUT]).await.ok().to_owned();
    let waiting = qe.run(&["runs", "watch", &run, "--until-approval"]).await;
    assert_eq!(waiting.failed(7), format!("qe: {run} waits for a decision"));
    (slug, run)
}

#[tokio::test]
async fn a_file_can_be_applied_repeatedly() {
    let qe = Qe::with_key("QE_API_KEY");
    let slug = unique("qe");
    let mut flow = json!({"slug": slug, "name": "First", "spec": spec(&[transform("a", &json!(1))], &[])});

    apply(&qe, &flow, &["--dry-run"]).await.ok();
    assert_eq!(qe.run(&["flows", "show", &slug]).await.code, 3, "a dry run creates nothing");
    assert_eq!(apply(&qe, &flow, &[]).await.ok(), format!("{slug} created: version 1, active"));
    assert_eq!(apply(&qe, &flow, &[]).await.ok(), format!("{slug} is as the file says (version 1)"));

    flow["spec"] = spec(&[transform("a", &json!(2))], &[]);
    let changed = apply(&qe, &flow, &[]).await;
    assert!(changed.ok().contains("-         \"output\": 1") && changed.ok().contains("+         \"output\": 2"), "{changed:?}");
    assert!(changed.ok().ends_with(&format!("{slug} changed: version 2, active")), "{changed:?}");
    assert!(qe.run(&["flows", "list", "--limit", "100"]).await.ok().contains(&slug));
    let shown = qe.run(&["flows", "show", &slug, "--json"]).await.json();
    assert_eq!(shown["version"], 2);
    assert_eq!(apply(&qe, &shown, &[]).await.ok(), format!("{slug} is as the file says (version 2)"), "what was shown can be applied");
}

#[tokio::test]
async fn a_problem_in_a_file_is_reported_at_its_path() {
    let qe = Qe::with_key("QE_API_KEY");
    let slug = unique("qe");
    let bad = json!({"slug": slug, "name": "Bad", "spec": spec(&[json!({"id": "a", "type": "transfrom"})], &[])});
    let ended = apply(&qe, &bad, &[]).await;
    assert!(ended.failed(3).starts_with("qe: validation failed (400)\n  spec.nodes[0].type: "), "{ended:?}");
    assert_eq!(qe.run(&["flows", "apply", "/nowhere.json"]).await.failed(2), "qe: /nowhere.json: No such file or directory (os error 2)");
    assert!(apply(&qe, &json!({"name": "No slug"}), &[]).await.failed(2).contains("names no `slug`"));
}

#[tokio::test]
async fn a_run_is_started_watched_approved_with_an_override_and_shown() {
    let qe = Qe::with_key("QE_API_KEY");
    let stack = Stack::shared();
    let (slug, run) = parked(&qe).await;

    let inbox = qe.run(&["approvals", "--flow", &slug]).await;
    assert!(inbox.ok().contains(&run) && inbox.ok().contains(r#"{"action":"refund","amount":129}"#), "{inbox:?}");
    let shown = qe.run(&["runs", "show", &run]).await;
    assert!(shown.ok().contains("review waits for a decision:") && shown.ok().contains("\"amount\": 129"), "{shown:?}");

    let unasked = qe.run(&["runs", "approve", &run]).await;
    assert!(unasked.failed(2).contains("there is no terminal for a question"), "{unasked:?}");
    let decided = json!({"action": "refund", "amount": 79});
    let approved =
        qe.run_with_input(&["runs", "approve", &run, "--override", "-", "--note", "partial", "--yes"], &decided.to_string()).await;
    assert!(approved.ok().contains("-   \"amount\": 129") && approved.ok().contains("+   \"amount\": 79"), "{approved:?}");
    assert!(approved.ok().contains("approved by usr_ada"), "{approved:?}");

    let watched = qe.run(&["runs", "watch", &run]).await;
    assert!(watched.ok().ends_with(&format!("{run} succeeded")), "{watched:?}");
    assert_eq!(*stack.echo.only(&format!("/{slug}/execute")).await.body(), decided);
    let shown = qe.run(&["runs", "show", &run]).await;
    assert!(shown.ok().contains("approved by usr_ada, edited: partial"), "{shown:?}");
    let listed = qe.run(&["runs", "list", &slug, "--status", "succeeded", "--trigger", "manual", "--json"]).await.json();
    assert_eq!(listed[0]["id"], run);
    assert_eq!(qe.run(&["runs", "list", &slug, "--to", "2020-01-01T00:00:00Z", "--json"]).await.json(), json!([]));
}

#[tokio::test]
async fn the_proposed_action_is_edited_in_an_editor_and_the_difference_is_confirmed() {
    let qe = Qe::with_key("QE_API_KEY");
    let stack = Stack::shared();
    let (slug, run) = parked(&qe).await;
    let edited = {
        let (qe, run) = (qe.clone(), run.clone());
        tokio::task::spawn_blocking(move || {
            let mut command = std::process::Command::new(Qe::binary());
            command.args(["runs", "approve", &run, "--edit"]).envs(qe.environment());
            command.env_remove("VISUAL").env("EDITOR", "sed -i s/129/99/").env("NO_COLOR", "1").env("TERM", "dumb");
            let mut terminal = rexpect::session::spawn_command(command, Some(60_000)).unwrap();
            let before = terminal.exp_string("Approve it with this change?").unwrap();
            terminal.send("y").unwrap();
            terminal.flush().unwrap();
            before + &terminal.exp_eof().unwrap()
        })
    };
    let screen = edited.await.unwrap();
    assert!(screen.contains("-   \"amount\": 129") && screen.contains("+   \"amount\": 99"), "{screen}");
    assert!(screen.contains("approved by usr_ada"), "{screen}");
    assert_eq!(qe.run(&["runs", "watch", &run]).await.code, 0);
    assert_eq!(*stack.echo.only(&format!("/{slug}/execute")).await.body(), json!({"action": "refund", "amount": 99}));
}

#[tokio::test]
async fn an_action_that_is_too_large_to_be_shown_is_fetched_and_approved() {
    let qe = Qe::with_key("QE_API_KEY");
    let stack = Stack::shared();
    let action = json!({"text": "x".repeat(150_000)});
    let (_, run) = stack.run(|slug| crate::support::one_gate(slug, &json!({})), &json!({"action": action})).await;
    run.parked().await;
    let approved = qe.run(&["runs", "approve", &run.id, "--yes", "--json"]).await.json();
    assert_eq!(approved["decision"]["proposedSha256"], approved["decision"]["decidedSha256"]);
    run.wait("succeeded").await;
}

#[tokio::test]
async fn exit_codes_say_how_a_run_ended() {
    let qe = Qe::with_key("QE_API_KEY");
    let (_, run) = parked(&qe).await;
    assert!(qe.run(&["runs", "reject", &run, "--note", "no"]).await.failed(2).contains("there is no terminal for a question"));
    let rejected = qe.run(&["runs", "reject", &run, "--note", "no", "--yes"]).await;
    assert!(rejected.ok().contains("rejected by usr_ada") && !rejected.ok().contains("what will be executed"), "{rejected:?}");
    assert!(qe.run(&["runs", "watch", &run]).await.failed(1).contains(" failed: "));
    assert_eq!(qe.run(&["runs", "cancel", &run]).await.code, 3, "what has ended cannot be cancelled");
    let (_, run) = parked(&qe).await;
    assert_eq!(qe.run(&["runs", "cancel", &run, "--reason", "a test"]).await.ok(), format!("{run} cancelled"));
    assert_eq!(qe.run(&["runs", "watch", &run]).await.failed(6), format!("qe: {run} was cancelled"));
    let (_, run) = parked(&qe).await;
    let late = qe.run(&["runs", "watch", &run, "--timeout", "0"]).await;
    assert!(late.failed(7).ends_with(&format!("qe: {run} is not done after 0 s")), "{late:?}");

    assert_eq!(qe.run(&["runs", "show", "run_00000000000000000000000000"]).await.failed(3), "qe: run not found (404)");
    assert_eq!(qe.run(&["runs", "start", "no-such-flow"]).await.code, 3);
    assert_eq!(qe.run(&["runs", "start", "x", "--input", "{"]).await.code, 2);
    assert_eq!(qe.run(&["runs", "dance"]).await.code, 2);
    let stranger = qe.with_secret(&format!("qe_sk_sandbox_{}", "a".repeat(32)));
    assert_eq!(stranger.run(&["flows", "list"]).await.failed(4), "qe: missing or invalid Bearer (401)");
    let reader = Qe::with_key("QE_READ_API_KEY");
    assert_eq!(reader.run(&["runs", "cancel", &run]).await.failed(4), "qe: missing scope: runs:write (403)");
    assert!(qe.at("http://127.0.0.1:1").run(&["flows", "list"]).await.failed(5).starts_with("qe: the API could not be reached: "));
    assert!(qe.at("").run(&["flows", "list"]).await.failed(2).starts_with("qe: QE_BASE_URL is not set: "));
}

#[tokio::test]
async fn with_several_approvals_open_one_must_be_named() {
    let qe = Qe::with_key("QE_API_KEY");
    let stack = Stack::shared();
    let flow = |_: &str| {
        let nodes =
            [transform("begin", &json!(1)), gate("left", &json!({"l": 1}), &json!({})), gate("right", &json!({"r": 1}), &json!({}))];
        spec(&nodes, &[edge("begin", "left"), edge("begin", "right")])
    };
    let (_, run) = stack.run(flow, &json!({})).await;
    run.wait_for_step("left", "awaiting_approval").await;
    run.wait_for_step("right", "awaiting_approval").await;
    let which = qe.run(&["runs", "approve", &run.id, "--yes"]).await;
    assert_eq!(which.failed(3), "qe: several approvals are open; name one with --node: left, right");
    assert_eq!(qe.run(&["runs", "approve", &run.id, "--yes", "--node", "begin"]).await.code, 3);
    qe.run(&["runs", "approve", &run.id, "--yes", "--node", "left"]).await.ok();
    qe.run(&["runs", "approve", &run.id, "--yes"]).await.ok();
    run.wait("succeeded").await;
}

/// A run of the canonical flow with a rule that refuses edits of the action's name.
async fn parked_with(rules: &Value) -> (String, String) {
    let qe = Qe::with_key("QE_API_KEY");
    let slug = unique("qe");
    let flow = json!({"slug": slug, "name": "Refunds", "spec": approval_flow(&slug, rules)});
    apply(&qe, &flow, &[]).await.ok();
    let run = qe.run(&["runs", "start", &slug, "--input", INPUT]).await.ok().to_owned();
    qe.run(&["runs", "watch", &run, "--until-approval"]).await.failed(7);
    (slug, run)
}

#[tokio::test]
async fn a_reviewer_sees_the_context_of_the_action() {
    let qe = Qe::with_key("QE_API_KEY");
    let (_, run) = parked_with(&json!({"data": {"customer": "cus_481"}})).await;
    let shown = qe.run(&["runs", "approve", &run, "--yes"]).await;
    assert!(shown.ok().contains("data:\n{\n  \"customer\": \"cus_481\"\n}"), "{shown:?}");
}

#[tokio::test]
async fn a_dry_run_is_validated_by_the_api_and_changes_nothing() {
    let qe = Qe::with_key("QE_API_KEY");
    let (_, run) = parked_with(&json!({"allowedEdits": ["/amount"]})).await;
    let dry = async |action: &str| qe.run(&["runs", "approve", &run, "--override", action, "--dry-run"]).await;
    assert!(dry(r#"{"action": "refund", "amount": 99}"#).await.ok().ends_with("nothing was recorded"));
    let refused = dry(r#"{"action": "gift", "amount": 99}"#).await;
    assert!(refused.failed(1).contains("proposedActionOverride/action: "), "{refused:?}");
    assert!(qe.run(&["runs", "show", &run]).await.ok().contains("review waits for a decision:"));

    let slug = unique("qe");
    let bad = json!({"slug": slug, "name": "Bad", "spec": spec(&[json!({"id": "a", "type": "transfrom"})], &[])});
    let refused = apply(&qe, &bad, &["--dry-run"]).await;
    assert!(refused.failed(1).starts_with("qe: validation failed (400)\n  spec.nodes[0].type: "), "{refused:?}");
}

#[tokio::test]
async fn a_refused_edit_is_kept_and_opened_again() {
    let qe = Qe::with_key("QE_API_KEY");
    let (_, run) = parked_with(&json!({"allowedEdits": ["/amount"]})).await;
    let temporary = std::env::temp_dir().join(unique("qe-edit"));
    std::fs::create_dir_all(&temporary).unwrap();
    let edited = {
        let (qe, run, temporary) = (qe.clone(), run.clone(), temporary.clone());
        tokio::task::spawn_blocking(move || {
            let mut command = std::process::Command::new(Qe::binary());
            command.args(["runs", "approve", &run, "--edit"]).envs(qe.environment()).env("TMPDIR", &temporary);
            // The edit is refused, because it also changes the name. The second one begins with the text of the first.
            command.env_remove("VISUAL").env("EDITOR", "sed -i -e s/129/99/ -e s/refund/refunded/");
            command.env("NO_COLOR", "1").env("TERM", "dumb");
            let mut terminal = rexpect::session::spawn_command(command, Some(60_000)).unwrap();
            let mut screen = String::new();
            for (question, reply) in [("Approve it", "y"), ("Edit it again?", "y"), ("Approve it", "y"), ("Edit it again?", "n")] {
                screen += &terminal.exp_string(question).unwrap();
                terminal.send(reply).unwrap();
                terminal.flush().unwrap();
            }
            screen + &terminal.exp_eof().unwrap()
        })
    };
    let screen = edited.await.unwrap();
    assert!(screen.contains("proposedActionOverride/action") && screen.contains("your edit is kept in"), "{screen}");
    assert!(screen.contains("refundeded"), "the second edit begins with the first: {screen}");
    let kept: Vec<_> = std::fs::read_dir(&temporary).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file()).collect();
    let text = std::fs::read_to_string(kept.iter().find(|path| path.to_string_lossy().contains(&run)).unwrap()).unwrap();
    assert!(text.contains("\"amount\": 99"), "{text}");
    std::fs::remove_dir_all(&temporary).unwrap();
    assert!(qe.run(&["runs", "show", &run]).await.ok().contains("review waits for a decision:"), "nothing was approved");
}

#[tokio::test]
async fn watching_a_run_says_that_it_waits_for_a_person_and_how_to_decide() {
    let qe = Qe::with_key("QE_API_KEY");
    let (_, run) = parked(&qe).await;
    let watched = qe.run(&["runs", "watch", &run, "--timeout", "1"]).await;
    let said = watched.failed(7);
    assert!(said.contains(&format!("{run} waits for ")), "{said}");
    assert!(
        said.contains(&format!("qe runs approve {run} --node review --edit"))
            && said.contains(&format!("qe runs reject {run} --node review")),
        "{said}"
    );
    assert_eq!(said.matches("waits for").count(), 1, "it says so once");
}

#[tokio::test]
async fn the_secret_of_a_trigger_is_never_written_to_a_file_or_a_pipe() {
    let qe = Qe::with_key("QE_API_KEY");
    let slug = unique("qe");
    let flow = json!({"slug": slug, "name": "Hook", "triggerType": "webhook", "spec": spec(&[transform("a", &json!(1))], &[])});
    let created = apply(&qe, &flow, &["--json"]).await;
    let shown = qe.run(&["flows", "show", &slug, "--json"]).await;
    for printed in [created.ok(), shown.ok()] {
        assert!(printed.contains("wht_") && !printed.contains("whsec_") && !printed.contains("webhookSecret"), "{printed}");
    }
    let refused = qe.run(&["flows", "show", &slug, "--secret"]).await;
    assert!(refused.failed(2).contains("terminal only") && refused.stdout.is_empty(), "{refused:?}");
}

#[tokio::test]
async fn a_failed_run_is_run_again() {
    let qe = Qe::with_key("QE_API_KEY");
    for command in [&["runs", "retry"][..], &["retry"]] {
        let (_, run) = parked(&qe).await;
        qe.run(&["runs", "reject", &run, "--yes"]).await.ok();
        qe.run(&["runs", "watch", &run]).await.failed(1);
        let again = qe.run(&[command, &[run.as_str(), "--json"]].concat()).await.json();
        assert_eq!((&again["retryOf"], &again["trigger"]), (&json!(run), &json!("manual")));
    }
}

#[tokio::test]
async fn keys_connections_and_webhooks_are_managed() {
    let qe = Qe::with_key("QE_API_KEY");
    let created = qe.run(&["keys", "create", "--name", "Import", "--actor", "import", "--scope", "runs:read", "--json"]).await.json();
    let (id, secret) = (created["id"].as_str().unwrap(), created["key"].as_str().unwrap());
    assert!(qe.run(&["keys", "list", "--limit", "100"]).await.ok().contains(id));
    assert_eq!(qe.with_secret(secret).run(&["flows", "list"]).await.code, 4, "its scope is runs:read");
    assert_eq!(qe.run(&["keys", "revoke", id]).await.code, 2, "it asks");
    assert_eq!(qe.run(&["keys", "revoke", id, "--yes"]).await.ok(), format!("{id} revoked"));
    assert!(qe.with_secret(secret).run(&["approvals"]).await.failed(4).contains("missing or invalid Bearer"));

    let service = format!("custom:{}", unique("qe"));
    let echo = &Stack::shared().echo.url;
    let put = ["connections", "put", &service, "--base-url", echo, "--health-path", "/health"];
    assert!(qe.run_with_input(&put, "not-a-real-key\n").await.ok().contains(&service));
    assert!(qe.run(&["connections", "list", "--limit", "100"]).await.ok().contains(&service));
    assert_eq!(qe.run(&["connections", "check", &service]).await.ok(), format!("{service} is healthy"));
    assert_eq!(qe.run(&["connections", "delete", &service, "--yes"]).await.ok(), format!("{service} deleted"));
    assert_eq!(qe.run(&["connections", "check", &service]).await.failed(3), "qe: service connection not found (404)");

    let url = format!("{echo}/qe-hook");
    let hook = qe.run(&["webhooks", "create", &url, "--event", "nothing.*", "--json"]).await.json();
    let id = hook["id"].as_str().unwrap();
    assert!(hook["secret"].as_str().unwrap().starts_with("whsec_"));
    assert!(qe.run(&["webhooks", "list", "--limit", "100"]).await.ok().contains(id));
    let rotated = qe.run(&["webhooks", "rotate-secret", id, "--yes"]).await;
    assert!(rotated.ok().starts_with("whsec_") && rotated.ok() != hook["secret"], "{rotated:?}");
    let sent = qe.run(&["webhooks", "test", id, "--json"]).await.json();
    let delivery = sent["id"].as_str().unwrap();
    crate::support::eventually("the delivery", async || {
        qe.run(&["webhooks", "deliveries", id]).await.ok().contains("succeeded").then_some(())
    })
    .await;
    assert!(qe.run(&["webhooks", "redeliver", id, delivery]).await.ok().contains(delivery));
    assert_eq!(qe.run(&["webhooks", "delete", id, "--yes"]).await.ok(), format!("{id} deleted"));
    assert_eq!(qe.run(&["webhooks", "delete", "../api-keys", "--yes"]).await.code, 2);
}

#[tokio::test]
async fn a_profile_stands_for_an_address_and_a_key() {
    let qe = Qe::with_key("QE_API_KEY");
    let file = std::env::temp_dir().join(unique("qe-profiles")).join("profiles.json");
    let run = async |arguments: &[&str], input: &str| qe.run_with_profiles(&file, arguments, input).await;
    let [(_, base_url), (_, key)] = qe.environment();
    assert!(run(&["flows", "list"], "").await.failed(2).contains("QE_BASE_URL is not set"));
    run(&["profiles", "set", "local", "--base-url", base_url], key).await.ok();
    run(&["flows", "list"], "").await.ok();
    run(&["profiles", "set", "other", "--base-url", "http://127.0.0.1:1"], key).await.ok();
    assert_eq!(run(&["flows", "list", "--profile", "other"], "").await.code, 5);
    run(&["profiles", "use", "other"], "").await.ok();
    assert_eq!(run(&["flows", "list"], "").await.code, 5);
    let listed = run(&["profiles", "list"], "").await;
    assert!(listed.ok().contains("local") && !listed.ok().contains(key), "{listed:?}");
    run(&["profiles", "remove", "other"], "").await.ok();
    assert_eq!(run(&["flows", "list", "--profile", "other"], "").await.code, 2);
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
}

#[tokio::test]
async fn a_key_knows_whose_it_is() {
    let qe = Qe::with_key("QE_API_KEY");
    let shown = qe.run(&["whoami"]).await;
    assert!(shown.ok().contains("usr_ada") && shown.ok().contains("the environment") && shown.ok().contains("org_"), "{shown:?}");
    assert_eq!(qe.run(&["whoami", "--json"]).await.json()["caller"]["apiKey"]["actor"], "usr_ada");
}

#[tokio::test]
async fn a_shell_gets_its_completions() {
    let qe = Qe::with_key("QE_API_KEY");
    for shell in ["bash", "zsh", "fish"] {
        assert!(qe.run(&["completions", shell]).await.ok().contains("idempotency-key"), "{shell}");
    }
}

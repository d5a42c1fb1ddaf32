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
    assert!(unasked.failed(2).contains("there is no terminal to ask"), "{unasked:?}");
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
    assert!(qe.run(&["runs", "reject", &run, "--note", "no"]).await.ok().starts_with("rejected by usr_ada"));
    assert!(qe.run(&["runs", "watch", &run]).await.failed(1).contains(" failed: "));
    assert_eq!(qe.run(&["runs", "cancel", &run]).await.code, 3, "what has ended cannot be cancelled");
    let (_, run) = parked(&qe).await;
    assert_eq!(qe.run(&["runs", "cancel", &run, "--reason", "a test"]).await.ok(), format!("{run} cancelled"));
    assert_eq!(qe.run(&["runs", "watch", &run]).await.failed(6), format!("qe: {run} was cancelled"));
    let (_, run) = parked(&qe).await;
    let late = qe.run(&["runs", "watch", &run, "--timeout", "0"]).await;
    assert_eq!(late.failed(7), format!("qe: {run} is not done after 0 s"));

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

#[tokio::test]
async fn a_shell_gets_its_completions() {
    let qe = Qe::with_key("QE_API_KEY");
    for shell in ["bash", "zsh", "fish"] {
        assert!(qe.run(&["completions", shell]).await.ok().contains("idempotency-key"), "{shell}");
    }
}

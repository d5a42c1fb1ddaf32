//! What may start when: chains, joins, branches, routes, gates, retries, and a run that winds down.

mod common;

use common::{Story, at, decision, gate, task};
use domain::gate::Verdict;
use domain::run::{Exit, NodeStatus, Plan, RunStatus, TransitionError};
use serde_json::{Value, json};

fn tasks(ids: &str) -> Vec<Value> {
    ids.split_whitespace().map(|id| task(id, json!({}))).collect()
}

#[test]
fn a_chain_goes_one_node_at_a_time_and_then_succeeds() {
    let mut story = Story::of(&tasks("a b c"), "a>b b>c");
    for node in ["a", "b", "c"] {
        assert_eq!(story.ready(), node);
        story.start(node);
        assert_eq!(story.ready(), "", "nothing else while {node} is under way");
        assert_eq!(story.run.status, RunStatus::Running);
        story.wait_until(7).finish(node);
    }
    assert_eq!((story.run.status, story.run.finished_at), (RunStatus::Succeeded, Some(at(7))));
}

#[test]
fn a_flow_of_one_node_ends_with_it() {
    let mut story = Story::of(&tasks("only"), "");
    assert_eq!(story.ready(), "only");
    story.run_through("only");
    assert_eq!(story.run.status, RunStatus::Succeeded);
}

#[test]
fn the_order_in_which_nodes_stand_in_the_spec_does_not_matter() {
    let mut spec = common::spec_json(&tasks("c a b"), "a>b b>c");
    spec["startNodeId"] = json!("a");
    let mut story = Story::of_spec(&spec);
    assert_eq!(story.ready(), "a");
    story.run_through("a b c");
    assert_eq!(story.run.status, RunStatus::Succeeded);
}

#[test]
fn a_diamond_runs_its_sides_side_by_side_and_joins_when_both_are_done() {
    let mut story = Story::of(&tasks("a left right join"), "a>left a>right left>join right>join");
    story.run_through("a");
    assert_eq!(story.ready(), "left right");
    story.start("left right").finish("right");
    assert_eq!(story.ready(), "", "left is not done");
    assert_eq!(story.try_start("join"), Err(TransitionError::NodeIs(NodeStatus::Pending)));
    story.finish("left");
    assert_eq!(story.ready(), "join");
}

#[test]
fn a_join_of_ways_of_different_length_waits_for_the_longest() {
    let mut story = Story::of(&tasks("a b c d"), "a>d a>b b>c c>d");
    story.run_through("a b");
    assert_eq!(story.ready(), "c");
    story.run_through("c");
    assert_eq!(story.ready(), "d");
}

#[test]
fn a_branch_that_is_not_taken_is_skipped_with_all_that_hangs_on_it() {
    let nodes = [vec![decision("d", &[("yes", "y1"), ("no", "n1")])], tasks("y1 y2 n1 n2 n3 n4")].concat();
    let mut story = Story::of(&nodes, "d>y1:yes d>n1:no y1>y2 n1>n2 n1>n3 n2>n4 n3>n4");
    story.choose("d", "yes");
    assert_eq!((story.ready().as_str(), story.skipped().as_str()), ("y1", "n1 n2 n3 n4"));
    assert_eq!(story.try_start("n1"), Err(TransitionError::NodeIs(NodeStatus::Skipped)));
    story.run_through("y1 y2");
    assert_eq!(story.run.status, RunStatus::Succeeded);
}

#[test]
fn a_join_after_a_branch_starts_when_the_taken_side_is_done() {
    for (case, taken, skipped) in [("yes", "y", "n"), ("no", "n", "y")] {
        let nodes = [vec![decision("d", &[("yes", "y"), ("no", "n")])], tasks("y n join")].concat();
        let mut story = Story::of(&nodes, "d>y:yes d>n:no y>join n>join");
        story.choose("d", case);
        assert_eq!((story.ready().as_str(), story.skipped().as_str()), (taken, skipped));
        story.run_through(taken);
        assert_eq!(story.ready(), "join");
    }
}

#[test]
fn a_branch_within_a_branch_skips_only_what_no_way_leads_to() {
    let nodes = [
        vec![decision("outer", &[("in", "inner"), ("out", "exit")]), decision("inner", &[("l", "left"), ("r", "right")])],
        tasks("exit left right join last"),
    ]
    .concat();
    let edges = "outer>inner:in outer>exit:out inner>left:l inner>right:r left>join right>join join>last exit>last";
    let mut story = Story::of(&nodes, edges);
    story.choose("outer", "in");
    assert_eq!((story.ready().as_str(), story.skipped().as_str()), ("inner", "exit"));
    story.choose("inner", "r");
    assert_eq!((story.ready().as_str(), story.skipped().as_str()), ("right", "exit left"));
    story.run_through("right join last");
    assert_eq!(story.run.status, RunStatus::Succeeded);

    let mut story = Story::of(&nodes, edges);
    story.choose("outer", "out");
    assert_eq!((story.ready().as_str(), story.skipped().as_str()), ("exit", "inner join left right"));
    story.run_through("exit");
    assert_eq!(story.ready(), "last");
}

#[test]
fn two_cases_may_lead_to_the_same_node() {
    for case in ["a", "b"] {
        let nodes = [vec![decision("d", &[("a", "same"), ("b", "same"), ("c", "other")])], tasks("same other")].concat();
        let mut story = Story::of(&nodes, "d>same:a d>same:b d>other:c");
        story.choose("d", case);
        assert_eq!((story.ready().as_str(), story.skipped().as_str()), ("same", "other"));
    }
}

#[test]
fn a_failure_takes_the_error_route_and_leaves_the_plain_edges_untaken() {
    let nodes = [vec![task("a", json!({"onError": "route_to:fix"}))], tasks("next fix join")].concat();
    let mut story = Story::of(&nodes, "a>next next>join fix>join");
    story.start("a").fail("a");
    assert_eq!((story.ready().as_str(), story.skipped().as_str()), ("fix", "next"));
    assert_eq!((story.status("a"), story.run.error.is_none()), (NodeStatus::Failed, true));
    story.run_through("fix join");
    assert_eq!(story.run.status, RunStatus::Succeeded, "the failure was dealt with");
}

#[test]
fn a_success_leaves_the_error_route_untaken() {
    let nodes = [vec![task("a", json!({"onError": "route_to:fix"}))], tasks("next fix")].concat();
    let mut story = Story::of(&nodes, "a>next");
    story.run_through("a");
    assert_eq!((story.ready().as_str(), story.skipped().as_str()), ("next", "fix"));
}

#[test]
fn an_error_route_may_lead_where_the_plain_edge_leads() {
    let nodes = [vec![task("a", json!({"onError": "route_to:b"}))], tasks("b")].concat();
    for fails in [false, true] {
        let mut story = Story::of(&nodes, "a>b");
        story.start("a");
        _ = if fails { story.fail("a") } else { story.finish("a") };
        assert_eq!(story.ready(), "b");
    }
}

#[test]
fn each_decision_of_a_gate_takes_its_own_way() {
    for (verdict, taken, skipped) in [
        (Verdict::Approved, "pay", "escalate tell"),
        (Verdict::Rejected, "tell", "escalate pay"),
        (Verdict::Expired, "escalate", "pay tell"),
    ] {
        let nodes =
            [vec![gate("g", json!({"onReject": "route_to:tell", "onTimeout": "route_to:escalate"}))], tasks("pay tell escalate")].concat();
        let mut story = Story::of(&nodes, "g>pay");
        assert_eq!(story.ready(), "g");
        story.open("g");
        assert_eq!((story.ready().as_str(), story.run.status), ("", RunStatus::AwaitingApproval));
        story.decide("g", verdict);
        assert_eq!((story.ready().as_str(), story.skipped().as_str()), (taken, skipped), "{verdict}");
        assert_eq!((story.status("g"), story.run.status), (NodeStatus::Succeeded, RunStatus::Running), "{verdict}");
        story.run_through(taken);
        assert_eq!(story.run.status, RunStatus::Succeeded, "{verdict}");
    }
}

#[test]
fn without_a_route_a_rejection_and_an_expiry_fail_the_run() {
    for verdict in [Verdict::Rejected, Verdict::Expired] {
        let mut story = Story::of(&[vec![gate("g", json!({}))], tasks("pay")].concat(), "g>pay");
        story.open("g").decide("g", verdict);
        assert_eq!(
            (story.run.status, story.status("g"), story.status("pay")),
            (RunStatus::Failed, NodeStatus::Failed, NodeStatus::Cancelled)
        );
    }
}

#[test]
fn the_policy_of_the_spec_is_what_a_gate_does_and_its_own_wins() {
    let mut spec =
        common::spec_json(&[vec![gate("g", json!({})), gate("strict", json!({"onReject": "fail"}))], tasks("tell")].concat(), "g>strict");
    spec["onReject"] = json!("route_to:tell");
    let mut story = Story::of_spec(&spec);
    story.open("g").decide("g", Verdict::Rejected);
    assert_eq!((story.ready().as_str(), story.skipped().as_str()), ("tell", "strict"));

    let mut story = Story::of_spec(&spec);
    story.open("g").decide("g", Verdict::Approved).open("strict").decide("strict", Verdict::Rejected);
    assert_eq!(story.run.status, RunStatus::Failed);
}

#[test]
fn a_gate_that_cannot_open_takes_its_error_route() {
    let nodes = [vec![gate("g", json!({"onError": "route_to:fix"}))], tasks("pay fix")].concat();
    let mut story = Story::of(&nodes, "g>pay");
    story.fail("g");
    assert_eq!((story.ready().as_str(), story.skipped().as_str()), ("fix", "pay"));
}

#[test]
fn two_gates_are_open_at_once_and_the_join_waits_for_both() {
    let nodes = [tasks("a"), vec![gate("g1", json!({})), gate("g2", json!({}))], tasks("join")].concat();
    let mut story = Story::of(&nodes, "a>g1 a>g2 g1>join g2>join");
    story.run_through("a").open("g1").wait_until(60).open("g2");
    assert_eq!((story.run.status, story.plan().wake_at), (RunStatus::AwaitingApproval, Some(at(3_600))));
    story.park("token").decide("g2", Verdict::Approved);
    assert_eq!((story.run.status, story.ready().as_str()), (RunStatus::AwaitingApproval, ""));
    story.decide("g1", Verdict::Approved);
    assert_eq!((story.run.status, story.ready().as_str()), (RunStatus::Running, "join"));
    assert_eq!(story.try_decide("g1", Verdict::Rejected), Err(TransitionError::NodeIs(NodeStatus::Succeeded)));
}

#[test]
fn while_a_gate_is_open_what_does_not_hang_on_it_goes_on() {
    let nodes = [tasks("a"), vec![gate("g", json!({}))], tasks("b c")].concat();
    let mut story = Story::of(&nodes, "a>g a>b b>c");
    story.run_through("a").open("g");
    assert_eq!(story.ready(), "b");
    story.run_through("b c");
    assert_eq!((story.run.status, story.ready().as_str()), (RunStatus::AwaitingApproval, ""));
}

#[test]
fn a_failing_run_records_what_is_in_flight_and_then_fails_and_calls_the_rest_off() {
    let nodes = [tasks("a b c waits d"), vec![gate("g", json!({}))]].concat();
    let mut story = Story::of(&nodes, "a>b a>c a>waits a>g b>d");
    story.run_through("a").start("b c waits").open("g").retry("waits", 60);
    story.fail("c");
    assert_eq!(story.plan(), Plan::default(), "nothing more starts, nothing is waited for");
    assert_eq!((story.run.has_ended(), story.run.error.clone().unwrap().node.as_deref()), (false, Some("c")));
    assert_eq!(story.try_start("waits"), Err(TransitionError::Failing("c broke".into())));
    assert_eq!(story.try_decide("g", Verdict::Approved), Err(TransitionError::Failing("c broke".into())));
    story.wait_until(9).finish("b");
    assert_eq!((story.run.status, story.run.finished_at), (RunStatus::Failed, Some(at(9))));
    assert_eq!(story.nodes(NodeStatus::Succeeded), "a b");
    assert_eq!(story.nodes(NodeStatus::Failed), "c");
    assert_eq!(story.nodes(NodeStatus::Cancelled), "d g waits");
}

#[test]
fn the_first_error_is_the_one_that_is_told() {
    let mut story = Story::of(&tasks("a b c"), "a>b a>c");
    story.run_through("a").start("b c").fail("c").fail("b");
    assert_eq!((story.run.status, story.run.error.unwrap().node.as_deref()), (RunStatus::Failed, Some("c")));
}

#[test]
fn an_attempt_that_is_to_be_repeated_does_not_keep_a_failing_run_alive() {
    let mut story = Story::of(&tasks("a b c"), "a>b a>c");
    story.run_through("a").start("b c").fail("c").retry("b", 60);
    assert_eq!((story.run.status, story.status("b")), (RunStatus::Failed, NodeStatus::Cancelled));
}

#[test]
fn an_error_that_is_routed_does_not_rescue_a_run_that_is_failing_already() {
    let nodes = [tasks("a"), vec![task("b", json!({"onError": "route_to:fix"}))], tasks("c fix")].concat();
    let mut story = Story::of(&nodes, "a>b a>c");
    story.run_through("a").start("b c").fail("c").fail("b");
    assert_eq!((story.run.status, story.status("fix")), (RunStatus::Failed, NodeStatus::Cancelled));
}

#[test]
fn a_retry_waits_until_it_is_due_and_then_counts_as_an_attempt() {
    let mut story = Story::of(&tasks("a b"), "a>b");
    story.wait_until(5).start("a").retry("a", 30);
    assert_eq!((story.ready().as_str(), story.plan().wake_at), ("", Some(at(30))));
    assert!(story.state("a").waits_for_clock() && !story.state("a").is_under_way());
    story.wait_until(29);
    assert_eq!(story.ready(), "");
    story.wait_until(30);
    assert_eq!((story.ready().as_str(), story.plan().wake_at), ("a", None));
    story.start("a");
    let state = story.state("a");
    assert_eq!((state.attempts, state.started_at, state.due, story.ready().as_str()), (2, Some(at(5)), None, ""));
    story.finish("a");
    assert_eq!((story.state("a").attempts, story.ready().as_str()), (2, "b"));
}

#[test]
fn only_an_attempt_that_is_under_way_can_be_put_off() {
    let mut story = Story::of(&tasks("a b"), "a>b");
    assert_eq!(story.try_retry("a", at(1)), Err(TransitionError::NodeIs(NodeStatus::Pending)));
    story.start("a").retry("a", 30);
    assert_eq!(story.try_retry("a", at(60)), Err(TransitionError::NodeIs(NodeStatus::Running)));
    assert_eq!(story.plan().wake_at, Some(at(30)));
}

#[test]
fn the_run_wakes_at_the_nearest_of_retries_and_deadlines() {
    let nodes = [tasks("a b c"), vec![gate("g", json!({}))]].concat();
    let mut story = Story::of(&nodes, "a>b a>c a>g");
    story.run_through("a").start("b c").open("g");
    assert_eq!(story.plan().wake_at, Some(at(3_600)));
    story.retry("b", 4_000);
    assert_eq!(story.plan().wake_at, Some(at(3_600)));
    story.retry("c", 60);
    assert_eq!(story.plan().wake_at, Some(at(60)));
    story.wait_until(60);
    assert_eq!((story.ready().as_str(), story.plan().wake_at), ("c", Some(at(3_600))), "what is due is not waited for");
}

#[test]
fn a_gate_is_overdue_from_its_deadline_on_and_not_before() {
    let nodes = [tasks("a"), vec![gate("g1", json!({})), gate("g2", json!({}))]].concat();
    let mut story = Story::of(&nodes, "a>g1 a>g2");
    story.run_through("a").open("g1").wait_until(10).open("g2");
    story.now = common::at(3_599).plus_millis(999);
    assert_eq!((story.overdue().as_str(), story.plan().wake_at), ("", Some(at(3_600))));
    story.wait_until(3_600);
    assert_eq!((story.overdue().as_str(), story.plan().wake_at), ("g1", Some(at(3_610))));
    story.wait_until(3_610);
    assert_eq!((story.overdue().as_str(), story.plan().wake_at), ("g1 g2", None));
    story.decide("g2", Verdict::Approved);
    assert_eq!(story.overdue(), "g1", "a timer that is left over does not touch a decided gate");
}

#[test]
fn what_a_crash_cut_short_is_still_under_way_and_can_be_started_again() {
    let mut story = Story::of(&tasks("a b"), "a>b");
    story.start("a");
    story.run.claim("inv-2", 1).unwrap();
    assert_eq!((story.ready().as_str(), story.nodes(NodeStatus::Running).as_str()), ("", "a"));
    assert_eq!(story.try_start("b"), Err(TransitionError::NodeIs(NodeStatus::Pending)));
    story.start("a").finish("a");
    assert_eq!(story.state("a").attempts, 2);
}

#[test]
fn ready_nodes_come_in_an_order_in_which_upstream_is_first_and_always_the_same() {
    let story = Story::of(&tasks("a b c d"), "a>b a>c b>d c>d");
    let order: Vec<_> = story.spec.order().collect();
    assert_eq!(order.first(), Some(&story.ix("a")));
    assert_eq!(order.last(), Some(&story.ix("d")));
    let mut again = story.clone();
    again.run_through("a");
    assert_eq!(again.plan().ready, again.plan().ready);
    assert_eq!(again.plan().ready, order[1..3]);
}

#[test]
fn a_wait_takes_its_turn_again_when_its_time_has_come() {
    let nodes = [tasks("a"), vec![json!({"id": "w", "type": "wait", "seconds": 60})], tasks("b")].concat();
    let mut story = Story::of(&nodes, "a>w w>b");
    story.run_through("a");
    let (w, spec) = (story.ix("w"), story.spec.clone());
    assert_eq!(story.run.pause(&spec, w, at(60), at(0)), Ok(()));
    let plan_at = |story: &Story, now| Plan::of(&story.run, &story.spec, at(now));
    assert_eq!(plan_at(&story, 59), Plan { wake_at: Some(at(60)), ..Plan::default() });
    assert_eq!(plan_at(&story, 60), Plan { ready: vec![w], ..Plan::default() });
    assert_eq!(story.run.succeed(&spec, w, Exit::Normal, at(60)), Ok(()));
    assert_eq!(story.ready(), "b");
}

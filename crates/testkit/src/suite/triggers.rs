//! Webhook triggers and scheduled flows.

use domain::flow::{CronTrigger, Flow, FlowTrigger, Version};
use domain::ports::{CommitError, CronFlows, FlowName, Flows, Runs, WebhookTriggers, Window};
use domain::run::Run;
use domain::secret::Sealed;
use domain::step::Payload;
use domain::time::Time;
use domain::trigger::{WebhookToken, WebhookTrigger};
use futures_util::future::join_all;
use serde_json::json;

use super::Subject;
use crate::build::{Maker, actor, at, chain};

fn is_changed(result: &Result<(), CommitError>) {
    assert!(matches!(result, Err(CommitError::Changed)), "expected a refusal, got {result:?}");
}

fn every_minute(next: Option<Time>, last: Option<Time>) -> FlowTrigger {
    FlowTrigger::Cron(CronTrigger {
        expression: "* * * * *".to_owned(),
        timezone: "Europe/Berlin".to_owned(),
        enabled: true,
        next_run_at: next,
        last_run_at: last,
    })
}

async fn stored(store: &impl Subject, flow: &Flow) -> Flow {
    store.table().flow(&flow.org, &FlowName::Id(flow.id)).await.unwrap().unwrap()
}

async fn scheduled(store: &impl Subject, maker: &Maker, slug: &str, next: Time) -> (Flow, Version) {
    let (flow, version) = maker.flow(maker.org(), slug, chain(1), at(0));
    let flow = Flow { trigger: every_minute(Some(next), None), ..flow };
    store.table().create_flow(&flow, &version).await.unwrap();
    (flow, version)
}

/// Returns the flow as a tick leaves it.
fn moved_on(flow: &Flow, next: Option<Time>) -> Flow {
    let last = flow.trigger.cron().unwrap().next_run_at;
    Flow { trigger: every_minute(next, last), ..flow.clone() }
}

fn run_of(maker: &Maker, flow: &Flow, version: &Version, now: Time) -> Run {
    maker.run(flow.org, flow.id, &version.spec, now)
}

/// By itself and in a list, after each change.
pub async fn the_trigger_of_a_flow_reads_back(store: &impl Subject) {
    let maker = Maker::new(60);
    let org = maker.org();
    let (flow, version) = maker.flow(org, "flow", chain(1), at(0));
    store.table().create_flow(&flow, &version).await.unwrap();
    let token = WebhookToken::new([1, 2]);
    let triggers = [
        every_minute(Some(at(60)), None),
        every_minute(Some(at(120)), Some(at(60))),
        every_minute(None, Some(at(60))),
        FlowTrigger::Webhook(token),
        FlowTrigger::Api,
    ];
    let mut before = flow;
    for (second, trigger) in (1..).zip(triggers) {
        let after = Flow { trigger, updated_at: at(second), ..before.clone() };
        store.table().update_flow(&before, &after, None).await.unwrap();
        assert_eq!(stored(store, &after).await, after);
        let rows = store.table().flows(&org, &Window { limit: 5, ..Window::default() }).await.unwrap().rows;
        assert_eq!(rows, std::slice::from_ref(&after));
        before = after;
    }
}

/// Of two writers who rotate the same secret one is refused.
pub async fn a_webhook_is_found_by_its_token_until_it_is_deleted(store: &impl Subject) {
    let (maker, table) = (Maker::new(61), store.table());
    let [token, other] = [[7, 8], [8, 7]].map(WebhookToken::new);
    let webhook = WebhookTrigger {
        org: maker.org(),
        flow: maker.flow_id(),
        secret: Sealed::from_text("first"),
        changed_by: Some(actor("usr_ada").recorded()),
        previous: None,
        previous_changed_by: Some(actor("usr_bob").recorded()),
    };
    assert_eq!(table.webhook(&token).await.unwrap(), None);
    is_changed(&table.put_webhook(&token, &webhook, Some(&webhook)).await);
    table.put_webhook(&token, &webhook, None).await.unwrap();
    is_changed(&table.put_webhook(&token, &webhook, None).await);
    assert_eq!(table.webhook(&token).await.unwrap(), Some(webhook.clone()));
    assert_eq!(table.webhook(&other).await.unwrap(), None);

    let rotated = webhook.rotated(Sealed::from_text("second"), actor("usr_eve").recorded(), at(0));
    table.put_webhook(&token, &rotated, Some(&webhook)).await.unwrap();
    assert_eq!(table.webhook(&token).await.unwrap(), Some(rotated.clone()));
    is_changed(
        &table.put_webhook(&token, &webhook.rotated(Sealed::from_text("third"), actor("usr_eve").recorded(), at(1)), Some(&webhook)).await,
    );
    assert_eq!(table.webhook(&token).await.unwrap(), Some(rotated.clone()));

    for _ in 0..2 {
        table.delete_webhook(&token, at(2)).await.unwrap();
        assert_eq!(table.webhook(&token).await.unwrap(), None);
    }
    is_changed(
        &table.put_webhook(&token, &rotated.rotated(Sealed::from_text("fourth"), actor("usr_eve").recorded(), at(3)), Some(&rotated)).await,
    );
}

/// A flow is due from its due time on, and never without one.
pub async fn flows_are_due_from_their_time_on_and_the_oldest_comes_first(store: &impl Subject) {
    let maker = Maker::new(62);
    let mut flows = Vec::new();
    for minute in [5, 1, 4, 2, 3, 9, 7, 8, 6] {
        let (flow, version) = scheduled(store, &maker, &format!("f{minute}"), at(minute * 60)).await;
        flows.push((minute, flow, version));
    }
    flows.sort_by_key(|(minute, ..)| *minute);
    let (idle, version) = maker.flow(maker.org(), "idle", chain(1), at(0));
    store.table().create_flow(&Flow { trigger: every_minute(None, None), ..idle }, &version).await.unwrap();
    let names = |count: usize| flows.iter().take(count).map(|(_, flow, _)| (flow.org, flow.id)).collect::<Vec<_>>();
    let due = async |now, most| store.table().due_flows(now, most).await.unwrap();
    assert_eq!(due(Time::from_millis(at(60).millis() - 1), 100).await, []);
    assert_eq!(due(at(60), 100).await, names(1));
    assert_eq!(due(at(9 * 60), 100).await, names(9));
    assert_eq!(due(at(9 * 60), 4).await, names(4));
    // A flow that was started is not due any more, whether or not it is due again later.
    for ((_, flow, version), next) in flows.iter().zip([None, Some(at(3_600))]) {
        let run = run_of(&maker, flow, version, at(600));
        store.table().create_due(&run, &json!({}), flow, &moved_on(flow, next)).await.unwrap();
    }
    assert_eq!(due(at(9 * 60), 100).await, names(9)[2..]);
    assert_eq!(due(at(3_600), 100).await.last(), Some(&(flows[1].1.org, flows[1].1.id)));
}

/// Run, input and schedule are written together.
pub async fn a_due_time_becomes_one_run_and_moves_the_schedule(store: &impl Subject) {
    let maker = Maker::new(63);
    let (flow, version) = scheduled(store, &maker, "flow", at(60)).await;
    let after = moved_on(&flow, Some(at(120)));
    let run = run_of(&maker, &flow, &version, at(61));
    let input = json!({"scheduledAt": at(60)});
    store.table().create_due(&run, &input, &flow, &after).await.unwrap();
    assert_eq!(store.runs().load(&run.id).await.unwrap(), Some(run.clone()));
    assert_eq!(store.runs().input(&run).await.unwrap(), Payload::of(input.clone()));
    assert_eq!(stored(store, &flow).await, after);
    // A tick was late.
    let late = run_of(&maker, &flow, &version, at(62));
    is_changed(&store.table().create_due(&late, &input, &flow, &after).await);
    assert_eq!(store.runs().load(&late.id).await.unwrap(), None);
    assert_eq!(stored(store, &flow).await, after);
    // A tick has read the new state, but the id of the run is taken: it changes nothing.
    is_changed(&store.table().create_due(&run, &input, &after, &moved_on(&after, Some(at(180)))).await);
    assert_eq!(stored(store, &flow).await, after);
}

/// All have read the same state.
pub async fn of_64_ticks_at_the_same_time_one_starts_the_flow(store: &impl Subject) {
    let maker = Maker::new(64);
    let (flow, version) = scheduled(store, &maker, "flow", at(60)).await;
    let after = moved_on(&flow, Some(at(120)));
    let runs: Vec<Run> = (0..64).map(|_| run_of(&maker, &flow, &version, at(60))).collect();
    let input = json!({});
    let results = join_all(runs.iter().map(|run| store.table().create_due(run, &input, &flow, &after))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    let mut created = 0;
    for run in &runs {
        created += usize::from(store.runs().load(&run.id).await.unwrap().is_some());
    }
    assert_eq!(created, 1);
    assert_eq!(stored(store, &flow).await, after);
}

/// The second writer has to read again: neither the edit nor the tick is lost.
pub async fn an_edit_and_the_clock_do_not_overwrite_each_other(store: &impl Subject) {
    let maker = Maker::new(65);
    let (flow, version) = scheduled(store, &maker, "flow", at(60)).await;
    let ticked = moved_on(&flow, Some(at(120)));
    let renamed = |flow: &Flow| Flow { name: "Renamed".to_owned(), updated_at: at(61), ..flow.clone() };
    store.table().create_due(&run_of(&maker, &flow, &version, at(60)), &json!({}), &flow, &ticked).await.unwrap();
    is_changed(&store.table().update_flow(&flow, &renamed(&flow), None).await);
    assert_eq!(stored(store, &flow).await, ticked);
    let edited = renamed(&ticked);
    store.table().update_flow(&ticked, &edited, None).await.unwrap();
    // The other way round.
    let late = run_of(&maker, &flow, &version, at(120));
    is_changed(&store.table().create_due(&late, &json!({}), &ticked, &moved_on(&ticked, Some(at(180)))).await);
    assert_eq!(store.runs().load(&late.id).await.unwrap(), None);
    assert_eq!(stored(store, &flow).await, edited);
    // A flow whose schedule was removed by an edit is not due any more.
    let paused = Flow { trigger: every_minute(None, None), updated_at: at(130), ..edited.clone() };
    store.table().update_flow(&edited, &paused, None).await.unwrap();
    assert_eq!(store.table().due_flows(at(600), 10).await.unwrap(), []);
    is_changed(&store.table().update_flow(&edited, &renamed(&edited), None).await);
}

//! Lists of runs, compared with a vector that is sorted and cut.

use domain::flow::Spec;
use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{COUNT_CAP, Entropy, Page, RunFilter, RunLists, RunSummary, Runs, Window};
use domain::run::{Run, RunError, RunStatus, Trigger};
use domain::time::Time;
use serde_json::json;

use super::Subject;
use super::runs::created;
use crate::build::{Maker, at, chain};

/// The number of filters that are tried.
const ROUNDS: u64 = 60;
/// The span of time in which all runs are created, in seconds: short, so that times coincide.
pub(super) const SPAN: u64 = 12;

async fn listed(store: &impl Subject, flow: &FlowId, filter: &RunFilter, window: &Window) -> Page<RunSummary> {
    store.table().runs_of(flow, filter, window).await.unwrap()
}

fn page(after: Option<String>, skip: usize, limit: usize) -> Window {
    Window { after, skip, limit, was_beyond_cap: false }
}

pub(super) fn summary(run: &Run) -> RunSummary {
    RunSummary {
        id: run.id,
        flow: run.flow,
        flow_version: run.flow_version,
        status: run.status,
        trigger: run.trigger,
        trace_id: run.trace_id.clone(),
        started_at: run.started_at,
        finished_at: run.finished_at,
        error: run.error.as_ref().map(|error| error.message.clone()),
        retry_of: run.retried.as_ref().map(|retried| retried.of),
    }
}

/// Returns a run in any state, created at some time of the span.
pub(super) fn random_run(maker: &Maker, org: OrgId, flow: FlowId) -> Run {
    let entropy = maker.entropy();
    let created_at = at(entropy.below(SPAN)).plus_millis(500 * entropy.below(2));
    let mut run = maker.run(org, flow, &chain(2), created_at);
    run.trigger = *entropy.pick(Trigger::ALL);
    run.status = *entropy.pick(RunStatus::ALL);
    run.finished_at = run.status.is_final().then(|| at(SPAN));
    run.error = (run.status == RunStatus::Failed).then(|| RunError { node: None, message: "it broke".to_owned() });
    run
}

pub(super) fn random_filter(maker: &Maker) -> RunFilter {
    let entropy = maker.entropy();
    let moment = || at(entropy.below(SPAN + 2)).plus_millis(250 * entropy.below(3));
    RunFilter {
        status: (!entropy.one_in(2)).then(|| *entropy.pick(RunStatus::ALL)),
        trigger: (!entropy.one_in(2)).then(|| *entropy.pick(Trigger::ALL)),
        from: entropy.one_in(2).then(moment),
        to: entropy.one_in(2).then(moment),
    }
}

pub(super) fn accepts(filter: &RunFilter, run: &RunSummary) -> bool {
    filter.status.is_none_or(|status| status == run.status)
        && filter.trigger.is_none_or(|trigger| trigger == run.trigger)
        && filter.from.is_none_or(|from| run.started_at >= from)
        && filter.to.is_none_or(|to| run.started_at < to)
}

/// All pages but the last are full, no run is missing or repeated, and each page has the exact total.
pub async fn any_filter_and_any_page_gives_what_a_sorted_vector_gives(store: &impl Subject) {
    let maker = Maker::new(50);
    let (org, flow, other) = (maker.org(), maker.flow_id(), maker.flow_id());
    let mut all = Vec::new();
    for number in 0..150 {
        let run = created(store, random_run(&maker, org, if number % 10 == 0 { other } else { flow })).await;
        if run.flow == flow {
            all.push(summary(&run));
        }
    }
    all.sort_by_key(|run| std::cmp::Reverse(run.id));
    for round in 0..ROUNDS {
        let (filter, limit) = (random_filter(&maker), usize::try_from(1 + maker.entropy().below(40)).unwrap());
        let expected: Vec<RunSummary> = all.iter().filter(|run| accepts(&filter, run)).cloned().collect();
        let case = format!("round {round}: {filter:?}, {limit} at a time");
        let mut window = page(None, 0, limit);
        let mut seen = Vec::new();
        loop {
            let page = listed(store, &flow, &filter, &window).await;
            assert_eq!(page.total, expected.len() as u64, "{case}");
            assert!(page.next.is_none() || page.rows.len() == limit, "{case}: a page before the last is full");
            seen.extend(page.rows);
            assert!(seen.len() <= expected.len(), "{case}: a run is there twice");
            if page.next.is_none() {
                break;
            }
            window.after = page.next;
        }
        assert_eq!(seen, expected, "{case}");

        let skip = usize::try_from(maker.entropy().below(expected.len() as u64 + 5)).unwrap();
        let found = listed(store, &flow, &filter, &page(None, skip, limit)).await;
        assert_eq!(found.rows, expected.iter().skip(skip).take(limit).cloned().collect::<Vec<_>>(), "{case}, after {skip}");
        assert_eq!(found.next.is_some(), skip + limit < expected.len(), "{case}, after {skip}");

        // Any id can be a cursor, whether or not there is such a run in the span.
        let cursor = RunId::new(at(maker.entropy().below(SPAN)), maker.entropy().random());
        let found = listed(store, &flow, &filter, &page(Some(cursor.to_string()), 0, limit)).await;
        let behind: Vec<RunSummary> = expected.iter().filter(|run| run.id < cursor).take(limit).cloned().collect();
        assert_eq!((found.rows, found.total), (behind, expected.len() as u64), "{case}, from {cursor}");
    }
}

/// To the millisecond.
pub async fn a_span_of_time_includes_its_beginning_and_excludes_its_end(store: &impl Subject) {
    let maker = Maker::new(51);
    let (org, flow) = (maker.org(), maker.flow_id());
    let moment = |millis: u64| Time::from_millis(at(0).millis() + millis);
    let mut ids = Vec::new();
    for millis in [1_000, 1_001, 1_999, 2_000] {
        ids.push(created(store, maker.run(org, flow, &chain(1), moment(millis))).await.id);
    }
    for (from, to, expected) in [
        (Some(1_000), Some(2_000), &ids[0..3]),
        (Some(1_001), None, &ids[1..4]),
        (None, Some(1_001), &ids[0..1]),
        (Some(1_001), Some(1_002), &ids[1..2]),
        (Some(1_500), Some(1_500), &[]),
        (Some(1_000), Some(1_000), &[]),
        (Some(2_000), Some(1_000), &[]),
        (Some(2_001), None, &[]),
        (None, Some(1_000), &[]),
    ] {
        let filter = RunFilter { from: from.map(moment), to: to.map(moment), ..RunFilter::default() };
        let found = listed(store, &flow, &filter, &page(None, 0, 10)).await;
        let found_ids: Vec<RunId> = found.rows.iter().rev().map(|run| run.id).collect();
        assert_eq!((found_ids.as_slice(), found.total), (expected, expected.len() as u64), "{from:?} to {to:?}");
    }
}

/// The cursor came from another filter.
pub async fn a_cursor_outside_the_span_of_time_is_not_an_error(store: &impl Subject) {
    let maker = Maker::new(52);
    let (org, flow) = (maker.org(), maker.flow_id());
    let mut ids = Vec::new();
    for seconds in 0..4 {
        ids.push(created(store, maker.run(org, flow, &chain(1), at(seconds))).await.id.to_string());
    }
    let filter = RunFilter { from: Some(at(1)), to: Some(at(3)), ..RunFilter::default() };
    for (cursor, expected) in [(&ids[0], vec![]), (&ids[1], vec![]), (&ids[2], vec![&ids[1]]), (&ids[3], vec![&ids[2], &ids[1]])] {
        let found = listed(store, &flow, &filter, &page(Some(cursor.clone()), 0, 10)).await;
        let found_ids: Vec<String> = found.rows.iter().map(|run| run.id.to_string()).collect();
        assert_eq!((found_ids.iter().collect::<Vec<_>>(), found.next, found.total), (expected, None, 2), "after {cursor}");
    }
}

/// The lists show what happens to a run.
pub async fn a_run_moves_between_lists_with_its_status(store: &impl Subject) {
    let maker = Maker::new(53);
    let spec = Spec::parse(&chain(1)).unwrap();
    let run = created(store, maker.run(maker.org(), maker.flow_id(), &chain(1), at(0))).await;
    let with_status = |status| RunFilter { status: Some(status), ..RunFilter::default() };
    let mut ended = run.clone();
    ended.start(&spec, spec.start(), at(1)).unwrap();
    ended.fail(&spec, spec.start(), "it broke", at(2)).unwrap();
    let ended = store.runs().commit(ended, &[]).await.unwrap();
    for status in RunStatus::ALL {
        let expected: Vec<RunSummary> = if *status == RunStatus::Failed { vec![summary(&ended)] } else { vec![] };
        assert_eq!(listed(store, &run.flow, &with_status(*status), &page(None, 0, 5)).await.rows, expected, "{status}");
    }
    assert_eq!(listed(store, &run.flow, &RunFilter::default(), &page(None, 0, 5)).await.rows, [summary(&ended)]);
}

/// Exactly up to the cap, and one more for any number beyond.
pub async fn totals_are_exact_up_to_the_cap(store: &impl Subject) {
    let maker = Maker::new(54);
    let (org, flow) = (maker.org(), maker.flow_id());
    let total = async || listed(store, &flow, &RunFilter::default(), &page(None, 0, 1)).await.total;
    for number in 0..COUNT_CAP + 3 {
        let trigger = Trigger::ALL[usize::try_from(number % 3).unwrap()];
        let run = Run { trigger, ..maker.run(org, flow, &chain(1), at(number)) };
        store.runs().create(&run, &json!({}), None).await.unwrap();
        match number + 1 {
            COUNT_CAP => assert_eq!(total().await, COUNT_CAP),
            created if created > COUNT_CAP => assert_eq!(total().await, COUNT_CAP + 1),
            _ => {}
        }
    }
}

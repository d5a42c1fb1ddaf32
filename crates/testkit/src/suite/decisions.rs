//! The history of decisions, compared with a vector that is sorted and cut.

use domain::gate::{DecisionFilter, DecisionRow, Verdict};
use domain::id::{ApprovalId, FlowId, OrgId, RunId};
use domain::ports::{Decisions, Entropy, Window};

use super::Subject;
use crate::build::{Maker, actor, at};

const ROUNDS: u64 = 60;
/// The span of time of the decisions, in seconds: short, so that times coincide.
const SPAN: u64 = 12;
const ACTORS: [&str; 3] = ["usr_ada", "usr_bob", "usr_bob#FLOW"];

fn random_row(maker: &Maker, org: OrgId, flows: &[FlowId]) -> DecisionRow {
    let entropy = maker.entropy();
    let run = RunId::new(at(0), entropy.random());
    let verdict = *entropy.pick(Verdict::ALL);
    let proposed_sha256 = "ab".repeat(32);
    let is_edited = verdict == Verdict::Approved && entropy.one_in(2);
    DecisionRow {
        org,
        approval: ApprovalId::derived(&run, "review", at(0)),
        run,
        node: "review".parse().unwrap(),
        flow: *entropy.pick(flows),
        flow_slug: "refunds".parse().unwrap(),
        flow_version: 3,
        action_label: "Pay – \"now\"".to_owned(),
        verdict,
        actor: (verdict != Verdict::Expired).then(|| (*entropy.pick(&ACTORS)).to_owned()),
        identity: entropy.one_in(2).then(|| actor("usr_ada").identity),
        opened_at: at(0),
        decided_at: at(entropy.below(SPAN)).plus_millis(500 * entropy.below(2)),
        note: entropy.one_in(2).then(|| "fine".to_owned()),
        decided_sha256: if is_edited { "cd".repeat(32) } else { proposed_sha256.clone() },
        proposed_sha256,
    }
}

fn random_filter(maker: &Maker, flows: &[FlowId]) -> DecisionFilter {
    let entropy = maker.entropy();
    let moment = || at(entropy.below(SPAN + 2)).plus_millis(250 * entropy.below(3));
    DecisionFilter {
        actor: (!entropy.one_in(2)).then(|| (*entropy.pick(&ACTORS)).to_owned()),
        flow: (!entropy.one_in(2)).then(|| *entropy.pick(flows)),
        verdict: (!entropy.one_in(2)).then(|| *entropy.pick(Verdict::ALL)),
        edited: entropy.one_in(3).then(|| entropy.one_in(2)),
        from: entropy.one_in(2).then(moment),
        to: entropy.one_in(2).then(moment),
    }
}

/// All pages but the last are full, no decision is missing or repeated, each page has the exact total, and each row reads back with every
/// field, however often it was added.
pub async fn any_filter_of_decisions_gives_what_a_sorted_vector_gives(store: &impl Subject) {
    let maker = Maker::new(70);
    let (org, other) = (maker.org(), maker.org());
    let flows = [maker.flow_id(), maker.flow_id()];
    let mut all = Vec::new();
    for number in 0..150 {
        let row = random_row(&maker, if number % 10 == 0 { other } else { org }, &flows);
        for _ in 0..=number % 2 {
            store.table().add_decision(&row).await.unwrap();
        }
        if row.org == org {
            all.push(row);
        }
    }
    all.sort_by_key(|row| std::cmp::Reverse(row.sort_key()));
    for round in 0..ROUNDS {
        let (filter, limit) = (random_filter(&maker, &flows), usize::try_from(1 + maker.entropy().below(40)).unwrap());
        let expected: Vec<DecisionRow> = all.iter().filter(|row| filter.accepts(row)).cloned().collect();
        let case = format!("round {round}: {filter:?}, {limit} at a time");
        let mut window = Window { limit, ..Window::default() };
        let mut seen = Vec::new();
        loop {
            let page = store.table().decisions(&org, &filter, &window).await.unwrap();
            assert_eq!(page.total, expected.len() as u64, "{case}");
            assert!(page.next.is_none() || page.rows.len() == limit, "{case}: a page before the last is full");
            seen.extend(page.rows);
            assert!(seen.len() <= expected.len(), "{case}: a decision is there twice");
            if page.next.is_none() {
                break;
            }
            window.after = page.next;
        }
        assert_eq!(seen, expected, "{case}");
        let skip = usize::try_from(maker.entropy().below(expected.len() as u64 + 5)).unwrap();
        let found = store.table().decisions(&org, &filter, &Window { skip, limit, ..Window::default() }).await.unwrap();
        assert_eq!(found.rows, expected.iter().skip(skip).take(limit).cloned().collect::<Vec<_>>(), "{case}, after {skip}");
        assert_eq!(found.next.is_some(), skip + limit < expected.len(), "{case}, after {skip}");
    }
}

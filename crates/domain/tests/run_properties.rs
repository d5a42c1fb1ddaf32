//! Random flows under random orders of events, compared with a model after every event.

mod common;

use common::dag::{Dag, Kind, Way, dags, revised_dags};
use common::model::{Event, ModelledRun, NodeModel};
use domain::flow::{NodeIx, Spec};
use domain::gate::Verdict;
use domain::run::{Run, RunStatus};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// Invariants I1 to I4 for the state of a run: a node starts exactly when it may, nothing starts after the end, a gate is decided
    /// once, and a run always ends, or has something under way, due or open.
    #[test]
    fn in_every_order_of_events_a_run_does_what_its_flow_allows_and_comes_to_an_end(dag in dags(12), choices in vec(any::<u16>(), 0..80)) {
        let mut modelled = ModelledRun::new(dag);
        modelled.check()?;
        // When the choices run out, the run is brought to its end by what comes first.
        for choice in choices.into_iter().chain(std::iter::repeat_n(0, 400)) {
            if modelled.ended.is_some() {
                break;
            }
            modelled.step(choice)?;
        }
        prop_assert!(modelled.ended.is_some(), "the run did not end");
        // Its segment may still be claimed: that changes nothing but what drives the run.
        let before = modelled.run.clone();
        prop_assert_eq!(modelled.claim(), Ok(()));
        prop_assert_eq!((modelled.run.execution.pending, &modelled.run.execution.owner, &modelled.run.execution.token), (None, &None, &None));
        prop_assert_eq!(&Run { execution: before.execution.clone(), ..modelled.run.clone() }, &before);
        modelled.check()?;
        modelled.check_refusals()?;
    }

    /// The same with a gate that may be sent back to a draft: each round keeps the invariants, and the rounds come to an end.
    #[test]
    fn in_every_order_of_events_a_run_that_is_sent_back_keeps_its_promises_in_each_round(dag in revised_dags(10), choices in vec(any::<u16>(), 0..120)) {
        let mut modelled = ModelledRun::new(dag);
        modelled.check()?;
        for choice in choices.into_iter().chain(std::iter::repeat_n(0, 1_200)) {
            if modelled.ended.is_some() {
                break;
            }
            modelled.step(choice)?;
        }
        prop_assert!(modelled.ended.is_some(), "the run did not end");
        modelled.check()?;
        modelled.check_refusals()?;
    }

    /// The order in which parallel nodes finish does not change what a run does.
    #[test]
    fn what_a_run_does_depends_on_how_nodes_are_left_and_not_on_their_order(dag in dags(12), left in vec(any::<u8>(), 12), orders in (vec(any::<u8>(), 40), vec(any::<u8>(), 40))) {
        let finish = |order: &[u8]| {
            let mut modelled = ModelledRun::new(dag.clone());
            modelled.happen(Event::Claim).unwrap();
            for pick in order {
                // Each node always does the same thing: the one that its own choice says.
                let events: Vec<Event> = modelled
                    .nodes()
                    .filter_map(|node| {
                        let choice = usize::from(left[node]);
                        match modelled.was[node] {
                            NodeModel::UnderWay if choice % 5 == 0 && modelled.dag.leads(node, Way::Error) => Some(Event::Break(node)),
                            NodeModel::UnderWay => Some(Event::Leave(node, modelled.ways_out(node)[choice % modelled.ways_out(node).len()])),
                            NodeModel::Open(_) if choice % 3 == 0 && modelled.dag.leads(node, Way::Rejected) => Some(Event::Decide(node, Verdict::Rejected)),
                            NodeModel::Open(_) if choice % 3 == 1 && modelled.dag.leads(node, Way::Expired) => Some(Event::Decide(node, Verdict::Expired)),
                            NodeModel::Open(_) => Some(Event::Decide(node, Verdict::Approved)),
                            _ if !modelled.may_begin(node) => None,
                            _ if modelled.dag.kinds[node] == Kind::Gate => Some(Event::Open(node)),
                            _ => Some(Event::Start(node)),
                        }
                    })
                    .collect();
                if modelled.ended.is_some() {
                    break;
                }
                modelled.happen(events[usize::from(*pick) % events.len()]).unwrap();
            }
            modelled.run
        };
        let (one, other) = (finish(&orders.0), finish(&orders.1));
        prop_assert_eq!(one.status, RunStatus::Succeeded);
        prop_assert_eq!(one, other);
    }

    /// A spec has the graph that it was written with, and nodes keep their positions.
    #[test]
    fn a_spec_has_the_graph_it_was_written_with(dag in dags(16)) {
        let spec = Spec::parse(&dag.spec()).unwrap();
        prop_assert_eq!(spec.len(), dag.len());
        let order: Vec<NodeIx> = spec.order().collect();
        prop_assert_eq!(order.len(), dag.len());
        for node in 0..dag.len() {
            let ix = spec.position(&Dag::id(node).parse().unwrap()).unwrap();
            prop_assert_eq!(ix.position(), dag.places[node], "a node's position is its place in `spec.nodes`");
            prop_assert_eq!(spec.node(ix).id.to_string(), Dag::id(node));
            prop_assert_eq!(spec.incoming(ix).len(), dag.leading_to(node).count());
            for edge in spec.incoming(ix) {
                let before = |ix| order.iter().position(|other| *other == ix);
                prop_assert!(before(edge.from) < before(ix), "upstream comes first");
            }
        }
        prop_assert_eq!(spec.start().position(), dag.places[0]);
        prop_assert_eq!(Spec::parse(&dag.spec()).unwrap(), spec);
    }
}

#[test]
fn the_generator_makes_every_kind_of_node_and_every_way() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let dags: Vec<Dag> = (0..200).map(|_| dags(12).new_tree(&mut runner).unwrap().current()).collect();
    for kind in [Kind::Task, Kind::Decision, Kind::Gate] {
        assert!(dags.iter().any(|dag| dag.kinds.contains(&kind)), "{kind:?}");
    }
    for way in [Way::Plain, Way::Case(0), Way::Case(1), Way::Error, Way::Rejected, Way::Expired] {
        assert!(dags.iter().flat_map(|dag| &dag.links).any(|link| link.way == way), "{way:?}");
    }
    assert!(dags.iter().any(|dag| (0..dag.len()).any(|node| dag.leading_to(node).count() >= 3)), "joins");
    assert!(dags.iter().any(|dag| dag.places.iter().enumerate().any(|(node, place)| node != *place)), "another order");
}

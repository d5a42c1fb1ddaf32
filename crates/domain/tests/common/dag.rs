//! Random flows that are valid by construction: tasks, decisions and gates, with plain edges, cases and routes.
//!
//! A [`Dag`] knows its own graph, so that what the domain makes of the spec can be held against it.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a node of a [`Dag`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Task,
    Decision,
    Gate,
}

/// How a node is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Plain,
    Case(usize),
    Error,
    Rejected,
    Expired,
}

/// A way from one node to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    pub from: usize,
    pub way: Way,
    pub to: usize,
}

/// A flow. Nodes are numbered so that links only ever lead to higher numbers; 0 is the start.
#[derive(Debug, Clone)]
pub struct Dag {
    pub kinds: Vec<Kind>,
    pub links: Vec<Link>,
    /// `places[n]`: where node `n` stands in `spec.nodes`.
    pub places: Vec<usize>,
    /// A gate, the draft to which it may be sent back, and the number of its rounds.
    pub revise: Option<(usize, usize, u32)>,
}

impl Dag {
    pub fn id(node: usize) -> String {
        format!("n{node}")
    }

    /// Later cases come first in the alphabet, so that the order of writing differs from the order of positions.
    pub fn case(number: usize) -> String {
        format!("case-{:02}", 99 - number)
    }

    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    pub fn leading_to(&self, node: usize) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.to == node)
    }

    pub fn out_of(&self, node: usize) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.from == node)
    }

    pub fn leads(&self, node: usize, way: Way) -> bool {
        self.out_of(node).any(|link| link.way == way)
    }

    pub fn spec(&self) -> Value {
        let mut nodes = vec![Value::Null; self.len()];
        for (node, place) in self.places.iter().enumerate() {
            nodes[*place] = self.node(node);
        }
        let edges: Vec<Value> = self.links.iter().filter_map(Self::edge).collect();
        json!({"startNodeId": Self::id(0), "nodes": nodes, "edges": edges})
    }

    fn node(&self, node: usize) -> Value {
        let id = Self::id(node);
        // Every node hangs on the start.
        let reads = if node == 0 { "${trigger.x}" } else { "${step.n0.output ?? null}" };
        let mut value = match self.kinds[node] {
            Kind::Task if self.revise.is_some_and(|(_, draft, _)| draft == node) => {
                json!({"type": "llm_step", "model": "m", "userPrompt": "x"})
            }
            Kind::Task => json!({"type": "http_request", "url": "https://example.com/", "body": reads}),
            Kind::Gate => json!({"type": "human_approval", "actionLabel": "Do it", "proposedAction": reads, "timeoutHours": 1}),
            Kind::Decision => json!({"type": "decision", "expression": "trigger.choice", "cases": {}}),
        };
        value["id"] = json!(id);
        if let Some((_, draft, rounds)) = self.revise.filter(|(gate, ..)| *gate == node) {
            value["revise"] = json!({"node": Self::id(draft), "maxRounds": rounds});
        }
        for link in self.out_of(node) {
            let to = Self::id(link.to);
            match link.way {
                Way::Plain => {}
                Way::Case(number) => value["cases"][Self::case(number)] = json!({"next": to}),
                Way::Error => value["onError"] = json!(format!("route_to:{to}")),
                Way::Rejected => value["onReject"] = json!(format!("route_to:{to}")),
                Way::Expired => value["onTimeout"] = json!(format!("route_to:{to}")),
            }
        }
        value
    }

    fn edge(link: &Link) -> Option<Value> {
        let (from, to) = (Self::id(link.from), Self::id(link.to));
        match link.way {
            Way::Plain => Some(json!({"from": from, "to": to})),
            Way::Case(number) => Some(json!({"from": from, "to": to, "case": Self::case(number)})),
            _ => None,
        }
    }

    /// The nodes that a node leads to, without going through `barrier`.
    fn reached_from(&self, node: usize, barrier: usize) -> Vec<usize> {
        let mut reached = vec![node];
        for at in node..self.len() {
            if reached.contains(&at) && at != barrier {
                reached.extend(self.out_of(at).map(|link| link.to));
            }
        }
        reached.sort_unstable();
        reached.dedup();
        reached
    }

    /// What is done again when a gate is sent back to a draft: all that the draft leads to without the gate, and the gate, but nothing that
    /// comes after the gate.
    pub fn again(&self, gate: usize, draft: usize) -> Vec<usize> {
        let after: Vec<usize> = self.reached_from(gate, self.len()).into_iter().filter(|node| *node != gate).collect();
        self.reached_from(draft, gate).into_iter().filter(|node| !after.contains(node)).collect()
    }

    /// Leads from one node to another, by a way that `wish` chooses among those the first still has to give.
    fn connect(&mut self, from: usize, to: usize, wish: u8) {
        let way = match (self.kinds[from], wish % 8) {
            (_, 0) => Way::Error,
            (Kind::Gate, 1 | 2) => Way::Rejected,
            (Kind::Gate, 3) => Way::Expired,
            _ => Way::Plain,
        };
        let way = match (self.kinds[from], way) {
            // A route leads to one node only.
            (_, Way::Error | Way::Rejected | Way::Expired) if !self.leads(from, way) => way,
            (Kind::Decision, _) => Way::Case(self.out_of(from).filter(|link| matches!(link.way, Way::Case(_))).count()),
            _ => Way::Plain,
        };
        let link = Link { from, way, to };
        if !self.links.contains(&link) {
            self.links.push(link);
        }
    }
}

/// What a node is made from: its kind, and where its ways in come from. The first of them makes it reachable.
type Gene = (u8, (u16, u8), Vec<(u16, u8)>);

fn build(genes: &[Gene], order: &[u16]) -> Dag {
    let last = genes.len() - 1;
    let kind = |(at, gene): (usize, &Gene)| match gene.0 % 4 {
        2 => Kind::Gate,
        // A decision must lead somewhere.
        3 if at < last => Kind::Decision,
        _ => Kind::Task,
    };
    let mut places: Vec<usize> = (0..genes.len()).collect();
    places.sort_by_key(|at| order.get(*at).copied().unwrap_or_default());
    let mut dag = Dag { kinds: genes.iter().enumerate().map(kind).collect(), links: Vec::new(), places, revise: None };
    for (to, (_, first, more)) in genes.iter().enumerate().skip(1) {
        for (from, wish) in [first].into_iter().chain(more) {
            dag.connect(usize::from(*from) % to, to, *wish);
        }
    }
    for node in 0..last {
        if dag.kinds[node] == Kind::Decision && !dag.leads(node, Way::Case(0)) {
            dag.links.push(Link { from: node, way: Way::Case(0), to: node + 1 });
        }
    }
    dag
}

/// Flows of 1 to `most` nodes.
pub fn dags(most: usize) -> impl Strategy<Value = Dag> {
    let gene = (any::<u8>(), any::<(u16, u8)>(), vec(any::<(u16, u8)>(), 0..3));
    (vec(gene, 1..=most), vec(any::<u16>(), most)).prop_map(|(genes, order)| build(&genes, &order))
}

/// Flows of up to `most` nodes in which a gate can be sent back to a draft.
pub fn revised_dags(most: usize) -> impl Strategy<Value = Dag> {
    (dags(most), any::<u16>(), 2..=4u32).prop_filter_map("no gate can be sent back", |(dag, pick, rounds)| {
        let pairs = (0..dag.len()).flat_map(|gate| (0..gate).map(move |draft| (gate, draft)));
        let is_pair = |(gate, draft): &(usize, usize)| dag.kinds[*gate] == Kind::Gate && dag.kinds[*draft] == Kind::Task;
        let revised = pairs.filter(is_pair).map(|(gate, draft)| Dag { revise: Some((gate, draft, rounds)), ..dag.clone() });
        let valid: Vec<Dag> = revised.filter(|dag| domain::flow::Spec::parse(&dag.spec()).is_ok()).collect();
        (!valid.is_empty()).then(|| valid[usize::from(pick) % valid.len()].clone())
    })
}

//! The graph of a spec: it is a DAG that begins at one node and reaches all of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::edges::{Link, Links};
use super::exit::Exit;
use super::node::{Node, NodeKind, Retry, Route};
use super::raw::RawSpec;
use super::references::check_references;
use super::spec::{Edge, NodeIx, Spec};
use crate::name::NodeId;
use crate::problem::FieldErrors;
use crate::template::Template;

/// Checks the parts of a spec against each other. Returns the spec and the path of each node if its graph could be built; it is valid
/// if no error was added.
pub(super) fn assemble(mut raw: RawSpec, errors: &mut FieldErrors) -> Option<(Spec, Vec<String>)> {
    let mut positions = positions(&raw, errors);
    let mut links = Links::new(&raw, &positions, errors);
    let start = raw.start.as_ref().and_then(|id| links.find(id, "spec.startNodeId"));
    links.add_all();
    let mut links = links.finish();
    if raw.incomplete {
        return None;
    }
    if let Some(template) = raw.output.take() {
        end_with(template, &mut raw.nodes, &mut positions, &mut links);
    }
    // Without a start the spec is refused, but the other rules can still be checked.
    let known_start = start.unwrap_or(NodeIx::new(0));
    let (paths, nodes): (Vec<String>, Vec<Node>) = raw.nodes.into_iter().unzip();
    let incoming = incoming(&links, nodes.len());
    let order = topological_order(&incoming);
    let spec = Spec { start: known_start, nodes, positions, incoming, order };
    if start.is_some() && !spec.incoming(spec.start).is_empty() {
        errors.add("spec.startNodeId", format!("`{}` cannot be the start: an edge leads to it", spec.node(spec.start).id));
    }
    if spec.order.len() < spec.nodes.len() {
        errors.add("spec.edges", format!("there is a cycle through or before: {}", unsorted(&spec).join(", ")));
        return None;
    }
    if start.is_some() {
        check_reach(&spec, &links, &paths, errors);
    }
    check_references(&spec, &paths, errors);
    Some((spec, paths))
}

fn positions(raw: &RawSpec, errors: &mut FieldErrors) -> BTreeMap<NodeId, NodeIx> {
    let mut positions = BTreeMap::new();
    for (at, (path, node)) in raw.nodes.iter().enumerate() {
        if positions.insert(node.id.clone(), NodeIx::new(at)).is_some() {
            errors.add(format!("{path}.id"), format!("`{}` is used twice", node.id));
        }
    }
    positions
}

fn incoming(links: &[Link], nodes: usize) -> Vec<Vec<Edge>> {
    let mut incoming = vec![Vec::new(); nodes];
    for link in links {
        if let Some(edges) = incoming.get_mut(link.to.position()) {
            edges.push(link.edge);
        }
    }
    incoming
}

/// Sorts the nodes by Kahn's algorithm. Nodes that are left out are on a cycle or behind one.
fn topological_order(incoming: &[Vec<Edge>]) -> Vec<NodeIx> {
    let mut blocked: Vec<usize> = incoming.iter().map(Vec::len).collect();
    let mut free: VecDeque<NodeIx> =
        incoming.iter().enumerate().filter(|(_, edges)| edges.is_empty()).map(|(at, _)| NodeIx::new(at)).collect();
    let mut order = Vec::with_capacity(incoming.len());
    while let Some(ix) = free.pop_front() {
        order.push(ix);
        for (to, (edges, count)) in incoming.iter().zip(&mut blocked).enumerate() {
            let from_here = edges.iter().filter(|edge| edge.from == ix).count();
            *count -= from_here;
            if from_here > 0 && *count == 0 {
                free.push_back(NodeIx::new(to));
            }
        }
    }
    order
}

fn unsorted(spec: &Spec) -> Vec<&str> {
    let sorted: BTreeSet<_> = spec.order().collect();
    let all = (0..spec.len()).map(NodeIx::new);
    all.filter(|ix| !sorted.contains(ix)).map(|ix| spec.node(ix).id.as_str()).collect()
}

fn check_reach(spec: &Spec, links: &[Link], paths: &[String], errors: &mut FieldErrors) {
    let mut reached = BTreeSet::from([spec.start]);
    // In topological order one pass is enough.
    for ix in spec.order() {
        if reached.contains(&ix) {
            reached.extend(links.iter().filter(|link| link.edge.from == ix).map(|link| link.to));
        }
    }
    for (ix, path) in paths.iter().enumerate().map(|(at, path)| (NodeIx::new(at), path)) {
        let id = &spec.node(ix).id;
        // Of two nodes with one id, edges can only lead to one.
        if !reached.contains(&ix) && spec.position(id) == Some(ix) {
            errors.add(format!("{path}.id"), format!("`{id}` cannot be reached from the start node"));
        }
    }
}

/// Adds the node that makes the output of the run, with an edge from every node that ends a branch. The output is a step like any
/// other: it can fail, and its record is kept and expires as theirs do.
fn end_with(output: Template, nodes: &mut Vec<(String, Node)>, positions: &mut BTreeMap<NodeId, NodeIx>, links: &mut Vec<Link>) {
    let (end, id) = (NodeIx::new(nodes.len()), NodeId::run_output());
    for (at, (_, node)) in nodes.iter().enumerate() {
        let edge = Edge { from: NodeIx::new(at), exit: Exit::Normal };
        let goes_on = matches!(node.kind, NodeKind::Decision(_)) || links.iter().any(|link| link.edge == edge);
        if !goes_on {
            links.push(Link { to: end, edge });
        }
    }
    positions.insert(id.clone(), end);
    let node = Node { id, kind: NodeKind::Transform(output), retry: Retry::default(), timeout_seconds: 30, on_error: Route::Fail };
    nodes.push(("spec".to_owned(), node));
}

//! The graph rules: what must hold between nodes, edges, cases, routes and templates.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::node::{Node, NodeKind, Retry, Route};
use super::parse::Raw;
use super::{NodeId, NodeIx, Spec};
use crate::problem::FieldErrors;
use crate::run::Exit;
use crate::template::Template;

/// A way from one node to another, and the exit of the first on which it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Where it comes from.
    pub from: NodeIx,
    /// The exit that takes it.
    pub exit: Exit,
}

impl Spec {
    /// Holds the parts of a spec against each other.
    pub(super) fn assemble(mut raw: Raw, errors: &mut FieldErrors) -> Option<Self> {
        let mut positions = BTreeMap::new();
        for (at, (path, node)) in raw.nodes.iter().enumerate() {
            if positions.insert(node.id.clone(), NodeIx::new(at)).is_some() {
                errors.add(format!("{path}.id"), format!("`{}` is used twice", node.id));
            }
        }
        let start = raw.start.as_ref().and_then(|id| find(id, "spec.startNodeId", &raw, &positions, errors));
        let mut links = links(&raw, &positions, errors);
        if raw.incomplete {
            return None;
        }
        // Without a start the spec is refused, but the rest of the rules still has something to say.
        let known_start = start.unwrap_or(NodeIx::new(0));
        if let Some(template) = raw.output.take() {
            end_with(template, &mut raw.nodes, &mut positions, &mut links);
        }
        let mut spec =
            Self { start: known_start, nodes: Vec::new(), positions, incoming: vec![Vec::new(); raw.nodes.len()], order: Vec::new() };
        for (to, edge) in &links {
            if let Some(edges) = spec.incoming.get_mut(to.position()) {
                edges.push(*edge);
            }
        }
        let paths: Vec<String> = raw.nodes.iter().map(|(path, _)| path.clone()).collect();
        spec.nodes = raw.nodes.into_iter().map(|(_, node)| node).collect();
        if start.is_some() && !spec.incoming(spec.start).is_empty() {
            errors.add("spec.startNodeId", format!("`{}` cannot be the start: an edge leads to it", spec.node(spec.start).id));
        }
        spec.sort(errors)?;
        if start.is_some() {
            spec.check_reach(&links, &paths, errors);
        }
        spec.check_templates(&paths, errors);
        Some(spec)
    }

    /// Kahn's algorithm; what is left over lies on a cycle or behind one.
    fn sort(&mut self, errors: &mut FieldErrors) -> Option<()> {
        let mut blocked: Vec<usize> = self.incoming.iter().map(Vec::len).collect();
        let mut free: VecDeque<NodeIx> = (0..self.nodes.len()).map(NodeIx::new).filter(|ix| self.incoming(*ix).is_empty()).collect();
        while let Some(ix) = free.pop_front() {
            self.order.push(ix);
            for (to, edges) in self.incoming.iter().enumerate() {
                let from_here = edges.iter().filter(|edge| edge.from == ix).count();
                if let Some(count) = blocked.get_mut(to).filter(|_| from_here > 0) {
                    *count -= from_here;
                    if *count == 0 {
                        free.push_back(NodeIx::new(to));
                    }
                }
            }
        }
        if self.order.len() == self.nodes.len() {
            return Some(());
        }
        let sorted: BTreeSet<_> = self.order.iter().copied().collect();
        let cycle: Vec<_> =
            (0..self.nodes.len()).map(NodeIx::new).filter(|ix| !sorted.contains(ix)).map(|ix| self.node(ix).id.as_str()).collect();
        errors.add("spec.edges", format!("there is a cycle through or before: {}", cycle.join(", ")));
        None
    }

    fn check_reach(&self, links: &[(NodeIx, Edge)], paths: &[String], errors: &mut FieldErrors) {
        let mut reached = BTreeSet::from([self.start]);
        // In topological order one pass is enough.
        for ix in self.order() {
            if reached.contains(&ix) {
                reached.extend(links.iter().filter(|(_, edge)| edge.from == ix).map(|(to, _)| *to));
            }
        }
        for (ix, path) in paths.iter().enumerate().map(|(at, path)| (NodeIx::new(at), path)) {
            // Of two nodes with one id, edges can only lead to one.
            if !reached.contains(&ix) && self.position(&self.node(ix).id) == Some(ix) {
                errors.add(format!("{path}.id"), format!("`{}` cannot be reached from the start node", self.node(ix).id));
            }
        }
    }

    fn check_templates(&self, paths: &[String], errors: &mut FieldErrors) {
        let mut upstream: Vec<BTreeSet<NodeIx>> = vec![BTreeSet::new(); self.nodes.len()];
        for ix in self.order() {
            let mut above: BTreeSet<NodeIx> = BTreeSet::new();
            for edge in self.incoming(ix) {
                above.insert(edge.from);
                above.extend(upstream.get(edge.from.position()).into_iter().flatten());
            }
            for (field, expression) in self.node(ix).kind.expressions() {
                let Some(name) = expression.node() else { continue };
                let path = format!("{}.{field}", paths.get(ix.position()).map_or("spec.nodes", String::as_str));
                match self.position(name) {
                    None => errors.add(path, format!("`${{{expression}}}` names the node `{name}`, which does not exist")),
                    Some(named) if !above.contains(&named) => {
                        errors.add(
                            path,
                            format!("`${{{expression}}}` names the node `{name}`, which is not upstream of `{}`", self.node(ix).id),
                        );
                    }
                    Some(_) => {}
                }
            }
            if let Some(slot) = upstream.get_mut(ix.position()) {
                *slot = above;
            }
        }
    }
}

/// A run's output is made by a node of its own, which everything that ends a branch leads to: it fails as a step does, and its
/// record is kept, and expires, as a step's.
fn end_with(output: Template, nodes: &mut Vec<(String, Node)>, positions: &mut BTreeMap<NodeId, NodeIx>, links: &mut Vec<(NodeIx, Edge)>) {
    let (end, id) = (NodeIx::new(nodes.len()), NodeId::run_output());
    for (at, (_, node)) in nodes.iter().enumerate() {
        let edge = Edge { from: NodeIx::new(at), exit: Exit::Normal };
        let goes_on = matches!(node.kind, NodeKind::Decision(_)) || links.iter().any(|(_, link)| *link == edge);
        if !goes_on {
            links.push((end, edge));
        }
    }
    positions.insert(id.clone(), end);
    let node = Node { id, kind: NodeKind::Transform(output), retry: Retry::default(), timeout_seconds: 30, on_error: Route::Fail };
    nodes.push(("spec".to_owned(), node));
}

/// The position of a node that is named at `path`; an error if there is no such node.
fn find(id: &NodeId, path: &str, raw: &Raw, positions: &BTreeMap<NodeId, NodeIx>, errors: &mut FieldErrors) -> Option<NodeIx> {
    let found = positions.get(id).copied();
    if found.is_none() && !raw.unread.contains(id.as_str()) {
        errors.add(path, format!("there is no node `{id}`"));
    }
    found
}

/// Every edge: those of the spec and those that routes imply.
fn links(raw: &Raw, positions: &BTreeMap<NodeId, NodeIx>, errors: &mut FieldErrors) -> Vec<(NodeIx, Edge)> {
    let mut links = Vec::new();
    for route in [("onReject", &raw.defaults.on_reject), ("onTimeout", &raw.defaults.on_timeout)] {
        if let (field, Route::To(id)) = route {
            find(id, &format!("spec.{field}"), raw, positions, errors);
        }
    }
    for edge in &raw.edges {
        let mut end = |field: &str, id: &NodeId| find(id, &format!("{}.{field}", edge.path), raw, positions, errors);
        let (Some(from), Some(to)) = (end("from", &edge.from), end("to", &edge.to)) else { continue };
        let kind = raw.nodes.get(from.position()).map(|(_, node)| &node.kind);
        let exit = match (kind, &edge.case) {
            (Some(NodeKind::Decision(decision)), Some(case)) => match decision.cases.iter().position(|(name, _)| name == case) {
                None => {
                    errors.add(format!("{}.case", edge.path), format!("`{}` has no case `{case}`", edge.from));
                    continue;
                }
                Some(at) => {
                    if decision.cases.get(case).is_some_and(|next| *next != edge.to) {
                        errors.add(format!("{}.to", edge.path), format!("case `{case}` of `{}` leads to another node", edge.from));
                    }
                    Exit::case(at)
                }
            },
            (Some(NodeKind::Decision(_)), None) => {
                errors.add(format!("{}.case", edge.path), format!("is required: `{}` is a decision", edge.from));
                continue;
            }
            (_, Some(_)) => {
                errors.add(format!("{}.case", edge.path), format!("does not belong here: `{}` is not a decision", edge.from));
                continue;
            }
            (_, None) => Exit::Normal,
        };
        let link = (to, Edge { from, exit });
        if links.contains(&link) {
            errors.add(edge.path.as_str(), format!("the edge from `{}` to `{}` is there twice", edge.from, edge.to));
        } else {
            links.push(link);
        }
    }
    for (at, (path, node)) in raw.nodes.iter().enumerate() {
        let from = NodeIx::new(at);
        let mut imply = |path: String, route: &Route, exit: Exit| {
            if let Route::To(id) = route {
                links.extend(find(id, &path, raw, positions, errors).map(|to| (to, Edge { from, exit })));
            }
        };
        imply(format!("{path}.onError"), &node.on_error, Exit::Error);
        if let NodeKind::Approval(gate) = &node.kind {
            // A route that comes from the spec's default is wrong there, not here.
            let at = |field: &str, route: &Route, default: &Route| {
                if route == default { format!("spec.{field}") } else { format!("{path}.{field}") }
            };
            imply(at("onReject", &gate.on_reject, &raw.defaults.on_reject), &gate.on_reject, Exit::Rejected);
            imply(at("onTimeout", &gate.on_timeout, &raw.defaults.on_timeout), &gate.on_timeout, Exit::Expired);
        }
        if let NodeKind::Decision(decision) = &node.kind {
            for (case, next) in &decision.cases {
                let has_edge = raw.edges.iter().any(|edge| edge.from == node.id && edge.case.as_ref() == Some(case));
                if find(next, &format!("{path}.cases.{case}.next"), raw, positions, errors).is_some() && !has_edge {
                    errors.add(
                        format!("{path}.cases.{case}"),
                        format!("has no edge: add {{\"from\": \"{}\", \"to\": \"{next}\", \"case\": \"{case}\"}}", node.id),
                    );
                }
            }
        }
    }
    links
}

//! The edges of a spec: those that it lists, and those that its routes imply.

use std::collections::BTreeMap;

use super::exit::Exit;
use super::node::{Decision, Node, NodeKind, Route};
use super::raw::{RawEdge, RawSpec};
use super::spec::{Edge, NodeIx};
use crate::name::NodeId;
use crate::problem::FieldErrors;

/// An edge, and the node that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) to: NodeIx,
    pub(super) edge: Edge,
}

/// Collects the edges of a spec and reports those that are wrong, each at its path.
pub(super) struct Links<'a> {
    raw: &'a RawSpec,
    positions: &'a BTreeMap<NodeId, NodeIx>,
    errors: &'a mut FieldErrors,
    found: Vec<Link>,
}

impl<'a> Links<'a> {
    pub(super) fn new(raw: &'a RawSpec, positions: &'a BTreeMap<NodeId, NodeIx>, errors: &'a mut FieldErrors) -> Self {
        Self { raw, positions, errors, found: Vec::new() }
    }

    /// Returns the position of a node that is named at `path`. Reports an error there if the node does not exist.
    pub(super) fn find(&mut self, id: &NodeId, path: &str) -> Option<NodeIx> {
        let found = self.positions.get(id).copied();
        if found.is_none() && !self.raw.unread.contains(id.as_str()) {
            self.errors.add(path, format!("there is no node `{id}`"));
        }
        found
    }

    /// Collects all edges.
    pub(super) fn add_all(&mut self) {
        let raw = self.raw;
        self.check_default_routes();
        for edge in &raw.edges {
            self.add_listed(edge);
        }
        for (at, (path, node)) in raw.nodes.iter().enumerate() {
            self.add_routes(NodeIx::new(at), path, node);
            if let NodeKind::Decision(decision) = &node.kind {
                self.check_cases(path, node, decision);
            }
        }
    }

    pub(super) fn finish(self) -> Vec<Link> {
        self.found
    }

    fn check_default_routes(&mut self) {
        for (field, route) in [("onReject", &self.raw.defaults.on_reject), ("onTimeout", &self.raw.defaults.on_timeout)] {
            if let Route::To(id) = route {
                self.find(id, &format!("spec.{field}"));
            }
        }
    }

    /// Adds an edge that the spec lists.
    fn add_listed(&mut self, edge: &RawEdge) {
        let from = self.find(&edge.from, &format!("{}.from", edge.path));
        let to = self.find(&edge.to, &format!("{}.to", edge.path));
        let (Some(from), Some(to)) = (from, to) else { return };
        let Some(exit) = self.exit_of(edge, from) else { return };
        let link = Link { to, edge: Edge { from, exit } };
        if self.found.contains(&link) {
            self.errors.add(edge.path.as_str(), format!("the edge from `{}` to `{}` is there twice", edge.from, edge.to));
        } else {
            self.found.push(link);
        }
    }

    /// Returns the exit by which a listed edge is taken. A `case` is required on the edges of a decision and wrong on all others.
    fn exit_of(&mut self, edge: &RawEdge, from: NodeIx) -> Option<Exit> {
        let decision = match self.raw.nodes.get(from.position()).map(|(_, node)| &node.kind) {
            Some(NodeKind::Decision(decision)) => Some(decision),
            _ => None,
        };
        let case_path = format!("{}.case", edge.path);
        match (decision, &edge.case) {
            (Some(decision), Some(case)) => self.exit_of_case(edge, decision, case),
            (Some(_), None) => {
                self.errors.add(case_path, format!("is required: `{}` is a decision", edge.from));
                None
            }
            (None, Some(_)) => {
                self.errors.add(case_path, format!("does not belong here: `{}` is not a decision", edge.from));
                None
            }
            (None, None) => Some(Exit::Normal),
        }
    }

    fn exit_of_case(&mut self, edge: &RawEdge, decision: &Decision, case: &str) -> Option<Exit> {
        let position = decision.cases.keys().position(|name| name == case);
        if position.is_none() {
            self.errors.add(format!("{}.case", edge.path), format!("`{}` has no case `{case}`", edge.from));
        } else if decision.cases.get(case).is_some_and(|next| *next != edge.to) {
            self.errors.add(format!("{}.to", edge.path), format!("case `{case}` of `{}` leads to another node", edge.from));
        }
        position.map(Exit::case)
    }

    /// Adds the edges that the routes of a node imply.
    fn add_routes(&mut self, from: NodeIx, path: &str, node: &Node) {
        self.add_route(from, &node.on_error, Exit::Error, &format!("{path}.onError"));
        if let NodeKind::Approval(gate) = &node.kind {
            // A route that comes from the default of the spec is wrong there and not at the node.
            let defaults = &self.raw.defaults;
            let at = |field: &str, route: &Route, default: &Route| {
                if route == default { format!("spec.{field}") } else { format!("{path}.{field}") }
            };
            let rejected_at = at("onReject", &gate.on_reject, &defaults.on_reject);
            let expired_at = at("onTimeout", &gate.on_timeout, &defaults.on_timeout);
            self.add_route(from, &gate.on_reject, Exit::Rejected, &rejected_at);
            self.add_route(from, &gate.on_timeout, Exit::Expired, &expired_at);
        }
    }

    fn add_route(&mut self, from: NodeIx, route: &Route, exit: Exit, path: &str) {
        if let Route::To(id) = route
            && let Some(to) = self.find(id, path)
        {
            self.found.push(Link { to, edge: Edge { from, exit } });
        }
    }

    /// Reports the cases of a decision that have no edge, or that lead to a node that does not exist.
    fn check_cases(&mut self, path: &str, node: &Node, decision: &Decision) {
        for (case, next) in &decision.cases {
            let has_edge = self.raw.edges.iter().any(|edge| edge.from == node.id && edge.case.as_ref() == Some(case));
            if self.find(next, &format!("{path}.cases.{case}.next")).is_some() && !has_edge {
                self.errors.add(
                    format!("{path}.cases.{case}"),
                    format!("has no edge: add {{\"from\": \"{}\", \"to\": \"{next}\", \"case\": \"{case}\"}}", node.id),
                );
            }
        }
    }
}

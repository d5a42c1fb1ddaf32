//! What an approval lets happen: the steps after it that have an effect outside, and what each sends where.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::exit::Exit;
use super::node::{Node, NodeKind, Tool};
use super::spec::{Edge, NodeIx, Spec};
use crate::name::{NodeId, ServiceSlug};
use crate::status::Verdict;
use crate::template::{Expression, Operand, Template, Text};

/// The field of an approval's output that has the decided action.
const ACTION: &str = "proposedAction";

/// The base URL of each service that the steps after an approval send through; `None` if no such connection is registered.
pub type BaseUrls = BTreeMap<ServiceSlug, Option<String>>;

/// What a step after an approval sends, and where: as it is written in the spec, with the base URL of the connection that it goes through.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// The step.
    #[serde(rename = "nodeId")]
    pub node: NodeId,
    /// Its type. A tool of an `llm_step` has an entry of its own.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The connection that it goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSlug>,
    /// The base URL of the connection when the approval opened. None: there was no such connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The URL, if it goes through no connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path below the base URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The query parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// The request headers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The name of the event that is emitted to the organisation's webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The body, or the data of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Whether what is sent depends on the decided action: the step reads it, or the output of a step that does.
    pub uses_decision: bool,
    /// Whether nothing is left open but the decision itself: the connection is known, and no other expression has to be filled in.
    pub complete: bool,
    /// The decisions after which the step may be executed.
    pub after: Vec<Verdict>,
}

impl Destination {
    /// Returns the name of the entry: the step, and the service of a tool.
    pub fn key(&self) -> String {
        match &self.service {
            Some(service) if self.kind == "llm_step" => format!("{}/{service}", self.node),
            _ => self.node.to_string(),
        }
    }

    fn of(node: &Node, base_urls: &BaseUrls, after: Vec<Verdict>) -> Vec<Self> {
        let empty = Self {
            node: node.id.clone(),
            kind: node.kind.name(),
            service: None,
            base_url: None,
            url: None,
            method: None,
            path: None,
            query: BTreeMap::new(),
            headers: BTreeMap::new(),
            event: None,
            body: None,
            uses_decision: false,
            complete: false,
            after,
        };
        let base_url = |service: &ServiceSlug| base_urls.get(service).cloned().flatten();
        match &node.kind {
            NodeKind::Service(call) => vec![Self {
                service: Some(call.service.clone()),
                base_url: base_url(&call.service),
                method: Some(call.method.clone()),
                path: Some(call.path.as_written()),
                query: as_written(&call.query),
                headers: as_written(&call.headers),
                body: call.body.as_ref().map(Template::as_written),
                ..empty
            }],
            NodeKind::Http(call) => vec![Self {
                url: Some(call.url.as_written()),
                method: Some(call.method.clone()),
                headers: as_written(&call.headers),
                body: call.body.as_ref().map(Template::as_written),
                ..empty
            }],
            NodeKind::Sink(sink) => vec![Self {
                url: Some(sink.url.as_written()),
                method: Some("POST".to_owned()),
                body: sink.body.as_ref().map(Template::as_written),
                ..empty
            }],
            NodeKind::Emit(emit) => {
                vec![Self { event: Some(emit.event.clone()), body: emit.data.as_ref().map(Template::as_written), ..empty }]
            }
            NodeKind::Llm(step) => {
                let tool = |tool: &Tool| Self {
                    service: Some(tool.slug.clone()),
                    base_url: base_url(&tool.slug),
                    method: Some("POST".to_owned()),
                    ..empty.clone()
                };
                step.tools.iter().map(tool).collect()
            }
            NodeKind::Decision(_) | NodeKind::Transform(_) | NodeKind::Approval(_) | NodeKind::Wait(_) => Vec::new(),
        }
    }
}

fn as_written(texts: &BTreeMap<String, Text>) -> BTreeMap<String, String> {
    texts.iter().map(|(name, text)| (name.clone(), text.as_written())).collect()
}

impl NodeKind {
    /// Returns whether the node changes something outside: it sends a request, emits an event, or gives a model tools to call. A model
    /// that is only asked changes nothing.
    pub fn has_effect(&self) -> bool {
        match self {
            Self::Service(_) | Self::Http(_) | Self::Sink(_) | Self::Emit(_) => true,
            Self::Llm(step) => !step.tools.is_empty(),
            Self::Decision(_) | Self::Transform(_) | Self::Approval(_) | Self::Wait(_) => false,
        }
    }

    /// Returns the services that the node may call.
    pub fn services(&self) -> Vec<&ServiceSlug> {
        match self {
            Self::Service(call) => vec![&call.service],
            Self::Llm(step) => step.tools.iter().map(|tool| &tool.slug).collect(),
            _ => Vec::new(),
        }
    }
}

impl Spec {
    /// Returns the nodes to which a way leads that begins with this exit of a node.
    pub(super) fn reached_by(&self, from: NodeIx, exit: Exit) -> BTreeSet<NodeIx> {
        let mut reached = BTreeSet::new();
        for ix in self.order() {
            let leads = |edge: &Edge| (edge.from == from && edge.exit == exit) || reached.contains(&edge.from);
            if self.incoming(ix).iter().any(leads) {
                reached.insert(ix);
            }
        }
        reached
    }

    /// Returns the nodes from which a way leads to a node.
    pub fn upstream_of(&self, ix: NodeIx) -> BTreeSet<NodeIx> {
        let mut upstream = BTreeSet::from([ix]);
        for at in self.order().rev() {
            if upstream.contains(&at) {
                upstream.extend(self.incoming(at).iter().map(|edge| edge.from));
            }
        }
        upstream.remove(&ix);
        upstream
    }

    /// Returns the steps that have an effect and to which a way leads from the approval at `gate`, in topological order, each with the
    /// decisions after which it may be executed. Steps behind another approval are among them: this one lets them happen, too.
    pub(super) fn effects_after(&self, gate: NodeIx) -> Vec<(NodeIx, Vec<Verdict>)> {
        let ways = [(Verdict::Approved, Exit::Normal), (Verdict::Rejected, Exit::Rejected), (Verdict::Expired, Exit::Expired)];
        let ways = ways.map(|(verdict, exit)| (verdict, self.reached_by(gate, exit)));
        let after = |ix: &NodeIx| ways.iter().filter(|(_, reached)| reached.contains(ix)).map(|(verdict, _)| *verdict).collect::<Vec<_>>();
        let effects = self.order().filter(|ix| self.node(*ix).kind.has_effect());
        effects.map(|ix| (ix, after(&ix))).filter(|(_, after)| !after.is_empty()).collect()
    }

    /// Returns the services that steps after the approval at `gate` may call.
    pub fn services_after(&self, gate: NodeIx) -> BTreeSet<&ServiceSlug> {
        self.effects_after(gate).into_iter().flat_map(|(ix, _)| self.node(ix).kind.services()).collect()
    }

    /// Returns what the approval at `gate` lets happen: what each step after it that has an effect sends where.
    pub fn destinations_after(&self, gate: NodeIx, base_urls: &BaseUrls) -> Vec<Destination> {
        let (deciding, id) = (self.nodes_using_decision(gate), &self.node(gate).id);
        let mut destinations = Vec::new();
        for (ix, after) in self.effects_after(gate) {
            let node = self.node(ix);
            let is_open = node.kind.expressions().into_iter().any(|(_, expression)| !reads_only(expression, id));
            for destination in Destination::of(node, base_urls, after) {
                let is_known = destination.service.is_none() || destination.base_url.is_some();
                let complete = is_known && !is_open && !matches!(node.kind, NodeKind::Llm(_));
                destinations.push(Destination { uses_decision: deciding.contains(&ix), complete, ..destination });
            }
        }
        destinations
    }

    /// Returns the steps after the approval at `gate` that have no effect themselves and whose output a step with an effect reads, directly
    /// or through others. What they put out is part of what is sent.
    pub fn sources_after(&self, gate: NodeIx) -> BTreeSet<NodeIx> {
        let after: BTreeSet<NodeIx> =
            [Exit::Normal, Exit::Rejected, Exit::Expired].into_iter().flat_map(|exit| self.reached_by(gate, exit)).collect();
        let mut sources = BTreeSet::new();
        for ix in self.order().rev().filter(|ix| after.contains(ix)) {
            let kind = &self.node(ix).kind;
            if kind.has_effect() || sources.contains(&ix) {
                let read =
                    kind.expressions().into_iter().flat_map(|(_, expression)| expression.nodes()).filter_map(|node| self.position(node));
                let read: Vec<NodeIx> = read.collect();
                sources.extend(read.into_iter().filter(|node| after.contains(node)));
            }
        }
        sources.retain(|ix| !self.node(*ix).kind.has_effect() && !matches!(self.node(*ix).kind, NodeKind::Approval(_)));
        sources
    }

    /// Returns the nodes that depend on the action that was decided at `gate`: they read it, or the output of a node that does.
    pub(super) fn nodes_using_decision(&self, gate: NodeIx) -> BTreeSet<NodeIx> {
        let gate = &self.node(gate).id;
        let mut using = BTreeSet::new();
        for ix in self.order() {
            let reads = |expression: &Expression| {
                reads_action(expression, gate)
                    || expression.nodes().filter_map(|node| self.position(node)).any(|node| using.contains(&node))
            };
            if self.node(ix).kind.expressions().into_iter().any(|(_, expression)| reads(expression)) {
                using.insert(ix);
            }
        }
        using
    }
}

/// Returns whether an expression reads the decided action of `gate`, or its whole output.
fn reads_action(expression: &Expression, gate: &NodeId) -> bool {
    expression.operands().iter().any(|operand| match operand {
        Operand::Path(path) => path.node() == Some(gate) && path.segments.first().is_none_or(|first| first == ACTION),
        Operand::Literal(_) => false,
    })
}

/// Returns whether an expression reads nothing but the output of `gate`.
fn reads_only(expression: &Expression, gate: &NodeId) -> bool {
    expression.operands().iter().all(|operand| match operand {
        Operand::Path(path) => path.node() == Some(gate),
        Operand::Literal(_) => true,
    })
}

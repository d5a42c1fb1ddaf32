//! Reads the parts of a spec.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::flow::limits::{MAX_GATES, MAX_NODES};
use crate::flow::node::Route;
use crate::flow::object_reader::ObjectReader;
use crate::flow::raw::{Defaults, RawEdge, RawSpec};

pub(super) fn read(mut fields: ObjectReader<'_>) -> Option<RawSpec> {
    let start = fields.parse("startNodeId");
    let defaults = Defaults {
        on_reject: fields.route("onReject").unwrap_or(Route::Fail),
        on_timeout: fields.route("onTimeout").unwrap_or(Route::Fail),
    };
    let output = fields.optional_template("output");
    let given = fields.required("nodes").and_then(|_| fields.array("nodes"));
    let nodes = given.unwrap_or_default();
    let edges = fields.array("edges").unwrap_or_default();
    let incomplete = nodes.is_empty();
    if given.is_some() && nodes.is_empty() {
        fields.problem("nodes", "needs at least one node");
    }
    if nodes.len() > MAX_NODES {
        fields.problem("nodes", format!("a flow has at most {MAX_NODES} nodes, this one has {}", nodes.len()));
        return None;
    }
    let mut raw = RawSpec { start, nodes: Vec::new(), edges: Vec::new(), defaults, output, incomplete, unread: BTreeSet::new() };
    let gates = nodes.iter().filter(|node| node.get("type").is_some_and(|name| name == "human_approval")).count();
    if gates > MAX_GATES {
        fields.problem("nodes", format!("a flow has at most {MAX_GATES} approvals, this one has {gates}"));
    }
    for (at, value) in nodes.iter().enumerate() {
        let path = format!("spec.nodes[{at}]");
        if let Some(node) = fields.inner(value, path.as_str()).and_then(|fields| super::node::node(fields, &raw.defaults)) {
            raw.nodes.push((path, node));
        } else {
            raw.incomplete = true;
            raw.unread.extend(value.get("id").and_then(Value::as_str).map(str::to_owned));
        }
    }
    for (at, value) in edges.iter().enumerate() {
        let path = format!("spec.edges[{at}]");
        match fields.inner(value, path.as_str()).and_then(|fields| edge(fields, path)) {
            Some(edge) => raw.edges.push(edge),
            None => raw.incomplete = true,
        }
    }
    fields.finish();
    Some(raw)
}

fn edge(mut fields: ObjectReader<'_>, path: String) -> Option<RawEdge> {
    let (from, to) = (fields.parse("from"), fields.parse("to"));
    let case = fields.optional_string("case").map(str::to_owned);
    fields.finish();
    Some(RawEdge { path, from: from?, to: to?, case })
}

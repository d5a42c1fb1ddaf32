//! The references between nodes: a template may only name nodes that are upstream of its own.

use std::collections::BTreeSet;

use super::spec::{NodeIx, Spec};
use crate::problem::FieldErrors;

/// Checks every template of a spec. `paths` has the path of each node.
pub(super) fn check_references(spec: &Spec, paths: &[String], errors: &mut FieldErrors) {
    let upstream = upstream(spec);
    for (at, (path, above)) in paths.iter().zip(&upstream).enumerate() {
        let node = spec.node(NodeIx::new(at));
        for (field, expression) in node.kind.expressions() {
            for name in expression.nodes() {
                let path = format!("{path}.{field}");
                match spec.position(name) {
                    None => errors.add(path, format!("`${{{expression}}}` names the node `{name}`, which does not exist")),
                    Some(named) if !above.contains(&named) => {
                        errors.add(path, format!("`${{{expression}}}` names the node `{name}`, which is not upstream of `{}`", node.id));
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

/// Returns the nodes upstream of each node, by position.
fn upstream(spec: &Spec) -> Vec<BTreeSet<NodeIx>> {
    let mut upstream: Vec<BTreeSet<NodeIx>> = vec![BTreeSet::new(); spec.len()];
    for ix in spec.order() {
        let mut above: BTreeSet<NodeIx> = BTreeSet::new();
        for edge in spec.incoming(ix) {
            above.insert(edge.from);
            above.extend(upstream.get(edge.from.position()).into_iter().flatten());
        }
        if let Some(slot) = upstream.get_mut(ix.position()) {
            *slot = above;
        }
    }
    upstream
}

//! What an invocation knows of a run's data: fetched when a template first asks for it, and then kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::flow::{Node, NodeId, NodeIx, NodeKind, Spec};
use domain::gate::Gate;
use domain::ports::{PortError, Runs};
use domain::run::{NodeStatus, Run};
use domain::step::Payload;
use domain::template::{Output, TemplateContext, nodes_read};
use domain::time::Time;
use serde_json::Value;

/// The run's input and the outputs of its nodes, as far as they were needed.
#[derive(Debug, Default)]
pub(crate) struct RunContext {
    input: Option<Arc<Value>>,
    outputs: BTreeMap<NodeId, Output>,
}

impl RunContext {
    /// Brings what the node's templates read. What is not there stays away: the template says so when it is filled in.
    pub(crate) async fn gather(&mut self, runs: &impl Runs, spec: &Spec, run: &Run, ix: NodeIx, now: Time) -> Result<(), PortError> {
        let expressions: Vec<_> = spec.node(ix).kind.expressions().into_iter().map(|(_, expression)| expression).collect();
        if self.input.is_none() && expressions.iter().any(|expression| expression.reads_input()) {
            self.input = Some(value_of(runs, &runs.input(run).await?).await?);
        }
        for name in nodes_read(expressions) {
            let Some(from) = spec.position(&name) else { continue };
            if self.outputs.contains_key(&name) || run.progress.get(from).status != NodeStatus::Succeeded {
                continue;
            }
            let node = spec.node(from);
            if matches!(node.kind, NodeKind::Approval(_)) {
                if let Some(gate) = runs.gate(run, &name).await? {
                    self.add_gate(runs, &gate).await?;
                }
            } else if let Some(payload) = runs.step(run, &name, now).await?.and_then(|record| record.output) {
                self.add(node, value_of(runs, &payload).await?);
            }
        }
        Ok(())
    }

    /// A node has put something out.
    pub(crate) fn add(&mut self, node: &Node, value: Arc<Value>) {
        let falls_back_to_parsed = matches!(node.kind, NodeKind::Llm(_));
        self.outputs.insert(node.id.clone(), Output { value, falls_back_to_parsed });
    }

    /// A gate was decided.
    pub(crate) async fn add_gate(&mut self, runs: &impl Runs, gate: &Gate) -> Result<(), PortError> {
        if let Some(outcome) = gate.outcome.as_ref().filter(|_| !self.outputs.contains_key(&gate.node)) {
            let value = Arc::new(outcome.output(&*value_of(runs, &outcome.decided_action).await?));
            self.outputs.insert(gate.node.clone(), Output { value, falls_back_to_parsed: false });
        }
        Ok(())
    }

    /// What templates may name.
    pub(crate) fn scope(&self, run: &Run) -> TemplateContext<'_> {
        TemplateContext {
            trigger: self.input.as_deref().unwrap_or(&Value::Null),
            outputs: &self.outputs,
            run_id: run.id.to_string(),
            trace_id: run.trace_id.clone(),
        }
    }
}

/// A payload's value, wherever it lies.
pub(crate) async fn value_of(runs: &impl Runs, payload: &Payload) -> Result<Arc<Value>, PortError> {
    match payload {
        Payload::Inline(value) => Ok(Arc::clone(value)),
        Payload::Stored(object) => runs.fetch(object).await.map(Arc::new),
    }
}

//! The values of a run that an invocation has loaded, and the names of those that it has not loaded yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::flow::{BaseUrls, Node, NodeId, NodeIx, NodeKind, Spec};
use domain::gate::{Gate, Verdict};
use domain::ports::{CoveredService, PortError, Runs};
use domain::request::{LlmRequest, Request, Turn};
use domain::run::{NodeStatus, Run};
use domain::step::{Payload, StepRecord};
use domain::template::{Output, TemplateContext, nodes_read};
use domain::time::Time;
use serde_json::Value;

/// A value that the planner needs before it can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Load {
    /// The run's input.
    Input,
    /// The output of a node that has succeeded, for templates.
    Output(NodeIx),
    /// The record of a step that may have been done by an interrupted invocation.
    Step(NodeIx),
    /// The gate of a node.
    Gate(NodeIx),
    /// The decision of a gate of this run, as later nodes need it.
    Decided(NodeIx),
    /// The base URLs of the services that the steps after a gate may call.
    BaseUrls(NodeIx),
    /// The record of the step in the earlier run that this run repeats.
    EarlierStep(NodeIx),
    /// The gate of the node in the earlier run that this run repeats.
    EarlierGate(NodeIx),
    /// What followed the prompts of an `llm_step` in the earlier rounds.
    Conversation(NodeIx),
}

/// A step that is on record and not yet part of the run's progress.
#[derive(Debug, Clone)]
pub(crate) struct RecordedStep {
    pub(crate) record: StepRecord,
    /// The output, if it did not have to be fetched.
    pub(crate) output: Option<Arc<Value>>,
}

/// What an invocation has loaded of its run so far.
#[derive(Debug, Default)]
pub(crate) struct RunContext {
    loaded: BTreeSet<Load>,
    input: Option<Arc<Value>>,
    outputs: BTreeMap<NodeId, Output>,
    /// Steps that were done since the run was last written.
    pub(crate) steps: BTreeMap<NodeIx, RecordedStep>,
    /// Nodes whose attempt has failed since the run was last written, and when the next attempt is due.
    pub(crate) retries: BTreeMap<NodeIx, Time>,
    pub(crate) gates: BTreeMap<NodeIx, Gate>,
    /// Gates of this run that are decided.
    decided: BTreeMap<NodeIx, DecidedGate>,
    /// The base URLs of the services that the steps after a gate may call, by the gate that is about to open.
    pub(crate) base_urls: BTreeMap<NodeIx, BaseUrls>,
    pub(crate) earlier_steps: BTreeMap<NodeIx, StepRecord>,
    pub(crate) earlier_gates: BTreeMap<NodeIx, Gate>,
    /// The conversations of drafts that are revised, or the reason why one cannot be continued.
    conversations: BTreeMap<NodeIx, Result<Vec<Turn>, String>>,
}

impl RunContext {
    pub(crate) fn has(&self, load: Load) -> bool {
        self.loaded.contains(&load)
    }

    /// Notes that a value was loaded. A value that does not exist counts as loaded, too.
    pub(crate) fn note_loaded(&mut self, load: Load) {
        self.loaded.insert(load);
    }

    /// Returns the values that the templates of a node read and that are not loaded yet. The output of a node that has not succeeded is
    /// never loaded: the template reports it as missing.
    pub(crate) fn missing_for(&self, spec: &Spec, run: &Run, ix: NodeIx) -> Vec<Load> {
        let expressions: Vec<_> = spec.node(ix).kind.expressions().into_iter().map(|(_, expression)| expression).collect();
        let reads_input = expressions.iter().any(|expression| expression.reads_input());
        let nodes = nodes_read(expressions);
        let succeeded = nodes.iter().filter_map(|name| spec.position(name).map(|ix| (name, ix)));
        let succeeded =
            succeeded.filter(|(name, ix)| run.progress.get(*ix).status == NodeStatus::Succeeded && !self.outputs.contains_key(*name));
        let mut missing: Vec<Load> = succeeded.map(|(_, ix)| Load::Output(ix)).collect();
        if reads_input {
            missing.insert(0, Load::Input);
        }
        if matches!(spec.node(ix).kind, NodeKind::Llm(_)) && run.round_of(&spec.node(ix).id) > 1 {
            missing.push(Load::Conversation(ix));
        }
        missing.retain(|load| !self.has(*load));
        missing
    }

    /// Keeps the decision of a gate. A gate that is not decided is not kept.
    pub(crate) fn add_decided(&mut self, ix: NodeIx, gate: &Gate) {
        self.note_loaded(Load::Decided(ix));
        if let Some(outcome) = &gate.outcome {
            let decided = DecidedGate {
                base_urls: gate.basis.base_urls.clone(),
                verdict: outcome.verdict,
                decided_sha256: outcome.decided_sha256.clone(),
                is_taken_over: gate.reused_from.is_some(),
            };
            self.decided.insert(ix, decided);
        }
    }

    /// Returns the decision of a gate of this run, if it was loaded.
    pub(crate) fn decided(&self, ix: NodeIx) -> Option<&DecidedGate> {
        self.decided.get(&ix)
    }

    /// Returns the destinations that the approvals before a node cover. Those that an earlier version opened showed none, and cover all.
    pub(crate) fn covered(&self, spec: &Spec, ix: NodeIx) -> Vec<CoveredService> {
        let services = spec.node(ix).kind.services();
        let mut covered = Vec::new();
        for gate in gates_before(spec, ix) {
            let Some(base_urls) = self.decided.get(&gate).and_then(|decided| decided.base_urls.as_ref()) else { continue };
            for service in &services {
                let base_url = base_urls.get(*service).cloned().flatten();
                covered.push(CoveredService { gate: spec.node(gate).id.clone(), service: (*service).clone(), base_url });
            }
        }
        covered
    }

    pub(crate) fn set_input(&mut self, value: Arc<Value>) {
        self.input = Some(value);
    }

    /// Keeps the output of a node.
    pub(crate) fn add_output(&mut self, node: &Node, value: Arc<Value>) {
        let falls_back_to_parsed = matches!(node.kind, NodeKind::Llm(_));
        self.outputs.insert(node.id.clone(), Output { value, falls_back_to_parsed });
    }

    /// Keeps a step that is on record, and its output if that is there.
    pub(crate) fn add_step(&mut self, spec: &Spec, ix: NodeIx, step: RecordedStep) {
        if let Some(value) = &step.output {
            self.add_output(spec.node(ix), Arc::clone(value));
        }
        self.note_loaded(Load::Step(ix));
        self.steps.insert(ix, step);
    }

    /// Keeps the conversation of a draft that is revised, or the reason why it cannot be continued.
    pub(crate) fn set_conversation(&mut self, ix: NodeIx, conversation: Result<Vec<Turn>, String>) {
        self.conversations.insert(ix, conversation);
    }

    /// Returns a request of a node as it is sent in the round of the node: a draft that is revised continues its conversation. Fails with
    /// the reason if that is no longer possible.
    pub(crate) fn in_its_round(&self, ix: NodeIx, request: Request) -> Result<Request, String> {
        match (request, self.conversations.get(&ix)) {
            (Request::Llm(request), Some(conversation)) => Ok(Request::Llm(LlmRequest { conversation: conversation.clone()?, ..request })),
            (request, _) => Ok(request),
        }
    }

    /// Forgets the values of nodes that are done again since the context was loaded: `before` has the rounds of that time.
    pub(crate) fn forget_rounds(&mut self, spec: &Spec, before: &Run, after: &Run) {
        for ix in spec.order() {
            let node = &spec.node(ix).id;
            if before.round_of(node) != after.round_of(node) {
                self.outputs.remove(node);
                self.steps.remove(&ix);
                self.retries.remove(&ix);
                self.conversations.remove(&ix);
                for load in [Load::Output(ix), Load::Step(ix), Load::Gate(ix), Load::Conversation(ix)] {
                    self.loaded.remove(&load);
                }
            }
        }
    }

    /// Forgets what may have changed when the run was written by another process: open gates, and that a step was not on record.
    pub(crate) fn forget_changeable(&mut self) {
        let Self { loaded, steps, gates, .. } = self;
        gates.clear();
        loaded.retain(|load| match load {
            Load::Gate(_) => false,
            Load::Step(ix) => steps.contains_key(ix),
            _ => true,
        });
    }

    /// Forgets what has become part of the run's progress.
    pub(crate) fn forget_written(&mut self) {
        self.steps.clear();
        self.retries.clear();
        self.base_urls.clear();
        self.earlier_steps.clear();
        self.earlier_gates.clear();
        self.forget_changeable();
        self.loaded.retain(|load| matches!(load, Load::Input | Load::Output(_) | Load::Decided(_) | Load::Conversation(_)));
    }

    /// Returns what templates may read.
    pub(crate) fn template_context(&self, run: &Run) -> TemplateContext<'_> {
        TemplateContext {
            trigger: self.input.as_deref().unwrap_or(&Value::Null),
            outputs: &self.outputs,
            run_id: run.id.to_string(),
            trace_id: run.trace_id.clone(),
        }
    }
}

/// What later nodes need of a gate that is decided.
#[derive(Debug)]
pub(crate) struct DecidedGate {
    base_urls: Option<BaseUrls>,
    pub(crate) verdict: Verdict,
    pub(crate) decided_sha256: String,
    /// Whether the decision was taken over from the earlier run.
    pub(crate) is_taken_over: bool,
}

/// Returns the approvals from which a way leads to a node.
pub(crate) fn gates_before(spec: &Spec, ix: NodeIx) -> impl Iterator<Item = NodeIx> {
    spec.upstream_of(ix).into_iter().filter(|at| matches!(spec.node(*at).kind, NodeKind::Approval(_)))
}

/// Returns the value of a payload, fetched from object storage if it is there.
pub(crate) async fn value_of(runs: &impl Runs, payload: &Payload) -> Result<Arc<Value>, PortError> {
    match payload {
        Payload::Inline(value) => Ok(Arc::clone(value)),
        Payload::Stored(object) => runs.fetch(object).await.map(Arc::new),
    }
}

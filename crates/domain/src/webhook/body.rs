//! The body of an event. It is made once and stored, so that every attempt sends the same bytes.
//!
//! Large payloads are not sent: a payload in object storage, and the largest of the others until the body has at most
//! [`MAX_BODY_BYTES`], are replaced by `<name>Ref {url, bytes, sha256}`, where `url` is a path of this API that returns them to a caller
//! with a key, as in the answer of `GET /api/runs/{runId}`.

use std::cmp::Reverse;

use serde::Serialize;
use serde_json::{Value, json};

use super::change::{ApprovalEvent, DomainEvent};
use crate::event_name::names;
use crate::flow::{NodeIx, NodeKind, Spec};
use crate::gate::Gate;
use crate::id::{EventId, OrgId, RunId};
use crate::json::{canonical, sha256_hex_of};
use crate::name::NodeId;
use crate::run::{NodeStatus, Run, RunStatus};
use crate::step::{Payload, StepKey, StepRecord, step_id};
use crate::time::Time;

/// The most bytes that the body of an event may have.
pub const MAX_BODY_BYTES: usize = 200_000;
/// The bytes that the fields around `data` take at most.
const ENVELOPE_BYTES: usize = 1_000;
/// The most bytes of a step's error in a list of steps.
const MAX_ERROR_BYTES: usize = 300;

/// An event that an endpoint subscribed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The id. It is the same however often the change behind it is read.
    pub id: EventId,
    /// The name.
    pub name: String,
    /// The organisation in which it happened.
    pub org: OrgId,
    /// When it happened.
    pub occurred_at: Time,
    /// The JSON that is sent, to the byte.
    pub body: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    id: EventId,
    event: &'a str,
    occurred_at: Time,
    org_id: OrgId,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    data: Value,
}

impl Event {
    /// Makes an event with this data.
    pub fn new(id: EventId, name: &str, org: OrgId, occurred_at: Time, data: Value) -> Self {
        Self::traced(id, name, org, occurred_at, None, data)
    }

    /// The same, with the trace id of the run beside the data: the data of an event that a flow emits is what the flow says, and nothing else.
    pub fn traced(id: EventId, name: &str, org: OrgId, occurred_at: Time, trace_id: Option<&str>, data: Value) -> Self {
        let body = Body { id, event: name, occurred_at, org_id: org, trace_id, data };
        // Maps with string keys and finite numbers always serialize.
        let body = serde_json::to_string(&body).unwrap_or_default();
        Self { id, name: name.to_owned(), org, occurred_at, body }
    }
}

/// Returns the event that tests an endpoint.
pub fn test_event(id: EventId, org: OrgId, now: Time) -> Event {
    Event::new(id, names::TEST, org, now, json!({"source": "test"}))
}

/// What was read to make the data of a domain event. Each event needs some of the fields.
#[derive(Debug, Default)]
pub struct Reading {
    /// The run, for an event that does not have it.
    pub run: Option<Box<Run>>,
    /// The URL of the console, which the links of approvals begin with. None if the deployment does not know it.
    pub console: Option<String>,
    /// The input of the run, for a run that began.
    pub input: Option<Payload>,
    /// The spec of the run, for a run that succeeded and for a generation that began.
    pub spec: Option<Spec>,
    /// The records of the steps, for a run that succeeded.
    pub steps: Vec<StepRecord>,
    /// The gates, for a run that succeeded.
    pub gates: Vec<Gate>,
    /// An offloaded payload of the step: the output of a generation, or the input of a `webhook_emit`.
    pub fetched: Option<Value>,
}

/// Returns the `data` of an event, small enough for a body of [`MAX_BODY_BYTES`].
pub fn data_of(event: &DomainEvent, reading: &Reading) -> Value {
    let mut body = EventData::default();
    let run = event.whole_run().or(reading.run.as_deref());
    match event {
        DomainEvent::Started(run) => {
            body.data = json!({"runId": run.id, "flowId": run.flow, "flowSlug": run.flow_slug, "trigger": run.trigger});
            if let Some(input) = &reading.input {
                body.put("", "input", input, format!("/api/runs/{}", run.id));
            }
        }
        DomainEvent::Ended(run) => body.of_ended(run, reading),
        DomainEvent::Opened(gate) => {
            body.data = json!({
                "runId": gate.run, "flowId": gate.flow, "stepId": step_id(&gate.run, &gate.key()), "nodeId": gate.node, "approvalId": gate.id,
                "actionLabel": gate.action_label, "assignTo": gate.assign_to, "expiresAt": gate.deadline,
            });
            body.put("", "proposedAction", &gate.proposed_action, url_of(&gate.run, &gate.key(), Some("proposedAction")));
        }
        DomainEvent::Approval { gate, what } => body.data = approval_data(gate, *what, run, reading),
        DomainEvent::Generating { run, node, .. } => {
            let spec = reading.spec.as_ref();
            let kind = spec.and_then(|spec| Some(&spec.node(spec.position(node)?).kind));
            let model = match kind {
                Some(NodeKind::Llm(step)) => Some(&step.model),
                _ => None,
            };
            body.data = json!({"runId": run.id, "stepId": step_id(&run.id, &run.step_key(node)), "nodeId": node, "model": model});
        }
        DomainEvent::Generated(step) => body.of_generated(step, reading),
        DomainEvent::Emitted(step) => body.data = emitted(step, reading),
    }
    let is_ours = !matches!(event, DomainEvent::Emitted(_));
    if let Some((fields, run)) = body.data.as_object_mut().filter(|_| is_ours).zip(run) {
        fields.insert("traceId".to_owned(), json!(run.trace_id));
    }
    body.shrunk()
}

/// Returns the data of an event of an approval.
fn approval_data(gate: &Gate, what: ApprovalEvent, run: Option<&Run>, reading: &Reading) -> Value {
    let mut data = json!({
        "approvalId": gate.id, "runId": gate.run, "stepId": step_id(&gate.run, &gate.key()), "nodeId": gate.node, "flowId": gate.flow,
        "flowSlug": run.map(|run| &run.flow_slug), "actionLabel": gate.action_label, "assignTo": gate.assign_to, "openedAt": gate.opened_at,
        "expiresAt": gate.deadline, "link": reading.console.as_ref().map(|console| format!("{console}/approvals/{}", gate.id)),
    });
    let more = match what {
        ApprovalEvent::Opened | ApprovalEvent::Reminded(_) => json!({}),
        ApprovalEvent::Decided | ApprovalEvent::Expired => gate.outcome.as_ref().map_or_else(
            || json!({}),
            |outcome| {
                json!({
                    "decision": outcome.verdict, "actor": outcome.actor, "identity": outcome.identity, "note": outcome.note,
                    "decidedAt": outcome.decided_at, "edited": !outcome.is_as_proposed(), "proposedSha256": outcome.proposed_sha256,
                    "decidedSha256": outcome.decided_sha256,
                })
            },
        ),
        ApprovalEvent::Reassigned(position) => gate.reassignments.get(position).map_or_else(
            || json!({}),
            |reassignment| {
                let by = reassignment.by.as_ref();
                json!({
                    "from": reassignment.from, "to": reassignment.to, "actor": by.map(|by| &by.id), "identity": by.and_then(|by| by.identity.as_ref()),
                    "note": reassignment.note,
                })
            },
        ),
    };
    if let (Some(fields), Value::Object(more)) = (data.as_object_mut(), more) {
        fields.extend(more);
    }
    data
}

/// Returns the data of a `webhook_emit`: what the flow put there.
fn emitted(step: &StepRecord, reading: &Reading) -> Value {
    let input = value_or(step.input.as_ref(), reading);
    let data = input.and_then(|input| input.get("data")).cloned().unwrap_or_else(|| json!({}));
    let most = MAX_BODY_BYTES - ENVELOPE_BYTES;
    let sent = step.input.as_ref().filter(|_| canonical(&data).len() > most);
    sent.map_or(data, |input| {
        // The input of the step is the name of the event and `data`.
        let place = reference(&url_of(&step.run, &step.key(), Some("input")), input.bytes(), &input.sha256());
        json!({"runId": step.run, "stepId": step_id(&step.run, &step.key()), "nodeId": step.node, "inputRef": place})
    })
}

/// Returns the value of a payload, whether it is inline or was fetched.
fn value_or<'a>(payload: Option<&'a Payload>, reading: &'a Reading) -> Option<&'a Value> {
    payload.and_then(Payload::value).map(AsRef::as_ref).or(reading.fetched.as_ref())
}

/// Returns the path of this API at which a part of a step can be fetched; without `of` it is the output.
fn url_of(run: &RunId, step: &StepKey, of: Option<&str>) -> String {
    let (node, round) = (&step.node, Some(step.round).filter(|round| *round > 1));
    let query: Vec<String> = of.map(|of| format!("of={of}")).into_iter().chain(round.map(|round| format!("round={round}"))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    format!("/api/runs/{run}/steps/{node}/output{query}")
}

fn reference(url: &str, bytes: usize, sha256: &str) -> Value {
    json!({"url": url, "bytes": bytes, "sha256": sha256})
}

/// A payload that can be replaced by a reference.
#[derive(Debug)]
struct Place {
    /// The JSON Pointer of the object that has the field.
    holder: String,
    field: &'static str,
    /// The path at which the payload can be fetched.
    url: String,
    bytes: usize,
}

#[derive(Debug, Default)]
struct EventData {
    data: Value,
    places: Vec<Place>,
}

impl EventData {
    /// Sets a field of the object at `holder` to a payload, or to a reference to it.
    fn put(&mut self, holder: &str, field: &'static str, payload: &Payload, url: String) {
        let Some(object) = self.data.pointer_mut(holder).and_then(Value::as_object_mut) else { return };
        match payload {
            Payload::Inline(value) => {
                self.places.push(Place { holder: holder.to_owned(), field, url, bytes: payload.bytes() });
                object.insert(field.to_owned(), Value::clone(value));
            }
            Payload::Stored(_) => {
                object.insert(format!("{field}Ref"), reference(&url, payload.bytes(), &payload.sha256()));
            }
        }
    }

    fn of_ended(&mut self, run: &Run, reading: &Reading) {
        self.data = json!({
            "runId": run.id, "flowId": run.flow, "flowSlug": run.flow_slug, "status": run.status, "finishedAt": run.finished_at,
        });
        let Some(fields) = self.data.as_object_mut() else { return };
        match run.status {
            RunStatus::Succeeded => {
                if let Some(warning) = &run.warning {
                    fields.insert("warning".to_owned(), json!(warning));
                }
                self.put_steps(run, reading);
            }
            RunStatus::Cancelled => {
                let cancellation = run.cancellation.as_ref();
                fields.insert("reason".to_owned(), json!(cancellation.and_then(|cancellation| cancellation.reason.as_ref())));
                fields.insert("actor".to_owned(), json!(cancellation.map(|cancellation| &cancellation.actor)));
            }
            RunStatus::Failed | RunStatus::Running | RunStatus::AwaitingApproval => {
                let error = run.error.as_ref();
                let node: Option<NodeId> = error.and_then(|error| error.node.as_ref()).and_then(|node| node.parse().ok());
                fields.insert("failedStepId".to_owned(), json!(node.as_ref().map(|node| step_id(&run.id, &run.step_key(node)))));
                fields.insert("failedNodeId".to_owned(), json!(node));
                fields.insert("errorMessage".to_owned(), json!(error.map(|error| &error.message)));
            }
        }
    }

    /// Adds the steps in the order in which they began; those that did not begin come last.
    fn put_steps(&mut self, run: &Run, reading: &Reading) {
        let Some(spec) = &reading.spec else { return };
        let mut steps: Vec<Step<'_>> = spec.order().map(|ix| Step::of(run, spec, ix, reading)).collect();
        steps.retain(|step| !step.node.is_internal());
        steps.sort_by_key(|step| step.span.map_or((true, None), |(began, _)| (false, Some(began))));
        let rows: Vec<Value> = steps.iter().map(|step| step.row(run)).collect();
        if let Some(fields) = self.data.as_object_mut() {
            fields.insert("steps".to_owned(), Value::Array(rows));
        }
        for (at, step) in steps.iter().enumerate() {
            if let Some(output) = &step.output {
                self.put(&format!("/steps/{at}"), "output", output, url_of(&run.id, &run.step_key(step.node), None));
            }
        }
    }

    fn of_generated(&mut self, step: &StepRecord, reading: &Reading) {
        let output = value_or(step.output.as_ref(), reading);
        let of_output = |field: &str| output.and_then(|output| output.get(field)).cloned();
        self.data = json!({"runId": step.run, "stepId": step_id(&step.run, &step.key()), "nodeId": step.node});
        let Some(fields) = self.data.as_object_mut() else { return };
        if step.status == NodeStatus::Succeeded {
            for field in ["model", "tokens", "inferenceMs"] {
                fields.insert(field.to_owned(), of_output(field).unwrap_or_default());
            }
        } else {
            fields.insert("errorMessage".to_owned(), json!(step.error));
        }
    }

    /// Returns the data with as many payloads replaced by references as necessary, the largest first.
    fn shrunk(mut self) -> Value {
        let most = MAX_BODY_BYTES - ENVELOPE_BYTES;
        let mut bytes = canonical(&self.data).len();
        self.places.sort_by_key(|place| Reverse(place.bytes));
        for place in self.places {
            if bytes <= most {
                break;
            }
            let Some(object) = self.data.pointer_mut(&place.holder).and_then(Value::as_object_mut) else { continue };
            let Some(value) = object.remove(place.field) else { continue };
            let text = canonical(&value);
            let reference = reference(&place.url, text.len(), &sha256_hex_of(text.as_bytes()));
            bytes = (bytes + canonical(&reference).len() + "Ref".len()).saturating_sub(text.len());
            object.insert(format!("{}Ref", place.field), reference);
        }
        self.data
    }
}

/// A step of a run that succeeded.
struct Step<'a> {
    ix: NodeIx,
    node: &'a NodeId,
    kind: &'static str,
    /// When the step began and when it finished; none if it did not begin.
    span: Option<(Time, Option<Time>)>,
    output: Option<Payload>,
    record: Option<&'a StepRecord>,
}

impl<'a> Step<'a> {
    fn of(run: &Run, spec: &'a Spec, ix: NodeIx, reading: &'a Reading) -> Self {
        let node = &spec.node(ix).id;
        let key = run.step_key(node);
        let record = reading.steps.iter().find(|record| record.key() == key);
        let gate = reading.gates.iter().find(|gate| gate.key() == key);
        let decided = gate.and_then(|gate| gate.outcome.as_ref()).map(|outcome| match &outcome.decided_action {
            Payload::Inline(action) => Payload::of(outcome.output(action)),
            stored @ Payload::Stored(_) => stored.clone(),
        });
        Self {
            ix,
            node,
            kind: spec.node(ix).kind.name(),
            span: record.map(|record| (record.started_at, Some(record.completed_at))).or(gate.map(|gate| (gate.opened_at, gate.closed_at))),
            output: record.and_then(|record| record.output.clone()).or(decided),
            record,
        }
    }

    fn row(&self, run: &Run) -> Value {
        let error = self.record.and_then(|record| record.error.as_deref());
        let mut row = json!({
            "id": step_id(&run.id, &run.step_key(self.node)),
            "nodeId": self.node,
            "type": self.kind,
            "status": run.progress.get(self.ix).status,
            "attempts": self.record.map(|record| record.attempts),
            "startedAt": self.span.map(|(began, _)| began),
            "completedAt": self.span.and_then(|(_, done)| done),
            "durationMs": self.span.and_then(|(began, done)| Some(done?.millis_since(began))),
            "error": error.map(|error| error.get(..error.floor_char_boundary(MAX_ERROR_BYTES)).unwrap_or_default()),
        });
        if let Some(fields) = row.as_object_mut() {
            fields.retain(|_, field| !field.is_null());
        }
        row
    }
}

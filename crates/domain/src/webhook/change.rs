//! Changes in the stream of the table, and the domain events that follow from them.

use crate::gate::Gate;
use crate::id::{EventId, OrgId, RunId};
use crate::name::NodeId;
use crate::run::{NodeStatus, Run, RunStatus};
use crate::status::Verdict;
use crate::step::{Payload, StepRecord};
use crate::time::Time;

use crate::event_name::names;

/// A write, as the stream shows it.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamChange {
    /// A run was created or changed.
    Run {
        /// The run before the write; none if the write created it.
        before: Option<Box<Run>>,
        /// The run after the write.
        after: Box<Run>,
    },
    /// A gate was opened, taken over or changed.
    Gate {
        /// The gate before the write; none if the write created it.
        before: Option<Box<Gate>>,
        /// The gate after the write.
        after: Box<Gate>,
    },
    /// A record of a step was written for the first time.
    Step(Box<StepRecord>),
}

/// An event of the domain, to which webhook endpoints can subscribe.
#[derive(Debug, Clone, PartialEq)]
pub enum DomainEvent {
    /// A run began.
    Started(Box<Run>),
    /// A run ended.
    Ended(Box<Run>),
    /// A gate opened.
    Opened(Box<Gate>),
    /// Something happened to a gate.
    Approval {
        /// The gate after it.
        gate: Box<Gate>,
        /// What happened.
        what: ApprovalEvent,
    },
    /// An `llm_step` began its first attempt.
    Generating {
        /// The run.
        run: Box<Run>,
        /// The node.
        node: NodeId,
        /// When the first attempt began.
        at: Time,
    },
    /// An `llm_step` finished.
    Generated(Box<StepRecord>),
    /// A `webhook_emit` recorded an event.
    Emitted(Box<StepRecord>),
}

/// What can happen to a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalEvent {
    /// It opened.
    Opened,
    /// It was approved or rejected.
    Decided,
    /// Nobody decided it in time.
    Expired,
    /// It was assigned to somebody else: the reassignment at this position of its record.
    Reassigned(usize),
    /// Its assignee was reminded: the reminder at this position of its record.
    Reminded(usize),
}

/// Returns the events of a change. They follow from the change alone, so that a change that is read twice has the same events.
pub fn domain_events(change: &StreamChange) -> Vec<DomainEvent> {
    match change {
        StreamChange::Run { before: None, after } => {
            let started = Some(DomainEvent::Started(after.clone()));
            started.into_iter().chain(generating(None, after)).chain(ended(None, after)).collect()
        }
        StreamChange::Run { before: Some(before), after } => generating(Some(before), after).chain(ended(Some(before), after)).collect(),
        // A gate that was taken over was decided in another run, which had the events.
        StreamChange::Gate { after, .. } if after.reused_from.is_some() => Vec::new(),
        StreamChange::Gate { before, after } => approval_events(before.as_deref(), after),
        // A step that was taken over happened in another run; a receipt only replaces a record.
        StreamChange::Step(step) if step.reused_from.is_some() || step.purged.is_some() => Vec::new(),
        StreamChange::Step(step) => match (step.kind.as_str(), step.status) {
            ("llm_step", NodeStatus::Succeeded | NodeStatus::Failed) => vec![DomainEvent::Generated(step.clone())],
            ("webhook_emit", NodeStatus::Succeeded) => vec![DomainEvent::Emitted(step.clone())],
            _ => Vec::new(),
        },
    }
}

/// Returns what has happened to a gate between two writes. A gate that opens again, with another id, is a new one.
fn approval_events(before: Option<&Gate>, after: &Gate) -> Vec<DomainEvent> {
    let before = before.filter(|before| before.id == after.id);
    let mut happened = Vec::new();
    if before.is_none() && after.is_open() {
        happened.push(ApprovalEvent::Opened);
    }
    let known = before.map_or(0, |before| before.reassignments.len());
    happened.extend((known..after.reassignments.len()).map(ApprovalEvent::Reassigned));
    let known = before.map_or(0, |before| before.reminders.len());
    happened.extend((known..after.reminders.len()).map(ApprovalEvent::Reminded));
    if let Some(outcome) = &after.outcome
        && before.is_none_or(|before| before.outcome.is_none())
    {
        happened.push(if outcome.verdict == Verdict::Expired { ApprovalEvent::Expired } else { ApprovalEvent::Decided });
    }
    let awaiting = happened.contains(&ApprovalEvent::Opened).then(|| DomainEvent::Opened(Box::new(after.clone())));
    let approval = happened.into_iter().map(|what| DomainEvent::Approval { gate: Box::new(after.clone()), what });
    awaiting.into_iter().chain(approval).collect()
}

fn ended(before: Option<&Run>, after: &Run) -> Option<DomainEvent> {
    let just_ended = after.has_ended() && before.is_none_or(|before| !before.has_ended());
    just_ended.then(|| DomainEvent::Ended(Box::new(after.clone())))
}

fn generating<'a>(before: Option<&'a Run>, after: &'a Run) -> impl Iterator<Item = DomainEvent> + 'a {
    let new = after.generating.iter().filter(move |(node, _)| before.is_none_or(|before| !before.generating.contains_key(*node)));
    new.map(|(node, at)| DomainEvent::Generating { run: Box::new(after.clone()), node: node.clone(), at: *at })
}

impl DomainEvent {
    /// Returns the run of the event.
    pub fn run(&self) -> RunId {
        match self {
            Self::Started(run) | Self::Ended(run) | Self::Generating { run, .. } => run.id,
            Self::Opened(gate) | Self::Approval { gate, .. } => gate.run,
            Self::Generated(step) | Self::Emitted(step) => step.run,
        }
    }

    /// Returns the run, if the event has all of it.
    pub fn whole_run(&self) -> Option<&Run> {
        match self {
            Self::Started(run) | Self::Ended(run) | Self::Generating { run, .. } => Some(run),
            Self::Opened(_) | Self::Approval { .. } | Self::Generated(_) | Self::Emitted(_) => None,
        }
    }

    /// Returns the organisation of the run, if the event has it.
    pub fn org(&self) -> Option<OrgId> {
        match self {
            Self::Started(run) | Self::Ended(run) | Self::Generating { run, .. } => Some(run.org),
            Self::Opened(gate) | Self::Approval { gate, .. } => Some(gate.org),
            Self::Generated(_) | Self::Emitted(_) => None,
        }
    }

    /// Returns the name of the event; none if the flow names it.
    pub fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Started(_) => names::RUN_STARTED,
            Self::Ended(run) => match run.status {
                RunStatus::Succeeded => names::RUN_SUCCEEDED,
                RunStatus::Cancelled => names::RUN_CANCELLED,
                // An ended run is one of the three.
                RunStatus::Failed | RunStatus::Running | RunStatus::AwaitingApproval => names::RUN_FAILED,
            },
            Self::Opened(_) => names::AWAITING_APPROVAL,
            Self::Approval { what, .. } => match what {
                ApprovalEvent::Opened => names::APPROVAL_OPENED,
                ApprovalEvent::Decided => names::APPROVAL_DECIDED,
                ApprovalEvent::Expired => names::APPROVAL_EXPIRED,
                ApprovalEvent::Reassigned(_) => names::APPROVAL_REASSIGNED,
                ApprovalEvent::Reminded(_) => names::APPROVAL_REMINDED,
            },
            Self::Generating { .. } => names::GENERATION_STARTED,
            Self::Generated(step) if step.status == NodeStatus::Succeeded => names::GENERATION_COMPLETED,
            Self::Generated(_) => names::GENERATION_FAILED,
            Self::Emitted(_) => return None,
        })
    }

    /// Returns when the event happened.
    pub fn at(&self) -> Time {
        match self {
            Self::Started(run) => run.started_at,
            Self::Ended(run) => run.finished_at.unwrap_or(run.started_at),
            Self::Opened(gate) => gate.opened_at,
            Self::Approval { gate, what } => {
                let at = match what {
                    ApprovalEvent::Opened => None,
                    ApprovalEvent::Decided | ApprovalEvent::Expired => gate.outcome.as_ref().map(|outcome| outcome.decided_at),
                    ApprovalEvent::Reassigned(position) => gate.reassignments.get(*position).map(|reassignment| reassignment.at),
                    ApprovalEvent::Reminded(position) => gate.reminders.get(*position).copied(),
                };
                at.unwrap_or(gate.opened_at)
            }
            Self::Generating { at, .. } => *at,
            Self::Generated(step) | Self::Emitted(step) => step.completed_at,
        }
    }

    /// Returns the id of the event. It is the same however often the change is read. The id of an emitted event is the output of its step.
    pub fn event_id(&self) -> EventId {
        let node = match self {
            Self::Started(_) | Self::Ended(_) => String::new(),
            Self::Opened(gate) | Self::Approval { gate, .. } => gate.key().to_string(),
            Self::Generating { run, node, .. } => run.step_key(node).to_string(),
            Self::Generated(step) => step.key().to_string(),
            Self::Emitted(step) => {
                let output = step.output.as_ref().and_then(Payload::value);
                let recorded = output.and_then(|id| id.as_str()).and_then(|id| id.parse().ok());
                return recorded.unwrap_or_else(|| EventId::derived(&step.run, &step.key().to_string(), step.run.created_at()));
            }
        };
        // No node has a `#` in its name. Two escalations may happen at the same time.
        let position = match self {
            Self::Approval { what: ApprovalEvent::Reassigned(position) | ApprovalEvent::Reminded(position), .. } => format!("#{position}"),
            _ => String::new(),
        };
        EventId::derived(&self.run(), &format!("{}#{node}{position}", self.name().unwrap_or_default()), self.at())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access::RecordedActor;
    use crate::flow::{NodeIx, Spec};
    use crate::id::FlowId;
    use crate::run::{Exit, NewRun, Trigger};

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn started_run() -> (Spec, Run, NodeIx) {
        let llm = json!({"id": "draft", "type": "llm_step", "model": "m", "userPrompt": "x", "retry": {"maxAttempts": 2}});
        let last = json!({"id": "last", "type": "transform", "output": 1});
        let spec = json!({"startNodeId": "draft", "nodes": [llm, last], "edges": [{"from": "draft", "to": "last"}]});
        let spec = Spec::parse(&spec).unwrap();
        let new = NewRun {
            id: RunId::new(at(0), 1),
            org: OrgId::new(at(0), 1),
            flow: FlowId::new(at(0), 1),
            flow_slug: "flow".parse().unwrap(),
            flow_label: None,
            flow_version: 1,
            trigger: Trigger::Manual,
            started_by: RecordedActor::named("usr_ada"),
            trigger_changers: std::collections::BTreeSet::new(),
            retried: None,
            trace_id: "0".repeat(32),
        };
        let (run, draft) = (Run::new(new, &spec, at(0)), spec.position(&"draft".parse().unwrap()).unwrap());
        (spec, run, draft)
    }

    /// Returns the names and ids of the events between two states of a run.
    fn events_between(before: &Run, after: &Run) -> Vec<(&'static str, EventId)> {
        let change = StreamChange::Run { before: Some(Box::new(before.clone())), after: Box::new(after.clone()) };
        domain_events(&change).iter().map(|event| (event.name().unwrap(), event.event_id())).collect()
    }

    #[test]
    fn a_generation_starts_once_however_often_it_is_attempted() {
        let (spec, run, draft) = started_run();
        let mut attempt = run.clone();
        attempt.start(&spec, draft, at(5)).unwrap();
        assert_eq!(attempt.generating, [("draft".parse().unwrap(), at(5))].into());
        let first = events_between(&run, &attempt);
        assert_eq!(first.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [names::GENERATION_STARTED]);
        let mut waiting = attempt.clone();
        waiting.retry_at(&spec, draft, at(9), at(6)).unwrap();
        assert!(waiting.generating.is_empty() && events_between(&attempt, &waiting).is_empty());
        let mut second = waiting.clone();
        second.start(&spec, draft, at(9)).unwrap();
        assert_eq!(events_between(&waiting, &second), first, "the same event");
        assert!(events_between(&second, &Run { rev: 7, ..second.clone() }).is_empty());
        let mut done = second.clone();
        done.succeed(&spec, draft, Exit::Normal, at(10)).unwrap();
        assert!(done.generating.is_empty() && events_between(&second, &done).is_empty(), "the record of the step has the event of its end");
    }

    #[test]
    fn an_end_has_one_event_with_an_id_of_its_own() {
        let (spec, run, draft) = started_run();
        let mut cancelled = run.clone();
        cancelled.start(&spec, draft, at(5)).unwrap();
        cancelled.cancel(RecordedActor::named("usr_ada"), None, at(6)).unwrap();
        assert!(cancelled.generating.is_empty());
        let end = events_between(&run, &cancelled);
        assert_eq!(end.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [names::RUN_CANCELLED]);
        assert!(events_between(&cancelled, &Run { rev: 9, ..cancelled.clone() }).is_empty(), "a later write has no event");
        let started = domain_events(&StreamChange::Run { before: None, after: Box::new(run) });
        assert_eq!(started.len(), 1);
        assert_ne!(started[0].event_id(), end[0].1);
    }
}

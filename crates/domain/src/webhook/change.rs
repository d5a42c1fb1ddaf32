//! What the table's stream shows, and what of it is an event.

use crate::flow::NodeId;
use crate::gate::Gate;
use crate::id::{EventId, OrgId, RunId};
use crate::run::{NodeStatus, Run, RunStatus};
use crate::step::{Payload, StepRecord};
use crate::time::Time;

use super::name::names;

/// A write, as the stream shows it.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A run was created or changed.
    Run {
        /// As it was; none: it was created.
        before: Option<Box<Run>>,
        /// As it is.
        after: Box<Run>,
    },
    /// A gate was put for the first time.
    Gate(Box<Gate>),
    /// A record of a step was put for the first time.
    Step(Box<StepRecord>),
}

/// Something that happened, and that somebody may want to hear of.
#[derive(Debug, Clone, PartialEq)]
pub enum Occasion {
    /// A run began.
    Started(Box<Run>),
    /// A run has ended.
    Ended(Box<Run>),
    /// A gate opened.
    Opened(Box<Gate>),
    /// An `llm_step` began.
    Generating {
        /// Its run.
        run: Box<Run>,
        /// The node.
        node: NodeId,
        /// When its first attempt began.
        at: Time,
    },
    /// An `llm_step` is done.
    Generated(Box<StepRecord>),
    /// A `webhook_emit` has recorded an event.
    Emitted(Box<StepRecord>),
}

/// What happened in a change. It follows from the change alone, so one that is seen twice tells of the same.
pub fn occasions(change: &Change) -> Vec<Occasion> {
    match change {
        Change::Run { before: None, after } => {
            let started = Some(Occasion::Started(after.clone()));
            started.into_iter().chain(generating(None, after)).chain(ended(None, after)).collect()
        }
        Change::Run { before: Some(before), after } => generating(Some(before), after).chain(ended(Some(before), after)).collect(),
        // One that was taken over from another run was decided there.
        Change::Gate(gate) if gate.is_open() && gate.reused_from.is_none() => vec![Occasion::Opened(gate.clone())],
        Change::Gate(_) => Vec::new(),
        // What was taken over happened in another run; a receipt only says that something is gone.
        Change::Step(step) if step.reused_from.is_some() || step.purged.is_some() => Vec::new(),
        Change::Step(step) => match (step.kind.as_str(), step.status) {
            ("llm_step", NodeStatus::Succeeded | NodeStatus::Failed) => vec![Occasion::Generated(step.clone())],
            ("webhook_emit", NodeStatus::Succeeded) => vec![Occasion::Emitted(step.clone())],
            _ => Vec::new(),
        },
    }
}

fn ended(before: Option<&Run>, after: &Run) -> Option<Occasion> {
    let just_ended = after.has_ended() && before.is_none_or(|before| !before.has_ended());
    just_ended.then(|| Occasion::Ended(Box::new(after.clone())))
}

fn generating<'a>(before: Option<&'a Run>, after: &'a Run) -> impl Iterator<Item = Occasion> + 'a {
    let new = after.generating.iter().filter(move |(node, _)| before.is_none_or(|before| !before.generating.contains_key(*node)));
    new.map(|(node, at)| Occasion::Generating { run: Box::new(after.clone()), node: node.clone(), at: *at })
}

impl Occasion {
    /// The run in which it happened.
    pub fn run(&self) -> RunId {
        match self {
            Self::Started(run) | Self::Ended(run) | Self::Generating { run, .. } => run.id,
            Self::Opened(gate) => gate.run,
            Self::Generated(step) | Self::Emitted(step) => step.run,
        }
    }

    /// Whose run that is, if this says so by itself.
    pub fn org(&self) -> Option<OrgId> {
        match self {
            Self::Started(run) | Self::Ended(run) | Self::Generating { run, .. } => Some(run.org),
            Self::Opened(gate) => Some(gate.org),
            Self::Generated(_) | Self::Emitted(_) => None,
        }
    }

    /// The name of the event; none if the flow has given it one.
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
            Self::Generating { .. } => names::GENERATION_STARTED,
            Self::Generated(step) if step.status == NodeStatus::Succeeded => names::GENERATION_COMPLETED,
            Self::Generated(_) => names::GENERATION_FAILED,
            Self::Emitted(_) => return None,
        })
    }

    /// When it happened.
    pub fn at(&self) -> Time {
        match self {
            Self::Started(run) => run.started_at,
            Self::Ended(run) => run.finished_at.unwrap_or(run.started_at),
            Self::Opened(gate) => gate.opened_at,
            Self::Generating { at, .. } => *at,
            Self::Generated(step) | Self::Emitted(step) => step.completed_at,
        }
    }

    /// The id of the event: the same however often it is seen. The one of an emitted event is the output of its step.
    pub fn event_id(&self) -> EventId {
        let node = match self {
            Self::Started(_) | Self::Ended(_) => "",
            Self::Opened(gate) => gate.node.as_str(),
            Self::Generating { node, .. } => node.as_str(),
            Self::Generated(step) => step.node.as_str(),
            Self::Emitted(step) => {
                let output = step.output.as_ref().and_then(Payload::value);
                let recorded = output.and_then(|id| id.as_str()).and_then(|id| id.parse().ok());
                return recorded.unwrap_or_else(|| EventId::derived(&step.run, step.node.as_str(), step.run.created_at()));
            }
        };
        // No node has a `#` in its name.
        EventId::derived(&self.run(), &format!("{}#{node}", self.name().unwrap_or_default()), self.at())
    }
}

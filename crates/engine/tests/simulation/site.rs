//! What everybody shares: the store, the executions, and what has been seen so far.

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::fmt::{self, Debug, Write};
use std::hash::{Hash, Hasher};

use domain::gate::Gate;
use domain::ports::CommitError;
use domain::run::Run;
use domain::time::Time;
use testkit::{Execution, Memory, RecordedExecutions, Stage};

use crate::observer::Observer;

/// A hash of what something looks like written down. At 64 bits, a million states collide once in 30 million explorations.
#[derive(Default)]
pub struct Mark(DefaultHasher);

impl Mark {
    pub fn of(value: &impl Debug) -> u64 {
        let mut mark = Self::default();
        write!(mark, "{value:?}").unwrap();
        mark.0.finish()
    }
}

impl Write for Mark {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// One moment of all that is shared. It is not changed: what writes makes another one.
#[derive(Debug)]
pub struct Site {
    pub store: Memory,
    pub executions: RecordedExecutions,
    pub observer: RefCell<Observer>,
}

impl Site {
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { store: self.store.copy(), executions: self.executions.copy(), observer: RefCell::new(self.observer.borrow().clone()) }
    }

    /// Distinguishes it from all others.
    pub fn mark(&self) -> u64 {
        let mut mark = Mark::default();
        self.store.write_down(&mut mark).unwrap();
        write!(mark, "{:?}", self.executions.all()).unwrap();
        self.observer.borrow().hash(&mut mark.0);
        mark.0.finish()
    }

    pub fn run(&self) -> Run {
        self.store.all_runs().remove(0)
    }

    /// The execution of a segment.
    pub fn execution(&self, segment: u32) -> Execution {
        self.executions.all().into_iter().find(|execution| execution.segment == segment).unwrap()
    }

    /// Park: its one conditional write.
    pub fn park(&self, segment: u32, until: Time) {
        let execution = self.execution(segment);
        let parked = self.store.park(&execution.run, &execution.name, &execution.token());
        self.executions.set_stage(&execution.name, if parked { Stage::Parked(until) } else { Stage::Advance(0) });
    }

    /// A write of the run. If it takes the run away from another invocation, what that one has under way may be repeated.
    pub fn commit(&self, run: &Run, write: impl Fn(&Memory) -> Result<Run, CommitError>) -> Result<Run, CommitError> {
        let before = self.run();
        // An invocation that takes the run over owns it, or begins the next segment, which has no owner yet. At the ordinary end of a
        // segment nothing is under way.
        let takes_over =
            before.rev == run.rev && before.execution.owner.is_some() && !run.has_ended() && before.execution.owner != run.execution.owner;
        if takes_over {
            self.observer.borrow_mut().disturbed(&self.store);
        }
        write(&self.store)
    }

    pub fn facts(&self) -> Facts {
        let run = self.run();
        let names = self.observer.borrow().gates();
        let round_of = |name: &str| run.round_of(&name.parse().unwrap());
        let rounds = names.iter().flat_map(|name| (1..=round_of(name)).map(move |round| (name, round)));
        let gates: Vec<Gate> = rounds.filter_map(|(name, round)| self.store.stored_gate_in_round(&run.id, name, round)).collect();
        let executions = self.executions.all();
        let parked = executions.iter().filter_map(|execution| match execution.stage {
            Stage::Parked(until) => Some(until),
            _ => None,
        });
        let alarms = gates.iter().filter(|gate| gate.is_open()).map(|gate| gate.deadline).chain(parked).collect();
        Facts {
            pending: run.execution.pending.is_some(),
            alarms,
            gates: gates.iter().map(|gate| (gate.node.to_string(), gate.basis.round)).collect(),
            executions,
        }
    }
}

/// What the search asks of a site.
#[derive(Debug)]
pub struct Facts {
    pub executions: Vec<Execution>,
    /// The run pending something.
    pub pending: bool,
    /// When a clock has something to say.
    pub alarms: Vec<Time>,
    /// The gates there are, open or not, and their rounds.
    pub gates: Vec<(String, u32)>,
}

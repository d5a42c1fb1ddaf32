//! The ports that drive runs, as one bundle.

use domain::ports::{Clock, Connections, Executions, Flows, Runs};

/// The types of the ports that an [`Engine`] works with. A tuple of four ports is a bundle, so only code that builds an engine names
/// the single types; all other code says `Engine<impl Ports>`.
pub trait Ports {
    /// The store of runs, steps and gates.
    type Runs: Runs;
    /// The store of flows and their versions, and of the connections that their steps go through.
    type Flows: Flows + Connections;
    /// The state machines that drive runs.
    type Executions: Executions;
    /// The source of the time.
    type Clock: Clock;
}

impl<R: Runs, F: Flows + Connections, E: Executions, C: Clock> Ports for (R, F, E, C) {
    type Runs = R;
    type Flows = F;
    type Executions = E;
    type Clock = C;
}

/// Drives runs through its ports.
#[derive(Debug, Clone)]
pub struct Engine<P: Ports> {
    /// The store of runs, steps and gates.
    pub runs: P::Runs,
    /// The store of flows and their versions, and of the connections that their steps go through.
    pub flows: P::Flows,
    /// The state machines that drive runs.
    pub executions: P::Executions,
    /// The source of the time.
    pub clock: P::Clock,
}

impl<R: Runs, F: Flows + Connections, E: Executions, C: Clock> Engine<(R, F, E, C)> {
    /// Returns an engine that works with these ports.
    pub const fn new(runs: R, flows: F, executions: E, clock: C) -> Self {
        Self { runs, flows, executions, clock }
    }
}

//! What is stored of all rounds of a run.

use super::runs::Runs;
use crate::error::PortError;
use crate::gate::Gate;
use crate::run::{Retried, Run};
use crate::step::{StepKey, StepRecord};
use crate::time::Time;

/// Returns the gates of a run in all rounds. A retry that has begun in a later round has the earlier rounds of the runs before it, too.
pub async fn gates_in_all_rounds(runs: &impl Runs, run: &Run) -> Result<Vec<Gate>, PortError> {
    let mut gates = runs.gates(run).await?;
    let mut before = run_before(runs, run).await?;
    while let Some(run) = before {
        let earlier: Vec<Gate> = runs.gates(&run).await?.into_iter().filter(|gate| gate.changes.is_some()).collect();
        for gate in earlier {
            if !gates.iter().any(|known| known.key() == gate.key()) {
                gates.push(gate);
            }
        }
        before = run_before(runs, &run).await?;
    }
    Ok(gates)
}

/// Returns the record of a step in one of the rounds of a run, or of the runs before it if the run has begun in a later round.
pub async fn step_in_any_run(runs: &impl Runs, run: &Run, step: &StepKey, now: Time) -> Result<Option<StepRecord>, PortError> {
    let mut at = Some(run.clone());
    while let Some(run) = at {
        if let Some(record) = runs.step_in_round(&run, step, now).await? {
            return Ok(Some(record));
        }
        at = run_before(runs, &run).await?;
    }
    Ok(None)
}

/// Returns the run that a run repeats, if some of its nodes are in a later round than their first.
async fn run_before(runs: &impl Runs, run: &Run) -> Result<Option<Run>, PortError> {
    match &run.retried {
        Some(Retried { of, .. }) if !run.rounds.is_empty() => runs.load(of).await,
        _ => Ok(None),
    }
}

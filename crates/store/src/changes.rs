//! Reads the records of the table's stream.

use domain::ports::PortError;
use domain::webhook::StreamChange;

use crate::items::{GateItem, RunItem, StepItem};
use crate::{Item, keys, read};

/// Returns the change of a run, the change of a gate or the new record of a step that a record of the table's stream shows: `sk` is the sort key
/// of the item, `before` and `after` are its images. `None` if the record shows none of these. Fails with `Corrupt` if an image cannot
/// be read.
pub fn change(sk: &str, before: Option<Item>, after: Option<Item>) -> Result<Option<StreamChange>, PortError> {
    let Some(after) = after else { return Ok(None) };
    if sk == keys::RUN {
        let run = |item| read::<RunItem>(item)?.into_run().map(Box::new);
        let before = before.map(run).transpose()?;
        return Ok(Some(StreamChange::Run { before, after: run(after)? }));
    }
    if sk.starts_with(keys::GATE_PREFIX) {
        let gate = |item| read::<GateItem>(item)?.into_gate().map(Box::new);
        return Ok(Some(StreamChange::Gate { before: before.map(gate).transpose()?, after: gate(after)? }));
    }
    if before.is_some() {
        return Ok(None);
    }
    if sk.starts_with(keys::STEP_PREFIX) {
        return Ok(Some(StreamChange::Step(Box::new(read::<StepItem>(after)?.into_record()?))));
    }
    Ok(None)
}

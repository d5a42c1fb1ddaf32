//! What the table's stream shows, as the domain sees it.

use domain::ports::PortError;
use domain::webhook::StreamChange;

use crate::items::{GateItem, RunItem, StepItem};
use crate::{Item, keys, read};

/// The change of a run, or the new gate or record of a step, in a record of the table's stream: the sort key, the image before and
/// the one after. None: it is nothing of these.
pub fn change(sk: &str, before: Option<Item>, after: Option<Item>) -> Result<Option<StreamChange>, PortError> {
    let Some(after) = after else { return Ok(None) };
    if sk == keys::RUN {
        let run = |item| read::<RunItem>(item)?.into_run().map(Box::new);
        let before = before.map(run).transpose()?;
        return Ok(Some(StreamChange::Run { before, after: run(after)? }));
    }
    if before.is_some() {
        return Ok(None);
    }
    if sk.starts_with(keys::GATE_PREFIX) {
        return Ok(Some(StreamChange::Gate(Box::new(read::<GateItem>(after)?.into_gate()?))));
    }
    if sk.starts_with(keys::STEP_PREFIX) {
        return Ok(Some(StreamChange::Step(Box::new(read::<StepItem>(after)?.into_record()?))));
    }
    Ok(None)
}

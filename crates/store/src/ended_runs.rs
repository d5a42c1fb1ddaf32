//! Which runs have ended, for the inbox: the gates of a run are closed one after another once it has ended, and the index may still have
//! some of them.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::RunId;
use domain::ports::PortError;
use futures_util::future::try_join_all;

use crate::items::RunItem;
use crate::{Table, keys};

/// The runs of a page, and whether each has ended. A run is read once.
#[derive(Debug, Default)]
pub(crate) struct EndedRuns(BTreeMap<RunId, bool>);

impl EndedRuns {
    /// Reads these runs at the same time.
    pub(crate) async fn look_at(&mut self, table: &Table, runs: impl Iterator<Item = RunId>) -> Result<(), PortError> {
        let unknown: BTreeSet<RunId> = runs.filter(|run| !self.0.contains_key(run)).collect();
        let looks = unknown.into_iter().map(|run| async move { Ok::<_, PortError>((run, has_ended(table, &run).await?)) });
        self.0.extend(try_join_all(looks).await?);
        Ok(())
    }

    /// Returns whether a run has ended.
    pub(crate) async fn has_ended(&mut self, table: &Table, run: RunId) -> Result<bool, PortError> {
        if let Some(known) = self.0.get(&run) {
            return Ok(*known);
        }
        let ended = has_ended(table, &run).await?;
        self.0.insert(run, ended);
        Ok(ended)
    }
}

/// A run that cannot be read, or that does not exist, has not ended as far as the inbox knows: its gates are shown.
async fn has_ended(table: &Table, run: &RunId) -> Result<bool, PortError> {
    match table.get::<RunItem>(&keys::run(run), keys::RUN).await {
        Ok(item) => Ok(item.is_some_and(|item| item.has_ended())),
        Err(error) if error.is_permanent() => Ok(false),
        Err(error) => Err(error),
    }
}

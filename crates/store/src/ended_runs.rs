//! Which runs have ended, for the inbox: the gates of a run are closed one after another once it has ended, and the index may still have
//! some of them.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::RunId;
use domain::ports::{PortError, RunLists as _};
use futures_util::future::try_join_all;

use crate::items::RunItem;
use crate::{Table, keys};

/// The runs with a pending effect, and which of them have ended. A run that has ended and still has open gates is one of them: its pending
/// effect is to close them. So the inbox reads only these runs, and mostly none.
#[derive(Debug)]
pub(crate) struct EndedRuns {
    pending: BTreeSet<RunId>,
    known: BTreeMap<RunId, bool>,
}

impl EndedRuns {
    /// Reads which runs have a pending effect.
    pub(crate) async fn among_pending(table: &Table) -> Result<Self, PortError> {
        Ok(Self { pending: table.with_pending_effects().await?.into_iter().collect(), known: BTreeMap::new() })
    }

    /// Reads those of the runs that may have ended, at the same time, each once.
    pub(crate) async fn look_at(&mut self, table: &Table, runs: impl Iterator<Item = RunId>) -> Result<(), PortError> {
        let unknown: BTreeSet<RunId> = runs.filter(|run| self.pending.contains(run) && !self.known.contains_key(run)).collect();
        let looks = unknown.into_iter().map(|run| async move { Ok::<_, PortError>((run, has_ended(table, &run).await?)) });
        self.known.extend(try_join_all(looks).await?);
        Ok(())
    }

    /// Returns whether a run that was looked at has ended.
    pub(crate) fn has_ended(&self, run: &RunId) -> bool {
        self.known.get(run).is_some_and(|ended| *ended)
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

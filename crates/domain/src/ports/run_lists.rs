//! Lists of runs and gates.

use std::future::Future;

use super::run_list::{RunFilter, RunSummary};
use crate::access::Assignee;
use crate::error::PortError;
use crate::gate::Gate;
use crate::id::{FlowId, OrgId, RunId};
use crate::page::{Page, Window};
use crate::time::Time;

/// Lists of runs and gates.
pub trait RunLists {
    /// Returns runs of a flow, newest first. A run that exists before the first page is read, and matches the filter all the while, is
    /// on exactly one page, whatever statuses it goes through meanwhile.
    fn runs_of(&self, flow: &FlowId, filter: &RunFilter, window: &Window) -> impl Future<Output = Result<Page<RunSummary>, PortError>>;
    /// Returns open gates of an organisation that `wanted` accepts, oldest first. `assignees` are the only ones whose gates can be wanted,
    /// `None` among them for gates without an assignee: others are not read. Without it every gate is read.
    /// A gate whose run has ended is not open, even if it has not been closed yet.
    fn open_gates(
        &self,
        org: &OrgId,
        assignees: Option<&[Option<Assignee>]>,
        wanted: &(dyn Fn(&Gate) -> bool + Sync),
        window: &Window,
    ) -> impl Future<Output = Result<Page<Gate>, PortError>>;
    /// Returns runs with a pending effect: a bounded number of them. The effect may have taken place a few seconds ago; to dispatch it
    /// twice does no harm.
    fn with_pending_effects(&self) -> impl Future<Output = Result<Vec<RunId>, PortError>>;
    /// Returns runs without a pending effect that are stuck at `now`: a bounded number of them, those first that have been stuck longest.
    /// A run that was written a few seconds ago may be among them.
    fn stuck(&self, now: Time) -> impl Future<Output = Result<Vec<RunId>, PortError>>;
}

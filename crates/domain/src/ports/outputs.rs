//! How outputs are kept and deleted.

use std::collections::BTreeSet;
use std::future::Future;

use crate::error::PortError;
use crate::id::{OrgId, RunId};
use crate::retention::{PurgeRequest, Retention};
use crate::run::Run;
use crate::step::{StepKey, StepRecord};
use crate::time::Time;

/// The retention of outputs.
pub trait Outputs {
    /// Returns how long the organisation's outputs are kept, as the setting is now.
    fn retention(&self, org: &OrgId) -> impl Future<Output = Result<Retention, PortError>>;
    /// Sets when the records of a run's steps expire (none: never), whatever they say now. Records that have expired at `now` are gone
    /// and do not come back; receipts stay.
    fn reschedule(&self, run: &RunId, expires_at: Option<Time>, now: Time) -> impl Future<Output = Result<(), PortError>>;
    /// Deletes the objects of a run's steps: those of `steps`, or of all steps. The objects of its input and its gates stay.
    fn delete_objects(&self, run: &Run, steps: Option<&BTreeSet<StepKey>>) -> impl Future<Output = Result<(), PortError>>;
    /// Writes a receipt in the place of a step's record, whether the record still exists or not. An existing receipt stays.
    fn put_receipt(&self, receipt: &StepRecord) -> impl Future<Output = Result<(), PortError>>;
    /// Writes that a run's outputs are to be purged, and that the run must be searched again at `again_at`. If a request exists it
    /// stays, and is returned.
    fn request_purge(&self, request: &PurgeRequest, again_at: Time) -> impl Future<Output = Result<PurgeRequest, PortError>>;
    /// Returns runs that must be searched again by `now`: a bounded number of them.
    fn purges_due(&self, now: Time) -> impl Future<Output = Result<Vec<RunId>, PortError>>;
    /// Returns the purge request of a run.
    fn purge_request(&self, run: &RunId) -> impl Future<Output = Result<Option<PurgeRequest>, PortError>>;
    /// Writes that the run was searched again.
    fn purge_is_done(&self, run: &RunId) -> impl Future<Output = Result<(), PortError>>;
}

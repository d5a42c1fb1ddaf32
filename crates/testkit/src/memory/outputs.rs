//! When records expire, and the receipts that replace them; and what TTL does.

use std::collections::BTreeSet;

use domain::id::{OrgId, RunId};
use domain::ports::{Outputs, PortError};
use domain::retention::{PurgeReason, PurgeRequest, Retention};
use domain::run::Run;
use domain::step::{StepKey, StepRecord};
use domain::time::Time;

use super::{Memory, State};

/// The default retention of outputs, in days.
const DAYS: u64 = 180;

/// The record of a step, and when it expires.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) record: StepRecord,
    pub(super) expires_at: Option<Time>,
}

impl Kept {
    pub(super) fn read_at(&self, now: Time) -> StepRecord {
        match self.expires_at.filter(|at| at.seconds() <= now.seconds()) {
            Some(at) => self.record.clone().without_payloads(at, PurgeReason::Expired),
            None => self.record.clone(),
        }
    }
}

/// A request to purge the outputs of a run, and when the purge is to be repeated.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    request: PurgeRequest,
    again_at: Option<Time>,
}

impl State {
    pub(super) fn retention(&self, org: &OrgId) -> Retention {
        if self.organisations.get(org).is_some_and(|organisation| organisation.long_retention) {
            return Retention::Forever;
        }
        Retention::Days(self.days.unwrap_or(DAYS))
    }

    fn records_of(&mut self, run: RunId) -> impl Iterator<Item = &mut Kept> {
        let of_run = self.steps.iter_mut().filter(move |((id, _), _)| *id == run).map(|(_, kept)| kept);
        of_run.filter(|kept| kept.record.purged.is_none())
    }

    pub(super) fn extend(&mut self, run: &RunId, until: Time) {
        for kept in self.records_of(*run).filter(|kept| kept.expires_at.is_some_and(|at| at < until)) {
            kept.expires_at = Some(until);
        }
    }

    fn reschedule(&mut self, run: &RunId, expires_at: Option<Time>, now: Time) {
        let there = |kept: &&mut Kept| kept.expires_at.is_none_or(|at| at.seconds() > now.seconds());
        self.records_of(*run).filter(there).for_each(|kept| kept.expires_at = expires_at);
    }

    fn delete_objects(&mut self, run: &Run, steps: Option<&BTreeSet<StepKey>>) {
        let prefix = format!("{}/{}/", run.org, run.id);
        self.objects.retain(|key, _| {
            let Some((place, _)) = key.strip_prefix(&prefix).and_then(|rest| rest.split_once('/')) else { return true };
            place == "@input" || steps.is_some_and(|steps| steps.iter().all(|step| step.to_string() != place))
        });
    }

    fn put_receipt(&mut self, receipt: &StepRecord) {
        let place = (receipt.run, receipt.key());
        if self.steps.get(&place).is_none_or(|kept| kept.record.purged.is_none()) {
            self.steps.insert(place, Kept { record: receipt.clone(), expires_at: None });
        }
    }
}

impl Memory {
    /// Sets the retention of outputs, in days after the end of their run.
    pub fn keep_for_days(&self, days: u64) {
        self.state().days = Some(days);
    }

    /// Returns when the record of a step expires. This is not a call of a port.
    pub fn expiry_of(&self, run: &RunId, node: &str) -> Option<Time> {
        let round = self.round_of(run, node);
        self.state().steps[&(*run, StepKey { node: node.parse().unwrap(), round })].expires_at
    }

    /// Does what TTL does: deletes every record that has expired by `now`. Returns what the stream shows of them, by run.
    pub fn delete_expired(&self, now: Time) -> Vec<(RunId, Vec<StepRecord>)> {
        let mut state = self.state();
        let mut gone: Vec<(RunId, Vec<StepRecord>)> = Vec::new();
        state.steps.retain(|(run, _), kept| {
            if kept.expires_at.is_none_or(|at| at.seconds() > now.seconds()) {
                return true;
            }
            let receipt = kept.read_at(now);
            match gone.last_mut() {
                Some((last, receipts)) if last == run => receipts.push(receipt),
                _ => gone.push((*run, vec![receipt])),
            }
            false
        });
        gone
    }

    /// Returns the runs that the stream has shown to have ended late since the last call of this method.
    pub fn take_ended_late(&self) -> Vec<RunId> {
        std::mem::take(&mut self.state().ended_late)
    }

    /// Adds an object that no record refers to, like an upload whose record was never written.
    pub fn put_object(&self, key: &str, text: &str) {
        self.state().objects.insert(key.to_owned(), text.to_owned());
    }

    /// Returns the keys of all objects.
    pub fn object_keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }
}

impl Outputs for Memory {
    async fn retention(&self, org: &OrgId) -> Result<Retention, PortError> {
        self.faults.read("retention", || Ok(self.state().retention(org))).await
    }

    async fn reschedule(&self, run: &RunId, expires_at: Option<Time>, now: Time) -> Result<(), PortError> {
        self.faults
            .call("reschedule", true, || {
                self.state().reschedule(run, expires_at, now);
                Ok(())
            })
            .await
    }

    async fn delete_objects(&self, run: &Run, steps: Option<&BTreeSet<StepKey>>) -> Result<(), PortError> {
        self.faults
            .call("delete_objects", true, || {
                self.state().delete_objects(run, steps);
                Ok(())
            })
            .await
    }

    async fn put_receipt(&self, receipt: &StepRecord) -> Result<(), PortError> {
        self.faults
            .call("put_receipt", true, || {
                self.state().put_receipt(receipt);
                Ok(())
            })
            .await
    }

    async fn request_purge(&self, request: &PurgeRequest, again_at: Time) -> Result<PurgeRequest, PortError> {
        let note = || {
            let mut state = self.state();
            let new = Wish { request: request.clone(), again_at: Some(again_at) };
            Ok(state.purges.entry(request.run).or_insert(new).request.clone())
        };
        self.faults.call("request_purge", true, note).await
    }

    async fn purges_due(&self, now: Time) -> Result<Vec<RunId>, PortError> {
        let due =
            || self.state().purges.iter().filter(|(_, wish)| wish.again_at.is_some_and(|at| at <= now)).map(|(run, _)| *run).collect();
        self.faults.read("purges_due", || Ok(due())).await
    }

    async fn purge_request(&self, run: &RunId) -> Result<Option<PurgeRequest>, PortError> {
        self.faults.read("purge_request", || Ok(self.state().purges.get(run).map(|wish| wish.request.clone()))).await
    }

    async fn purge_is_done(&self, run: &RunId) -> Result<(), PortError> {
        let done = || {
            if let Some(wish) = self.state().purges.get_mut(run) {
                wish.again_at = None;
            }
            Ok(())
        };
        self.faults.call("purge_is_done", true, done).await
    }
}

//! What the events of one batch have in common, so that it is read once for all of them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use domain::id::{OrgId, RunId};
use domain::ports::{PortError, Runs, WebhookEndpoints};
use domain::webhook::{DomainEvent, Endpoints};
use futures_util::future::join_all;

/// The organisations of the runs of a batch, and their endpoints.
pub(crate) struct BatchContext {
    organisations: BTreeMap<RunId, Result<OrgId, PortError>>,
    endpoints: BTreeMap<OrgId, Result<Endpoints, PortError>>,
}

impl BatchContext {
    /// Reads what `events`, those of each change, need. What cannot be read is an error of the events that need it, and of no others.
    pub(crate) async fn read(runs: &impl Runs, webhooks: &impl WebhookEndpoints, events: &[Vec<DomainEvent>]) -> Self {
        let mut organisations: BTreeMap<RunId, Result<OrgId, PortError>> = BTreeMap::new();
        for event in events.iter().flatten() {
            if let Some(org) = event.org() {
                organisations.insert(event.run(), Ok(org));
            }
        }
        for run in events.iter().flatten().map(DomainEvent::run) {
            if let Entry::Vacant(unknown) = organisations.entry(run) {
                unknown.insert(organisation_of(runs, &run).await);
            }
        }
        let known: BTreeSet<OrgId> = organisations.values().flatten().copied().collect();
        let read = known.into_iter().map(async |org| (org, webhooks.endpoints(&org).await));
        Self { endpoints: join_all(read).await.into_iter().collect(), organisations }
    }

    /// Returns the endpoints of the organisation in which an event happened.
    pub(crate) fn endpoints_for(&self, event: &DomainEvent) -> Result<&Endpoints, PortError> {
        let missing = || PortError::Unavailable(format!("the endpoints for {} were not read", event.run()));
        let org = self.organisations.get(&event.run()).ok_or_else(missing)?.as_ref().map_err(Clone::clone)?;
        self.endpoints.get(org).ok_or_else(missing)?.as_ref().map_err(Clone::clone)
    }
}

/// The record of a step does not name its organisation; the run does.
async fn organisation_of(runs: &impl Runs, run: &RunId) -> Result<OrgId, PortError> {
    let found = runs.load(run).await?;
    found.map(|run| run.org).ok_or_else(|| PortError::Corrupt(format!("{run} has the record of a step and does not exist")))
}

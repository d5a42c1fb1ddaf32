//! The item of a request to purge the outputs of a run. It is in the index `outbox` until the run was purged a second time.

use domain::access::Identity;
use domain::id::{OrgId, RunId};
use domain::retention::PurgeRequest;
use domain::time::Time;
use serde::{Deserialize, Serialize};

use crate::keys;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PurgeItem {
    pk: String,
    sk: String,
    run: RunId,
    org: OrgId,
    by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
    at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_pk: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox_sk: Option<String>,
}

impl PurgeItem {
    pub(crate) fn of(request: &PurgeRequest, again_at: Time) -> Self {
        Self {
            pk: keys::run(&request.run),
            sk: keys::PURGE.to_owned(),
            run: request.run,
            org: request.org,
            by: request.by.clone(),
            identity: request.identity.clone(),
            at: request.at,
            outbox_pk: Some(keys::PURGES.to_owned()),
            outbox_sk: Some(keys::purge_due(again_at, &request.run)),
        }
    }

    pub(crate) fn into_request(self) -> PurgeRequest {
        PurgeRequest { run: self.run, org: self.org, by: self.by, identity: self.identity, at: self.at }
    }
}

//! Lists: an index partition for every combination of status and trigger, merged. Whatever the filter, the rows read are rows
//! that match: no page is short, and a rare match costs no more than a common one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::gate::Gate;
use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{COUNT_CAP, Page, PortError, RunFilter, RunLists, RunSummary, Window};
use domain::run::{RunStatus, Trigger};
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::items::{GateItem, SummaryItem};
use crate::merge::{Group, Merge, Span};
use crate::{Table, error, keys, read, text};

/// Lists that this process has found to have more rows than are counted, and that never lose one: that stays so.
#[derive(Debug, Clone, Default)]
pub(crate) struct BeyondCap(Arc<Mutex<BTreeSet<String>>>);

impl BeyondCap {
    /// More than this are forgotten; it costs a count to learn of one again.
    const MOST: usize = 10_000;

    fn knows(&self, list: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(list)
    }

    fn learn(&self, list: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::MOST {
            known.clear();
        }
        known.insert(list);
    }
}

/// A list of the index `lists`: what to read, in which order, and what its keys look like.
pub(crate) struct List {
    /// Partitions that are read one group after another. See [`groups`].
    pub(crate) groups: Vec<Group>,
    /// What stands before an id in the key of a row.
    pub(crate) prefix: String,
    /// The oldest id that is wanted, inclusive.
    pub(crate) low: Option<String>,
    /// The end of the span of time, exclusive.
    pub(crate) high: Option<String>,
    /// Whether no row ever leaves the list.
    pub(crate) only_grows: bool,
}

impl List {
    fn name(&self) -> String {
        self.groups.iter().flat_map(|group| &group.partitions).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// The partitions of a filter, in the order in which they must be read so that no run is missed which changes its status
/// meanwhile. A run goes from `running` to `awaiting_approval` and back, and at last to a final status, where it stays:
///
/// - what left an active status before that was read is found in its final status, which is read later;
/// - what began to wait after `running` was read is found as `awaiting_approval`;
/// - what was decided between the two is found by reading `running` again.
///
/// Only a run that is decided and waits anew, between two queries of one call, could slip through.
fn groups(flow: &FlowId, filter: &RunFilter) -> Vec<Group> {
    let triggers = filter.trigger.map_or(Trigger::ALL.to_vec(), |trigger| vec![trigger]);
    let of = |statuses: &[RunStatus]| {
        let partitions: Vec<String> =
            statuses.iter().flat_map(|status| triggers.iter().map(|trigger| keys::run_list(flow, *status, *trigger))).collect();
        // A row has some 150 bytes, 180 once there is the time of its end, 240 with an error. One partition alone gives all there
        // is to give.
        let batch = if partitions.len() == 1 && filter.status.is_some() {
            usize::MAX
        } else if statuses.iter().all(|status| status.is_final()) {
            16
        } else {
            25
        };
        Group { partitions, batch }
    };
    match filter.status {
        Some(status) => vec![of(&[status])],
        None => vec![
            of(&[RunStatus::Running]),
            of(&[RunStatus::AwaitingApproval]),
            of(&[RunStatus::Running]),
            of(&[RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled]),
        ],
    }
}

impl RunLists for Table {
    async fn runs_of(&self, flow: &FlowId, filter: &RunFilter, window: &Window) -> Result<Page<RunSummary>, PortError> {
        let list = List {
            groups: groups(flow, filter),
            prefix: keys::RUN_PREFIX.to_owned(),
            // A run's id begins with its creation time, so a span of time is a range of keys.
            low: filter.from.map(|from| RunId::lowest(from).to_string()),
            high: filter.to.map(|to| RunId::lowest(to).to_string()),
            only_grows: filter.only_grows(),
        };
        let page = self.page_of::<SummaryItem>(&list, window).await?;
        let rows = page.rows.into_iter().map(SummaryItem::into_summary).collect::<Result<_, _>>()?;
        Ok(Page { rows, next: page.next, total: page.total })
    }

    async fn open_gates(&self, org: &OrgId, wanted: &(dyn Fn(&Gate) -> bool + Sync), window: &Window) -> Result<Page<Gate>, PortError> {
        // The inbox holds open gates only, so it is as small as the work in hand; assignee and flow are looked at here.
        let mut page = Page { rows: Vec::new(), next: None, total: 0 };
        let mut last_given = None;
        let mut to_skip = window.skip;
        let mut start = None;
        loop {
            let request = self
                .client
                .query()
                .table_name(&self.name)
                .index_name(keys::INBOX)
                .key_condition_expression("inboxPk = :pk")
                .expression_attribute_values(":pk", text(keys::inbox(org)))
                .set_exclusive_start_key(start);
            let answer = request.send().await.map_err(error::port)?;
            for item in answer.items.unwrap_or_default() {
                let gate = read::<GateItem>(item)?;
                let key = gate.inbox_key();
                let gate = gate.into_gate()?;
                if !wanted(&gate) {
                    continue;
                }
                page.total = (page.total + 1).min(COUNT_CAP + 1);
                if window.after.as_ref().is_some_and(|after| key <= *after) {
                    continue;
                }
                if to_skip > 0 {
                    to_skip -= 1;
                } else if page.rows.len() < window.limit {
                    page.rows.push(gate);
                    last_given = Some(key);
                } else {
                    page.next.clone_from(&last_given);
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() || (page.next.is_some() && page.total > COUNT_CAP) {
                return Ok(page);
            }
        }
    }

    async fn with_pending_effects(&self) -> Result<Vec<RunId>, PortError> {
        let shards = try_join_all((0..keys::OUTBOX_SHARDS).map(|shard| self.outbox_shard(shard))).await?;
        Ok(shards.into_iter().flatten().collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutboxRow {
    outbox_sk: RunId,
}

impl Table {
    async fn outbox_shard(&self, shard: u8) -> Result<Vec<RunId>, PortError> {
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(keys::OUTBOX)
            .key_condition_expression("outboxPk = :pk")
            .expression_attribute_values(":pk", text(keys::outbox_shard(shard)));
        // One page of keys is some ten thousand runs; more than that waits five minutes.
        let items = request.send().await.map_err(error::port)?.items.unwrap_or_default();
        items.into_iter().map(|item| read::<OutboxRow>(item).map(|row| row.outbox_sk)).collect()
    }

    /// A page of a list, newest first.
    pub(crate) async fn page_of<T: DeserializeOwned>(&self, list: &List, window: &Window) -> Result<Page<T>, PortError> {
        let key = |id: &str| format!("{}{id}", list.prefix);
        // `~` is above every id, and nothing is below all of them.
        let all = Span { low: key(list.low.as_deref().unwrap_or("")), high: key(list.high.as_deref().unwrap_or("~")) };
        let behind = window.after.as_ref().map_or_else(|| all.clone(), |after| all.below(&key(after)));
        // One more than is given says whether there is another page.
        let mut merge = Merge::new(self, behind, window.skip + window.limit + 1);
        for group in &list.groups {
            merge.add(group).await?;
        }
        let mut rows = merge.rows().skip(window.skip);
        let (mut given, mut last) = (Vec::new(), None);
        for (key, item) in rows.by_ref().take(window.limit) {
            given.push(read(item.clone())?);
            last = key.strip_prefix(&list.prefix);
        }
        let next = rows.next().and(last).map(str::to_owned);
        drop(rows);
        let total = self.total(list, window, &merge, &all).await?;
        Ok(Page { rows: given, next, total })
    }

    async fn total(&self, list: &List, window: &Window, merge: &Merge<'_>, all: &Span) -> Result<u64, PortError> {
        // Spans of time come in endless variety: of those only the walk itself remembers.
        let name = (list.only_grows && list.low.is_none() && list.high.is_none()).then(|| list.name());
        if (list.only_grows && window.was_beyond_cap) || name.as_ref().is_some_and(|name| self.beyond_cap.knows(name)) {
            return Ok(COUNT_CAP + 1);
        }
        let total = merge.total(all).await?;
        if let Some(name) = name.filter(|_| total > COUNT_CAP) {
            self.beyond_cap.learn(name);
        }
        Ok(total)
    }
}

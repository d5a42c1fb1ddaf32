//! Lists: the index `lists` has a partition for each combination of status and trigger of a flow, and a page merges partitions. Every row
//! that is read matches the filter: no page is short, and a rare match costs no more than a common one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::access::Assignee;
use domain::gate::Gate;
use domain::id::{FlowId, OrgId, RunId};
use domain::ports::{COUNT_CAP, Page, PortError, RunFilter, RunLists, RunSummary, Window};
use domain::run::{RunStatus, Trigger};
use domain::time::Time;
use futures_util::future::try_join_all;

use crate::items::SummaryItem;
use crate::merge::{Group, Merge, Source, Span};
use crate::readable::Readable;
use crate::{Item, Table, keys, read};

/// The lists that this process has found to have more rows than are counted, and that never lose a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct BeyondCap(Arc<Mutex<BTreeSet<String>>>);

impl BeyondCap {
    /// The most lists that are remembered. When there are more, all are forgotten; each costs a count then.
    const MOST: usize = 10_000;

    fn contains(&self, list: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(list)
    }

    fn insert(&self, list: String) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lists.len() >= Self::MOST {
            lists.clear();
        }
        lists.insert(list);
    }
}

/// A list: partitions whose rows are merged.
pub(crate) struct List {
    pub(crate) source: Source,
    /// Its partitions, in groups that are read one after another. See [`groups`].
    pub(crate) groups: Vec<Group>,
    /// The part of the key of a row before the id.
    pub(crate) prefix: String,
    /// The lowest id, inclusive. `None`: there is no bound.
    pub(crate) low: Option<String>,
    /// The highest id, exclusive. `None`: there is no bound.
    pub(crate) high: Option<String>,
    /// Whether no row ever leaves the list.
    pub(crate) only_grows: bool,
}

impl List {
    fn name(&self) -> String {
        self.groups.iter().flat_map(|group| &group.partitions).map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// Returns the partitions of a filter, in the order in which they must be read so that no run is missed that changes its status meanwhile.
/// A run goes from `running` to `awaiting_approval` and back, and finally to a final status, where it stays:
///
/// - a run that left an active status before that was read is found in its final status, which is read later;
/// - a run that began to wait after `running` was read is found as `awaiting_approval`;
/// - a run that was decided between the two is found by reading `running` again.
///
/// Only a run that is decided and waits again, between two queries of one call, can be missed.
fn groups(flow: &FlowId, filter: &RunFilter) -> Vec<Group> {
    let triggers = filter.trigger.map_or(Trigger::ALL.to_vec(), |trigger| vec![trigger]);
    let of = |statuses: &[RunStatus]| {
        let partitions: Vec<String> =
            statuses.iter().flat_map(|status| triggers.iter().map(|trigger| keys::run_list(flow, *status, *trigger))).collect();
        // A row has some 160 bytes, 190 with the time of its end, 250 with an error. If there is only one partition, its rows are all there
        // are.
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
            source: Source::Lists,
            groups: groups(flow, filter),
            prefix: keys::RUN_PREFIX.to_owned(),
            // The id of a run begins with its creation time, so a span of time is a range of keys.
            low: filter.from.map(|from| RunId::lowest(from).to_string()),
            high: filter.to.map(|to| RunId::lowest(to).to_string()),
            only_grows: filter.only_grows(),
        };
        self.page_of(&list, window, |item| read::<SummaryItem>(item)?.into_summary()).await
    }

    async fn open_gates(
        &self,
        org: &OrgId,
        assignees: Option<&[Option<Assignee>]>,
        wanted: &(dyn Fn(&Gate) -> bool + Sync),
        window: &Window,
    ) -> Result<Page<Gate>, PortError> {
        self.inbox(org, assignees, wanted, window).await
    }

    async fn with_pending_effects(&self) -> Result<Vec<RunId>, PortError> {
        let shards = (0..keys::OUTBOX_SHARDS).map(|shard| self.outbox(keys::outbox_shard(shard)));
        let keys = try_join_all(shards).await?.into_iter().flatten();
        Ok(keys.filter_map(|key| key.parse().ok()).collect())
    }

    async fn stuck(&self, now: Time) -> Result<Vec<RunId>, PortError> {
        let shards = (0..keys::OUTBOX_SHARDS).map(|shard| self.outbox_due(keys::watch_shard(shard), now, MAX_STUCK));
        let mut keys: Vec<String> = try_join_all(shards).await?.into_iter().flatten().collect();
        keys.sort_unstable();
        Ok(keys.iter().filter_map(|key| keys::parse_stuck_at(key)).collect())
    }
}

/// The number of stuck runs of one shard that are returned at most. The next tick finds the others.
const MAX_STUCK: usize = 100;

impl Table {
    /// Returns a page of a list, newest first. `read` makes a row of an item of the index.
    pub(crate) async fn page_of<T>(
        &self,
        list: &List,
        window: &Window,
        read: impl Fn(Item) -> Result<T, PortError>,
    ) -> Result<Page<T>, PortError> {
        let key = |id: &str| format!("{}{id}", list.prefix);
        // `~` is above every id, and nothing is below all of them.
        let all = Span { low: key(list.low.as_deref().unwrap_or("")), high: key(list.high.as_deref().unwrap_or("~")) };
        let remaining = window.after.as_ref().map_or_else(|| all.clone(), |after| all.below(&key(after)));
        // One more than a page has tells whether there is another page.
        let mut merge = Merge::new(self, list.source, remaining, window.skip + window.limit + 1);
        for group in &list.groups {
            merge.add(group).await?;
        }
        let mut rows = merge.rows().skip(window.skip);
        let (mut page, mut last) = (Readable::default(), None);
        for (key, item) in rows.by_ref().take(window.limit) {
            page.add(item.clone(), &read)?;
            last = key.strip_prefix(&list.prefix);
        }
        let next = rows.next().and(last).map(str::to_owned);
        drop(rows);
        let total = self.total(list, window, &merge, &all).await?;
        Ok(Page { rows: page.rows, next, total, unreadable: page.unreadable })
    }

    async fn total(&self, list: &List, window: &Window, merge: &Merge<'_>, all: &Span) -> Result<u64, PortError> {
        // There are too many different spans of time to remember: for those the cursor of the walk says it.
        let name = (list.only_grows && list.low.is_none() && list.high.is_none()).then(|| list.name());
        if (list.only_grows && window.was_beyond_cap) || name.as_ref().is_some_and(|name| self.beyond_cap.contains(name)) {
            return Ok(COUNT_CAP + 1);
        }
        let total = merge.total(all).await?;
        if let Some(name) = name.filter(|_| total > COUNT_CAP) {
            self.beyond_cap.insert(name);
        }
        Ok(total)
    }
}

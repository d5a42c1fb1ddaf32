//! The history of decisions: partitions of the table for each kind of decision, of the organisation, of each flow, of each actor, and of
//! both. A page merges the partitions of the kinds that it wants, as the lists of runs do, so every row that is read matches the filter.

use domain::gate::{DecisionFilter, DecisionRow};
use domain::id::OrgId;
use domain::ports::{Decisions, Page, PortError, Window};
use futures_util::future::try_join_all;

use crate::items::DecisionItem;
use crate::lists::List;
use crate::merge::{Group, Source};
use crate::{Table, keys, read, write};

/// The rows that half a read unit buys, which is 4 KB: a row has some 500 bytes.
const BATCH: usize = 8;

/// Below every time: a key condition takes no empty text.
const LOWEST_TIME: &str = "0";

impl Decisions for Table {
    async fn add_decision(&self, row: &DecisionRow) -> Result<(), PortError> {
        // The copies are equal whenever they are written, so no condition is needed, and a part that a crash has left out is added later.
        let copies = DecisionItem::copies_of(row).into_iter().map(async |copy| {
            self.put_request(write(&copy)?).send().await.map_err(crate::error::port)?;
            Ok::<_, PortError>(())
        });
        try_join_all(copies).await?;
        Ok(())
    }

    async fn decisions(&self, org: &OrgId, filter: &DecisionFilter, window: &Window) -> Result<Page<DecisionRow>, PortError> {
        let kinds = filter.kinds().into_iter();
        let partitions: Vec<String> = kinds.map(|kind| keys::decisions(org, kind, filter.flow.as_ref(), filter.actor.as_deref())).collect();
        let batch = if partitions.len() == 1 { usize::MAX } else { BATCH };
        let list = List {
            source: Source::Table,
            groups: vec![Group { partitions, batch }],
            prefix: String::new(),
            // The sort key begins with the time of the decision, so a span of time is a range of keys.
            low: Some(filter.from.map_or_else(|| LOWEST_TIME.to_owned(), |from| from.to_string())),
            high: filter.to.map(|to| to.to_string()),
            only_grows: true,
        };
        self.page_of(&list, window, |item| read::<DecisionItem>(item)?.into_row()).await
    }
}

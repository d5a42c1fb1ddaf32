//! The history of decisions.

use std::future::Future;

use crate::error::PortError;
use crate::gate::{DecisionFilter, DecisionRow};
use crate::id::OrgId;
use crate::page::{Page, Window};

/// The history of decisions.
pub trait Decisions {
    /// Adds a decision. To add it again changes nothing.
    fn add_decision(&self, row: &DecisionRow) -> impl Future<Output = Result<(), PortError>>;
    /// Returns decisions of an organisation, newest first. A decision that was added before the first page is read is on exactly one page.
    fn decisions(
        &self,
        org: &OrgId,
        filter: &DecisionFilter,
        window: &Window,
    ) -> impl Future<Output = Result<Page<DecisionRow>, PortError>>;
}

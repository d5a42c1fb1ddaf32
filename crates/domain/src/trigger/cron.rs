//! The schedule of a flow.

use crate::time::Time;

/// The schedule that starts a flow. The texts are kept as they were saved, so that only the functions that compute due times
/// link the time zones, which are 200 KB of binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronTrigger {
    /// Five fields, see [`crate::cron::Expression`].
    pub expression: String,
    /// The name of the time zone in the IANA database.
    pub timezone: String,
    /// Whether the schedule is switched on.
    pub enabled: bool,
    /// The next due time; it may be overdue. None if the schedule is switched off, the flow is not active, or no time is due again.
    pub next_run_at: Option<Time>,
    /// The due time of the last run that the schedule started.
    pub last_run_at: Option<Time>,
}

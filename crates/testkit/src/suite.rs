//! The suite that every store must pass. [`store_suite!`](crate::store_suite) makes a test of each case.
//!
//! A case gets an empty store and uses ids of its own, so a store may be opened once for each case or once for all.

mod actions;
mod connections;
mod decisions;
mod flows;
mod inbox;
mod keys;
mod limits;
mod lists;
mod logins;
mod networks;
mod organisations;
mod outputs;
mod payloads;
mod rounds;
mod runs;
mod triggers;
mod walks;
mod webhooks;

use std::future::Future;

use domain::id::RunId;
use domain::network::{PrivateNetworkSwitch, PrivateNetworks};
use domain::ports::{ApiKeys, ConnectionBook, Connections, Flows, Keys, Organisations, Outputs, RetentionJobs, RunLists, Runs};
use domain::ports::{CronFlows, Decisions, Deliveries, IdentityProviders, Logins, Sessions, WebhookEndpoints, WebhookTriggers};

pub use actions::*;
pub use connections::*;
pub use decisions::*;
pub use flows::*;
pub use inbox::*;
pub use keys::*;
pub use limits::*;
pub use lists::*;
pub use logins::*;
pub use networks::*;
pub use organisations::*;
pub use outputs::*;
pub use payloads::*;
pub use rounds::*;
pub use runs::*;
pub use triggers::*;
pub use walks::*;
pub use webhooks::*;

/// A store under test: its ports, and what the suite needs in addition.
pub trait Subject {
    /// The store of runs.
    type Runs: Runs + Outputs + RetentionJobs;
    /// The store of everything else.
    type Table: RunLists
        + Decisions
        + Flows
        + Keys
        + ApiKeys
        + Logins
        + IdentityProviders
        + Sessions
        + Connections
        + ConnectionBook
        + Organisations
        + PrivateNetworks
        + PrivateNetworkSwitch
        + WebhookEndpoints
        + Deliveries
        + WebhookTriggers
        + CronFlows;

    /// Returns the store of runs, steps and gates.
    fn runs(&self) -> &Self::Runs;
    /// Returns the store of lists, flows, keys, connections and organisations.
    fn table(&self) -> &Self::Table;
    /// Does exactly what the Park state does. Returns false if its condition does not hold.
    fn park(&self, run: &RunId, execution: &str, token: &str) -> impl Future<Output = bool>;
}

impl Subject for crate::Memory {
    type Runs = Self;
    type Table = Self;

    fn runs(&self) -> &Self {
        self
    }

    fn table(&self) -> &Self {
        self
    }

    async fn park(&self, run: &RunId, execution: &str, token: &str) -> bool {
        Self::park(self, run, execution, token)
    }
}

/// Makes a test of every case: `store_suite!(block_on, open)`, where `open` returns a future of an empty [`Subject`](suite::Subject) and
/// `block_on` runs a future to its end.
#[macro_export]
macro_rules! store_suite {
    ($block_on:path, $open:path) => {
        $crate::store_suite!(@cases $block_on, $open,
            a_run_reads_back_with_every_field
            a_commit_with_a_stale_rev_changes_nothing
            a_commit_of_a_run_that_does_not_exist_is_refused
            run_and_gates_are_written_all_or_nothing
            a_decided_gate_is_never_overwritten
            gates_read_back_with_every_field
            a_step_is_recorded_once_and_the_first_record_counts
            steps_read_back_with_every_field
            each_round_of_a_step_has_a_record_of_its_own
            a_request_for_changes_is_never_overwritten
            objects_of_one_round_are_deleted_alone
            an_idempotency_key_starts_one_run
            an_idempotency_key_can_be_used_again_after_its_expiry
            park_writes_the_token_only_while_its_own_execution_is_pending
            inputs_read_back_whatever_their_type
            a_run_keeps_the_name_of_its_flow
            a_payload_up_to_100_kb_is_in_the_record
            a_larger_payload_is_offloaded_under_its_hash
            a_payload_that_does_not_have_its_hash_is_refused
            a_payload_of_another_run_is_copied
            a_payload_of_25_mb_reads_back
            a_payload_is_as_large_as_its_bytes
            an_upload_that_no_record_refers_to_does_not_stay
            a_copy_that_no_record_refers_to_does_not_stay
            a_large_action_is_offloaded_from_its_gate
            a_large_action_that_is_approved_is_not_stored_twice
            a_gate_that_is_too_large_for_its_record_is_refused
            a_large_action_of_another_run_is_copied
            gates_of_more_than_4_mb_in_one_commit_are_refused
            more_than_99_gates_in_one_commit_are_refused
            a_record_of_more_than_400_kb_is_refused_and_its_objects_do_not_stay
            a_run_of_more_than_400_kb_is_refused
            an_expired_record_reads_as_its_receipt
            a_record_that_was_taken_over_is_as_young_as_its_run
            the_records_of_a_run_outlast_its_waits
            records_are_rescheduled_and_receipts_stay
            a_receipt_replaces_its_record_for_good
            objects_of_steps_are_deleted_and_the_input_stays
            a_purge_is_requested_once_and_found_when_it_is_due
            an_organisation_is_switched_together_with_the_job_that_applies_it
            a_flow_reads_back_by_id_and_by_slug
            a_slug_is_unique_within_its_organisation
            an_update_of_a_flow_that_changed_meanwhile_is_refused
            versions_never_change
            a_spec_of_900_kb_reads_back
            flows_are_listed_newest_first_page_by_page
            flows_of_another_organisation_are_not_found
            connections_read_back
            connections_are_found_by_their_names
            a_connection_is_replaced_and_stays_the_same_one
            a_connection_is_deleted_once
            uses_and_checks_of_a_connection_are_recorded_while_it_exists
            connections_are_listed_newest_first_page_by_page
            a_key_is_admitted_with_every_field
            a_secret_of_no_valid_key_is_not_admitted
            requests_are_counted_by_key_bucket_and_minute
            a_request_over_the_limit_is_refused_and_not_counted
            of_64_parallel_requests_as_many_as_the_limit_are_admitted
            a_key_is_revoked_once_and_at_once
            an_identity_provider_reads_back_and_is_replaced_as_it_was_read
            an_audience_of_an_issuer_has_one_organisation
            a_session_is_admitted_until_it_idles_or_ends
            a_session_is_listed_until_it_is_ended
            requests_with_a_token_are_counted_by_login_bucket_and_minute
            a_key_is_created_once
            a_revoked_key_makes_no_key
            a_key_is_revoked_with_what_it_has_made
            keys_are_listed_newest_first_page_by_page
            keys_of_another_organisation_are_not_found
            an_organisation_reads_back_with_every_field
            the_secret_of_an_organisation_never_changes
            an_organisation_that_was_never_written_has_a_secret_all_the_same
            private_ranges_are_open_to_one_organisation
            any_filter_and_any_page_gives_what_a_sorted_vector_gives
            a_span_of_time_includes_its_beginning_and_excludes_its_end
            a_cursor_outside_the_span_of_time_is_not_an_error
            a_run_moves_between_lists_with_its_status
            totals_are_exact_up_to_the_cap
            a_walk_misses_and_repeats_nothing_while_runs_change
            any_filter_of_decisions_gives_what_a_sorted_vector_gives
            open_gates_come_oldest_first_page_by_page
            open_gates_of_some_assignees_come_oldest_first
            a_closed_gate_leaves_the_inbox
            gates_of_a_run_that_has_ended_are_closed_at_once_and_written_later
            a_page_of_the_inbox_is_full_although_the_gates_of_a_run_are_being_closed
            runs_with_pending_effects_are_found
            runs_that_nothing_drives_are_found_by_their_age
            endpoints_read_back_with_every_field
            of_16_parallel_writes_of_endpoints_none_is_lost
            an_event_is_stored_once_and_for_30_days
            a_delivery_is_stored_once_and_changes_only_as_it_was_read
            a_due_delivery_is_found
            deliveries_are_listed_newest_first_page_by_page
            webhooks_of_another_organisation_are_not_found
            the_trigger_of_a_flow_reads_back
            a_webhook_is_found_by_its_token_until_it_is_deleted
            flows_are_due_from_their_time_on_and_the_oldest_comes_first
            a_due_time_becomes_one_run_and_moves_the_schedule
            of_64_ticks_at_the_same_time_one_starts_the_flow
            an_edit_and_the_clock_do_not_overwrite_each_other
        );
    };
    (@cases $block_on:path, $open:path, $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $block_on(async {
                    let store = $open().await;
                    $crate::suite::$case(&store).await;
                });
            }
        )*
    };
}

//! The JSON that callers see.

mod approval;
mod connection;
mod decision;
mod fit;
mod flow;
mod gate;
mod identity;
mod identity_provider;
mod key;
mod part;
mod payload;
mod retention;
mod rounds;
mod run;
mod run_with_steps;
mod session;
mod step;
mod webhook;

pub use approval::{ShownApproval, Viewer, approval, approvals};
pub use connection::{connection, health};
pub use decision::decision_row;
pub use fit::MAX_BYTES;
pub use flow::{checked_flow, flow, flow_with_spec, saved_flow};
pub use gate::{changes_requested, decided, shrink_decided};
pub use identity_provider::identity_provider;
pub use key::{api_key, caller, new_api_key};
pub use part::PARTS_OF_STEPS;
pub use retention::{purge, retention};
pub use rounds::earlier_rounds_of;
pub use run::{run, run_summary};
pub use run_with_steps::run_with_steps;
pub use session::{me, session};
pub use step::part_of_step;
pub use webhook::{delivery, webhook, webhook_with_secret};

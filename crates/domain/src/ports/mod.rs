//! The ports: what the application needs from outside. `store`, `nodes`, `step-functions` and the other crates implement them with
//! AWS services, `testkit` implements them in memory.
//!
//! Each trait has a file of its own, and so has the data that it exchanges.

mod admission;
mod approvals;
mod clock;
mod connections;
mod dead_letters;
mod decisions;
mod effect;
mod effects;
mod executions;
mod flow_name;
mod flows;
mod idempotency;
mod keys;
mod logins;
mod optimistic;
mod organisations;
mod outputs;
mod registered;
mod retention_jobs;
mod revoking;
mod rounds;
mod run_list;
mod run_lists;
mod run_origin;
mod runs;
mod triggers;
mod vault;
mod versions;
mod webhooks;

pub use crate::error::{CommitError, PortError};
pub use crate::page::{COUNT_CAP, Page, Window};
pub use admission::Admission;
pub use approvals::{FoundApproval, KnownVersions, barred, find_approval};
pub use clock::{Clock, Entropy};
pub use connections::{ConnectionBook, Connections};
pub use dead_letters::DeadLetters;
pub use decisions::Decisions;
pub use effect::{CallContext, CoveredService, Effect, EffectError};
pub use effects::Effects;
pub use executions::{ExecutionStart, Executions, Resumption};
pub use flow_name::FlowName;
pub use flows::Flows;
pub use idempotency::Idempotency;
pub use keys::{ApiKeys, Keys};
pub use logins::{Counted, IdentityProviders, Logins, SessionAdmission, Sessions};
pub use optimistic::{MAX_UPDATE_TRIES, UpdateError, optimistic_update};
pub use organisations::Organisations;
pub use outputs::Outputs;
pub use registered::Registered;
pub use retention_jobs::RetentionJobs;
pub use revoking::revoke_with_descendants;
pub use rounds::{gates_in_all_rounds, step_in_any_run};
pub use run_list::{RunFilter, RunSummary};
pub use run_lists::RunLists;
pub use run_origin::RunOrigin;
pub use runs::Runs;
pub use triggers::{CronFlows, WebhookTriggers};
pub use vault::Vault;
pub use versions::{latest_version, spec_for, spec_of, version_for};
pub use webhooks::{Deliveries, DeliveryQueue, MailSender, WebhookEndpoints, WebhookSender};

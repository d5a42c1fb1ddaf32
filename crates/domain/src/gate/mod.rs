//! Gates: an action is proposed, an entitled reviewer decides it once, and the record of the decision stays for good.

mod action;
mod basis;
mod binding;
mod changes;
mod clock;
mod entitlement;
mod history;
mod large;
mod override_rules;
mod patch;
mod question;
mod record;
mod shown;
mod voting;

pub use crate::status::Verdict;
pub use action::{Action, ActionTooLarge, MAX_ACTION_BYTES};
pub use basis::{Basis, EarlierDecision};
pub use binding::{DecisionTarget, NotBound, OpenApproval};
pub use changes::ChangeRequest;
pub use clock::{Escalation, Reassignment};
pub use entitlement::CannotDecide;
pub use history::{DecisionFilter, DecisionKind, DecisionRow};
pub use large::Part;
pub use patch::MAX_PATCH_BYTES;
pub use question::{MAX_LABEL_BYTES, Question};
pub use record::{EditedAction, Gate, Outcome, Vote};
pub use shown::Shown;
pub use voting::{Ballot, BallotError, BallotOutcome};

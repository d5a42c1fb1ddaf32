//! Why something that was asked for is not done. Knows no HTTP: `api` turns it into an answer, once.

use crate::flow::NodeId;
use crate::gate::BallotError;
use crate::ports::PortError;
use crate::problem::FieldErrors;
use crate::run::TransitionError;

/// A request that is refused, or that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// It is not there, or belongs to another organisation; the two look the same.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The thing is there, and does not have what was asked for.
    #[error("{0}")]
    Absent(String),
    /// What was sent is not what it should be.
    #[error("validation failed")]
    Invalid(FieldErrors),
    /// Whoever asks may not.
    #[error("{0}")]
    Forbidden(String),
    /// The state of things does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// Several gates are open, and the request does not say which it means.
    #[error("several approvals are open; say which with nodeId: {}", names(.0))]
    SeveralGates(Vec<NodeId>),
    /// A rule of the flow does not allow it.
    #[error("{message}")]
    Unprocessable {
        /// What is not allowed.
        message: String,
        /// Where, if it is about what was sent.
        fields: FieldErrors,
    },
    /// Something this depends on failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join(", ")
}

impl From<TransitionError> for ApplicationError {
    fn from(refusal: TransitionError) -> Self {
        Self::Conflict(refusal.to_string())
    }
}

impl From<BallotError> for ApplicationError {
    fn from(refusal: BallotError) -> Self {
        let message = refusal.to_string();
        match refusal {
            BallotError::NotAssigned(_) | BallotError::StarterMayNot => Self::Forbidden(message),
            BallotError::AlreadyDecided(_) | BallotError::Closed(_) | BallotError::ActionDiffers => Self::Conflict(message),
            BallotError::OverrideNotAllowed(fields) => Self::Unprocessable { message, fields },
        }
    }
}

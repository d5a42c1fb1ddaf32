//! Errors of the ports and of the application. They know no HTTP: `api` maps each to a status, in one place.

use crate::gate::NotBound;
use crate::problem::FieldErrors;

/// The error of a call of a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The system behind the port did not answer, or refused for now. It is not known whether a write took place; the same call may
    /// succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// The system behind the port refuses the request as it is and will refuse it every time, for instance because an item is larger
    /// than DynamoDB accepts. Nothing was written.
    #[error("the request is refused every time: {0}")]
    Rejected(String),
    /// What is stored cannot be read, and will not be readable later.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}

impl PortError {
    /// Returns whether the same call fails every time, so that there is no point in repeating it.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Unavailable(_) => false,
            Self::Rejected(_) | Self::Corrupt(_) => true,
        }
    }
}

/// The error of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Another write came first since the value was loaded: load it again and decide again.
    #[error("the run has changed")]
    Changed,
    /// The write failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The error of a request that is refused, or that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    /// The resource does not exist, or belongs to another organisation; a caller cannot tell the two apart.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The resource exists, and does not have the part that was requested.
    #[error("{0}")]
    Absent(String),
    /// The request is not valid.
    #[error("validation failed")]
    Invalid(FieldErrors),
    /// The caller is not entitled to this.
    #[error("{0}")]
    Forbidden(String),
    /// The state of the resource does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The request to decide an approval does not say, or no longer says, which one it means.
    #[error("{}", .0.message)]
    NotBound(Box<NotBound>),
    /// A rule of the flow or of the organisation does not allow it.
    #[error("{message}")]
    Unprocessable {
        /// What is not allowed.
        message: String,
        /// The fields that broke the rule, if the rule is about fields.
        fields: FieldErrors,
    },
    /// A dependency failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

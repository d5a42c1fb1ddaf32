//! From what went wrong to what the caller is told. The only place where errors meet HTTP.

use domain::access::{Scope, Usage};
use domain::error::ApplicationError;
use domain::ports::PortError;
use domain::problem::FieldErrors;
use serde_json::{Value, json};

/// Why a call is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No key, or none that works.
    #[error("missing or invalid Bearer")]
    Unauthenticated,
    /// A webhook was called with a token or a signature that does not hold, or its flow does not run: which, is nobody's business.
    #[error("unknown webhook or invalid signature")]
    Unsigned,
    /// The key may not do this.
    #[error("missing scope: {0}")]
    MissingScope(Scope),
    /// The key has called too often in this minute.
    #[error("rate limit exceeded")]
    RateLimited(Usage),
    /// The body, or something in it, is too large.
    #[error("the {0} has more than {1} bytes")]
    TooLarge(&'static str, usize),
    /// The body is not JSON by its own account.
    #[error("the body must be application/json")]
    MediaType,
    /// What was asked for was refused.
    #[error(transparent)]
    ApplicationError(#[from] ApplicationError),
}

impl From<FieldErrors> for ApiError {
    fn from(errors: FieldErrors) -> Self {
        Self::ApplicationError(ApplicationError::Invalid(errors))
    }
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        Self::ApplicationError(ApplicationError::Port(error))
    }
}

impl ApiError {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unauthenticated | Self::Unsigned => 401,
            Self::MissingScope(_) => 403,
            Self::TooLarge(..) => 413,
            Self::MediaType => 415,
            Self::RateLimited(_) => 429,
            Self::ApplicationError(fault) => match fault {
                ApplicationError::Invalid(_) => 400,
                ApplicationError::Forbidden(_) => 403,
                ApplicationError::NotFound(_) | ApplicationError::Absent(_) => 404,
                ApplicationError::Conflict(_) | ApplicationError::SeveralGates(_) => 409,
                ApplicationError::Unprocessable { .. } => 422,
                ApplicationError::Port(PortError::Unavailable(_)) => 503,
                ApplicationError::Port(PortError::Corrupt(_) | PortError::Rejected(_)) => 500,
            },
        }
    }

    /// The error envelope. What failed inside stays inside: the log has it.
    pub fn body(&self) -> Value {
        let text = self.to_string();
        match self {
            Self::RateLimited(usage) => json!({"error": text, "bucket": usage.bucket.to_string(), "limit": usage.limit}),
            Self::ApplicationError(ApplicationError::Invalid(fields)) => with_fields(&text, fields),
            Self::ApplicationError(ApplicationError::Unprocessable { fields, .. }) if !fields.is_empty() => with_fields(&text, fields),
            Self::ApplicationError(ApplicationError::SeveralGates(nodes)) => json!({"error": text, "openNodeIds": nodes}),
            Self::ApplicationError(ApplicationError::Port(PortError::Unavailable(_))) => {
                json!({"error": "a service behind this one did not answer; try again"})
            }
            Self::ApplicationError(ApplicationError::Port(PortError::Corrupt(_) | PortError::Rejected(_))) => {
                json!({"error": "internal error"})
            }
            _ => json!({"error": text}),
        }
    }
}

fn with_fields(text: &str, fields: &FieldErrors) -> Value {
    json!({"error": text, "details": {"fieldErrors": fields.by_path()}})
}

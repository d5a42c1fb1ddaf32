//! The conversion of errors to HTTP. It is the only one.

use domain::access::{Scope, Usage};
use domain::error::ApplicationError;
use domain::gate::NotBound;
use domain::ports::PortError;
use domain::problem::FieldErrors;
use serde_json::{Value, json};

use crate::json_object::set;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is no key, or it is not valid.
    #[error("missing or invalid Bearer")]
    Unauthenticated,
    /// A trigger was called with an unknown token or an invalid signature, or its flow is not active. Which of these it was is not
    /// disclosed.
    #[error("unknown webhook or invalid signature")]
    Unsigned,
    /// A login was not completed; the text says why, and nothing that was sent.
    #[error("{0}")]
    LoginRefused(String),
    /// The key lacks the scope.
    #[error("missing scope: {0}")]
    MissingScope(Scope),
    /// The key has used up its limit of this minute.
    #[error("rate limit exceeded")]
    RateLimited(Usage),
    /// The body, or a part of it, is too large.
    #[error("the {0} has more than {1} bytes")]
    TooLarge(&'static str, usize),
    /// The content type of the body is not JSON.
    #[error("the body must be application/json")]
    MediaType,
    /// The body is compressed, or in another charset than UTF-8.
    #[error("the body must be in UTF-8 and not compressed")]
    BodyEncoding,
    /// The application refused the call or failed.
    #[error(transparent)]
    Application(#[from] ApplicationError),
}

impl From<FieldErrors> for ApiError {
    fn from(errors: FieldErrors) -> Self {
        Self::Application(ApplicationError::Invalid(errors))
    }
}

impl From<PortError> for ApiError {
    fn from(error: PortError) -> Self {
        Self::Application(ApplicationError::Port(error))
    }
}

impl ApiError {
    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Unauthenticated | Self::Unsigned => 401,
            Self::LoginRefused(_) => 400,
            Self::MissingScope(_) => 403,
            Self::TooLarge(..) => 413,
            Self::MediaType | Self::BodyEncoding => 415,
            Self::RateLimited(_) => 429,
            Self::Application(error) => match error {
                ApplicationError::Invalid(_) => 400,
                ApplicationError::Forbidden(_) => 403,
                ApplicationError::NotFound(_) | ApplicationError::Absent(_) => 404,
                ApplicationError::Conflict(_) | ApplicationError::NotBound(_) => 409,
                ApplicationError::Unprocessable { .. } => 422,
                ApplicationError::Port(PortError::Unavailable(_)) => 503,
                ApplicationError::Port(PortError::Corrupt(_) | PortError::Rejected(_)) => 500,
            },
        }
    }

    /// Returns the error envelope. Internal text is not in it; the log has it.
    pub fn body(&self) -> Value {
        let text = self.to_string();
        match self {
            Self::RateLimited(usage) => json!({"error": text, "bucket": usage.bucket.to_string(), "limit": usage.limit}),
            Self::Application(ApplicationError::Invalid(fields)) => with_fields(&text, fields),
            Self::Application(ApplicationError::Unprocessable { fields, .. }) if !fields.is_empty() => with_fields(&text, fields),
            Self::Application(ApplicationError::NotBound(reason)) => not_bound(reason),
            Self::Application(ApplicationError::Port(PortError::Unavailable(_))) => {
                json!({"error": "a service behind this one did not answer; try again"})
            }
            Self::Application(ApplicationError::Port(PortError::Corrupt(_) | PortError::Rejected(_))) => json!({"error": "internal error"}),
            _ => json!({"error": text}),
        }
    }
}

/// Returns the envelope of a decision that is refused, with what has changed and what is open.
fn not_bound(reason: &NotBound) -> Value {
    let open = reason.open.iter().map(|approval| {
        json!({
            "approvalId": approval.id,
            "nodeId": approval.node,
            "actionLabel": approval.action_label,
            "round": approval.round,
            "shownSha256": approval.shown_sha256,
        })
    });
    let nodes: Vec<_> = reason.open.iter().map(|approval| &approval.node).collect();
    let mut body = json!({"error": reason.message, "openApprovals": open.collect::<Vec<_>>(), "openNodeIds": nodes});
    if !reason.changed.is_empty() {
        set(&mut body, "changed", json!(reason.changed));
    }
    body
}

fn with_fields(text: &str, fields: &FieldErrors) -> Value {
    json!({"error": text, "details": {"fieldErrors": fields.by_path()}})
}

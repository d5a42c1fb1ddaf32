//! Why a command failed, and its exit code.

use std::fmt;

use runs_client::{Error, types};

use crate::text::plain;

/// A failure: a message for the user, and an exit code for scripts.
#[derive(Debug)]
pub struct Failure {
    /// The exit code; `qe --help` lists them.
    pub code: u8,
    message: String,
}

/// The run failed, or the program did.
pub const FAILED: u8 = 1;
/// The command line is not valid.
pub const USAGE: u8 = 2;
const REFUSED: u8 = 3;
/// The key or the login is not accepted.
pub const NOT_ALLOWED: u8 = 4;
/// Another try may succeed.
pub const UNAVAILABLE: u8 = 5;
/// The run was cancelled.
pub const CANCELLED: u8 = 6;
/// The run is not done.
pub const NOT_DONE: u8 = 7;

impl Failure {
    /// Returns a failure of this program or its environment.
    pub fn here(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into() }
    }

    /// Returns the failure of a command line that is not valid.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }

    /// Returns the failure of a request that got no response.
    #[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
    pub fn unreachable(error: reqwest::Error) -> Self {
        Self { code: UNAVAILABLE, message: format!("the API could not be reached: {}", causes(&error)) }
    }

    /// Returns the failure of a login that is missing, refused, or over.
    pub fn not_allowed(message: impl Into<String>) -> Self {
        Self { code: NOT_ALLOWED, message: message.into() }
    }

    /// Returns the failure of a request that got no usable response, although another try may.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { code: UNAVAILABLE, message: message.into() }
    }

    /// Returns the failure of a request that the API refused, with its reasons.
    pub fn of_response(status: u16, error: &types::AnyError) -> Self {
        Self { code: code_of(status), message: explain(status, error) }
    }

    /// Returns the failure of a response that is not in the contract.
    pub fn unknown_response(status: u16) -> Self {
        Self { code: code_of(status), message: format!("the API responded with {status} in a form that this client does not know") }
    }

    /// Returns the failure of a run that did not succeed, or has not ended.
    pub fn of_run(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Returns whether another try may succeed.
    pub fn is_temporary(&self) -> bool {
        self.code == UNAVAILABLE
    }

    /// Returns whether the API refused what was sent, so that other content may be accepted.
    pub fn is_refusal(&self) -> bool {
        self.code == REFUSED
    }

    /// Returns the failure of a dry run: a refusal by the API has the exit code 1, because it is the result and not an error of the command.
    #[must_use]
    pub fn of_dry_run(self) -> Self {
        if self.is_refusal() { Self { code: FAILED, ..self } } else { self }
    }

    /// Returns the failure of a request that the API would refuse.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { code: REFUSED, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::here(error.to_string())
    }
}

impl From<Error<types::AnyError>> for Failure {
    fn from(error: Error<types::AnyError>) -> Self {
        match error {
            Error::ErrorResponse(response) => Self::of_response(response.status().as_u16(), &response),
            Error::CommunicationError(error) => Self::unreachable(error),
            Error::UnexpectedResponse(response) => Self::unknown_response(response.status().as_u16()),
            Error::InvalidRequest(problem) => Self::usage(problem),
            other => Self::here(causes(&other)),
        }
    }
}

fn code_of(status: u16) -> u8 {
    match status {
        401 | 403 => NOT_ALLOWED,
        429 | 500.. => UNAVAILABLE,
        _ => REFUSED,
    }
}

/// Returns the error of the API with all its field errors.
fn explain(status: u16, error: &types::AnyError) -> String {
    let fields = error.details.iter().flat_map(|details| &details.field_errors);
    let problems =
        fields.flat_map(|(field, problems)| problems.iter().map(move |problem| format!("  {}: {}", plain(field), plain(problem))));
    [format!("{} ({status})", plain(&error.error))].into_iter().chain(problems).collect::<Vec<_>>().join("\n")
}

/// Returns an error and its causes. Mostly the innermost one says what to do.
pub fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

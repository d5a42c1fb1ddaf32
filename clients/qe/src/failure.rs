//! Why a command did not do what it was asked, and the exit code that says so to scripts.

use std::fmt;

use runs_client::{Error, types};

use crate::out::plain;

/// A sentence for the person, a code for the script.
#[derive(Debug)]
pub struct Failure {
    /// See `qe --help`.
    pub code: u8,
    message: String,
}

/// The run failed, or something on this side did.
pub const FAILED: u8 = 1;
/// The command line makes no sense.
pub const USAGE: u8 = 2;
const REFUSED: u8 = 3;
const NOT_ALLOWED: u8 = 4;
const UNAVAILABLE: u8 = 5;
/// The run was cancelled.
pub const CANCELLED: u8 = 6;
/// The run is not done.
pub const NOT_DONE: u8 = 7;

impl Failure {
    /// Something on this side.
    pub fn here(message: impl Into<String>) -> Self {
        Self { code: FAILED, message: message.into() }
    }

    /// A command line that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }

    /// No answer.
    #[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
    pub fn unreachable(error: reqwest::Error) -> Self {
        Self { code: UNAVAILABLE, message: format!("the API could not be reached: {}", causes(&error)) }
    }

    /// The API refused, and says why.
    pub fn of_answer(status: u16, error: &types::AnyError) -> Self {
        Self { code: code_of(status), message: explain(status, error) }
    }

    /// An answer that is not in the contract.
    pub fn unknown_answer(status: u16) -> Self {
        Self { code: code_of(status), message: format!("the API answered {status} in a form that this client does not know") }
    }

    /// The run ended otherwise than it should, or not at all.
    pub fn of_run(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Whether it may be another time.
    pub fn is_passing(&self) -> bool {
        self.code == UNAVAILABLE
    }

    /// The API refuses, or would.
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
            Error::ErrorResponse(answer) => Self::of_answer(answer.status().as_u16(), &answer),
            Error::CommunicationError(error) => Self::unreachable(error),
            Error::UnexpectedResponse(answer) => Self::unknown_answer(answer.status().as_u16()),
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

/// What the API says, with every field that it complains about.
fn explain(status: u16, error: &types::AnyError) -> String {
    let fields = error.details.iter().flat_map(|details| &details.field_errors);
    let problems =
        fields.flat_map(|(field, problems)| problems.iter().map(move |problem| format!("  {}: {}", plain(field), plain(problem))));
    [format!("{} ({status})", plain(&error.error))].into_iter().chain(problems).collect::<Vec<_>>().join("\n")
}

/// An error and what caused it: the innermost one mostly says what to do.
fn causes(error: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

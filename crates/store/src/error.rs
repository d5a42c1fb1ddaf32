//! Maps the errors of the AWS SDK to what the ports promise.

use std::fmt::{Debug, Display};

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use domain::ports::{CommitError, PortError};

/// The code by which DynamoDB refuses a request for what it is: too large, malformed. It refuses it every time.
const INVALID: &str = "ValidationException";

/// Maps a failed call to `Rejected` if the same request fails every time, and to `Unavailable` otherwise.
pub(crate) fn port<E, R>(error: SdkError<E, R>) -> PortError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: Debug,
{
    let is_permanent = error.as_service_error().and_then(ProvideErrorMetadata::code) == Some(INVALID);
    let text = DisplayErrorContext(error).to_string();
    if is_permanent { PortError::Rejected(text) } else { PortError::Unavailable(text) }
}

/// Returns whether a write was refused because its condition does not hold.
pub(crate) fn is_condition<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ConditionalCheckFailedException")
}

/// Returns the error of stored data that cannot be read.
pub(crate) fn corrupt(problem: impl Display) -> PortError {
    PortError::Corrupt(problem.to_string())
}

/// Maps a failed `PutItem`. A condition that failed and a conflict with another transaction mean the same to the caller: load the
/// item again and decide again.
pub(crate) fn put<R: Debug>(error: SdkError<PutItemError, R>) -> CommitError {
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("ConditionalCheckFailedException" | "TransactionConflictException") => CommitError::Changed,
        _ => port(error).into(),
    }
}

/// Maps a failed transaction as [`put`] does. A transaction has a reason for each of its items. An item that is too large
/// (`ValidationError`) comes first: the transaction fails for it whatever the conditions are.
pub(crate) fn transaction<R: Debug>(error: SdkError<TransactWriteItemsError, R>) -> CommitError {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
        let reasons = cancelled.cancellation_reasons();
        if let Some(invalid) = reasons.iter().find(|reason| reason.code() == Some("ValidationError")) {
            return PortError::Rejected(invalid.message().unwrap_or("an item of the transaction is not valid").to_owned()).into();
        }
        let has_changed = |code| matches!(code, Some("ConditionalCheckFailed" | "TransactionConflict"));
        if reasons.iter().any(|reason| has_changed(reason.code())) {
            return CommitError::Changed;
        }
    }
    port(error).into()
}

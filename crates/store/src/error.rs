//! From what AWS says to what the ports promise.

use std::fmt::Display;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use domain::ports::{CommitError, PortError};

pub(crate) fn port<E: std::error::Error + 'static, R: std::fmt::Debug>(error: SdkError<E, R>) -> PortError {
    PortError::Unavailable(DisplayErrorContext(error).to_string())
}

pub(crate) fn corrupt(problem: impl Display) -> PortError {
    PortError::Corrupt(problem.to_string())
}

/// A condition that failed, or another transaction on the same item, means the same to the caller: load it again.
pub(crate) fn put<R: std::fmt::Debug>(error: SdkError<PutItemError, R>) -> CommitError {
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some("ConditionalCheckFailedException" | "TransactionConflictException") => CommitError::Changed,
        _ => port(error).into(),
    }
}

/// The request itself was refused, as it would be every time: it did not take place, not even in an earlier attempt of the client.
pub(crate) fn is_invalid<R: std::fmt::Debug>(error: &SdkError<PutItemError, R>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ValidationException")
}

/// What [`put`] says, for a transaction, whose reasons come as a list.
pub(crate) fn transaction<R: std::fmt::Debug>(error: SdkError<TransactWriteItemsError, R>) -> CommitError {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
        let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
        if codes.any(|code| code == "ConditionalCheckFailed" || code == "TransactionConflict") {
            return CommitError::Changed;
        }
    }
    port(error).into()
}

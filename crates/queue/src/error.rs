//! Maps the errors of the AWS SDK to what the ports promise.

use aws_sdk_sqs::error::{DisplayErrorContext, SdkError};
use domain::ports::PortError;

/// A call that failed may succeed later.
pub(crate) fn port<E: std::error::Error + 'static, R: std::fmt::Debug>(error: SdkError<E, R>) -> PortError {
    PortError::Unavailable(format!("SQS: {}", DisplayErrorContext(error)))
}

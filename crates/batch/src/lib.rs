//! Batches of the table's stream, as the workers `publish-events` and `purge-outputs` receive them.
//!
//! Lambda reads a shard of the stream in order. A worker reports the records that failed, and Lambda delivers everything from the
//! first of them again: one record that always fails would hold up all that come after it, of every organisation, until the event
//! source mapping gives it up after 12 hours. Therefore [`Failures`] distinguishes two kinds of failure: one that may pass is reported
//! and comes again, and one that is permanent goes to the dead-letter queue at once, so that the rest goes on.

mod failures;
mod record;

pub use aws_lambda_events::dynamodb::Event;
pub use aws_lambda_events::streams::DynamoDbEventResponse;
pub use failures::{DeadLetter, Failures};
pub use record::{Position, Record, read};

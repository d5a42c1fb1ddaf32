//! SQS: the queue of webhook deliveries, and dead-letter queues.

mod dead_letters;
mod deliveries;
mod error;

pub use dead_letters::DeadLetterQueue;
pub use deliveries::SqsQueue;

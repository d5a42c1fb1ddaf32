//! Time and randomness.

use std::future::Future;

use crate::time::Time;

/// The clock.
pub trait Clock {
    /// Returns the current time.
    fn now(&self) -> Time;
    /// Waits for this number of milliseconds.
    fn sleep(&self, millis: u64) -> impl Future<Output = ()>;
}

/// The source of randomness.
pub trait Entropy {
    /// Returns 128 random bits.
    fn random(&self) -> u128;
}

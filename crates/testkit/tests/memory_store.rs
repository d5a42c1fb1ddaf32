//! The store in memory keeps the promises that every store keeps.

use std::future::Future;

use testkit::build::at;
use testkit::{Faults, ManualClock, Memory};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    testkit::block_on(&ManualClock::at(at(0)), future)
}

async fn open() -> Memory {
    Memory::new(Faults::none())
}

testkit::store_suite!(block_on, open);

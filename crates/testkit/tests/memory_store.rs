//! The store in memory passes the suite of every store.

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

//! The store on a real DynamoDB engine (dynoxide, in this process) with the real client: the suite that every store must pass, the costs,
//! and the stored format.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot be set up should stop at once")]

mod admission;
mod bucket;
mod cost;
mod ending;
mod inbox_cost;
mod list_cost;
mod moving;
mod opened;
mod retention;
mod sizes;
mod starting;
mod stored_format;
mod template;
mod unreadable;
mod uploads;
mod wire;

use std::future::Future;

use opened::open;

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

testkit::store_suite!(block_on, open);

//! Builds the clients once and serves `GET /api/me`.

use get_me::{ENDPOINT, handle};
use runtime::SystemClock;
use store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let table = Table::from_env(&runtime::aws().await)?;
    api::serve(ENDPOINT, table, SystemClock, async |request| handle(&request)).await
}

//! Builds the clients once and serves `GET /api/whoami`.

use get_caller::{ENDPOINT, handle};
use runtime::SystemClock;
use store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let table = Table::from_env(&runtime::aws().await)?;
    api::serve(ENDPOINT, table, SystemClock, handle).await
}

//! Builds the clients once and serves `GET /api/auth/login`.

use begin_login::{ENDPOINT, handle};
use runtime::{OsEntropy, SystemClock};
use store::Table;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let table = Table::from_env(&runtime::aws().await)?;
    api::serve_public(ENDPOINT, |request| handle(&table, &SystemClock, &OsEntropy, request)).await
}

//! Builds the clients once and serves `GET /api/auth/callback`.

use complete_login::{ENDPOINT, handle};
use login::{TokenVerifier, Web};
use runtime::{OsEntropy, SystemClock};
use store::Table;
use vault::KmsVault;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    let aws = runtime::aws().await;
    let (table, vault, web) = (Table::from_env(&aws)?, KmsVault::from_env(&aws)?, Web::from_env()?);
    let tokens = TokenVerifier::new(web.clone());
    api::serve_public(ENDPOINT, |request| handle(&table, &vault, (&web, &tokens), (&SystemClock, &OsEntropy), request)).await
}

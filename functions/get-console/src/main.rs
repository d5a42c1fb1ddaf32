//! Serves `GET /console` and everything below it.

use get_console::SITE;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    api::serve_site(SITE).await
}

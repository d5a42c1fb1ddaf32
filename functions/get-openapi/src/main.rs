//! Serves `GET /api/openapi.json`.

use get_openapi::PAGE;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    api::serve_page(PAGE).await
}

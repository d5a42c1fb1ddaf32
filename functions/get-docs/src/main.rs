//! Serves `GET /api/docs`.

use get_docs::PAGE;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), api::Error> {
    api::serve_page(PAGE).await
}

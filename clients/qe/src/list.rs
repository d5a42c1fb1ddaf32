//! Pages, put together.

use runs_client::types::CursorText;

use crate::failure::Failure;

/// The most rows that the API gives at once.
const PAGE: u64 = 100;

/// One page.
#[derive(Debug)]
pub struct Page<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Where the next one begins.
    pub next: Option<CursorText>,
}

/// At most `limit` rows, from as many pages as it takes.
pub async fn collect<T>(limit: u64, page: impl AsyncFn(i64, Option<CursorText>) -> Result<Page<T>, Failure>) -> Result<Vec<T>, Failure> {
    let mut rows = Vec::new();
    let mut cursor = None;
    loop {
        let missing = limit.saturating_sub(rows.len() as u64);
        let Some(size) = i64::try_from(missing.min(PAGE)).ok().filter(|size| *size > 0) else { return Ok(rows) };
        let mut found = page(size, cursor).await?;
        rows.append(&mut found.rows);
        match found.next {
            Some(next) => cursor = Some(next),
            None => return Ok(rows),
        }
    }
}

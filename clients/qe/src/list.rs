//! Reads lists page by page.

use runs_client::types::CursorText;

use crate::failure::Failure;

/// The maximum number of rows of a page of the API.
const PAGE: u64 = 100;

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<CursorText>,
}

/// Returns at most `limit` rows, from as many pages as necessary. `page` reads one page.
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

//! Pages of lists.

/// A page of a list, and where the next page begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// The sort key after which the next page begins; none on the last page.
    pub next: Option<String>,
    /// The number of rows in the whole list, counted up to [`COUNT_CAP`] + 1, which means that there are more.
    pub total: u64,
    /// The number of rows of this page that cannot be read and are left out, so that they do not hold up the others.
    pub unreadable: u64,
}

/// Totals are exact up to this number.
pub const COUNT_CAP: u64 = 1_000;

/// The part of a list that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// The page begins after this sort key.
    pub after: Option<String>,
    /// The number of rows to leave out first.
    pub skip: usize,
    /// The greatest number of rows to return.
    pub limit: usize,
    /// Whether an earlier page of this walk has found more than [`COUNT_CAP`] rows. If no row ever leaves the list, they need not be
    /// counted again.
    pub was_beyond_cap: bool,
}

//! Rows of lists. A row that cannot be read is left out and counted, so that it does not hold up the others.

use domain::ports::PortError;

use crate::Item;

/// Rows that were read, and the number of those that could not be.
pub(crate) struct Readable<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) unreadable: u64,
}

impl<T> Default for Readable<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), unreadable: 0 }
    }
}

impl<T> Readable<T> {
    /// Adds the row that `read` makes of an item. A row that is permanently unreadable is counted and logged; every other error is returned.
    pub(crate) fn add(&mut self, item: Item, read: impl FnOnce(Item) -> Result<T, PortError>) -> Result<(), PortError> {
        let key = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        let (pk, sk) = (key("pk"), key("sk"));
        match read(item) {
            Ok(row) => self.rows.push(row),
            Err(error) if error.is_permanent() => {
                tracing::error!(pk, sk, %error, "a row of a list cannot be read; it is left out");
                self.unreadable += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

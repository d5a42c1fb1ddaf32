//! The admission of a request by its key.

use crate::access::{ApiKey, Usage};

/// The result of admitting a request.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each request, and almost always it is the large one")]
pub enum Admission {
    /// The key does not exist, is revoked, or has expired. Nothing was counted.
    Unknown,
    /// The limit is used up. The request was not counted: the key has its full limit in the next minute.
    Exhausted(Usage),
    /// The request was counted. The key is as it was at that moment.
    Admitted(ApiKey, Usage),
}

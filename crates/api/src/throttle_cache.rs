//! The keys that have used up a limit in the current minute, as far as this process knows.

use std::collections::HashMap;

use domain::access::{Bucket, Minute, Usage};

/// The maximum number of entries.
const MAX_ENTRIES: usize = 1_000;

/// Remembers which keys were refused in the current minute: to ask the store again would cost a write and give the same answer. Only
/// refusals are remembered, so the cache never admits a call.
#[derive(Debug, Default)]
pub(crate) struct ThrottleCache {
    minute: Option<Minute>,
    keys: HashMap<(String, Bucket), Usage>,
}

impl ThrottleCache {
    /// Returns the usage of a key that was refused in this minute.
    pub(crate) fn get(&self, hash: &str, bucket: Bucket, minute: Minute) -> Option<Usage> {
        let known = self.minute == Some(minute);
        known.then(|| self.keys.get(&(hash.to_owned(), bucket)).copied()).flatten()
    }

    /// Records that a key was refused. A new minute clears the cache.
    pub(crate) fn note(&mut self, hash: String, usage: Usage) {
        if self.minute != Some(usage.minute) {
            self.minute = Some(usage.minute);
            self.keys.clear();
        }
        if self.keys.len() < MAX_ENTRIES {
            self.keys.insert((hash, usage.bucket), usage);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_cleared_with_the_minute() {
        let bucket = Bucket::of(domain::access::Scope::RunsRead, false);
        let usage = |minute| Usage { bucket, limit: 1, used: 1, minute: Minute::from_number(minute) };
        let mut cache = ThrottleCache::default();
        for number in 0..MAX_ENTRIES + 5 {
            cache.note(number.to_string(), usage(7));
        }
        assert_eq!(cache.keys.len(), MAX_ENTRIES);
        assert_eq!(cache.get("0", bucket, Minute::from_number(7)), Some(usage(7)));
        assert_eq!(cache.get("0", bucket, Minute::from_number(8)), None);
        cache.note("other".to_owned(), usage(8));
        assert_eq!(cache.keys.len(), 1);
    }
}

//! How often a key may call: so many reads and so many writes a minute, counted for each kind of thing by itself.

use std::fmt;

use super::Scope;
use crate::time::Time;

/// Whether a request looks at something or changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It looks.
    Read,
    /// It changes.
    Write,
}

/// What is counted together: `runs.read`, `runs.write`, `api.write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    resource: &'static str,
    class: Class,
}

impl Bucket {
    /// The bucket of an endpoint. A scope that ends in `:read` or `:write` says it all; one that ends in `:manage` covers both, so
    /// there it depends on whether the endpoint `changes` anything.
    pub fn of(scope: Scope, changes: bool) -> Self {
        let (resource, action) = scope.name().split_once(':').unwrap_or((scope.name(), ""));
        let reads = action == "read" || (action == "manage" && !changes);
        Self { resource, class: if reads { Class::Read } else { Class::Write } }
    }

    /// Whose limit holds.
    pub fn class(self) -> Class {
        self.class
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.class {
            Class::Read => "read",
            Class::Write => "write",
        };
        write!(f, "{}.{action}", self.resource)
    }
}

/// Requests that a key may make in a minute, in each bucket, unless it has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In a bucket of reads.
    pub reads: u32,
    /// In a bucket of writes.
    pub writes: u32,
}

impl Limits {
    /// The limit of a class.
    pub fn of(self, class: Class) -> u32 {
        match class {
            Class::Read => self.reads,
            Class::Write => self.writes,
        }
    }
}

/// The limits that one key has instead of everybody's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnLimits {
    /// In a bucket of reads.
    pub reads: Option<u32>,
    /// In a bucket of writes.
    pub writes: Option<u32>,
}

impl OwnLimits {
    /// The limit of a class: the key's own, or the one of `all`.
    pub fn or(self, all: Limits, class: Class) -> u32 {
        let own = match class {
            Class::Read => self.reads,
            Class::Write => self.writes,
        };
        own.unwrap_or_else(|| all.of(class))
    }
}

/// A minute of the clock, counted from the epoch. Requests are counted from its first millisecond to its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(u64);

impl Minute {
    /// The minute that `time` lies in.
    pub fn of(time: Time) -> Self {
        Self(time.seconds() / 60)
    }

    /// The minute with this number.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number since the epoch.
    pub fn number(self) -> u64 {
        self.0
    }

    /// When the next one begins, and everything is counted from 0 again.
    pub fn end(self) -> Time {
        Time::from_millis(0).plus_seconds((self.0 + 1).saturating_mul(60))
    }

    /// Whether nobody counts in `earlier` any more. The minute before this one may still be current for a machine whose clock is
    /// behind, so it is not over yet.
    pub fn is_long_after(self, earlier: Self) -> bool {
        earlier.0 + 1 < self.0
    }
}

/// How much of a limit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// What was counted.
    pub bucket: Bucket,
    /// So many a minute.
    pub limit: u32,
    /// So many in this minute, this request among them.
    pub used: u32,
    /// The minute.
    pub minute: Minute,
}

impl Usage {
    /// How many more are possible before [`Minute::end`].
    pub fn remaining(&self) -> u32 {
        self.limit.saturating_sub(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_counts_as_a_read_or_a_write_of_its_resource() {
        for (scope, changes, bucket, class) in [
            (Scope::RunsWrite, true, "runs.write", Class::Write),
            (Scope::RunsRead, false, "runs.read", Class::Read),
            (Scope::ConnectionsRead, true, "service-connections.read", Class::Read),
            (Scope::WebhooksManage, false, "webhooks.read", Class::Read),
            (Scope::ApiManage, true, "api.write", Class::Write),
        ] {
            let found = Bucket::of(scope, changes);
            assert_eq!((found.to_string().as_str(), found.class()), (bucket, class));
        }
    }

    #[test]
    fn a_key_has_its_own_limit_or_everybodys() {
        let all = Limits { reads: 600, writes: 120 };
        let own = OwnLimits { reads: Some(10), writes: None };
        assert_eq!((own.or(all, Class::Read), own.or(all, Class::Write)), (10, 120));
    }

    #[test]
    fn a_minute_ends_where_the_next_one_begins() {
        let last = Time::from_millis(119_999);
        assert_eq!((Minute::of(last).number(), Minute::of(last).end().millis()), (1, 120_000));
        assert_eq!(Minute::of(last.plus_millis(1)).number(), 2);
        let over = |earlier| Minute::from_number(10).is_long_after(Minute::from_number(earlier));
        assert_eq!([8, 9, 10, 11].map(over), [true, false, false, false]);
    }
}

//! Rate limits: the number of reads and of writes that a key may make in a minute, counted for each kind of resource.

use std::fmt;

use super::Scope;
use crate::time::Time;

/// Whether a request reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The request reads.
    Read,
    /// The request writes.
    Write,
}

/// The requests that are counted together, such as `runs.read`, `runs.write` or `api.write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    resource: &'static str,
    class: Class,
}

impl Bucket {
    /// Returns the bucket of an endpoint. A scope that ends in `:read` or `:write` is a read or a write; one that ends in `:manage` covers
    /// both, and then it depends on whether the endpoint `changes` anything.
    pub fn of(scope: Scope, changes: bool) -> Self {
        let (resource, action) = scope.name().split_once(':').unwrap_or((scope.name(), ""));
        let reads = action == "read" || (action == "manage" && !changes);
        Self { resource, class: if reads { Class::Read } else { Class::Write } }
    }

    /// Returns the class, whose limit applies.
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

/// The requests that a key may make in a minute and in each bucket, unless it has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In a bucket of reads.
    pub reads: u32,
    /// In a bucket of writes.
    pub writes: u32,
}

impl Limits {
    /// Returns the limit of a class.
    pub fn of(self, class: Class) -> u32 {
        match class {
            Class::Read => self.reads,
            Class::Write => self.writes,
        }
    }
}

/// The limits that one key has instead of the common ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnLimits {
    /// In a bucket of reads.
    pub reads: Option<u32>,
    /// In a bucket of writes.
    pub writes: Option<u32>,
}

impl OwnLimits {
    /// Returns the limit of a class: the key's own, or that of `all`.
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
    /// Returns the minute that contains `time`.
    pub fn of(time: Time) -> Self {
        Self(time.seconds() / 60)
    }

    /// Returns the minute with this number.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number of the minute since the epoch.
    pub fn number(self) -> u64 {
        self.0
    }

    /// Returns when the next minute begins, in which requests are counted from 0 again.
    pub fn end(self) -> Time {
        Time::from_millis(0).plus_seconds((self.0 + 1).saturating_mul(60))
    }

    /// Returns whether no request is counted in `earlier` any more. The minute before this one may still be current for a machine whose
    /// clock is behind, so it does not qualify.
    pub fn is_long_after(self, earlier: Self) -> bool {
        earlier.0 + 1 < self.0
    }
}

/// The part of a limit that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The bucket.
    pub bucket: Bucket,
    /// The limit for a minute.
    pub limit: u32,
    /// The requests in this minute, this one included.
    pub used: u32,
    /// The minute.
    pub minute: Minute,
}

impl Usage {
    /// Returns the number of requests that are left before [`Minute::end`].
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
    fn a_key_has_its_own_limit_or_the_common_one() {
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

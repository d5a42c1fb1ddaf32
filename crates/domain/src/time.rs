//! Points in time, to the millisecond, written as RFC 3339 UTC (`2026-01-02T03:04:05.678Z`).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in milliseconds since the Unix epoch. The domain never reads a clock: callers pass the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// The last millisecond that [`Timestamp`] supports: a day before the end of the year 9999, so that it has a date in every zone.
const LAST: u64 = 253_402_207_200_000;

impl Time {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// Returns the point `millis` milliseconds after the epoch, or the last supported one if that is later.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis.min(LAST))
    }

    /// Returns the milliseconds since the epoch.
    pub fn millis(self) -> u64 {
        self.0
    }

    /// Returns the seconds since the epoch, rounded down, which is the unit of DynamoDB's TTL.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Returns the time this many seconds later.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self::from_millis(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Returns the time this many milliseconds later.
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// Returns the beginning of the hour.
    #[must_use]
    pub fn hour(self) -> Self {
        Self(self.0 - self.0 % 3_600_000)
    }

    /// Returns the milliseconds from `earlier` to this time; 0 if `earlier` is later.
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the seconds until `later`, rounded up, so that a wait of that length does not end early.
    pub fn seconds_until(self, later: Self) -> u64 {
        later.millis_since(self).div_ceil(1000)
    }
}

/// The error for a text that is not an RFC 3339 time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("must be an RFC 3339 time such as 2026-01-02T03:04:05Z")]
pub struct BadTime;

impl FromStr for Time {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let stamp: Timestamp = text.parse().map_err(|_| BadTime)?;
        // A time before 1970 counts as the epoch: nothing here is older, so it is before everything either way.
        Ok(Self::from_millis(u64::try_from(stamp.as_millisecond()).unwrap_or_default()))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stamp = i64::try_from(self.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).ok_or(fmt::Error)?;
        write!(f, "{stamp:.3}")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        let time: Time = "2026-01-02T04:04:05.6789+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-01-02T03:04:05.678Z");
        assert_eq!(time.plus_seconds(60).millis_since(time), 60_000);
        assert_eq!(time.seconds_until(time.plus_millis(1)), 1);
        assert_eq!(time.hour().to_string(), "2026-01-02T03:00:00.000Z");
        assert_eq!(Time::from_millis(u64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
        assert!("yesterday".parse::<Time>().is_err());
    }

    #[test]
    fn a_time_before_1970_is_a_time_and_counts_as_the_epoch() {
        for text in ["1969-12-31T23:59:59.999Z", "1900-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z"] {
            assert_eq!(text.parse(), Ok(Time::EPOCH), "{text}");
        }
        for text in ["1969-13-01T00:00:00Z", "1969-12-31", "-1"] {
            assert_eq!(text.parse::<Time>(), Err(BadTime), "{text}");
        }
    }
}

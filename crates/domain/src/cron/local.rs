//! A time in a time zone, with the operations that croner needs.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};

use crate::time::Time;

/// A time in a time zone, and the last year that croner searches: without it croner would search three thousand years.
#[derive(Debug, Clone)]
pub(super) struct Local {
    moment: ZonedDateTime,
    last_year: i16,
}

impl Local {
    pub(super) fn at(time: Time, zone: &TimeZone, horizon_years: i16) -> Option<Self> {
        let stamp = Timestamp::from_millisecond(i64::try_from(time.millis()).ok()?).ok()?;
        let moment = stamp.to_zoned_datetime(zone.clone());
        let last_year = moment.year().saturating_add(horizon_years);
        Some(Self { moment, last_year })
    }

    /// Returns the time; none before the epoch.
    pub(super) fn time(&self) -> Option<Time> {
        u64::try_from(self.moment.timestamp().as_millisecond()).ok().map(Time::from_millis)
    }

    fn with(&self, moment: ZonedDateTime) -> Self {
        Self { moment, last_year: self.last_year }
    }
}

fn part<T: TryInto<i8>>(value: T) -> Result<i8, CronError> {
    value.try_into().map_err(|_| CronError::InvalidTime)
}

fn wide(value: i8) -> u32 {
    // jiff's parts of dates are never negative.
    u32::try_from(value).unwrap_or_default()
}

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let civil = self.moment.datetime();
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(i32::from(civil.year()), wide(civil.month()), wide(civil.day())),
            CivilTime::from_parts_unchecked(wide(civil.hour()), wide(civil.minute()), wide(civil.second())),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(wide(self.moment.weekday().to_sunday_zero_offset()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let year = i16::try_from(civil.year()).ok().filter(|year| *year <= self.last_year);
        let year = year.ok_or(CronError::TimeSearchLimitExceeded)?;
        let (month, day) = (part(civil.month())?, part(civil.day())?);
        let (hour, minute, second) = (part(civil.hour())?, part(civil.minute())?, part(civil.second())?);
        let civil = DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| CronError::InvalidDate)?;
        let found = self.moment.time_zone().to_ambiguous_zoned_datetime(civil);
        let moment = |found: Result<ZonedDateTime, jiff::Error>| found.map(|moment| self.with(moment)).map_err(|_| CronError::InvalidTime);
        Ok(match found.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(moment(found.unambiguous())?),
            AmbiguousOffset::Fold { .. } => Resolution::Ambiguous(moment(found.clone().earlier())?, moment(found.later())?),
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.moment.checked_add(SignedDuration::from_secs(seconds)).ok().map(|moment| self.with(moment))
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.moment.timestamp().cmp(&other.moment.timestamp())
    }
}

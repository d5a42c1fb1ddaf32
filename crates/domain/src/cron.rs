//! Schedules: a cron expression of five fields in a time zone, and the times at which it is due.
//!
//! croner walks through the calendar. This module decides strictly what an expression may be and which of its fields is wrong,
//! connects croner to jiff's time zones, and decides what happens to due times that were missed.
//!
//! Where the clocks change, an expression that names one minute and one hour is a *fixed time*: it is due once a day, at the first
//! moment after a gap that swallows it, and at the first of two moments that have its name. Every other expression is an *interval*
//! and goes by the clock on the wall: nothing in a gap, and both times in an hour that is repeated.

mod field;
mod local;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::time::Time;
use field::FIELDS;
use local::Local;

/// The time zone of a schedule that names none.
pub const DEFAULT_TIMEZONE: &str = "UTC";
/// The longest expression, in characters.
const MAX_CHARS: usize = 200;
/// The number of years in which a due time is searched for. A 29 February on a certain day of the week is 40 years off at most (a Sunday
/// from 2088 to 2128, because 2100 has no such day).
const HORIZON_YEARS: i16 = 41;
/// The time from which [`Expression::parse`] searches for a due time. Any time would do.
const SOME_TIME: Time = Time::EPOCH;

/// The error for a text that is not a cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadExpression {
    /// The text is too long, or does not have five fields.
    #[error("must have five fields: minute, hour, day of month, month, day of week, such as `*/15 * * * *`; {0}")]
    Shape(String),
    /// A field is wrong.
    #[error("its {name}, `{text}`, is not right: {rule}")]
    Field {
        /// The name of the field.
        name: &'static str,
        /// The text of the field.
        text: String,
        /// What the field may be.
        rule: String,
    },
    /// The day does not exist in any month.
    #[error("is never due: no month that it names has such a day")]
    Never,
}

/// The error for a time zone that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a time zone in the IANA database, such as Europe/Berlin or UTC")]
pub struct BadTimezone;

/// The error for a schedule that was saved and can no longer be read: the rules have become stricter, or a time zone was removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// The expression is wrong.
    #[error("the cron expression {0}")]
    Expression(#[from] BadExpression),
    /// The time zone is wrong.
    #[error("the time zone {0}")]
    Timezone(#[from] BadTimezone),
}

/// A valid cron expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression(Cron);

impl Expression {
    /// Reads five fields. Each is `*`, a number, a range `a-b`, one of these but the number with a step `/n`, or a list of such;
    /// months and days of the week have names too. Neither seconds nor years, no `@daily`, no `L`, `W`, `#` or `?`.
    /// If both days are restricted, either suffices; a field that begins with `*` does not count as restricted, so with `*/n` in one of
    /// them both must match. This is the rule of Vixie cron (crontab(5)).
    pub fn parse(text: &str) -> Result<Self, BadExpression> {
        if text.chars().count() > MAX_CHARS {
            return Err(BadExpression::Shape(format!("this has more than {MAX_CHARS} characters")));
        }
        let parts: Vec<&str> = text.split_whitespace().collect();
        if parts.len() != FIELDS.len() {
            return Err(BadExpression::Shape(format!("this has {}", parts.len())));
        }
        for (field, part) in FIELDS.iter().zip(&parts) {
            field.check(part)?;
        }
        let found = read(&parts.join(" ")).ok_or_else(|| BadExpression::Shape("this cannot be read".to_owned()))?;
        let expression = Self(found);
        match expression.next_after(SOME_TIME, &TimeZone::UTC) {
            Some(_) => Ok(expression),
            None => Err(BadExpression::Never),
        }
    }

    fn next_after(&self, time: Time, zone: &TimeZone) -> Option<Time> {
        self.0.find_next_occurrence(&Local::at(time, zone, HORIZON_YEARS)?, false).ok()?.time()
    }
}

/// Reads an expression with croner, without its fields for seconds and years.
fn read(text: &str) -> Option<Cron> {
    // croner takes `*/n` for a restriction; Vixie cron looks at the first character alone.
    let begins_with_star = |at: usize| text.split_whitespace().nth(at).is_some_and(|field| field.starts_with('*'));
    let both_days = begins_with_star(2) || begins_with_star(4);
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).dom_and_dow(both_days).build().parse(text).ok()
}

/// Returns a time zone and its name as the database writes it. The database is part of the binary. Fails if there is no such zone.
pub fn timezone(name: &str) -> Result<(TimeZone, String), BadTimezone> {
    let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| BadTimezone)?;
    let name = zone.iana_name().ok_or(BadTimezone)?.to_owned();
    Ok((zone, name))
}

/// A cron expression in a time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    expression: Expression,
    zone: TimeZone,
}

impl Schedule {
    /// Reads the expression and the time zone.
    pub fn parse(expression: &str, timezone_name: &str) -> Result<Self, BadSchedule> {
        let (zone, _) = timezone(timezone_name)?;
        Ok(Self { expression: Expression::parse(expression)?, zone })
    }

    /// Returns the first due time after `time`; none if no time is due for years.
    pub fn next_after(&self, time: Time) -> Option<Time> {
        self.expression.next_after(time, &self.zone)
    }

    /// Returns the last of the due times from `due`, which is one, to `now`. The earlier ones were missed and are dropped.
    pub fn latest_missed(&self, due: Time, now: Time) -> Time {
        // Looks back further and further, so that a dense schedule is walked for an hour and a sparse one for a few steps.
        for hours in [1, 24, 32 * 24] {
            let from = Time::from_millis(now.millis().saturating_sub(hours * 3_600_000));
            if from <= due {
                break;
            }
            if let Some(latest) = self.last_in(from, now) {
                return latest;
            }
        }
        self.last_in(due, now).unwrap_or(due)
    }

    /// Returns the last due time after `from`, up to `to`.
    fn last_in(&self, from: Time, to: Time) -> Option<Time> {
        std::iter::successors(self.next_after(from), |time| self.next_after(*time)).take_while(|time| *time <= to).last()
    }
}

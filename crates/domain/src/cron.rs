//! Schedules: a cron expression of five fields in a time zone, and when it is due.
//!
//! The walk through the calendar is croner's. What is here says strictly what an expression may be and which of its fields is
//! wrong, connects the walk to jiff's time zones, and decides what becomes of due times that were missed.
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
/// How far ahead a due time is looked for. 29 February is eight years off at most (from 2096 to 2104).
const HORIZON_YEARS: i16 = 10;
/// A moment at which everything that is ever due is tried: any will do, this one is the epoch.
const SOME_TIME: Time = Time::EPOCH;

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadExpression {
    /// Too long, or not of five fields.
    #[error("must have five fields: minute, hour, day of month, month, day of week, such as `*/15 * * * *`; {0}")]
    Shape(String),
    /// One field is wrong.
    #[error("its {name}, `{text}`, is not right: {rule}")]
    Field {
        /// Which.
        name: &'static str,
        /// What stands there.
        text: String,
        /// What may stand there.
        rule: String,
    },
    /// There is no such day.
    #[error("is never due: no month that it names has such a day")]
    Never,
}

/// There is no such time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be the name of a time zone in the IANA database, such as Europe/Berlin or UTC")]
pub struct BadTimezone;

/// A schedule that was saved cannot be read any more: the rules have become stricter, or a time zone was taken out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSchedule {
    /// Its expression.
    #[error("the cron expression {0}")]
    Expression(#[from] BadExpression),
    /// Its time zone.
    #[error("the time zone {0}")]
    Timezone(#[from] BadTimezone),
}

/// An expression that means something.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression(Cron);

impl Expression {
    /// Reads five fields. Each is `*`, a number, a range `a-b`, one of these but the number with a step `/n`, or a list of such;
    /// months and days of the week have names too. Neither seconds nor years, no `@daily`, no `L`, `W`, `#` or `?`.
    /// If both days are restricted, either suffices, as in every cron.
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

/// croner's reading of an expression, with no more than the five fields.
fn read(text: &str) -> Option<Cron> {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build().parse(text).ok()
}

/// A time zone that there is, and its name as the database writes it. The database is that of this build.
pub fn timezone(name: &str) -> Result<(TimeZone, String), BadTimezone> {
    let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| BadTimezone)?;
    let name = zone.iana_name().ok_or(BadTimezone)?.to_owned();
    Ok((zone, name))
}

/// An expression in a time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    expression: Expression,
    zone: TimeZone,
}

impl Schedule {
    /// Reads both.
    pub fn parse(expression: &str, timezone_name: &str) -> Result<Self, BadSchedule> {
        let (zone, _) = timezone(timezone_name)?;
        Ok(Self { expression: Expression::parse(expression)?, zone })
    }

    /// The first due time after `time`. None: nothing is due for years.
    pub fn next_after(&self, time: Time) -> Option<Time> {
        self.expression.next_after(time, &self.zone)
    }

    /// Of the due times from `due`, which is one, to `now`: the last. The others were missed, and are not made up for.
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

    /// The last due time after `from`, up to `to`.
    fn last_in(&self, from: Time, to: Time) -> Option<Time> {
        std::iter::successors(self.next_after(from), |time| self.next_after(*time)).take_while(|time| *time <= to).last()
    }
}

//! When a schedule is due: over changes of the clocks, after outages, and under ticks that come twice, late or not at all.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up should stop at once")]

use std::collections::BTreeSet;

use domain::cron::{BadExpression, Expression, Schedule, timezone};
use domain::time::Time;
use proptest::prelude::*;

fn at(text: &str) -> Time {
    text.parse().unwrap()
}

/// The due times after `from`, before `to`, without seconds.
fn due(expression: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
    let schedule = Schedule::parse(expression, zone).unwrap();
    let times = std::iter::successors(schedule.next_after(at(from)), |time| schedule.next_after(*time));
    times.take_while(|time| *time < at(to)).map(|time| time.to_string()[..16].to_owned()).collect()
}

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";
const LORD_HOWE: &str = "Australia/Lord_Howe";

#[test]
fn a_fixed_time_is_due_once_a_day_whatever_the_clocks_do() {
    // zone, the two nights around the change (from, to), what is due in them; all in UTC.
    let table: &[(&str, &str, &str, &[&str])] = &[
        // 02:00 becomes 03:00 on 29 March: 02:30 is not there, and the first moment after it is.
        (BERLIN, "2026-03-27T12:00:00Z", "2026-03-30T12:00:00Z", &["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]),
        // 03:00 becomes 02:00 on 25 October: of two 02:30 the first.
        (BERLIN, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z", &["2026-10-25T00:30", "2026-10-26T01:30"]),
        (NEW_YORK, "2026-03-07T12:00:00Z", "2026-03-09T12:00:00Z", &["2026-03-08T07:00", "2026-03-09T06:30"]),
        // 02:00 becomes 01:00: 02:30 is there once.
        (NEW_YORK, "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z", &["2026-11-01T07:30", "2026-11-02T07:30"]),
        // Half an hour: 02:00 becomes 01:30 on 5 April, and 02:30 on 4 October. 02:30 is there once on each day.
        (LORD_HOWE, "2026-04-03T12:00:00Z", "2026-04-05T20:00:00Z", &["2026-04-03T15:30", "2026-04-04T16:00", "2026-04-05T16:00"]),
        (LORD_HOWE, "2026-10-02T12:00:00Z", "2026-10-04T20:00:00Z", &["2026-10-02T16:00", "2026-10-03T15:30", "2026-10-04T15:30"]),
    ];
    for (zone, from, to, expected) in table {
        assert_eq!(due("30 2 * * *", zone, from, to), *expected, "{zone} {from}");
    }
    // The half hours that are swallowed and repeated there.
    assert_eq!(due("15 2 * * *", LORD_HOWE, "2026-10-03T12:00:00Z", "2026-10-04T20:00:00Z"), ["2026-10-03T15:30", "2026-10-04T15:15"]);
    assert_eq!(due("45 1 * * *", LORD_HOWE, "2026-04-04T12:00:00Z", "2026-04-05T20:00:00Z"), ["2026-04-04T14:45", "2026-04-05T15:15"]);
}

#[test]
fn an_interval_goes_by_the_clock_on_the_wall() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        (BERLIN, "2026-03-29T00:30:00Z", "2026-03-29T01:20:00Z", &["2026-03-29T00:45", "2026-03-29T01:00", "2026-03-29T01:15"]),
        (
            BERLIN,
            "2026-10-25T00:15:00Z",
            "2026-10-25T02:10:00Z",
            &[
                "2026-10-25T00:30",
                "2026-10-25T00:45",
                "2026-10-25T01:00",
                "2026-10-25T01:15",
                "2026-10-25T01:30",
                "2026-10-25T01:45",
                "2026-10-25T02:00",
            ],
        ),
        (NEW_YORK, "2026-03-08T06:30:00Z", "2026-03-08T07:20:00Z", &["2026-03-08T06:45", "2026-03-08T07:00", "2026-03-08T07:15"]),
        (
            NEW_YORK,
            "2026-11-01T05:30:00Z",
            "2026-11-01T07:10:00Z",
            &["2026-11-01T05:45", "2026-11-01T06:00", "2026-11-01T06:15", "2026-11-01T06:30", "2026-11-01T06:45", "2026-11-01T07:00"],
        ),
        (LORD_HOWE, "2026-10-03T15:10:00Z", "2026-10-03T15:50:00Z", &["2026-10-03T15:15", "2026-10-03T15:30", "2026-10-03T15:45"]),
        (
            LORD_HOWE,
            "2026-04-04T14:20:00Z",
            "2026-04-04T15:35:00Z",
            &["2026-04-04T14:30", "2026-04-04T14:45", "2026-04-04T15:00", "2026-04-04T15:15", "2026-04-04T15:30"],
        ),
    ];
    for (zone, from, to, expected) in table {
        assert_eq!(due("*/15 * * * *", zone, from, to), *expected, "{zone} {from}");
    }
    // Two minutes of one hour are an interval too: nothing in the gap, and twice in the repeated hour.
    assert_eq!(due("0,30 2 * * *", BERLIN, "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z"), Vec::<String>::new());
    assert_eq!(due("0,30 2 * * *", BERLIN, "2026-10-25T00:00:00Z", "2026-10-25T12:00:00Z").len(), 3);
}

#[test]
fn a_weekly_time_after_the_change_keeps_its_hour() {
    let table: &[(&str, &str, &str, &[&str])] = &[
        (BERLIN, "2026-03-21T12:00:00Z", "2026-04-01T00:00:00Z", &["2026-03-22T02:00", "2026-03-29T01:00"]),
        (BERLIN, "2026-10-17T12:00:00Z", "2026-10-28T00:00:00Z", &["2026-10-18T01:00", "2026-10-25T02:00"]),
        (NEW_YORK, "2026-02-28T12:00:00Z", "2026-03-10T00:00:00Z", &["2026-03-01T08:00", "2026-03-08T07:00"]),
        (NEW_YORK, "2026-10-24T12:00:00Z", "2026-11-03T00:00:00Z", &["2026-10-25T07:00", "2026-11-01T08:00"]),
        (LORD_HOWE, "2026-03-28T00:00:00Z", "2026-04-06T00:00:00Z", &["2026-03-28T16:00", "2026-04-04T16:30"]),
        (LORD_HOWE, "2026-09-26T00:00:00Z", "2026-10-05T00:00:00Z", &["2026-09-26T16:30", "2026-10-03T16:00"]),
    ];
    for (zone, from, to, expected) in table {
        assert_eq!(due("0 3 * * 0", zone, from, to), *expected, "{zone} {from}");
    }
}

#[test]
fn days_are_what_cron_takes_them_for() {
    let days = |expression| due(expression, "UTC", "2026-02-01T00:00:00Z", "2026-02-16T00:00:00Z");
    // Either day suffices if both are restricted.
    assert_eq!(days("0 12 13 * FRI"), ["2026-02-06T12:00", "2026-02-13T12:00"]);
    assert_eq!(days("0 12 3 * FRI"), ["2026-02-03T12:00", "2026-02-06T12:00", "2026-02-13T12:00"]);
    assert_eq!(days("0 12 * * 7"), days("0 12 * * 0"));
    assert_eq!(days("0 12 * feb sat-sun").len(), 5);
    assert_eq!(due("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", "2105-01-01T00:00:00Z"), ["2104-02-29T00:00"]);
}

#[test]
fn days_with_a_star_follow_vixie_cron() {
    let days = |expression: &str| -> Vec<String> {
        due(expression, "UTC", "2026-05-31T12:00:00Z", "2026-07-01T00:00:00Z").iter().map(|time| time[8..10].to_owned()).collect()
    };
    // June 2026 begins on a Monday.
    for (expression, expected) in [
        // Both are restricted: either suffices.
        ("0 0 1,15 * FRI", vec!["01", "05", "12", "15", "19", "26"]),
        // One begins with a star: both must match.
        ("0 0 */2 * MON", vec!["01", "15", "29"]),
        ("0 0 1-7 * */7", vec!["07"]),
        ("0 0 */10 * */2", vec!["11", "21"]),
        ("0 0 */2,4 * MON", vec!["01", "15", "29"]),
        ("0 0 * * */3", vec!["03", "06", "07", "10", "13", "14", "17", "20", "21", "24", "27", "28"]),
        ("0 0 */15 * *", vec!["01", "16"]),
        // A list in which the star is not the first character is restricted.
        ("0 0 15,*/30 * MON", vec!["01", "08", "15", "22", "29"]),
    ] {
        assert_eq!(days(expression), expected, "{expression}");
    }
    let leap = Schedule::parse("0 0 29 2 */7", "UTC").unwrap();
    let leap_sundays: Vec<_> =
        std::iter::successors(leap.next_after(at("2026-01-01T00:00:00Z")), |time| leap.next_after(*time)).take(4).collect();
    let expected = ["2032-02-29T00:00:00Z", "2060-02-29T00:00:00Z", "2088-02-29T00:00:00Z", "2128-02-29T00:00:00Z"].map(at);
    assert_eq!(leap_sundays, expected, "40 years lie between the last two, because 2100 has no 29 February");
}

#[test]
fn what_is_wrong_with_an_expression_is_said_of_its_field() {
    for good in ["* * * * *", "*/15 0-6,12 1,15 JAN-MAR mon-fri", "0 0 1 1 0", "  5   4 * * SUN ", "59 23 31 12 7", "10-50/20 * * * *"] {
        assert!(Expression::parse(good).is_ok(), "{good}: {:?}", Expression::parse(good));
    }
    let table = [
        ("60 * * * *", "minute"),
        ("-1 * * * *", "minute"),
        ("a * * * *", "minute"),
        ("*/0 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("5/10 * * * *", "minute"),
        ("30-10 * * * *", "minute"),
        ("1-2-3 * * * *", "minute"),
        ("**  * * * *", "minute"),
        ("*/ * * * *", "minute"),
        ("999999999999 * * * *", "minute"),
        ("MON * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* ? * * *", "hour"),
        ("* * 0 * *", "day of month"),
        ("* * 32 * *", "day of month"),
        ("* * L * *", "day of month"),
        ("* * 15W * *", "day of month"),
        ("* * * 13 *", "month"),
        ("* * * JANFEB *", "month"),
        ("* * * MON *", "month"),
        ("* * * * 8", "day of week"),
        ("* * * * MONTUE", "day of week"),
        ("* * * * 5#2", "day of week"),
        ("* * * * 5L", "day of week"),
        ("* * * * +1", "day of week"),
        ("* * * * MAR", "day of week"),
    ];
    for (bad, field) in table {
        match Expression::parse(bad) {
            Err(BadExpression::Field { name, .. }) => assert_eq!(name, field, "{bad}"),
            other => panic!("{bad}: {other:?}"),
        }
    }
    for bad in ["", "* * * *", "* * * * * *", "0 0 0 1 1 * 2026", "@daily", "@reboot", &"*".repeat(300)] {
        assert!(matches!(Expression::parse(bad), Err(BadExpression::Shape(_))), "{bad}");
    }
    for never in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "* * 31 feb *"] {
        assert_eq!(Expression::parse(never), Err(BadExpression::Never), "{never}");
    }
    assert_eq!(
        Expression::parse("* 25 * * *").unwrap_err().to_string(),
        "its hour, `25`, is not right: use `*`, numbers from 0 to 23, ranges `a-b`, steps `*/n` or `a-b/n`, and lists of these"
    );
}

#[test]
fn a_time_zone_has_the_name_that_the_database_gives_it() {
    assert_eq!(timezone("europe/berlin").unwrap().1, BERLIN);
    assert_eq!(timezone("UTC").unwrap().1, "UTC");
    for bad in ["", "Mars/Olympus", "UTC+2", "../etc/passwd", "Europe/Berlin ", "\0"] {
        assert!(timezone(bad).is_err(), "{bad}");
    }
}

/// Any five fields that are mostly right.
fn any_expression() -> impl Strategy<Value = String> {
    let field = |low: u32, high: u32| {
        prop_oneof![
            4 => Just("*".to_owned()),
            2 => (2u32..=12).prop_map(|step| format!("*/{step}")),
            3 => (low..=high).prop_map(|number| number.to_string()),
            1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{a},{b}")),
        ]
    };
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)).prop_map(|(a, b, c, d, e)| format!("{a} {b} {c} {d} {e}"))
}

fn any_zone() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["UTC", BERLIN, NEW_YORK, LORD_HOWE, "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns"])
}

/// A moment of 2025 to 2027, to the millisecond.
fn any_time() -> impl Strategy<Value = Time> {
    (1_735_689_600_000u64..1_798_761_600_000).prop_map(Time::from_millis)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn due_times_go_forward_by_whole_minutes(expression in any_expression(), zone in any_zone(), from in any_time()) {
        let Ok(schedule) = Schedule::parse(&expression, zone) else { return Ok(()) };
        let mut last = from;
        for time in std::iter::successors(schedule.next_after(from), |time| schedule.next_after(*time)).take(20) {
            prop_assert!(time > last, "{} is not after {}", time, last);
            prop_assert_eq!(time.millis() % 60_000, 0);
            // Asking from anywhere between two due times gives the second.
            let between = Time::from_millis(last.millis() + (time.millis() - last.millis()) / 2);
            prop_assert_eq!(schedule.next_after(between), Some(time), "from {}", between);
            last = time;
        }
    }

    #[test]
    fn the_latest_that_was_missed_is_the_last_one_of_all(
        expression in any_expression(), zone in any_zone(), from in any_time(), outage in prop_oneof![0u64..200, 0u64..30_000],
    ) {
        let Ok(schedule) = Schedule::parse(&expression, zone) else { return Ok(()) };
        let Some(due) = schedule.next_after(from) else { return Ok(()) };
        let now = due.plus_seconds(outage * 60 + 7);
        let all = std::iter::successors(Some(due), |time| schedule.next_after(*time));
        let last = all.take_while(|time| *time <= now).last();
        prop_assert_eq!(Some(schedule.latest_missed(due, now)), last);
    }

    /// Ticks that come late, come twice, read before others write and write after them, or die before they write: each is a moment at
    /// which the head was read, and one at which the write on the condition that it has not moved took place, or none.
    #[test]
    fn each_due_time_runs_once_and_after_an_outage_only_the_latest(
        expression in any_expression(), zone in any_zone(), from in any_time(),
        ticks in prop::collection::vec((prop_oneof![Just(1u64), 0..5u64, 0..3_000u64], 0..4usize, prop::bool::weighted(0.2)), 1..40),
    ) {
        let Ok(schedule) = Schedule::parse(&expression, zone) else { return Ok(()) };
        let Some(first) = schedule.next_after(from) else { return Ok(()) };
        let (mut next, mut ran, mut now) = (Some(first), Vec::new(), from);
        let mut open: Vec<(Time, Time)> = Vec::new();
        let mut moved_at = Vec::new();
        for (minutes, late, dies) in ticks {
            now = now.plus_seconds(minutes * 60);
            // What was read by ticks before this one is written now, unless they wait longer.
            for (read, read_at) in open.split_off(late.min(open.len())) {
                if next == Some(read) {
                    ran.push(schedule.latest_missed(read, read_at));
                    next = schedule.next_after(read_at);
                    moved_at.push(read_at);
                }
            }
            if let Some(due) = next.filter(|due| *due <= now)
                && !dies
            {
                open.push((due, now));
            }
        }
        let distinct: BTreeSet<Time> = ran.iter().copied().collect();
        prop_assert_eq!(distinct.len(), ran.len(), "a due time ran twice");
        prop_assert!(ran.is_sorted());
        // What ran is, for each tick that got through, the latest due time since the one before it.
        let mut since = from;
        let mut expected = Vec::new();
        for at in moved_at {
            let all = std::iter::successors(schedule.next_after(since), |time| schedule.next_after(*time));
            expected.extend(all.take_while(|time| *time <= at).last());
            since = at;
        }
        prop_assert_eq!(ran, expected);
    }
}

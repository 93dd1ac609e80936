use jiff::civil::date;
use proptest::prelude::*;

use super::*;

const HOUR_US: i64 = 3_600_000_000;

fn pattern(start: u16, end: u16) -> Pattern {
    Pattern {
        code: "N".to_owned(),
        start_minute: start,
        end_minute: end,
        days: None,
        breaks: Some(Vec::new()),
        break_minutes: 30,
    }
}

fn us(text: &str) -> i64 {
    let instant: jiff::Timestamp = text.parse().unwrap();
    instant.as_microsecond() - EPOCH_US
}

fn one(pattern: &Pattern, zone: &str, date: Date) -> Instance {
    let mut found = instances(pattern, zone, date, date).unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn a_night_has_the_hours_of_its_day() {
    let night = pattern(22 * 60, 6 * 60);
    let spring = one(&night, "Europe/Berlin", date(2024, 3, 30));
    assert_eq!(spring.window, Window::new(us("2024-03-30T21:00:00Z"), us("2024-03-31T04:00:00Z")));
    let autumn = one(&night, "Europe/Berlin", date(2024, 10, 26));
    assert_eq!(autumn.window, Window::new(us("2024-10-26T20:00:00Z"), us("2024-10-27T05:00:00Z")));
    let plain = one(&night, "Africa/Johannesburg", date(2024, 10, 26));
    assert_eq!(plain.window.length(), 8 * HOUR_US);
    assert_eq!(plain.break_minutes, 0, "its breaks are known");
}

#[test]
fn a_bound_in_the_jump_is_the_jump_and_a_bound_shown_twice_is_the_second() {
    // Berlin jumps from 02:00 to 03:00 at 01:00Z, and shows 02:00 to 03:00 twice until 01:00Z.
    let jump = us("2024-03-31T01:00:00Z");
    for minute in [120, 150, 179, 180] {
        let instance = one(&pattern(minute, 360), "Europe/Berlin", date(2024, 3, 31));
        assert_eq!(instance.window.start, jump, "{minute}");
    }
    let inside = pattern(130, 170);
    let found = instances(&inside, "Europe/Berlin", date(2024, 3, 31), date(2024, 3, 31)).unwrap();
    assert_eq!(found, [], "the clock never showed this shift");
    let fold = one(&pattern(150, 360), "Europe/Berlin", date(2024, 10, 27));
    assert_eq!(fold.window.start, us("2024-10-27T01:30:00Z"));
    // Far beyond the table of transitions, by its rule.
    let later = one(&pattern(150, 360), "Europe/Berlin", date(2150, 3, 29));
    assert_eq!(later.window.start, us("2150-03-29T01:00:00Z"));
}

#[test]
fn breaks_are_on_the_day_that_the_clock_says() {
    let night = Pattern {
        breaks: Some(vec![(23 * 60 + 45, 15), (2 * 60, 2 * 60 + 30)]),
        ..pattern(22 * 60, 6 * 60)
    };
    let plain = one(&night, "Europe/Berlin", date(2024, 8, 1));
    let expected = [
        Window::new(us("2024-08-01T21:45:00Z"), us("2024-08-01T22:15:00Z")),
        Window::new(us("2024-08-02T00:00:00Z"), us("2024-08-02T00:30:00Z")),
    ];
    assert_eq!(plain.breaks, expected);
    // As PostgreSQL has it: in the repeated hour the second time, in the jump pushed on.
    let autumn = one(&night, "Europe/Berlin", date(2024, 10, 26));
    let late = Window::new(us("2024-10-27T01:00:00Z"), us("2024-10-27T01:30:00Z"));
    assert_eq!(autumn.breaks[1], late);
    let spring = one(&night, "Europe/Berlin", date(2024, 3, 30));
    let pushed = Window::new(us("2024-03-31T01:00:00Z"), us("2024-03-31T01:30:00Z"));
    assert_eq!(spring.breaks[1], pushed);
}

#[test]
fn days_start_on_monday_and_are_those_of_the_start() {
    let mut monday_night = pattern(22 * 60, 6 * 60);
    monday_night.days = Some([true, false, false, false, false, false, false]);
    monday_night.breaks = None;
    // 2024-08-05 is a Monday.
    let found = instances(&monday_night, "UTC", date(2024, 8, 1), date(2024, 8, 14)).unwrap();
    let dates: Vec<Date> = found.iter().map(|instance| instance.date).collect();
    assert_eq!(dates, [date(2024, 8, 5), date(2024, 8, 12)]);
    assert_eq!(found[0].break_minutes, 30, "nobody knows when they are");
}

#[test]
fn what_cannot_be_is_refused() {
    let day = date(2024, 8, 1);
    let refused = |pattern: &Pattern, zone: &str, from, to| {
        instances(pattern, zone, from, to).unwrap_err().to_string()
    };
    let early = pattern(360, 840);
    assert!(refused(&early, "Mars/Base", day, day).starts_with("time zone Mars/Base is not"));
    assert!(refused(&early, "Etc/Unknown", day, day).starts_with("time zone Etc/Unknown"));
    assert!(refused(&early, "UTC", day, date(2024, 7, 31)).starts_with("dates 2024-08-01 to"));
    assert!(refused(&early, "UTC", date(1, 1, 1), day).contains("at most"));
    assert!(refused(&pattern(360, 1441), "UTC", day, day).starts_with("shift N: minute 1441"));
    let last = date(9999, 12, 31);
    assert!(refused(&early, "UTC", last, last).starts_with("shift N on 9999-12-31 lies outside"));
}

fn zones() -> impl Strategy<Value = &'static str> {
    // Half an hour of jump, a jump at midnight, negative summer time, a missing day, two hours.
    prop::sample::select(vec![
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "America/Sao_Paulo",
        "Africa/Casablanca",
        "Pacific/Apia",
        "Antarctica/Troll",
        "America/Havana",
        "Asia/Kathmandu",
    ])
}

proptest! {
    #[test]
    fn shifts_that_follow_each_other_leave_no_hole_and_no_overlap(
        zone in zones(), year in 1970_i16..2040, cuts in prop::collection::btree_set(0_u16..1440, 1..5),
    ) {
        let cuts: Vec<u16> = cuts.into_iter().collect();
        let mut all = Vec::new();
        for (index, start) in cuts.iter().enumerate() {
            let end = cuts.get(index + 1).unwrap_or(&cuts[0]);
            let pattern = pattern(*start, *end);
            all.extend(instances(&pattern, zone, date(year, 1, 1), date(year, 12, 31)).unwrap());
        }
        all.sort_by_key(|instance| instance.window);
        for pair in all.windows(2) {
            prop_assert_eq!(pair[0].window.end, pair[1].window.start, "{}: {}", zone, pair[0].date);
        }
    }
}

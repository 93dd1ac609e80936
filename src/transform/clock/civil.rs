//! The proleptic Gregorian calendar on microseconds since 2000-01-01, PostgreSQL's own count.
//!
//! The same count serves for instants (UTC) and for readings of a wall clock; only the name of the
//! variable tells them apart. Year 0 is 1 BC, as in ISO 8601.

/// Microseconds a second.
pub(super) const SECOND: i64 = 1_000_000;
/// Microseconds a day.
pub(super) const DAY: i64 = 86_400 * SECOND;
/// The Unix epoch, 1970-01-01, on our count.
pub(super) const UNIX_EPOCH: i64 = -946_684_800 * SECOND;
/// After 400 years weekdays and leap years repeat: 146,097 days, 20,871 whole weeks.
pub(super) const CYCLE: i64 = 146_097 * DAY;
/// 4714-11-24 BC, the first instant of `timestamptz`.
pub(super) const PG_MIN: i64 = -211_813_488_000_000_000;
/// 294276-12-31 23:59:59.999999, the last one.
pub(super) const PG_MAX: i64 = 9_223_371_331_199_999_999;

/// Days since 2000-01-01 of a date that exists.
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // Howard Hinnant's days_from_civil: years begin in March, so the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 730_425
}

/// Year, month and day of a count of days since 2000-01-01.
pub(super) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(730_425);
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// How many days a month has; `month` is 1 to 12.
pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Writes an instant as ISO 8601 in UTC, with six digits of fraction if there is one.
///
/// Years before the first are written as PostgreSQL does, with ` BC` at the end.
#[must_use]
pub fn format_utc(pg_us: i64) -> String {
    match pg_us {
        i64::MIN => return "-infinity".to_owned(),
        i64::MAX => return "infinity".to_owned(),
        _ => {}
    }
    let (year, month, day) = civil_from_days(pg_us.div_euclid(DAY));
    let of_day = pg_us.rem_euclid(DAY);
    let (second, fraction) = (of_day / SECOND, of_day % SECOND);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z{era}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_the_range() {
        assert_eq!(format_utc(PG_MIN), "4714-11-24T00:00:00Z BC");
        assert_eq!(format_utc(PG_MAX), "294276-12-31T23:59:59.999999Z");
        assert_eq!(format_utc(i64::MIN + 1), "290279-12-22T19:59:05.224193Z BC");
        assert_eq!(format_utc(i64::MAX), "infinity");
        assert_eq!(format_utc(UNIX_EPOCH), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn days_there_and_back() {
        for days in (-2_500_000..3_000_000).step_by(7) {
            let (year, month, day) = civil_from_days(days);
            assert!(day >= 1 && day <= days_in_month(year, month));
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }
}

//! Lengths of time as the policy file and the server write them.

use std::fmt;
use std::str::FromStr;

const DAY_US: i64 = 86_400_000_000;

/// A length of time as Postgres keeps it: months and microseconds apart, since a month has no length
/// of its own. `12 hours` and `00:30:00`, `90 days`, `2 years`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    months: i64,
    us: i64,
}

impl Span {
    /// About how long it is, in microseconds: a month counts as 30 days, as it does where Postgres
    /// compares intervals.
    pub fn about_us(self) -> i64 {
        self.months.saturating_mul(30 * DAY_US).saturating_add(self.us)
    }
}

impl FromStr for Span {
    type Err = ();

    /// Reads what a person writes and what the server prints (`1 mon`, `7 days`, `12:00:00`).
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut span = Self::default();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            if word.contains(':') {
                span.us = span.us.checked_add(clock_us(word).ok_or(())?).ok_or(())?;
                continue;
            }
            let number: i64 = word.parse().map_err(|_| ())?;
            let unit = words.next().ok_or(())?;
            let (months, us) = match unit.trim_end_matches('s') {
                "second" | "sec" => (0, 1_000_000),
                "minute" | "min" => (0, 60_000_000),
                "hour" => (0, 3_600_000_000),
                "day" => (0, DAY_US),
                "week" => (0, 7 * DAY_US),
                "month" | "mon" => (1, 0),
                "year" => (12, 0),
                _ => return Err(()),
            };
            let add = |so_far: i64, unit: i64| so_far.checked_add(number.checked_mul(unit)?);
            span.months = add(span.months, months).ok_or(())?;
            span.us = add(span.us, us).ok_or(())?;
        }
        if span.about_us() > 0 { Ok(span) } else { Err(()) }
    }
}

/// `12:00:00.5`
fn clock_us(text: &str) -> Option<i64> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':')?;
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let number = |part: &str| part.parse::<i64>().ok().filter(|number| *number >= 0);
    let seconds =
        number(hours)?.checked_mul(3_600)?.checked_add(number(minutes)? * 60 + number(whole)?)?;
    let us = number(&format!("{fraction:0<6}")).filter(|us| *us < 1_000_000)?;
    seconds.checked_mul(1_000_000)?.checked_add(us)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.us;
        let mut take = |unit: i64| {
            let count = left / unit;
            left -= count * unit;
            count
        };
        let parts = [
            (self.months / 12, "year"),
            (self.months % 12, "month"),
            (take(DAY_US), "day"),
            (take(3_600_000_000), "hour"),
            (take(60_000_000), "minute"),
            (take(1_000_000), "second"),
        ];
        let mut space = "";
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
            let s = if count == 1 { "" } else { "s" };
            write!(f, "{space}{count} {unit}{s}")?;
            space = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_what_people_and_servers_write() {
        let same = |left: &str, right: &str| {
            assert_eq!(left.parse::<Span>(), right.parse(), "{left} {right}");
        };
        same("12 hours", "12:00:00");
        same("2 years", "24 mons");
        same("1 week", "7 days");
        same("1 day 02:30:00", "26 hours 30 minutes");
        for text in ["2 years", "90 days", "1 hour", "1 year 2 months", "1 day 2 hours"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["", "7", "days", "-7 days", "0 days", "7 moons", "1:2", "90days"] {
            assert_eq!(text.parse::<Span>(), Err(()), "{text}");
        }
    }
}

//! What the `default` of a column says about who writes it.

use super::times::{HOUR, MINUTE};

/// Whose clock fills a column in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// SQLite's own clock, so many µs ahead of UTC.
    Ahead(i64),
    /// The wall clock of the machine it ran on, whatever its zone.
    Local,
}

/// Reads a default; `None` if it fills in no present time.
pub(super) fn written(default: &str) -> Option<Written> {
    let text: String = default.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    if ["current_timestamp", "(current_timestamp)"].contains(&text.as_str()) {
        return Some(Written::Ahead(0));
    }
    let functions = ["datetime(", "strftime(", "timestamp("];
    if !functions.iter().any(|function| text.contains(function)) || !text.contains("'now'") {
        return None;
    }
    let mut ahead = 0;
    let quoted = text.split('\'').skip(1).step_by(2);
    for modifier in quoted.filter(|part| *part != "now" && !part.contains('%')) {
        match modifier {
            "localtime" => return Some(Written::Local),
            "utc" | "subsec" | "subsecond" | "auto" => {}
            other => ahead += shift(other)?,
        }
    }
    Some(Written::Ahead(ahead))
}

/// `+2 hours`, `-30 minutes`, `+02:00`.
fn shift(modifier: &str) -> Option<i64> {
    if let Some((hours, minutes)) = modifier.split_once(':') {
        let sign = if hours.starts_with('-') { -1 } else { 1 };
        return Some(
            hours.parse::<i64>().ok()? * HOUR + sign * minutes.parse::<i64>().ok()? * MINUTE,
        );
    }
    let (number, unit) = modifier.split_once(' ')?;
    let number: i64 = number.parse().ok()?;
    match unit.trim_end_matches('s') {
        "hour" => Some(number * HOUR),
        "minute" => Some(number * MINUTE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_understood() {
        for (default, expected) in [
            ("CURRENT_TIMESTAMP", Some(Written::Ahead(0))),
            ("datetime('now')", Some(Written::Ahead(0))),
            ("datetime('now', '+2 hours')", Some(Written::Ahead(2 * HOUR))),
            ("datetime('now','localtime')", Some(Written::Local)),
            (
                "strftime('%Y-%m-%d %H:%M:%f', 'now', '-30 minutes')",
                Some(Written::Ahead(-30 * MINUTE)),
            ),
            ("(datetime('now','+05:30'))", Some(Written::Ahead(5 * HOUR + 30 * MINUTE))),
            ("datetime('now', 'start of day')", None),
            ("'pending'", None),
        ] {
            assert_eq!(written(default), expected, "{default}");
        }
    }
}

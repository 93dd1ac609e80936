//! `[[shift]]`: the shift calendar of a plant whose source has none.

use super::Place;
use super::check::{keys, missing};
use super::raw::{Reader, Section, Text};

/// One shift of one site, or of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftPlan {
    /// Code of the site; `*` is every site.
    pub site: String,
    /// Its code, unique within a site.
    pub code: String,
    /// For people.
    pub name: String,
    /// `HH:MM` on the site's wall clock.
    pub start: String,
    /// `HH:MM`; at or before the start it is on the next day.
    pub end: String,
    /// Days on which it starts, 1 Monday to 7 Sunday; empty is every day.
    pub days: Vec<i16>,
    /// Windows of its breaks, `HH:MM`; `None` where only their length is known.
    pub breaks: Option<Vec<(String, String)>>,
    /// Length of its breaks, where no window is known.
    pub break_minutes: i32,
    /// Where the file names it.
    pub place: Place,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Reads one `[[shift]]`.
pub(super) fn read(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<ShiftPlan> {
    section.only(reader, keys("shift"));
    let hint = "[[shift]] with code, start = \"06:00\" and end = \"14:00\"";
    let mut needed = |name: &str| {
        let text = section.text(reader, name);
        if text.is_none() {
            missing(reader, section, name, hint);
        }
        text
    };
    let (code, start, end) = (needed("code"), needed("start"), needed("end"));
    let start = start.and_then(|text| clock(reader, &section.key("start"), text));
    let end = end.and_then(|text| clock(reader, &section.key("end"), text));
    let days = read_days(reader, section);
    let windows = section.sections(reader, "breaks");
    let breaks: Vec<(String, String)> =
        windows.iter().filter_map(|window| read_break(reader, window)).collect();
    let minutes = section.count(reader, "break_minutes", 0..=24 * 60);
    if minutes.is_some() && !windows.is_empty() {
        let message = "both `breaks` and `break_minutes`: windows say how long they are".to_owned();
        reader.problems.error(section.place, &section.path, message, "keep one of them");
    }
    let code = code?;
    if code.value.is_empty() || code.value.chars().count() > 10 {
        let message = "the code of a shift has 1 to 10 characters".to_owned();
        reader.problems.error(code.place, &section.key("code"), message, "");
    }
    let name = section.text(reader, "name").map_or_else(|| code.value.clone(), |text| text.value);
    if name.chars().count() > 100 {
        let message = "the name of a shift has at most 100 characters".to_owned();
        reader.problems.error(section.place, &section.key("name"), message, "");
    }
    let break_minutes = minutes.and_then(|minutes| i32::try_from(minutes).ok());
    Some(ShiftPlan {
        site: section.text(reader, "site").map_or_else(|| "*".to_owned(), |text| text.value),
        code: code.value,
        name,
        start: start?,
        end: end?,
        days,
        // Without either there are no breaks, and that is known.
        breaks: break_minutes.is_none().then_some(breaks),
        break_minutes: break_minutes.unwrap_or(0),
        place: section.place,
    })
}

/// Notes shifts that would overwrite each other: one code twice for a site, or for a site and for all.
pub(super) fn check(reader: &mut Reader<'_>, shifts: &[ShiftPlan]) {
    for (index, shift) in shifts.iter().enumerate() {
        let meets = |other: &&ShiftPlan| {
            let site = other.site == shift.site || other.site == "*" || shift.site == "*";
            other.code == shift.code && site
        };
        let overlaps = shifts.iter().take(index).find(|other| {
            let site = other.site == shift.site || other.site == "*" || shift.site == "*";
            site && other.code != shift.code && overlap(other, shift)
        });
        if let Some(other) = overlaps {
            let message = format!(
                "the shifts {} and {} overlap: what is made meanwhile counts in both",
                other.code, shift.code
            );
            let hint = "end one where the other starts, or give them different days";
            reader.problems.warn(shift.place, "shift", message, hint);
        }
        if shifts.iter().take(index).any(|other| meets(&other)) {
            let message =
                format!("the shift {} is there twice for site {}", shift.code, shift.site);
            let hint = "a site has each code once; `*` is every site";
            reader.problems.error(shift.place, "shift", message, hint);
        }
    }
}

/// Whether two shifts have a minute of a week in common.
fn overlap(one: &ShiftPlan, other: &ShiftPlan) -> bool {
    const WEEK: i32 = 7 * 24 * 60;
    let minutes = |clock: &str| {
        let (hour, minute) = clock.split_once(':').unwrap_or((clock, "0"));
        hour.parse::<i32>().unwrap_or(0) * 60 + minute.parse::<i32>().unwrap_or(0)
    };
    let spans = |shift: &ShiftPlan| -> Vec<(i32, i32)> {
        let (start, end) = (minutes(&shift.start), minutes(&shift.end));
        let length = if end > start { end - start } else { end - start + 24 * 60 };
        let days = (1_i16..=7).filter(|day| shift.days.is_empty() || shift.days.contains(day));
        days.map(|day| (i32::from(day - 1) * 24 * 60 + start, length)).collect()
    };
    spans(one).iter().any(|(start, length)| {
        let later = |other: i32| (other - start).rem_euclid(WEEK);
        spans(other).iter().any(|(begin, lasts)| {
            later(*begin) < *length || (start - begin).rem_euclid(WEEK) < *lasts
        })
    })
}

fn read_days(reader: &mut Reader<'_>, section: &Section<'_>) -> Vec<i16> {
    let Some(words) = section.texts(reader, "days") else { return Vec::new() };
    let mut days = Vec::new();
    for word in words {
        match (1_i16..).zip(DAYS).find(|(_, day)| *day == word.to_ascii_lowercase()) {
            Some((number, _)) => days.push(number),
            None => {
                let message = format!("`{word}` is no day of the week");
                let hint = format!("known: {}", DAYS.join(", "));
                reader.problems.error(section.place, &section.key("days"), message, hint);
            }
        }
    }
    days.sort_unstable();
    days.dedup();
    days
}

fn read_break(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<(String, String)> {
    section.only(reader, &["start", "end"]);
    let (start, end) = (section.text(reader, "start"), section.text(reader, "end"));
    if start.is_none() || end.is_none() {
        missing(reader, section, "start` or `end", "{ start = \"10:00\", end = \"10:30\" }");
    }
    let start = clock(reader, &section.key("start"), start?)?;
    Some((start, clock(reader, &section.key("end"), end?)?))
}

/// `HH:MM` of a day.
fn clock(reader: &mut Reader<'_>, key: &str, text: Text) -> Option<String> {
    let parts = text.value.split_once(':');
    let valid = parts.is_some_and(|(hour, minute)| {
        let two = |word: &str, limit: u8| {
            word.len() == 2
                && word.bytes().all(|byte| byte.is_ascii_digit())
                && word.parse::<u8>().is_ok_and(|number| number < limit)
        };
        two(hour, 24) && two(minute, 60)
    });
    if !valid {
        let message = format!("`{}` is no time of day", text.value);
        reader.problems.error(text.place, key, message, "HH:MM from 00:00 to 23:59");
    }
    valid.then_some(text.value)
}

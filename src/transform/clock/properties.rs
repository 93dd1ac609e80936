//! What holds for all values: the same answers as jiff, no panic, one answer by both ways.

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

use super::civil::UNIX_EPOCH;
use super::*;

static ZONES: LazyLock<Vec<(&str, TimeZone)>> = LazyLock::new(|| {
    let bundle = TimeZoneDatabase::bundled();
    zone::names().map(|name| (name, bundle.get(name).unwrap())).collect()
});

pub(super) fn clock(zone: &str, policy: &str) -> Clock {
    Clock::new(&Policy::parse(Some(zone), policy).unwrap())
}

pub(super) fn text(reading: DateTime) -> String {
    reading.strftime("%Y-%m-%d %H:%M:%S%.f").to_string()
}

fn pg(at: Timestamp) -> i64 {
    at.as_microsecond() + UNIX_EPOCH
}

/// A zone and a reading; every second one within hours of a change of that zone's clocks.
fn zoned() -> impl Strategy<Value = (usize, DateTime)> {
    let micros = -62_135_596_800_000_000_i64..253_370_764_800_000_000;
    let likely = -2_208_988_800_000_000_i64..7_258_118_400_000_000;
    let any = prop_oneof![4 => likely, 1 => micros];
    (0..ZONES.len(), any, prop::option::of(-15_000_i64..15_000)).prop_map(|(zone, at, near)| {
        let at = Timestamp::from_microsecond(at).unwrap();
        let tz = &ZONES[zone].1;
        let change = tz.following(at).next().or_else(|| tz.preceding(at).next());
        match (near, change) {
            (Some(seconds), Some(change)) => {
                (zone, tz.to_datetime(change.timestamp()).saturating_add(seconds.seconds()))
            }
            _ => (zone, tz.to_datetime(at)),
        }
    })
}

/// What jiff says under a policy; the words of the policy are in `gap` and `fold`.
fn by_jiff(tz: &TimeZone, reading: DateTime, gap: &str, fold: &str) -> Result<i64, TimeError> {
    let ambiguous = tz.to_ambiguous_timestamp(reading);
    let at = match (ambiguous.offset(), gap, fold) {
        (AmbiguousOffset::Gap { .. }, "reject", _) => return Err(TimeError::Gap),
        (AmbiguousOffset::Fold { .. }, _, "reject") => return Err(TimeError::Fold),
        (AmbiguousOffset::Gap { .. }, "backward", _) => ambiguous.earlier(),
        (AmbiguousOffset::Gap { .. }, "snap", _) => {
            // The instant of the change itself: the last one at or before the forward reading.
            let forward = ambiguous.later().unwrap();
            let after = forward.checked_add(1.nanosecond()).unwrap();
            let changes = tz.preceding(after);
            let mut moved = changes.filter(|change| {
                let before = change.timestamp().checked_sub(1.nanosecond()).unwrap();
                tz.to_offset(before) != change.offset()
            });
            return Ok(pg(moved.next().unwrap().timestamp()));
        }
        (AmbiguousOffset::Fold { .. }, _, "later") => ambiguous.later(),
        _ => ambiguous.compatible(),
    };
    Ok(pg(at.unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn same_as_jiff((zone, reading) in zoned()) {
        let (name, tz) = &ZONES[zone];
        for gap in ["reject", "forward", "backward", "snap"] {
            for fold in ["reject", "earlier", "later"] {
                let mut clock = clock(name, &format!("gap={gap};fold={fold}"));
                let wanted = by_jiff(tz, reading, gap, fold).map(Some);
                let text = text(reading);
                let value = ValueRef::Text(text.as_bytes());
                prop_assert_eq!(clock.instant(value), wanted, "{} {} {} {}", name, text, gap, fold);
                prop_assert_eq!(clock.instant(value), wanted, "cached: {} {}", name, text);
            }
        }
    }

    /// One clock over many readings, so that its cache is warm with the wrong stretch.
    #[test]
    fn cache_changes_nothing(
        zone in 0..ZONES.len(),
        seconds in prop::collection::vec(-5_000_000_000_i64..300_000_000_000, 1..60),
    ) {
        let mut warm = clock(ZONES[zone].0, "unit=s;epoch_ref=zone;gap=snap;fold=later");
        for second in seconds {
            let mut cold = clock(ZONES[zone].0, "unit=s;epoch_ref=zone;gap=snap;fold=later");
            let value = ValueRef::Integer(second);
            prop_assert_eq!(warm.instant(value), cold.instant(value), "{}", second);
        }
    }

    #[test]
    fn four_hundred_years_later_is_the_same(
        zone in 0..ZONES.len(),
        second in 4_102_444_800_i64..16_725_225_600,
        cycles in 1_i64..700,
    ) {
        let cycle = 146_097 * 86_400;
        let mut clock = clock(ZONES[zone].0, "unit=s;epoch_ref=zone");
        let now = clock.instant(ValueRef::Integer(second));
        let then = clock.instant(ValueRef::Integer(second + cycles * cycle));
        let moved = now.map(|at| at.map(|at| at + cycles * cycle * SECOND));
        prop_assert_eq!(then, moved, "{}", ZONES[zone].0);
    }

    #[test]
    fn instant_to_text_and_back((zone, reading) in zoned()) {
        let (name, tz) = &ZONES[zone];
        let at = tz.to_timestamp(reading).unwrap();
        let mut clock = clock(name, "offset=match");
        let utc = format_utc(pg(at));
        prop_assert_eq!(clock.instant(ValueRef::Text(utc.as_bytes())), Ok(Some(pg(at))));
        let local = at.to_zoned(tz.clone()).strftime("%Y-%m-%dT%H:%M:%S%.f%::z").to_string();
        let got = clock.instant(ValueRef::Text(local.as_bytes()));
        prop_assert_eq!(got, Ok(Some(pg(at))), "{}", local);
    }
}

/// Every key with each of its words, and some values of the free ones.
const WORDS: [(&str, &[&str]); 14] = [
    ("naive", &["zone", "utc", "reject", "fixed:+02:00", "fixed:-15:59"]),
    ("z", &["utc", "zone", "reject"]),
    ("offset", &["honour", "as_zone", "match"]),
    ("gap", &["reject", "forward", "backward", "snap"]),
    ("fold", &["reject", "earlier", "later", "infer"]),
    ("unit", &["none", "s", "ms", "us", "ns", "jd", "excel1900", "dotnet", "yyyymmdd", "auto"]),
    ("epoch_ref", &["utc", "zone"]),
    ("date", &["reject", "midnight", "start_of_day"]),
    ("h24", &["reject", "roll"]),
    ("leap", &["reject", "clamp", "roll"]),
    ("frac", &["trunc", "round", "reject"]),
    ("layout", &["iso", "dmy", "mdy", "de", "ymd_slash", "js"]),
    ("sentinel", &["0000-00-00", "9999-12-31,1970-01-01", "N/A|0"]),
    ("range", &["pg", "pg_inf", "plausible:0..294276", "plausible:2000..2100"]),
];

fn policies() -> impl Strategy<Value = String> {
    let keys = prop::sample::subsequence(WORDS.to_vec(), 0..=WORDS.len()).prop_shuffle();
    (keys, any::<[u8; 14]>()).prop_map(|(keys, picks)| {
        let word = |((key, words), pick): (&(&str, &[&str]), &u8)| {
            format!("{key}={}", words[usize::from(*pick) % words.len()])
        };
        keys.iter().zip(&picks).map(word).collect::<Vec<_>>().join(";")
    })
}

/// Texts that are almost right: a good one with a few bytes changed.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    let good = prop::sample::select(vec![
        "2024-08-01 10:00:00",
        "2024-02-29T23:59:59.123456Z",
        "2024-10-27 02:30:00,5",
        "2024-03-31T02:30:00+02:00",
        "9999-12-31 24:00:00",
        "294276-12-31T23:59:60.9999999Z",
        "0001-01-01 00:00:00 -00:00",
        "01/08/2024, 10:00:00 PM",
        "31.12.2024 10:00:00",
        "Thu Aug 01 2024 10:00:00 GMT+0200 (South Africa Standard Time)",
        "1722506400.123456",
        "-99999999999999999999999999999999999",
    ]);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, any::<u8>()), 0..4);
    (good, edits, any::<bool>()).prop_map(|(good, edits, digits)| {
        let mut bytes = good.as_bytes().to_vec();
        for (place, kind, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let place = place.index(bytes.len());
            let byte = if digits { b'0' + byte % 10 } else { byte };
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => drop(bytes.remove(place)),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(
        policy in policies(),
        zone in prop::sample::select(vec!["Europe/Berlin", "Pacific/Apia", "Etc/UTC"]),
        bytes in prop_oneof![almost(), prop::collection::vec(any::<u8>(), 0..60)],
        integer in prop_oneof![any::<i64>(), -1_000_000_i64..100_000_000],
        real in prop_oneof![any::<f64>(), prop::num::f64::ANY, -1e7..1e7],
    ) {
        let policy = Policy::parse(Some(zone), &policy).unwrap();
        let mut clock = Clock::new(&policy);
        let mut state = FoldState::default();
        for value in [
            ValueRef::Text(&bytes),
            ValueRef::Blob(&bytes),
            ValueRef::Integer(integer),
            ValueRef::Real(real),
            ValueRef::Null,
        ] {
            if let Ok(Some(at)) = clock.instant_inferred(value, &mut state) {
                let endless = policy.bounds == Bounds::PgInfinity;
                prop_assert!(endless || (PG_MIN..=PG_MAX).contains(&at));
                prop_assert!(!format_utc(at).is_empty());
            }
            prop_assert!(date_days(value, &policy).is_ok() || date_days(value, &policy).is_err());
        }
        prop_assert_eq!(FoldState::from_bytes(&state.to_bytes()), Some(state));
    }

    /// The short way answers as the long way does.
    #[test]
    fn both_ways_agree(policy in policies(), bytes in almost(), integer in any::<i64>()) {
        let mut short = clock("Europe/Berlin", &policy);
        let mut long = short.clone();
        long.plain = false;
        for value in [ValueRef::Text(&bytes), ValueRef::Integer(integer)] {
            prop_assert_eq!(short.instant(value), long.instant(value));
        }
    }

    #[test]
    fn canonical_means_the_same(policy in policies()) {
        let parsed = Policy::parse(Some("Europe/Berlin"), &policy).unwrap();
        let canonical = parsed.canonical();
        let again = Policy::parse(Some("Europe/Berlin"), &canonical);
        prop_assert_eq!(again, Ok(parsed), "{}", canonical);
    }

    #[test]
    fn policy_text_never_panics(zone in ".{0,20}", policy in ".{0,40}", state in any::<Vec<u8>>()) {
        if let Err(error) = Policy::parse(Some(&zone), &policy) {
            prop_assert!(!error.to_string().is_empty());
        }
        if let Some(restored) = FoldState::from_bytes(&state) {
            prop_assert_eq!(restored.to_bytes(), state);
        }
        trial_line(&mut clock("Etc/UTC", ""), &mut FoldState::default(), &policy);
    }
}

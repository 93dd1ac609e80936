//! The words of the policy grammar: every key, every value, and how each is spelled.

use super::civil::SECOND;

/// What a reading without `Z` or offset means.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Naive {
    #[default]
    Zone,
    /// A fixed distance from UTC, in microseconds; zero is `naive=utc`.
    Fixed(i64),
    Reject,
}

/// The last instant that may be stored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Bounds {
    #[default]
    Pg,
    PgInfinity,
    /// First and last year, both included.
    Plausible(i64, i64),
}

/// A key whose values are plain words, the default first.
macro_rules! words {
    ($($name:ident: $first:ident = $first_word:literal $(, $other:ident = $word:literal)*;)*) => {$(
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub(super) enum $name { #[default] $first, $($other),* }

        impl $name {
            const ALL: &'static [(&'static str, $name)] =
                &[($first_word, $name::$first) $(, ($word, $name::$other))*];

            pub(super) fn parse(value: &str) -> Option<$name> {
                Self::ALL.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning)
            }

            pub(super) fn word(self) -> &'static str {
                Self::ALL.iter().find(|(_, own)| *own == self).map_or("", |(word, _)| word)
            }
        }
    )*};
}

words! {
    Zed: Utc = "utc", Zone = "zone", Reject = "reject";
    Offset: Honour = "honour", AsZone = "as_zone", Match = "match";
    Gap: Reject = "reject", Forward = "forward", Backward = "backward", Snap = "snap";
    Fold: Reject = "reject", Earlier = "earlier", Later = "later", Infer = "infer";
    Unit: None = "none", S = "s", Ms = "ms", Us = "us", Ns = "ns", Jd = "jd",
        Excel1900 = "excel1900", Dotnet = "dotnet", Yyyymmdd = "yyyymmdd", Auto = "auto";
    EpochRef: Utc = "utc", Zone = "zone";
    Date: Reject = "reject", Midnight = "midnight", StartOfDay = "start_of_day";
    H24: Reject = "reject", Roll = "roll";
    Leap: Reject = "reject", Clamp = "clamp", Roll = "roll";
    Frac: Trunc = "trunc", Round = "round", Reject = "reject";
    Layout: Iso = "iso", Dmy = "dmy", Mdy = "mdy", De = "de", YmdSlash = "ymd_slash", Js = "js";
}

/// Every key and its values, as an error message lists them, in the order of the canonical text.
pub(super) const KEYS: [(&str, &str); 14] = [
    ("naive", "zone, utc, fixed:±HH:MM, reject"),
    ("z", "utc, zone, reject"),
    ("offset", "honour, as_zone, match"),
    ("gap", "reject, forward, backward, snap"),
    ("fold", "reject, earlier, later, infer"),
    ("unit", "none, s, ms, us, ns, jd, excel1900, dotnet, yyyymmdd, auto"),
    ("epoch_ref", "utc, zone"),
    ("date", "reject, midnight, start_of_day"),
    ("h24", "reject, roll"),
    ("leap", "reject, clamp, roll"),
    ("frac", "trunc, round, reject"),
    ("layout", "iso, dmy, mdy, de, ymd_slash, js"),
    ("sentinel", "dates such as 0000-00-00,9999-12-31, or whole texts"),
    ("range", "pg, pg_inf, plausible:Y1..Y2"),
];

pub(super) fn naive_text(naive: Naive) -> String {
    match naive {
        Naive::Zone => "zone".to_owned(),
        Naive::Fixed(0) => "utc".to_owned(),
        Naive::Fixed(offset) => {
            let minutes = offset.abs() / SECOND / 60;
            let sign = if offset < 0 { '-' } else { '+' };
            format!("fixed:{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
        Naive::Reject => "reject".to_owned(),
    }
}

pub(super) fn parse_naive(value: &str) -> Option<Naive> {
    match value {
        "zone" => Some(Naive::Zone),
        "utc" => Some(Naive::Fixed(0)),
        "reject" => Some(Naive::Reject),
        _ => {
            let [sign, h1, h2, b':', m1, m2] = value.strip_prefix("fixed:")?.as_bytes() else {
                return None;
            };
            let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
            let hours = digit(h1)? * 10 + digit(h2)?;
            let minutes = digit(m1)? * 10 + digit(m2)?;
            let offset = (hours * 60 + minutes) * 60 * SECOND;
            match sign {
                _ if hours > 15 || minutes > 59 => None,
                b'+' => Some(Naive::Fixed(offset)),
                b'-' => Some(Naive::Fixed(-offset)),
                _ => None,
            }
        }
    }
}

pub(super) fn parse_bounds(value: &str) -> Option<Bounds> {
    match value {
        "pg" => Some(Bounds::Pg),
        "pg_inf" => Some(Bounds::PgInfinity),
        _ => {
            let year = |text: &str| {
                let digits =
                    (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
                if digits { text.parse::<i64>().ok().filter(|year| *year <= 294_276) } else { None }
            };
            let (first, last) = value.strip_prefix("plausible:")?.split_once("..")?;
            let (first, last) = (year(first.trim())?, year(last.trim())?);
            (first <= last).then_some(Bounds::Plausible(first, last))
        }
    }
}

pub(super) fn parse_sentinels(value: &str) -> Option<Vec<String>> {
    let mut all: Vec<String> = value.split([',', '|']).map(|one| one.trim().to_owned()).collect();
    all.sort();
    all.dedup();
    all.iter().all(|one| !one.is_empty()).then_some(all)
}

//! The vectors, date columns, the policy grammar and the lines of `millstream time`.

use super::*;

const JNB: &str = "Africa/Johannesburg";
const BER: &str = "Europe/Berlin";

pub(super) fn run(zone: Option<&str>, policy: &str, value: ValueRef<'_>) -> (String, String) {
    match Policy::parse(zone, policy) {
        Err(error) if error.is_zone() => ("ERR_ZONE".to_owned(), String::new()),
        Err(error) => panic!("{policy}: {error}"),
        Ok(policy) => match Clock::new(&policy).instant(value) {
            Ok(None) => ("NULL".to_owned(), String::new()),
            Ok(Some(at)) => (format_utc(at), at.to_string()),
            Err(error) => (error.code().to_owned(), String::new()),
        },
    }
}

pub(super) fn value<'a>(class: &str, input: &'a str) -> ValueRef<'a> {
    match class {
        "null" => ValueRef::Null,
        "text" => ValueRef::Text(input.as_bytes()),
        "integer" => ValueRef::Integer(input.parse().unwrap()),
        "real" => ValueRef::Real(input.parse().unwrap()),
        "blob" => ValueRef::Blob(input.as_bytes()),
        other => panic!("{other}"),
    }
}

#[test]
fn every_vector() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/timestamps.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(rows.len() >= 89);
    for row in &rows {
        let [input, class, zone, policy, expected, _, pg_us] = std::array::from_fn(|i| &row[i]);
        let zone = Some(zone).filter(|zone| !zone.is_empty());
        let (got, at) = run(zone, policy, value(class, input));
        assert_eq!((got.as_str(), at.as_str()), (expected, pg_us), "{row:?}");
    }
}

#[test]
fn dates_for_a_date_column() {
    for (policy, class, input, expected) in [
        ("default", "text", "2000-01-02", Ok(Some(1))),
        ("default", "text", "1999-12-31 00:00:00", Ok(Some(-1))),
        ("default", "text", "2000-01-02T00:00:00+02:00", Ok(Some(1))),
        ("default", "text", "2000-01-02T00:00:00.000Z", Ok(Some(1))),
        ("z=reject", "text", "2000-01-02T00:00:00Z", Err(TimeError::ZUntrusted)),
        ("default", "text", "2000-01-02 00:00:01", Err(TimeError::Precision)),
        ("frac=trunc", "text", "2000-01-02 12:00", Err(TimeError::Precision)),
        ("layout=dmy", "text", "02/01/2000", Ok(Some(1))),
        ("default", "text", "2000-02-30", Err(TimeError::Field)),
        ("default", "text", "", Ok(None)),
        ("sentinel=9999-12-31", "text", "9999-12-31", Ok(None)),
        ("default", "integer", "20000102", Err(TimeError::Unit)),
        ("unit=yyyymmdd", "integer", "20000102", Ok(Some(1))),
        ("unit=excel1900", "integer", "36527", Ok(Some(1))),
        ("unit=s", "integer", "946771200", Ok(Some(1))),
        ("unit=s", "integer", "946771201", Err(TimeError::Precision)),
        ("range=plausible:2000..2100", "text", "1999-12-31", Err(TimeError::Implausible)),
        ("range=pg_inf", "text", "infinity", Ok(Some(i32::MAX))),
        ("default", "blob", "2000-01-02", Err(TimeError::Type)),
    ] {
        for zone in [None, Some(BER), Some("Pacific/Apia")] {
            let policy = Policy::parse(zone, policy).unwrap();
            assert_eq!(date_days(value(class, input), &policy), expected, "{policy:?} {input}");
        }
    }
}

#[test]
fn policy_errors_name_the_slip() {
    let text = |zone, policy| Policy::parse(zone, policy).unwrap_err().to_string();
    assert_eq!(
        text(Some("africa/johannesburg"), ""),
        "zone \"africa/johannesburg\" is not in the time-zone database; \
         did you mean \"Africa/Johannesburg\"?"
    );
    assert_eq!(
        text(None, "gaps=snap;fold=erlier;z"),
        "unknown policy key \"gaps\"; did you mean \"gap\"?; known: naive, z, offset, gap, fold, \
         unit, epoch_ref, date, h24, leap, frac, layout, sentinel, range; \
         fold: \"erlier\" is not one of: reject, earlier, later, infer; \
         did you mean \"earlier\"?; \"z\" is not key=value"
    );
    for policy in [
        "naive=fixed:+16:00",
        "naive=fixed:2:00",
        "naive=fixed:+02:60",
        "naive=fixed",
        "range=plausible:2100..2000",
        "range=plausible:..2000",
        "range=plausible:-1..2000",
        "range=plausible:1..999999",
        "sentinel=",
        "sentinel=a,,b",
        "z=utc;z=utc",
        "Z=utc",
        "z=UTC",
        "default;z=utc",
        "unit=",
    ] {
        assert!(Policy::parse(Some(JNB), policy).is_err(), "{policy}");
    }
    for policy in ["z=zone", "offset=as_zone", "offset=match", "epoch_ref=zone"] {
        assert!(text(None, policy).ends_with("needs a zone"), "{policy}");
        assert!(Policy::parse(Some(JNB), policy).is_ok(), "{policy}");
    }
}

#[test]
fn canonical_is_one_spelling() {
    let canonical = |policy| Policy::parse(Some(JNB), policy).unwrap().canonical();
    assert_eq!(canonical(""), "default");
    assert_eq!(canonical(" default "), "default");
    assert_eq!(canonical("naive=zone; fold=reject ;range=pg;unit=none;"), "default");
    assert_eq!(canonical("fold=infer;gap=reject;naive=fixed:-00:00"), "naive=utc;fold=infer");
    assert_eq!(canonical("naive=fixed:-03:30"), "naive=fixed:-03:30");
    assert_eq!(
        canonical("range=plausible:02000..2100;sentinel=9999-12-31|0000-00-00,9999-12-31"),
        "sentinel=0000-00-00,9999-12-31;range=plausible:2000..2100"
    );
}

#[test]
fn trial_lines() {
    let mut state = FoldState::default();
    let mut clock = Clock::new(&Policy::parse(Some(JNB), "unit=us").unwrap());
    let mut answer = |line: &str| trial_line(&mut clock, &mut state, line);
    let ten = r#"{"pg_us":775814400000000,"utc":"2024-08-01T08:00:00Z"}"#;
    let same = |got: &str, wanted: &str| {
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(got), parse(wanted));
    };
    same(&answer(r#"{"value":"2024-08-01 10:00:00"}"#), ten);
    same(&answer(r#"{"value":1722499200000000,"class":"integer"}"#), ten);
    same(&answer(r#"{"value":"1722499200000000","class":"integer"}"#), ten);
    same(&answer(r#"{"value":1722499200000000,"class":"real"}"#), ten);
    same(&answer(r#"{"value":1722499200000000.0}"#), ten);
    let exact = answer(r#"{"value":9007199254740993}"#);
    assert!(exact.contains("8060514454740993"), "{exact}");
    same(&answer(r#"{"value":null}"#), r#"{"utc":null,"pg_us":null}"#);
    same(&answer(r#"{"class":"null"}"#), r#"{"utc":null,"pg_us":null}"#);
    same(&answer(r#"{"value":"00ff","class":"blob"}"#), r#"{"error":"ERR_TYPE"}"#);
    same(&answer(r#"{"value":"now"}"#), r#"{"error":"ERR_PARSE"}"#);
    for line in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"value":true}"#,
        r#"{"value":1,"class":"int"}"#,
        r#"{"value":9223372036854775808}"#,
        r#"{"value":1.5,"class":"integer"}"#,
        r#"{"value":"0","class":"blob"}"#,
        r#"{"value":"é","class":"blob"}"#,
        r#"{"value":1,"clas":"text"}"#,
    ] {
        assert!(answer(line).contains("ERR_INPUT"), "{line}");
    }
    let refused = Policy::parse(Some("UTC+2"), "").unwrap_err();
    assert!(trial_refusal(&refused).contains("\"ERR_ZONE\""));
}

#[test]
fn errors_have_a_code_and_a_line() {
    for error in [TimeError::Parse, TimeError::ZUntrusted, TimeError::Type] {
        assert!(error.code().starts_with("ERR_") && !error.explain().contains('\n'));
        assert_eq!(error.to_string(), error.code());
    }
}

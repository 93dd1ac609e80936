//! The cases that the vectors leave out, key by key.

use super::tests::{run, value};

/// Zone, policy, class, input, answer.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str);

fn check(cases: &[Case]) {
    for (zone, policy, class, input, expected) in cases {
        let zone = Some(*zone).filter(|zone| !zone.is_empty());
        let got = run(zone, policy, value(class, input)).0;
        assert_eq!(got, *expected, "{zone:?} {policy} {class} {input:?}");
    }
}

const JNB: &str = "Africa/Johannesburg";
const BER: &str = "Europe/Berlin";

#[test]
fn naive_z_and_offset() {
    check(&[
        ("", "default", "text", "2024-08-01 10:00:00", "ERR_NAIVE"),
        ("", "naive=utc", "text", "2024-08-01 10:00:00", "2024-08-01T10:00:00Z"),
        ("", "naive=fixed:-03:30", "text", "2024-08-01 10:00:00", "2024-08-01T13:30:00Z"),
        ("", "naive=reject", "text", "2024-08-01 10:00:00", "ERR_NAIVE"),
        ("", "default", "text", "2024-08-01 10:00:00Z", "2024-08-01T10:00:00Z"),
        ("", "default", "text", "2024-08-01 10:00:00+02", "2024-08-01T08:00:00Z"),
        ("", "unit=s", "integer", "0", "1970-01-01T00:00:00Z"),
        ("", "unit=excel1900", "integer", "45505", "ERR_NAIVE"),
        (JNB, "naive=utc", "text", "2024-08-01 10:00:00", "2024-08-01T10:00:00Z"),
        (JNB, "naive=reject", "text", "2024-08-01T10:00:00Z", "2024-08-01T10:00:00Z"),
        (JNB, "naive=reject", "text", "2024-08-01T10:00:00+02:00", "2024-08-01T08:00:00Z"),
        (JNB, "z=zone", "text", "2024-08-01T10:00:00z", "2024-08-01T08:00:00Z"),
        (JNB, "z=zone;naive=utc", "text", "2024-08-01T10:00:00Z", "2024-08-01T08:00:00Z"),
        (BER, "z=zone", "text", "2024-10-27T02:30:00Z", "ERR_FOLD"),
        (BER, "z=zone", "text", "2024-03-31T02:30:00Z", "ERR_GAP"),
        (BER, "z=zone;fold=later", "text", "2024-10-27T02:30:00Z", "2024-10-27T01:30:00Z"),
        (JNB, "z=reject", "text", "2024-08-01T10:00:00+00:00", "2024-08-01T10:00:00Z"),
        (JNB, "z=reject", "text", "2024-08-01 10:00:00", "2024-08-01T08:00:00Z"),
        (JNB, "offset=as_zone", "text", "2024-08-01T10:00:00-05:00", "2024-08-01T08:00:00Z"),
        (JNB, "offset=as_zone", "text", "2024-08-01T10:00:00Z", "2024-08-01T10:00:00Z"),
        (BER, "offset=as_zone", "text", "2024-03-31T02:30:00+02:00", "ERR_GAP"),
        (JNB, "offset=match", "text", "2024-08-01T10:00:00+02:00", "2024-08-01T08:00:00Z"),
        (JNB, "offset=match", "text", "2024-08-01T10:00:00+03:00", "ERR_OFFSET_MISMATCH"),
        (JNB, "offset=match", "text", "1942-12-01T12:00:00+03:00", "1942-12-01T09:00:00Z"),
        (BER, "offset=match", "text", "2024-01-15T10:00:00+02:00", "ERR_OFFSET_MISMATCH"),
        (BER, "offset=match", "text", "2024-10-27T02:30:00+02:00", "2024-10-27T00:30:00Z"),
        (BER, "offset=match", "text", "2024-10-27T02:30:00+01:00", "2024-10-27T01:30:00Z"),
        (BER, "offset=match", "text", "2024-10-27T02:30:00+00:00", "ERR_OFFSET_MISMATCH"),
        (BER, "offset=match", "text", "2024-03-31T02:30:00+01:00", "ERR_OFFSET_MISMATCH"),
        (BER, "offset=match", "text", "2024-03-31T01:59:59+01:00", "2024-03-31T00:59:59Z"),
        (JNB, "offset=match", "text", "2024-08-01T10:00:00Z", "2024-08-01T10:00:00Z"),
        (JNB, "default", "text", "2024-08-01T10:00:00+15:59", "2024-07-31T18:01:00Z"),
        (JNB, "default", "text", "2024-08-01T10:00:00-16:00", "ERR_OFFSET"),
        (JNB, "default", "text", "2024-08-01T10:00:00+02:60", "ERR_OFFSET"),
        (JNB, "default", "text", "2024-08-01T10:00:00 Z", "2024-08-01T10:00:00Z"),
        (JNB, "default", "text", "2024-08-01T10:00Z", "2024-08-01T10:00:00Z"),
    ]);
}

#[test]
fn gaps_and_folds() {
    check(&[
        (BER, "gap=forward", "text", "2024-03-31 02:30:00", "2024-03-31T01:30:00Z"),
        (BER, "gap=forward", "text", "2024-03-31 02:00:00", "2024-03-31T01:00:00Z"),
        (BER, "gap=backward", "text", "2024-03-31 02:59:59", "2024-03-31T00:59:59Z"),
        (BER, "gap=snap", "text", "2024-03-31 02:59:59.999999", "2024-03-31T01:00:00Z"),
        (BER, "default", "text", "2024-10-27 02:00:00", "ERR_FOLD"),
        (BER, "default", "text", "2024-10-27 01:59:59.999999", "2024-10-26T23:59:59.999999Z"),
        (BER, "gap=snap;fold=infer", "text", "2024-10-27 02:00:00", "ERR_FOLD"),
        ("Australia/Lord_Howe", "default", "text", "2024-10-06 02:15:00", "ERR_GAP"),
        ("Australia/Lord_Howe", "default", "text", "2024-10-06 02:30:00", "2024-10-05T15:30:00Z"),
        ("Australia/Lord_Howe", "default", "text", "2024-04-07 01:45:00", "ERR_FOLD"),
        ("Pacific/Apia", "default", "text", "2011-12-30 12:00:00", "ERR_GAP"),
        ("Pacific/Apia", "gap=snap", "text", "2011-12-30 12:00:00", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", "gap=forward", "text", "2011-12-30 12:00:00", "2011-12-30T22:00:00Z"),
        ("Asia/Kathmandu", "default", "text", "1986-01-01 00:10:00", "ERR_GAP"),
        ("Africa/Monrovia", "default", "text", "1971-06-01 12:00:00", "1971-06-01T12:44:30Z"),
        ("America/New_York", "default", "text", "1880-01-01 12:00:00", "1880-01-01T16:56:02Z"),
        (BER, "default", "text", "2150-03-29 02:30:00", "ERR_GAP"),
        (BER, "default", "text", "12024-10-27 02:30:00", "ERR_FOLD"),
        (BER, "default", "text", "12024-07-01 12:00:00", "12024-07-01T10:00:00Z"),
        (BER, "default", "text", "9999-12-31 23:59:59", "9999-12-31T22:59:59Z"),
        (BER, "gap=snap", "text", "12024-03-31 02:30:00", "12024-03-31T01:00:00Z"),
    ]);
}

#[test]
fn dates_and_rare_times() {
    check(&[
        (JNB, "default", "text", "2024-08-01", "ERR_DATE_ONLY"),
        (JNB, "default", "text", "2024-02-30", "ERR_FIELD"),
        (JNB, "date=midnight", "text", "2024-08-01", "2024-07-31T22:00:00Z"),
        (JNB, "date=midnight;naive=utc", "text", "2024-08-01", "2024-08-01T00:00:00Z"),
        (JNB, "date=start_of_day;naive=utc", "text", "2024-08-01", "2024-08-01T00:00:00Z"),
        (JNB, "date=midnight;naive=reject", "text", "2024-08-01", "ERR_NAIVE"),
        (JNB, "date=midnight", "text", "2024-08-01Z", "ERR_PARSE"),
        (JNB, "layout=dmy", "text", "01/08/2024", "ERR_DATE_ONLY"),
        ("America/Sao_Paulo", "date=midnight", "text", "2018-11-04", "ERR_GAP"),
        (
            "America/Sao_Paulo",
            "date=midnight;gap=backward",
            "text",
            "2018-11-04",
            "2018-11-04T02:00:00Z",
        ),
        (
            "America/Havana",
            "date=midnight;fold=later",
            "text",
            "2024-11-03",
            "2024-11-03T05:00:00Z",
        ),
        ("Pacific/Apia", "date=start_of_day", "text", "2011-12-30", "ERR_GAP"),
        ("Pacific/Apia", "date=start_of_day", "text", "2011-12-31", "2011-12-30T10:00:00Z"),
        (JNB, "h24=roll", "text", "2024-08-01 24:00:00", "2024-08-01T22:00:00Z"),
        (JNB, "h24=roll", "text", "2024-12-31T24:00", "2024-12-31T22:00:00Z"),
        (JNB, "h24=roll", "text", "2024-08-01T24:00:00Z", "2024-08-02T00:00:00Z"),
        (JNB, "h24=roll", "text", "2024-08-01 24:00:01", "ERR_FIELD"),
        (JNB, "h24=roll", "text", "2024-08-01 24:00:00.0000001", "ERR_FIELD"),
        (JNB, "h24=roll", "text", "2024-08-01 25:00:00", "ERR_FIELD"),
        (BER, "h24=roll", "text", "2024-10-26 24:00:00", "2024-10-26T22:00:00Z"),
        (JNB, "default", "text", "2016-12-31T23:59:60Z", "ERR_LEAP"),
        (JNB, "default", "text", "2016-12-31T23:59:61Z", "ERR_FIELD"),
        (JNB, "leap=roll", "text", "2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500000Z"),
        (JNB, "leap=clamp", "text", "2016-12-31T23:59:60.5Z", "2016-12-31T23:59:59.500000Z"),
        (JNB, "leap=roll", "text", "2017-01-01 01:59:60", "2017-01-01T00:00:00Z"),
        (BER, "leap=roll", "text", "2024-03-31 01:59:60", "ERR_GAP"),
        (JNB, "default", "text", "2024-08-01 10:60:00", "ERR_FIELD"),
        (JNB, "default", "text", "2024-00-01 10:00:00", "ERR_FIELD"),
        (JNB, "default", "text", "0000-01-01 10:00:00", "ERR_FIELD"),
        ("Etc/UTC", "default", "text", "0001-01-01 00:00:00", "0001-01-01T00:00:00Z"),
        (JNB, "default", "text", "0001-01-01 00:00:00", "0001-12-31T22:08:00Z BC"),
    ]);
}

#[test]
fn fractions_and_shapes() {
    check(&[
        (JNB, "default", "text", "2024-08-01 10:00:00,5", "2024-08-01T08:00:00.500000Z"),
        (JNB, "frac=round", "text", "2024-08-01 10:00:00.123456789", "2024-08-01T08:00:00.123457Z"),
        (JNB, "frac=round", "text", "2024-08-01 23:59:59.9999999", "2024-08-01T22:00:00Z"),
        (JNB, "frac=round", "text", "2024-08-01 10:00:00.1234565", "2024-08-01T08:00:00.123456Z"),
        (JNB, "frac=round", "text", "2024-08-01 10:00:00.1234575", "2024-08-01T08:00:00.123458Z"),
        (
            JNB,
            "frac=reject",
            "text",
            "2024-08-01 10:00:00.123456000",
            "2024-08-01T08:00:00.123456Z",
        ),
        (JNB, "default", "text", "\u{feff} 2024-08-01 10:00:00\r\n", "2024-08-01T08:00:00Z"),
        (JNB, "default", "text", " \r\n", "NULL"),
        (JNB, "default", "text", "\u{feff}", "NULL"),
        (JNB, "default", "null", "", "NULL"),
        (JNB, "default", "blob", "2024-08-01 10:00:00", "ERR_TYPE"),
        (JNB, "default", "blob", "", "ERR_TYPE"),
    ]);
    for text in [
        "2024-08-01 10",
        "2024-08-01T10Z",
        "2024-08-01 10:00:00.",
        "2024-08-01 10:00.5",
        "2024-08-01  10:00:00",
        "2024-08-01 1:00:00",
        "2024-08-01 10:0:00",
        "24-08-01 10:00:00",
        "2024-215 10:00:00",
        "20240801T100000",
        "20240801",
        "1722506400",
        "02024-08-01 10:00:00",
        "+2024-08-01 10:00:00",
        "2024/08/01 10:00:00",
        "01.08.2024 10:00:00",
        "2024-08-01 10:00:00 UTC",
        "2024-08-01 10:00:00 +02:00:",
        "2024-08-01T10:00:00[Africa/Johannesburg]",
        "2024-08-01 10:00:00 PM",
        "0044-03-15 10:00:00 BC",
        "epoch",
        "NULL",
        "10:00:00",
        "2024-08-01 10:00:00\0",
        "２０２４-08-01 10:00:00",
        "2024-08-01 10:00:00 \u{2212}02:00",
        "-2024-08-01 10:00:00",
        "1234567-08-01 10:00:00",
    ] {
        assert_eq!(run(Some(JNB), "default", value("text", text)).0, "ERR_PARSE", "{text}");
    }
}

#[test]
fn layouts() {
    check(&[
        (JNB, "layout=dmy", "text", "13/08/2024, 10:00:00", "2024-08-13T08:00:00Z"),
        (JNB, "layout=dmy", "text", "08/13/2024 10:00:00", "ERR_FIELD"),
        (JNB, "layout=mdy", "text", "13/08/2024 10:00:00", "ERR_FIELD"),
        (JNB, "layout=dmy", "text", "01/08/2024, 10:00:00 pm", "2024-08-01T20:00:00Z"),
        (JNB, "layout=dmy", "text", "2024-08-01 10:00:00", "ERR_PARSE"),
        (JNB, "layout=dmy", "text", "01/08/24 10:00:00", "ERR_PARSE"),
        (JNB, "layout=dmy", "text", "01.08.2024 10:00:00", "ERR_PARSE"),
        (JNB, "layout=mdy", "text", "8/1/2024, 12:30:00\u{202f}AM", "2024-07-31T22:30:00Z"),
        (JNB, "layout=mdy", "text", "8/1/2024, 12:00:00 PM", "2024-08-01T10:00:00Z"),
        (JNB, "layout=mdy", "text", "8/1/2024, 9:05 AM", "2024-08-01T07:05:00Z"),
        (JNB, "layout=mdy", "text", "8/1/2024 22:00:00", "2024-08-01T20:00:00Z"),
        (JNB, "layout=mdy", "text", "8/1/2024, 13:00:00 PM", "ERR_FIELD"),
        (JNB, "layout=mdy", "text", "8/1/2024, 0:30:00 AM", "ERR_FIELD"),
        (JNB, "layout=mdy", "text", "8/1/2024, 10:00:00 XM", "ERR_PARSE"),
        (JNB, "layout=mdy", "text", "8/1/2024,", "ERR_PARSE"),
        (BER, "layout=de", "text", "1.8.2024, 10:00:00", "2024-08-01T08:00:00Z"),
        (BER, "layout=de", "text", "27.10.2024 02:30", "ERR_FOLD"),
        (BER, "layout=de;h24=roll", "text", "01.08.2024 24:00", "2024-08-01T22:00:00Z"),
        (JNB, "layout=ymd_slash", "text", "2024/08/01 10:00:00.25", "2024-08-01T08:00:00.250000Z"),
        (
            JNB,
            "layout=js",
            "text",
            "Thu Aug 01 2024 10:00:00 GMT+0200 (South Africa Standard Time)",
            "2024-08-01T08:00:00Z",
        ),
        (JNB, "layout=js", "text", "Thu Aug 01 2024 10:00:00 GMT+0200", "2024-08-01T08:00:00Z"),
        (JNB, "layout=js", "text", "Fri Aug 01 2024 10:00:00 GMT+0200", "ERR_FIELD"),
        (JNB, "layout=js", "text", "Thu Aug 01 2024", "ERR_DATE_ONLY"),
        (JNB, "layout=js", "text", "Thu Aug 1 2024 10:00:00 GMT+0200", "ERR_PARSE"),
        (JNB, "layout=js", "text", "Thu Aug 01 2024 10:00:00", "ERR_PARSE"),
        (JNB, "layout=js", "text", "Thu Aug 01 2024 10:00:00 GMT+0200 ()", "2024-08-01T08:00:00Z"),
        (JNB, "layout=js", "text", "Thu Aug 01 2024 10:00:00 GMT+0200 x", "ERR_PARSE"),
        (
            BER,
            "layout=js;offset=match",
            "text",
            "Mon Jan 15 2024 10:00:00 GMT+0200 (EET)",
            "ERR_OFFSET_MISMATCH",
        ),
        (
            JNB,
            "layout=js;z=reject",
            "text",
            "Thu Aug 01 2024 10:00:00 GMT+0000",
            "2024-08-01T10:00:00Z",
        ),
    ]);
}

#[test]
fn numbers() {
    check(&[
        (JNB, "default", "real", "1722506400.5", "ERR_UNIT"),
        (JNB, "default", "real", "NaN", "ERR_UNIT"),
        (JNB, "unit=s", "real", "NaN", "ERR_RANGE"),
        (JNB, "unit=s", "real", "inf", "ERR_RANGE"),
        (JNB, "unit=s;range=pg_inf", "real", "-inf", "-infinity"),
        (JNB, "unit=s;range=pg_inf", "real", "NaN", "ERR_RANGE"),
        (JNB, "unit=s", "real", "1722506400.1", "2024-08-01T10:00:00.100000Z"),
        (JNB, "unit=s", "real", "1e300", "ERR_RANGE"),
        (JNB, "unit=s", "real", "-0.0", "1970-01-01T00:00:00Z"),
        (
            JNB,
            "unit=ns;frac=round",
            "integer",
            "1722506400123456789",
            "2024-08-01T10:00:00.123457Z",
        ),
        (JNB, "unit=ns;frac=reject", "integer", "1722506400123456789", "ERR_PRECISION"),
        (
            JNB,
            "unit=ns;frac=reject",
            "integer",
            "1722506400123456000",
            "2024-08-01T10:00:00.123456Z",
        ),
        (JNB, "unit=dotnet", "integer", "0", "0001-01-01T00:00:00Z"),
        (JNB, "unit=dotnet", "integer", "3155378975999999999", "9999-12-31T23:59:59.999999Z"),
        (JNB, "unit=dotnet", "integer", "-1", "ERR_RANGE"),
        (JNB, "unit=dotnet;frac=reject", "integer", "638581032000000001", "ERR_PRECISION"),
        (
            JNB,
            "unit=dotnet;epoch_ref=zone",
            "integer",
            "638581032000000000",
            "2024-08-01T08:00:00Z",
        ),
        (JNB, "unit=s;epoch_ref=zone", "integer", "1722506400", "2024-08-01T08:00:00Z"),
        (JNB, "unit=s;epoch_ref=zone;naive=utc", "integer", "1722506400", "2024-08-01T08:00:00Z"),
        (BER, "unit=s;epoch_ref=zone", "integer", "1729996200", "ERR_FOLD"),
        (BER, "unit=s;epoch_ref=zone;fold=later", "integer", "1729996200", "2024-10-27T01:30:00Z"),
        (JNB, "unit=jd", "real", "2440587.5", "1970-01-01T00:00:00Z"),
        (JNB, "unit=jd", "integer", "2460524", "2024-08-01T12:00:00Z"),
        (JNB, "unit=jd;frac=reject", "real", "2460523.9166666665", "2024-08-01T10:00:00Z"),
        (JNB, "unit=jd", "integer", "0", "4714-11-24T12:00:00Z BC"),
        (JNB, "unit=jd", "integer", "-1", "ERR_RANGE"),
        (JNB, "unit=jd;epoch_ref=zone", "integer", "2460524", "2024-08-01T10:00:00Z"),
        (JNB, "unit=excel1900", "real", "45505.4166666667", "2024-08-01T08:00:00Z"),
        (JNB, "unit=excel1900;naive=utc", "integer", "45505", "2024-08-01T00:00:00Z"),
        (JNB, "unit=excel1900;naive=utc", "integer", "1", "1900-01-01T00:00:00Z"),
        (JNB, "unit=excel1900;naive=utc", "integer", "59", "1900-02-28T00:00:00Z"),
        (JNB, "unit=excel1900;naive=utc", "integer", "60", "ERR_FIELD"),
        (JNB, "unit=excel1900;naive=utc", "real", "60.5", "ERR_FIELD"),
        (JNB, "unit=excel1900;naive=utc", "integer", "61", "1900-03-01T00:00:00Z"),
        (JNB, "unit=excel1900", "real", "0.5", "ERR_FIELD"),
        (JNB, "unit=excel1900", "integer", "-1", "ERR_RANGE"),
        (JNB, "unit=excel1900", "integer", "1722506400", "ERR_RANGE"),
        (BER, "unit=excel1900", "real", "45382.104166666664", "ERR_GAP"),
    ]);
}

#[test]
fn digits_guesses_and_ends() {
    check(&[
        (JNB, "unit=yyyymmdd", "integer", "20240801", "ERR_DATE_ONLY"),
        (JNB, "unit=yyyymmdd;date=midnight", "integer", "20240230", "ERR_FIELD"),
        (JNB, "unit=yyyymmdd;date=midnight", "integer", "240801", "ERR_FIELD"),
        (JNB, "unit=yyyymmdd;date=midnight", "integer", "1722506400", "ERR_FIELD"),
        (JNB, "unit=yyyymmdd;date=midnight", "real", "20240801.0", "2024-07-31T22:00:00Z"),
        (JNB, "unit=yyyymmdd;date=midnight", "real", "20240801.5", "ERR_FIELD"),
        (JNB, "unit=yyyymmdd;date=midnight", "text", "20240801", "2024-07-31T22:00:00Z"),
        (JNB, "unit=auto", "integer", "20240801", "ERR_UNIT"),
        (JNB, "unit=auto", "integer", "0", "ERR_UNIT"),
        (JNB, "unit=auto", "integer", "-1722506400", "ERR_UNIT"),
        (JNB, "unit=auto", "integer", "1722506400000", "2024-08-01T10:00:00Z"),
        (JNB, "unit=auto", "integer", "1722506400000000", "2024-08-01T10:00:00Z"),
        (JNB, "unit=auto", "real", "1722506400.5", "2024-08-01T10:00:00.500000Z"),
        (JNB, "unit=auto", "real", "45505.4166666667", "ERR_UNIT"),
        (JNB, "unit=s", "text", "1722506400", "2024-08-01T10:00:00Z"),
        (JNB, "unit=s", "text", "1722506400.123456", "2024-08-01T10:00:00.123456Z"),
        (JNB, "unit=s", "text", "2024-08-01 10:00:00", "2024-08-01T08:00:00Z"),
        (JNB, "unit=s", "text", "1.7e9", "ERR_PARSE"),
        (JNB, "unit=s", "text", "99999999999999999999", "ERR_RANGE"),
        (JNB, "unit=us", "integer", "-9223372036854775808", "ERR_RANGE"),
        (JNB, "unit=ns", "integer", "9223372036854775807", "2262-04-11T23:47:16.854775Z"),
        (JNB, "unit=s", "integer", "-210866803200", "4714-11-24T00:00:00Z BC"),
        (JNB, "unit=s", "integer", "-210866803201", "ERR_RANGE"),
        (JNB, "unit=s", "integer", "9224318015999", "294276-12-31T23:59:59Z"),
        (JNB, "unit=s", "integer", "9224318016000", "ERR_RANGE"),
    ]);
}

#[test]
fn sentinels_and_ranges() {
    check(&[
        (JNB, "sentinel=9999-12-31", "text", "9999-12-31 23:59:59", "NULL"),
        (JNB, "sentinel=9999-12-31", "text", "9999-12-31T23:59:59Z", "NULL"),
        (JNB, "sentinel=9999-12-31", "text", "9999-12-30 23:59:59", "9999-12-30T21:59:59Z"),
        (JNB, "sentinel=0000-00-00,9999-12-31", "text", "0000-00-00 00:00:00", "NULL"),
        (JNB, "sentinel=0000-00-00|1970-01-01", "text", "0000-00-00", "NULL"),
        (JNB, "sentinel=0000-00-00|1970-01-01", "text", "1970-01-01 00:00:00", "NULL"),
        (JNB, "sentinel=0000-00-00", "text", "0000-00-00 rubbish", "ERR_PARSE"),
        (JNB, "sentinel=0000-00-00", "text", "2024-08-01 10:00:00", "2024-08-01T08:00:00Z"),
        (JNB, "sentinel=N/A|-", "text", " N/A ", "NULL"),
        (JNB, "sentinel=2004-01-01 00:00:13", "text", "2004-01-01 00:00:13", "NULL"),
        (
            JNB,
            "sentinel=2004-01-01 00:00:13",
            "text",
            "2004-01-01 00:00:14",
            "2003-12-31T22:00:14Z",
        ),
        (JNB, "sentinel=1970-01-01;layout=dmy", "text", "01/01/1970 00:00:00", "NULL"),
        (JNB, "sentinel=1970-01-01;unit=s", "integer", "0", "NULL"),
        (JNB, "sentinel=1970-01-01;unit=s", "integer", "1722506400", "2024-08-01T10:00:00Z"),
        (JNB, "sentinel=0;unit=s", "integer", "0", "NULL"),
        (JNB, "sentinel=9999-12-31;unit=yyyymmdd", "integer", "99991231", "NULL"),
        (JNB, "sentinel=0000-00-00;unit=yyyymmdd", "integer", "0", "NULL"),
        (JNB, "range=plausible:2000..2100", "text", "2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z"),
        (JNB, "range=plausible:2000..2100", "text", "1999-12-31T23:59:59Z", "ERR_IMPLAUSIBLE"),
        (
            JNB,
            "range=plausible:2000..2100",
            "text",
            "2100-12-31T23:59:59.999999Z",
            "2100-12-31T23:59:59.999999Z",
        ),
        (JNB, "range=plausible:2000..2100", "text", "2101-01-01T00:00:00Z", "ERR_IMPLAUSIBLE"),
        (JNB, "range=plausible:2000..2100;unit=s", "integer", "20240801", "ERR_IMPLAUSIBLE"),
        (JNB, "range=plausible:2000..2100", "text", "294277-01-01T00:00:00Z", "ERR_RANGE"),
        (JNB, "range=plausible:2000..2100", "text", "infinity", "ERR_PARSE"),
        (JNB, "range=pg_inf", "text", "Infinity", "infinity"),
        (JNB, "range=pg_inf", "text", "infinit", "ERR_PARSE"),
        (JNB, "range=pg_inf", "text", "294277-01-01T00:00:00Z", "ERR_RANGE"),
        (JNB, "default", "text", "294277-01-01 00:00:00", "294276-12-31T22:00:00Z"),
        (JNB, "default", "text", "999999-12-31 00:00:00", "ERR_RANGE"),
        (JNB, "frac=round", "text", "294276-12-31T23:59:59.9999999Z", "ERR_RANGE"),
    ]);
}

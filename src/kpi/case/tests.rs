use serde_json::{Value, json};

use super::*;

const VECTORS: &str = include_str!("../../../fixtures/kpi.json");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn result(input: &Value) -> Value {
    evaluate(&input.to_string()).unwrap_or_else(|error| panic!("{error}: {input}")).json()
}

/// Names of elements and KPIs whose value a wrong answer would be; a sum over all is of the elements.
fn accused<'a>(name: &str, result: &'a Value) -> Vec<(String, &'a Value)> {
    let parts = ["elements", "kpis"].map(|part| result[part].as_object().unwrap());
    let all = || parts.iter().flat_map(|part| part.iter()).map(|(key, value)| (key.clone(), value));
    let named = all().filter(|(key, _)| name.starts_with(key.as_str()));
    match named.max_by_key(|(key, _)| key.len()) {
        Some(found) => vec![found],
        None => parts[0].iter().map(|(key, value)| (key.clone(), value)).collect(),
    }
}

#[test]
fn every_kpi_vector_is_exact_and_no_wrong_answer_appears() {
    let vectors = vectors();
    let cases = vectors["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 26);
    let mut refuted = 0;
    for case in cases {
        let (id, result) = (&case["id"], result(&case["input"]));
        for part in ["window", "elements", "kpis", "flags"] {
            assert_eq!(result[part], case["expected"][part], "{id}: {part}");
        }
        for (name, wrong) in case["wrong_answers"].as_object().unwrap() {
            for (key, value) in accused(name, &result) {
                let value = value.get("value").unwrap_or(value);
                assert_ne!(
                    value.as_f64(),
                    wrong.as_f64(),
                    "{id}: {key} is the wrong answer {name}"
                );
                refuted += 1;
            }
        }
    }
    assert!(refuted >= 14, "{refuted}");
}

/// A shift from 06:00 to 14:00 on 2024-08-01, UTC, with `more`.
fn shift(more: Value) -> Value {
    let mut case = json!({
        "shift": { "start": "2024-08-01T06:00:00Z", "end": "2024-08-01T14:00:00Z" },
        "pri_s": 60,
    });
    for (key, value) in more.as_object().unwrap() {
        case[key] = value.clone();
    }
    case
}

/// `HH:MM` on the day of [`shift`].
fn at(clock: &str) -> String {
    format!("2024-08-01T{clock}:00Z")
}

/// `start end STATE`, with `-` for an open end.
fn states(rows: &[&str]) -> Value {
    let row = |row: &&str| {
        let words: Vec<&str> = row.split(' ').collect();
        let end = if words[1] == "-" { Value::Null } else { json!(at(words[1])) };
        let mut row = json!({ "start": at(words[0]), "end": end, "state": words[2] });
        if let Some(category) = words.get(3) {
            row["category"] = json!(category);
        }
        row
    };
    rows.iter().map(row).collect()
}

fn good(rows: &[(&str, i64)]) -> Value {
    let rows: Value = rows.iter().map(|(ts, good)| json!({ "ts": at(ts), "good": good })).collect();
    json!({ "mode": "event", "rows": rows })
}

#[track_caller]
fn expect(input: &Value, elements: &Value, kpis: &Value, flags: &Value) {
    let result = result(input);
    for (name, value) in elements.as_object().unwrap() {
        assert_eq!(&result["elements"][name], value, "{name}");
    }
    for (name, fraction) in kpis.as_object().unwrap() {
        let found = result["kpis"].get(name).unwrap_or_else(|| panic!("no {name}"));
        let found = found.get("fraction").unwrap_or(found);
        assert_eq!(found, fraction, "{name}");
    }
    assert_eq!(&result["flags"], flags);
}

#[test]
fn the_guide_divides_by_operating_time() {
    // 480 min, 30 of them a break, 60 down: PBT 450, APT 390, 330 good of 350 at 1 min: OEE 330/450 = 11/15
    // = 73.3 %. Dividing by planned output instead of operating time gives another number.
    let input = shift(json!({
        "breaks": [{ "start": at("10:00"), "end": at("10:30") }],
        "states": states(&["06:00 10:00 PRODUCING", "10:30 11:30 DOWN", "11:30 14:00 PRODUCING"]),
        "counts": { "rows": [{ "ts": at("13:00"), "good": 330, "scrap": 20 }] },
    }));
    let kpis = json!({ "availability": "13/15", "effectiveness": "35/39", "oee": "11/15" });
    expect(&input, &json!({ "PBT": 27000, "APT": 23400 }), &kpis, &json!([]));
}

#[test]
fn a_count_on_the_boundary_is_in_one_shift() {
    // K39 and K40 are the halves of this shift: 5 + 395 pieces; the 7 at 14:00 are the next shift's, the 9 at
    // 05:59 were the one's before. DOWN 06:00-06:30, IDLE 13:00-13:30, the rest is production.
    let rows =
        ["05:30 06:30 DOWN", "06:30 13:00 PRODUCING", "13:00 13:30 IDLE", "13:30 15:00 PRODUCING"];
    let counts = good(&[("06:00", 5), ("13:59", 395), ("14:00", 7), ("05:59", 9)]);
    let mut input = shift(json!({ "states": states(&rows), "counts": counts }));
    let elements = json!({ "APT": 25200, "ADET": 1800, "ADOT": 1800, "PQ": 400 });
    expect(&input, &elements, &json!({ "oee": "5/6" }), &json!([]));
    input["shift"] = json!({ "start": at("14:00"), "end": at("15:00") });
    expect(&input, &json!({ "PQ": 7 }), &json!({}), &json!([]));
}

#[test]
fn an_open_row_ends_with_the_next_one_or_with_what_is_known() {
    // PRODUCING until DOWN begins at 08:00; that is open, and known until 09:00. The rest is unknown.
    let rows = states(&["06:00 - PRODUCING", "08:00 - DOWN"]);
    let mut input = shift(json!({ "states": rows, "as_of": at("09:00") }));
    let elements = json!({ "APT": 7200, "ADET": 3600, "UNKNOWN": 18000 });
    let flags = json!(["INCOMPLETE_COVERAGE", "OPEN_STATE_CLIPPED", "ZERO_PQ"]);
    expect(&input, &elements, &json!({ "availability": "1/4" }), &flags);
    // Known beyond the shift: DOWN until its end.
    input["as_of"] = json!(at("20:00"));
    expect(
        &input,
        &json!({ "ADET": 21600 }),
        &json!({}),
        &json!(["OPEN_STATE_CLIPPED", "ZERO_PQ"]),
    );
}

#[test]
fn a_stop_that_every_sample_inside_repeats_counts_once() {
    // The stop 08:00-09:00 comes sixty times: 3,600 s and not 216,000.
    let mut rows = vec!["06:00 08:00 PRODUCING", "09:00 14:00 PRODUCING"];
    rows.extend(["08:00 09:00 DOWN"; 60]);
    let input = shift(json!({ "states": states(&rows) }));
    expect(&input, &json!({ "APT": 25200, "ADET": 3600 }), &json!({}), &json!(["ZERO_PQ"]));
}

#[test]
fn a_counter_that_runs_over_goes_on_and_one_that_cannot_is_reset() {
    // 9,950 before; 9,990 (+40), 12 (10,000 - 9,990 + 12 = +22), 60 (+48): 110.
    let reading = |ts: &str, good: i64| json!({ "ts": at(ts), "good": good });
    let rows = [("05:59", 9950), ("08:00", 9990), ("10:00", 12), ("14:00", 60)];
    let rows: Value = rows.iter().map(|(ts, good)| reading(ts, *good)).collect();
    let mut input = shift(json!({
        "states": states(&["06:00 14:00 PRODUCING"]),
        "counts": { "mode": "cumulative", "modulus": 10000, "max_delta": 500, "rows": rows },
    }));
    // The reading at 14:00 counts what was made before: it is in.
    expect(&input, &json!({ "PQ": 110 }), &json!({}), &json!(["COUNTER_ROLLOVER"]));
    // No more than 20 pieces can lie between two readings: then 12 are the pieces since a reset.
    input["counts"]["max_delta"] = json!(20);
    expect(&input, &json!({ "PQ": 100 }), &json!({}), &json!(["COUNTER_RESET"]));
}

#[test]
fn a_shift_that_is_planned_away_has_no_rates() {
    // Maintenance all along: PBT 0, so 0/0; it is not available "100 %".
    let input = shift(json!({ "states": states(&["06:00 14:00 PLANNED_MAINTENANCE"]) }));
    let kpis = json!({ "availability": null, "availability_upper": null, "oee": null, "effectiveness": null });
    let elements = json!({ "POT": 28800, "PLANNED": 28800, "PBT": 0 });
    expect(&input, &elements, &kpis, &json!(["ZERO_PBT", "ZERO_PQ"]));
}

#[test]
fn time_that_is_not_scheduled_is_outside_of_pot() {
    // Two of eight hours without a shift: POT 6 h, all of them produced.
    let rows = ["06:00 12:00 PRODUCING", "12:00 14:00 NOT_SCHEDULED"];
    let input = shift(json!({ "states": states(&rows), "counts": good(&[("09:00", 180)]) }));
    let kpis = json!({ "availability": "1/1", "oee": "1/2" });
    expect(&input, &json!({ "POT": 21600, "PBT": 21600 }), &kpis, &json!([]));
}

#[test]
fn a_break_that_was_worked_stays_production() {
    // Breaks 10:00-10:30 (in a stop) and 12:00-12:15 (worked): planned 1,800 s, APT 390 min of PBT 450.
    // K29 is the same with the calendar's reading.
    let input = shift(json!({
        "breaks": [{ "start": at("10:00"), "end": at("10:30") }, { "start": at("12:00"), "end": at("12:15") }],
        "states": states(&["06:00 09:30 PRODUCING", "09:30 11:00 DOWN", "11:00 14:00 PRODUCING"]),
        "counts": good(&[("13:00", 390)]),
    }));
    let elements = json!({ "PLANNED": 1800, "PBT": 27000, "APT": 23400, "ADET": 3600 });
    expect(
        &input,
        &elements,
        &json!({ "availability": "13/15", "effectiveness": "1/1" }),
        &json!([]),
    );
}

#[test]
fn an_order_decides_what_idling_and_standing_is() {
    // Order 08:00-12:00. IDLE 07:00-09:00: one hour outside (ADOT), one inside (ADET). DOWN 11:00-13:00: one
    // inside (ADET), one outside (ADOT).
    let rows = [
        "06:00 07:00 PRODUCING",
        "07:00 09:00 IDLE",
        "09:00 11:00 PRODUCING",
        "11:00 13:00 DOWN",
        "13:00 14:00 PRODUCING",
    ];
    let order = json!([{ "start": at("08:00"), "end": at("12:00") }]);
    let mut input =
        shift(json!({ "states": states(&rows), "orders": order, "counts": good(&[("07:00", 9)]) }));
    let kpis = json!({ "allocation_efficiency": "3/4", "technical_efficiency": "2/3" });
    expect(&input, &json!({ "APT": 14400, "ADET": 7200, "ADOT": 7200 }), &kpis, &json!([]));
    input.as_object_mut().unwrap().remove("orders");
    expect(&input, &json!({ "ADET": 7200, "ADOT": 7200 }), &json!({}), &json!([]));
}

#[test]
fn an_open_shift_ends_where_knowledge_does() {
    // It began at 06:00, and at 10:00 it is 10:00: 4 h, not the weeks until somebody computes it.
    let mut input = shift(json!({
        "as_of": at("10:00"),
        "states": states(&["06:00 - PRODUCING"]),
        "counts": good(&[("09:00", 120), ("11:00", 1)]),
    }));
    input["shift"]["end"] = Value::Null;
    let flags = json!(["OPEN_SHIFT", "OPEN_STATE_CLIPPED"]);
    expect(
        &input,
        &json!({ "POT": 14400, "APT": 14400, "PQ": 120 }),
        &json!({ "oee": "1/2" }),
        &flags,
    );
}

#[test]
fn failures_count_where_they_begin_and_repairs_whole() {
    // DOWN 05:30-06:15 began in the shift before. 08:00-08:20 is one failure of two rows; 13:50-14:30 is one,
    // repaired in the next shift in 2,400 s. MTTR (1200 + 2400)/2 = 1800. Between them PRODUCING 08:20-10:00 and
    // 10:30-13:50 = 18,000 s; the break is no processing time. APT is 06:15-08:00 more: 24,300 / 2 = 12,150.
    let rows = [
        "05:30 06:15 DOWN",
        "06:15 08:00 PRODUCING",
        "08:00 08:10 DOWN",
        "08:10 08:20 DOWN",
        "08:20 10:00 PRODUCING",
        "10:00 10:30 BREAK",
        "10:30 13:50 PRODUCING",
        "13:50 14:30 DOWN",
    ];
    let input = shift(json!({ "states": states(&rows), "reliability": true }));
    let kpis = json!({ "failure_events": "2/1", "mttr_s": "1800/1", "mtbf_mean_tbf_s": "18000/1",
        "mtbf_operating_over_fe_s": "12150/1" });
    expect(&input, &json!({ "ADET": 2700 }), &kpis, &json!(["ZERO_PQ"]));
}

#[test]
fn without_failures_there_is_no_mean_of_them() {
    let input = shift(json!({ "states": states(&["06:00 14:00 PRODUCING"]), "reliability": true }));
    let kpis = json!({ "failure_events": "0/1", "mttr_s": null, "mtbf_mean_tbf_s": null,
        "mtbf_operating_over_fe_s": null });
    expect(&input, &json!({}), &kpis, &json!(["ZERO_PQ"]));
}

#[test]
fn corrections_are_counted() {
    // 100 pieces, of which 5 turn out not to be: 95 good.
    let counts = json!({ "rows": [{ "ts": at("09:00"), "good": 100 }, { "ts": at("10:00"), "good": -5, "scrap": 5 },
        { "ts": at("11:00"), "good": -2 }] });
    let input = shift(json!({ "states": states(&["06:00 14:00 PRODUCING"]), "counts": counts }));
    expect(
        &input,
        &json!({ "GQ": 93, "SQ": 5, "PQ": 98, "IDEAL_GQ": 5580 }),
        &json!({}),
        &json!([]),
    );
}

#[test]
fn a_planned_stop_that_is_written_as_down_is_planned() {
    let rows = ["06:00 08:00 DOWN PLANNED", "08:00 14:00 PRODUCING"];
    let input = shift(json!({ "states": states(&rows), "counts": good(&[("09:00", 360)]) }));
    let elements = json!({ "PLANNED": 7200, "PBT": 21600, "ADET": 0 });
    expect(
        &input,
        &elements,
        &json!({ "availability": "1/1" }),
        &json!(["STATE_CATEGORY_CONFLICT"]),
    );
}

#[test]
fn kpis_of_orders_plan_and_energy() {
    // 240 pieces in an order of 6 h: 40 an hour. APT 4 h + ADET 1 h: AUBT/AOET 5/6, APT/AOET 4/6. 12 scrap of 10
    // planned. 30 kWh 05:00-07:00, half of it in the shift, and 60 kWh inside: 75 kWh, 5/16 a piece.
    let input = shift(json!({
        "states": states(&["06:00 10:00 PRODUCING", "10:00 11:00 DOWN", "11:00 14:00 IDLE"]),
        "counts": { "rows": [{ "ts": at("07:00"), "good": 228, "scrap": 12 }] },
        "aoet_s": 21600, "psq": 10,
        "energy": [{ "start": at("05:00"), "end": at("07:00"), "kwh": 30 },
            { "start": at("08:00"), "end": at("09:00"), "kwh": "60" }],
    }));
    let kpis = json!({ "throughput_rate_per_h": "40/1", "allocation_ratio": "5/6",
        "production_process_ratio": "2/3", "actual_to_planned_scrap_ratio": "6/5", "energy_kwh": "75/1",
        "energy_per_unit_kwh": "5/16" });
    expect(&input, &json!({}), &kpis, &json!([]));
    let bare = result(&shift(json!({})));
    assert_eq!(bare["kpis"].as_object().unwrap().len(), 13, "a KPI without inputs is left out");
}

#[test]
fn break_minutes_leave_pbt_once() {
    // 45 minutes, 20 of them recorded as BREAK; 10 come out of UNKNOWN (13:50-14:00) and 15 out of DOWN.
    let rows =
        ["06:00 09:00 PRODUCING", "09:00 09:20 BREAK", "09:20 10:20 DOWN", "10:20 13:50 PRODUCING"];
    let input = shift(
        json!({ "states": states(&rows), "break_minutes": 45, "counts": good(&[("09:00", 1)]) }),
    );
    let elements =
        json!({ "PLANNED": 2700, "PBT": 26100, "UNKNOWN": 0, "ADET": 2700, "APT": 23400 });
    expect(&input, &elements, &json!({}), &json!(["BREAK_MINUTES_ONLY"]));
}

#[test]
fn pieces_without_an_ideal_time_hide_no_others() {
    let rows = json!({ "rows": [{ "ts": at("09:00"), "good": 10, "product": "A" },
        { "ts": at("10:00"), "good": 5, "product": "?" }] });
    let mut input = shift(json!({ "states": states(&["06:00 14:00 PRODUCING"]), "counts": rows }));
    input["pri_s"] = json!({ "A": "7.5", "B": 30 });
    let kpis = json!({ "effectiveness": null, "oee": null, "nee": null, "quality_ratio": "1/1" });
    expect(&input, &json!({ "PQ": 15, "IDEAL_PQ": 75 }), &kpis, &json!(["MISSING_PRI"]));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let day = |start: &str, end: &str| json!({ "start": at(start), "end": at(end) });
    let cases = [
        (json!({ "shfit": 1 }), "shfit: not known; known are shift,"),
        (json!({ "shift": day("14:00", "06:00") }), "shift.end: before the start"),
        (json!({ "shift": null }), "shift: missing"),
        (json!({ "shift": { "start": at("06:00") } }), "shift: has no end; give one, or as_of"),
        (json!({ "states": [{ "start": at("06:00") }] }), "states[0].state: missing"),
        (
            json!({ "states": [{ "start": "06:00", "state": "DOWN" }] }),
            "states[0].start: \"06:00\" is no instant",
        ),
        (
            json!({ "states": [{ "start": at("06:00"), "state": "DOWN", "stat": 1 }] }),
            "states[0].stat: not known",
        ),
        (
            json!({ "states": [{ "start": at("06:00"), "state": "DOWN", "category": "LOSS" }] }),
            "states[0].category: \"LOSS\" is not known; known are PRODUCTION,",
        ),
        (
            json!({ "breaks": [day("06:00", "07:00"), day("09:00", "08:00")] }),
            "breaks[1].end: before the start",
        ),
        (
            json!({ "counts": { "rows": [{ "ts": at("06:00"), "good": "x" }] } }),
            "counts.rows[0].good: no number",
        ),
        (
            json!({ "counts": { "mode": "cumulative", "rows": [{ "ts": at("06:00"), "good": 0.5 }] } }),
            "counts.rows[0].good: not a whole number",
        ),
        (
            json!({ "policy": { "overlap": "max" } }),
            "policy.overlap: \"max\" is not known; known are latest",
        ),
        (json!({ "pri_s": { "A": -1 } }), "pri_s.A: below 0"),
        (json!({ "orders": {} }), "orders: an object; a list is expected"),
        (
            json!({ "shift_local": { "zone": "Europe/Berlin", "start": "2024-08-01T06:00:00Z", "end": "" } }),
            "shift_local.start: \"2024-08-01T06:00:00Z\" is no wall clock",
        ),
        (
            json!({ "shift_local": { "zone": "Mars/Base", "start": "", "end": "" } }),
            "shift_local: time zone Mars/Base is not in the zone database",
        ),
        (
            json!({ "shift_local": { "zone": "UTC", "start": "2024-08-01T06:00:00", "end": "2024-08-01T15:00:00" } }),
            "shift.end: shift and shift_local are not the same window",
        ),
    ];
    for (more, expected) in cases {
        let error = evaluate(&shift(more).to_string()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}\nis not\n{expected}");
    }
    let error = evaluate("{\n  \"shift\": }").unwrap_err().to_string();
    assert_eq!(error, "2:12: no JSON: expected value");
}

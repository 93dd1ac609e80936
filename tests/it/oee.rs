//! `oee compute` and `oee show` on real servers.

use std::time::Duration;

use crate::support::source::READINGS;
use crate::support::{Database, Scene};

/// A site in Berlin with three shifts, a line with two machines and orders for none of them; a site in Tokyo
/// without a calendar.
const PLANT: &str = r#"
    insert into "Site" (id, code, name, timezone)
        values ('berlin', 'B', 'Berlin', 'Europe/Berlin'), ('tokyo', 'T', 'Tokyo', 'Asia/Tokyo');
    insert into "WorkCenter" (id, code, name, "siteId", "workCenterType") values
        ('line', 'L1', 'Line 1', 'berlin', 'LINE'), ('cell', 'C1', 'Cell 1', 'tokyo', 'CELL');
    insert into "Equipment" (id, code, name, "workCenterId", "equipmentType", "theoreticalCycleTime")
        values ('press', 'P1', 'Press', 'line', 'PRESS', 60),
        ('saw', 'S1', 'Saw', 'line', 'SAW', null), ('robot', 'R1', 'Robot', 'cell', 'ROBOT', 30);
    insert into "Shift" (id, "siteId", "shiftCode", "shiftName", "startTime", "endTime", "breakWindows")
        values ('early', 'berlin', 'EARLY', 'Early', '06:00', '14:00', '[{"start": "10:00", "end": "10:30"}]'),
        ('late', 'berlin', 'LATE', 'Late', '14:00', '22:00', null),
        ('night', 'berlin', 'NIGHT', 'Night', '22:00', '06:00', '[]');
    update "Shift" set "breakMinutes" = 30 where id = 'late';"#;

/// On plain PostgreSQL and on the TimescaleDB of the tests, whatever its edition.
fn everywhere(test: impl Fn(&Scene)) {
    for database in [Database::plain(), Database::timescale()] {
        test(&on(database));
    }
}

fn on(database: Database) -> Scene {
    let scene = Scene::with(database, READINGS);
    scene.millstream(&["migrate", "up", "--set", "iso22400"]).ends(0);
    scene.database.run(PLANT);
    scene
}

/// The cheaper of the two, for what does not depend on the edition.
fn plain() -> Scene {
    on(Database::plain())
}

/// A row of states; `to` may be empty.
fn state(scene: &Scene, unit: &str, from: &str, to: &str, state: &str) {
    let category = match state {
        "PRODUCING" => "PRODUCTION",
        "BREAK" | "PLANNED_STOP" => "PLANNED",
        _ => "AVAILABILITY_LOSS",
    };
    let to = if to.is_empty() { "null".to_owned() } else { format!("'{to}'") };
    scene.database.run(&format!(
        "insert into equipment_states (\"timestamp\", \"startTime\", \"endTime\", \"equipmentId\", state, \
         \"stateCategory\", reason) \
         values ('{from}', '{from}', {to}, '{unit}', '{state}', '{category}', nullif('{state}', 'PRODUCING'))"
    ));
}

fn count(scene: &Scene, unit: &str, at: &str, (good, scrap): (i32, i32), product: &str) {
    scene.database.run(&format!(
        "insert into production_counts (\"timestamp\", \"equipmentId\", \"totalCount\", \"goodCount\", \
         \"rejectCount\", \"productId\") \
         values ('{at}', '{unit}', {good} + {scrap}, {good}, {scrap}, nullif('{product}', ''))"
    ));
}

fn compute(scene: &Scene, more: &[&str]) -> serde_json::Value {
    let words = [&["oee", "compute", "--progress", "none"], more].concat();
    scene.millstream(&words).json(0)
}

/// Minutes of planned, PBT, APT, AUST, ADET, ADOT, unknown; PQ; OEE in percent; flags. By date and shift.
fn results(scene: &Scene) -> Vec<String> {
    let minutes = ["planned", "pbt", "apt", "aust", "adet", "adot", "unknown"]
        .map(|name| format!("(o.\"{name}Seconds\" / 60)::float8"))
        .join(", ");
    let rows = scene.database.rows(&format!(
        "select concat_ws(' ', e.code, o.\"shiftDate\", s.\"shiftCode\", {minutes}, \
         o.\"totalProduced\"::float8, coalesce(round((oee * 100)::numeric, 2)::float8::text, '-'), \
         array_to_string(o.flags, ',')) from oee_calculations o \
         join \"Equipment\" e on e.id = o.\"equipmentId\" \
         join \"ShiftInstance\" i on i.id = o.\"shiftInstanceId\" \
         join \"Shift\" s on s.id = i.\"shiftId\" order by e.code, o.\"timestamp\""
    ));
    rows.concat()
}

/// Everything that is stored but when it was.
fn stored(scene: &Scene) -> Vec<Vec<String>> {
    scene.database.rows(
        "select (to_jsonb(o) - 'calculatedAt')::text from oee_calculations o \
         order by \"equipmentId\", \"timestamp\"",
    )
}

/// A week of the press: three shifts a day, with stops and pieces.
fn week(scene: &Scene) {
    scene.database.run(
        "insert into equipment_states (\"timestamp\", \"startTime\", \"endTime\", \"equipmentId\", state, \
             \"stateCategory\", reason) \
         select t, t, t + case n % 4 when 3 then interval '20 min' else interval '100 min' end, 'press', \
             case n % 4 when 3 then 'DOWN' when 2 then 'SETUP' else 'PRODUCING' end, \
             case n % 4 when 3 then 'AVAILABILITY_LOSS' when 2 then 'AVAILABILITY_LOSS' \
                 else 'PRODUCTION' end, case n % 4 when 3 then 'JAM' end \
         from (select n, timestamptz '2025-07-01 04:00Z' + (n / 4) * interval '320 min' \
             + (n % 4) * interval '100 min' as t from generate_series(0, 123) n) x; \
         insert into production_counts (\"timestamp\", \"equipmentId\", \"totalCount\", \"goodCount\", \
             \"rejectCount\") \
         select t, 'press', 10, 9, 1 \
         from generate_series(timestamptz '2025-07-01 04:00Z', '2025-07-08 01:00Z', '17 min') t",
    );
}

#[test]
fn shifts_are_made_from_the_calendar_and_computed() {
    everywhere(|scene| {
        state(scene, "press", "2025-07-01 04:00Z", "2025-07-01 07:30Z", "PRODUCING");
        state(scene, "press", "2025-07-01 07:30Z", "2025-07-01 09:00Z", "DOWN");
        state(scene, "press", "2025-07-01 09:00Z", "2025-07-01 19:00Z", "PRODUCING");
        state(scene, "press", "2025-07-01 19:00Z", "2025-07-01 20:00Z", "SETUP");
        count(scene, "press", "2025-07-01 10:00Z", (350, 10), "");
        // At the very end of the early shift: a piece of the late one.
        count(scene, "press", "2025-07-01 12:00Z", (210, 0), "");
        let told = compute(scene, &[]);
        assert_eq!(told["changed"], 2, "{told}");
        assert_eq!(told["shift_instances_made"], 2, "{told}");
        assert_eq!(told["notes"].to_string().matches("S1: neither states nor counts").count(), 1);
        // 10:00 to 10:30 in Berlin is 08:00 to 08:30 UTC: of the stop one hour is left. 350 of 450 minutes.
        // Of the late break only the length is known: it comes out of the setup.
        let expected = [
            "P1 2025-07-01 EARLY 30 450 390 0 60 0 0 360 77.78 ",
            "P1 2025-07-01 LATE 30 450 420 30 0 0 0 210 46.67 BREAK_MINUTES_ONLY",
        ];
        assert_eq!(results(scene), expected);
        let daily = "select \"shiftCount\", oee from oee_daily_workcenter";
        let row = &scene.database.rows(daily)[0];
        assert_eq!(row[0], "2");
        assert!((row[1].parse::<f64>().unwrap() - 560.0 / 900.0).abs() < 1e-12, "{row:?}");
        // What SQL says of the same rows.
        let same = "select count(*) from oee_calculations o, calculate_shift_oee(o.\"equipmentId\", \
            o.\"shiftInstanceId\") c where abs(o.oee - c.oee) < 1e-12 and o.flags = c.flags \
            and o.\"pbtSeconds\" = c.\"pbtSeconds\" and o.\"aptSeconds\" = c.\"aptSeconds\" \
            and o.\"idealGoodSeconds\" = c.\"idealGoodSeconds\" and o.\"timestamp\" = c.\"timestamp\"";
        assert_eq!(scene.database.number(same), 2);
    });
}

#[test]
fn a_second_run_changes_nothing_and_a_late_row_one_shift() {
    everywhere(|scene| {
        week(scene);
        let first = compute(scene, &[]);
        assert_eq!(first["changed"], 21, "{first}");
        let before = stored(scene);
        let again = compute(scene, &[]);
        assert_eq!((&again["changed"], &again["unchanged"]), (&0.into(), &21.into()), "{again}");
        assert_eq!(stored(scene), before);
        count(scene, "press", "2025-07-04 11:00Z", (5, 0), "");
        let late = compute(scene, &[]);
        assert_eq!((&late["changed"], &late["unchanged"]), (&1.into(), &20.into()), "{late}");
        let now = stored(scene);
        assert_eq!(before.iter().zip(&now).filter(|(was, is)| was != is).count(), 1);
    });
}

#[test]
fn what_sql_computes_is_what_is_stored() {
    let scene = plain();
    week(&scene);
    // Overlaps, a break that is worked, orders, products, a correction.
    state(&scene, "press", "2025-07-02 05:10Z", "2025-07-02 06:20Z", "IDLE");
    state(&scene, "press", "2025-07-03 07:55Z", "2025-07-03 08:40Z", "BREAK");
    scene.database.run(
        "insert into \"Product\" (id, code, name, \"standardCycleTime\") \
             values ('fast', 'f', 'Fast', 30.1), ('none', 'n', 'None', null); \
         insert into \"ProductionOrder\" (\"orderNumber\", \"workCenterId\", \"productId\", \
             \"plannedQuantity\", \"actualStartTime\", \"actualEndTime\") \
             values ('1', 'line', 'fast', 5, '2025-07-02 05:00Z', '2025-07-02 10:00Z')",
    );
    count(&scene, "press", "2025-07-02 08:00Z", (100, 3), "fast");
    count(&scene, "press", "2025-07-02 08:00Z", (-7, 7), "none");
    compute(&scene, &[]);
    let columns = [
        "potSeconds",
        "plannedSeconds",
        "pbtSeconds",
        "aptSeconds",
        "austSeconds",
        "adetSeconds",
        "adotSeconds",
        "unknownSeconds",
        "totalProduced",
        "goodProduced",
        "defectCount",
        "reworkCount",
        "idealProducedSeconds",
        "idealGoodSeconds",
        "shiftDate",
        "workCenterId",
        "timestamp",
    ];
    let exact =
        columns.map(|name| format!("o.\"{name}\" is not distinct from c.\"{name}\"")).join(" and ");
    let rates = ["availability", "availabilityUpper", "performance", "quality", "oee"];
    let close = rates.map(|name| format!("abs(o.\"{name}\" - c.\"{name}\") < 1e-12")).join(" and ");
    let differing = scene.database.rows(&format!(
        "select o::text, c::text from oee_calculations o, calculate_shift_oee(o.\"equipmentId\", \
         o.\"shiftInstanceId\") c where not 'OPEN_SHIFT' = any(o.flags) \
         and not ({exact} and {close} and array_remove(o.flags, 'NEGATIVE_QUANTITY') = c.flags)"
    ));
    assert!(differing.is_empty(), "{differing:#?}");
    assert!(scene.database.number("select count(*) from oee_calculations") > 15);
}

#[test]
fn nights_of_the_clocks_change_have_their_own_length() {
    let scene = plain();
    for (from, to) in
        [("2025-03-29 20:00Z", "2025-03-30 05:00Z"), ("2025-10-25 19:00Z", "2025-10-26 06:00Z")]
    {
        state(&scene, "press", from, to, "PRODUCING");
    }
    compute(&scene, &["--shift", "NIGHT", "--from", "2025-03-29", "--to", "2025-03-29"]);
    compute(&scene, &["--shift", "NIGHT", "--from", "2025-10-25", "--to", "2025-10-25"]);
    let expected = [
        "P1 2025-03-29 NIGHT 0 420 420 0 0 0 0 0 0 ZERO_PQ",
        "P1 2025-10-25 NIGHT 0 540 540 0 0 0 0 0 0 ZERO_PQ",
    ];
    assert_eq!(results(&scene), expected);
    let minutes = "select \"plannedMinutes\" from \"ShiftInstance\" order by \"shiftDate\"";
    assert_eq!(scene.database.rows(minutes), [["420"], ["540"]]);
}

#[test]
fn an_open_state_is_known_until_the_unit_was_last_seen() {
    let scene = plain();
    state(&scene, "press", "2025-07-01 04:00Z", "2025-07-01 06:00Z", "DOWN");
    scene.database.run(
        "update \"Equipment\" set \"currentState\" = 'PRODUCING', \
         \"currentStateSince\" = '2025-07-01 06:00Z', \"lastSeenAt\" = '2025-07-01 13:00Z' \
         where id = 'press'",
    );
    compute(&scene, &[]);
    let expected = [
        "P1 2025-07-01 EARLY 0 480 360 0 120 0 0 0 0 OPEN_STATE_CLIPPED,ZERO_PQ",
        "P1 2025-07-01 LATE 0 60 60 0 0 0 0 0 0 BREAK_MINUTES_ONLY,OPEN_SHIFT,OPEN_STATE_CLIPPED,ZERO_PQ",
    ];
    assert_eq!(results(&scene), expected);
    // Whoever says so knows more; and then less: what is beyond is left as it is.
    // Production in a break is production.
    compute(&scene, &["--as-of", "2025-07-01T20:00:00Z"]);
    assert!(
        results(&scene)[1].starts_with("P1 2025-07-01 LATE 0 480 480"),
        "{:?}",
        results(&scene)
    );
    let less = compute(&scene, &["--as-of", "2025-07-01T12:00:00Z"]);
    assert_eq!((&less["removed"], &less["unchanged"]), (&0.into(), &1.into()), "{less}");
}

#[test]
fn whoever_looks_back_removes_nothing_that_came_later() {
    let scene = plain();
    week(&scene);
    compute(&scene, &[]);
    let instances = "select id from \"ShiftInstance\" order by 1";
    let later = "select (to_jsonb(o) - 'calculatedAt')::text from oee_calculations o \
                 where \"timestamp\" >= '2025-07-03 12:00Z' order by \"timestamp\"";
    let (made, before) = (scene.database.rows(instances), scene.database.rows(later));
    assert_eq!(before.len(), 14);
    // On that date a shift is over, one begins at that instant, and one begins later.
    let told = compute(&scene, &["--as-of", "2025-07-03T12:00:00Z"]);
    assert_eq!((&told["removed"], &told["changed"]), (&0.into(), &0.into()), "{told}");
    assert_eq!(scene.database.rows(instances), made);
    assert_eq!(scene.database.rows(later), before);
}

#[test]
fn a_stop_that_began_in_an_earlier_shift_counts_in_this_one() {
    let scene = plain();
    state(&scene, "press", "2025-06-20 05:00Z", "2025-07-02 12:00Z", "DOWN");
    state(&scene, "press", "2025-06-25 05:00Z", "2025-06-25 06:00Z", "PRODUCING");
    compute(&scene, &["--from", "2025-07-02", "--to", "2025-07-02", "--shift", "EARLY"]);
    assert_eq!(results(&scene), ["P1 2025-07-02 EARLY 30 450 0 0 450 0 0 0 0 ZERO_PQ"]);
}

#[test]
fn who_has_no_shifts_is_told_of_and_no_shift_is_another_sites() {
    let scene = plain();
    week(&scene);
    state(&scene, "robot", "2025-07-01 04:00Z", "2025-07-02 04:00Z", "PRODUCING");
    let told = compute(&scene, &[]);
    let notes = told["notes"].to_string();
    assert_eq!(notes.matches("R1: site T has no active shift").count(), 1, "{notes}");
    assert_eq!(
        scene
            .database
            .number("select count(*) from oee_calculations where \"equipmentId\" = 'robot'"),
        0
    );
    let wrong = scene.millstream(&["oee", "compute", "--equipment", "X9"]).ends(2);
    assert!(wrong.err.contains("P1, R1, S1"), "{}", wrong.err);
}

#[test]
fn recorded_shifts_win_and_made_ones_follow_the_calendar() {
    everywhere(|scene| {
        week(scene);
        scene.database.run(
            "insert into \"ShiftInstance\" values ('recorded', 'early', '2025-07-02', \
             '2025-07-02 04:30Z', '2025-07-02 11:00Z', 390, 0)",
        );
        compute(scene, &[]);
        let pot = "select (\"potSeconds\" / 60)::int from oee_calculations \
                   where \"shiftInstanceId\" = 'recorded'";
        assert_eq!(scene.database.number(pot), 390);
        // The early shift ends an hour sooner: all but the recorded one are made again.
        scene.database.run("update \"Shift\" set \"endTime\" = '13:00' where id = 'early'");
        let changed = compute(scene, &[]);
        assert_eq!(changed["shift_instances_removed"], 6, "{changed}");
        assert_eq!(changed["shift_instances_made"], 6, "{changed}");
        assert_eq!((&changed["removed"], &changed["changed"]), (&6.into(), &6.into()), "{changed}");
        assert_eq!(scene.database.number(pot), 390);
        let orphans = "select count(*) from oee_calculations o where not exists \
                       (select from \"ShiftInstance\" i where i.id = o.\"shiftInstanceId\")";
        assert_eq!(scene.database.number(orphans), 0);
        let daily = "select sum(\"shiftCount\") from oee_daily_workcenter";
        assert_eq!(scene.database.number(daily), 21);
    });
}

#[test]
fn a_shift_that_is_worked_no_more_keeps_its_history() {
    let scene = plain();
    week(&scene);
    compute(&scene, &[]);
    let before = stored(&scene);
    scene.database.run(
        "update \"Shift\" set \"isActive\" = false, \"startTime\" = '15:00' where id = 'late'",
    );
    state(&scene, "press", "2025-07-08 12:00Z", "2025-07-08 20:00Z", "PRODUCING");
    let told = compute(&scene, &[]);
    assert_eq!(told["removed"], 0, "{told}");
    let now = stored(&scene);
    assert!(before.iter().filter(|row| now.contains(row)).count() >= 20, "{told}");
    let late = "select count(*) from \"ShiftInstance\" where \"shiftId\" = 'late'";
    assert_eq!(scene.database.number(late), 7);
}

#[test]
fn a_changed_calendar_asks_before_it_removes_much() {
    let scene = plain();
    scene.database.run(
        "insert into equipment_states (\"timestamp\", \"startTime\", \"endTime\", \"equipmentId\", state, \
         \"stateCategory\") values ('2025-01-01 05:00Z', '2025-01-01 05:00Z', '2025-04-25 05:00Z', \
         'press', 'PRODUCING', 'PRODUCTION')",
    );
    compute(&scene, &[]);
    scene.database.run("update \"Shift\" set \"endTime\" = '13:00' where id = 'early'");
    let before = scene.database.digest();
    let words = ["oee", "compute", "--progress", "none"];
    let asked = scene.millstream(&words).ends(2);
    for word in ["results from 2025-01-01 on", "--remake", "--from"] {
        assert!(asked.err.contains(word), "{}", asked.err);
    }
    scene.database.is_still(&before, "a run that asks");
    let told = compute(&scene, &["--from", "2025-04-20"]);
    assert_eq!((&told["removed"], &told["changed"]), (&6.into(), &6.into()), "{told}");
    let told = compute(&scene, &["--remake"]);
    assert_eq!(told["removed"].as_u64(), told["changed"].as_u64(), "{told}");
    assert!(told["removed"].as_u64().unwrap() > 100, "{told}");
}

#[test]
fn who_records_a_shift_while_its_calendar_changes_keeps_it() {
    let scene = plain();
    week(&scene);
    compute(&scene, &[]);
    scene.database.run("update \"Shift\" set \"endTime\" = '13:00' where id = 'early'");
    let early = "\"shiftId\" = 'early' and \"shiftDate\" = '2025-07-02'";
    let url = scene.database.url.clone();
    let recording = std::thread::spawn({
        let record = format!(
            "update \"ShiftInstance\" set \"actualEndTime\" = '2025-07-02 11:30Z' where {early}"
        );
        move || {
            crate::support::database::block_on(async {
                let client = crate::support::database::connect(&url).await.unwrap();
                client.batch_execute(&format!("begin; {record}")).await.unwrap();
                // Until the run waits for this row.
                let waits = "select exists (select from pg_locks where not granted \
                             and transactionid = pg_current_xact_id_if_assigned()::xid)";
                for _ in 0..300 {
                    if client.query_one(waits, &[]).await.unwrap().get(0) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                client.batch_execute("commit").await.unwrap();
            });
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    let told = compute(&scene, &[]);
    recording.join().unwrap();
    assert_eq!(told["shift_instances_removed"], 6, "{told}");
    let sql = "select (\"potSeconds\" / 60)::int from oee_calculations o \
        join \"ShiftInstance\" i on i.id = o.\"shiftInstanceId\" \
        where i.\"actualEndTime\" is not null and i.\"shiftId\" = 'early'"
        .to_string();
    assert_eq!(scene.database.rows(&sql), [["450"]]);
    assert_eq!(stored(&scene).len(), 21);
}

#[test]
fn results_go_with_their_data_but_not_with_its_retention() {
    let scene = plain();
    week(&scene);
    compute(&scene, &[]);
    let all = stored(&scene);
    // Retention takes the oldest: what was computed of it is all that is left.
    scene.database.run(
        "delete from equipment_states where \"timestamp\" < '2025-07-03 06:00Z'; \
         delete from production_counts where \"timestamp\" < '2025-07-03 06:00Z'",
    );
    let after = compute(&scene, &[]);
    assert_eq!((&after["kept"], &after["changed"]), (&1.into(), &0.into()), "{after}");
    assert_eq!(stored(&scene), all);
    let without = ["oee", "compute", "--progress", "none"];
    scene.millstream(&without).env("MILLSTREAM_WITHOUT", "oee_keep").ends(0);
    assert_ne!(stored(&scene), all, "the guard guards nothing");
    // The newest, deleted by a person, were wrong.
    scene.database.run(
        "delete from equipment_states where \"timestamp\" >= '2025-07-06 00:00Z'; \
         delete from production_counts where \"timestamp\" >= '2025-07-06 00:00Z'",
    );
    let deleted = compute(&scene, &[]);
    assert!(deleted["removed"].as_u64().unwrap() >= 5, "{deleted}");
}

#[test]
fn results_without_any_count_follow_their_states() {
    let scene = plain();
    state(&scene, "press", "2025-07-01 04:00Z", "2025-07-01 12:00Z", "PRODUCING");
    state(&scene, "press", "2025-07-01 12:00Z", "2025-07-01 13:00Z", "DOWN");
    compute(&scene, &[]);
    assert!(results(&scene)[1].contains("OPEN_SHIFT"), "{:?}", results(&scene));
    // The shift ends, and of some of it nothing is known: more than of the hour there was.
    state(&scene, "press", "2025-07-01 19:00Z", "2025-07-02 04:00Z", "DOWN");
    let told = compute(&scene, &[]);
    assert_eq!((&told["kept"], &told["changed"]), (&0.into(), &2.into()), "{told}");
    assert!(results(&scene)[1].starts_with("P1 2025-07-01 LATE 30 450"), "{:?}", results(&scene));
    // What a person deletes is gone, and so is what was computed of it.
    scene.database.run("delete from equipment_states where \"timestamp\" >= '2025-07-01 19:00Z'");
    let told = compute(&scene, &[]);
    assert_eq!(told["removed"], 1, "{told}");
    // Counts that begin later than states say nothing about the time before them.
    count(&scene, "press", "2025-07-04 05:00Z", (5, 0), "");
    compute(&scene, &[]);
    scene.database.run("delete from equipment_states where \"timestamp\" = '2025-07-01 12:00Z'");
    let told = compute(&scene, &[]);
    assert_eq!((&told["kept"], &told["changed"]), (&0.into(), &1.into()), "{told}");
    assert!(results(&scene)[1].contains(" 450 0 0 0 0 450 "), "{:?}", results(&scene));
}

#[test]
fn one_shift_that_cannot_be_computed_stops_no_other() {
    let scene = plain();
    week(&scene);
    scene.database.run(
        "insert into \"Product\" (id, code, name, \"standardCycleTime\") \
         values ('odd', 'o', 'Odd', 1.2345678901234567e-22), ('long', 'l', 'Long', 9.87654321012345e15)",
    );
    for product in ["odd", "long"] {
        count(&scene, "press", "2025-07-03 11:00Z", (2_000_000_000, 1), product);
    }
    let run = scene.millstream(&["oee", "compute", "--progress", "none"]).json(1);
    assert_eq!((&run["failed"], &run["changed"]), (&1.into(), &20.into()), "{run}");
    assert_eq!(run["not_computed"][0]["where"], "P1 2025-07-03 EARLY", "{run}");
    // A calendar that cannot be read: its shifts are left as they are, the others are computed.
    let before = scene.database.number("select count(*) from oee_calculations");
    scene.database.run(
        "alter table \"Shift\" drop constraint \"Shift_breakWindows_check\"; \
         update \"Shift\" set \"breakWindows\" = '{\"a\": 1}' where id = 'night'; \
         delete from production_counts where \"productId\" is not null",
    );
    let run = scene.millstream(&["oee", "compute", "--progress", "none"]).json(1);
    let why = run["not_computed"][0]["why"].to_string();
    assert!(why.contains("breakWindows"), "{run}");
    assert_eq!(scene.database.number("select count(*) from oee_calculations"), before + 1);
    scene.database.run("update \"Site\" set timezone = 'Mars/Olympus' where id = 'berlin'");
    let run = scene.millstream(&["oee", "compute", "--progress", "none"]).json(1);
    assert!(run["not_computed"][0]["why"].to_string().contains("Mars/Olympus"), "{run}");
    assert_eq!(scene.database.number("select count(*) from oee_calculations"), before + 1);
}

#[test]
fn odd_values_in_a_persons_columns_stop_one_shift_and_no_run() {
    let scene = plain();
    week(&scene);
    compute(&scene, &[]);
    let before = stored(&scene).len();
    // A table that somebody made by hand has no check.
    scene.database.run("alter table \"Shift\" drop constraint \"Shift_weekDays_check\"");
    let fails = |sql: &str, word: &str| {
        scene.database.run(sql);
        let run = scene.millstream(&["oee", "compute", "--progress", "none"]).json(1);
        assert_eq!(run["failed"], 1, "{sql}: {run}");
        assert!(run["not_computed"].to_string().contains(word), "{sql}: {run}");
        assert_eq!(stored(&scene).len(), before, "{sql}");
    };
    for days in ["{1,null}", "{-32768}", "{0}", "{{1,2},{3,4}}"] {
        let sql = format!("update \"Shift\" set \"weekDays\" = '{days}' where id = 'late'");
        fails(&sql, "weekDays is [");
    }
    fails(
        "update \"Shift\" set \"weekDays\" = null where id = 'late'; update \"ShiftInstance\" set \"actualEndTime\" = 'infinity' \
         where \"shiftId\" = 'late' and \"shiftDate\" = '2025-07-03'",
        "infinite",
    );
    fails(
        "update \"ShiftInstance\" set \"actualEndTime\" = null, \"actualStartTime\" = 'infinity' \
         where \"shiftId\" = 'late' and \"shiftDate\" = '2025-07-03'",
        "infinite",
    );
    // Where infinity is no mistake, or says nothing, nothing changes.
    scene.database.run(
        "update \"ShiftInstance\" set \"actualStartTime\" = '2025-07-03 12:00Z' \
             where \"actualStartTime\" = 'infinity'; \
         update \"Equipment\" set \"lastSeenAt\" = 'infinity', \"currentStateSince\" = '-infinity'; \
         insert into \"Product\" (id, code, name, \"standardCycleTime\") values ('nan', 'n', 'N', 'NaN'); \
         insert into \"ProductionOrder\" (\"orderNumber\", \"workCenterId\", \"productId\", \
             \"plannedQuantity\", \"actualStartTime\", \"actualEndTime\") \
             values ('1', 'line', 'nan', 5, '-infinity', '-infinity'); \
         update oee_calculations set flags = flags || null::text where \"shiftDate\" = '2025-07-02'",
    );
    for at in ["-infinity", "infinity"] {
        count(&scene, "press", at, (1, 0), "");
        state(&scene, "saw", at, "", "DOWN");
    }
    let told = compute(&scene, &[]);
    assert_eq!((&told["changed"], &told["removed"]), (&0.into(), &0.into()), "{told}");
    assert!(told["notes"].to_string().contains("P1: \\\"lastSeenAt\\\" is infinite"), "{told}");
    scene.database.run("update \"ProductionOrder\" set \"actualEndTime\" = 'infinity'");
    let told = compute(&scene, &[]);
    assert!(told["changed"].as_u64().unwrap() > 0, "{told}");
    scene.millstream(&["oee", "show", "--losses"]).ends(0);
    scene.millstream(&["oee", "show", "--explain", "P1", "EARLY@2025-07-02"]).ends(0);
}

#[test]
fn a_run_that_was_killed_is_run_again_to_the_same_rows() {
    let scene = on(Database::timescale());
    week(&scene);
    scene.database.run(
        "insert into equipment_states (\"timestamp\", \"startTime\", \"endTime\", \"equipmentId\", state, \
         \"stateCategory\") select \"timestamp\", \"startTime\", \"endTime\", 'saw', state, \
         \"stateCategory\" from equipment_states",
    );
    for point in ["oee_calendar:1", "oee_slice:1", "oee_slice:2", "oee_slice_done:1"] {
        let tool = scene.millstream(&["oee", "compute", "--lanes", "1", "--progress", "none"]);
        assert!(tool.env("MILLSTREAM_FAILPOINT", point).run().was_killed(), "{point}");
    }
    compute(&scene, &[]);
    let mended = stored(&scene);
    scene.database.run("truncate oee_calculations; delete from \"ShiftInstance\"");
    compute(&scene, &[]);
    assert_eq!(stored(&scene), mended);
    assert_eq!(mended.len(), 42);
}

#[test]
fn one_run_at_a_time_and_it_says_who() {
    let scene = plain();
    week(&scene);
    let held = crate::support::database::block_on(async {
        let client = crate::support::database::connect(&scene.database.url).await.unwrap();
        let sql = "select pg_advisory_lock(hashtextextended('millstream oee', 0))";
        client.execute(sql, &[]).await.unwrap();
        client
    });
    let busy = scene.millstream(&["oee", "compute", "--progress", "none"]).ends(5);
    assert!(busy.err.contains("server process") && busy.err.contains("since"), "{}", busy.err);
    drop(held);
    std::thread::sleep(Duration::from_millis(100));
    compute(&scene, &[]);
}

#[test]
fn a_dry_run_writes_nothing_and_each_shift_has_its_line() {
    let scene = plain();
    week(&scene);
    let before = scene.database.digest();
    let told = compute(&scene, &["--dry-run"]);
    assert_eq!(told["changed"], 21, "{told}");
    scene.database.is_still(&before, "a dry run");
    let run = scene.millstream(&["oee", "compute", "-v", "--progress", "plain"]).ends(0);
    assert!(run.err.contains("P1 2025-07-01 EARLY "), "{}", run.err);
    assert!(run.err.lines().filter(|line| line.ends_with('%')).count() >= 20, "{}", run.err);
}

#[test]
fn levels_are_sums_of_the_ones_below() {
    let scene = plain();
    week(&scene);
    let none = scene.millstream(&["oee", "show"]).ends(0);
    assert!(none.out.contains("No results"), "{}", none.out);
    compute(&scene, &[]);
    let by = |level: &str| scene.millstream(&["oee", "show", "--by", level]).json(0);
    for level in ["shift", "day", "week", "month", "equipment", "workcenter"] {
        let told = by(level);
        let sum = |name: &str| -> f64 {
            told["results"].as_array().unwrap().iter().map(|row| row[name].as_f64().unwrap()).sum()
        };
        let total = &told["total"][0];
        assert_eq!(sum("shifts"), total["shifts"].as_f64().unwrap(), "{level}");
        assert!((sum("pbt_h") - total["pbt_h"].as_f64().unwrap()).abs() < 0.2, "{level}: {told}");
    }
    let expected = scene.database.text(
        "select round((sum(\"idealGoodSeconds\") / sum(\"pbtSeconds\") * 100)::numeric, 1)::float8 \
         from oee_calculations",
    );
    assert_eq!(by("month")["total"][0]["oee_%"].to_string(), expected);
    let files = ["oee", "show", "--by", "day", "--html", "oee.html", "--csv", "oee.csv"];
    scene.millstream(&files).ends(0);
    let page = std::fs::read_to_string(scene.path("oee.html")).unwrap();
    for word in ["From planned to productive time", "Trend by day", "Losses by reason", "JAM"] {
        assert!(page.contains(word), "{word}");
    }
    assert!(!page.contains("http") && !page.contains("<script"), "no outside assets");
    let csv = std::fs::read_to_string(scene.path("oee.csv")).unwrap();
    assert!(csv.starts_with("date,shifts,OEE %") && csv.lines().count() == 8, "{csv}");
}

#[test]
fn an_explanation_holds_everything_the_figures_are_made_of() {
    let scene = plain();
    week(&scene);
    scene.database.run(
        "insert into \"Product\" (id, code, name, \"standardCycleTime\") \
         values ('by-its-id', 'BOLT-8', 'Bolt', 30)",
    );
    count(&scene, "press", "2025-07-03 10:00Z", (3, 0), "by-its-id");
    compute(&scene, &[]);
    let words = ["oee", "show", "--explain", "P1", "EARLY@2025-07-03"];
    let told = scene.millstream(&words).json(0);
    let rows = |name: &str| told[name].as_array().unwrap().clone();
    // With paper: the intervals make the elements, the counts the quantities, and those the OEE.
    let seconds = |element: &str| -> f64 {
        let intervals = rows("intervals");
        let those = intervals.iter().filter(|row| row["element"] == element);
        those.map(|row| row["seconds"].as_f64().unwrap()).sum()
    };
    let element = |name: &str| -> f64 {
        rows("elements").iter().find(|row| row["element"] == name).unwrap()["seconds"]
            .as_f64()
            .unwrap()
    };
    for name in ["PLANNED", "APT", "AUST", "ADET", "ADOT", "UNKNOWN"] {
        assert_eq!(seconds(name), element(name), "{name}");
    }
    let products = rows("counts_by_product");
    assert!(products.iter().any(|row| row["product"] == "BOLT-8"), "{products:?}");
    let pbt = element("POT") - element("PLANNED");
    let good: f64 = rows("counts_by_product")
        .iter()
        .map(|row| row["pri×gq_s"].as_str().unwrap().parse::<f64>().unwrap())
        .sum();
    let oee =
        rows("kpis").iter().find(|row| row["kpi"] == "OEE").unwrap()["value"].as_f64().unwrap();
    assert!((good / pbt - oee).abs() < 1e-6, "{good} / {pbt} is not {oee}");
    let stored = "select round(oee::numeric, 6)::float8 from oee_calculations o \
        join \"ShiftInstance\" i on i.id = o.\"shiftInstanceId\" \
        where i.\"shiftId\" = 'early' and o.\"shiftDate\" = '2025-07-03'";
    assert_eq!(scene.database.text(stored).parse::<f64>().unwrap(), oee);
    // Somebody's hand, and late data, are both seen.
    scene.database.run(
        "update oee_calculations set oee = 0.99 where \"shiftDate\" = '2025-07-03' and \"timestamp\" = \
         '2025-07-03 04:00Z'",
    );
    let forged = scene.millstream(&words).json(4);
    assert_eq!(forged["stored_and_computed"][0]["column"], "oee", "{forged}");
    assert!(forged["notes"].to_string().contains("somebody else"), "{forged}");
    let here = "where \"shiftDate\" = '2025-07-03' and \"timestamp\" = '2025-07-03 04:00Z'";
    for (column, value) in
        [("adotSeconds", "7"), ("teep", "null"), ("setupLoss", "0.5"), ("reworkCount", "3")]
    {
        scene.database.run(&format!("update oee_calculations set \"{column}\" = {value} {here}"));
        let forged = scene.millstream(&words).json(4);
        let columns = forged["stored_and_computed"].to_string();
        assert!(columns.contains(&format!("\"{column}\"")), "{forged}");
    }
    count(&scene, "press", "2025-07-03 11:00Z", (5, 0), "");
    let late = scene.millstream(&words).json(4);
    assert!(late["notes"].to_string().contains("inputs have changed"), "{late}");
    let unknown = scene.millstream(&["oee", "show", "--explain", "P1", "NOON@2025-07-03"]).ends(2);
    assert!(unknown.err.contains("EARLY@2025-07-03"), "{}", unknown.err);
}

#[test]
fn the_rollups_lose_dates_whose_removal_was_killed() {
    let scene = on(Database::timescale());
    if !scene.database.is_community() {
        crate::support::skipped("continuous aggregates need the Community edition");
        return;
    }
    week(&scene);
    compute(&scene, &[]);
    // A Friday.
    scene.database.run("update \"Shift\" set \"weekDays\" = '{1,2,3,4,6,7}'");
    let tool = scene.millstream(&["oee", "compute", "--progress", "none"]);
    assert!(tool.env("MILLSTREAM_FAILPOINT", "oee_calendar:1").run().was_killed());
    let friday = "select count(*) from oee_daily_workcenter where bucket = '2025-07-04'";
    assert_eq!(scene.database.number(friday), 1, "nothing is left over");
    compute(&scene, &[]);
    assert_eq!(scene.database.number(friday), 0);
    let hours = "select count(*) from oee_hourly where \"shiftDate\" = '2025-07-04'";
    assert_eq!(scene.database.number(hours), 0);
    let days = "select count(*) from oee_daily_workcenter";
    assert_eq!(scene.database.number(days), 6);
}

#[test]
fn the_rollups_keep_dates_whose_rows_are_gone() {
    let scene = on(Database::timescale());
    if !scene.database.is_community() {
        crate::support::skipped("continuous aggregates need the Community edition");
        return;
    }
    week(&scene);
    compute(&scene, &[]);
    // Rows, and what they were computed from, in the order in which retention takes them.
    scene.database.run(
        "select drop_chunks('oee_calculations', date '2025-07-03'); \
         delete from equipment_states where \"timestamp\" < '2025-07-03 06:00Z'; \
         delete from production_counts where \"timestamp\" < '2025-07-03 06:00Z'",
    );
    count(&scene, "press", "2025-07-06 11:00Z", (5, 0), "");
    let told = compute(&scene, &[]);
    assert!(told["changed"].as_u64().unwrap() >= 1, "{told}");
    assert_eq!(
        scene.database.text("select min(\"shiftDate\") from oee_calculations"),
        "2025-07-03"
    );
    let days = "select count(*) from oee_daily_workcenter where \"shiftCount\" > 0";
    assert_eq!(scene.database.number(days), 7);
    let late = "select \"goodProduced\" from oee_daily_workcenter where bucket = '2025-07-06'";
    let sum =
        "select sum(\"goodProduced\") from oee_calculations where \"shiftDate\" = '2025-07-06'";
    assert_eq!(scene.database.text(late), scene.database.text(sum));
}

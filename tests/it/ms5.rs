//! The nine files of `ms5`: tables are the original's, and every function and view does what its name
//! says. Each is asked with data that a wrong answer would show in.

use crate::support::server::Server;
use crate::support::{Database, Scene, environment};

const BAGGER: &str = "BP01.PACK.BAG1";
const LINE: &str = "(select id from factory_telemetry.production_lines where line_code = 'L-BAG1')";
const ADMIN: &str = "(select id from factory_telemetry.users where username = 'admin')";

/// The set, applied.
fn applied(database: Database) -> Scene {
    let scene = Scene::with(database, "");
    scene.millstream(&["migrate", "up", "--set", "ms5"]).ends(0);
    scene
}

/// Applied to plain PostgreSQL, which shows all that does not depend on the extension.
fn plain() -> Database {
    applied(Database::plain()).database
}

/// What a query answers: `|` between values, a line a row.
#[track_caller]
fn says(database: &Database, sql: &str, expected: &str) {
    let sql = sql.replace("$line", LINE).replace("$admin", ADMIN).replace("$bagger", BAGGER);
    let rows = database.rows(&sql);
    let rows: Vec<String> = rows.iter().map(|row| row.join("|")).collect();
    let lines: Vec<&str> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(rows, lines, "{sql}");
}

fn run(database: &Database, sql: &str) {
    database.run(
        &sql.replace("$line", LINE)
            .replace("$admin", ADMIN)
            .replace("$bagger", BAGGER)
            .replace("ft.", "factory_telemetry."),
    );
}

#[test]
fn tables_and_columns_are_those_of_the_original_on_every_edition() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ms5-columns.json");
    let expected: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(expected.as_object().unwrap().len(), 49);
    for database in [Database::plain(), Database::timescale()] {
        let database = applied(database).database;
        let found = database.text(
            "select json_object_agg(relname, columns) from (
                 select c.relname, json_agg(json_build_array(a.attname,
                     format_type(a.atttypid, a.atttypmod), a.attnotnull,
                     pg_get_expr(d.adbin, d.adrelid)) order by a.attnum) as columns
                 from pg_class c
                 join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                 left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
                 where c.relnamespace = 'factory_telemetry'::regnamespace and c.relkind = 'r'
                 group by c.relname) t",
        );
        let found: serde_json::Value = serde_json::from_str(&found).unwrap();
        for (table, columns) in expected.as_object().unwrap() {
            assert_eq!(&found[table], columns, "{table}");
        }
        assert_eq!(found.as_object().unwrap().len(), 49, "tables that nobody asked for");
    }
}

#[test]
fn the_log_has_the_nine_names_and_running_again_changes_nothing() {
    for database in [Database::plain(), Database::timescale()] {
        let scene = applied(database);
        let names = "select migration_name from migration_log
                     where migration_set = 'ms5' and status = 'applied' order by id";
        let nine = "001 - Initialize Telemetry
            002 - PLC Equipment Management
            003 - Production Management
            004 - Advanced Production Features
            005 - Andon Escalation System
            006 - Report System
            007 - PLC Integration Phase 1
            008 - Fix Critical Schema Issues
            009 - Database Optimization";
        says(&scene.database, names, nine);
        let ours = "select jsonb_object_agg(tablename, (xpath('/row/n/text()', query_to_xml(format(
            'select count(*) as n from factory_telemetry.%I', tablename), true, true,
                '')))[1]::text)
            from pg_tables where schemaname = 'factory_telemetry'";
        let before = scene.database.text(ours);
        let again = scene.millstream(&["migrate", "up", "--set", "ms5"]).ends(0);
        assert!(again.err.contains("nothing to do"), "{}", again.err);
        // What the plant has changed since stays.
        let moved =
            "update factory_telemetry.equipment_config set target_speed = 90, location = 'Hall 2'";
        scene.database.run(moved);
        scene.millstream(&["migrate", "up", "--set", "ms5", "--force"]).ends(0);
        assert_eq!(scene.database.text(ours), before, "rows doubled or lost");
        let kept = "select distinct target_speed, location from factory_telemetry.equipment_config";
        says(&scene.database, kept, "90|Hall 2");
    }
}

#[test]
fn seed_rows_are_there_and_nobody_can_log_in_as_admin() {
    let database = plain();
    says(
        &database,
        "select name, ip_address, plc_type, port, poll_interval_s
        from factory_telemetry.plc_config order by 1",
        "Bagger 1 PLC|16.191.1.131|LOGIX|44818|1
         Basket Loader 1 PLC|16.191.1.140|SLC|44818|1",
    );
    says(
        &database,
        "select e.equipment_code, p.name, l.line_code, e.criticality_level, m.position_in_line
        from factory_telemetry.equipment_config e
        join factory_telemetry.plc_config p on p.id = e.plc_id
        join factory_telemetry.production_lines l on l.id = e.production_line_id
        join factory_telemetry.equipment_line_mapping m using (equipment_code) order by 1",
        "BP01.PACK.BAG1|Bagger 1 PLC|L-BAG1|4|1
         BP01.PACK.BAG1.BL|Basket Loader 1 PLC|L-BAG1|4|2",
    );
    says(
        &database,
        "select username, role, password_hash from factory_telemetry.users",
        "admin|admin|!",
    );
    says(
        &database,
        "select product_code, target_speed, cycle_time_seconds
        from factory_telemetry.product_types order by 1",
        "PROD-001|100|0.6
         PROD-002|80|0.75
         PROD-003|60|1",
    );
    says(
        &database,
        "select name, start_time, end_time from factory_telemetry.production_shifts order by 2",
        "Day Shift|06:00:00|14:00:00
         Afternoon Shift|14:00:00|22:00:00
         Night Shift|22:00:00|06:00:00",
    );
    says(
        &database,
        "select (select jsonb_array_length(checklist_items)
        from factory_telemetry.checklist_templates),
        (select string_agg(code, ' ' order by code) from factory_telemetry.defect_codes),
        (select string_agg(priority || delay_minutes, ' ' order by delay_minutes)
         from factory_telemetry.andon_escalation_rules where escalation_level = 2),
        (select count(*) from factory_telemetry.andon_escalation_rules),
        (select count(*) from factory_telemetry.andon_escalation_recipients),
        (select count(*) from factory_telemetry.report_categories)",
        "6|DIM-001 DIM-002 FUN-001 FUN-002 PAC-001 PAC-002 VIS-001 VIS-002|critical2 high5 medium10 low15|8|5|6",
    );
    says(
        &database,
        "select p.role, t.template_type, jsonb_array_length(t.sections), can_generate, can_view,
            can_edit, can_delete, can_schedule
        from factory_telemetry.report_permissions p join factory_telemetry.report_templates t
            on t.id = p.template_id where t.template_type = 'downtime' order by 1",
        "admin|downtime|6|t|t|t|t|t
         engineer|downtime|6|t|t|f|f|f
         operator|downtime|6|f|t|f|f|f
         production_manager|downtime|6|t|t|t|f|t
         shift_manager|downtime|6|t|t|f|f|t",
    );
    assert_eq!(database.number("select count(*) from factory_telemetry.report_permissions"), 15);
}

#[test]
fn the_five_hypertables_are_there_and_metric_hist_has_no_keys() {
    let database = applied(Database::timescale()).database;
    says(
        &database,
        "select d.hypertable_name, d.column_name, d.time_interval
        from timescaledb_information.dimensions d where d.hypertable_schema = 'factory_telemetry'
        order by 1",
        "energy_consumption|consumption_time|1 day
         metric_hist|ts|01:00:00
         oee_calculations|calculation_time|1 day
         production_context_history|changed_at|1 day
         production_kpis|created_at|1 day",
    );
    says(
        &database,
        "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint
        where contype in ('p', 'u') and conrelid in (select format('%I.%I', hypertable_schema,
            hypertable_name)::regclass from timescaledb_information.hypertables) order by 1",
        "factory_telemetry.energy_consumption|PRIMARY KEY (id, consumption_time)
         factory_telemetry.oee_calculations|PRIMARY KEY (id, calculation_time)
         factory_telemetry.production_context_history|PRIMARY KEY (id, changed_at)
         factory_telemetry.production_kpis|PRIMARY KEY (id, created_at)",
    );
    says(
        &database,
        "select substr(indexdef, position('USING' in indexdef)) from pg_indexes
        where schemaname = 'factory_telemetry' and tablename = 'metric_hist' order by indexname",
        "USING btree (metric_def_id, ts DESC)
         USING btree (ts DESC)",
    );
    // An index whose columns another one begins with is a write for nothing.
    says(
        &database,
        "select a.indexrelid::regclass from pg_index a
        join pg_index b on b.indrelid = a.indrelid and b.indexrelid <> a.indexrelid
        join pg_class c on c.oid = a.indrelid and c.relnamespace = 'factory_telemetry'::regnamespace
        where a.indpred is null and b.indpred is null and not a.indisunique
          and (string_to_array(b.indkey::text,
          ' '))[1:a.indnkeyatts] = string_to_array(a.indkey::text, ' ')",
        "",
    );
    // Two rows of the same instant, of metrics that are not defined: nothing stands in the way.
    run(
        &database,
        "insert into ft.metric_hist (metric_def_id, ts, value_real)
        select gen_random_uuid(), now(), 100.0 from generate_series(1, 2)",
    );
    assert_eq!(
        database.number(
            "select num_chunks from timescaledb_information.hypertables
        where hypertable_name = 'metric_hist'"
        ),
        1
    );
}

#[test]
fn the_community_edition_compresses_and_forgets() {
    let url = environment("MILLSTREAM_TEST_DATABASE_URL");
    let database = Database::timescale();
    if !database.is_community() {
        crate::support::skipped(&format!(
            "compression and policies of ms5: {url} is not the Community edition"
        ));
        return;
    }
    let scene = applied(database);
    let policies = "select j.hypertable_name, string_agg(coalesce(j.config ->> 'compress_after',
            j.config ->> 'drop_after') || '/' || j.schedule_interval, ' ' order by proc_name),
            (select string_agg(attname || coalesce(' ' || (segmentby_column_index)::text, '') ||
                case when orderby_asc then ' asc' when not orderby_asc then ' desc' else '' end, ' '
                order by segmentby_column_index, orderby_column_index)
             from timescaledb_information.compression_settings s
             where s.hypertable_name = j.hypertable_name)
        from timescaledb_information.jobs j where j.hypertable_schema = 'factory_telemetry'
        group by 1 order by 1";
    let expected = "energy_consumption|14 days/12:00:00 365 days/1 day|equipment_code 1 consumption_time desc
        metric_hist|7 days/12:00:00 90 days/1 day|metric_def_id 1 ts desc
        oee_calculations|7 days/12:00:00 365 days/1 day|line_id 1 equipment_code 2 calculation_time desc
        production_context_history|30 days/12:00:00 730 days/1 day|equipment_code 1 changed_at desc
        production_kpis|7 days/12:00:00 365 days/1 day|line_id 1 created_at desc";
    says(&scene.database, policies, expected);
    run(
        &scene.database,
        "insert into ft.metric_hist (metric_def_id, ts, value_int)
        select '00000000-0000-0000-0000-000000000001', now() - d * interval '1 day', d
        from generate_series(0, 100) d",
    );
    let jobs = "select job_id from timescaledb_information.jobs
        where hypertable_name = 'metric_hist' order by 1";
    for job in scene.database.rows(jobs) {
        scene.database.run(&format!("call run_job({})", job[0]));
    }
    says(
        &scene.database,
        "select count(*) filter (where is_compressed) > 80,
            min(range_start) > now() - interval '91 days'
        from timescaledb_information.chunks where hypertable_name = 'metric_hist'",
        "t|t",
    );
    // The set runs again over what is compressed.
    scene.millstream(&["migrate", "up", "--set", "ms5", "--force"]).ends(0);
    says(&scene.database, policies, expected);
}

#[test]
fn keys_of_the_original_are_replaced_and_rows_without_a_time_are_refused() {
    let scene = applied(Database::plain());
    run(&scene.database, "alter table ft.production_kpis drop constraint production_kpis_pkey,
            alter created_at drop not null, add primary key (id);
        alter table ft.production_context_history drop constraint production_context_history_pkey,
            alter changed_at drop not null, add primary key (id);
        alter table ft.metric_hist add primary key (id),
            add constraint metric_hist_metric_def_id_fkey foreign key (metric_def_id) references ft.metric_def;
        alter table ft.users drop constraint users_role_check,
            add constraint users_role_check check (role in ('admin', 'operator', 'viewer'));
        insert into ft.production_kpis (kpi_date, created_at) values ('2026-03-01', null);
        insert into ft.production_context_history (equipment_code, context_data, changed_at)
            values ('$bagger', '{\"updated_at\": \"2026-03-02T05:00:00Z\"}', null)");
    let again = || scene.millstream(&["migrate", "up", "--set", "ms5", "--force"]);
    let refused = again().ends(1).err;
    assert!(refused.contains("004_advanced") && refused.contains("null values"), "{refused}");
    // The set counts as applied all the same, and the next run goes on.
    let status = scene.millstream(&["migrate", "status", "--set", "ms5"]).json(0);
    assert_eq!(status["migrations"][3]["state"], "applied", "{status:#}");
    run(
        &scene.database,
        "update ft.production_kpis set created_at = '2026-03-01T00:00Z';
        update ft.production_context_history set changed_at = '2026-03-02T05:00Z'",
    );
    again().ends(0);
    says(
        &scene.database,
        "select k.created_at = '2026-03-01T00:00Z',
            h.changed_at = '2026-03-02T05:00Z',
            (select string_agg(pg_get_constraintdef(oid), ' ' order by conrelid::regclass::text)
             from pg_constraint where contype = 'p' and conrelid in (
                'factory_telemetry.production_kpis'::regclass,
                    'factory_telemetry.metric_hist'::regclass,
                'factory_telemetry.production_context_history'::regclass))
        from factory_telemetry.production_kpis k, factory_telemetry.production_context_history h",
        "t|t|PRIMARY KEY (id, changed_at) PRIMARY KEY (id, created_at)",
    );
    run(
        &scene.database,
        "insert into ft.users (username, email, password_hash, role)
        values ('q', 'q@example.invalid', '!', 'quality')",
    );
}

#[test]
fn lists_admit_what_the_system_writes_and_nothing_else() {
    let database = plain();
    run(
        &database,
        "insert into ft.job_assignments (status) values ('paused');
        insert into ft.downtime_events (equipment_code, start_time, reason_code, category)
            values ('X', now(), 'MAT_JAM', 'material');
        insert into ft.andon_events (equipment_code, event_type, priority, description)
            values ('X', 'safety', 'high', 'guard'), ('X', 'changeover', 'low', 'next product');
        insert into ft.equipment_config (equipment_code, name, equipment_type)
            values ('X', 'X', 'safety')",
    );
    for wrong in [
        "insert into factory_telemetry.job_assignments (status) values ('parked')",
        "insert into factory_telemetry.equipment_config (equipment_code, name, criticality_level)
             values ('Y', 'Y', 6)",
        "insert into factory_telemetry.users (username, email, password_hash, role)
             values ('x', 'x@example.invalid', '!', 'root')",
        "insert into factory_telemetry.fault_catalog (equipment_code, bit_index, name, marker)
             values ('X', 64, 'x', 'INTERNAL')",
    ] {
        let refused = database.try_run(wrong).expect_err(wrong);
        assert_eq!(refused.code().unwrap().code(), "23514", "{wrong}");
    }
}

#[test]
fn views_of_telemetry_show_the_value_that_is_set_and_the_faults_that_stand() {
    let database = plain();
    run(
        &database,
        r#"insert into ft.metric_def (equipment_code, metric_key, value_type, description)
            values ('$bagger', 'running_status', 'BOOL', ''), ('$bagger', 'speed_real', 'REAL', ''),
                   ('$bagger', 'product_count', 'INT', ''), ('$bagger', 'stop_reason', 'TEXT', ''),
                   ('$bagger', 'active_alarms', 'JSON', ''), ('$bagger', 'oee', 'REAL', '');
        insert into ft.metric_latest
        select id, '2026-03-01T06:00Z', case metric_key when 'running_status' then true end,
               case metric_key when 'product_count' then 12 end,
               case metric_key when 'speed_real' then 99.5 end,
               case metric_key when 'stop_reason' then 'jam' end,
               case metric_key when 'active_alarms' then '["Jam"]'::jsonb end
        from ft.metric_def where metric_key <> 'oee';
        insert into ft.fault_catalog (equipment_code, bit_index, name, description, marker)
            values ('$bagger', 3, 'Jam', 'Bag is stuck', 'INTERNAL');
        insert into ft.fault_active values ('$bagger', 3, now(), true), ('$bagger', 4, now(), true),
            ('$bagger', 5, now(), false)"#,
    );
    says(
        &database,
        "select equipment_code, metric_key, value, ts = '2026-03-01T06:00Z'
        from v_equipment_latest order by metric_key",
        "BP01.PACK.BAG1|active_alarms|[\"Jam\"]|t
         BP01.PACK.BAG1|product_count|12|t
         BP01.PACK.BAG1|running_status|true|t
         BP01.PACK.BAG1|speed_real|99.5|t
         BP01.PACK.BAG1|stop_reason|jam|t",
    );
    says(
        &database,
        "select bit_index, name, description, marker from v_faults_active order by 1",
        "3|Jam|Bag is stuck|INTERNAL
         4|||",
    );
}

#[test]
fn views_of_production_show_jobs_stops_and_ratings() {
    let database = plain();
    run(
        &database,
        "insert into ft.production_schedules (line_id, product_type_id, scheduled_start,
            scheduled_end, target_quantity)
        select $line, id, '2026-03-01T06:00Z', '2026-03-01T14:00Z', 40000 from ft.product_types
        where product_code = 'PROD-001';
        insert into ft.job_assignments (schedule_id, user_id, status)
        select id, $admin, 'accepted' from ft.production_schedules;
        insert into ft.downtime_events (line_id, equipment_code, start_time, end_time,
            duration_seconds,
            reason_code, category, reported_by)
        values ($line, '$bagger', '2026-03-01T07:00Z', '2026-03-01T07:01:30Z', null, 'MAT_JAM',
                'material', $admin),
               (null, 'LOOSE', '2026-03-01T08:00Z', '2026-03-01T08:10Z', 540, 'CLEANING',
                   'planned', null),
               ($line, '$bagger', '2026-03-01T09:00Z', null, null, 'UNKNOWN', null, null);
        insert into ft.oee_calculations (line_id, equipment_code, calculation_time, availability,
            performance, quality, oee)
        select $line, '$bagger', '2026-03-01T06:00Z'::timestamptz + place * interval '1 hour', 1,
            1, 1, rate
        from unnest('{0.85,0.849,0.7,0.5,0.49}'::real[]) with ordinality as given (rate, place)",
    );
    says(
        &database,
        "select line_code, schedule_status, product_code, cycle_time_seconds, job_status, username
        from v_production_dashboard",
        "L-BAG1|scheduled|PROD-001|0.6|accepted|admin",
    );
    says(
        &database,
        "select line_code, equipment_code, duration_seconds, round(duration_minutes,
            1), reported_by
        from v_downtime_summary",
        "|LOOSE|540|9.0|
         L-BAG1|BP01.PACK.BAG1|90|1.5|admin",
    );
    says(
        &database,
        "select line_code, oee, oee_rating from v_oee_summary order by oee desc",
        "L-BAG1|0.85|Excellent
         L-BAG1|0.849|Good
         L-BAG1|0.7|Good
         L-BAG1|0.5|Fair
         L-BAG1|0.49|Poor",
    );
}

#[test]
fn views_of_quality_maintenance_and_figures_divide_safely() {
    let database = plain();
    run(
        &database,
        "insert into ft.production_kpis (line_id, kpi_date, shift_id, oee,
            total_production)
        select $line, '2026-03-01', id, 0.61, 9000 from ft.production_shifts
        where name = 'Day Shift';
        insert into ft.production_kpis (kpi_date, oee) values ('2026-02-28', null);
        insert into ft.maintenance_work_orders (work_order_number, equipment_code, title, priority,
            work_type, assigned_to)
        values ('WO-1', '$bagger', 'Blade', 'high', 'preventive', $admin), ('WO-2', 'X', 'Oil',
        'low',
            'corrective', null);
        insert into ft.maintenance_tasks (work_order_id, task_name, task_order, status)
        select id, 'step', place, case when place < 3 then 'completed' else 'pending' end
        from ft.maintenance_work_orders, generate_series(1, 3) place
        where work_order_number = 'WO-1';
        insert into ft.quality_checks (line_id, product_type_id, check_time, check_type,
            check_result,
            quantity_checked, quantity_passed, quantity_failed, defect_codes, checked_by)
        select $line, id, now(), 'final', 'pass', 3, 1, 2, '{DIM-001,VIS-002}', $admin
        from ft.product_types where product_code = 'PROD-002';
        insert into ft.quality_checks (check_time, check_type, check_result, quantity_checked,
            quantity_passed, quantity_failed) values (now() - interval '1 day', 'audit', 'pass',
                0, 0, 0)",
    );
    says(
        &database,
        "select line_code, kpi_date, shift_name, oee, total_production
        from v_production_performance",
        "L-BAG1|2026-03-01|Day Shift|0.61|9000
         |2026-02-28|||",
    );
    says(
        &database,
        "select work_order_number, assigned_to, total_tasks, completed_tasks
        from v_maintenance_overview order by 1",
        "WO-1|admin|3|2
         WO-2||0|0",
    );
    says(
        &database,
        "select line_code, product_code, pass_rate_percent, defect_codes, checked_by
        from v_quality_summary",
        "L-BAG1|PROD-002|33.33|{DIM-001,VIS-002}|admin
         ||||",
    );
}

/// Minutes since each escalation was made, and since its level was reached.
const ESCALATIONS: &str =
    "insert into ft.andon_events (line_id, equipment_code, event_type, priority,
            description,
            status, reported_by)
        select $line, '$bagger', 'stop', priority, name, event_status, $admin
        from (values ('due', 'critical', 'open'), ('early', 'low', 'open'), ('seen', 'high',
        'acknowledged'),
            ('slow', 'medium', 'acknowledged'), ('last', 'critical', 'open'), ('over', 'critical',
                'resolved')
        ) given (name, priority, event_status);
        insert into ft.andon_escalations (event_id, priority, status, escalation_level, created_at,
            acknowledged_at, escalated_at)
        select e.id, e.priority, given.status, level, now() - made * interval '1 minute',
            case when seen then now() - interval '5 minutes' end,
                now() - since * interval '1 minute'
        from (values ('due', 'active', 1, 3, false, null), ('early', 'active', 1, 14, false, null),
            ('seen', 'acknowledged', 1, 59, true, null), ('slow', 'acknowledged', 1, 61, true,
                null),
            ('last', 'escalated', 2, 20, false, 18), ('over', 'active', 1, 90, false, null)
        ) given (name, status, level, made, seen, since)
        join ft.andon_events e on e.description = given.name";

/// One that was resolved after half an hour, and one acknowledged after four minutes.
const RESOLVED: &str = "delete from ft.andon_events where description not in ('due', 'last');
        update ft.andon_escalations a set created_at = current_date,
            resolved_at = current_date + interval '30 minutes',
            acknowledged_at = current_date + interval '10 minutes', status = 'resolved'
        from ft.andon_events e where e.id = a.event_id and e.description = 'due';
        update ft.andon_escalations a set created_at = current_date,
            acknowledged_at = current_date + interval '4 minutes'
        from ft.andon_events e where e.id = a.event_id and e.description = 'last'";

#[test]
fn andon_events_climb_by_their_rules_and_time_out_once() {
    let database = plain();
    run(&database, ESCALATIONS);
    let step = || database.run("select factory_telemetry.auto_escalate_andon_events()");
    let standing = "select e.description, a.status, a.escalation_level, e.escalation_level,
        e.escalation_status,
            (select string_agg(h.action || coalesce(' ' || h.notification_method, ''), ', '
                 order by h.performed_at) from factory_telemetry.andon_escalation_history h
             where h.escalation_id = a.id), a.escalation_recipients
        from factory_telemetry.andon_escalations a
        join factory_telemetry.andon_events e on e.id = a.event_id
        order by 1";
    let after = "due|escalated|2|2|escalated|escalated auto|{all_managers,admin}
        early|active|1|0|none||{}
        last|escalated|2|2|timeout|timeout|{}
        over|active|1|0|none||{}
        seen|acknowledged|1|0|none||{}
        slow|acknowledged|2|2|escalated|escalated auto|{admin}";
    step();
    says(&database, standing, after);
    step();
    says(&database, standing, after);
    // Another level makes what had timed out climb on; a disabled one does not.
    run(
        &database,
        "insert into ft.andon_escalation_rules (priority, escalation_level, delay_minutes,
            recipients, enabled)
        values ('critical', 3, 5, '{engineer}', true), ('low', 2, 0, '{engineer}', false)",
    );
    step();
    says(
        &database,
        &standing
            .replace("order by 1", "where e.description in ('due', 'last', 'early') order by 1"),
        "due|escalated|2|2|escalated|escalated auto|{all_managers,admin}
         early|active|1|0|none||{}
         last|escalated|3|3|escalated|timeout, escalated auto|{engineer}",
    );
    says(
        &database,
        "select event_description, line_code, escalation_status, reported_by_username,
            round(acknowledgment_time_remaining_minutes), round(resolution_time_remaining_minutes)
        from v_active_andon_escalations where event_description <> 'over'",
        "last|L-BAG1|escalated|admin|0|40
         due|L-BAG1|escalated|admin|12|57
         seen|L-BAG1|acknowledged|admin||1
         slow|L-BAG1|acknowledged|admin||0
         early|L-BAG1|active|admin|1|46",
    );
    run(&database, RESOLVED);
    says(
        &database,
        "select date = current_date, priority, total_escalations, resolved_escalations,
            escalated_escalations, active_escalations, round(avg_acknowledgment_time_minutes),
            round(avg_resolution_time_minutes), max_escalation_level_reached
        from v_andon_escalation_statistics",
        "t|critical|2|1|1|0|7|30|3",
    );
}

#[test]
fn recipients_come_in_the_order_asked_for_without_the_disabled() {
    let database = plain();
    run(
        &database,
        "update ft.andon_escalation_recipients set enabled = false
        where role = 'all_managers';
        update ft.andon_escalation_recipients set email = 'on.duty@example.invalid'
        where role = 'engineer'",
    );
    says(
        &database,
        "select role, name, email, sms_enabled, email_enabled from
        factory_telemetry.get_escalation_recipients('{engineer,all_managers,nobody,admin}')",
        "engineer|Maintenance Engineer|on.duty@example.invalid|t|t
         admin|System Administrator||t|t",
    );
}

/// Jobs and reports of every age and end.
const REPORTS: &str = "insert into ft.report_generation_jobs (report_type, status, priority,
            created_at, started_at,
            completed_at, created_by, template_id)
        select kind, status, place, now() - age, now() - age, now() - age + took, $admin, t.id
        from (values (1, 'old', 'completed', interval '2 years', interval '1 minute'),
                     (2, 'kept', 'completed', interval '2 years', interval '1 minute'),
                     (3, 'idle', 'pending', interval '9 days', null),
                     (4, 'busy', 'processing', interval '1 minute', null),
                     (5, 'quick', 'completed', interval '4 minutes', interval '2 minutes'),
                     (6, 'long', 'completed', interval '4 minutes', interval '4 minutes'),
                     (7, 'bad', 'failed', interval '1 minute', interval '0')
             ) given (place, kind, status, age, took)
        join ft.report_templates t on t.template_type = 'oee';
        insert into ft.production_reports (report_date, shift, generated_at, file_size, status,
            download_count,
            generation_job_id)
        values ('2024-01-01', 'unread', now() - interval '2 years', 100, 'completed', 0,
                (select id from ft.report_generation_jobs where report_type = 'old')),
               ('2024-01-01', 'read', now() - interval '2 years', 300, 'completed', 2,
                (select id from ft.report_generation_jobs where report_type = 'kept')),
               (current_date, 'new', now(), 500, 'completed', null, null),
               (current_date, 'gone', now(), 9000, 'deleted', 0, null),
               (current_date, 'broken', now(), null, 'failed', 0, null);
        insert into ft.report_schedules (name, schedule_cron) values ('daily', '0 6 * * *');
        insert into ft.report_schedule_runs (schedule_id, generation_job_id, report_id)
        select s.id, j.id, r.id from ft.report_schedules s, ft.report_generation_jobs j,
            ft.production_reports r
        where j.report_type = 'old' and r.shift = 'unread';
        insert into ft.report_access_logs (report_id, action, accessed_at)
        select id, action, now() - ago from ft.production_reports,
            (values ('downloaded', interval '2 hours'), ('downloaded', '3 hours'), ('viewed',
                '1 hour')
            ) given (action, ago) where shift = 'new'";

#[test]
fn reports_are_counted_queued_and_cleaned_up() {
    let database = plain();
    run(&database, REPORTS);
    says(
        &database,
        "select download_count, now() - last_downloaded_at between '2 hours' and '150 minutes'
        from factory_telemetry.production_reports where shift = 'new'",
        "2|t",
    );
    says(
        &database,
        "select report_type, template_name, status, created_by_username, report_id is not null
        from factory_telemetry.report_generation_status where priority < 4",
        "idle|OEE Analysis Report|pending|admin|f
         kept|OEE Analysis Report|completed|admin|t
         old|OEE Analysis Report|completed|admin|t",
    );
    says(
        &database,
        "select total_reports, reports_today, total_storage_used,
            round(average_file_size),
            completed_reports, failed_reports, generating_reports
        from factory_telemetry.report_statistics",
        "5|3|900|300|3|1|0",
    );
    says(
        &database,
        "select pending_jobs, processing_jobs, average_generation_time
        from factory_telemetry.get_report_queue_status()",
        "1|1|00:03:00",
    );
    // Near midnight some of these ended yesterday: as many as the table itself says.
    says(
        &database,
        "select q.completed_today = count(j) filter (where j.status = 'completed'),
            q.failed_today = count(j) filter (where j.status = 'failed'), count(j) > 0
        from factory_telemetry.get_report_queue_status() q
        left join factory_telemetry.report_generation_jobs j on j.completed_at >= current_date
        group by q.completed_today, q.failed_today",
        if database.text("select now() - current_date > interval '5 minutes'") == "t" {
            "t|t|t"
        } else {
            "t|t|f"
        },
    );
    run(
        &database,
        "update ft.report_access_logs set accessed_at = now() - interval '7 months'
        where action = 'viewed'",
    );
    says(&database, "select factory_telemetry.cleanup_old_reports()", "1");
    says(
        &database,
        "select (select string_agg(shift, ' ' order by shift)
        from factory_telemetry.production_reports),
            (select string_agg(report_type, ' ' order by report_type)
        from factory_telemetry.report_generation_jobs),
            (select count(*) from factory_telemetry.report_access_logs),
            (select count(*) from factory_telemetry.report_schedule_runs where report_id is null
                 and generation_job_id is null)",
        "broken gone new read|bad busy idle kept long quick|2|1",
    );
}

/// Two schedules with three jobs.
const SCHEDULES: &str =
    "insert into ft.production_schedules (line_id, scheduled_start, scheduled_end,
            target_quantity,
            status) select $line, now(), now(), 1, 'in_progress' from generate_series(1, 2);
        insert into ft.job_assignments (schedule_id, status)
        select id, unnest('{in_progress,completed,assigned}'::text[])
        from ft.production_schedules limit 5";

#[test]
fn a_context_keeps_what_is_not_passed_and_its_history_grows() {
    let database = plain();
    run(
        &database,
        "select ft.update_equipment_production_context('$bagger',
            p_production_line_id => $line,
        p_target_quantity => 500, p_current_operator => 'anna', p_planned_stop => true,
        p_planned_stop_reason => 'cleaning', p_change_reason => 'shift start',
        p_shift_id => (select id from ft.production_shifts where name = 'Night Shift'),
        p_current_product_type_id => (select id from ft.product_types
        where product_code = 'PROD-001'))",
    );
    run(
        &database,
        "select ft.update_equipment_production_context('$bagger', p_actual_quantity => 20)",
    );
    says(
        &database,
        "select line_code, line_name, product_code, shift_name, target_quantity, actual_quantity,
            current_operator, planned_stop, planned_stop_reason, changeover_status
        from factory_telemetry.get_equipment_production_context('$bagger')",
        "L-BAG1|Bagger Line 1|PROD-001|Night Shift|500|20|anna|t|cleaning|none",
    );
    says(
        &database,
        "select change_reason, context_data ->> 'actual_quantity',
            context_data ->> 'current_operator'
        from factory_telemetry.production_context_history order by id",
        "shift start|0|anna
         system_update|20|anna",
    );
    says(
        &database,
        "select * from factory_telemetry.get_equipment_production_context('NOBODY')",
        "",
    );
    says(
        &database,
        "select line_code, product_code, current_operator, actual_quantity,
            planned_stop,
            ideal_cycle_time, job_status from v_equipment_production_status
        order by equipment_code",
        "L-BAG1|PROD-001|anna|20|t|1|
         L-BAG1|||||1|",
    );
    says(
        &database,
        "select line_code, total_equipment, active_equipment, production_equipment,
            critical_equipment,
            avg_equipment_speed, equipment_codes from v_production_line_equipment",
        "L-BAG1|2|2|2|2|100|BP01.PACK.BAG1, BP01.PACK.BAG1.BL",
    );
    // Two schedules with three jobs do not multiply the machines.
    run(&database, SCHEDULES);
    let status = "select total_equipment, active_equipment, running_equipment, stopped_equipment,
        active_schedules, active_jobs, running_jobs from v_production_line_status";
    says(&database, status, "2|2|0|1|2|3|2");
    run(
        &database,
        "insert into ft.metric_def (equipment_code, metric_key, value_type, description)
            values ('$bagger', 'running_status', 'BOOL', '');
        insert into ft.metric_latest (metric_def_id, ts, value_bool) select id, now(), true
        from ft.metric_def",
    );
    says(&database, status, "2|2|1|0|2|3|2");
}

/// A line with calculations (two complete, one older, one without parts), stops and schedules.
const WEEK: &str = "insert into ft.oee_calculations (line_id, equipment_code, calculation_time,
    availability,
        performance, quality, oee, planned_production_time, actual_production_time,
            ideal_cycle_time,
        good_parts, total_parts)
    select $line, '$bagger', now() - ago, 0.1, 0.1, 0.1, 0.1, planned, ran, ideal, good, made
    from (values (interval '1 hour', 3600, 3000, 0.6::real, 4000, 4200),
                 ('2 hours', 1800, 900, 1.0, 800, 900), ('30 hours', 3600, 3300, 0.6, 5000, 5000),
                 ('3 hours', null, null, null, null, null)
         ) given (ago, planned, ran, ideal, good, made);
    insert into ft.downtime_events (line_id, equipment_code, start_time, end_time, reason_code,
        category)
    select $line, machine, now() - begins, now() - ends, 'X', category
    from (values ('$bagger', interval '8 days', interval '6 days 18 hours', 'unplanned'),
                 ('$bagger', '5 hours', '4 hours', 'maintenance'),
                 ('$bagger', '4 hours 30 minutes', '3 hours 30 minutes', 'material'),
                 ('OTHER', '5 hours', '3 hours', 'planned'), ('$bagger', '10 minutes', null, null),
                 ('$bagger', '2 days', '2 days 1 hour', 'unplanned')
         ) given (machine, begins, ends, category);
    insert into ft.production_schedules (line_id, scheduled_start, scheduled_end, target_quantity,
        status)
    select $line, now() - begins, now() - ends, 1, status
    from (values (interval '8 days', interval '6 days 12 hours', 'completed'),
                 ('4 hours', '-4 hours', 'in_progress'), ('3 hours', '2 hours', 'paused'),
                 ('2 days', '1 day', 'cancelled')) given (begins, ends, status)";

#[test]
fn figures_are_ratios_of_sums_and_events_are_cut_to_the_window() {
    let database = plain();
    run(&database, WEEK);
    // A = 3900/5400, P = 3420/3900, Q = 4800/5100, OEE = 3200/5400; stops: 2 h together and 10 min.
    says(
        &database,
        "select round(availability::numeric, 4), round(performance::numeric, 4),
            round(quality::numeric, 4), round(avg_oee::numeric, 4), total_production,
                total_downtime_minutes
        from factory_telemetry.get_line_performance_summary($line)",
        "0.7222|0.8769|0.9412|0.5926|5100|130",
    );
    says(
        &database,
        "select round(quality::numeric, 4), total_production
        from factory_telemetry.get_line_performance_summary($line, 31)",
        "0.9703|10100",
    );
    says(
        &database,
        "select total_downtime_minutes, planned_downtime_minutes, unplanned_downtime_minutes,
            round(avg_downtime_duration_minutes::numeric, 1), downtime_events_count
        from factory_telemetry.get_equipment_downtime_summary('$bagger')",
        "460|60|400|122.5|4",
    );
    says(
        &database,
        "select round(total_scheduled_hours::numeric, 2), actual_production_hours,
            round(efficiency_percentage::numeric, 2), round(target_vs_actual_percentage::numeric, 2)
        from factory_telemetry.get_production_efficiency_metrics($line)",
        "16.00|2|89.17|84.17",
    );
    // Nothing is known of a line without rows: no zero, no error.
    says(
        &database,
        "select s.*, e.* from factory_telemetry.get_line_performance_summary(null) s,
        factory_telemetry.get_production_efficiency_metrics(null) e",
        "||0|0|||||0|0||",
    );
    says(
        &database,
        "select * from factory_telemetry.get_equipment_downtime_summary('NOBODY')",
        "NOBODY|0|0|0||0",
    );
}

#[test]
fn materialized_views_are_refreshed_while_they_are_read() {
    let database = plain();
    says(
        &database,
        "select (select count(*) from factory_telemetry.mv_oee_summary),
        (select count(*) from factory_telemetry.mv_downtime_summary),
        (select current_oee from factory_telemetry.mv_production_dashboard)",
        "0|0|",
    );
    run(&database, WEEK);
    run(
        &database,
        "update ft.oee_calculations set calculation_time =
            date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - interval '6 hours';
        insert into ft.job_assignments (schedule_id, user_id) select id, $admin
        from ft.production_schedules
        where status = 'in_progress'",
    );
    run(&database, "select ft.refresh_materialized_views()");
    says(
        &database,
        "select line_code, calculation_date = (now() at time zone 'UTC')::date - 1,
            round(avg_oee::numeric, 4), round(avg_availability::numeric, 4),
                round(avg_performance::numeric, 4),
            round(avg_quality::numeric, 4), calculation_count
        from factory_telemetry.mv_oee_summary",
        "L-BAG1|t|0.6889|0.8000|0.8917|0.9703|4",
    );
    says(
        &database,
        "select equipment_code, category, event_count, round(total_duration_seconds,
            -2),
            round(avg_duration_seconds, -2) from factory_telemetry.mv_downtime_summary
        order by 1, 2",
        "BP01.PACK.BAG1|maintenance|1|3600|3600
         BP01.PACK.BAG1|material|1|3600|3600
         BP01.PACK.BAG1|unplanned|1|108000|108000
         BP01.PACK.BAG1||1|600|600
         OTHER|planned|1|7200|7200",
    );
    says(
        &database,
        "select line_code, schedule_status, job_status, username, current_oee
        from factory_telemetry.mv_production_dashboard",
        "L-BAG1|in_progress|assigned|admin|0.1",
    );
}

#[test]
fn upkeep_refreshes_statistics_and_writes_how_it_went() {
    let database = plain();
    let never =
        "select count(*) from pg_class where relnamespace = 'factory_telemetry'::regnamespace
        and relkind in ('r', 'm') and reltuples < 0";
    assert!(database.number(never) > 20);
    run(&database, "select ft.update_table_statistics()");
    assert_eq!(database.number(never), 0);
    let products =
        "select reltuples from pg_class where oid = 'factory_telemetry.product_types'::regclass";
    assert_eq!(database.text(products), "3");
    run(
        &database,
        "insert into ft.product_types (product_code, name) values ('PROD-004', 'Rolls')",
    );
    run(&database, "select ft.maintain_tables()");
    assert_eq!(database.text(products), "4");

    run(&database, WEEK);
    run(&database, "select ft.daily_maintenance()");
    let log = "select maintenance_type, status, completed_at >= started_at, notes
        from factory_telemetry.maintenance_log order by created_at";
    says(
        &database,
        log,
        "daily_maintenance|completed|t|statistics and materialized views are fresh",
    );
    assert_eq!(database.number("select count(*) from factory_telemetry.mv_downtime_summary"), 5);
    run(&database, "drop index ft.idx_mv_oee_summary_line_date");
    run(&database, "select ft.daily_maintenance()");
    says(
        &database,
        &log.replace("notes", "notes ~ 'concurrently'"),
        "daily_maintenance|completed|t|f
         daily_maintenance|failed|t|t",
    );
}

#[test]
fn settings_are_reported_with_a_remedy_where_they_fall_short() {
    let database = plain();
    for set in [
        "maintenance_work_mem = '32MB'",
        "default_statistics_target = 200",
        "effective_cache_size = '1GB'",
    ] {
        let name = database.text("select current_database()");
        database.run(&format!("alter database {name} set {set}"));
    }
    says(&database, "select * from factory_telemetry.configure_connection_pooling()
        where setting in ('maintenance_work_mem', 'effective_cache_size',
        'default_statistics_target')",
        "effective_cache_size|1GB|1GB|
         maintenance_work_mem|32MB|64MB|alter system set maintenance_work_mem = '64MB'; then select pg_reload_conf()
         default_statistics_target|200|100|");
    assert_eq!(
        database.number("select count(*) from factory_telemetry.configure_connection_pooling()"),
        7
    );
}

#[test]
fn monitoring_views_show_the_set_s_own_tables() {
    let database = plain();
    run(
        &database,
        "insert into ft.metric_hist (metric_def_id, ts) select gen_random_uuid(), now()
        from generate_series(1, 1000); select pg_stat_force_next_flush()",
    );
    database.run("analyze factory_telemetry.metric_hist");
    says(
        &database,
        "select inserts, live_tuples, last_analyze is not null, schemaname
        from factory_telemetry.v_table_statistics where tablename = 'metric_hist'",
        "1000|1000|t|factory_telemetry",
    );
    run(
        &database,
        "set enable_seqscan = off; set enable_bitmapscan = off;
        select count(value_int) from ft.metric_hist where ts > now() - interval '1 day';
        select pg_stat_force_next_flush()",
    );
    says(
        &database,
        "select tablename, idx_tup_read, idx_tup_fetch, hit_percent
        from factory_telemetry.v_index_usage where indexname = 'ix_metric_hist_ts'",
        "metric_hist|1000|1000|100",
    );
    // Without the extension, and made but not loaded.
    says(&database, "select * from factory_telemetry.v_slow_queries", "");
    run(&database, "create extension pg_stat_statements");
    says(&database, "select * from factory_telemetry.v_slow_queries", "");
}

#[test]
fn slow_queries_are_those_above_100_ms() {
    let server = Server::new();
    let settings = Database::on(&server.url());
    settings.run("alter system set shared_preload_libraries = timescaledb, pg_stat_statements");
    drop(settings);
    server.stop_immediately();
    server.start();
    let database = applied(Database::on(&server.url())).database;
    database.run("create schema stats; create extension pg_stat_statements schema stats");
    database.run("select pg_sleep(0.15)");
    database.run("select pg_sleep(0.01), 'short'");
    says(
        &database,
        "select query, calls, rows, total_time >= 150, mean_time = total_time
        from factory_telemetry.v_slow_queries where query ~ 'pg_sleep'",
        "select pg_sleep($1)|1|1|t|t",
    );
}

create function pg_temp.key(name text) returns uuid language sql immutable as
    $$ select md5('ms5 ' || name)::uuid $$;
create function pg_temp.draw(name text, choices integer) returns integer language sql immutable as
    $$ select ('x' || substr(md5(name), 1, 7))::bit(28)::integer % choices $$;
set local search_path = factory_telemetry, pg_temp;

insert into plc_config (id, name, ip_address, plc_type, created_at, updated_at)
select pg_temp.key(name), name, ip, kind, first, first
from g_span, (values ('Bagger 1 PLC', '16.191.1.131', 'LOGIX'),
    ('Basket Loader 1 PLC', '16.191.1.140', 'SLC')) v (name, ip, kind);
insert into production_lines (id, line_code, name, equipment_codes, target_speed, created_at, updated_at)
select pg_temp.key('line'), 'L-BAG1', 'Bagging Line 1', array_agg(code order by code), 100, min(first), min(first)
from g_unit, g_span;
insert into product_types (id, product_code, name, target_speed, cycle_time_seconds, quality_specs, created_at)
select pg_temp.key('product ' || product), code, name, speed, 60 / speed, specs, first
from g_span, (values (0, 'PROD-001', '500 g bags', 100, '{"weight_g": [495, 505]}'::jsonb),
    (1, 'PROD-002', '750 g bags', 80, '{}'), (2, 'PROD-003', 'Speciality "bags"', 60, null))
    v (product, code, name, speed, specs);
insert into equipment_config (id, equipment_code, name, plc_id, production_line_id, target_speed,
    location, department, last_maintenance_date, ideal_cycle_time, created_at, updated_at)
select pg_temp.key('equipment ' || code), code, name,
    pg_temp.key(case when code like '%.BL' then 'Basket Loader 1 PLC' else 'Bagger 1 PLC' end),
    pg_temp.key('line'), rate, case when code like '%.BL' then null else 'Hall 2' end, 'packaging',
    first - interval '3 days', 60.0 / rate, first, first
from g_unit, g_span;
insert into equipment_line_mapping (id, equipment_code, production_line_id, position_in_line, is_primary, created_at)
select pg_temp.key('mapping ' || code), code, pg_temp.key('line'), 1 + pos, pos = 0, first
from g_unit, g_span;
insert into users (id, username, email, password_hash, role, created_at, last_login, first_name,
    last_name, employee_id, department, shift, skills, certifications, is_active, updated_at)
select pg_temp.key('user ' || nth), lower(employee), lower(employee) || '@example.com', '*',
    case nth % 8 when 0 then 'admin' when 1 then 'production_manager' when 2 then 'shift_manager'
        when 3 then 'engineer' when 4 then 'operator' when 5 then 'maintenance' when 6 then 'quality'
        else 'viewer' end,
    hired, case when nth % 5 > 0 then last - nth * interval '37 minutes' end, name, family, employee,
    case when nth % 4 > 0 then 'packaging' end, case nth % 3 when 0 then 'Day' when 1 then 'Night' end,
    case when nth % 2 = 0 then array['bagger', 'film, "thin"'] when nth % 3 = 0 then '{}'::text[] end,
    case when nth % 7 = 0 then array['forklift', null] end, present, hired
from g_person, g_span;
insert into production_shifts (id, name, start_time, end_time, description, created_at)
select pg_temp.key('shift ' || name), name, starts::time, ends::time, words, first
from g_span, (values ('Day', '06:00', '18:00', null), ('Night', '18:00', '06:00', 'over midnight'))
    v (name, starts, ends, words);
insert into defect_codes (id, code, name, category, severity, created_at)
select pg_temp.key('defect ' || code), code, name, category, severity, first
from g_span, (values ('DIM-001', 'Too short', 'dimensional', 'major'),
    ('DIM-002', 'Too heavy', 'dimensional', 'minor'), ('VIS-001', 'Scratched', 'visual', 'minor'),
    ('VIS-002', 'Smeared print', 'visual', 'minor'), ('FUN-001', 'Seal leaks', 'functional', 'critical'),
    ('FUN-002', 'Clip missing', 'functional', 'major'), ('PAC-001', 'Wrong label', 'packaging', 'major'),
    ('PAC-002', 'Torn carton', 'packaging', 'minor')) v (code, name, category, severity);

insert into metric_def (id, equipment_code, metric_key, value_type, unit, description, display_name,
    min_value, max_value)
select pg_temp.key('metric ' || code || key), code, key, kind, unit, words || ' of ' || name,
    case when key ~ 'speed|count' then initcap(replace(key, '_', ' ')) end,
    case when unit is not null then 0 end, case unit when '%' then 100 when 'mpm' then 200 end
from g_unit, (values (1, 'running_status', 'BOOL', null, 'Whether it runs'),
    (2, 'speed_real', 'REAL', 'mpm', 'Speed'), (3, 'current_product', 'INT', null, 'Recipe'),
    (4, 'active_alarms', 'JSON', null, 'Names of alarms'),
    (5, 'internal_fault', 'BOOL', null, 'A fault inside'), (6, 'upstream_fault', 'BOOL', null, 'A fault before'),
    (7, 'downstream_fault', 'BOOL', null, 'A fault behind'), (8, 'planned_stop', 'BOOL', null, 'Planned to stand'),
    (9, 'stop_reason', 'TEXT', null, 'Why it stands'), (10, 'product_count', 'INT', 'ea', 'Pieces'),
    (11, 'availability', 'REAL', '%', 'Availability'), (12, 'oee', 'REAL', '%', 'OEE'),
    (13, 'current_operator', 'TEXT', null, 'Operator'), (14, 'current_shift', 'TEXT', null, 'Shift'))
    v (nth, key, kind, unit, words);
insert into metric_def (id, equipment_code, metric_key, value_type, description, enabled)
select pg_temp.key('metric ' || code || 'fault_bits_raw'), code, 'fault_bits_raw', 'JSON', '64 bits', false
from g_unit where code not like '%.BL';
insert into metric_binding (id, metric_def_id, plc_kind, address, bit_index, parse_hint, transform_sql)
select pg_temp.key('binding ' || id), id,
    case when metric_key in ('availability', 'oee', 'stop_reason', 'current_operator', 'current_shift',
        'planned_stop') then 'COMPUTED' when equipment_code like '%.BL' then 'SLC' else 'LOGIX' end,
    case metric_key when 'speed_real' then 'MC_Avg_Speed' when 'product_count' then 'Count_Blade_PEC.ACC'
        when 'fault_bits_raw' then 'Fault{64}' when 'running_status' then
            case when equipment_code like '%.BL' then 'B3:0/8' else 'AllDrivesEnabled' end
        else metric_key end,
    case when metric_key = 'running_status' and equipment_code like '%.BL' then 8 end,
    case metric_key when 'oee' then 'OEE_CALC' when 'availability' then 'ROLLING_CALC'
        when 'product_count' then 'COUNTER_ACC' else 'SCALAR' end, null
from metric_def;
insert into fault_catalog (id, equipment_code, bit_index, name, description, marker)
select pg_temp.key('fault ' || code || bit), code, bit,
    case when bit = 59 then 'Machine Running' else 'Fault ' || bit end,
    case when bit % 3 > 0 then 'Bit ' || bit || ', "' || code || '"' end,
    (array['INTERNAL', 'INTERNAL', 'UPSTREAM', 'DOWNSTREAM'])[1 + bit % 4]
from g_unit, generate_series(0, 63) bit where bit not in (9, 10, 11, 21, 51, 52, 56, 60, 61, 62, 63);

insert into metric_hist (metric_def_id, ts, value_bool, value_int, value_real, value_text, value_json)
select d.id, t.ts,
    case d.metric_key when 'running_status' then s.runs when 'planned_stop' then s.planned
        when 'internal_fault' then s.faulty and s.seconds % 3 = 0
        when 'upstream_fault' then s.faulty and s.seconds % 3 = 1
        when 'downstream_fault' then s.faulty and s.seconds % 3 = 2 end,
    case d.metric_key when 'current_product' then s.product
        -- The accumulator of the counter wraps.
        when 'product_count' then (m.made + (m.next - m.made) * extract(second from t.ts)::integer / 60) % 32768 end,
    case d.metric_key when 'speed_real' then case when s.runs then u.rate * 0.9 + extract(second from t.ts)::integer % 7 * 0.25 else 0 end
        when 'availability' then 80 + extract(minute from t.ts)::integer % 20 * 0.5
        when 'oee' then 60 + extract(minute from t.ts)::integer % 20 * 0.5 end,
    case d.metric_key when 'stop_reason' then s.reason when 'current_operator' then s.operator
        when 'current_shift' then case when extract(hour from t.ts at time zone 'Africa/Johannesburg') between 6 and 17
            then 'Day' else 'Night' end end,
    case d.metric_key when 'active_alarms' then case when s.faulty then '["Belt \"2\"", null]'::jsonb else '[]' end end
from g_span g
cross join g_unit u
join g_spell s on s.code = u.code and s.ends > g.watched
cross join lateral generate_series(greatest(s.starts, g.watched), s.ends - interval '1 second', interval '1 second') t (ts)
join g_minute m on m.code = u.code and m.at = date_trunc('minute', t.ts)
join metric_def d on d.equipment_code = u.code and d.enabled
-- What is not known is not stored.
where not (d.metric_key = 'stop_reason' and s.reason is null)
    and not (d.metric_key = 'current_operator' and s.operator is null)
    and not (d.metric_key = 'current_product' and s.product is null)
    and not (d.metric_key = 'oee' and u.code like '%.BL')
order by t.ts, u.pos, d.metric_key;
insert into metric_latest
select distinct on (metric_def_id) metric_def_id, ts, value_bool, value_int, value_real, value_text, value_json
from metric_hist order by metric_def_id, ts desc;

insert into downtime_events (id, line_id, equipment_code, start_time, end_time, duration_seconds, reason_code,
    reason_description, category, subcategory, reported_by, confirmed_by, confirmed_at, notes, created_at)
select pg_temp.key('downtime ' || code || starts), case when n % 19 > 0 then pg_temp.key('line') end, code, starts,
    case when ends < last then ends end, case when ends < last then extract(epoch from ends - starts) end,
    coalesce(upper(reason), doing), nullif(reason, 'other'),
    case when n % 23 = 0 then null when doing = 'SETUP' then 'changeover' when reason = 'maintenance' then 'maintenance'
        when planned then 'planned' else 'unplanned' end,
    case when n % 4 = 0 then 'seen by "camera"' end, pg_temp.key('user ' || 4 + n % 3 * 8),
    case when n % 2 = 0 then pg_temp.key('user 2') end, case when n % 2 = 0 then ends end,
    case n % 6 when 0 then '' when 1 then E'two\nlines, Größe 5 µm' end, starts
from (select s.*, row_number() over (order by starts, code) as n from g_spell s
    where doing in ('STOPPED', 'SETUP', 'STARVED')) s, g_span;
insert into fault_event (equipment_code, bit_index, ts_on, ts_off, duration_s)
select code, (array[3, 17, 29, 58])[1 + pg_temp.draw(code || starts, 4)], starts,
    case when ends < last then ends end, case when ends < last then extract(epoch from ends - starts) end
from g_spell, g_span where faulty order by starts, code;
insert into fault_active
select code, bit, starts, bit = 59 from g_unit, (select distinct bit_index as bit from fault_event union select 59) b,
    (select max(ts_on) as starts from fault_event) f;

insert into production_schedules (id, line_id, product_type_id, scheduled_start, scheduled_end, target_quantity,
    priority, status, created_by, created_at, updated_at)
select pg_temp.key('schedule ' || number), pg_temp.key('line'), pg_temp.key('product ' || product % 3), starts, ends,
    quantity, 1 + product % 5, case when ends <= last then case when n % 11 = 7 then 'cancelled' else 'completed' end
        else 'in_progress' end, pg_temp.key('user 1'), created, least(ends, last)
from (select o.*, row_number() over (order by starts) as n from g_order o) o, g_span;
insert into job_assignments (id, schedule_id, user_id, assigned_at, accepted_at, started_at, completed_at, status, notes)
select pg_temp.key('job ' || number), pg_temp.key('schedule ' || number), pg_temp.key('user 4'), created,
    case when starts < last then starts - interval '5 minutes' end, starts, case when ends <= last then ends end,
    case when ends <= last then 'completed' else 'in_progress' end, case when product = 2 then 'second line'
        when product = 5 then '' end
from g_order, g_span;
insert into context (equipment_code, current_operator, current_shift, planned_stop, planned_stop_reason, updated_at,
    current_job_id, production_schedule_id, target_speed, current_product_type_id, production_line_id, shift_id,
    target_quantity, actual_quantity, production_efficiency, quality_rate, changeover_status, last_production_update)
select u.code, o.operator, 'Night', false, null, last, pg_temp.key('job ' || o.number), pg_temp.key('schedule ' || o.number),
    u.rate, pg_temp.key('product ' || o.product % 3), pg_temp.key('line'), pg_temp.key('shift Night'), o.quantity,
    o.quantity / 2, 0.87, 0.975, 'completed', last
from g_unit u, g_span, lateral (select * from g_order o where o.code = u.code order by starts desc limit 1) o;
insert into production_context_history (equipment_code, context_data, change_reason, changed_by, changed_at)
select code, jsonb_build_object('order', number, 'product', product, 'speed', 12.50, 'note', case when product > 4 then null else 'ä "x"' end),
    case when product % 3 > 0 then 'order started' end, pg_temp.key('user 2'), starts
from g_order order by starts;
insert into oee_calculations (line_id, equipment_code, calculation_time, availability, performance, quality, oee,
    planned_production_time, actual_production_time, ideal_cycle_time, actual_cycle_time, good_parts, total_parts)
select case when pg_temp.draw('line ' || at, 40) > 0 then pg_temp.key('line') end, h.code, h.at + interval '1 hour', a, p, q, a * p * q, 3600,
    3600 * a, 60.0 / rate, case when made > 0 then 3600 * a / made end, good, made
from (select *, good + scrap + rework as made from g_hour) h join g_unit u using (code),
    lateral (select least(1, made / (rate * 60.0 * 0.9))::real as a, 0.9::real as p,
        (case when made > 0 then good * 1.0 / made else 0 end)::real as q) r
order by h.at, u.pos;
insert into energy_consumption (equipment_code, consumption_time, power_consumption_kw, energy_consumption_kwh,
    voltage_v, current_a, power_factor, temperature_c, humidity_percent)
select code, at + quarter * interval '15 minutes', 2.5 + good / 900.0, (2.5 + good / 900.0) / 4,
    case when n > 1 then 398.5 + n % 7 end, 4.5 + good / 1000.0, case when n % 9 > 0 then 0.87 end, 18 + n % 12, case when n % 5 > 0 then 40 + n % 30 end
from (select h.*, pg_temp.draw(code || at, 97) as n from g_hour h) h, generate_series(0, 3) quarter
order by at, quarter, code;

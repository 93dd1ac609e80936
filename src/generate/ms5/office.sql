create temp table g_day on commit drop as
select (at at time zone 'Africa/Johannesburg')::date as day, sum(good) as good, sum(scrap) as scrap, sum(rework) as rework,
    row_number() over (order by (at at time zone 'Africa/Johannesburg')::date) as n
from g_hour where code not like '%.BL' group by 1;

insert into production_kpis (line_id, kpi_date, shift_id, oee, availability, performance, quality, total_production, good_parts,
    scrap_parts, rework_parts, total_downtime_minutes, planned_downtime_minutes, unplanned_downtime_minutes,
    changeover_time_minutes, maintenance_time_minutes, energy_consumption_kwh, material_waste_percent, first_pass_yield, created_at)
select pg_temp.key('line'), day, case when n % 3 > 0 then pg_temp.key('shift Day') end, 0.61 + n % 7 * 0.03, 0.8, 0.9,
    good / nullif(good + scrap + rework, 0)::real, good + scrap + rework, good, scrap, rework, 60 + n, 20, 40 + n, n % 5 * 6,
    case when n % 6 = 0 then 45 end, 300.5 + n, scrap * 100 / nullif(good + scrap, 0)::real, null,
    day + interval '30 hours'
from g_day;
insert into production_targets (id, line_id, product_type_id, target_date, shift_id, target_quantity, target_oee, created_by, created_at)
select pg_temp.key('target ' || day), pg_temp.key('line'), pg_temp.key('product ' || n % 3), day, pg_temp.key('shift Day'),
    100000, case when n % 4 > 0 then 0.85 end, pg_temp.key('user 1'), day - interval '2 days' from g_day;
insert into shift_assignments (id, user_id, shift_id, line_id, assigned_date, is_primary, created_at)
select pg_temp.key('turn ' || day || shift), pg_temp.key('user ' || case shift when 'Day' then 4 else 12 end),
    pg_temp.key('shift ' || shift), pg_temp.key('line'), day, n % 5 > 0, day - interval '7 days'
from g_day, unnest(array['Day', 'Night']) shift;
insert into quality_checks (id, line_id, product_type_id, check_time, check_type, check_result, quantity_checked,
    quantity_passed, quantity_failed, defect_codes, notes, checked_by, created_at)
select pg_temp.key('check ' || day || nth), pg_temp.key('line'), pg_temp.key('product ' || n % 3), day + nth * interval '3 hours',
    (array['incoming', 'in_process', 'final', 'audit'])[nth], (array['pass', 'conditional', 'fail', 'pass'])[nth], 50, 50 - nth, nth,
    case nth when 1 then '{}'::text[] when 2 then array['DIM-001'] when 3 then array['VIS-001', 'PAC-002'] end,
    case when nth = 3 then 'back to "line"' end, pg_temp.key('user 6'), day + nth * interval '3 hours'
from g_day, generate_series(1, 4) nth;
insert into material_consumption (id, line_id, material_code, material_name, consumption_date, shift_id, quantity_consumed,
    unit_of_measure, cost_per_unit, total_cost, recorded_by, created_at)
select pg_temp.key('material ' || day), pg_temp.key('line'), 'FILM-40', 'Film 40 µm', day, pg_temp.key('shift Day'),
    good / 1000.0, 'kg', case when n % 8 > 0 then 3.5 end, case when n % 8 > 0 then good / 1000.0 * 3.5 end, pg_temp.key('user 4'),
    day + interval '20 hours' from g_day;
insert into production_alerts (id, line_id, equipment_code, alert_type, severity, title, message, threshold_value, actual_value,
    is_acknowledged, acknowledged_by, acknowledged_at, is_resolved, created_at)
select pg_temp.key('alert ' || day), pg_temp.key('line'), case when n % 3 > 0 then 'BP01.PACK.BAG1' end,
    (array['oee_low', 'downtime_high', 'quality_issue', 'maintenance_due', 'target_missed'])[1 + n % 5],
    (array['info', 'warning', 'error', 'critical'])[1 + n % 4], 'Alert', 'Day of ' || day, 0.85, 0.7, n % 2 = 0,
    case when n % 2 = 0 then pg_temp.key('user 2') end, case when n % 2 = 0 then day + interval '9 hours' end, n % 4 = 0,
    day + interval '8 hours' from g_day;
insert into maintenance_work_orders (id, work_order_number, equipment_code, title, priority, status, work_type, scheduled_start,
    scheduled_end, actual_start, actual_end, estimated_duration_hours, actual_duration_hours, assigned_to, created_by, created_at, updated_at)
select pg_temp.key('work ' || code || starts), 'MWO-' || lpad(n::text, 5, '0'), code, 'Service', (array['low', 'medium', 'high', 'critical'])[1 + n % 4],
    case when ends < last then 'completed' else 'in_progress' end, case when planned then 'preventive' else 'corrective' end,
    case when planned then starts end, case when planned then ends end, starts, case when ends < last then ends end, 1.5,
    extract(epoch from ends - starts) / 3600, pg_temp.key('user 5'), pg_temp.key('user 1'), starts - interval '1 day', starts
from (select s.*, row_number() over (order by starts, code) as n from g_spell s
    where reason in ('maintenance', 'machine_breakdown')) s, g_span;
insert into maintenance_tasks (id, work_order_id, task_name, task_order, estimated_duration_minutes, status, completed_by, completed_at, created_at)
select pg_temp.key('task ' || id || nth), id, (array['Grease', 'Tighten belt'])[nth], nth, 30, case when nth = 1 then 'completed' else 'pending' end,
    case when nth = 1 then pg_temp.key('user 5') end, case when nth = 1 then actual_end end, created_at
from maintenance_work_orders, generate_series(1, 2) nth;
insert into maintenance_log (id, maintenance_type, started_at, completed_at, status, notes, created_at)
select pg_temp.key('maintained ' || day), 'vacuum', day + interval '3 hours', case when n % 5 > 0 then day + interval '195 minutes' end,
    case when n % 5 > 0 then 'completed' else 'running' end, null, day + interval '3 hours' from g_day;
insert into checklist_templates (id, name, equipment_codes, checklist_items, created_at)
select pg_temp.key('checklist'), 'Pre-start', array['BP01.PACK.BAG1'], '[{"id": 1, "text": "Guards closed"}, {"id": 2, "text": "Knife \"sharp\""}]', first from g_span;
insert into checklist_completions (id, job_assignment_id, template_id, completed_by, completed_at, responses, signature_data, status)
select pg_temp.key('checked ' || id), id, pg_temp.key('checklist'), user_id, started_at,
    '{"1": true, "2": 1.50, "3": null}', case when status = 'completed' then '{"png": "…"}'::jsonb end, case when notes = '' then 'failed' else 'completed' end
from job_assignments;

insert into andon_escalation_rules (id, priority, escalation_level, delay_minutes, recipients, escalation_message_template, created_at, updated_at)
select pg_temp.key('rule ' || priority || level), priority, level, minutes * level, case when level = 1 then '{}' else array['shift_manager'] end,
    case when level = 2 then 'Line {line}: {text}' end, first, first
from g_span, (values ('low', 15), ('medium', 10), ('high', 5), ('critical', 2)) v (priority, minutes), generate_series(1, 2) level;
insert into andon_escalation_recipients (id, role, name, email, phone, escalation_levels, created_at, updated_at)
select pg_temp.key('recipient ' || role), role, initcap(replace(role, '_', ' ')), role || '@example.com', null, levels, first, first
from g_span, (values ('shift_manager', '{1,2}'::integer[]), ('production_manager', '{2,3,4}'), ('engineer', '{}')) v (role, levels);
insert into andon_events (id, line_id, equipment_code, event_type, priority, description, reported_by, reported_at, acknowledged_by,
    acknowledged_at, resolved_by, resolved_at, status, escalation_level, escalation_status)
select pg_temp.key('andon ' || code || starts), pg_temp.key('line'), code, (array['stop', 'quality', 'maintenance', 'material'])[1 + n % 4],
    (array['low', 'medium', 'high', 'critical'])[1 + n % 4], reason, pg_temp.key('user 4'), starts,
    case when n % 3 > 0 then pg_temp.key('user 2') end, case when n % 3 > 0 then starts + interval '4 minutes' end,
    case when ends < last and n % 5 > 0 then pg_temp.key('user 2') end, case when ends < last and n % 5 > 0 then ends end,
    case when ends < last and n % 5 > 0 then 'resolved' when n % 3 > 0 then 'acknowledged' else 'open' end,
    n % 3, case when n % 3 = 2 then 'escalated' else 'none' end
from (select s.*, row_number() over (order by starts, code) as n from g_spell s where faulty) s, g_span;
insert into andon_escalations (id, event_id, priority, escalation_recipients, escalation_level, status, created_at, escalated_at, escalated_by)
select pg_temp.key('escalation ' || id), id, priority, array['shift_manager'], 2, 'escalated', reported_at, reported_at + interval '10 minutes', pg_temp.key('user 2')
from andon_events where escalation_status = 'escalated';
insert into andon_escalation_history (id, escalation_id, action, performed_by, performed_at, escalation_level, recipients_notified, notification_method)
select pg_temp.key('told ' || id || action), id, action, case when action = 'escalated' then escalated_by end, created_at + nth * interval '5 minutes', nth,
    case when nth = 2 then escalation_recipients end, case when nth = 2 then 'email' end
from andon_escalations, (values ('created', 1), ('escalated', 2)) v (action, nth);

insert into report_templates (id, name, description, template_type, parameters, sections, created_at, updated_at, created_by)
select pg_temp.key('template ' || kind), initcap(kind), 'Report of ' || kind, kind, '[{"name": "day", "default": null}]', '["summary", {"chart": "oee"}]', first, first, pg_temp.key('user 0')
from g_span, unnest(array['production', 'oee', 'downtime']) kind;
insert into report_categories (id, name, description, color, sort_order, created_at, updated_at)
select pg_temp.key('category ' || name), name, null, '#0a0', nth, first, first from g_span, unnest(array['Daily', 'Weekly']) with ordinality v (name, nth);
insert into report_template_categories select pg_temp.key('template ' || kind), pg_temp.key('category Daily') from unnest(array['production', 'oee', 'downtime']) kind;
insert into report_permissions (id, template_id, role, can_view, can_generate, created_at, updated_at)
select pg_temp.key('permission ' || kind || role), pg_temp.key('template ' || kind), role, true, role <> 'viewer', first, first
from g_span, unnest(array['production', 'oee', 'downtime']) kind, unnest(array['admin', 'viewer']) role;
insert into report_favorites (id, user_id, template_id, name, parameters, created_at)
select pg_temp.key('favourite'), pg_temp.key('user 1'), pg_temp.key('template oee'), 'Mine', '{"line": "L-BAG1", "limit": 1.10}', first from g_span;
insert into report_schedules (id, name, template_id, schedule_cron, next_run_at, last_run_at, created_at, updated_at, created_by)
select pg_temp.key('plan ' || kind), 'Nightly ' || kind, pg_temp.key('template ' || kind), '0 6 * * *', last + interval '4 hours', last - interval '20 hours', first, first, pg_temp.key('user 0')
from g_span, unnest(array['production', 'oee']) kind;
insert into report_generation_jobs (id, template_id, report_type, status, created_at, started_at, completed_at, created_by, error_message, progress_percentage)
select pg_temp.key('generated ' || day), pg_temp.key('template production'), 'production', case when n % 9 = 4 then 'failed' else 'completed' end,
    day + interval '30 hours', day + interval '1801 minutes', day + interval '1802 minutes', pg_temp.key('user 0'), case when n % 9 = 4 then E'no "data"\n\tfor it' end, 100
from g_day;
insert into production_reports (id, line_id, report_date, shift, total_production, good_parts, scrap_parts, rework_parts, total_downtime_minutes,
    oee_average, report_data, generated_by, generated_at, pdf_path, template_id, generation_job_id, file_size, file_hash, download_count)
select pg_temp.key('report ' || day), pg_temp.key('line'), day, case when n % 4 > 0 then 'Day' end, good + scrap + rework, good, scrap, rework, 60 + n,
    0.7, jsonb_build_object('day', day, 'good', good, 'ratio', 0.970), pg_temp.key('user 0'), day + interval '31 hours',
    case when n % 5 > 0 then '/reports/' || day || '.pdf' end, pg_temp.key('template production'), pg_temp.key('generated ' || day), 5000000000 + n, md5(day::text), n % 4
from g_day where n % 9 <> 4;
insert into report_access_logs (id, report_id, user_id, action, accessed_at, ip_address, user_agent)
select pg_temp.key('access ' || id), id, pg_temp.key('user 1'), 'viewed', generated_at + interval '1 hour', case when download_count = 1 then '2001:db8::7'::inet when download_count > 1 then '10.1.2.0/24' end, 'Browser' from production_reports;
insert into report_notifications (id, report_id, user_id, notification_type, title, message, is_read, sent_at, read_at)
select pg_temp.key('notified ' || id), id, pg_temp.key('user 1'), 'generated', 'Ready', 'Your report', download_count > 0, generated_at, case when download_count > 0 then generated_at + interval '1 hour' end from production_reports;
insert into report_schedule_runs (id, schedule_id, generation_job_id, report_id, status, started_at, completed_at, error_message, created_at)
select pg_temp.key('run ' || j.id), pg_temp.key('plan production'), j.id, r.id, case when r.id is null then 'failed' else 'completed' end, j.started_at, j.completed_at, j.error_message, j.created_at
from report_generation_jobs j left join production_reports r on r.generation_job_id = j.id;
insert into site_notes (note) values ('Spare knives in cupboard 3'), ('');

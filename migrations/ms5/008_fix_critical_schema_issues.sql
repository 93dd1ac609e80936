-- 008 - Fix Critical Schema Issues
-- Lists admit what the system writes, and the columns that the files before left out.

alter table factory_telemetry.users
    add column if not exists is_active boolean default true,
    add column if not exists updated_at timestamptz default now();

alter table factory_telemetry.equipment_config
    add column if not exists ideal_cycle_time real default 1.0;
comment on column factory_telemetry.equipment_config.ideal_cycle_time is 'seconds a unit';

-- The names are those that PostgreSQL gives, so that a list of the original is found and replaced.
alter table factory_telemetry.users
    drop constraint if exists users_role_check,
    add constraint users_role_check check (role in ('admin', 'production_manager', 'shift_manager',
        'engineer', 'operator', 'maintenance', 'quality', 'viewer'));

alter table factory_telemetry.equipment_config
    drop constraint if exists equipment_config_equipment_type_check,
    add constraint equipment_config_equipment_type_check check (equipment_type in
        ('production', 'utility', 'support', 'conveyor', 'packaging', 'safety'));

alter table factory_telemetry.job_assignments
    drop constraint if exists job_assignments_status_check,
    add constraint job_assignments_status_check check (status in
        ('assigned', 'accepted', 'in_progress', 'paused', 'completed', 'cancelled'));

-- The reader of the PLCs writes material when it sees a shortage or a jam.
alter table factory_telemetry.downtime_events
    drop constraint if exists downtime_events_category_check,
    add constraint downtime_events_category_check check (category in
        ('planned', 'unplanned', 'changeover', 'maintenance', 'material'));

alter table factory_telemetry.andon_events
    drop constraint if exists andon_events_event_type_check,
    add constraint andon_events_event_type_check check (event_type in
        ('stop', 'quality', 'maintenance', 'material', 'safety', 'changeover'));

-- auto_escalate_andon_events() writes auto: which ways are used is for the rule to say.
alter table factory_telemetry.andon_escalation_history
    drop constraint if exists andon_escalation_history_notification_method_check,
    add constraint andon_escalation_history_notification_method_check check (notification_method in
        ('email', 'sms', 'phone', 'websocket', 'push', 'auto'));

-- The original's second form, with nine arguments, made every call that leaves arguments out ambiguous.
drop function if exists factory_telemetry.update_equipment_production_context(
    text, uuid, uuid, uuid, real, text, text, boolean, text);

create or replace view public.v_equipment_production_status as
select e.id,
       e.equipment_code,
       e.name as equipment_name,
       e.equipment_type,
       e.criticality_level,
       e.target_speed,
       e.enabled as equipment_enabled,
       l.id as production_line_id,
       l.line_code,
       l.name as line_name,
       l.target_speed as line_target_speed,
       c.current_operator,
       c.current_shift,
       c.current_job_id,
       c.production_schedule_id,
       c.target_quantity,
       c.actual_quantity,
       c.production_efficiency,
       c.quality_rate,
       c.changeover_status,
       c.planned_stop,
       c.planned_stop_reason,
       c.last_production_update,
       p.product_code,
       p.name as product_name,
       s.scheduled_start,
       s.scheduled_end,
       s.status as schedule_status,
       j.status as job_status,
       u.username as assigned_operator,
       e.ideal_cycle_time,
       e.oee_targets,
       e.fault_thresholds,
       e.andon_settings,
       c.target_speed as context_target_speed,
       j.assigned_at,
       j.accepted_at,
       j.started_at,
       j.completed_at
from factory_telemetry.equipment_config e
left join factory_telemetry.production_lines l on l.id = e.production_line_id
left join factory_telemetry.context c on c.equipment_code = e.equipment_code
left join factory_telemetry.job_assignments j on j.id = c.current_job_id
left join factory_telemetry.production_schedules s
    on s.id = coalesce(c.production_schedule_id, j.schedule_id)
left join factory_telemetry.product_types p
    on p.id = coalesce(c.current_product_type_id, s.product_type_id)
left join factory_telemetry.users u on u.id = j.user_id
where e.enabled
order by l.line_code, e.equipment_code;

-- Each figure is counted by itself: joined, three machines and two schedules would be six of each.
-- A machine runs when its running_status says so; without one, when no planned stop is set.
create or replace view public.v_production_line_status as
select l.id as line_id,
       l.line_code,
       l.name as line_name,
       l.target_speed,
       l.enabled,
       machines.total_equipment,
       machines.active_equipment,
       machines.running_equipment,
       machines.stopped_equipment,
       work.active_schedules,
       work.active_jobs,
       work.running_jobs
from factory_telemetry.production_lines l
cross join lateral (
    select count(*) as total_equipment,
           count(*) filter (where e.enabled) as active_equipment,
           count(*) filter (where coalesce(now_at.value_bool, not c.planned_stop))
               as running_equipment,
           count(*) filter (where not coalesce(now_at.value_bool, not c.planned_stop))
               as stopped_equipment
    from factory_telemetry.equipment_config e
    left join factory_telemetry.context c on c.equipment_code = e.equipment_code
    left join factory_telemetry.metric_def d
        on d.equipment_code = e.equipment_code and d.metric_key = 'running_status'
    left join factory_telemetry.metric_latest now_at on now_at.metric_def_id = d.id
    where e.production_line_id = l.id
) machines
cross join lateral (
    select count(distinct s.id) as active_schedules,
           count(j.id) as active_jobs,
           count(j.id) filter (where j.status = 'in_progress') as running_jobs
    from factory_telemetry.production_schedules s
    left join factory_telemetry.job_assignments j
        on j.schedule_id = s.id and j.status in ('assigned', 'accepted', 'in_progress')
    where s.line_id = l.id and s.status = 'in_progress'
) work
where l.enabled
order by l.line_code;

-- A table that was there before these files and lacks a column is named here, not by the first query.
do $$
declare
    missing text;
begin
    select string_agg(format('%s.%s', needed.relation, needed.name), ', ' order by 1) into missing
    from (values ('users', 'first_name'), ('users', 'employee_id'), ('users', 'skills'),
                 ('users', 'is_active'), ('users', 'updated_at'),
                 ('equipment_config', 'production_line_id'), ('equipment_config', 'equipment_type'),
                 ('equipment_config', 'criticality_level'), ('equipment_config', 'oee_targets'),
                 ('equipment_config', 'ideal_cycle_time'), ('equipment_config', 'andon_settings'),
                 ('context', 'current_job_id'), ('context', 'production_schedule_id'),
                 ('context', 'target_speed'), ('context', 'production_line_id'),
                 ('metric_def', 'enabled'), ('andon_events', 'escalation_level'),
                 ('production_reports', 'download_count')
         ) needed (relation, name)
    where not exists (
        select from pg_attribute a
        where a.attrelid = to_regclass('factory_telemetry.' || needed.relation)
          and a.attname = needed.name and not a.attisdropped);
    if missing is not null then
        raise exception 'factory_telemetry lacks %', missing
            using hint = 'a file of the set before this one was not applied; run all nine in order';
    end if;
end
$$;

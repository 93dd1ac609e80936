-- 009 - Database Optimization
-- Figures for dashboards, upkeep, and what the server keeps compressed and for how long.

create table if not exists factory_telemetry.maintenance_log (
    id uuid primary key default gen_random_uuid(),
    maintenance_type text not null,
    started_at timestamptz not null,
    completed_at timestamptz,
    status text not null default 'running',
    notes text,
    created_at timestamptz default now()
);

-- What dashboards ask for all the time is a small part of these tables: what is open, or long, or wrong.
-- Predicates are fixed values; one with now() is not possible in an index.
create index if not exists idx_maintenance_log_type_date
    on factory_telemetry.maintenance_log (maintenance_type, started_at desc);
create index if not exists idx_downtime_events_equipment_active
    on factory_telemetry.downtime_events (equipment_code, start_time desc) where end_time is null;
create index if not exists idx_andon_events_priority_active
    on factory_telemetry.andon_events (priority, reported_at desc)
    where status in ('open', 'acknowledged');
create index if not exists idx_production_schedules_status_priority
    on factory_telemetry.production_schedules (status, priority)
    where status in ('scheduled', 'in_progress');
create index if not exists idx_quality_checks_defect_codes
    on factory_telemetry.quality_checks using gin (defect_codes) where check_result = 'fail';
create index if not exists idx_maintenance_work_orders_open
    on factory_telemetry.maintenance_work_orders (scheduled_start)
    where status in ('open', 'assigned', 'in_progress');
create index if not exists idx_production_alerts_open
    on factory_telemetry.production_alerts (severity, created_at desc) where not is_resolved;

-- One line over the last hours. Rates divide sums of the rows that hold the parts and are null where there
-- are none. Stops are cut to the window, and where two machines stand at once the time counts once.
create or replace function factory_telemetry.get_line_performance_summary(
    p_line_id uuid, p_hours integer default 24)
returns table (line_id uuid, avg_oee real, total_production integer, total_downtime_minutes integer,
               availability real, performance real, quality real)
language sql stable as $$
    with rows as (
        select planned_production_time as planned, actual_production_time as ran,
               ideal_cycle_time as ideal, good_parts as good, total_parts as made
        from factory_telemetry.oee_calculations o
        where o.line_id = p_line_id
          and o.calculation_time > now() - make_interval(hours => p_hours)
          and o.calculation_time <= now()
    ), stopped as (
        select range_agg(tstzrange(greatest(d.start_time, now() - make_interval(hours => p_hours)),
                                   coalesce(least(d.end_time, now()), now()))) as times
        from factory_telemetry.downtime_events d
        where d.line_id = p_line_id and d.start_time < now()
          and coalesce(d.end_time, now())
              > greatest(d.start_time, now() - make_interval(hours => p_hours))
    )
    select p_line_id,
           (sum(ideal * good) filter (where planned is not null) / nullif(sum(planned)
               filter (where ideal is not null and good is not null), 0))::real,
           coalesce(sum(made), 0)::integer,
           (select coalesce(round(sum(extract(epoch from upper(part) - lower(part))) / 60), 0)::integer
            from stopped, unnest(stopped.times) part),
           (sum(ran) filter (where planned is not null)::float8
               / nullif(sum(planned) filter (where ran is not null), 0))::real,
           (sum(ideal * made) filter (where ran is not null) / nullif(sum(ran)
               filter (where ideal is not null and made is not null), 0))::real,
           (sum(good) filter (where made is not null)::float8
               / nullif(sum(made) filter (where good is not null), 0))::real
    from rows
$$;

-- One machine's stops over the last days, cut to the window. Planned, changeover and maintenance are planned;
-- all the rest is unplanned; where both overlap the time is planned. The mean is one of events.
create or replace function factory_telemetry.get_equipment_downtime_summary(
    p_equipment_code text, p_days integer default 7)
returns table (equipment_code text, total_downtime_minutes integer, planned_downtime_minutes integer,
               unplanned_downtime_minutes integer, avg_downtime_duration_minutes real,
               downtime_events_count integer)
language sql stable as $$
    with stops as (
        select d.category in ('planned', 'changeover', 'maintenance') as planned,
               tstzrange(greatest(d.start_time, now() - make_interval(days => p_days)),
                         coalesce(least(d.end_time, now()), now())) as times
        from factory_telemetry.downtime_events d
        where d.equipment_code = p_equipment_code and d.start_time < now()
          and coalesce(d.end_time, now())
              > greatest(d.start_time, now() - make_interval(days => p_days))
    ), minutes as (
        select (select coalesce(round(sum(extract(epoch from upper(part) - lower(part))) / 60), 0)
                from unnest(range_agg(s.times)) part)::integer as whole,
               (select coalesce(round(sum(extract(epoch from upper(part) - lower(part))) / 60), 0)
                from unnest(range_agg(s.times) filter (where s.planned)) part)::integer as planned,
               (avg(extract(epoch from upper(s.times) - lower(s.times))) / 60)::real as mean,
               count(*)::integer as events
        from stops s
    )
    select p_equipment_code, whole, planned, whole - planned, mean, events from minutes
$$;

-- One line over the last days: hours it was scheduled for (schedules that were not cancelled, cut to the
-- window, overlaps once), hours it ran, its performance, and its speed against its target speed, in percent.
create or replace function factory_telemetry.get_production_efficiency_metrics(
    p_line_id uuid, p_days integer default 7)
returns table (line_id uuid, total_scheduled_hours real, actual_production_hours real,
               efficiency_percentage real, target_vs_actual_percentage real)
language sql stable as $$
    with scheduled as (
        select range_agg(tstzrange(greatest(s.scheduled_start, now() - make_interval(days => p_days)),
                                   least(s.scheduled_end, now()))) as times
        from factory_telemetry.production_schedules s
        where s.line_id = p_line_id and s.status is distinct from 'cancelled'
          and s.scheduled_start < now()
          and s.scheduled_end > greatest(s.scheduled_start, now() - make_interval(days => p_days))
    ), rows as (
        select actual_production_time as ran, ideal_cycle_time as ideal, total_parts as made
        from factory_telemetry.oee_calculations o
        where o.line_id = p_line_id
          and o.calculation_time > now() - make_interval(days => p_days)
          and o.calculation_time <= now()
    )
    select p_line_id,
           (select coalesce(sum(extract(epoch from upper(part) - lower(part))) / 3600, 0)::real
            from scheduled, unnest(scheduled.times) part),
           coalesce(sum(ran) / 3600.0, 0)::real,
           (100 * sum(ideal * made) filter (where ran is not null) / nullif(sum(ran)
               filter (where ideal is not null and made is not null), 0))::real,
           (100 * 60.0 * sum(made) filter (where ran is not null)
               / nullif(sum(ran) filter (where made is not null), 0)
               / nullif((select l.target_speed from factory_telemetry.production_lines l
                         where l.id = p_line_id)::float8, 0))::real
    from rows
$$;

-- Made anew, because a definition cannot be replaced. The unique keys let them be refreshed while they are
-- read; `nulls not distinct`, because a line may have no schedule.
drop materialized view if exists factory_telemetry.mv_production_dashboard;
create materialized view factory_telemetry.mv_production_dashboard as
select l.id as line_id,
       l.line_code,
       l.name as line_name,
       l.target_speed,
       s.id as schedule_id,
       s.status as schedule_status,
       s.priority,
       s.scheduled_start,
       s.scheduled_end,
       s.target_quantity,
       p.product_code,
       p.name as product_name,
       j.id as job_id,
       j.status as job_status,
       u.username,
       u.first_name,
       u.last_name,
       j.assigned_at,
       j.accepted_at,
       j.started_at,
       j.completed_at,
       newest.oee as current_oee,
       newest.availability as current_availability,
       newest.performance as current_performance,
       newest.quality as current_quality
from factory_telemetry.production_lines l
left join factory_telemetry.production_schedules s
    on s.line_id = l.id and s.status in ('scheduled', 'in_progress')
left join factory_telemetry.product_types p on p.id = s.product_type_id
left join factory_telemetry.job_assignments j
    on j.schedule_id = s.id and j.status in ('assigned', 'accepted', 'in_progress')
left join factory_telemetry.users u on u.id = j.user_id
left join lateral (
    select o.oee, o.availability, o.performance, o.quality
    from factory_telemetry.oee_calculations o
    where o.line_id = l.id
    order by o.calculation_time desc
    limit 1
) newest on true
where l.enabled;
create unique index idx_mv_production_dashboard_line
    on factory_telemetry.mv_production_dashboard (line_id, schedule_id, job_id) nulls not distinct;
create index idx_mv_production_dashboard_status
    on factory_telemetry.mv_production_dashboard (schedule_status, job_status);

-- The last 30 days, cut to them; a stop that lasts counts until the refresh.
drop materialized view if exists factory_telemetry.mv_downtime_summary;
create materialized view factory_telemetry.mv_downtime_summary as
select d.line_id,
       l.line_code,
       l.name as line_name,
       d.equipment_code,
       d.category,
       count(*) as event_count,
       round(sum(cut.seconds))::bigint as total_duration_seconds,
       avg(cut.seconds) as avg_duration_seconds,
       min(d.start_time) as first_event,
       max(d.start_time) as last_event
from factory_telemetry.downtime_events d
left join factory_telemetry.production_lines l on l.id = d.line_id
cross join lateral (
    select extract(epoch from coalesce(least(d.end_time, now()), now())
                              - greatest(d.start_time, now() - interval '30 days')) as seconds
) cut
where d.start_time < now() and cut.seconds >= 0
group by d.line_id, l.line_code, l.name, d.equipment_code, d.category;
create unique index idx_mv_downtime_summary_line
    on factory_telemetry.mv_downtime_summary (line_id, category, equipment_code) nulls not distinct;

-- By line and day of UTC, so that whoever refreshes it gets the same days. Each rate divides sums of the rows
-- that hold the parts.
drop materialized view if exists factory_telemetry.mv_oee_summary;
create materialized view factory_telemetry.mv_oee_summary as
select o.line_id,
       l.line_code,
       l.name as line_name,
       (o.calculation_time at time zone 'UTC')::date as calculation_date,
       sum(ideal_cycle_time * good_parts) filter (where planned_production_time is not null)
           / nullif(sum(planned_production_time)
               filter (where ideal_cycle_time is not null and good_parts is not null), 0) as avg_oee,
       sum(actual_production_time) filter (where planned_production_time is not null)::float8
           / nullif(sum(planned_production_time)
               filter (where actual_production_time is not null), 0) as avg_availability,
       sum(ideal_cycle_time * total_parts) filter (where actual_production_time is not null)
           / nullif(sum(actual_production_time)
               filter (where ideal_cycle_time is not null and total_parts is not null), 0)
           as avg_performance,
       sum(good_parts) filter (where total_parts is not null)::float8
           / nullif(sum(total_parts) filter (where good_parts is not null), 0) as avg_quality,
       count(*) as calculation_count
from factory_telemetry.oee_calculations o
left join factory_telemetry.production_lines l on l.id = o.line_id
where o.calculation_time > now() - interval '30 days'
group by o.line_id, l.line_code, l.name, 4;
create unique index idx_mv_oee_summary_line_date
    on factory_telemetry.mv_oee_summary (line_id, calculation_date) nulls not distinct;

create or replace function factory_telemetry.refresh_materialized_views() returns void
language plpgsql as $$
begin
    refresh materialized view concurrently factory_telemetry.mv_production_dashboard;
    refresh materialized view concurrently factory_telemetry.mv_downtime_summary;
    refresh materialized view concurrently factory_telemetry.mv_oee_summary;
end
$$;

create or replace function factory_telemetry.update_table_statistics() returns void
language plpgsql as $$
declare
    each_table regclass;
begin
    for each_table in
        select oid from pg_class
        where relnamespace = 'factory_telemetry'::regnamespace and relkind in ('r', 'p', 'm')
        order by relname
    loop
        execute format('analyze %s', each_table);
    end loop;
end
$$;

-- VACUUM cannot run inside a function: this analyzes, and names the tables that autovacuum is behind with.
create or replace function factory_telemetry.maintain_tables() returns void
language plpgsql as $$
declare
    each_table record;
begin
    perform factory_telemetry.update_table_statistics();
    for each_table in
        select format('%I.%I', schemaname, tablename) as name, dead_tuples, live_tuples
        from factory_telemetry.v_table_statistics
        where dead_tuples > 1000 + live_tuples / 5
    loop
        raise notice '% has % dead rows beside % live ones: run VACUUM (ANALYZE) %',
            each_table.name, each_table.dead_tuples, each_table.live_tuples, each_table.name;
    end loop;
end
$$;

-- ALTER SYSTEM cannot run inside a function: this says what is set, what is advised, and what to run.
-- The remedy is null where nothing is to do. The function of the original returned nothing.
drop function if exists factory_telemetry.configure_connection_pooling();
create function factory_telemetry.configure_connection_pooling()
returns table (setting text, current_value text, advised_value text, remedy text)
language sql stable as $$
    select advised.name, current_setting(advised.name), advised.value,
           case when case advised.unit
                     when 'bytes' then pg_size_bytes(current_setting(advised.name))
                     else current_setting(advised.name)::numeric end
                     < case advised.unit when 'bytes' then pg_size_bytes(advised.value)
                       else advised.value::numeric end
                then format('alter system set %I = %L; then %s', advised.name, advised.value,
                    case s.context when 'postmaster' then 'restart the server'
                         else 'select pg_reload_conf()' end)
           end
    from (values (1, 'max_connections', '200', 'count'),
                 (2, 'shared_buffers', '256MB', 'bytes'),
                 (3, 'effective_cache_size', '1GB', 'bytes'),
                 (4, 'maintenance_work_mem', '64MB', 'bytes'),
                 (5, 'checkpoint_completion_target', '0.9', 'count'),
                 (6, 'wal_buffers', '16MB', 'bytes'),
                 (7, 'default_statistics_target', '100', 'count')
         ) advised (place, name, value, unit)
    join pg_settings s on s.name = advised.name
    order by advised.place
$$;

-- A failure is a row of the log and a warning, not an error: an error would take its own row back.
create or replace function factory_telemetry.daily_maintenance() returns void
language plpgsql as $$
declare
    run uuid;
    problem text;
begin
    insert into factory_telemetry.maintenance_log (maintenance_type, started_at)
    values ('daily_maintenance', clock_timestamp())
    returning id into run;
    begin
        perform factory_telemetry.maintain_tables();
        perform factory_telemetry.refresh_materialized_views();
    exception when others then
        problem := sqlerrm;
        raise warning 'daily maintenance failed: %', problem;
    end;
    update factory_telemetry.maintenance_log
    set completed_at = clock_timestamp(),
        status = case when problem is null then 'completed' else 'failed' end,
        notes = coalesce(problem, 'statistics and materialized views are fresh')
    where id = run;
end
$$;

-- pg_stat_statements is not everywhere, and may be made without being loaded: no rows then.
create or replace function factory_telemetry.statements_by_time()
returns table (query text, calls bigint, total_time double precision, mean_time double precision,
               rows bigint, hit_percent double precision)
language plpgsql stable as $$
declare
    home text;
begin
    select n.nspname into home
    from pg_extension x join pg_namespace n on n.oid = x.extnamespace
    where x.extname = 'pg_stat_statements';
    if home is null then
        return;
    end if;
    return query execute format(
        'select query, calls, total_exec_time, mean_exec_time, rows, 100.0::float8 * shared_blks_hit
             / nullif(shared_blks_hit + shared_blks_read, 0)
         from %I.pg_stat_statements', home);
exception when object_not_in_prerequisite_state then
    return;
end
$$;

-- Statements of more than 100 ms in the mean; times in milliseconds.
create or replace view factory_telemetry.v_slow_queries as
select query, calls, total_time, mean_time, rows, hit_percent
from factory_telemetry.statements_by_time()
where mean_time > 100
order by mean_time desc;

-- Indexes of chunks have figures of their own (pg_stat_user_indexes), which do not show here.
create or replace view factory_telemetry.v_index_usage as
select schemaname,
       relname as tablename,
       indexrelname as indexname,
       idx_tup_read,
       idx_tup_fetch,
       100.0::float8 * idx_tup_fetch / nullif(idx_tup_read, 0) as hit_percent
from pg_stat_user_indexes
where schemaname = 'factory_telemetry'
order by hit_percent nulls first, relname, indexrelname;

-- A hypertable with its chunks, which inherit from it.
create or replace view factory_telemetry.v_table_statistics as
with family (whole, part) as (
    select oid, oid from pg_class where relnamespace = 'factory_telemetry'::regnamespace
    union all
    select inhparent, inhrelid from pg_inherits
)
select n.nspname as schemaname,
       c.relname as tablename,
       sum(part.n_tup_ins)::bigint as inserts,
       sum(part.n_tup_upd)::bigint as updates,
       sum(part.n_tup_del)::bigint as deletes,
       sum(part.n_live_tup)::bigint as live_tuples,
       sum(part.n_dead_tup)::bigint as dead_tuples,
       max(part.last_vacuum) as last_vacuum,
       max(part.last_autovacuum) as last_autovacuum,
       max(part.last_analyze) as last_analyze,
       max(part.last_autoanalyze) as last_autoanalyze
from family f
join pg_class c on c.oid = f.whole
join pg_namespace n on n.oid = c.relnamespace
join pg_stat_user_tables part on part.relid = f.part
where n.nspname = 'factory_telemetry'
group by n.nspname, c.relname
order by live_tuples desc;

-- What is older is compressed, what is older still is dropped. `if_not_exists` keeps a policy that somebody
-- has changed. Without these jobs `millstream maintain` does the retention.

-- needs compression
alter table factory_telemetry.metric_hist set (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'metric_def_id',
    timescaledb.compress_orderby = 'ts desc');
-- needs compression
select add_compression_policy('factory_telemetry.metric_hist', compress_after => interval '7 days',
    if_not_exists => true, schedule_interval => interval '12 hours');
-- needs compression
select add_retention_policy('factory_telemetry.metric_hist', drop_after => interval '90 days',
    if_not_exists => true);

-- needs compression
alter table factory_telemetry.oee_calculations set (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'line_id, equipment_code',
    timescaledb.compress_orderby = 'calculation_time desc');
-- needs compression
select add_compression_policy('factory_telemetry.oee_calculations', compress_after => interval '7 days',
    if_not_exists => true, schedule_interval => interval '12 hours');
-- needs compression
select add_retention_policy('factory_telemetry.oee_calculations', drop_after => interval '365 days',
    if_not_exists => true);

-- needs compression
alter table factory_telemetry.production_kpis set (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'line_id',
    timescaledb.compress_orderby = 'created_at desc');
-- needs compression
select add_compression_policy('factory_telemetry.production_kpis', compress_after => interval '7 days',
    if_not_exists => true, schedule_interval => interval '12 hours');
-- needs compression
select add_retention_policy('factory_telemetry.production_kpis', drop_after => interval '365 days',
    if_not_exists => true);

-- needs compression
alter table factory_telemetry.energy_consumption set (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'equipment_code',
    timescaledb.compress_orderby = 'consumption_time desc');
-- needs compression
select add_compression_policy('factory_telemetry.energy_consumption', compress_after => interval '14 days',
    if_not_exists => true, schedule_interval => interval '12 hours');
-- needs compression
select add_retention_policy('factory_telemetry.energy_consumption', drop_after => interval '365 days',
    if_not_exists => true);

-- needs compression
alter table factory_telemetry.production_context_history set (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'equipment_code',
    timescaledb.compress_orderby = 'changed_at desc');
-- needs compression
select add_compression_policy('factory_telemetry.production_context_history',
    compress_after => interval '30 days',
    if_not_exists => true, schedule_interval => interval '12 hours');
-- needs compression
select add_retention_policy('factory_telemetry.production_context_history',
    drop_after => interval '730 days',
    if_not_exists => true);

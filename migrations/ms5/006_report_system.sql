-- 006 - Report System

create table if not exists factory_telemetry.report_templates (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    description text not null,
    template_type text not null check (template_type in
        ('production', 'oee', 'downtime', 'quality', 'maintenance', 'custom')),
    parameters jsonb not null default '[]',
    sections jsonb not null default '[]',
    is_active boolean default true,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    created_by uuid references factory_telemetry.users (id),
    updated_by uuid references factory_telemetry.users (id)
);

create table if not exists factory_telemetry.report_generation_jobs (
    id uuid primary key default gen_random_uuid(),
    template_id uuid references factory_telemetry.report_templates (id),
    report_type text not null,
    parameters jsonb not null default '{}',
    status text default 'pending'
        check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    priority integer default 0,
    created_at timestamptz default now(),
    started_at timestamptz,
    completed_at timestamptz,
    created_by uuid references factory_telemetry.users (id),
    error_message text,
    progress_percentage integer default 0
        check (progress_percentage >= 0 and progress_percentage <= 100)
);

alter table factory_telemetry.production_reports
    add column if not exists template_id uuid references factory_telemetry.report_templates (id),
    add column if not exists generation_job_id uuid
        references factory_telemetry.report_generation_jobs (id),
    add column if not exists file_size bigint,
    add column if not exists file_hash text,
    add column if not exists generation_parameters jsonb default '{}',
    add column if not exists status text default 'completed'
        check (status in ('generating', 'completed', 'failed', 'deleted')),
    add column if not exists download_count integer default 0,
    add column if not exists last_downloaded_at timestamptz;

create table if not exists factory_telemetry.report_access_logs (
    id uuid primary key default gen_random_uuid(),
    report_id uuid references factory_telemetry.production_reports (id) on delete cascade,
    user_id uuid references factory_telemetry.users (id),
    action text not null check (action in ('viewed', 'downloaded', 'shared', 'deleted')),
    accessed_at timestamptz default now(),
    ip_address inet,
    user_agent text,
    additional_data jsonb default '{}'
);

create table if not exists factory_telemetry.report_favorites (
    id uuid primary key default gen_random_uuid(),
    user_id uuid references factory_telemetry.users (id) on delete cascade,
    template_id uuid references factory_telemetry.report_templates (id) on delete cascade,
    name text not null,
    parameters jsonb not null default '{}',
    created_at timestamptz default now(),
    unique (user_id, template_id, name)
);

create table if not exists factory_telemetry.report_schedules (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    description text,
    template_id uuid references factory_telemetry.report_templates (id),
    parameters jsonb not null default '{}',
    schedule_cron text not null,
    is_active boolean default true,
    next_run_at timestamptz,
    last_run_at timestamptz,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    created_by uuid references factory_telemetry.users (id),
    updated_by uuid references factory_telemetry.users (id)
);

create table if not exists factory_telemetry.report_schedule_runs (
    id uuid primary key default gen_random_uuid(),
    schedule_id uuid references factory_telemetry.report_schedules (id) on delete cascade,
    generation_job_id uuid references factory_telemetry.report_generation_jobs (id),
    report_id uuid references factory_telemetry.production_reports (id),
    status text default 'pending'
        check (status in ('pending', 'running', 'completed', 'failed', 'skipped')),
    started_at timestamptz,
    completed_at timestamptz,
    error_message text,
    created_at timestamptz default now()
);

create table if not exists factory_telemetry.report_categories (
    id uuid primary key default gen_random_uuid(),
    name text not null unique,
    description text,
    color text,
    icon text,
    sort_order integer default 0,
    is_active boolean default true,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);

create table if not exists factory_telemetry.report_template_categories (
    template_id uuid references factory_telemetry.report_templates (id) on delete cascade,
    category_id uuid references factory_telemetry.report_categories (id) on delete cascade,
    primary key (template_id, category_id)
);

create table if not exists factory_telemetry.report_permissions (
    id uuid primary key default gen_random_uuid(),
    template_id uuid references factory_telemetry.report_templates (id) on delete cascade,
    role text not null,
    can_generate boolean default false,
    can_view boolean default false,
    can_edit boolean default false,
    can_delete boolean default false,
    can_schedule boolean default false,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    unique (template_id, role)
);

create table if not exists factory_telemetry.report_notifications (
    id uuid primary key default gen_random_uuid(),
    report_id uuid references factory_telemetry.production_reports (id) on delete cascade,
    user_id uuid references factory_telemetry.users (id),
    notification_type text not null
        check (notification_type in ('generated', 'failed', 'scheduled', 'shared')),
    title text not null,
    message text not null,
    is_read boolean default false,
    sent_at timestamptz default now(),
    read_at timestamptz
);

-- Also for what cleanup_old_reports() deletes: without them each deletion reads the referring tables.
create index if not exists idx_production_reports_template_id
    on factory_telemetry.production_reports (template_id);
create index if not exists idx_production_reports_job
    on factory_telemetry.production_reports (generation_job_id);
create index if not exists idx_production_reports_generated_at
    on factory_telemetry.production_reports (generated_at);
create index if not exists idx_report_generation_jobs_queue
    on factory_telemetry.report_generation_jobs (status, priority desc, created_at);
create index if not exists idx_report_generation_jobs_template_id
    on factory_telemetry.report_generation_jobs (template_id);
create index if not exists idx_report_access_logs_report_id
    on factory_telemetry.report_access_logs (report_id);
create index if not exists idx_report_access_logs_accessed_at
    on factory_telemetry.report_access_logs (accessed_at);
create index if not exists idx_report_favorites_template_id
    on factory_telemetry.report_favorites (template_id);
create index if not exists idx_report_schedules_template_id
    on factory_telemetry.report_schedules (template_id);
create index if not exists idx_report_schedules_next_run
    on factory_telemetry.report_schedules (next_run_at);
create index if not exists idx_report_schedule_runs_schedule_id
    on factory_telemetry.report_schedule_runs (schedule_id);
create index if not exists idx_report_schedule_runs_job
    on factory_telemetry.report_schedule_runs (generation_job_id);
create index if not exists idx_report_schedule_runs_report
    on factory_telemetry.report_schedule_runs (report_id);
create index if not exists idx_report_template_categories_category
    on factory_telemetry.report_template_categories (category_id);
create index if not exists idx_report_notifications_user_unread
    on factory_telemetry.report_notifications (user_id, is_read);
create index if not exists idx_report_notifications_report
    on factory_telemetry.report_notifications (report_id);

insert into factory_telemetry.report_categories (name, description, color, icon, sort_order)
values ('Production', 'What was made', '#2196F3', 'factory', 1),
       ('OEE', 'Overall equipment effectiveness', '#4CAF50', 'trending_up', 2),
       ('Downtime', 'Stops and their reasons', '#F44336', 'warning', 3),
       ('Quality', 'Checks and defects', '#FF9800', 'check_circle', 4),
       ('Maintenance', 'Work orders and tasks', '#9C27B0', 'build', 5),
       ('Custom', 'Made by users', '#607D8B', 'tune', 6)
on conflict do nothing;

insert into factory_telemetry.report_templates
    (name, description, template_type, parameters, sections, created_by)
select given.name, given.description, given.kind, given.parameters::jsonb,
       (select jsonb_agg(jsonb_build_object('type', section, 'title',
                   initcap(replace(section, '_', ' '))) order by place)
        from unnest(given.sections::text[]) with ordinality as list (section, place)),
       (select id from factory_telemetry.users where username = 'admin')
from (values
    ('Daily Production Report', 'A day of one line: output, OEE, stops', 'production',
     '[{"name": "line_id", "type": "uuid", "required": true, "description": "Line"},
       {"name": "report_date", "type": "date", "required": true, "description": "Day"},
       {"name": "shift", "type": "string", "required": false, "description": "Shift"}]',
     '{header,summary,oee,downtime,production,quality,equipment}'),
    ('OEE Analysis Report', 'OEE of one line over some days', 'oee',
     '[{"name": "line_id", "type": "uuid", "required": true, "description": "Line"},
       {"name": "start_date", "type": "date", "required": true, "description": "First day"},
       {"name": "end_date", "type": "date", "required": true, "description": "Last day"}]',
     '{header,oee_overview,oee_trends,performance_analysis,recommendations}'),
    ('Downtime Analysis Report', 'Stops of one line over some days', 'downtime',
     '[{"name": "line_id", "type": "uuid", "required": true, "description": "Line"},
       {"name": "start_date", "type": "date", "required": true, "description": "First day"},
       {"name": "end_date", "type": "date", "required": true, "description": "Last day"}]',
     '{header,downtime_overview,downtime_breakdown,top_reasons,equipment_downtime,downtime_recommendations}')
) given (name, description, kind, parameters, sections)
where not exists (select from factory_telemetry.report_templates there
                  where there.name = given.name);

-- Rights on these three templates alone: those that users made have rights of their own.
insert into factory_telemetry.report_permissions
    (template_id, role, can_generate, can_view, can_edit, can_delete, can_schedule)
select t.id, given.role, given.makes, true, given.edits, given.deletes, given.schedules
from factory_telemetry.report_templates t
cross join (values ('admin', true, true, true, true),
                   ('production_manager', true, true, false, true),
                   ('shift_manager', true, false, false, true),
                   ('engineer', true, false, false, false),
                   ('operator', false, false, false, false)
           ) given (role, makes, edits, deletes, schedules)
where t.name in ('Daily Production Report', 'OEE Analysis Report', 'Downtime Analysis Report')
on conflict do nothing;

create or replace view factory_telemetry.report_generation_status as
select j.id as job_id,
       j.template_id,
       t.name as template_name,
       j.report_type,
       j.status,
       j.priority,
       j.progress_percentage,
       j.created_at,
       j.started_at,
       j.completed_at,
       j.error_message,
       u.username as created_by_username,
       r.id as report_id
from factory_telemetry.report_generation_jobs j
left join factory_telemetry.report_templates t on t.id = j.template_id
left join factory_telemetry.users u on u.id = j.created_by
left join factory_telemetry.production_reports r on r.generation_job_id = j.id
order by j.priority desc, j.created_at;

-- Weeks begin on Monday. A deleted report takes no storage any more.
create or replace view factory_telemetry.report_statistics as
select count(*) as total_reports,
       count(*) filter (where generated_at >= current_date) as reports_today,
       count(*) filter (where generated_at >= date_trunc('week', now())) as reports_this_week,
       count(*) filter (where generated_at >= date_trunc('month', now())) as reports_this_month,
       coalesce(sum(file_size) filter (where status <> 'deleted'), 0) as total_storage_used,
       avg(file_size) filter (where status <> 'deleted') as average_file_size,
       count(*) filter (where status = 'completed') as completed_reports,
       count(*) filter (where status = 'failed') as failed_reports,
       count(*) filter (where status = 'generating') as generating_reports
from factory_telemetry.production_reports;

create or replace function factory_telemetry.update_report_download_count() returns trigger
language plpgsql as $$
begin
    update factory_telemetry.production_reports
    set download_count = coalesce(download_count, 0) + 1,
        last_downloaded_at = greatest(last_downloaded_at, new.accessed_at)
    where id = new.report_id;
    return null;
end
$$;

create or replace trigger trigger_update_report_download_count
    after insert on factory_telemetry.report_access_logs
    for each row when (new.action = 'downloaded')
    execute function factory_telemetry.update_report_download_count();

-- Deletes completed reports that nobody downloaded for a year, logs older than six months and finished jobs
-- older than three; a job stays as long as its report does. Runs of schedules stay, without the reference.
-- Returns the number of reports.
create or replace function factory_telemetry.cleanup_old_reports() returns integer
language plpgsql as $$
declare
    old uuid[];
    finished uuid[];
begin
    old := array(select id from factory_telemetry.production_reports
                 where generated_at < now() - interval '1 year'
                   and coalesce(download_count, 0) = 0 and status = 'completed');
    update factory_telemetry.report_schedule_runs set report_id = null where report_id = any (old);
    delete from factory_telemetry.production_reports where id = any (old);
    delete from factory_telemetry.report_access_logs where accessed_at < now() - interval '6 months';

    finished := array(select j.id from factory_telemetry.report_generation_jobs j
                      where j.created_at < now() - interval '3 months'
                        and j.status in ('completed', 'failed', 'cancelled')
                        and not exists (select from factory_telemetry.production_reports r
                                        where r.generation_job_id = j.id));
    update factory_telemetry.report_schedule_runs set generation_job_id = null
    where generation_job_id = any (finished);
    delete from factory_telemetry.report_generation_jobs where id = any (finished);
    return cardinality(old);
end
$$;

-- The queue now, what ended today, and the mean duration of the jobs that ended within seven days.
create or replace function factory_telemetry.get_report_queue_status()
returns table (pending_jobs integer, processing_jobs integer, completed_today integer,
               failed_today integer, average_generation_time interval)
language sql stable as $$
    select count(*) filter (where status = 'pending')::integer,
           count(*) filter (where status = 'processing')::integer,
           count(*) filter (where status = 'completed' and completed_at >= current_date)::integer,
           count(*) filter (where status = 'failed'
               and coalesce(completed_at, created_at) >= current_date)::integer,
           avg(completed_at - started_at)
               filter (where status = 'completed' and completed_at >= now() - interval '7 days')
    from factory_telemetry.report_generation_jobs
$$;

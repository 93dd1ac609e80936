-- 003 - Production Management
-- Lines, products, schedules, jobs, check lists, stops, OEE, reports and calls for help.

create table if not exists factory_telemetry.production_lines (
    id uuid primary key default gen_random_uuid(),
    line_code text not null unique,
    name text not null,
    description text,
    equipment_codes text[] not null,
    target_speed real,
    enabled boolean default true,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);
comment on column factory_telemetry.production_lines.target_speed is 'units a minute';

create table if not exists factory_telemetry.product_types (
    id uuid primary key default gen_random_uuid(),
    product_code text not null unique,
    name text not null,
    description text,
    target_speed real,
    cycle_time_seconds real,
    quality_specs jsonb,
    enabled boolean default true,
    created_at timestamptz default now()
);

create table if not exists factory_telemetry.production_schedules (
    id uuid primary key default gen_random_uuid(),
    line_id uuid references factory_telemetry.production_lines (id),
    product_type_id uuid references factory_telemetry.product_types (id),
    scheduled_start timestamptz not null,
    scheduled_end timestamptz not null,
    target_quantity integer not null,
    priority integer default 1,
    status text default 'scheduled'
        check (status in ('scheduled', 'in_progress', 'completed', 'cancelled', 'paused')),
    created_by uuid references factory_telemetry.users (id),
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);

-- 008 widens the states.
create table if not exists factory_telemetry.job_assignments (
    id uuid primary key default gen_random_uuid(),
    schedule_id uuid references factory_telemetry.production_schedules (id),
    user_id uuid references factory_telemetry.users (id),
    assigned_at timestamptz default now(),
    accepted_at timestamptz,
    started_at timestamptz,
    completed_at timestamptz,
    status text default 'assigned'
        check (status in ('assigned', 'accepted', 'in_progress', 'completed', 'cancelled')),
    notes text
);

create table if not exists factory_telemetry.checklist_templates (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    equipment_codes text[] not null,
    checklist_items jsonb not null,
    enabled boolean default true,
    created_at timestamptz default now()
);

create table if not exists factory_telemetry.checklist_completions (
    id uuid primary key default gen_random_uuid(),
    job_assignment_id uuid references factory_telemetry.job_assignments (id),
    template_id uuid references factory_telemetry.checklist_templates (id),
    completed_by uuid references factory_telemetry.users (id),
    completed_at timestamptz default now(),
    responses jsonb not null,
    signature_data jsonb,
    status text default 'completed' check (status in ('completed', 'failed'))
);

-- 008 widens the categories.
create table if not exists factory_telemetry.downtime_events (
    id uuid primary key default gen_random_uuid(),
    line_id uuid references factory_telemetry.production_lines (id),
    equipment_code text not null,
    start_time timestamptz not null,
    end_time timestamptz,
    duration_seconds integer,
    reason_code text not null,
    reason_description text,
    category text check (category in ('planned', 'unplanned', 'changeover', 'maintenance')),
    subcategory text,
    reported_by uuid references factory_telemetry.users (id),
    confirmed_by uuid references factory_telemetry.users (id),
    confirmed_at timestamptz,
    notes text,
    created_at timestamptz default now()
);
comment on column factory_telemetry.downtime_events.end_time is 'null while the stop lasts';

-- A unique key of a hypertable has to hold its time column.
create table if not exists factory_telemetry.oee_calculations (
    id bigserial,
    line_id uuid references factory_telemetry.production_lines (id),
    equipment_code text not null,
    calculation_time timestamptz not null,
    availability real not null,
    performance real not null,
    quality real not null,
    oee real not null,
    planned_production_time integer,
    actual_production_time integer,
    ideal_cycle_time real,
    actual_cycle_time real,
    good_parts integer,
    total_parts integer,
    primary key (id, calculation_time)
);
comment on table factory_telemetry.oee_calculations is
    'rates 0 to 1, times and cycle times in seconds; a sum of rows divides sums, never averages rates';

do $$
begin
    if (select cardinality(conkey) from pg_constraint
        where conrelid = 'factory_telemetry.oee_calculations'::regclass and contype = 'p') = 1 then
        alter table factory_telemetry.oee_calculations
            drop constraint oee_calculations_pkey,
            add primary key (id, calculation_time);
    end if;
end
$$;

create table if not exists factory_telemetry.production_reports (
    id uuid primary key default gen_random_uuid(),
    line_id uuid references factory_telemetry.production_lines (id),
    report_date date not null,
    shift text,
    total_production integer default 0,
    good_parts integer default 0,
    scrap_parts integer default 0,
    rework_parts integer default 0,
    total_downtime_minutes integer default 0,
    oee_average real,
    report_data jsonb,
    generated_by uuid references factory_telemetry.users (id),
    generated_at timestamptz default now(),
    pdf_path text
);

-- 008 widens the event types.
create table if not exists factory_telemetry.andon_events (
    id uuid primary key default gen_random_uuid(),
    line_id uuid references factory_telemetry.production_lines (id),
    equipment_code text not null,
    event_type text not null check (event_type in ('stop', 'quality', 'maintenance', 'material')),
    priority text not null check (priority in ('low', 'medium', 'high', 'critical')),
    description text not null,
    reported_by uuid references factory_telemetry.users (id),
    reported_at timestamptz default now(),
    acknowledged_by uuid references factory_telemetry.users (id),
    acknowledged_at timestamptz,
    resolved_by uuid references factory_telemetry.users (id),
    resolved_at timestamptz,
    resolution_notes text,
    status text default 'open' check (status in ('open', 'acknowledged', 'resolved', 'escalated'))
);

alter table factory_telemetry.users
    add column if not exists first_name text,
    add column if not exists last_name text,
    add column if not exists employee_id text unique,
    add column if not exists department text,
    add column if not exists shift text,
    add column if not exists skills text[],
    add column if not exists certifications text[];

create index if not exists idx_production_schedules_line_status
    on factory_telemetry.production_schedules (line_id, status);
create index if not exists idx_production_schedules_scheduled_start
    on factory_telemetry.production_schedules (scheduled_start);
create index if not exists idx_production_schedules_product
    on factory_telemetry.production_schedules (product_type_id);
create index if not exists idx_job_assignments_schedule_status
    on factory_telemetry.job_assignments (schedule_id, status);
create index if not exists idx_job_assignments_user_status
    on factory_telemetry.job_assignments (user_id, status);
create index if not exists idx_checklist_completions_job
    on factory_telemetry.checklist_completions (job_assignment_id);
create index if not exists idx_downtime_events_line_time
    on factory_telemetry.downtime_events (line_id, start_time desc);
create index if not exists idx_downtime_events_equipment_time
    on factory_telemetry.downtime_events (equipment_code, start_time);
create index if not exists idx_downtime_events_start_time
    on factory_telemetry.downtime_events (start_time);
create index if not exists idx_oee_calculations_calculation_time
    on factory_telemetry.oee_calculations (calculation_time desc);
create index if not exists idx_oee_calculations_line_time
    on factory_telemetry.oee_calculations (line_id, calculation_time desc);
create index if not exists idx_oee_calculations_equipment_time
    on factory_telemetry.oee_calculations (equipment_code, calculation_time);
create index if not exists idx_production_reports_date_line
    on factory_telemetry.production_reports (report_date desc, line_id);
create index if not exists idx_andon_events_line_status
    on factory_telemetry.andon_events (line_id, status);
create index if not exists idx_andon_events_equipment
    on factory_telemetry.andon_events (equipment_code, reported_at desc);

-- needs timescale
select create_hypertable('factory_telemetry.oee_calculations', 'calculation_time',
    chunk_time_interval => interval '1 day', create_default_indexes => false,
    if_not_exists => true, migrate_data => true);

insert into factory_telemetry.production_lines
    (line_code, name, description, equipment_codes, target_speed)
values ('L-BAG1', 'Bagger Line 1', 'Bagger 1 with its basket loader',
        '{BP01.PACK.BAG1,BP01.PACK.BAG1.BL}', 100)
on conflict do nothing;

insert into factory_telemetry.product_types
    (product_code, name, description, target_speed, cycle_time_seconds)
values ('PROD-001', 'Standard Bread Bags', 'Bags of 500 g', 100, 0.6),
       ('PROD-002', 'Large Bread Bags', 'Bags of 750 g', 80, 0.75),
       ('PROD-003', 'Specialty Bags', 'Special bags', 60, 1.0)
on conflict do nothing;

insert into factory_telemetry.checklist_templates (name, equipment_codes, checklist_items)
select 'Bagger Pre-Start Checklist', '{BP01.PACK.BAG1,BP01.PACK.BAG1.BL}', '[
    {"id": "safety_guards", "type": "checkbox", "required": true, "item": "Guards are closed"},
    {"id": "emergency_stops", "type": "checkbox", "required": true, "item": "Emergency stops work"},
    {"id": "air_pressure", "type": "measurement", "unit": "bar", "required": true,
     "item": "Air pressure, 4 to 6 bar"},
    {"id": "bag_supply", "type": "checkbox", "required": true, "item": "Enough bags"},
    {"id": "product_supply", "type": "checkbox", "required": true, "item": "Product is ready"},
    {"id": "general_notes", "type": "text", "required": false, "item": "Notes"}]'
where not exists (select from factory_telemetry.checklist_templates
                  where name = 'Bagger Pre-Start Checklist');

-- Every line in service with its schedules and jobs.
create or replace view public.v_production_dashboard as
select l.id as line_id,
       l.line_code,
       l.name as line_name,
       l.target_speed,
       s.id as schedule_id,
       s.scheduled_start,
       s.scheduled_end,
       s.target_quantity,
       s.status as schedule_status,
       p.product_code,
       p.name as product_name,
       p.cycle_time_seconds,
       j.id as job_assignment_id,
       j.user_id,
       j.status as job_status,
       j.assigned_at,
       j.accepted_at,
       j.started_at,
       j.completed_at,
       u.username,
       u.first_name,
       u.last_name
from factory_telemetry.production_lines l
left join factory_telemetry.production_schedules s on s.line_id = l.id
left join factory_telemetry.product_types p on p.id = s.product_type_id
left join factory_telemetry.job_assignments j on j.schedule_id = s.id
left join factory_telemetry.users u on u.id = j.user_id
where l.enabled
order by l.name, s.scheduled_start;

-- Stops that have ended. A stop without a line is shown too; a duration nobody wrote is worked out.
create or replace view public.v_downtime_summary as
select l.line_code,
       l.name as line_name,
       d.equipment_code,
       d.category,
       d.subcategory,
       d.reason_code,
       d.reason_description,
       d.start_time,
       d.end_time,
       lasted.seconds as duration_seconds,
       lasted.seconds / 60.0 as duration_minutes,
       reporter.username as reported_by,
       confirmer.username as confirmed_by
from factory_telemetry.downtime_events d
cross join lateral (
    select coalesce(d.duration_seconds, extract(epoch from d.end_time - d.start_time)::integer)
) lasted (seconds)
left join factory_telemetry.production_lines l on l.id = d.line_id
left join factory_telemetry.users reporter on reporter.id = d.reported_by
left join factory_telemetry.users confirmer on confirmer.id = d.confirmed_by
where d.end_time is not null
order by d.start_time desc;

create or replace view public.v_oee_summary as
select l.line_code,
       l.name as line_name,
       o.equipment_code,
       o.calculation_time,
       o.availability,
       o.performance,
       o.quality,
       o.oee,
       o.good_parts,
       o.total_parts,
       case when o.oee::numeric >= 0.85 then 'Excellent'
            when o.oee::numeric >= 0.70 then 'Good'
            when o.oee::numeric >= 0.50 then 'Fair'
            else 'Poor' end as oee_rating
from factory_telemetry.oee_calculations o
left join factory_telemetry.production_lines l on l.id = o.line_id
order by o.calculation_time desc;

-- 004 - Advanced Production Features
-- Shifts, targets, quality, maintenance, material, energy, alerts and figures a shift.

create table if not exists factory_telemetry.production_shifts (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    start_time time not null,
    end_time time not null,
    description text,
    enabled boolean default true,
    created_at timestamptz default now()
);
comment on table factory_telemetry.production_shifts is
    'local times of the plant; a shift whose end is not after its start ends on the next day';

create table if not exists factory_telemetry.shift_assignments (
    id uuid primary key default gen_random_uuid(),
    user_id uuid references factory_telemetry.users (id),
    shift_id uuid references factory_telemetry.production_shifts (id),
    line_id uuid references factory_telemetry.production_lines (id),
    assigned_date date not null,
    is_primary boolean default true,
    created_at timestamptz default now()
);

create table if not exists factory_telemetry.production_targets (
    id uuid primary key default gen_random_uuid(),
    line_id uuid references factory_telemetry.production_lines (id),
    product_type_id uuid references factory_telemetry.product_types (id),
    target_date date not null,
    shift_id uuid references factory_telemetry.production_shifts (id),
    target_quantity integer not null,
    target_oee real check (target_oee >= 0 and target_oee <= 1),
    target_availability real check (target_availability >= 0 and target_availability <= 1),
    target_performance real check (target_performance >= 0 and target_performance <= 1),
    target_quality real check (target_quality >= 0 and target_quality <= 1),
    created_by uuid references factory_telemetry.users (id),
    created_at timestamptz default now(),
    unique (line_id, product_type_id, target_date, shift_id)
);

create table if not exists factory_telemetry.quality_checks (
    id uuid primary key default gen_random_uuid(),
    line_id uuid references factory_telemetry.production_lines (id),
    product_type_id uuid references factory_telemetry.product_types (id),
    check_time timestamptz not null,
    check_type text not null check (check_type in ('incoming', 'in_process', 'final', 'audit')),
    check_result text not null check (check_result in ('pass', 'fail', 'conditional')),
    quantity_checked integer not null,
    quantity_passed integer not null,
    quantity_failed integer not null,
    defect_codes text[],
    notes text,
    checked_by uuid references factory_telemetry.users (id),
    created_at timestamptz default now()
);

create table if not exists factory_telemetry.defect_codes (
    id uuid primary key default gen_random_uuid(),
    code text not null unique,
    name text not null,
    description text,
    category text not null
        check (category in ('dimensional', 'visual', 'functional', 'packaging')),
    severity text not null check (severity in ('minor', 'major', 'critical')),
    enabled boolean default true,
    created_at timestamptz default now()
);

create table if not exists factory_telemetry.maintenance_work_orders (
    id uuid primary key default gen_random_uuid(),
    work_order_number text not null unique,
    equipment_code text not null,
    title text not null,
    description text,
    priority text not null check (priority in ('low', 'medium', 'high', 'critical')),
    status text default 'open'
        check (status in ('open', 'assigned', 'in_progress', 'completed', 'cancelled')),
    work_type text not null
        check (work_type in ('preventive', 'corrective', 'predictive', 'emergency')),
    scheduled_start timestamptz,
    scheduled_end timestamptz,
    actual_start timestamptz,
    actual_end timestamptz,
    estimated_duration_hours real,
    actual_duration_hours real,
    assigned_to uuid references factory_telemetry.users (id),
    created_by uuid references factory_telemetry.users (id),
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);

create table if not exists factory_telemetry.maintenance_tasks (
    id uuid primary key default gen_random_uuid(),
    work_order_id uuid references factory_telemetry.maintenance_work_orders (id),
    task_name text not null,
    description text,
    task_order integer not null,
    estimated_duration_minutes integer,
    actual_duration_minutes integer,
    status text default 'pending'
        check (status in ('pending', 'in_progress', 'completed', 'skipped')),
    completed_by uuid references factory_telemetry.users (id),
    completed_at timestamptz,
    notes text,
    created_at timestamptz default now()
);

create table if not exists factory_telemetry.material_consumption (
    id uuid primary key default gen_random_uuid(),
    line_id uuid references factory_telemetry.production_lines (id),
    material_code text not null,
    material_name text not null,
    consumption_date date not null,
    shift_id uuid references factory_telemetry.production_shifts (id),
    quantity_consumed real not null,
    unit_of_measure text not null,
    cost_per_unit real,
    total_cost real,
    recorded_by uuid references factory_telemetry.users (id),
    created_at timestamptz default now()
);

create table if not exists factory_telemetry.energy_consumption (
    id bigserial,
    equipment_code text not null,
    consumption_time timestamptz not null,
    power_consumption_kw real not null,
    energy_consumption_kwh real not null,
    voltage_v real,
    current_a real,
    power_factor real,
    temperature_c real,
    humidity_percent real,
    primary key (id, consumption_time)
);

create table if not exists factory_telemetry.production_alerts (
    id uuid primary key default gen_random_uuid(),
    line_id uuid references factory_telemetry.production_lines (id),
    equipment_code text,
    alert_type text not null check (alert_type in
        ('oee_low', 'downtime_high', 'quality_issue', 'maintenance_due', 'target_missed')),
    severity text not null check (severity in ('info', 'warning', 'error', 'critical')),
    title text not null,
    message text not null,
    threshold_value real,
    actual_value real,
    is_acknowledged boolean default false,
    acknowledged_by uuid references factory_telemetry.users (id),
    acknowledged_at timestamptz,
    is_resolved boolean default false,
    resolved_by uuid references factory_telemetry.users (id),
    resolved_at timestamptz,
    resolution_notes text,
    created_at timestamptz default now()
);

-- created_at is the time of the hypertable, therefore never null and part of the key.
create table if not exists factory_telemetry.production_kpis (
    id bigserial,
    line_id uuid references factory_telemetry.production_lines (id),
    kpi_date date not null,
    shift_id uuid references factory_telemetry.production_shifts (id),
    oee real,
    availability real,
    performance real,
    quality real,
    total_production integer,
    good_parts integer,
    scrap_parts integer,
    rework_parts integer,
    total_downtime_minutes integer,
    planned_downtime_minutes integer,
    unplanned_downtime_minutes integer,
    changeover_time_minutes integer,
    maintenance_time_minutes integer,
    energy_consumption_kwh real,
    material_waste_percent real,
    first_pass_yield real,
    created_at timestamptz default now(),
    primary key (id, created_at)
);

-- Tables of the original have keys of the id alone. A row without a time is refused: none is guessed.
do $$
begin
    if (select cardinality(conkey) from pg_constraint
        where conrelid = 'factory_telemetry.energy_consumption'::regclass and contype = 'p') = 1 then
        alter table factory_telemetry.energy_consumption
            drop constraint energy_consumption_pkey,
            add primary key (id, consumption_time);
    end if;
    if (select cardinality(conkey) from pg_constraint
        where conrelid = 'factory_telemetry.production_kpis'::regclass and contype = 'p') = 1 then
        alter table factory_telemetry.production_kpis
            drop constraint production_kpis_pkey,
            add primary key (id, created_at);
    end if;
end
$$;

create index if not exists idx_shift_assignments_date
    on factory_telemetry.shift_assignments (assigned_date);
create index if not exists idx_shift_assignments_user_id
    on factory_telemetry.shift_assignments (user_id);
create index if not exists idx_production_targets_line_date
    on factory_telemetry.production_targets (line_id, target_date);
create index if not exists idx_quality_checks_line_date
    on factory_telemetry.quality_checks (line_id, check_time);
create index if not exists idx_quality_checks_product
    on factory_telemetry.quality_checks (product_type_id, check_time);
create index if not exists idx_maintenance_work_orders_equipment
    on factory_telemetry.maintenance_work_orders (equipment_code);
create index if not exists idx_maintenance_tasks_order
    on factory_telemetry.maintenance_tasks (work_order_id, task_order);
create index if not exists idx_material_consumption_line_date
    on factory_telemetry.material_consumption (line_id, consumption_date);
create index if not exists idx_energy_consumption_equipment_time
    on factory_telemetry.energy_consumption (equipment_code, consumption_time);
create index if not exists idx_production_alerts_line_time
    on factory_telemetry.production_alerts (line_id, created_at desc);
create index if not exists idx_production_kpis_line_date
    on factory_telemetry.production_kpis (line_id, kpi_date);

-- needs timescale
select create_hypertable('factory_telemetry.energy_consumption', 'consumption_time',
    chunk_time_interval => interval '1 day', create_default_indexes => false,
    if_not_exists => true, migrate_data => true);

-- needs timescale
select create_hypertable('factory_telemetry.production_kpis', 'created_at',
    chunk_time_interval => interval '1 day', create_default_indexes => false,
    if_not_exists => true, migrate_data => true);

insert into factory_telemetry.production_shifts (name, start_time, end_time, description)
select given.*
from (values ('Day Shift', time '06:00', time '14:00', 'First shift'),
             ('Afternoon Shift', time '14:00', time '22:00', 'Second shift'),
             ('Night Shift', time '22:00', time '06:00', 'Third shift, over midnight')
     ) given (name, start_time, end_time, description)
where not exists (select from factory_telemetry.production_shifts there
                  where there.name = given.name);

insert into factory_telemetry.defect_codes (code, name, description, category, severity)
values ('DIM-001', 'Length Too Short', 'Shorter than specified', 'dimensional', 'major'),
       ('DIM-002', 'Length Too Long', 'Longer than specified', 'dimensional', 'major'),
       ('VIS-001', 'Print Quality Poor', 'Print is hard to read', 'visual', 'minor'),
       ('VIS-002', 'Color Variation', 'Colour differs too much', 'visual', 'minor'),
       ('FUN-001', 'Seal Failure', 'Seal is not closed', 'functional', 'critical'),
       ('FUN-002', 'Leakage', 'Package leaks', 'functional', 'critical'),
       ('PAC-001', 'Label Misaligned', 'Label is out of place', 'packaging', 'minor'),
       ('PAC-002', 'Tear in Package', 'Package is torn', 'packaging', 'major')
on conflict do nothing;

create or replace view public.v_production_performance as
select l.line_code,
       l.name as line_name,
       k.kpi_date,
       s.name as shift_name,
       k.oee,
       k.availability,
       k.performance,
       k.quality,
       k.total_production,
       k.good_parts,
       k.scrap_parts,
       k.rework_parts,
       k.total_downtime_minutes,
       k.unplanned_downtime_minutes,
       k.energy_consumption_kwh,
       k.material_waste_percent,
       k.first_pass_yield
from factory_telemetry.production_kpis k
left join factory_telemetry.production_lines l on l.id = k.line_id
left join factory_telemetry.production_shifts s on s.id = k.shift_id
order by k.kpi_date desc, l.line_code;

create or replace view public.v_maintenance_overview as
select w.id,
       w.work_order_number,
       w.equipment_code,
       w.title,
       w.priority,
       w.status,
       w.work_type,
       w.scheduled_start,
       w.scheduled_end,
       w.actual_start,
       w.actual_end,
       w.estimated_duration_hours,
       w.actual_duration_hours,
       assignee.username as assigned_to,
       creator.username as created_by,
       tasks.total_tasks,
       tasks.completed_tasks
from factory_telemetry.maintenance_work_orders w
left join factory_telemetry.users assignee on assignee.id = w.assigned_to
left join factory_telemetry.users creator on creator.id = w.created_by
cross join lateral (
    select count(*) as total_tasks, count(*) filter (where t.status = 'completed') as completed_tasks
    from factory_telemetry.maintenance_tasks t
    where t.work_order_id = w.id
) tasks
order by w.created_at desc;

create or replace view public.v_quality_summary as
select l.line_code,
       l.name as line_name,
       p.product_code,
       p.name as product_name,
       q.check_time,
       q.check_type,
       q.check_result,
       q.quantity_checked,
       q.quantity_passed,
       q.quantity_failed,
       round(100.0 * q.quantity_passed / nullif(q.quantity_checked, 0), 2) as pass_rate_percent,
       q.defect_codes,
       u.username as checked_by
from factory_telemetry.quality_checks q
left join factory_telemetry.production_lines l on l.id = q.line_id
left join factory_telemetry.product_types p on p.id = q.product_type_id
left join factory_telemetry.users u on u.id = q.checked_by
order by q.check_time desc;

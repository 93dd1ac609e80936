-- 007 - PLC Integration Phase 1
-- What a machine belongs to, what it works on, and how that changed.

-- 008 widens the types of equipment.
alter table factory_telemetry.equipment_config
    add column if not exists production_line_id uuid
        references factory_telemetry.production_lines (id),
    add column if not exists equipment_type text default 'production' check
        (equipment_type in ('production', 'utility', 'support', 'conveyor', 'packaging')),
    add column if not exists criticality_level integer default 3
        check (criticality_level >= 1 and criticality_level <= 5),
    add column if not exists target_speed real,
    add column if not exists oee_targets jsonb default
        '{"availability": 0.90, "performance": 0.85, "quality": 0.95, "oee": 0.73}',
    add column if not exists fault_thresholds jsonb default '{}',
    add column if not exists andon_settings jsonb default
        '{"auto_generate_events": true, "escalation_timeout_minutes": 15}',
    add column if not exists location text,
    add column if not exists department text,
    add column if not exists maintenance_interval_hours integer default 168,
    add column if not exists last_maintenance_date timestamptz,
    add column if not exists next_maintenance_date timestamptz;

alter table factory_telemetry.context
    add column if not exists current_job_id uuid references factory_telemetry.job_assignments (id),
    add column if not exists production_schedule_id uuid
        references factory_telemetry.production_schedules (id),
    add column if not exists target_speed real,
    add column if not exists current_product_type_id uuid
        references factory_telemetry.product_types (id),
    add column if not exists production_line_id uuid
        references factory_telemetry.production_lines (id),
    add column if not exists shift_id uuid references factory_telemetry.production_shifts (id),
    add column if not exists target_quantity integer default 0,
    add column if not exists actual_quantity integer default 0,
    add column if not exists production_efficiency real default 0.0,
    add column if not exists quality_rate real default 0.0,
    add column if not exists changeover_status text default 'none'
        check (changeover_status in ('none', 'in_progress', 'completed', 'failed')),
    add column if not exists changeover_start_time timestamptz,
    add column if not exists changeover_end_time timestamptz,
    add column if not exists last_production_update timestamptz default now();

create table if not exists factory_telemetry.equipment_line_mapping (
    id uuid primary key default gen_random_uuid(),
    equipment_code text not null
        references factory_telemetry.equipment_config (equipment_code),
    production_line_id uuid not null references factory_telemetry.production_lines (id),
    position_in_line integer,
    is_primary boolean default false,
    created_at timestamptz default now(),
    unique (equipment_code, production_line_id)
);

-- changed_at is the time of the hypertable, therefore never null and part of the key.
create table if not exists factory_telemetry.production_context_history (
    id bigserial,
    equipment_code text not null,
    context_data jsonb not null,
    change_reason text,
    changed_by uuid references factory_telemetry.users (id),
    changed_at timestamptz default now(),
    primary key (id, changed_at)
);

-- A table of the original has a key of the id alone. A row without a time is refused: none is guessed.
do $$
begin
    if (select cardinality(conkey) from pg_constraint
        where conrelid = 'factory_telemetry.production_context_history'::regclass
          and contype = 'p') = 1 then
        alter table factory_telemetry.production_context_history
            drop constraint production_context_history_pkey,
            add primary key (id, changed_at);
    end if;
end
$$;

create index if not exists idx_equipment_config_production_line
    on factory_telemetry.equipment_config (production_line_id);
create index if not exists idx_context_production_line
    on factory_telemetry.context (production_line_id);
create index if not exists idx_context_current_job on factory_telemetry.context (current_job_id);
create index if not exists idx_context_production_schedule
    on factory_telemetry.context (production_schedule_id);
create index if not exists idx_equipment_line_mapping_line
    on factory_telemetry.equipment_line_mapping (production_line_id);
create index if not exists idx_production_context_history_equipment_time
    on factory_telemetry.production_context_history (equipment_code, changed_at desc);

-- needs timescale
select create_hypertable('factory_telemetry.production_context_history', 'changed_at',
    chunk_time_interval => interval '1 day', create_default_indexes => false,
    if_not_exists => true, migrate_data => true);

-- Only machines that no line has yet: what somebody has set since stays.
update factory_telemetry.equipment_config e
set production_line_id = l.id, criticality_level = 4, target_speed = 100,
    location = 'Production Floor - Line 1', department = 'Packaging'
from factory_telemetry.production_lines l
where l.line_code = 'L-BAG1' and e.production_line_id is null
  and e.equipment_code in ('BP01.PACK.BAG1', 'BP01.PACK.BAG1.BL');

insert into factory_telemetry.equipment_line_mapping
    (equipment_code, production_line_id, position_in_line, is_primary)
select e.equipment_code, e.production_line_id, given.place, given.place = 1
from factory_telemetry.equipment_config e
join (values ('BP01.PACK.BAG1', 1), ('BP01.PACK.BAG1.BL', 2)) given (code, place)
    on given.code = e.equipment_code
where e.production_line_id is not null
on conflict do nothing;

-- v_equipment_production_status comes in 008, with the columns that both files have for it.

create or replace view public.v_production_line_equipment as
select l.id as line_id,
       l.line_code,
       l.name as line_name,
       l.target_speed as line_target_speed,
       count(e.id) as total_equipment,
       count(e.id) filter (where e.enabled) as active_equipment,
       count(e.id) filter (where e.equipment_type = 'production') as production_equipment,
       count(e.id) filter (where e.criticality_level >= 4) as critical_equipment,
       avg(e.target_speed) as avg_equipment_speed,
       string_agg(e.equipment_code, ', ' order by m.position_in_line, e.equipment_code)
           as equipment_codes
from factory_telemetry.production_lines l
left join factory_telemetry.equipment_config e on e.production_line_id = l.id
left join factory_telemetry.equipment_line_mapping m
    on m.equipment_code = e.equipment_code and m.production_line_id = l.id
group by l.id
order by l.line_code;

-- Sets what is given and keeps the rest: null means unchanged. The history gets the context as it is then.
create or replace function factory_telemetry.update_equipment_production_context(
    p_equipment_code text,
    p_production_line_id uuid default null,
    p_current_job_id uuid default null,
    p_production_schedule_id uuid default null,
    p_target_speed real default null,
    p_current_product_type_id uuid default null,
    p_shift_id uuid default null,
    p_target_quantity integer default null,
    p_actual_quantity integer default null,
    p_production_efficiency real default null,
    p_quality_rate real default null,
    p_changeover_status text default null,
    p_current_operator text default null,
    p_current_shift text default null,
    p_planned_stop boolean default null,
    p_planned_stop_reason text default null,
    p_change_reason text default 'system_update'
) returns void
language plpgsql as $$
declare
    now_set factory_telemetry.context;
begin
    insert into factory_telemetry.context (equipment_code) values (p_equipment_code)
    on conflict do nothing;
    update factory_telemetry.context c
    set production_line_id = coalesce(p_production_line_id, c.production_line_id),
        current_job_id = coalesce(p_current_job_id, c.current_job_id),
        production_schedule_id = coalesce(p_production_schedule_id, c.production_schedule_id),
        target_speed = coalesce(p_target_speed, c.target_speed),
        current_product_type_id = coalesce(p_current_product_type_id, c.current_product_type_id),
        shift_id = coalesce(p_shift_id, c.shift_id),
        target_quantity = coalesce(p_target_quantity, c.target_quantity),
        actual_quantity = coalesce(p_actual_quantity, c.actual_quantity),
        production_efficiency = coalesce(p_production_efficiency, c.production_efficiency),
        quality_rate = coalesce(p_quality_rate, c.quality_rate),
        changeover_status = coalesce(p_changeover_status, c.changeover_status),
        current_operator = coalesce(p_current_operator, c.current_operator),
        current_shift = coalesce(p_current_shift, c.current_shift),
        planned_stop = coalesce(p_planned_stop, c.planned_stop),
        planned_stop_reason = coalesce(p_planned_stop_reason, c.planned_stop_reason),
        last_production_update = now(),
        updated_at = now()
    where c.equipment_code = p_equipment_code
    returning * into now_set;
    insert into factory_telemetry.production_context_history
        (equipment_code, context_data, change_reason)
    values (p_equipment_code, to_jsonb(now_set), p_change_reason);
end
$$;

create or replace function factory_telemetry.get_equipment_production_context(p_equipment_code text)
returns table (equipment_code text, production_line_id uuid, line_code text, line_name text,
               current_job_id uuid, production_schedule_id uuid, target_speed real,
               current_product_type_id uuid, product_code text, product_name text, shift_id uuid,
               shift_name text, target_quantity integer, actual_quantity integer,
               production_efficiency real, quality_rate real, changeover_status text,
               current_operator text, current_shift text, planned_stop boolean,
               planned_stop_reason text, last_production_update timestamptz)
language sql stable as $$
    select c.equipment_code, c.production_line_id, l.line_code, l.name,
           c.current_job_id, c.production_schedule_id, c.target_speed,
           c.current_product_type_id, p.product_code, p.name, c.shift_id,
           s.name, c.target_quantity, c.actual_quantity,
           c.production_efficiency, c.quality_rate, c.changeover_status,
           c.current_operator, c.current_shift, c.planned_stop,
           c.planned_stop_reason, c.last_production_update
    from factory_telemetry.context c
    left join factory_telemetry.production_lines l on l.id = c.production_line_id
    left join factory_telemetry.product_types p on p.id = c.current_product_type_id
    left join factory_telemetry.production_shifts s on s.id = c.shift_id
    where c.equipment_code = p_equipment_code
$$;

-- 001 - Initialize Telemetry
-- What the machines say: metrics (defined, bound to tags, latest, history) and faults.
-- Every file of this set can be run again, on a database that has these tables already as well.

create schema if not exists factory_telemetry;

create table if not exists factory_telemetry.metric_def (
    id uuid primary key default gen_random_uuid(),
    equipment_code text not null,
    metric_key text not null,
    value_type text not null check (value_type in ('BOOL', 'INT', 'REAL', 'TEXT', 'JSON')),
    unit text,
    description text not null,
    unique (equipment_code, metric_key)
);

create table if not exists factory_telemetry.metric_binding (
    id uuid primary key default gen_random_uuid(),
    metric_def_id uuid not null references factory_telemetry.metric_def (id) on delete cascade,
    plc_kind text not null check (plc_kind in ('LOGIX', 'SLC', 'COMPUTED')),
    address text not null,
    bit_index integer,
    parse_hint text,
    transform_sql text
);

create table if not exists factory_telemetry.metric_latest (
    metric_def_id uuid primary key references factory_telemetry.metric_def (id) on delete cascade,
    ts timestamptz not null,
    value_bool boolean,
    value_int bigint,
    value_real double precision,
    value_text text,
    value_json jsonb
);

-- No foreign key and no unique key: COPY of two million rows takes 0.7 s bare and 11 s with both. Whoever
-- writes keeps it exact (the ledger of millstream does), and `postcheck` looks for orphans. The id stays
-- for applications that name it.
create table if not exists factory_telemetry.metric_hist (
    id bigserial not null,
    metric_def_id uuid not null,
    ts timestamptz not null,
    value_bool boolean,
    value_int bigint,
    value_real double precision,
    value_text text,
    value_json jsonb
);
alter table factory_telemetry.metric_hist
    drop constraint if exists metric_hist_pkey,
    drop constraint if exists metric_hist_metric_def_id_fkey;
comment on table factory_telemetry.metric_hist is
    'one value_* column is set per row, by value_type of metric_def; no keys, on purpose';

create table if not exists factory_telemetry.fault_catalog (
    id uuid primary key default gen_random_uuid(),
    equipment_code text not null,
    bit_index integer not null check (bit_index >= 0 and bit_index <= 63),
    name text not null,
    description text,
    marker text not null check (marker in ('INTERNAL', 'UPSTREAM', 'DOWNSTREAM')),
    unique (equipment_code, bit_index)
);

create table if not exists factory_telemetry.fault_active (
    equipment_code text not null,
    bit_index integer not null,
    ts timestamptz not null,
    is_active boolean not null,
    primary key (equipment_code, bit_index)
);

create table if not exists factory_telemetry.fault_event (
    id bigserial primary key,
    equipment_code text not null,
    bit_index integer not null,
    ts_on timestamptz not null,
    ts_off timestamptz,
    duration_s double precision
);
comment on column factory_telemetry.fault_event.ts_off is 'null while the fault stands';

create table if not exists factory_telemetry.context (
    equipment_code text primary key,
    current_operator text,
    current_shift text,
    planned_stop boolean not null default false,
    planned_stop_reason text,
    updated_at timestamptz not null default now()
);

create index if not exists idx_metric_binding_def on factory_telemetry.metric_binding (metric_def_id);
create index if not exists ix_metric_hist_ts on factory_telemetry.metric_hist (ts desc);
create index if not exists ix_metric_hist_def_ts
    on factory_telemetry.metric_hist (metric_def_id, ts desc);
-- A falling edge closes the newest open event of its bit.
create index if not exists idx_fault_event_bit
    on factory_telemetry.fault_event (equipment_code, bit_index, ts_on desc);

-- needs timescale
select create_hypertable('factory_telemetry.metric_hist', 'ts',
    chunk_time_interval => interval '1 hour', create_default_indexes => false,
    if_not_exists => true, migrate_data => true);

-- Each machine's newest values; `value` is the one that is set, as text.
create or replace view public.v_equipment_latest as
select d.equipment_code,
       d.metric_key,
       l.ts,
       coalesce(l.value_text, l.value_bool::text, l.value_int::text, l.value_real::text,
           l.value_json::text) as value,
       l.value_bool,
       l.value_int,
       l.value_real,
       l.value_json
from factory_telemetry.metric_def d
join factory_telemetry.metric_latest l on l.metric_def_id = d.id;

create or replace view public.v_faults_active as
select a.equipment_code, a.bit_index, a.ts, a.is_active, c.name, c.description, c.marker
from factory_telemetry.fault_active a
left join factory_telemetry.fault_catalog c using (equipment_code, bit_index)
where a.is_active;

-- 002 - PLC Equipment Management

create table if not exists factory_telemetry.plc_config (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    ip_address text not null,
    plc_type text not null check (plc_type in ('LOGIX', 'SLC')),
    port integer default 44818,
    enabled boolean default true,
    poll_interval_s double precision default 1.0,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    unique (ip_address, port)
);

create table if not exists factory_telemetry.equipment_config (
    id uuid primary key default gen_random_uuid(),
    equipment_code text not null unique,
    name text not null,
    description text,
    plc_id uuid references factory_telemetry.plc_config (id),
    enabled boolean default true,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
);

-- 008 widens the roles.
create table if not exists factory_telemetry.users (
    id uuid primary key default gen_random_uuid(),
    username text not null unique,
    email text not null unique,
    password_hash text not null,
    role text default 'operator' check (role in ('admin', 'operator', 'viewer')),
    created_at timestamptz default now(),
    last_login timestamptz
);

alter table factory_telemetry.metric_def
    add column if not exists enabled boolean default true,
    add column if not exists display_name text,
    add column if not exists min_value real,
    add column if not exists max_value real,
    add column if not exists warning_threshold real,
    add column if not exists alarm_threshold real,
    add column if not exists unit_display text;

create index if not exists idx_equipment_config_plc_id on factory_telemetry.equipment_config (plc_id);

insert into factory_telemetry.plc_config (name, ip_address, plc_type)
values ('Bagger 1 PLC', '16.191.1.131', 'LOGIX'),
       ('Basket Loader 1 PLC', '16.191.1.140', 'SLC')
on conflict do nothing;

insert into factory_telemetry.equipment_config (equipment_code, name, plc_id)
select machine.code, machine.name, plc.id
from (values ('BP01.PACK.BAG1', 'Bagger 1', '16.191.1.131'),
             ('BP01.PACK.BAG1.BL', 'Basket Loader 1', '16.191.1.140')) machine (code, name, address)
left join factory_telemetry.plc_config plc on plc.ip_address = machine.address and plc.port = 44818
on conflict do nothing;

-- No password hashes to '!': nobody gets in as admin before somebody has set a password.
insert into factory_telemetry.users (username, email, password_hash, role)
values ('admin', 'admin@factory.local', '!', 'admin')
on conflict do nothing;

-- 001 - Plant
-- Site, work center, equipment; the shift calendar; products and orders; maintenance; people.
-- Names are the originals'. New columns stand after theirs. An id is any text of up to 36 characters, so
-- that the ids of a source come over as they are and a generated uuid fits.

create table if not exists public."Site" (
    id varchar(36) primary key default gen_random_uuid()::text,
    code varchar(50) not null unique,
    name varchar(255) not null,
    timezone varchar(64) not null default 'UTC',
    country varchar(2),
    "isActive" boolean not null default true,
    "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now()
);
comment on column public."Site".timezone is
    'IANA zone: clock times of the site''s shifts and breaks are read in it';

create table if not exists public."WorkCenter" (
    id varchar(36) primary key default gen_random_uuid()::text,
    code varchar(50) not null unique,
    name varchar(255) not null,
    "siteId" varchar(36) not null references public."Site" (id),
    "workCenterType" varchar(20) not null check ("workCenterType" in ('LINE', 'CELL', 'AREA')),
    "costCenter" varchar(50),
    "isActive" boolean not null default true,
    "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now()
);
create index if not exists "WorkCenter_siteId_idx" on public."WorkCenter" ("siteId");

create table if not exists public."Equipment" (
    id varchar(36) primary key default gen_random_uuid()::text,
    code varchar(50) not null unique,
    name varchar(255) not null,
    "workCenterId" varchar(36) not null references public."WorkCenter" (id),
    "equipmentType" varchar(50) not null,
    manufacturer varchar(255),
    model varchar(255),
    "serialNumber" varchar(255),
    "theoreticalCycleTime" double precision,
    "nominalSpeed" double precision,
    -- Until a state arrives, none is known.
    "currentState" varchar(20) not null default 'UNKNOWN' check ("currentState" in (
        'PRODUCING', 'RUNNING_SLOW', 'SETUP', 'CHANGEOVER', 'STARVED', 'BLOCKED', 'MICROSTOP',
        'IDLE', 'DOWN', 'PLANNED_STOP', 'BREAK', 'PLANNED_MAINTENANCE', 'NOT_SCHEDULED', 'UNKNOWN')),
    "isActive" boolean not null default true,
    "commissionDate" timestamptz,
    "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now(),
    "currentStateSince" timestamptz
);
comment on column public."Equipment"."theoreticalCycleTime" is
    'PRI, seconds a unit, where the product has none of its own';
comment on column public."Equipment"."nominalSpeed" is 'units an hour';
comment on column public."Equipment"."currentStateSince" is
    'new: start of the open state; closed ones are rows of equipment_states';
create index if not exists "Equipment_workCenterId_idx" on public."Equipment" ("workCenterId");
create index if not exists "Equipment_equipmentType_idx" on public."Equipment" ("equipmentType");

create table if not exists public."Shift" (
    id varchar(36) primary key default gen_random_uuid()::text,
    "siteId" varchar(36) not null references public."Site" (id),
    "shiftCode" varchar(10) not null,
    "shiftName" varchar(100) not null,
    "startTime" varchar(5) not null check ("startTime" ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'),
    "endTime" varchar(5) not null check ("endTime" ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'),
    "breakMinutes" integer not null default 0 check ("breakMinutes" >= 0),
    "isActive" boolean not null default true,
    "breakWindows" jsonb,
    unique ("siteId", "shiftCode"),
    -- Strict: each element is an object with both keys, not a list of such.
    constraint "Shift_breakWindows_check" check ("breakWindows" is null or case
        when jsonb_typeof("breakWindows") = 'array' then
            jsonb_array_length("breakWindows") = jsonb_array_length(jsonb_path_query_array(
                "breakWindows", 'strict $[*] ? (@.start like_regex "^([01][0-9]|2[0-3]):[0-5][0-9]$"
                    && @.end like_regex "^([01][0-9]|2[0-3]):[0-5][0-9]$")'))
        else false end)
);
comment on column public."Shift"."startTime" is
    'HH:MM on the wall clock of the site; an end at or before the start is on the next day';
comment on column public."Shift"."breakWindows" is
    'new: [{"start": "10:00", "end": "10:30"}, …] on the site''s wall clock; [] is no break; '
    'null is not known, and then breakMinutes count';

create table if not exists public."Product" (
    id varchar(36) primary key default gen_random_uuid()::text,
    code varchar(50) not null unique,
    name varchar(255) not null,
    family varchar(100),
    "standardCycleTime" double precision,
    "targetPPM" integer,
    "isActive" boolean not null default true,
    "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now()
);
comment on column public."Product"."standardCycleTime" is 'PRI of this product, seconds a unit';
comment on column public."Product"."targetPPM" is 'defects in a million';

create table if not exists public."ShiftInstance" (
    id varchar(36) primary key default gen_random_uuid()::text,
    "shiftId" varchar(36) not null references public."Shift" (id),
    "shiftDate" date not null,
    "actualStartTime" timestamptz not null,
    "actualEndTime" timestamptz,
    "plannedMinutes" integer not null check ("plannedMinutes" >= 0),
    "breakMinutes" integer not null check ("breakMinutes" >= 0),
    unique ("shiftId", "shiftDate"),
    check ("actualEndTime" > "actualStartTime")
);
comment on column public."ShiftInstance"."shiftDate" is
    'the day on which the shift starts, by the calendar of its site; a night shift belongs to it whole';
comment on column public."ShiftInstance"."plannedMinutes" is
    'elapsed: a night of 22:00 to 06:00 has 420 or 540 where the clock changes';
create index if not exists "ShiftInstance_actualStartTime_idx"
    on public."ShiftInstance" ("actualStartTime");

create table if not exists public."ProductionOrder" (
    id varchar(36) primary key default gen_random_uuid()::text,
    "orderNumber" varchar(100) not null unique,
    "workCenterId" varchar(36) not null references public."WorkCenter" (id),
    "productId" varchar(36) not null references public."Product" (id),
    "plannedQuantity" bigint not null,
    "producedQuantity" bigint not null default 0,
    "goodQuantity" bigint not null default 0,
    -- Not every order system plans by the clock.
    "plannedStartTime" timestamptz,
    "plannedEndTime" timestamptz,
    "actualStartTime" timestamptz,
    "actualEndTime" timestamptz,
    status varchar(20) not null default 'PLANNED' check (status in
        ('PLANNED', 'RELEASED', 'STARTED', 'PAUSED', 'COMPLETED', 'CANCELLED')),
    "equipmentId" varchar(36) references public."Equipment" (id)
);
comment on column public."ProductionOrder"."equipmentId" is
    'new: the one unit that runs the order; null is every unit of the work center';
create index if not exists "ProductionOrder_workCenterId_idx"
    on public."ProductionOrder" ("workCenterId", "actualStartTime");
create index if not exists "ProductionOrder_productId_idx" on public."ProductionOrder" ("productId");
create index if not exists "ProductionOrder_equipmentId_idx"
    on public."ProductionOrder" ("equipmentId");

create table if not exists public."MaintenanceEvent" (
    id varchar(36) primary key default gen_random_uuid()::text,
    "equipmentId" varchar(36) not null references public."Equipment" (id),
    "eventType" varchar(20) not null
        check ("eventType" in ('BREAKDOWN', 'PREVENTIVE', 'PREDICTIVE')),
    "startTime" timestamptz not null,
    "endTime" timestamptz,
    "durationMinutes" double precision,
    description text,
    severity varchar(20),
    "rootCause" text,
    "actionTaken" text,
    "laborHours" double precision,
    "partsCost" numeric,
    "totalCost" numeric,
    check ("endTime" >= "startTime")
);
create index if not exists "MaintenanceEvent_equipmentId_idx"
    on public."MaintenanceEvent" ("equipmentId", "startTime");

create table if not exists public."User" (
    id varchar(36) primary key default gen_random_uuid()::text,
    email varchar(255) not null unique,
    name varchar(255) not null,
    "employeeId" varchar(50) unique,
    role varchar(50) not null default 'operator',
    "siteId" varchar(36) references public."Site" (id),
    "isActive" boolean not null default true,
    "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now()
);
create index if not exists "User_siteId_idx" on public."User" ("siteId");

create table if not exists public."Session" (
    id varchar(36) primary key default gen_random_uuid()::text,
    "userId" varchar(36) not null references public."User" (id) on delete cascade,
    token varchar(500) not null unique,
    "expiresAt" timestamptz not null,
    "createdAt" timestamptz not null default now()
);
create index if not exists "Session_userId_idx" on public."Session" ("userId");

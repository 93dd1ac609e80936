-- 002 - History
-- States, counts, quality events and OEE. No foreign keys: each would be looked up for every row that is
-- loaded (a load of 0.7 s takes 6 s with one); postcheck looks for orphans instead.

-- One row is one interval [startTime, endTime).
create table if not exists public.equipment_states (
    id varchar(36) not null default gen_random_uuid()::text,
    "timestamp" timestamptz not null,
    "equipmentId" varchar(36) not null,
    state varchar(20) not null check (state in (
        'PRODUCING', 'RUNNING_SLOW', 'SETUP', 'CHANGEOVER', 'STARVED', 'BLOCKED', 'MICROSTOP',
        'IDLE', 'DOWN', 'PLANNED_STOP', 'BREAK', 'PLANNED_MAINTENANCE', 'NOT_SCHEDULED', 'UNKNOWN')),
    "stateCategory" varchar(20) not null check ("stateCategory" in (
        'PRODUCTION', 'AVAILABILITY_LOSS', 'PERFORMANCE_LOSS', 'PLANNED', 'NOT_SCHEDULED', 'UNKNOWN')),
    reason varchar(255),
    "startTime" timestamptz not null,
    "endTime" timestamptz,
    "durationSeconds" double precision,
    "shiftInstanceId" varchar(36),
    "operatorId" varchar(36),
    "productionOrderId" varchar(36),
    primary key ("equipmentId", "timestamp", "startTime"),
    -- Together with the key: a stop cannot be stored once for each sample of it.
    constraint equipment_states_timestamp_check check ("timestamp" = "startTime"),
    constraint equipment_states_interval_check check ("endTime" > "startTime")
);
comment on column public.equipment_states."durationSeconds" is
    'endTime - startTime, for reading; whoever computes uses the two instants';
create index if not exists equipment_states_state_idx
    on public.equipment_states (state, "timestamp" desc);
create index if not exists equipment_states_shift_idx
    on public.equipment_states ("shiftInstanceId") where "shiftInstanceId" is not null;
create index if not exists equipment_states_open_idx
    on public.equipment_states ("equipmentId") where "endTime" is null;

-- No key: two products, or a count and its correction, may share an instant. The ledger loads each row
-- once, and without a unique key a bulk load may write compressed chunks directly.
create table if not exists public.production_counts (
    -- A bulk load sends null: random ids are nearly all that is left of a compressed chunk.
    id varchar(36) default gen_random_uuid()::text,
    "timestamp" timestamptz not null,
    "equipmentId" varchar(36) not null,
    "totalCount" bigint not null,
    "goodCount" bigint not null,
    "rejectCount" bigint not null,
    "reworkCount" bigint not null default 0,
    "productionOrderId" varchar(36),
    "productId" varchar(36),
    "shiftInstanceId" varchar(36),
    "operatorId" varchar(36),
    "actualCycleTime" double precision
);
comment on table public.production_counts is
    'increments, never readings of a counter; a correction is negative';
comment on column public.production_counts."rejectCount" is 'scrap (SQ)';
comment on column public.production_counts."actualCycleTime" is 'seconds a unit';
create index if not exists production_counts_equipment_idx
    on public.production_counts ("equipmentId", "timestamp" desc);

create table if not exists public.quality_events (
    id varchar(36) not null default gen_random_uuid()::text,
    "timestamp" timestamptz not null,
    "equipmentId" varchar(36) not null,
    "productId" varchar(36),
    "eventType" varchar(20) not null check ("eventType" in ('DEFECT', 'REWORK', 'SCRAP')),
    "defectCode" varchar(50),
    "defectCategory" varchar(50),
    quantity bigint not null,
    severity varchar(20) check (severity in ('CRITICAL', 'MAJOR', 'MINOR')),
    "productionOrderId" varchar(36),
    "shiftInstanceId" varchar(36),
    "operatorId" varchar(36),
    primary key ("equipmentId", "timestamp", id)
);

-- One row is one unit in one shift, stamped with the shift's start. The key holds the shift's date and
-- not the stamp: a shift whose start is corrected is replaced, too. The date is also what the table is
-- cut by: days of a work center are days of its own calendar, which no grid over UTC can cut out.
create table if not exists public.oee_calculations (
    id varchar(36) not null default gen_random_uuid()::text,
    "timestamp" timestamptz not null,
    "equipmentId" varchar(36) not null,
    "shiftInstanceId" varchar(36) not null,
    "plannedTime" double precision,
    "availableTime" double precision,
    "operatingTime" double precision,
    "netOperatingTime" double precision,
    "productiveTime" double precision,
    availability double precision check (availability >= 0),
    performance double precision,
    quality double precision,
    oee double precision,
    teep double precision,
    "totalProduced" numeric not null,
    "goodProduced" numeric not null,
    "defectCount" numeric not null,
    "reworkCount" numeric not null,
    "breakdownLoss" double precision not null default 0,
    "setupLoss" double precision not null default 0,
    "minorStopLoss" double precision not null default 0,
    "speedLoss" double precision not null default 0,
    "defectLoss" double precision not null default 0,
    "reworkLoss" double precision not null default 0,
    "calculatedAt" timestamptz not null default now(),
    "shiftDate" date not null,
    "workCenterId" varchar(36) not null,
    "potSeconds" numeric not null,
    "plannedSeconds" numeric not null,
    "pbtSeconds" numeric not null,
    "aptSeconds" numeric not null,
    "austSeconds" numeric not null,
    "adetSeconds" numeric not null,
    "adotSeconds" numeric not null,
    "unknownSeconds" numeric not null,
    "idealProducedSeconds" numeric,
    "idealGoodSeconds" numeric,
    "availabilityUpper" double precision check ("availabilityUpper" >= 0),
    flags text[] not null default '{}',
    primary key ("equipmentId", "shiftInstanceId", "shiftDate"),
    -- Times are finite and never negative. Quantities, and so rates, are: corrections may exceed a shift.
    constraint oee_calculations_seconds_check check (
        least("potSeconds", "plannedSeconds", "pbtSeconds", "aptSeconds", "austSeconds",
            "adetSeconds", "adotSeconds", "unknownSeconds") >= 0
        and greatest("potSeconds", "plannedSeconds", "pbtSeconds", "aptSeconds", "austSeconds",
            "adetSeconds", "adotSeconds", "unknownSeconds") < 'Infinity')
);
comment on column public.oee_calculations."plannedTime" is 'POT, minutes';
comment on column public.oee_calculations."availableTime" is 'PBT, minutes';
comment on column public.oee_calculations."operatingTime" is 'APT, minutes';
comment on column public.oee_calculations."netOperatingTime" is 'sum of PRI x PQ, minutes';
comment on column public.oee_calculations."productiveTime" is 'sum of PRI x GQ, minutes';
comment on column public.oee_calculations.performance is 'effectiveness: sum of PRI x PQ / APT';
comment on column public.oee_calculations.quality is 'quality ratio: GQ / PQ';
comment on column public.oee_calculations.oee is 'sum of PRI x GQ / PBT';
comment on column public.oee_calculations.teep is
    'sum of PRI x GQ / the whole of the shift; not a KPI of ISO 22400';
comment on column public.oee_calculations."totalProduced" is 'PQ = GQ + SQ + RQ';
comment on column public.oee_calculations."goodProduced" is 'GQ';
comment on column public.oee_calculations."defectCount" is 'SQ, scrap';
comment on column public.oee_calculations."reworkCount" is 'RQ';
comment on column public.oee_calculations."shiftDate" is
    'new: of "ShiftInstance", the site''s calendar';
comment on column public.oee_calculations."workCenterId" is
    'new: where the unit stood then; moving it later leaves history alone';
comment on column public.oee_calculations."potSeconds" is 'new: planned operation time';
comment on column public.oee_calculations."plannedSeconds" is 'new: planned downtime';
comment on column public.oee_calculations."pbtSeconds" is 'new: planned busy time, POT - planned';
comment on column public.oee_calculations."aptSeconds" is 'new: actual production time';
comment on column public.oee_calculations."austSeconds" is 'new: actual unit setup time';
comment on column public.oee_calculations."adetSeconds" is 'new: actual unit delay time';
comment on column public.oee_calculations."adotSeconds" is 'new: actual unit down time (no order)';
comment on column public.oee_calculations."unknownSeconds" is 'new: in PBT, and no state covers it';
comment on column public.oee_calculations."idealProducedSeconds" is
    'new: sum of PRI x PQ; null when a piece has no PRI';
comment on column public.oee_calculations."idealGoodSeconds" is
    'new: sum of PRI x GQ; null when a piece has no PRI';
comment on column public.oee_calculations."availabilityUpper" is
    'new: availability if the machine ran through all unknown time';
comment on column public.oee_calculations.flags is 'new: what is implausible or was mended, in words';
create index if not exists oee_calculations_equipment_idx
    on public.oee_calculations ("equipmentId", "timestamp" desc);
create index if not exists oee_calculations_center_idx
    on public.oee_calculations ("workCenterId", "shiftDate");

-- needs timescale
select create_hypertable('public.equipment_states', 'timestamp',
    chunk_time_interval => interval '1 day', if_not_exists => true, migrate_data => true,
    create_default_indexes => false);

-- A day, not the original's hour: two years would be 17,520 chunks, and from 6,240 on the server's lock
-- table is too small to count the rows.
-- needs timescale
select create_hypertable('public.production_counts', 'timestamp',
    chunk_time_interval => interval '1 day', if_not_exists => true, migrate_data => true,
    create_default_indexes => false);

-- needs timescale
select create_hypertable('public.quality_events', 'timestamp',
    chunk_time_interval => interval '1 day', if_not_exists => true, migrate_data => true,
    create_default_indexes => false);

-- needs timescale
select create_hypertable('public.oee_calculations', 'shiftDate',
    chunk_time_interval => interval '7 days', if_not_exists => true, migrate_data => true,
    create_default_indexes => false);

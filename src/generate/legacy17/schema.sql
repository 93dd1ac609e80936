create table "Plant" (
    "id" text primary key,
    "code" text not null unique,
    "name" text not null,
    "timezone" text,
    "country" text,
    "createdAt" timestamp(3) not null default current_timestamp
);
create table "Area" (
    "id" text primary key,
    "code" text not null unique,
    "name" text not null,
    "plantId" text not null references "Plant" ("id")
);
create table "Line" (
    "id" text primary key,
    "code" text not null unique,
    "name" text not null,
    "areaId" text not null references "Area" ("id")
);
create table "Cell" (
    "id" text primary key,
    "code" text not null unique,
    "name" text not null,
    "lineId" text not null references "Line" ("id")
);
create table "WorkUnit" (
    "id" text primary key,
    "code" text not null unique,
    "name" text not null,
    "lineId" text not null references "Line" ("id"),
    "cellId" text references "Cell" ("id"),
    "workUnitType" text not null,
    "nominalSpeed" double precision,
    "theoreticalCycleTime" double precision,
    "manufacturer" text,
    "serialNumber" text,
    "commissionedAt" timestamp(3),
    "status" text not null default 'operational'
);
create table "DowntimeType" (
    "id" text primary key,
    "code" text not null unique,
    "name" text not null,
    "isPlanned" boolean not null default false
);
create table "DefectType" (
    "id" text primary key,
    "code" text not null unique,
    "name" text not null,
    "category" text,
    "severity" text
);
create table "Product" (
    "id" text primary key,
    "code" text not null unique,
    "name" text not null,
    "family" text,
    "standardCycleTime" double precision
);
create table "ProductionOrder" (
    "id" text primary key,
    "orderNumber" text not null unique,
    "workUnitId" text not null references "WorkUnit" ("id"),
    "productId" text not null references "Product" ("id"),
    "plannedQuantity" integer not null,
    "actualStart" timestamp(3),
    "actualEnd" timestamp(3),
    "status" text not null
);
create table "OperationalMetric" (
    "id" text primary key,
    "timestamp" timestamp(3) not null,
    "workUnitId" text not null references "WorkUnit" ("id"),
    "actualSpeed" double precision not null,
    "targetSpeed" double precision
);
create table "ProductionMetric" (
    "id" text primary key,
    "timestamp" timestamp(3) not null,
    "workUnitId" text not null references "WorkUnit" ("id"),
    "totalOutput" integer not null,
    "goodOutput" integer not null,
    "defectiveOutput" integer not null,
    "actualCycleTime" double precision,
    "productionOrderId" text references "ProductionOrder" ("id")
);
create table "QualityMetric" (
    "id" text primary key,
    "timestamp" timestamp(3) not null,
    "workUnitId" text not null references "WorkUnit" ("id"),
    "defectCount" integer not null,
    "defectTypeId" text references "DefectType" ("id")
);
create table "EnergyMetric" (
    "id" text primary key,
    "timestamp" timestamp(3) not null,
    "workUnitId" text not null references "WorkUnit" ("id"),
    "energyKwh" double precision not null,
    "powerKw" double precision
);
create table "MaintenanceMetric" (
    "id" text primary key,
    "timestamp" timestamp(3) not null,
    "workUnitId" text not null references "WorkUnit" ("id"),
    "healthScore" double precision,
    "hoursSinceService" double precision not null
);
create table "DowntimeEvent" (
    "id" text primary key,
    "workUnitId" text not null references "WorkUnit" ("id"),
    "startTime" timestamp(3) not null,
    "endTime" timestamp(3),
    "isPlanned" boolean not null default false,
    "reason" text,
    "downtimeTypeId" text references "DowntimeType" ("id")
);
create table "Alert" (
    "id" text primary key,
    "timestamp" timestamp(3) not null,
    "workUnitId" text not null references "WorkUnit" ("id"),
    "type" text not null,
    "severity" text not null,
    "message" text not null,
    "status" text not null default 'active',
    "resolvedAt" timestamp(3)
);
create table "User" (
    "id" text primary key,
    "email" text not null unique,
    "name" text not null,
    "employeeId" text unique,
    "role" text not null default 'operator',
    "plantId" text references "Plant" ("id"),
    "isActive" boolean not null default true,
    "passwordHash" text not null,
    "createdAt" timestamp(3) not null default current_timestamp
);
create index "OperationalMetric_idx" on "OperationalMetric" ("workUnitId", "timestamp");
create index "ProductionMetric_idx" on "ProductionMetric" ("workUnitId", "timestamp");
create index "DowntimeEvent_idx" on "DowntimeEvent" ("workUnitId", "startTime");

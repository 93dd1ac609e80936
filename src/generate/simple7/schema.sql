create table "Site" (
    id varchar(30) primary key,
    code varchar(50) not null unique,
    name varchar(255) not null,
    timezone varchar(50) not null default 'UTC',
    "isActive" boolean not null default true,
    "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now()
);
create table "Equipment" (
    id varchar(30) primary key,
    code varchar(50) not null unique,
    name varchar(255) not null,
    type varchar(50) not null,
    "siteId" varchar(30) not null references "Site" (id),
    "isActive" boolean not null default true,
    "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now()
);
create index "Equipment_siteId_type_idx" on "Equipment" ("siteId", type);
create table metrics (
    timestamp timestamptz not null,
    "equipmentId" varchar(30) not null,
    "metricType" varchar(50) not null,
    value double precision not null,
    unit varchar(20) not null,
    quality integer not null default 192,
    primary key (timestamp, "equipmentId", "metricType")
);
create table oee_data (
    id varchar(30) not null,
    timestamp timestamptz not null,
    "equipmentId" varchar(30) not null,
    "shiftStartTime" timestamptz not null,
    "shiftEndTime" timestamptz not null,
    availability double precision not null check (availability between 0 and 100),
    performance double precision not null check (performance between 0 and 100),
    quality double precision not null check (quality between 0 and 100),
    oee double precision not null check (oee between 0 and 100),
    "plannedTime" integer not null,
    "runTime" integer not null,
    "idealCycleTime" double precision,
    "totalCount" integer not null,
    "goodCount" integer not null,
    primary key (timestamp, "equipmentId")
);
create table "Alert" (
    id varchar(30) primary key,
    timestamp timestamptz not null,
    "equipmentId" varchar(30) not null,
    severity varchar(20) not null check (severity in ('low', 'medium', 'high', 'critical')),
    type varchar(50) not null,
    message text not null,
    "isActive" boolean not null default true,
    acknowledged boolean not null default false,
    "acknowledgedAt" timestamptz,
    "acknowledgedBy" varchar(30)
);
create table "User" (
    id varchar(30) primary key,
    email varchar(255) not null unique,
    name varchar(255) not null,
    role varchar(20) not null default 'operator' check (role in ('operator', 'supervisor', 'admin')),
    "siteId" varchar(30) references "Site" (id),
    "isActive" boolean not null default true,
    "createdAt" timestamptz not null default now(),
    "updatedAt" timestamptz not null default now()
);
create table "Session" (
    id varchar(30) primary key,
    "userId" varchar(30) not null references "User" (id) on delete cascade,
    token varchar(255) not null unique,
    "expiresAt" timestamptz not null,
    "createdAt" timestamptz not null default now()
);

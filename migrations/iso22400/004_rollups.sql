-- 004 - Rollups
-- oee_hourly and oee_daily_workcenter: sums of what is additive, and each rate a ratio of those sums, by
-- the rules of a single shift. A shift counts whole: in the hour in which it starts, and on its own date,
-- so that no midnight and no change of the clock cuts it. Continuous aggregates where the edition has
-- them, else materialized views that `maintain` refreshes; the columns are the same.

-- without compression
create materialized view if not exists public.oee_hourly as
select
    "shiftDate",
    date_bin(interval '1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00') as bucket,
    "equipmentId",
    count(*) as "shiftCount",
    count(*) filter (where "idealProducedSeconds" is null) as "shiftsWithoutIdeal",
    sum("potSeconds") as "potSeconds",
    sum("plannedSeconds") as "plannedSeconds",
    sum("pbtSeconds") as "pbtSeconds",
    sum("aptSeconds") as "aptSeconds",
    sum("austSeconds") as "austSeconds",
    sum("adetSeconds") as "adetSeconds",
    sum("adotSeconds") as "adotSeconds",
    sum("unknownSeconds") as "unknownSeconds",
    sum("totalProduced") as "totalProduced",
    sum("goodProduced") as "goodProduced",
    sum("defectCount") as "defectCount",
    sum("reworkCount") as "reworkCount",
    sum("idealProducedSeconds") as "idealProducedSeconds",
    sum("idealGoodSeconds") as "idealGoodSeconds",
    (case when sum("unknownSeconds") < sum("pbtSeconds")
        then sum("aptSeconds") / sum("pbtSeconds") end)::float8 as availability,
    ((sum("aptSeconds") + sum("unknownSeconds")) / nullif(sum("pbtSeconds"), 0))::float8
        as "availabilityUpper",
    (case when count("idealProducedSeconds") = count(*)
        then sum("idealProducedSeconds") / nullif(sum("aptSeconds"), 0) end)::float8 as performance,
    (sum("goodProduced") / nullif(sum("totalProduced"), 0))::float8 as quality,
    (case when count("idealGoodSeconds") = count(*) and sum("unknownSeconds") < sum("pbtSeconds")
        and (sum("aptSeconds") > 0 or sum("totalProduced") = 0)
        then sum("idealGoodSeconds") / sum("pbtSeconds") end)::float8 as oee
from public.oee_calculations
group by 1, 2, 3;

-- For `refresh materialized view concurrently`.
-- without compression
create unique index if not exists oee_hourly_key
    on public.oee_hourly (bucket, "equipmentId", "shiftDate");

-- The lesser edition's view makes room after an upgrade; a continuous aggregate is left alone, since it
-- may be older than the rows that retention has left.
-- needs compression
do $$ begin
    if exists (
        select from pg_matviews where schemaname = 'public' and matviewname = 'oee_hourly'
    ) then
        drop materialized view public.oee_hourly;
    end if;
end $$;

-- needs compression
create materialized view if not exists public.oee_hourly
with (timescaledb.continuous, timescaledb.materialized_only = false) as
select
    time_bucket(interval '1 day', "shiftDate") as "shiftDate",
    date_bin(interval '1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00') as bucket,
    "equipmentId",
    count(*) as "shiftCount",
    count(*) filter (where "idealProducedSeconds" is null) as "shiftsWithoutIdeal",
    sum("potSeconds") as "potSeconds",
    sum("plannedSeconds") as "plannedSeconds",
    sum("pbtSeconds") as "pbtSeconds",
    sum("aptSeconds") as "aptSeconds",
    sum("austSeconds") as "austSeconds",
    sum("adetSeconds") as "adetSeconds",
    sum("adotSeconds") as "adotSeconds",
    sum("unknownSeconds") as "unknownSeconds",
    sum("totalProduced") as "totalProduced",
    sum("goodProduced") as "goodProduced",
    sum("defectCount") as "defectCount",
    sum("reworkCount") as "reworkCount",
    sum("idealProducedSeconds") as "idealProducedSeconds",
    sum("idealGoodSeconds") as "idealGoodSeconds",
    (case when sum("unknownSeconds") < sum("pbtSeconds")
        then sum("aptSeconds") / sum("pbtSeconds") end)::float8 as availability,
    ((sum("aptSeconds") + sum("unknownSeconds")) / nullif(sum("pbtSeconds"), 0))::float8
        as "availabilityUpper",
    (case when count("idealProducedSeconds") = count(*)
        then sum("idealProducedSeconds") / nullif(sum("aptSeconds"), 0) end)::float8 as performance,
    (sum("goodProduced") / nullif(sum("totalProduced"), 0))::float8 as quality,
    (case when count("idealGoodSeconds") = count(*) and sum("unknownSeconds") < sum("pbtSeconds")
        and (sum("aptSeconds") > 0 or sum("totalProduced") = 0)
        then sum("idealGoodSeconds") / sum("pbtSeconds") end)::float8 as oee
from public.oee_calculations
group by 1, 2, 3
with no data;

-- without compression
create materialized view if not exists public.oee_daily_workcenter as
select
    "shiftDate" as bucket,
    "workCenterId",
    count(*) as "shiftCount",
    count(*) filter (where "idealProducedSeconds" is null) as "shiftsWithoutIdeal",
    sum("potSeconds") as "potSeconds",
    sum("plannedSeconds") as "plannedSeconds",
    sum("pbtSeconds") as "pbtSeconds",
    sum("aptSeconds") as "aptSeconds",
    sum("austSeconds") as "austSeconds",
    sum("adetSeconds") as "adetSeconds",
    sum("adotSeconds") as "adotSeconds",
    sum("unknownSeconds") as "unknownSeconds",
    sum("totalProduced") as "totalProduced",
    sum("goodProduced") as "goodProduced",
    sum("defectCount") as "defectCount",
    sum("reworkCount") as "reworkCount",
    sum("idealProducedSeconds") as "idealProducedSeconds",
    sum("idealGoodSeconds") as "idealGoodSeconds",
    (case when sum("unknownSeconds") < sum("pbtSeconds")
        then sum("aptSeconds") / sum("pbtSeconds") end)::float8 as availability,
    ((sum("aptSeconds") + sum("unknownSeconds")) / nullif(sum("pbtSeconds"), 0))::float8
        as "availabilityUpper",
    (case when count("idealProducedSeconds") = count(*)
        then sum("idealProducedSeconds") / nullif(sum("aptSeconds"), 0) end)::float8 as performance,
    (sum("goodProduced") / nullif(sum("totalProduced"), 0))::float8 as quality,
    (case when count("idealGoodSeconds") = count(*) and sum("unknownSeconds") < sum("pbtSeconds")
        and (sum("aptSeconds") > 0 or sum("totalProduced") = 0)
        then sum("idealGoodSeconds") / sum("pbtSeconds") end)::float8 as oee
from public.oee_calculations
group by 1, 2;

-- For `refresh materialized view concurrently`.
-- without compression
create unique index if not exists oee_daily_workcenter_key
    on public.oee_daily_workcenter (bucket, "workCenterId");

-- The lesser edition's view makes room after an upgrade; a continuous aggregate is left alone, since it
-- may be older than the rows that retention has left.
-- needs compression
do $$ begin
    if exists (
        select from pg_matviews where schemaname = 'public' and matviewname = 'oee_daily_workcenter'
    ) then
        drop materialized view public.oee_daily_workcenter;
    end if;
end $$;

-- needs compression
create materialized view if not exists public.oee_daily_workcenter
with (timescaledb.continuous, timescaledb.materialized_only = false) as
select
    time_bucket(interval '1 day', "shiftDate") as bucket,
    "workCenterId",
    count(*) as "shiftCount",
    count(*) filter (where "idealProducedSeconds" is null) as "shiftsWithoutIdeal",
    sum("potSeconds") as "potSeconds",
    sum("plannedSeconds") as "plannedSeconds",
    sum("pbtSeconds") as "pbtSeconds",
    sum("aptSeconds") as "aptSeconds",
    sum("austSeconds") as "austSeconds",
    sum("adetSeconds") as "adetSeconds",
    sum("adotSeconds") as "adotSeconds",
    sum("unknownSeconds") as "unknownSeconds",
    sum("totalProduced") as "totalProduced",
    sum("goodProduced") as "goodProduced",
    sum("defectCount") as "defectCount",
    sum("reworkCount") as "reworkCount",
    sum("idealProducedSeconds") as "idealProducedSeconds",
    sum("idealGoodSeconds") as "idealGoodSeconds",
    (case when sum("unknownSeconds") < sum("pbtSeconds")
        then sum("aptSeconds") / sum("pbtSeconds") end)::float8 as availability,
    ((sum("aptSeconds") + sum("unknownSeconds")) / nullif(sum("pbtSeconds"), 0))::float8
        as "availabilityUpper",
    (case when count("idealProducedSeconds") = count(*)
        then sum("idealProducedSeconds") / nullif(sum("aptSeconds"), 0) end)::float8 as performance,
    (sum("goodProduced") / nullif(sum("totalProduced"), 0))::float8 as quality,
    (case when count("idealGoodSeconds") = count(*) and sum("unknownSeconds") < sum("pbtSeconds")
        and (sum("aptSeconds") > 0 or sum("totalProduced") = 0)
        then sum("idealGoodSeconds") / sum("pbtSeconds") end)::float8 as oee
from public.oee_calculations
group by 1, 2
with no data;

-- What a unit made in each hour of a day
-- $1 text: select id from public."Equipment" order by 1
-- $2 timestamptz: select coalesce(newest, now()) - n * interval '50 minutes' - interval '24 hours'
--     from (select max("timestamp") from public.production_counts) t (newest),
--         generate_series(0, 59) n order by n
-- $3 timestamptz: select coalesce(newest, now()) - n * interval '50 minutes'
--     from (select max("timestamp") from public.production_counts) t (newest),
--         generate_series(0, 59) n order by n
select date_bin(interval '1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00') as hour,
       sum("goodCount") as good,
       sum("rejectCount") as rejected,
       sum("reworkCount") as rework
from public.production_counts
where "equipmentId" = $1
  and "timestamp" > $2
  and "timestamp" <= $3
group by hour
order by hour;

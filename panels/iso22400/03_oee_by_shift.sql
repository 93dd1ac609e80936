-- A unit's OEE by shift, over a month
-- $1 text: select id from public."Equipment" order by 1
-- $2 date: select coalesce(newest, current_date)::date - n
--     from (select max("shiftDate") from public.oee_calculations) t (newest),
--         generate_series(0, 59) n order by n
select bucket, "shiftDate", availability, performance, quality, oee
from public.oee_hourly
where "equipmentId" = $1
  and "shiftDate" > $2 - 30
  and "shiftDate" <= $2
order by bucket;

-- OEE of each work center by day, over three months
-- $1 date: select coalesce(newest, current_date)::date - n
--     from (select max("shiftDate") from public.oee_calculations) t (newest),
--         generate_series(0, 59) n order by n
select c.code, d.bucket, d.availability, d.performance, d.quality, d.oee
from public.oee_daily_workcenter d
join public."WorkCenter" c on c.id = d."workCenterId"
where d.bucket > $1 - 90
  and d.bucket <= $1
order by c.code, d.bucket;

-- What stopped the lines over a week, the longest first
-- $1 timestamptz: select coalesce(newest, now()) - n * interval '3 hours'
--     from (select max(start_time) from factory_telemetry.downtime_events) t (newest),
--         generate_series(0, 59) n order by n
select reason_code,
       category,
       count(*) as stops,
       sum(extract(epoch from least(coalesce(end_time, $1), $1)
           - greatest(start_time, $1 - interval '7 days'))) as seconds
from factory_telemetry.downtime_events
where start_time < $1
  and start_time > $1 - interval '14 days'
  and coalesce(end_time, $1) > $1 - interval '7 days'
group by reason_code, category
order by seconds desc
limit 10;

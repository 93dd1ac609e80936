-- How much of each hour a machine ran, over a shift
-- $1 uuid: select id from factory_telemetry.metric_def
--     where metric_key = 'running_status' order by 1
-- $2 timestamptz: select coalesce(newest, now()) - n * interval '50 minutes' - interval '8 hours'
--     from (select max(ts) from factory_telemetry.metric_hist) t (newest),
--         generate_series(0, 59) n order by n
-- $3 timestamptz: select coalesce(newest, now()) - n * interval '50 minutes'
--     from (select max(ts) from factory_telemetry.metric_hist) t (newest),
--         generate_series(0, 59) n order by n
select date_bin(interval '1 hour', ts, timestamptz '2000-01-01 00:00:00+00') as hour,
       avg(value_bool::int) as running_share
from factory_telemetry.metric_hist
where metric_def_id = $1
  and ts > $2
  and ts <= $3
group by hour
order by hour;

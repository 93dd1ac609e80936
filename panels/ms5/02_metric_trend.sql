-- A metric over eight hours: least, mean and greatest of every five minutes
-- $1 uuid: select id from factory_telemetry.metric_def
--     where value_type in ('REAL', 'INT') order by 1
-- $2 timestamptz: select coalesce(newest, now()) - n * interval '50 minutes' - interval '8 hours'
--     from (select max(ts) from factory_telemetry.metric_hist) t (newest),
--         generate_series(0, 59) n order by n
-- $3 timestamptz: select coalesce(newest, now()) - n * interval '50 minutes'
--     from (select max(ts) from factory_telemetry.metric_hist) t (newest),
--         generate_series(0, 59) n order by n
select date_bin(interval '5 minutes', ts, timestamptz '2000-01-01 00:00:00+00') as bucket,
       min(coalesce(value_real, value_int)),
       avg(coalesce(value_real, value_int)),
       max(coalesce(value_real, value_int))
from factory_telemetry.metric_hist
where metric_def_id = $1
  and ts > $2
  and ts <= $3
group by bucket
order by bucket;

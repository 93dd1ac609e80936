-- The hundred newest values of a metric
-- $1 uuid: select id from factory_telemetry.metric_def order by 1
select ts, value_bool, value_int, value_real, value_text, value_json
from factory_telemetry.metric_hist
where metric_def_id = $1
order by ts desc
limit 100;

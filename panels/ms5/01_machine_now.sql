-- A machine now: the newest value of each of its metrics
-- $1 text: select distinct equipment_code from factory_telemetry.metric_def order by 1
select metric_key, value, ts
from public.v_equipment_latest
where equipment_code = $1
order by metric_key;
